"""The loop in memory: the verbs one after the other, for calibration and for experiments.

The same verbs, policies and seeds as a night that Dagster runs, without a store, a ledger or a
release: every turn's student is the next one's parent, until the depth limit is reached, unless
whoever takes the turns holds one back.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.loop.filter import (
    EarlierMatches,
    FilterPolicy,
    bands_table,
    compared_texts,
    filter_batch,
)
from collapse_pipeline.loop.generate import GeneratePolicy, generate, plan_requests
from collapse_pipeline.loop.judge import JudgePolicy, judge_batch, rejected
from collapse_pipeline.loop.mix import MixPolicy, Mixture, mix
from collapse_pipeline.ports import (
    Bench,
    Embedder,
    Judge,
    LanguageModel,
    LanguageModelTrainer,
    Night,
    Student,
    TaskModelTrainer,
    Teacher,
    World,
)
from collapse_pipeline.records import SAMPLE, SYNTHETIC, Template, derived_seed

SUBSAMPLE = 0.8  # of the human rows; without replacement, for a bootstrap shifts the statistics

Matcher = Callable[[pa.Table, pa.Table, pa.Table], pa.Table]
Promoted = Callable[["Turn"], bool]


class TeacherChoice(Protocol):
    """A teacher's configuration."""

    def build(self, bench: Bench) -> Teacher:
        """The teacher of one night."""
        ...


class JudgeChoice(Protocol):
    """A judge's configuration."""

    def build(self, bench: Bench) -> Judge:
        """The judge of one night."""
        ...


@dataclass(frozen=True)
class Parts:
    """What a chain is made of: one corpus's policies and backends."""

    corpus: str
    task_type: str
    templates: Sequence[Template]
    generate: GeneratePolicy
    judge: JudgePolicy
    filter: FilterPolicy
    mix: MixPolicy
    teacher: TeacherChoice
    panel: JudgeChoice
    student: LanguageModelTrainer
    task: TaskModelTrainer | None
    embedder: Embedder | None
    suites: pa.Table  # EVAL_SUITES rows, against which the filter looks for contamination
    match: Matcher  # pairs of rows that share a MinHash band
    world: World | None = None
    classify: bool = True  # False: only the baseline, whom judges ask, has a task model
    quotas: bool = True  # False: the judge keeps the best of all labels together
    people: bool = True  # False: human rows are left out from under the mix


@dataclass(frozen=True)
class Turn:
    """What one turn made."""

    ordinal: int  # 1 for the first that writes
    batch: pa.Table  # SAMPLE
    judged: pa.Table  # JUDGED_BATCH
    kept: pa.Table  # SAMPLE
    dropped: pa.Table  # DROPPED_BATCH, by the filter
    mixture: Mixture
    baseline: Student
    candidate: Student
    depth: int  # of the batch
    bands: pa.Table  # MINHASH_BANDS of the kept rows

    @property
    def mix_depth(self) -> int:
        """Of the deepest row that the candidate was trained on."""
        return int(pc.max(self.mixture.samples["depth"]).as_py())


@dataclass
class _Past:
    """What earlier turns left."""

    parent: Student
    parent_version: str = ""
    parent_depth: int = 0
    kept: list[pa.Table] = field(default_factory=list)
    bands: list[pa.Table] = field(default_factory=list)


def subsample(human: pa.Table, seed: int, share: float = SUBSAMPLE) -> pa.Table:
    """A share of the rows without replacement, in their order; the same seed, the same rows."""
    rng = np.random.default_rng(derived_seed(seed, "subsample"))
    picks = rng.permutation(human.num_rows)[: max(1, round(share * human.num_rows))]
    return human.take(np.sort(picks))


def turns(
    parts: Parts,
    human: pa.Table,
    seed: int,
    vocabulary_of: LanguageModel | None = None,
    governed: bool = True,
    promoted: Promoted = lambda turn: True,  # noqa: ARG005 - every turn is
) -> Iterator[Turn]:
    """Turns of the loop on these human rows, without end; take as many as are wanted.

    Args:
        parts: Policies and backends.
        human: Training rows; the same every turn.
        seed: Of everything that is drawn.
        vocabulary_of: Whose tokenizer the students share; the baseline's own by default.
        governed: Whether a student at the depth limit stops being the parent, as releases do.
        promoted: Asked of a turn when the next one is taken. One that was not is quarantined: it is
            no parent, and later turns neither use its rows nor are compared with them.
    """
    rows = human.select(SAMPLE.names)
    baseline = train(parts, weighted(rows), derived_seed(seed, "baseline"), vocabulary_of)
    past = _Past(baseline)
    texts = compared_texts(rows)
    past.bands.append(bands_table(parts.corpus, "", rows["sample_id"].to_pylist(), texts))
    shared = vocabulary_of or baseline.language
    ordinal = 0
    while True:
        ordinal += 1
        turn = _turn(parts, rows, baseline, shared, past, ordinal, seed)
        yield turn
        if not promoted(turn):
            continue
        past.kept.append(turn.kept)
        past.bands.append(turn.bands)
        if not governed or turn.mix_depth < parts.mix.depth_limit:
            past.parent, past.parent_depth = turn.candidate, turn.mix_depth
            past.parent_version = f"turn-{ordinal}"


def train(parts: Parts, rows: pa.Table, seed: int, vocabulary_of: LanguageModel | None) -> Student:
    """A student on rows with `weight` and `role`."""
    language = parts.student.train(rows, seed, vocabulary_of)
    labelled = len(set(rows["label"].to_pylist()) - {""}) > 1
    return Student(language, parts.task.train(rows, seed) if parts.task and labelled else None)


def weighted(rows: pa.Table) -> pa.Table:
    """Sample rows as a student trains on them, each counting one."""
    columns: dict[str, Any] = {name: rows[name] for name in SAMPLE.names}
    columns["weight"] = pa.array([1.0] * rows.num_rows, pa.float64())
    columns["role"] = pa.array(["positive"] * rows.num_rows, pa.string())
    return pa.table(columns)


def _turn(
    parts: Parts,
    human: pa.Table,
    baseline: Student,
    vocabulary_of: LanguageModel,
    past: _Past,
    ordinal: int,
    seed: int,
) -> Turn:
    night = Night(parts.corpus, f"turn-{ordinal:03d}", ordinal, derived_seed(seed, ordinal))
    bench = Bench(
        human=human,
        baseline=baseline,
        parent=past.parent,
        parent_version=past.parent_version,
        parent_depth=past.parent_depth,
        embedder=parts.embedder,
        world=parts.world,
        seed=night.seed,
    )
    teacher = parts.teacher.build(bench)
    requests = plan_requests(human, parts.templates, parts.generate, night)
    batch = generate(requests, teacher, night, parts.task_type).samples
    judged = _judged(parts, batch, parts.panel.build(bench), derived_seed(night.seed, "judge"))
    filtered = filter_batch(
        judged.filter(judged["accepted"]),
        parts.suites,
        _earlier(parts.match, human, past),
        parts.embedder,
        parts.filter,
        human,
    )
    synthetic = [filtered.kept, *reversed(past.kept)]
    mixture = mix(human, synthetic, rejected(judged), parts.mix, night.generation, night.seed)
    mixture = mixture if parts.people else without_people(mixture)
    trained = parts if parts.classify else replace(parts, task=None)
    candidate = train(trained, mixture.samples, derived_seed(night.seed, "train"), vocabulary_of)
    return Turn(
        ordinal,
        batch,
        judged,
        filtered.kept,
        filtered.dropped,
        mixture,
        baseline,
        candidate,
        teacher.depth,
        filtered.bands,
    )


def without_people(mixture: Mixture) -> Mixture:
    """A mix whose human rows are left out; the rows that stay count one each, for there is nothing
    left that they could count less than. A mix of human rows alone stays as it is."""
    rows = mixture.samples.filter(pc.equal(mixture.samples["origin"], SYNTHETIC))
    if not rows.num_rows:
        return mixture
    ones = pa.array([1.0] * rows.num_rows, pa.float64())
    rows = rows.set_column(rows.schema.get_field_index("weight"), "weight", ones)
    alone = {"rows": rows.num_rows, "human_rows": 0, "human_share": 0.0, "synthetic_share": 1.0}
    return Mixture(rows, mixture.summary | alone)


def _judged(parts: Parts, batch: pa.Table, judge: Judge, seed: int) -> pa.Table:
    if parts.quotas or not parts.judge.enforce:
        return judge_batch(batch, judge, None, parts.judge, seed)
    fit = judge_batch(batch, judge, None, parts.judge.model_copy(update={"keep_share": 1.0}), seed)
    order = pc.sort_indices(fit, sort_keys=[("accepted", "descending"), ("score", "descending")])
    best = np.zeros(fit.num_rows, dtype=np.bool_)
    best[order.to_numpy()[: ceil(parts.judge.keep_share * fit.num_rows)]] = True
    kept = pc.and_(fit["accepted"], pa.array(best))
    return fit.set_column(fit.schema.get_field_index("accepted"), "accepted", kept)


def _earlier(match: Matcher, human: pa.Table, past: _Past) -> EarlierMatches:
    names = ["sample_id", "prompt", "response"]
    texts = pa.concat_tables([table.select(names) for table in (human, *past.kept)])
    found = pa.concat_tables(past.bands)

    def matches(bands: pa.Table) -> pa.Table:
        return match(bands, found, texts)

    return matches
