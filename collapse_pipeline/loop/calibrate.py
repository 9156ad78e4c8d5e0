"""Calibrate: what a healthy generator's figures are, so that a gate knows its false alarms.

The null is not real text against real text: a healthy generator is not the real world, and bounds
from real text would stop nearly every healthy night. Replicate chains of the governed loop, each
on four fifths of the human rows drawn without replacement, give every figure's spread at each
depth, for batches of the gated size under the policy in force. A teacher that cannot be refitted
stays as it is, and its replicates are pilot batches.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict

from collapse_pipeline.loop import evaluate
from collapse_pipeline.loop.chain import Parts, Turn, subsample, turns
from collapse_pipeline.loop.decide import Calibrated, Limit
from collapse_pipeline.loop.gate import Condition, Gate
from collapse_pipeline.loop.limits import (
    Allotment,
    calibrated_conditions,
    prediction_limit,
    side_of,
)
from collapse_pipeline.loop.measure import Evidence, drawn, measure
from collapse_pipeline.metrics.catalogue import metric_named
from collapse_pipeline.metrics.evidence import (
    BatchEvidence,
    FilteredEvidence,
    JudgedEvidence,
    Need,
    ReportEvidence,
    Texts,
)
from collapse_pipeline.ports import LanguageModel
from collapse_pipeline.records import (
    Frozen,
    SuiteRecord,
    canonical_json,
    content_hash,
    derived_seed,
)

GROWTH = 0.2  # of the human rows; beyond it a calibration is stale
DRAWN = ("synthetic_batch", "judged_batch")  # whose figures move with the number of rows
SUITE_ROWS = 2_000  # of each suite that a replicate is scored on
Values = dict[int, dict[str, float]]  # by depth and statistic


class Calibration(Frozen):
    """Nulls of every calibrated figure, and what they hold for."""

    model_config = ConfigDict(ser_json_inf_nan="constants")  # a figure that has no value is NaN

    corpus: str
    source: Literal["refits", "pilot"]  # students refitted, or batches of a teacher as it stands
    facts: Mapping[str, str]  # hashes by name: one that changed makes it stale
    human_rows: int  # of which each replicate has four fifths
    rows: int  # drawn of each batch
    seed: int
    nulls: Mapping[str, Mapping[str, tuple[float, ...]]]  # depth, statistic, value per replicate

    @property
    def version(self) -> str:
        """Hash of what it holds."""
        return content_hash(canonical_json(self.model_dump(mode="json")))[:12]

    @property
    def replicates(self) -> int:
        """How many chains there were."""
        return max((len(v) for null in self.nulls.values() for v in null.values()), default=0)

    @property
    def depths(self) -> list[int]:
        """Depths that are calibrated."""
        return sorted(int(depth) for depth in self.nulls)


def faults(calibration: Calibration, facts: Mapping[str, str], human_rows: int) -> list[str]:
    """Why a calibration does not hold for tonight; empty when it does.

    Args:
        calibration: The one in force.
        facts: Tonight's hashes by name.
        human_rows: That tonight's teacher was trained on.
    """
    said = [
        f"the {name.replace('_', ' ')} changed since"
        for name, value in facts.items()
        if calibration.facts.get(name) != value
    ]
    small, large = sorted((human_rows, calibration.human_rows))
    if large > (1 + GROWTH) * small + 1e-9:
        said.append(
            f"the human rows went from {calibration.human_rows} to {human_rows} since; "
            f"{GROWTH:.0%} more or less is the limit"
        )
    return said


def bounds(
    calibration: Calibration | None,
    depth: int,
    rows: int,
    mend: str,
    shares: Callable[[Calibration], Allotment],
) -> Calibrated:
    """Limits of calibrated conditions for one asset of a night, or why there are none.

    Args:
        calibration: The one in force.
        depth: Of what is measured.
        rows: That were drawn of the batch.
        mend: What to do where there is no limit, for the person who reads why.
        shares: How the false-alarm budget is shared out at that depth; asked only if needed.
    """

    def bound(condition: Condition) -> Limit | str:
        if calibration is None:
            return f"there is no calibration; {mend}"
        null = calibration.nulls.get(str(depth))
        if null is None:
            known = ", ".join(map(str, calibration.depths))
            return f"depth {depth} is not calibrated, only {known}; {mend}"
        if condition.statistic not in null:
            return f"{condition.statistic} is not calibrated; {mend}"
        metric = metric_named(condition.measured)
        if metric.asset in DRAWN and rows != calibration.rows:
            return f"{rows} rows, where the calibration has {calibration.rows}; {mend}"
        side = side_of(condition)
        return prediction_limit(
            null[condition.statistic],
            shares(calibration).chances[condition.statistic, side],
            side,
            metric.scale,
            calibration.rows,
        )

    return bound


def healthy_night(
    parts: Parts,
    human: pa.Table,
    gates: Sequence[Gate],
    applies: Collection[Need],
    suites: Sequence[SuiteRecord],
    rows: int,
    depths: int,
    seed: int,
    share: float = 0.8,
    vocabulary_of: LanguageModel | None = None,
) -> Values:
    """The figures of one replicate chain, by depth.

    Args:
        parts: Policies and backends of the corpus.
        human: Training rows of the anchor.
        gates: The suite; only calibrated conditions are measured.
        applies: What the corpus has.
        suites: The suites of the corpus; `parts.suites` has their rows.
        rows: Drawn of each batch.
        depths: How many turns; a teacher from outside writes depth 1 in all of them.
        seed: Of this replicate.
        share: Of the human rows that the chain sees.
        vocabulary_of: Whose tokenizer its students share.
    """
    own = subsample(human, seed, share) if share < 1 else human
    made = list(islice(turns(parts, own, seed, vocabulary_of), max(depths, 2)))
    values: Values = {}
    for turn in made:
        others = [other.kept for other in made if other is not turn]
        found = figures(parts, own, turn, others, gates, applies, suites, rows, seed)
        known = values.setdefault(turn.depth, {})
        known |= {name: value for name, value in found.items() if name not in known}
    return values


def figures(
    parts: Parts,
    human: pa.Table,
    turn: Turn,
    earlier: Sequence[pa.Table],
    gates: Sequence[Gate],
    applies: Collection[Need],
    suites: Sequence[SuiteRecord],
    rows: int,
    seed: int,
) -> dict[str, float]:
    """Every calibrated figure of one turn, by statistic."""
    suite = [gate.model_copy(update={"of": tuple(calibrated_conditions(gate))}) for gate in gates]
    wanted = [gate for gate in suite if gate.of]
    asked = {condition.suite for gate in wanted for condition in gate.of}
    found: dict[str, float] = {}
    seen: dict[str, Evidence] = {
        "synthetic_batch": batch_evidence(parts, human, turn.batch, earlier, rows, seed),
        "judged_batch": JudgedEvidence(Texts(drawn(turn.judged, rows, seed), parts.embedder)),
        "filtered_batch": filtered_evidence(turn),
        "eval_report": ReportEvidence(_report(parts, turn, [s for s in suites if s.name in asked])),
    }
    for asset, evidence in seen.items():
        own = [gate for gate in wanted if gate.asset == asset]
        measured = measure(own, evidence, applies, suites)
        found |= {name: m.value for (name, _), m in measured.items() if m.applies}
    return found


def batch_evidence(
    parts: Parts,
    human: pa.Table,
    batch: pa.Table,
    earlier: Sequence[pa.Table],
    rows: int,
    seed: int,
) -> BatchEvidence:
    """Equal-size draws of the batch, of human rows and of rows kept before."""
    past = pa.concat_tables(earlier).combine_chunks() if earlier else None
    return BatchEvidence(
        synthetic=Texts(drawn(batch, rows, seed), parts.embedder),
        human=Texts(drawn(human, rows, seed), parts.embedder),
        earlier=Texts(drawn(past, rows, seed), parts.embedder) if past is not None else None,
        world=parts.world,
        seed=derived_seed(seed, "measure"),
    )


def filtered_evidence(turn: Turn) -> FilteredEvidence:
    """What the filter left out of a turn."""
    accepted = int(pc.sum(turn.judged["accepted"]).as_py() or 0)
    return FilteredEvidence(accepted, reasons(turn.dropped))


def reasons(dropped: pa.Table) -> dict[str, int]:
    """Rows that the filter dropped, by reason."""
    of_filter = dropped.filter(pc.equal(dropped["stage"], "filter"))
    return {e["values"]: e["counts"] for e in of_filter["reason"].value_counts().to_pylist()}


def _report(parts: Parts, turn: Turn, suites: Sequence[SuiteRecord]) -> list[dict[str, Any]]:
    """The perplexity of candidate and baseline on real text, with no interval."""
    policy = evaluate.EvaluatePolicy(written_rows=0, draws=100, primary_rows=10**9)
    models = {evaluate.CANDIDATE: turn.candidate, evaluate.BASELINE: turn.baseline}
    scored = [suite for suite in suites if suite.applicable]
    if not scored:
        return []
    own = [parts.suites.filter(pc.equal(parts.suites["suite"], suite.name)) for suite in scored]
    rows = pa.concat_tables([drawn(rows, SUITE_ROWS, 0) for rows in own])
    nothing = turn.batch.slice(0, 0)
    return evaluate.evaluate(models, {}, rows, scored, nothing, None, policy, 0)
