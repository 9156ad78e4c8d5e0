"""A small corpus with a healthy night and an honest calibration, and ways to spoil the night."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any

import pyarrow as pa

from collapse_pipeline.backends.judges.jury import JuryConfig
from collapse_pipeline.loop.calibrate import Calibration, batch_evidence, bounds
from collapse_pipeline.loop.chain import Parts, Turn, turns
from collapse_pipeline.loop.contamination import eval_overlaps
from collapse_pipeline.loop.decide import Calibrated, Figures, Finding, Past, decide
from collapse_pipeline.loop.evaluate import EvaluatePolicy, evaluate
from collapse_pipeline.loop.filter import Filtered, filter_batch, no_earlier
from collapse_pipeline.loop.gate import Gate
from collapse_pipeline.loop.generate import generate, plan_requests
from collapse_pipeline.loop.judge import JudgePolicy, judge_batch
from collapse_pipeline.loop.limits import Allotment, allot
from collapse_pipeline.loop.measure import Evidence, measure, rows_of
from collapse_pipeline.metrics.evidence import (
    BatchEvidence,
    FilteredEvidence,
    JudgedEvidence,
    MixEvidence,
    Need,
    ReleaseEvidence,
    ReportEvidence,
    Texts,
)
from collapse_pipeline.metrics.gold import gold_rows
from collapse_pipeline.ports import Bench, Night, Student
from collapse_pipeline.records import SuiteRecord, derived_seed

NIGHT = "2026-10-10"
SEED = 23
# What a later night of a line has besides what its corpus has.
OF_THE_LINE = (Need.EARLIER, Need.GOLD, Need.TEACHERS, Need.TEMPLATES)
NO_PAST = Past({}, {}, {})
POLICY = EvaluatePolicy(written_rows=0, draws=100, primary_rows=50)


@dataclass
class Scene:
    """One corpus, calibrated; `evidence` is a healthy night's, by asset."""

    parts: Parts
    human: pa.Table
    applies: tuple[Need, ...]
    suites: tuple[SuiteRecord, ...]
    gates: tuple[Gate, ...]
    calibration: Calibration
    shares: Allotment = field(init=False)
    _made: dict[Callable[["Scene"], Evidence], Evidence] = field(default_factory=dict)
    _figures: dict[str, Figures] = field(default_factory=dict)

    def __post_init__(self) -> None:
        budget = 1 / 500
        nulls = self.calibration.nulls["1"]
        self.shares = allot(self.gates, nulls, self.calibration.rows, budget, SEED)

    def known(self, evidence: Evidence, depth: int = 1) -> Calibrated:
        """The limits of calibrated conditions."""
        rows = rows_of(evidence)
        return bounds(self.calibration, depth, rows, "calibrate it", lambda _: self.shares)

    def figures(self, gate: Gate, evidence: Evidence) -> Figures:
        """What a gate wants to know of a night."""
        return measure([gate], evidence, self.applies, self.suites)

    def ask(self, gate: Gate, evidence: Evidence, past: Past = NO_PAST) -> Finding:
        """What a gate says of a night."""
        return decide([gate], self.figures(gate, evidence), self.known(evidence), past)[0]

    @cached_property
    def nights(self) -> list[Turn]:
        """Two healthy nights that no replicate saw."""
        parts = replace(self.parts, classify=True)
        return list(islice(turns(parts, self.human, derived_seed(SEED, "tonight")), 2))

    @property
    def tonight(self) -> Turn:
        """The second of them."""
        return self.nights[1]

    @property
    def bench(self) -> Bench:
        """What teachers and judges of tonight are built from."""
        return Bench(
            human=self.human,
            baseline=self.tonight.baseline,
            parent=self.tonight.baseline,
            parent_version="",
            parent_depth=0,
            embedder=self.parts.embedder,
            world=self.parts.world,
            seed=SEED,
        )

    def written(self, **parts: Any) -> pa.Table:
        """Tonight's batch by another teacher, or from other templates."""
        spoilt = replace(self.parts, **parts)
        night = Night(spoilt.corpus, NIGHT, 2, derived_seed(SEED, "written"))
        requests = plan_requests(self.human, spoilt.templates, spoilt.generate, night)
        teacher = spoilt.teacher.build(self.bench)
        return generate(requests, teacher, night, spoilt.task_type).samples

    @cached_property
    def more(self) -> pa.Table:
        """Another healthy batch of tonight's, as it was written."""
        return self.written()

    def batch(self, rows: pa.Table) -> BatchEvidence:
        """The evidence of a batch."""
        earlier = [self.nights[0].kept]
        size = self.calibration.rows
        return batch_evidence(self.parts, self.human, rows, earlier, size, SEED)

    def judged(self, panel: Any = None, rows: pa.Table | None = None) -> JudgedEvidence:
        """The evidence of a judge's night; the gold rows were judged by the jury before."""
        judge = (panel or JuryConfig()).build(self.bench)
        before = JuryConfig().build(self.bench)
        gold = gold_rows(self.human, 100, SEED)
        open_policy = JudgePolicy(enforce=False)
        batch = self.more if rows is None else rows
        said = judge_batch(batch, judge, None, self.parts.judge, SEED)
        return JudgedEvidence(
            Texts(said.slice(0, self.calibration.rows)),
            Texts(judge_batch(gold, judge, None, open_policy, SEED)),
            Texts(judge_batch(gold, before, None, open_policy, SEED)),
        )

    def sieved(self, rows: pa.Table) -> Filtered:
        """What the filter makes of rows, all of which a judge accepted."""
        parts = self.parts
        return filter_batch(
            rows, parts.suites, no_earlier, parts.embedder, parts.filter, self.human
        )

    def filtered(self, rows: pa.Table) -> FilteredEvidence:
        """The evidence of a filtered batch."""
        made = self.sieved(rows)
        reasons = made.dropped["reason"].value_counts().to_pylist()
        return FilteredEvidence(rows.num_rows, {e["values"]: e["counts"] for e in reasons})

    @cached_property
    def mix(self) -> pa.Table:
        """Tonight's mix, as if two teachers had taken turns."""
        rows = self.tonight.mixture.samples
        names = [v and f"teacher-{i % 2}@1" for i, v in enumerate(rows["teacher"].to_pylist())]
        place = rows.schema.get_field_index("teacher")
        return rows.set_column(place, rows.schema.field(place), pa.array(names, pa.string()))

    def mixed(self, rows: pa.Table, **over: Any) -> MixEvidence:
        """The evidence of a mix."""
        human = set(self.human["sample_id"].to_pylist())
        written = rows.filter(pa.array([i not in human for i in rows["sample_id"].to_pylist()]))
        policy = self.parts.filter
        overlaps = eval_overlaps(
            written,
            self.parts.suites,
            words=policy.contamination_words,
            common=policy.boilerplate_rows,
            human=self.human,
            responses=policy.contamination_responses,
        )
        usual = {"leaked": sum(map(bool, overlaps)), "cap": self.parts.mix.synthetic_cap}
        usual |= {"depth_limit": self.parts.mix.depth_limit, "gradient_share": 0.3}
        return MixEvidence(rows, **(usual | over))

    def reported(
        self, student: Student | None = None, batch: pa.Table | None = None, first: bool = False
    ) -> list[dict[str, Any]]:
        """The evaluation report of a candidate; the release before it is the earlier night's."""
        turn = self.nights[0] if first else self.tonight
        models = {"candidate": student or turn.candidate, "baseline": turn.baseline}
        if not first:
            models["incumbent"] = self.nights[0].candidate
        best = {} if first else {suite.name: "incumbent" for suite in self.suites}
        rows = turn.batch if batch is None else batch
        return evaluate(models, best, self.parts.suites, self.suites, rows, None, POLICY, SEED)

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The report of the earlier night."""
        return self.reported(first=True)

    def made(self, make: Callable[["Scene"], Evidence]) -> Evidence:
        """What a maker makes of this scene, made once."""
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]

    def healthy(self, asset: str) -> Evidence:
        """The evidence of a healthy night."""
        return self.made(HEALTHY[asset])

    def healthy_figures(self, gate: Gate) -> Figures:
        """What a gate knows of the healthy night."""
        if gate.name not in self._figures:
            self._figures[gate.name] = self.figures(gate, self.healthy(gate.asset))
        return self._figures[gate.name]


def _accepted(s: Scene) -> pa.Table:
    return s.tonight.judged.filter(s.tonight.judged["accepted"])


READY = ReleaseEvidence(
    pin_faults=0,
    outside_suites=2,
    changed_components=0,
    reviewed_rows=0,
    review_density=0.02,
    kept_rows=400,
    nights_alone=3,
    calibration_faults=0,
)


HEALTHY: Mapping[str, Callable[[Scene], Evidence]] = {
    "synthetic_batch": lambda s: s.batch(s.tonight.batch),
    "judged_batch": lambda s: s.judged(rows=s.tonight.batch),
    "filtered_batch": lambda s: s.filtered(_accepted(s)),
    "training_mix": lambda s: s.mixed(s.mix),
    "eval_report": lambda s: ReportEvidence(s.reported(), [s.history]),
    "release": lambda s: READY,
}
