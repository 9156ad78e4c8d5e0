"""N-grams of a batch, counted: what the metrics of repeated wording are made of."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collapse_pipeline.ports import IntVector

Words = Sequence[Sequence[str]]  # (n_texts,), the words of each


class Grams(NamedTuple):
    """Every occurrence of an n-gram, in the order of the texts."""

    gram: IntVector  # (n_occurrences,), 0 to n_different - 1: which n-gram
    row: IntVector  # (n_occurrences,), the text that it stands in


def grams_up_to(words: Words, size: int) -> Iterator[Grams]:
    """The 1-grams of all texts, their 2-grams, and so on up to `size` words."""
    word = _numbered(pa.array(list(chain.from_iterable(words)), pa.string()))
    row = np.repeat(np.arange(len(words)), [len(text) for text in words])
    start, gram = np.arange(len(word)), word
    different = int(word.max(initial=-1)) + 1
    yield Grams(gram, row)
    for length in range(1, size):
        fits = start + length < len(word)
        fits[fits] = row[start[fits]] == row[start[fits] + length]
        start = start[fits]
        # A gram and the word behind it as one number: no two pairs share one, as hashes would.
        gram = _numbered(pa.array(gram[fits] * different + word[start + length]))
        yield Grams(gram, row[start])


def _numbered(values: pa.Array) -> IntVector:
    """Every different value's number, in order of appearance."""
    return values.dictionary_encode().indices.to_numpy().astype(np.int64)  # type: ignore[no-any-return]


def entropy_bits(counts: npt.NDArray[np.int64]) -> float:
    """Shannon entropy in bits of things counted; every count at least 1."""
    shares = np.sort(counts) / counts.sum()  # sorted, so that equal counts give equal sums
    return float(max(0.0, -(shares * np.log2(shares)).sum()))
