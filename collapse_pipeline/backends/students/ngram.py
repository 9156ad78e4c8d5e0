"""The language-model student that a laptop can train: a label-conditional n-gram."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from collapse_pipeline.backends.students.ngram_counts import (
    BackOffCounts,
    Packing,
    count_grams,
)
from collapse_pipeline.backends.students.vocabulary import (
    Vocabulary,
    frozen_or_learned,
    label_ids,
    load_vocabulary,
    training_rows,
)
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.ports import FloatVector, IntVector, LanguageModel
from collapse_pipeline.records import Frozen, canonical_json

CONFIG_FILE = "config.json"
COUNTS_FILE = "counts.safetensors"
DENSE_ROWS = 512  # contexts whose whole distribution is held at once: 8 MB at 2,000 tokens


class NgramConfig(Frozen):
    """Settings of the n-gram student, and how it is trained and loaded."""

    kind: Literal["ngram"] = "ngram"
    order: int = Field(default=4, ge=1)  # tokens of a gram: 3 before, 1 predicted
    discount: float = Field(default=0.75, gt=0, lt=1)
    vocabulary_size: int = Field(default=2000, ge=258)
    length_factor: float = Field(default=2.0, ge=1)  # longest text over the longest trained on

    def train(
        self,
        rows: pa.Table,
        seed: int,  # noqa: ARG002 - counting draws nothing
        vocabulary_of: LanguageModel | None = None,
    ) -> "NgramModel":
        """Counts the n-grams of the rows, each as much as it weighs.

        Args:
            rows: Columns label, prompt, response, and where present weight (else 1) and role
                (negative rows are left out).
            seed: Not needed; the same rows give the same model.
            vocabulary_of: An earlier model whose vocabulary is kept as it is.

        Raises:
            TooFewSamplesError: When no row is left to train on.
            BadInputError: When a weight is unusable, or a gram does not fit into 63 bits.
        """
        chosen = training_rows(rows)
        vocabulary = frozen_or_learned(vocabulary_of, chosen, self.vocabulary_size)
        labels = tuple(sorted(set(chosen.labels)))
        tokens = vocabulary.encode_rows(chosen.prompts, chosen.responses)
        packing = Packing(self.order, len(labels), vocabulary.size, vocabulary.separator)
        ids = label_ids(labels, chosen.labels)
        counts = count_grams(packing, ids, tokens, chosen.weights, self.discount)
        return NgramModel(self, vocabulary, labels, counts, int(tokens.lengths.max()))

    def load(self, folder: Path) -> "NgramModel":
        """Reads back what `NgramModel.save` wrote, with the settings that it was trained with.

        Raises:
            BadInputError: When the folder holds a model of another kind.
        """
        from safetensors.numpy import load_file

        saved = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        kind = saved["config"].get("kind")
        if kind != self.kind:
            raise BadInputError(f"a model of kind {self.kind}", str(kind), "name its own kind")
        config = NgramConfig.model_validate(saved["config"])
        vocabulary = load_vocabulary(folder)
        arrays = load_file(folder / COUNTS_FILE)
        packing = Packing(config.order, len(saved["labels"]), vocabulary.size, vocabulary.separator)
        counts = BackOffCounts(packing, arrays["grams"], arrays["counts"], config.discount)
        return NgramModel(config, vocabulary, tuple(saved["labels"]), counts, saved["longest"])


@dataclass(frozen=True, eq=False)
class NgramModel:
    """A trained n-gram student."""

    config: NgramConfig
    vocabulary: Vocabulary
    labels: tuple[str, ...]  # sorted; another label backs off to contexts without label
    counts: BackOffCounts
    longest: int  # tokens of the longest row trained on

    def sample(
        self, labels: Sequence[str], openings: Sequence[str], seed: int, temperature: float
    ) -> list[tuple[str, str]]:
        """One (prompt, response) a label, each prompt beginning with its opening as given.

        All texts grow one token a step, at most `length_factor` times as many as the longest
        text trained on; one that reaches that is cut there.

        Args:
            labels: One label a text; an unknown one draws from contexts without label.
            openings: One a text, "" for none.
            seed: The same arguments give the same texts.
            temperature: At 1 the interpolated distribution itself is drawn from. At any other
                T above 0 it is p ** (1 / T), rescaled to sum to 1, which takes about twenty
                times as long.

        Raises:
            BadInputError: When the temperature is not above 0.
        """
        if not temperature > 0:
            raise BadInputError("a temperature above 0", str(temperature), "set it, 1 is usual")
        packing, rng = self.counts.packing, np.random.default_rng(seed)
        contexts = packing.start(label_ids(self.labels, labels))
        for i, opening in enumerate(self.vocabulary.openings(openings)):
            for token in opening:
                contexts[i : i + 1] = packing.push(contexts[i : i + 1], np.array([token]))
        alive = np.arange(len(contexts))
        rows, columns = [alive[:0]], [alive[:0]]
        for _ in range(int(self.longest * self.config.length_factor)):
            if not len(alive):
                break
            tokens = self._draw(contexts, temperature, rng)
            rows.append(alive)
            columns.append(tokens)
            going = tokens != self.vocabulary.end
            alive, contexts = alive[going], packing.push(contexts[going], tokens[going])
        row = np.concatenate(rows)
        written = np.concatenate(columns)[np.argsort(row, kind="stable")]
        ends = np.cumsum(np.bincount(row, minlength=len(labels)))
        return self.vocabulary.read(openings, np.split(written, ends)[:-1])

    def _draw(self, contexts: IntVector, temperature: float, rng: np.random.Generator) -> IntVector:
        if temperature == 1:
            return self.counts.draw(contexts, rng)
        drawn = []
        for first in range(0, len(contexts), DENSE_ROWS):
            chances = self.counts.distribution(contexts[first : first + DENSE_ROWS])
            # The largest is 1 before the power, so that a low temperature leaves it there.
            chances = (chances / chances.max(axis=1, keepdims=True)) ** (1.0 / temperature)
            running = np.cumsum(chances, axis=1)
            point = rng.random((len(chances), 1)) * running[:, -1:]
            drawn.append((running <= point).sum(axis=1))
        tokens: IntVector = np.minimum(np.concatenate(drawn), self.vocabulary.size - 1)
        return tokens

    def negative_log_likelihood(
        self, labels: Sequence[str], prompts: Sequence[str], responses: Sequence[str]
    ) -> tuple[FloatVector, IntVector]:
        """Per row: summed loss of its tokens in nats, and how many tokens it has.

        The end token counts, the label is given and does not.
        """
        rows = self.vocabulary.encode_rows(prompts, responses)
        if not len(rows.tokens):
            return np.zeros(0), np.zeros(0, dtype=np.int64)
        contexts = self.counts.packing.contexts(label_ids(self.labels, labels), rows)
        losses = -np.log(self.counts.probability(contexts, rows.tokens))
        return np.add.reduceat(losses, rows.starts[:-1]), rows.lengths

    def save(self, folder: Path) -> None:
        """Writes settings, vocabulary and counted grams; the same model gives the same bytes."""
        from safetensors.numpy import save_file

        about = {
            "config": self.config.model_dump(),
            "labels": list(self.labels),
            "longest": self.longest,
        }
        (folder / CONFIG_FILE).write_text(canonical_json(about), encoding="utf-8")
        self.vocabulary.save(folder)
        arrays = {"grams": self.counts.grams, "counts": self.counts.counts}
        save_file(arrays, folder / COUNTS_FILE)
