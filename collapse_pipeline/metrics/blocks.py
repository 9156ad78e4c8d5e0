"""All pairs of vectors, block by block: what the metrics of similarity are made of.

A batch is compared with itself in blocks of the lower triangle of the similarity matrix, so that
memory is bounded by one block and no product is computed twice.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from collapse_pipeline.ports import FloatMatrix, IntVector
from collapse_pipeline.records import derived_seed

BLOCK = 1024  # rows and columns of a block, 4 MB


def _products(
    rows: FloatMatrix, others: FloatMatrix, space: npt.NDArray[np.float32]
) -> FloatMatrix:
    """(n_rows, n_others) similarities, written into `space`: the next product overwrites them."""
    block = space[: len(rows) * len(others)].reshape(len(rows), len(others))
    return np.dot(rows, others.T, out=block)


def triangle(embeddings: FloatMatrix) -> Iterator[tuple[int, int, FloatMatrix]]:
    """Blocks (first later row, first earlier row, similarities of later to earlier rows).

    Entries that do not compare a later row with an earlier one are -inf. A block holds until the
    next one is asked for: fresh memory for each would cost as much as looking through it.
    """
    embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
    space = np.empty(BLOCK * BLOCK, dtype=np.float32)
    for later in range(0, len(embeddings), BLOCK):
        rows = embeddings[later : later + BLOCK]
        for earlier in range(0, later + 1, BLOCK):
            block = _products(rows, embeddings[earlier : earlier + BLOCK], space)
            if earlier == later:
                block[np.triu_indices(len(rows))] = -np.inf
            yield later, earlier, block


def drawn(embeddings: FloatMatrix, count: int, seed: int) -> IntVector:
    """`count` different rows, ascending: the same vectors in whatever order the rows come.

    Args:
        embeddings: (n_rows, width), float32; `count` rows or more.
        count: How many.
        seed: Of the draw.
    """
    random = np.random.default_rng(derived_seed("drawn", seed))
    places = random.choice(len(embeddings), count, replace=False)
    return np.sort(byte_order(embeddings)[places])


def byte_order(embeddings: FloatMatrix) -> IntVector:
    """(n_rows,): rows in the order of their bytes, which the order that they came in cannot move.

    Equal rows stand for each other.
    """
    rows = np.ascontiguousarray(embeddings, dtype=np.float32)
    return rows.view(f"V{rows.itemsize * rows.shape[1]}").ravel().argsort(kind="stable")


def near_any(
    rows: FloatMatrix, others: FloatMatrix, threshold: float, own: IntVector | None = None
) -> npt.NDArray[np.bool_]:
    """Whether any of the others is at least `threshold` similar to each row.

    Args:
        rows: (n_rows, width), float32, unit rows.
        others: (n_others, width), unit rows.
        threshold: Cosine similarity in [-1, 1].
        own: (n_rows,), where the rows stand among the others: none is compared with itself.

    Returns:
        (n_rows,)
    """
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    others = np.ascontiguousarray(others, dtype=np.float32)
    near = np.zeros(len(rows), dtype=bool)
    space = np.empty(BLOCK * BLOCK, dtype=np.float32)
    for start in range(0, len(rows), BLOCK):
        left = np.arange(start, min(start + BLOCK, len(rows)))
        for first in range(0, len(others), BLOCK):
            block = _products(rows[left], others[first : first + BLOCK], space)
            if own is not None:
                itself = own[left] - first
                here = (itself >= 0) & (itself < block.shape[1])
                block[here, itself[here]] = -np.inf
            hits = block.max(axis=1) >= threshold
            near[left[hits]] = True
            left = left[~hits]  # one near row is enough
            if not len(left):
                break
    return near
