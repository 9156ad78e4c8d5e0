"""Decide: whether what was measured tonight lies within its bounds.

Three outcomes: pass, breach, not applicable. What applies is pinned when the night opens, so a
figure that is missing or NaN where it applies is a breach, never a pass. Nobody is to blame for
such a breach: it stops the generation, and no action follows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from collapse_pipeline.loop.gate import Action, Condition, Gate, Outcome, Trend
from collapse_pipeline.metrics.catalogue import metric_named
from collapse_pipeline.metrics.trends import trend_z

REFERENCES = {"best": "the best release's", "baseline": "the human-only baseline's"}


@dataclass(frozen=True)
class Limit:
    """Where a figure may lie; None is open."""

    low: float | None
    high: float | None
    text: str  # the bound in words

    def holds(self, value: float) -> bool:
        """Whether a figure lies within; NaN never does."""
        if isnan(value):
            return False
        above = self.high is not None and value > self.high
        return not above and not (self.low is not None and value < self.low)


@dataclass(frozen=True)
class Measured:
    """One figure, or why there is none."""

    value: float
    rows: int = 0
    note: str = ""
    applies: bool = True


@dataclass(frozen=True)
class Reading:
    """One condition of a gate as it was found."""

    condition: Condition
    measured: Measured
    limit: Limit | None
    exceeded: bool  # beyond the bound; true also where the figure or its bound is missing
    note: str

    @property
    def missing(self) -> bool:
        """Whether there was no figure where one was due, or no bound to hold it against."""
        return self.measured.applies and (self.limit is None or isnan(self.measured.value))


@dataclass(frozen=True)
class Finding:
    """One gate's outcome, for all rows or for one scope."""

    gate: Gate
    scope: str  # `label=refund`, "" for all rows
    outcome: Outcome
    raised: bool  # enough figures lay beyond their bounds tonight, whatever `for` wants
    readings: tuple[Reading, ...]
    actions: tuple[Action, ...]
    note: str = ""

    @property
    def blocks(self) -> bool:
        """Whether this stops the generation."""
        return self.outcome is Outcome.BREACH and self.gate.severity == "block"


Figures = Mapping[tuple[str, str], Measured]  # by statistic and scope
# The limit of a calibrated condition, or why there is none.
Calibrated = Callable[[Condition], Limit | str]


@dataclass(frozen=True)
class Past:
    """What gates said before, in generations of the same lineage, newest first."""

    raised: Mapping[tuple[str, str], Sequence[bool]]  # by gate and scope
    breached: Mapping[tuple[str, str], Sequence[bool]]
    values: Mapping[tuple[str, str], Sequence[float]]  # by statistic and scope


def scope_of(gate: Gate, value: str) -> str:
    """How a scope is written, `label=refund`: a template may be called what a label is."""
    return f"{gate.per}={value}" if gate.per else ""


def decide(
    gates: Sequence[Gate], figures: Figures, calibrated: Calibrated, past: Past
) -> list[Finding]:
    """Every gate's findings, in the order of the gates.

    A gate with scopes has one for each that was measured; one that says so where none was.
    """
    return [
        _finding(gate, scope, figures, calibrated, past)
        for gate in gates
        for scope in _scopes(gate, figures)
    ]


def _scopes(gate: Gate, figures: Figures) -> list[str]:
    if not gate.per:
        return [""]
    own = {condition.statistic for condition in gate.of}
    found = {s for name, s in figures if name in own and s.startswith(scope_of(gate, ""))}
    return sorted(found) or [""]


def _finding(
    gate: Gate, scope: str, figures: Figures, calibrated: Calibrated, past: Past
) -> Finding:
    if gate.per and not scope:
        none = f"no {gate.per} has {gate.least_rows} rows"
        few = Measured(float("nan"), note=none, applies=False)
        figures = {(condition.statistic, scope): few for condition in gate.of}
    readings = tuple(_read(c, scope, figures, calibrated, past) for c in gate.of)
    applying = [reading for reading in readings if reading.measured.applies]
    if len(applying) < gate.any:
        note = "; ".join(dict.fromkeys(r.note for r in readings if r.note))
        return Finding(gate, scope, Outcome.NOT_APPLICABLE, False, readings, (), note)
    raised = sum(r.exceeded and not r.missing for r in applying) >= gate.any
    key = (gate.name, scope)
    before = list(past.raised.get(key, ()))[: gate.persist - 1]
    lasting = raised and len(before) == gate.persist - 1 and all(before)
    if not lasting and any(reading.missing for reading in applying):
        return Finding(gate, scope, Outcome.BREACH, raised, readings, ())
    if not lasting:
        note = f"first sign; breaches after {gate.persist} generations in a row" if raised else ""
        return Finding(gate, scope, Outcome.PASS, raised, readings, (), note)
    again = all(list(said.get(key, ()))[:1] == [True] for said in (past.raised, past.breached))
    actions = gate.actions + (gate.escalate if again else ())
    return Finding(gate, scope, Outcome.BREACH, True, readings, tuple(dict.fromkeys(actions)))


def _read(
    condition: Condition, scope: str, figures: Figures, calibrated: Calibrated, past: Past
) -> Reading:
    name = condition.statistic
    measured = figures.get((name, scope), Measured(float("nan"), note="was not measured"))
    if not measured.applies:
        return Reading(condition, measured, None, False, measured.note)
    if condition.bound.trend is not None:
        return _trend(
            condition, condition.bound.trend, measured, past.values.get((name, scope), ())
        )
    limit = limit_of(condition, calibrated)
    if isinstance(limit, str):  # no bound to hold it against
        return Reading(condition, measured, None, True, limit)
    return Reading(condition, measured, limit, not limit.holds(measured.value), _note(measured))


def _note(measured: Measured) -> str:
    return measured.note or ("could not be worked out" if isnan(measured.value) else "")


def limit_of(condition: Condition, calibrated: Calibrated) -> Limit | str:
    """The limit of a condition that is no trend; a text says why there is none."""
    bound = condition.bound
    if bound.at_most is not None:
        return Limit(None, bound.at_most, f"at most {bound.at_most:g}")
    if bound.at_least is not None:
        return Limit(bound.at_least, None, f"at least {bound.at_least:g}")
    if bound.worse_than is not None:
        reference = f"of {REFERENCES[bound.worse_than]}"
        if metric_named(condition.measured).worse == "above":
            return Limit(None, 1 + bound.by, f"at most {1 + bound.by:g} {reference}")
        return Limit(1 - bound.by, None, f"at least {1 - bound.by:g} {reference}")
    limit = calibrated(condition)
    if bound.harmless is None or isinstance(limit, str):
        return limit
    if limit.high is not None and limit.high < bound.harmless:
        return Limit(None, bound.harmless, f"at most {bound.harmless:g}, for less is harmless")
    if limit.low is not None and limit.low > bound.harmless:
        return Limit(bound.harmless, None, f"at least {bound.harmless:g}, for more is harmless")
    return limit


def _trend(
    condition: Condition, trend: Trend, measured: Measured, before: Sequence[float]
) -> Reading:
    text = f"no trend {trend.towards} of z {trend.z:g} over {trend.least} generations or more"
    limit = Limit(None, None, text)
    if isnan(measured.value):
        return Reading(condition, measured, limit, True, _note(measured))
    known = [value for value in [*reversed(before), measured.value] if not isnan(value)]
    if len(known) < trend.least:
        return Reading(condition, measured, limit, False, f"{len(known)} generations so far")
    z = trend_z(known)
    exceeded = z >= trend.z if trend.towards == "above" else z <= -trend.z
    return Reading(condition, measured, limit, exceeded, f"z {z:.2f}")
