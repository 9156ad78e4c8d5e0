"""Gates held against turns in memory: which of them would have stopped a turn of an experiment.

The gates, figures and bounds are those of a night. What only a store or a ledger has (gold rows of
an earlier night, a release, its pins) is not there, so gates on the release are not held; nor is a
calibrated figure whose calibration is missing or is of another size, and each says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.loop.calibrate import (
    Calibration,
    batch_evidence,
    bounds,
    filtered_evidence,
)
from collapse_pipeline.loop.chain import Parts, Turn
from collapse_pipeline.loop.contamination import eval_overlaps
from collapse_pipeline.loop.decide import Calibrated, Finding, Past, decide
from collapse_pipeline.loop.gate import Gate, Outcome
from collapse_pipeline.loop.limits import Allotment, allot
from collapse_pipeline.loop.measure import Evidence, drawn, measure, rows_of
from collapse_pipeline.metrics.evidence import (
    JudgedEvidence,
    MixEvidence,
    Need,
    ReportEvidence,
    Texts,
)
from collapse_pipeline.records import SYNTHETIC, SuiteRecord

CALIBRATE = "calibrate at this size"
Findings = Sequence[Finding]


@dataclass(frozen=True)
class Watch:
    """What turns are held against."""

    gates: Sequence[Gate]  # the whole suite; those that only warn are not held
    applies: Sequence[Need]
    suites: Sequence[SuiteRecord]
    rows: int  # drawn of each batch
    calibration: Calibration | None
    why_not: str = ""  # why there is no calibration that holds
    budget: float = 1 / 500  # of false alarms
    _allotted: dict[int, Allotment] = field(default_factory=dict)

    def bound(self, depth: int, rows: int) -> Calibrated:
        """Limits of calibrated conditions at a depth, or why there are none."""

        def shares(calibration: Calibration) -> Allotment:
            if depth not in self._allotted:
                nulls = calibration.nulls[str(depth)]
                self._allotted[depth] = allot(
                    self.gates, nulls, calibration.rows, self.budget, calibration.seed
                )
            return self._allotted[depth]

        if self.calibration is None:
            return lambda _: self.why_not or "there is no calibration"
        return bounds(self.calibration, depth, rows, CALIBRATE, shares)


@dataclass(frozen=True)
class Held:
    """One turn as the blocking gates found it."""

    findings: tuple[Finding, ...]
    left_out: Mapping[str, str]  # figures that were held to nothing, by `gate: figure`, with why

    @property
    def fired(self) -> dict[str, str]:
        """Gates that would have stopped the turn, each with what was found."""
        return {f.gate.name: _said(f) for f in self.findings if f.blocks}


def hold(
    watch: Watch,
    parts: Parts,
    human: pa.Table,
    turn: Turn,
    report: Sequence[Mapping[str, Any]],
    line: Sequence[Turn],
    before: Sequence[Held],
    cap: float,
    seed: int,
) -> Held:
    """Holds one turn against the blocking gates.

    Args:
        watch: The gates and their calibration.
        parts: What the chain is made of.
        human: Rows that its students know.
        turn: What is held.
        report: Its evaluation, with best release and baseline.
        line: Promoted turns before it, oldest first.
        before: What was found of all turns before it, oldest first.
        cap: The largest synthetic share that this mix may have.
        seed: Of the draws.
    """
    past = _past(before)
    findings: list[Finding] = []
    left_out: dict[str, str] = {}
    applies = [need for need in watch.applies if line or need is not Need.EARLIER]
    for asset, evidence in _evidence(watch, parts, human, turn, report, line, cap, seed):
        bound = watch.bound(turn.depth, rows_of(evidence))
        own = [g for g in watch.gates if g.asset == asset and g.severity == "block"]
        gates = [part for gate in own if (part := _held(gate, bound, left_out)) is not None]
        if gates:
            figures = measure(gates, evidence, applies, watch.suites)
            findings += decide(gates, figures, bound, past)
    return Held(tuple(findings), left_out)


def _evidence(
    watch: Watch,
    parts: Parts,
    human: pa.Table,
    turn: Turn,
    report: Sequence[Mapping[str, Any]],
    line: Sequence[Turn],
    cap: float,
    seed: int,
) -> list[tuple[str, Evidence]]:
    earlier = [other.kept for other in line if other.kept.num_rows]
    written = turn.mixture.samples.filter(pc.equal(turn.mixture.samples["origin"], SYNTHETIC))
    mixed = MixEvidence(
        turn.mixture.samples,
        leaked=_leaked(parts, human, written),
        cap=cap,
        depth_limit=parts.mix.depth_limit,
        gradient_share=1.0,  # an experiment needs no experiment to support its share
    )
    judged = JudgedEvidence(Texts(drawn(turn.judged, watch.rows, seed), parts.embedder))
    return [
        ("synthetic_batch", batch_evidence(parts, human, turn.batch, earlier, watch.rows, seed)),
        ("judged_batch", judged),
        ("filtered_batch", filtered_evidence(turn)),
        ("training_mix", mixed),
        ("eval_report", ReportEvidence(report)),
    ]


def _leaked(parts: Parts, human: pa.Table, written: pa.Table) -> int:
    """Synthetic rows of a mix that give a measured row away; a filter at work left none."""
    policy = parts.filter
    if policy.enforce:
        return 0
    overlaps = eval_overlaps(
        written,
        parts.suites,
        words=policy.contamination_words,
        common=policy.boilerplate_rows,
        human=human,
        responses=policy.contamination_responses,
    )
    return sum(map(bool, overlaps))


def _held(gate: Gate, bound: Calibrated, left_out: dict[str, str]) -> Gate | None:
    """The gate with the conditions that there is a bound for; None where too few are left."""
    kept = []
    for condition in gate.of:
        limit = bound(condition) if condition.bound.calibrated is not None else None
        if isinstance(limit, str):
            left_out[f"{gate.name}: {condition.statistic}"] = limit
        else:
            kept.append(condition)
    return gate.model_copy(update={"of": tuple(kept)}) if len(kept) >= gate.any else None


def _past(before: Sequence[Held]) -> Past:
    """What the gates said of earlier turns, newest first."""
    raised: dict[tuple[str, str], list[bool]] = {}
    breached: dict[tuple[str, str], list[bool]] = {}
    values: dict[tuple[str, str], list[float]] = {}
    for held in reversed(before):
        for finding in held.findings:
            key = finding.gate.name, finding.scope
            raised.setdefault(key, []).append(finding.raised)
            breached.setdefault(key, []).append(finding.outcome is Outcome.BREACH)
            for reading in finding.readings:
                named = reading.condition.statistic, finding.scope
                values.setdefault(named, []).append(reading.measured.value)
    return Past(raised, breached, values)


def _said(finding: Finding) -> str:
    beyond = [reading for reading in finding.readings if reading.exceeded]
    return "; ".join(
        f"{r.condition.statistic} {r.measured.value:.4g}, {r.limit.text if r.limit else r.note}"
        for r in beyond
    )
