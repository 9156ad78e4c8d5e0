"""What metrics look at, and how a metric is listed.

Most statistics move with the number of rows, so a night's batch, the real rows beside it and the
null of the calibration are equal-size draws. What several metrics derive from the same rows
(words, skeletons, vectors) is worked out once, here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.errors import BackendError
from collapse_pipeline.metrics.skeleton import skeletons
from collapse_pipeline.ports import Embedder, FloatMatrix, IntVector, World

WORD = re.compile(r"[^\W_]+(?:['\u2019.,][^\W_]+)*|[^\w\s]")
Column = Literal["prompt", "response"]
Asset = Literal[
    "synthetic_batch", "judged_batch", "filtered_batch", "training_mix", "eval_report", "release"
]
NAN = float("nan")


class Need(StrEnum):
    """What a corpus or a night must have for a metric to apply; pinned when the night opens."""

    LABELS = "labels"
    RESPONSES = "responses"
    EMBEDDINGS = "embeddings"
    EARLIER = "rows of earlier generations"  # rows that earlier generations of the line kept
    DIFFICULTY = "difficulty"  # the attribute of that name
    TOOL_CALLS = "tool calls"  # the attribute of that name
    GROUPS = "groups of people"  # attributes that divide people, such as locale
    CHOICES = "answers to choose from"  # prompts that offer answers to choose from
    WORLD = "reference world"  # a reference world that can check rows
    GOLD = "gold rows of an earlier night"  # labelled human rows, judged every night
    TEACHERS = "several teachers"
    TEMPLATES = "several templates"


@dataclass(frozen=True)
class Texts:
    """Rows with what is derived from one of their columns, each worked out once.

    Words are casefolded, and every punctuation mark is a word of its own.
    """

    rows: pa.Table  # sample rows, in any order
    embedder: Embedder | None = None
    column: Column = "prompt"

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @cached_property
    def texts(self) -> list[str]:
        """The column that is measured."""
        return [str(text) for text in self.rows[self.column].to_pylist()]

    @cached_property
    def labels(self) -> list[str]:
        """The label of every row, "" where there is none."""
        return [str(label) for label in self.rows["label"].to_pylist()]

    @cached_property
    def words(self) -> list[list[str]]:
        """Casefolded words and punctuation marks of every text."""
        return [WORD.findall(text.casefold()) for text in self.texts]

    @cached_property
    def skeletons(self) -> list[str]:
        """The skeleton of every text."""
        return skeletons(self.texts)

    @cached_property
    def embeddings(self) -> FloatMatrix:
        """(n_rows, width), float32, unit rows.

        Raises:
            BackendError: There is no embedder.
        """
        if self.embedder is None:
            raise BackendError("an embedder", "none", "set filter.embedder")
        return self.embedder.embed(self.texts)

    def attribute(self, name: str) -> list[str]:
        """One attribute of every row, "" where a row has none."""
        found = pc.map_lookup(self.rows["attributes"], query_key=name, occurrence="last")
        return [str(value) for value in found.fill_null("").to_pylist()]

    def of(self, column: Column) -> "Texts":
        """The same rows, another column measured."""
        return self if column == self.column else Texts(self.rows, self.embedder, column)

    def take(self, rows: IntVector) -> "Texts":
        """Some of the rows; vectors that were worked out already are not worked out again."""
        taken = Texts(self.rows.take(pa.array(rows)), self.embedder, self.column)
        if "embeddings" in self.__dict__:
            taken.__dict__["embeddings"] = self.embeddings[rows]
        return taken

    def where(self, column: str, value: str) -> "Texts":
        """The rows with that value in a column, such as one template's."""
        hits = pc.equal(self.rows[column], value).to_numpy()
        return self.take(np.flatnonzero(hits).astype(np.int64))


@dataclass(frozen=True)
class BatchEvidence:
    """Tonight's written rows beside as many real ones."""

    synthetic: Texts
    human: (
        Texts  # training rows of the anchor, a seeded draw of the same size where there are so many
    )
    earlier: Texts | None = (
        None  # rows that the line kept before tonight; None where there are none
    )
    world: World | None = None
    seed: int = 0

    def of(self, column: Column) -> "BatchEvidence":
        """The same for another column."""
        if column == self.synthetic.column:
            return self
        earlier = self.earlier.of(column) if self.earlier is not None else None
        return BatchEvidence(
            self.synthetic.of(column), self.human.of(column), earlier, self.world, self.seed
        )

    def on(self, synthetic: Texts) -> "BatchEvidence":
        """The same beside other written rows, such as one template's."""
        return BatchEvidence(synthetic, self.human, self.earlier, self.world, self.seed)


@dataclass(frozen=True)
class JudgedEvidence:
    """What the judge said of tonight's rows, and of human rows that it was asked about."""

    judged: Texts  # rows with score, accepted and reasons (records.JUDGED_BATCH)
    gold: Texts | None = None  # human rows with their right label, judged the same way
    gold_before: Texts | None = None  # the same human rows as an earlier night judged them
    acceptance_before: Mapping[str, float] = field(default_factory=dict)  # by label, "" for all


@dataclass(frozen=True)
class FilteredEvidence:
    """What the filter left out of the accepted rows."""

    accepted: int  # rows that the judge let through
    dropped: Mapping[str, int]  # of those, by the filter's reason


@dataclass(frozen=True)
class MixEvidence:
    """Tonight's training mix and what bounded it."""

    mix: pa.Table  # records.TRAINING_MIX
    leaked: int = 0  # rows of the mix that give away a row of an eval suite
    cap: float = 1.0  # the largest synthetic share allowed
    depth_limit: int = 1
    history: Sequence[pa.Table] = ()  # earlier mixes of the line, newest first
    gradient_share: float | None = None  # highest share that an experiment on record supports
    previous_share: float | None = None  # synthetic share of the release in force


@dataclass(frozen=True)
class ReportEvidence:
    """Tonight's evaluation report, and those of the line before it, newest first."""

    report: Sequence[Mapping[str, Any]]  # rows of records.EVAL_REPORT
    history: Sequence[Sequence[Mapping[str, Any]]] = ()

    def value(self, model: str, metric: str, suite: str, scope: str = "") -> float:
        """One figure of the report; NaN where it has none."""
        return self._figures.get((model, metric, suite, scope), NAN)

    @cached_property
    def _figures(self) -> Mapping[tuple[str, str, str, str], float]:
        return {
            (row["model"], row["metric"], row["suite"], row["scope"]): float(row["value"])
            for row in self.report
        }


@dataclass(frozen=True)
class ReleaseEvidence:
    """What must be true of a night besides its figures before it is released."""

    pin_faults: int  # pinned tables, models or components that are missing or not what was pinned
    outside_suites: int  # shadow, long-tail and external suites that apply and are recent enough
    changed_components: int  # whose version is new since a review was recorded
    reviewed_rows: int  # of this night or since the change
    review_density: float  # rows to be reviewed per row that was kept
    kept_rows: int
    nights_alone: int  # generations in a row by one teacher, with no correction from outside
    calibration_faults: int  # reasons why the calibration in force does not fit tonight
    notes: Mapping[str, str] = field(default_factory=dict)  # by metric, what was found in words


@dataclass(frozen=True)
class Metric:
    """One row of the catalogue.

    `compute` raises TooFewSamplesError where there are too few rows, and may return NaN where a
    figure cannot be had: both are breaches where the metric applies.
    """

    name: str
    asset: Asset  # what it is measured on; which evidence `compute` takes follows from it
    compute: Callable[..., float]  # of the evidence; of the evidence and a suite for eval_report
    worse: Literal["above", "below", "either"]  # which way harm lies
    meaning: str  # one sentence that a reviewer understands
    # How values of a null spread: a share in [0, 1], anything above 0, or anything.
    scale: Literal["share", "positive", "plain"] = "plain"
    needs: tuple[Need, ...] = ()
    scopes: tuple[str, ...] = ()  # columns by which it may be split: label, template, teacher
    per_suite: bool = True  # of an eval_report metric: whether it takes a suite
