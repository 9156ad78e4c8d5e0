"""Which texts say nearly the same, by the cosine of their embeddings.

Rows are unit vectors; a zero row (a text without words) is like nothing. Similarities are float32:
do not rely on more than five digits of them.

Above `RATIO_ROWS` the ratios compare a seeded draw of rows with all rows. No index is asked, so
every drawn row finds its neighbours: what is left is the error of the draw.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.blocks import BLOCK, drawn, near_any, near_pairs
from collapse_pipeline.metrics.evidence import NAN, BatchEvidence, Metric, Need
from collapse_pipeline.ports import FloatMatrix, FloatVector, IntVector

RATIO_ROWS = 20_000  # up to here the ratios compare all pairs
RATIO_DRAW = 4000  # rows that are drawn above that; see `nearest_neighbour_ratio` for the error
EXACT_ROWS = 8192  # up to here `kept_before` compares all pairs
_DIRECTIONS = 256
_CELLS_PER_ROW = 3
_CELL_SEED = 17  # the cells may not depend on the batch, or filtering twice would drop more


class NearNeighbours(NamedTuple):
    """For every row the most similar of the rows before it, if that is similar enough."""

    row: IntVector  # (n_rows,), 0 to n_rows - 1
    earlier: IntVector  # (n_rows,), the row that it resembles; -1 where there is none
    similarity: FloatVector  # (n_rows,), cosine; NaN where there is none


def near_neighbours(embeddings: FloatMatrix, threshold: float) -> NearNeighbours:
    """Every row's best earlier neighbour at `threshold` or above; among equals the first.

    Args:
        embeddings: (n_rows, width), float32, unit rows. No rows give empty vectors.
        threshold: Cosine similarity in [-1, 1].
    """
    count = len(embeddings)
    best = np.full(count, -np.inf, dtype=np.float32)
    who = np.full(count, -1, dtype=np.int64)
    for later, earlier, cosine in near_pairs(embeddings, threshold):
        order = np.lexsort((earlier, -cosine, later))  # each row's best first
        rows, at = np.unique(later[order], return_index=True)
        at = order[at]
        better = cosine[at] > best[rows]
        best[rows[better]], who[rows[better]] = cosine[at[better]], earlier[at[better]]
    similarity = np.where(who < 0, np.nan, best).astype(np.float64)
    return NearNeighbours(np.arange(count), who, similarity)


def nearest_neighbour_ratio(
    embeddings: FloatMatrix, threshold: float = 0.95, seed: int = 0, exact_rows: int = RATIO_ROWS
) -> float:
    """Share of samples whose nearest other sample is at least `threshold` similar.

    Args:
        embeddings: (n_samples, width), float32, unit rows.
        threshold: Cosine similarity in [-1, 1].
        seed: Of the draw above `exact_rows`.
        exact_rows: Up to here all pairs are compared, and the value is exact. Above, a draw of
            `RATIO_DRAW` rows is compared with all rows: the value is right on average, and its
            standard error at most 0.008.

    Returns:
        Ratio in [0, 1]; 0 when no two samples are alike, 1 when none stands alone.

    Trap:
        Rises with the number of samples: compare equal sizes only. What counts as near is the
        embedder's view; bags of word pieces see no order of words.

    Raises:
        TooFewSamplesError: With fewer than two rows.

    Source:
        Chapter 17, Listing 17-1; Lee et al. 2022.
    """
    count = len(embeddings)
    if count < 2:
        raise TooFewSamplesError(
            wanted="2 rows or more for nearest_neighbour_ratio",
            got=str(count),
            do="measure a larger batch",
        )
    if count > max(exact_rows, RATIO_DRAW):
        rows = drawn(embeddings, RATIO_DRAW, seed)
        return float(near_any(embeddings[rows], embeddings, threshold, rows).mean())
    near = np.zeros(count, dtype=bool)
    for later, earlier, _ in near_pairs(embeddings, threshold, done=near):
        near[later] = near[earlier] = True
    return float(near.mean())


def nearest_neighbour_ratio_across(
    embeddings: FloatMatrix, earlier: FloatMatrix, threshold: float = 0.95, seed: int = 0
) -> float:
    """Share of samples that an earlier sample is at least `threshold` similar to.

    Args:
        embeddings: (n_samples, width), float32, unit rows.
        earlier: (n_earlier, width), unit rows that earlier generations kept.
        threshold: Cosine similarity in [-1, 1].
        seed: Of the draw where there are more than `RATIO_ROWS` squared pairs: then `RATIO_DRAW`
            samples are compared with all earlier ones, with a standard error of at most 0.008.

    Returns:
        Ratio in [0, 1]; 0 when every sample is new, or nothing came before.

    Trap:
        Rises with the number of earlier rows, so by itself night after night: compare with nights
        that had as many.

    Raises:
        TooFewSamplesError: Without any sample.

    Source:
        As `nearest_neighbour_ratio`.
    """
    if not len(embeddings):
        raise TooFewSamplesError(
            "a row for nearest_neighbour_ratio_across", "none", "measure a larger batch"
        )
    if len(embeddings) * len(earlier) > RATIO_ROWS**2 and len(embeddings) > RATIO_DRAW:
        embeddings = embeddings[drawn(embeddings, RATIO_DRAW, seed)]
    return float(near_any(embeddings, earlier, threshold).mean())


def kept_before(embeddings: FloatMatrix, threshold: float) -> IntVector:
    """Goes through the rows in order and keeps each unless a kept one is similar enough.

    Args:
        embeddings: (n_rows, width), float32, unit rows.
        threshold: Cosine similarity in [-1, 1].

    Returns:
        (n_rows,): the kept row that each row repeats, -1 where the row itself is kept. Exact up to
        `EXACT_ROWS` rows. Above, only rows that share one of their three nearest among 256 fixed
        directions are compared: at 0.97 that found 99.8% of the similar pairs of 40,000 short
        texts or more, for a fifth of the work or less; and where a row's keeper is itself dropped
        in a later cell, the row goes to the keeper's keeper.
    """
    keeper = np.full(len(embeddings), -1, dtype=np.int64)
    for cell in _cells(embeddings):
        rows = cell[keeper[cell] < 0]
        found = _kept_before(embeddings[rows], threshold)
        keeper[rows] = np.where(found < 0, -1, rows[found])
    for row in np.flatnonzero(keeper >= 0):  # in order, so a keeper's own keeper is settled
        above = keeper[keeper[row]]
        keeper[row] = keeper[row] if above < 0 else above
    return keeper


def _cells(embeddings: FloatMatrix) -> Iterator[IntVector]:
    """Rows to compare with each other, ascending: all of them, or those of each direction."""
    if len(embeddings) <= EXACT_ROWS:
        yield np.arange(len(embeddings))
        return
    shape = (embeddings.shape[1], _DIRECTIONS)
    directions = np.random.default_rng(_CELL_SEED).standard_normal(shape, dtype=np.float32)
    nearest = np.empty((len(embeddings), _CELLS_PER_ROW), dtype=np.int64)
    for start in range(0, len(embeddings), BLOCK):
        closeness = embeddings[start : start + BLOCK] @ directions
        order = np.argpartition(-closeness, _CELLS_PER_ROW, axis=1)
        nearest[start : start + BLOCK] = order[:, :_CELLS_PER_ROW]
    for direction in range(_DIRECTIONS):
        yield np.flatnonzero((nearest == direction).any(axis=1))


def _kept_before(embeddings: FloatMatrix, threshold: float) -> IntVector:
    keeper = np.full(len(embeddings), -1, dtype=np.int64)
    kept = np.empty_like(embeddings)  # the vectors kept so far, side by side
    kept_rows = np.empty(len(embeddings), dtype=np.int64)
    count = 0
    for start in range(0, len(embeddings), BLOCK):
        rows = embeddings[start : start + BLOCK]
        best = np.full(len(rows), -np.inf, dtype=np.float32)
        mine = keeper[start : start + len(rows)]  # a view
        for first in range(0, count, BLOCK):
            block = rows @ kept[first : min(first + BLOCK, count)].T
            top = block.max(axis=1)
            hit = np.flatnonzero((top >= threshold) & (top > best))
            best[hit] = top[hit]
            mine[hit] = kept_rows[first + block[hit].argmax(axis=1)]
        left = np.flatnonzero(mine < 0)
        within = rows[left] @ rows[left].T
        within[np.triu_indices(len(left))] = -np.inf
        for row in np.flatnonzero((within >= threshold).any(axis=1)):
            similar = within[row] >= threshold
            candidates = np.flatnonzero(similar & (mine[left] < 0))
            if len(candidates):
                closest = candidates[within[row, candidates].argmax()]
                mine[left[row]] = start + left[closest]
        fresh = np.flatnonzero(mine < 0)
        kept[count : count + len(fresh)] = rows[fresh]
        kept_rows[count : count + len(fresh)] = start + fresh
        count += len(fresh)
    return keeper


def _across(evidence: BatchEvidence) -> float:
    earlier = evidence.earlier
    if earlier is None:
        return NAN
    return nearest_neighbour_ratio_across(
        evidence.synthetic.embeddings, earlier.embeddings, seed=evidence.seed
    )


METRICS = (
    Metric(
        "nearest_neighbour_ratio",
        "synthetic_batch",
        lambda e: nearest_neighbour_ratio(e.synthetic.embeddings, seed=e.seed),
        "above",
        "Written rows that mean nearly the same as another row of the batch.",
        "share",
        (Need.EMBEDDINGS,),
        ("label", "template", "teacher"),
    ),
    Metric(
        "nearest_neighbour_ratio_across",
        "synthetic_batch",
        _across,
        "above",
        "Written rows that mean nearly the same as a row that an earlier generation kept.",
        "share",
        (Need.EMBEDDINGS, Need.EARLIER),
        ("label", "template", "teacher"),
    ),
)
