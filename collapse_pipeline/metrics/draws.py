"""Draws and folds that follow from what the rows hold: the order that they came in moves nothing,
not even the last digit of a sum over them."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from collapse_pipeline.metrics.grams import Words
from collapse_pipeline.ports import FloatMatrix, IntVector
from collapse_pipeline.records import derived_seed

Content = TypeVar("Content", str, bytes)


def ordered_draw(embeddings: FloatMatrix, limit: int, seed: int) -> FloatMatrix:
    """At most `limit` of the rows, in the order of their bytes; all where there are no more.

    Args:
        embeddings: (n_rows, width), float32.
        limit: How many at most.
        seed: Of the draw. Two sides of a comparison want different seeds: with one seed, rows
            that stand on both sides would be drawn together.

    Returns:
        (min(n_rows, limit), width).
    """
    rows = np.ascontiguousarray(embeddings, dtype=np.float32)
    order = rows.view(f"V{rows.itemsize * rows.shape[1]}").ravel().argsort(kind="stable")
    return rows[order[_places(len(rows), limit, seed)]]


def ordered_words(words: Words, limit: int, seed: int) -> list[Sequence[str]]:
    """At most `limit` of the rows, sorted by their words; all where there are no more.

    Args:
        words: (n_rows,), the words of each.
        limit: How many at most.
        seed: Of the draw; another for each side, as in `ordered_draw`.

    Returns:
        (min(n_rows, limit),).
    """
    rows = sorted(words, key=" ".join)
    return [rows[place] for place in _places(len(rows), limit, seed)]


def content_folds(contents: Sequence[Content], folds: int, seed: int) -> IntVector:
    """The fold of every row, 0 to `folds` - 1, equal contents in one fold.

    Different contents are dealt out evenly, so a model is never tested on what it was fitted to.

    Args:
        contents: (n_rows,), what a row is known by.
        folds: How many.
        seed: Of the deal.

    Returns:
        (n_rows,)
    """
    different = sorted(set(contents))
    dealt = np.random.default_rng(derived_seed("folds", seed)).permutation(len(different)) % folds
    fold = dict(zip(different, dealt.tolist(), strict=True))
    return np.array([fold[content] for content in contents], dtype=np.int64)


def _places(count: int, limit: int, seed: int) -> IntVector:
    """Which of the sorted rows are drawn, ascending."""
    if count <= limit:
        return np.arange(count)
    random = np.random.default_rng(derived_seed("drawn", seed))
    return np.sort(random.choice(count, limit, replace=False))
