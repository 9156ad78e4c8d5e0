"""What the loop asks of its edges. A backend fits a port by shape, it inherits nothing.

Every backend file holds one frozen pydantic configuration with `kind: Literal[...]` and a `build`
method that returns the thing itself; `settings.py` chooses by `kind`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collapse_pipeline.records import TablePin

FloatVector = npt.NDArray[np.float64]
IntVector = npt.NDArray[np.int64]
FloatMatrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Request:
    """One sample asked of a teacher: the label, the rendered template, a seed of its own."""

    label: str
    template: str  # name@version
    instruction: str  # the rendered body, for teachers that follow instructions
    opening: str  # the rendered opening, for plain language models
    seed: int
    parent_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """What a teacher wrote for one request; `fault` says why there is nothing usable."""

    prompt: str
    response: str = ""
    label: str = ""  # "" keeps the label of the request
    teacher: str = ""  # who of a mixture wrote it, `name@version`; "" the teacher that was asked
    attributes: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True)
class Night:
    """Which generation a teacher writes for."""

    corpus: str
    generation: str
    ordinal: int  # 0 is the human-only generation
    seed: int


@runtime_checkable
class Teacher(Protocol):
    """Writes samples."""

    @property
    def version(self) -> str:
        """`name@version`; changes whenever the text that it writes could change."""
        ...

    @property
    def depth(self) -> int:
        """Depth of the rows that it writes: 1, or the parent's depth + 1."""
        ...

    def write(self, requests: Sequence[Request], night: Night) -> list[Draft]:
        """One draft a request, in the same order; the same requests give the same drafts."""
        ...


class LanguageModel(Protocol):
    """A student's language model over label, prompt and response."""

    def sample(
        self, labels: Sequence[str], openings: Sequence[str], seed: int, temperature: float
    ) -> list[tuple[str, str]]:
        """One (prompt, response) a label, each prompt beginning with its opening."""
        ...

    def negative_log_likelihood(
        self, labels: Sequence[str], prompts: Sequence[str], responses: Sequence[str]
    ) -> tuple[FloatVector, IntVector]:
        """Per row: summed natural-log loss of its tokens, and how many tokens it has."""
        ...

    def save(self, folder: Path) -> None:
        """Writes everything that `load` needs into an existing empty folder, without pickle."""
        ...


@dataclass(frozen=True)
class Prediction:
    """What a task model says of rows: most likely label and its calibrated probability."""

    labels: tuple[str, ...]  # the classes, in the order of the columns
    probabilities: FloatMatrix  # (n_rows, n_labels), rows sum to 1

    @property
    def best(self) -> list[str]:
        """The most likely label of every row."""
        return [self.labels[i] for i in self.probabilities.argmax(axis=1)]

    @property
    def confidence(self) -> FloatVector:
        """The probability of the most likely label, (n_rows,)."""
        confidence: FloatVector = self.probabilities.max(axis=1).astype(np.float64)
        return confidence


class TaskModel(Protocol):
    """A student's classifier from prompt to label."""

    def predict(self, prompts: Sequence[str]) -> Prediction:
        """Calibrated label probabilities, one row a prompt."""
        ...

    def save(self, folder: Path) -> None:
        """Writes everything that `load` needs into an existing empty folder, without pickle."""
        ...


@dataclass(frozen=True)
class Student:
    """What is trained on a mix: a language model, and a task model where there are labels."""

    language: LanguageModel
    task: TaskModel | None


class LanguageModelTrainer(Protocol):
    """A language model's configuration; `vocabulary_of` hands on a frozen tokenizer."""

    @property
    def kind(self) -> str:
        """The name it is chosen by."""
        ...

    def train(
        self, rows: pa.Table, seed: int, vocabulary_of: LanguageModel | None = None
    ) -> LanguageModel:
        """Trains on sample rows with a `weight` column; the same seed, the same model."""
        ...

    def load(self, folder: Path) -> LanguageModel:
        """Reads back what `save` wrote."""
        ...


class TaskModelTrainer(Protocol):
    """A task model's configuration."""

    @property
    def kind(self) -> str:
        """The name it is chosen by."""
        ...

    def train(self, rows: pa.Table, seed: int) -> TaskModel:
        """Trains on labelled sample rows with `weight` and `role` columns."""
        ...

    def load(self, folder: Path) -> TaskModel:
        """Reads back what `save` wrote."""
        ...


@dataclass(frozen=True)
class Judgement:
    """One judge's view of one row."""

    score: float  # [0, 1], higher is better
    reasons: tuple[str, ...] = ()  # why not, in words; empty when there is nothing to say
    veto: bool = False  # true: not to be kept whatever the score


class Judge(Protocol):
    """Scores what a teacher wrote."""

    @property
    def version(self) -> str:
        """`name@version`; changes whenever a verdict could change."""
        ...

    def judge(self, rows: pa.Table) -> list[Judgement]:
        """One judgement a row, in order."""
        ...


class Embedder(Protocol):
    """Turns text into unit vectors."""

    @property
    def version(self) -> str:
        """`name@version`; changes whenever a vector could change."""
        ...

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """(n_texts, width) float32, every row of length 1 (zero rows for empty text)."""
        ...


class World(Protocol):
    """A reference world: text whose true distribution is known."""

    name: str
    labels: tuple[str, ...]

    def rows(self, count: int, seed: int) -> list[dict[str, object]]:
        """`count` distinct true rows: label, prompt, response, attributes (str to str)."""
        ...

    def write(
        self, label: str, seed: int, accuracy: float, narrowness: float, refusal: float
    ) -> dict[str, object]:
        """One row as a teacher with those dials would write it."""
        ...

    def check(
        self, label: str, prompt: str, response: str, attributes: Mapping[str, str]
    ) -> dict[str, bool]:
        """What can be decided of a row: `fact_right`, `refused`, `refusal_warranted`,
        `answer_right`; a key is absent where it does not apply."""
        ...


@dataclass(frozen=True)
class Bench:
    """What a teacher, judge or filter may be built from on one night; all pinned by the record."""

    human: pa.Table  # training rows of the anchor available that night
    baseline: Student | None  # human-only; None in generation 0
    parent: Student | None  # the release that the night builds on
    parent_version: str  # its model hash, "" where there is none
    parent_depth: int
    embedder: Embedder | None
    world: World | None
    seed: int


class Store(Protocol):
    """Tables by corpus and generation, and models by their hash."""

    def replace(self, table: str, corpus: str, generation: str, rows: pa.Table) -> TablePin:
        """Puts `rows` in place of whatever this generation had, in one commit."""
        ...

    def read(
        self,
        table: str,
        corpus: str,
        generations: Sequence[str] | None = None,
        version: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """The rows of a corpus: all, or those of some generations, now or at a version."""
        ...

    def pin(self, table: str, corpus: str, generation: str) -> TablePin:
        """The pin of what stands there now."""
        ...

    def save_model(self, student: Student, kinds: Mapping[str, str]) -> str:
        """Writes a student to a folder named by its content hash; returns the hash."""
        ...

    def model_folder(self, model: str) -> Path:
        """The folder of a model after its file hashes were checked."""
        ...


class Event(Protocol):
    """One line of the ledger."""

    @property
    def seq(self) -> int:
        """Gapless number from 1."""
        ...

    @property
    def at(self) -> str:
        """When, UTC ISO time."""
        ...

    @property
    def corpus(self) -> str:
        """Which corpus, "" for all."""
        ...

    @property
    def generation(self) -> str:
        """Which generation, "" for none."""
        ...

    @property
    def kind(self) -> str:
        """What happened."""
        ...

    @property
    def actor(self) -> str:
        """Who did it."""
        ...

    @property
    def role(self) -> str:
        """As what: a role of a person's, or `machine`."""
        ...

    @property
    def reason(self) -> str:
        """Why, in words."""
        ...

    @property
    def payload(self) -> Mapping[str, Any]:
        """The evidence."""
        ...

    @property
    def hash(self) -> str:
        """Hash of this event and, through the one before, of all earlier ones."""
        ...


class Ledger(Protocol):
    """The append-only record of every decision."""

    def append(
        self,
        kind: str,
        *,
        corpus: str = "",
        generation: str = "",
        actor: str,
        role: str = "machine",
        reason: str = "",
        payload: Mapping[str, Any],
        key: str = "",
    ) -> Event:
        """Writes one event; a `key` that was used before writes nothing and returns the first."""
        ...

    def events(
        self,
        corpus: str | None = None,
        kinds: Sequence[str] | None = None,
        after: int = 0,
        generation: str | None = None,
    ) -> Sequence[Event]:
        """Events in order."""
        ...

    def head(self) -> tuple[int, str]:
        """Number and hash of the last event; (0, "") in an empty ledger."""
        ...
