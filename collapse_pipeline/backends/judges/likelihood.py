"""The judge `likelihood`: is the text about as likely as real text is?"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from collapse_pipeline.backends.students.ngram import NgramConfig
from collapse_pipeline.ports import Bench, FloatVector, Judge, Judgement, LanguageModel
from collapse_pipeline.records import Frozen, canonical_json, content_hash, derived_seed

FEWEST_HUMAN = 20  # fewer human rows have no quantiles


class LikelihoodConfig(Frozen):
    """Chosen by `kind: likelihood`.

    The loss of a token, in nats, is compared with that of the human rows: between their quantiles
    `low` and `high` the score is 1, outside it falls by a factor e for every half width of that
    band. The middle is flat and both ends fall on purpose: a judge that likes likely text most
    narrows the next generation. `two_sided: false` forgives text that is too likely.

    `model` says who measures. `baseline` is the human-only baseline's language model (the
    parent's while there is none). It was trained on the human rows, so it finds them likelier
    than any new text: on Banking77 their median is 0.8 nats, that of new real rows 2.6, and what
    it calls usual is a copy. `held_out` fits two n-gram models, each on one half of the human
    rows, so the human rows are judged by a model that has not seen them, as new text is.
    """

    kind: Literal["likelihood"] = "likelihood"
    model: Literal["held_out", "baseline"] = "held_out"
    low: float = Field(0.05, ge=0, lt=1)
    high: float = Field(0.95, gt=0, le=1)
    two_sided: bool = True
    human_rows: int = Field(10_000, ge=FEWEST_HUMAN)  # at most as many are read

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.high:
            raise ValueError("low must be below high")
        return self

    def build(self, bench: Bench) -> Judge:
        """The judge, measured on tonight's human rows; under 20 of them it has nothing to say."""
        human = bench.human.select(["sample_id", "label", "prompt", "response"])
        human = human.sort_by("sample_id")
        rng = np.random.default_rng(derived_seed("likelihood", bench.seed))
        human = human.take(rng.permutation(human.num_rows)[: self.human_rows])
        models: tuple[LanguageModel, ...] = ()
        losses = np.zeros(0)
        source = bench.baseline or bench.parent
        if human.num_rows >= FEWEST_HUMAN and self.model == "held_out":
            models, losses = _held_out(human, bench.seed)
        elif human.num_rows >= FEWEST_HUMAN and source:
            models = (source.language,)
            losses = token_loss(source.language, human)
        low, high = np.quantile(losses, [self.low, self.high]) if models else (-np.inf, np.inf)
        # Six digits of what the models say of human rows stand for the models in the version.
        said = str(np.round(losses, 6).tolist())
        version = content_hash(canonical_json(self.model_dump(mode="json")), said)[:12]
        floor = float(low) if self.two_sided else -np.inf
        half_width = max(float(high - low) / 2, 1e-9)
        return LikelihoodJudge(f"{self.kind}@{version}", models, floor, float(high), half_width)


@dataclass(frozen=True)
class LikelihoodJudge:
    """Scores a row by how far its loss lies outside the band of the human rows."""

    version: str
    models: tuple[LanguageModel, ...]  # their losses are averaged; none: nothing to say
    low: float  # nats a token
    high: float
    half_width: float  # above 0

    def judge(self, rows: pa.Table) -> list[Judgement]:
        """One judgement a row, in order; a reason wherever the score is under 1, never a veto."""
        if not self.models or rows.num_rows == 0:
            return [Judgement(1.0)] * rows.num_rows
        losses = np.mean([token_loss(model, rows) for model in self.models], axis=0)
        beyond = np.maximum(losses - self.high, self.low - losses).clip(min=0)
        scores = np.exp(-beyond / self.half_width)
        return [
            Judgement(float(score), self._reasons(float(loss)))
            for loss, score in zip(losses, scores, strict=True)
        ]

    def _reasons(self, loss: float) -> tuple[str, ...]:
        if loss > self.high:
            return (f"unlikely text: {loss:.2f} nats a token, real text to {self.high:.2f}",)
        if loss < self.low:
            return (f"too likely text: {loss:.2f} nats a token, real text from {self.low:.2f}",)
        return ()


def token_loss(model: LanguageModel, rows: pa.Table) -> FloatVector:
    """(n_rows,) mean natural-log loss of each row's tokens."""
    losses, tokens = model.negative_log_likelihood(
        *(rows[name].to_pylist() for name in ("label", "prompt", "response"))
    )
    means: FloatVector = losses / np.maximum(tokens, 1)
    return means


def _held_out(rows: pa.Table, seed: int) -> tuple[tuple[LanguageModel, ...], FloatVector]:
    """Two models of one half each, and the losses of all rows by the model of the other half."""
    halves = [rows.take(np.arange(start, rows.num_rows, 2)) for start in (0, 1)]
    config = NgramConfig()
    vocabulary = config.train(rows, seed)  # one for both, so that their tokens are the same
    first, second = (config.train(half, seed, vocabulary_of=vocabulary) for half in halves)
    return (first, second), np.concatenate(
        [token_loss(second, halves[0]), token_loss(first, halves[1])]
    )
