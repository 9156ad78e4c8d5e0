"""Gate: whether what was measured tonight lies within its bounds, and what a breach does.

A gate is data (`config/gates.yaml`): one metric and its bound, or several that vote. Three
outcomes: pass, breach, not applicable. What applies is pinned when the night opens, so a figure
that is missing or NaN where it applies is a breach, never a pass.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isnan
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.metrics.catalogue import metric_named
from collapse_pipeline.metrics.evidence import Column
from collapse_pipeline.metrics.trends import trend_z
from collapse_pipeline.records import Frozen

GatedAsset = Literal[
    "synthetic_batch", "judged_batch", "filtered_batch", "training_mix", "eval_report", "release"
]
Scope = Literal["", "label", "template", "teacher"]


class Outcome(StrEnum):
    """How a gate came out."""

    PASS = "pass"  # noqa: S105 - no password
    BREACH = "breach"
    NOT_APPLICABLE = "not_applicable"


class Action(StrEnum):
    """What a breach causes, besides what its severity does."""

    FREEZE_TEMPLATE = "freeze_template"
    FREEZE_NEWEST_TEMPLATES = "freeze_newest_templates"
    FREEZE_TEACHER = "freeze_teacher"
    FREEZE_JUDGE = "freeze_judge"
    LOWER_CAP = "lower_cap"
    INFUSE_HUMAN = "infuse_human"
    RAISE_REVIEW = "raise_review"
    REQUIRE_REVIEW = "require_review"
    ROLLBACK = "rollback"


class Trend(Frozen):
    """A sequential test over generations of one lineage."""

    towards: Literal["above", "below"]
    z: float = Field(3.0, gt=0)  # of Mann and Kendall's statistic
    least: int = Field(4, ge=3)  # generations; fewer are no trend


class Bound(Frozen):
    """One of the four forms: exactly one of the first five names is given."""

    at_most: float | None = None
    at_least: float | None = None
    worse_than: Literal["best", "baseline"] | None = None
    calibrated: Literal["above", "below", "either"] | None = None
    trend: Trend | None = None
    by: float = Field(0.0, ge=0)  # with worse_than: the loss that is allowed, 0.02 is 2%
    # With calibrated: what is never a breach, however narrow the null; a figure may lie far from
    # what is usual and harm nobody.
    harmless: float | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Bound":
        forms = (self.at_most, self.at_least, self.worse_than, self.calibrated, self.trend)
        if sum(form is not None for form in forms) != 1:
            raise ValueError("one of at_most, at_least, worse_than, calibrated, trend is wanted")
        if self.harmless is not None and self.calibrated in (None, "either"):
            raise ValueError("harmless goes with calibrated: above or below")
        return self


class Condition(Frozen):
    """One metric and its bound."""

    metric: str
    bound: Bound
    column: Column = "prompt"
    suite: str = ""  # of a metric of the evaluation report

    @property
    def measured(self) -> str:
        """The metric of the catalogue: itself, or its ratio to what it is compared with."""
        reference = self.bound.worse_than
        return f"{self.metric}_over_{reference}" if reference else self.metric

    @property
    def statistic(self) -> str:
        """Names what is measured: metric, and what else tells it from others."""
        return statistic(self.measured, self.column, self.suite)


class Gate(Frozen):
    """One or several conditions, what a breach does, and why."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    name: str
    asset: GatedAsset
    of: tuple[Condition, ...]
    any: int = Field(1, ge=1)  # how many of the conditions make a breach
    per: Scope = ""  # one verdict for each label, template or teacher; such gates only warn
    least_rows: int = Field(200, ge=2)  # of a scope; fewer rows are not measured
    persist: int = Field(1, ge=1, alias="for")  # generations in a row
    severity: Literal["warn", "block"] = "warn"
    actions: tuple[Action, ...] = ()
    escalate: tuple[Action, ...] = ()  # further actions of the second breach in a row
    why: str

    @model_validator(mode="before")
    @classmethod
    def _single(cls, data: Any) -> Any:
        """`metric` and `bound` on the gate itself stand for one condition."""
        if not isinstance(data, Mapping) or "of" in data or "metric" not in data:
            return data
        own = {name: data[name] for name in Condition.model_fields if name in data}
        rest = {name: value for name, value in data.items() if name not in own}
        return rest | {"of": [own]}

    @model_validator(mode="after")
    def _can_decide(self) -> "Gate":
        if not self.of:
            raise ValueError("a gate wants a metric with its bound")
        if self.any > len(self.of):
            raise ValueError(f"any: {self.any} of {len(self.of)} conditions can never happen")
        if self.per and self.severity == "block":
            raise ValueError("a gate per label, template or teacher can only warn")
        names = [condition.statistic for condition in self.of]
        if len(set(names)) < len(names):
            raise ValueError("two conditions on the same figure")
        return self


def check_gates(gates: Sequence[Gate]) -> None:
    """Looks for what no single gate can know.

    Raises:
        BadInputError: Two gates of one name, an unknown metric, or one that is measured elsewhere
            or cannot be split as asked.
    """
    for name, count in Counter(gate.name for gate in gates).items():
        if count > 1:
            raise BadInputError("one gate a name", f"{count} named {name}", "rename one")
    for gate in gates:
        for condition in gate.of:
            metric = metric_named(condition.measured)
            if metric.asset != gate.asset:
                raise BadInputError(
                    f"a metric of {gate.asset} in gate {gate.name}",
                    f"{metric.name}, which is measured on {metric.asset}",
                    f"set asset: {metric.asset}, or choose another metric",
                )
            if bool(condition.suite) != (metric.asset == "eval_report" and metric.per_suite):
                raise BadInputError(
                    f"gate {gate.name} to name a suite exactly where its metric has one",
                    f"suite {condition.suite!r} for {metric.name}",
                    "add or drop `suite`",
                )
            if gate.per and gate.per not in metric.scopes:
                raise BadInputError(
                    f"a metric that can be split by {gate.per} in gate {gate.name}",
                    f"{metric.name}, by {', '.join(metric.scopes) or 'nothing'}",
                    "drop `per`, or choose another metric",
                )


def statistic(metric: str, column: str = "prompt", suite: str = "") -> str:
    """How a figure is named in calibrations and tables: `metric`, `metric.response`,
    `metric@suite`."""
    return metric + (f".{column}" if column != "prompt" else "") + (f"@{suite}" if suite else "")


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
    exceeded: bool
    note: str

    @property
    def missing(self) -> bool:
        """Whether there was no figure, or no bound to hold it against."""
        return self.limit is None or isnan(self.measured.value)


@dataclass(frozen=True)
class Finding:
    """One gate's outcome, for all rows or for one scope."""

    gate: Gate
    scope: str
    outcome: Outcome
    raised: bool  # enough conditions were exceeded tonight, whatever the persistence wants
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


def decide(
    gates: Sequence[Gate], figures: Figures, calibrated: Calibrated, past: Past
) -> list[Finding]:
    """Every gate's findings, in the order of the gates; a gate with scopes has several."""
    findings = []
    for gate in gates:
        scopes = {scope for name, scope in figures if any(name == c.statistic for c in gate.of)}
        for scope in sorted(scopes) if gate.per else [""]:
            findings.append(_finding(gate, scope, figures, calibrated, past))
    return findings


def _finding(
    gate: Gate, scope: str, figures: Figures, calibrated: Calibrated, past: Past
) -> Finding:
    readings = tuple(_read(c, scope, figures, calibrated, past) for c in gate.of)
    applying = [reading for reading in readings if reading.measured.applies]
    if len(applying) < gate.any:
        note = "; ".join(dict.fromkeys(r.note for r in readings if r.note))
        return Finding(gate, scope, Outcome.NOT_APPLICABLE, False, readings, (), note)
    raised = sum(reading.exceeded for reading in applying) >= gate.any
    key = (gate.name, scope)
    before = list(past.raised.get(key, ()))[: gate.persist - 1]
    lasting = raised and len(before) == gate.persist - 1 and all(before)
    if not lasting:
        note = "first sign; " if raised else ""
        note += f"breaches after {gate.persist} generations in a row" if raised else ""
        return Finding(gate, scope, Outcome.PASS, raised, readings, (), note)
    # Where a figure or its bound is missing nobody is to blame: the generation alone is stopped.
    known = sum(r.exceeded and not r.missing for r in applying)
    again = bool(past.breached.get(key)) and past.breached[key][0]
    actions = gate.actions + (gate.escalate if again else ()) if known >= gate.any else ()
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
    note = measured.note or ("could not be worked out" if isnan(measured.value) else "")
    return Reading(condition, measured, limit, not limit.holds(measured.value), note)


def limit_of(condition: Condition, calibrated: Calibrated) -> Limit | str:
    """The limit of a condition that is no trend; a text says why there is none."""
    bound = condition.bound
    if bound.at_most is not None:
        return Limit(None, bound.at_most, f"at most {bound.at_most:g}")
    if bound.at_least is not None:
        return Limit(bound.at_least, None, f"at least {bound.at_least:g}")
    if bound.worse_than is not None:
        reference = f"of the {bound.worse_than} one's"
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
    values = [*reversed(before), measured.value]
    text = f"no trend {trend.towards} of z {trend.z:g} over {trend.least} generations or more"
    limit = Limit(None, None, text)
    if isnan(measured.value):
        return Reading(condition, measured, limit, True, measured.note or "could not be worked out")
    finite = [value for value in values if not isnan(value)]
    if len(finite) < trend.least:
        return Reading(condition, measured, limit, False, f"{len(finite)} generations so far")
    z = trend_z(finite)
    exceeded = z >= trend.z if trend.towards == "above" else z <= -trend.z
    return Reading(condition, measured, limit, exceeded, f"z {z:.2f}")
