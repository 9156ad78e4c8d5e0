"""A small transformer, trained from scratch: the check that a gate sees more than n-grams."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pydantic import Field

from collapse_pipeline.backends.students.gpt_network import (
    Network,
    Schedule,
    build,
    device_of,
    reproducible,
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
WEIGHTS_FILE = "weights.safetensors"
TIED = "lm_head.weight"  # the same array as the token embedding


class GptConfig(Frozen):
    """Settings of the GPT-2 student, and how it is trained and loaded."""

    kind: Literal["gpt"] = "gpt"
    width: int = Field(default=128, ge=1)
    layers: int = Field(default=2, ge=1)
    heads: int = Field(default=4, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    vocabulary_size: int = Field(default=2000, ge=258)
    epochs: int = Field(default=6, ge=1)
    batch_rows: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    label_dropout: float = Field(default=0.1, ge=0, lt=1)  # so that unseen labels mean something
    length_factor: float = Field(default=2.0, ge=1)  # longest text over the longest trained on
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"

    def train(
        self, rows: pa.Table, seed: int, vocabulary_of: LanguageModel | None = None
    ) -> "GptModel":
        """Fits a fresh network to the rows, each as much as it weighs.

        Args:
            rows: Columns label, prompt, response, and where present weight (else 1) and role
                (negative rows are left out).
            seed: The same seed, rows, device and thread count give the same weights.
            vocabulary_of: An earlier model whose vocabulary is kept as it is.

        Raises:
            TooFewSamplesError: When no row is left to train on.
            BadInputError: When a weight is unusable, or heads do not divide the width.
            BackendError: When `device` is cuda and there is none.
        """
        chosen = training_rows(rows)
        vocabulary = frozen_or_learned(vocabulary_of, chosen, self.vocabulary_size)
        labels = tuple(sorted(set(chosen.labels)))
        tokens = vocabulary.encode_rows(chosen.prompts, chosen.responses)
        longest = int(tokens.lengths.max())
        plan = Schedule(
            self.epochs,
            self.batch_rows,
            self.learning_rate,
            self.weight_decay,
            self.label_dropout,
        )
        with reproducible(seed, device_of(self.device)):
            network = self._network(vocabulary, len(labels), longest)
            network.fit(label_ids(labels, chosen.labels), tokens, chosen.weights, plan, seed)
        return GptModel(self, vocabulary, labels, network, longest)

    def _network(self, vocabulary: Vocabulary, labels: int, longest: int) -> Network:
        if self.width % self.heads:
            raise BadInputError(
                "heads that divide the width", f"{self.heads} for {self.width}", "change either"
            )
        tokens = vocabulary.size + labels + 1
        device = device_of(self.device)
        gpt2 = build(tokens, longest, self.width, self.layers, self.heads, self.dropout)
        return Network(gpt2.to(device), vocabulary, labels, device, self.precision)

    def load(self, folder: Path) -> "GptModel":
        """Reads back what `GptModel.save` wrote, with the settings that it was trained with.

        Only the device is this configuration's own.

        Raises:
            BadInputError: When the folder holds a model of another kind.
            BackendError: When `device` is cuda and there is none.
        """
        from safetensors.torch import load_file

        saved = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        kind = saved["config"].get("kind")
        if kind != self.kind:
            raise BadInputError(f"a model of kind {self.kind}", str(kind), "name its own kind")
        config = GptConfig.model_validate(saved["config"] | {"device": self.device})
        vocabulary, labels = load_vocabulary(folder), tuple(saved["labels"])
        with reproducible(0, device_of(self.device)):  # building draws weights, to be replaced
            network = config._network(vocabulary, len(labels), saved["longest"])
        weights = load_file(folder / WEIGHTS_FILE)
        network.gpt2.load_state_dict(weights | {TIED: weights["transformer.wte.weight"]})
        network.gpt2.eval()
        return GptModel(config, vocabulary, labels, network, saved["longest"])


@dataclass(frozen=True, eq=False)
class GptModel:
    """A trained GPT-2 student."""

    config: GptConfig
    vocabulary: Vocabulary
    labels: tuple[str, ...]  # sorted; another label is read as the token of an unknown one
    network: Network
    longest: int  # tokens of the longest row trained on

    def sample(
        self, labels: Sequence[str], openings: Sequence[str], seed: int, temperature: float
    ) -> list[tuple[str, str]]:
        """One (prompt, response) a label, each prompt beginning with its opening as given.

        Args:
            labels: One label a text.
            openings: One a text, "" for none.
            seed: The same arguments, device and thread count give the same texts.
            temperature: Above 0; the scores are divided by it.

        Raises:
            BadInputError: When the temperature is not above 0.
        """
        if not temperature > 0:
            raise BadInputError("a temperature above 0", str(temperature), "set it, 1 is usual")
        limit = int(self.longest * self.config.length_factor)
        forced = self.vocabulary.openings(openings)
        ids = label_ids(self.labels, labels)
        written = self.network.draw(ids, forced, limit, seed, temperature)
        return self.vocabulary.read(openings, written)

    def negative_log_likelihood(
        self, labels: Sequence[str], prompts: Sequence[str], responses: Sequence[str]
    ) -> tuple[FloatVector, IntVector]:
        """Per row: summed loss of its tokens in nats, and how many tokens it has.

        The end token counts, the label is given and does not.
        """
        rows = self.vocabulary.encode_rows(prompts, responses)
        return self.network.losses(label_ids(self.labels, labels), rows), rows.lengths

    def save(self, folder: Path) -> None:
        """Writes settings, vocabulary and weights; the same model gives the same bytes."""
        from safetensors.torch import save_file

        about = {
            "config": self.config.model_dump(exclude={"device"}),
            "labels": list(self.labels),
            "longest": self.longest,
        }
        (folder / CONFIG_FILE).write_text(canonical_json(about), encoding="utf-8")
        self.vocabulary.save(folder)
        weights = self.network.gpt2.state_dict()
        arrays = {name: weights[name].cpu().contiguous() for name in weights if name != TIED}
        save_file(arrays, folder / WEIGHTS_FILE)
