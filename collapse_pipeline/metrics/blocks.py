"""All pairs of vectors that are near each other, found block by block.

No pair is left out, yet few are worked out in full. The first coordinates of two unit rows and the
lengths of what is left of them bound their cosine from above (Cauchy and Schwarz): pairs whose
bound stays below the threshold are done with, for a sixth of the work at a width of 384. The others
are worked out in full. Where all rows crowd together the bounds tell nothing, and cost a tenth on
top. Memory is bounded by one block of pairs.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collapse_pipeline.ports import FloatMatrix, IntVector
from collapse_pipeline.records import derived_seed

BLOCK = 1024  # rows and columns of a block, 4 MB
HEAD = 64  # coordinates that bound the cosine
SLACK = 1e-5  # what single precision may take from a bound
DENSE = 0.02  # share of a block's pairs above which one product is cheaper than pair by pair

BoolVector = npt.NDArray[np.bool_]


class Pairs(NamedTuple):
    """Rows that are near each other, and their cosine; three vectors of one length."""

    later: IntVector
    earlier: IntVector
    cosine: npt.NDArray[np.float32]


def near_pairs(
    embeddings: FloatMatrix, threshold: float, done: BoolVector | None = None
) -> Iterator[Pairs]:
    """All pairs of rows that are at least `threshold` similar, in portions.

    Args:
        embeddings: (n_rows, width), float32, unit rows or zero.
        threshold: Cosine similarity in [-1, 1].
        done: (n_rows,), which the caller may set between portions: pairs of two rows that are
            both done are left out, so that a flood of copies costs little.

    Yields:
        Pairs with later > earlier, for each block of later rows from the first earlier ones on.
    """
    done = np.zeros(len(embeddings), dtype=bool) if done is None else done
    side, space = _side(embeddings, done), np.empty(BLOCK * BLOCK, dtype=np.float32)
    for first in range(0, len(embeddings), BLOCK):
        for start in range(0, first + 1, BLOCK):
            rows, others = (side.at(slice(at, at + BLOCK)) for at in (first, start))
            if rows.done.all() and others.done.all():
                continue
            hidden = np.triu_indices(len(rows.done)) if start == first else None
            row, other, cosine = _near(rows, others, threshold, hidden, space)
            yield Pairs(first + row, start + other, cosine)


def near_any(
    rows: FloatMatrix, others: FloatMatrix, threshold: float, own: IntVector | None = None
) -> BoolVector:
    """Whether any of the others is at least `threshold` similar to each row.

    Args:
        rows: (n_rows, width), float32, unit rows or zero.
        others: (n_others, width), the same.
        threshold: Cosine similarity in [-1, 1].
        own: (n_rows,), where the rows stand among the others: none is compared with itself.

    Returns:
        (n_rows,)
    """
    near = np.zeros(len(rows), dtype=bool)
    side, other_side = _side(rows, near), _side(others, np.zeros(len(others), dtype=bool))
    space = np.empty(BLOCK * BLOCK, dtype=np.float32)
    for first in range(0, len(rows), BLOCK):
        left = np.arange(first, min(first + BLOCK, len(rows)))
        asking = side.at(left)
        for start in range(0, len(others), BLOCK):
            part = other_side.at(slice(start, start + BLOCK))
            hidden = None
            if own is not None:
                itself = own[left] - start
                here = np.flatnonzero((itself >= 0) & (itself < len(part.done)))
                hidden = here, itself[here]
            row, _, _ = _near(asking, part, threshold, hidden, space)
            if len(row):
                near[left[row]] = True
                left = left[~near[left]]  # one near row is enough
                asking = side.at(left)
            if not len(left):
                break
    return near


class _Side(NamedTuple):
    """What is known of each row."""

    full: FloatMatrix  # (n_rows, width)
    short: FloatMatrix  # (n_rows, at most HEAD + 1): first coordinates, and length of the others
    done: BoolVector  # (n_rows,)

    def at(self, rows: slice | IntVector) -> "_Side":
        """Some of the rows."""
        return _Side(self.full[rows], self.short[rows], self.done[rows])


def _side(embeddings: FloatMatrix, done: BoolVector) -> _Side:
    full = np.ascontiguousarray(embeddings, dtype=np.float32)
    rest = np.sqrt(np.einsum("ij,ij->i", full[:, HEAD:], full[:, HEAD:]))
    short = np.column_stack([full[:, :HEAD], rest])
    return _Side(full, np.ascontiguousarray(short, dtype=np.float32), done)


def _near(
    rows: _Side,
    others: _Side,
    threshold: float,
    hidden: tuple[IntVector, IntVector] | None,
    space: npt.NDArray[np.float32],
) -> tuple[IntVector, IntVector, npt.NDArray[np.float32]]:
    """Pairs (row, other) of one block that reach the threshold, and their cosines.

    Left out: pairs that are `hidden`, and those of two rows that are both done.
    """
    bound = _products(rows.short, others.short, space)
    if hidden is not None:
        bound[hidden] = -np.inf
    likely = bound >= threshold - SLACK
    if rows.done.any():
        likely[rows.done] &= ~others.done
    dense = np.count_nonzero(likely) > DENSE * likely.size
    if dense:
        cosines = _products(rows.full, others.full, space)
        likely &= cosines >= threshold
    row, other = np.divmod(np.flatnonzero(likely), likely.shape[1])
    if dense:
        return row, other, cosines[row, other]
    cosine = np.einsum("ij,ij->i", rows.full[row], others.full[other])
    near = cosine >= threshold
    return row[near], other[near], cosine[near]


def _products(
    rows: FloatMatrix, others: FloatMatrix, space: npt.NDArray[np.float32]
) -> FloatMatrix:
    """(n_rows, n_others) products, written into `space`: the next ones overwrite them.

    Fresh memory for each block would cost as much as looking through it.
    """
    block = space[: len(rows) * len(others)].reshape(len(rows), len(others))
    return np.dot(rows, others.T, out=block)


def drawn(embeddings: FloatMatrix, count: int, seed: int) -> IntVector:
    """`count` different rows, ascending: the same vectors in whatever order the rows come.

    Args:
        embeddings: (n_rows, width), float32; `count` rows or more.
        count: How many.
        seed: Of the draw.
    """
    random = np.random.default_rng(derived_seed("drawn", seed))
    places = random.choice(len(embeddings), count, replace=False)
    return np.sort(_byte_order(embeddings)[places])


def _byte_order(embeddings: FloatMatrix) -> IntVector:
    """(n_rows,): rows in the order of their bytes; equal rows stand for each other."""
    rows = np.ascontiguousarray(embeddings, dtype=np.float32)
    return rows.view(f"V{rows.itemsize * rows.shape[1]}").ravel().argsort(kind="stable")
