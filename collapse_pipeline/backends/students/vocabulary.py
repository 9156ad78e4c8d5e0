"""The tokens that language-model students speak: byte-level BPE, learned once, then frozen.

Perplexities of two models compare only over the same tokens, so the vocabulary is learned from
the real rows of generation 0 and handed from each student to the next.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.ports import FloatVector, IntVector, LanguageModel

TOKENIZER_FILE = "tokenizer.json"
SMALLEST = 256 + 2  # one token a byte, the separator and the end


@dataclass(frozen=True)
class TrainingRows:
    """The columns that a language model learns from; every weight is above 0."""

    labels: list[str]
    prompts: list[str]
    responses: list[str]
    weights: FloatVector  # (n_rows,)


@dataclass(frozen=True)
class TokenRows:
    """Rows of tokens end to end: row i is `tokens[starts[i]:starts[i + 1]]`."""

    tokens: IntVector  # (n_tokens,)
    starts: IntVector  # (n_rows + 1,)

    @property
    def lengths(self) -> IntVector:
        """Tokens of each row, its end token included, (n_rows,)."""
        return np.diff(self.starts)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """A frozen byte-level BPE over lower-cased text, plus three tokens that no text can spell.

    Ids 0 to `size - 1` can be predicted: the BPE tokens, then `separator` (between prompt and
    response), then `end`. `begin` only ever stands before a text.
    """

    tokenizer: Any  # tokenizers.Tokenizer

    @cached_property
    def size(self) -> int:
        """How many tokens can be predicted."""
        return int(self.tokenizer.get_vocab_size()) + 2

    @property
    def separator(self) -> int:
        """Id of the token between prompt and response."""
        return self.size - 2

    @property
    def end(self) -> int:
        """Id of the token behind every row."""
        return self.size - 1

    @property
    def begin(self) -> int:
        """Id of the token before every row; never predicted."""
        return self.size

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The BPE tokens of each text, none of the three special ones."""
        encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def encode_rows(self, prompts: Sequence[str], responses: Sequence[str]) -> TokenRows:
        """Prompt, then separator and response where there is a response, then end."""
        rows = self.encode(prompts)
        answered = [i for i, response in enumerate(responses) if response]
        for i, response in zip(
            answered, self.encode([responses[i] for i in answered]), strict=True
        ):
            rows[i] += [self.separator, *response]
        for row in rows:
            row.append(self.end)
        starts = np.zeros(len(rows) + 1, dtype=np.int64)
        starts[1:] = np.cumsum([len(row) for row in rows])
        tokens = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(starts[-1]))
        return TokenRows(tokens, starts)

    def openings(self, openings: Sequence[str]) -> list[list[int]]:
        """Tokens that force each opening.

        White space at the end of an opening is left to the next token, which carries its own.
        """
        return self.encode([opening.rstrip() for opening in openings])

    def read(self, openings: Sequence[str], written: Sequence[IntVector]) -> list[tuple[str, str]]:
        """(prompt, response) of each row: its opening as given, then what `written` spells.

        `written` stops at the first end token. The first separator parts prompt and response,
        further ones say nothing. Bytes that are no UTF-8 become U+FFFD.
        """
        parts: list[list[int]] = []
        for row in written:
            ids = row.tolist()
            ids = ids[: ids.index(self.end)] if self.end in ids else ids
            cut = ids.index(self.separator) if self.separator in ids else len(ids)
            parts.append(ids[:cut])
            parts.append([token for token in ids[cut:] if token != self.separator])
        texts = self.tokenizer.decode_batch(parts, skip_special_tokens=False)
        rows = zip(openings, texts[::2], texts[1::2], strict=True)
        return [(_joined(opening, rest), response) for opening, rest, response in rows]

    def save(self, folder: Path) -> None:
        """Writes `tokenizer.json`; equal vocabularies give equal bytes."""
        (folder / TOKENIZER_FILE).write_text(self.tokenizer.to_str(), encoding="utf-8")


def _joined(opening: str, rest: str) -> str:
    return opening + (rest.lstrip(" ") if opening != opening.rstrip() else rest)


def learn_vocabulary(texts: Iterable[str], size: int) -> Vocabulary:
    """Learns at most `size` tokens, separator and end among them; fewer from little text.

    Raises:
        BadInputError: When `size` leaves no room for the 256 bytes.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    if size < SMALLEST:
        raise BadInputError(
            f"a vocabulary of at least {SMALLEST} tokens", str(size), "raise vocabulary_size"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - 2,  # no special tokens here: no text can then spell one
        min_frequency=2,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    return Vocabulary(tokenizer)


def load_vocabulary(folder: Path) -> Vocabulary:
    """Reads back what `Vocabulary.save` wrote."""
    from tokenizers import Tokenizer

    text = (folder / TOKENIZER_FILE).read_text(encoding="utf-8")
    return Vocabulary(Tokenizer.from_str(text))


def frozen_or_learned(earlier: LanguageModel | None, rows: TrainingRows, size: int) -> Vocabulary:
    """The vocabulary of an earlier model as it is, or one learned from `rows`.

    Raises:
        BadInputError: When the earlier model speaks no such vocabulary.
    """
    if earlier is None:
        return learn_vocabulary(chain(rows.prompts, filter(None, rows.responses)), size)
    vocabulary = getattr(earlier, "vocabulary", None)
    if not isinstance(vocabulary, Vocabulary):
        raise BadInputError(
            "a model with a vocabulary to hand on",
            type(earlier).__name__,
            "train with a student of this package, or without vocabulary_of",
        )
    return vocabulary


def training_rows(table: pa.Table) -> TrainingRows:
    """What a language model learns from a mix: no negative rows, none of weight 0.

    A weight counts rows: a row of weight 2 is learned as two, one without a weight as one.

    Raises:
        TooFewSamplesError: When no row is left.
        BadInputError: When a weight is negative, infinite or NaN.
    """
    if "role" in table.column_names:
        table = table.filter(pc.not_equal(table["role"], "negative"))
    weights = np.ones(table.num_rows)
    if "weight" in table.column_names:
        weights = pc.fill_null(table["weight"].cast("float64"), 1.0).to_numpy()
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise BadInputError("finite weights of at least 0", "others", "correct the mix's weights")
    table, weights = table.filter(pa.array(weights > 0)), weights[weights > 0]
    if not table.num_rows:
        raise TooFewSamplesError("rows to train a language model on", "none", "widen the mix")
    return TrainingRows(
        labels=table["label"].to_pylist(),
        prompts=table["prompt"].to_pylist(),
        responses=table["response"].to_pylist(),
        weights=weights,
    )


def label_ids(known: Sequence[str], labels: Sequence[str]) -> IntVector:
    """The place of each label among the known ones, or behind the last where it is not known."""
    places = {label: i for i, label in enumerate(known)}
    return np.array([places.get(label, len(known)) for label in labels], dtype=np.int64)
