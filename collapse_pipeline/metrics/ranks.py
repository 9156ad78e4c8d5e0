"""What the order of values tells: correlation within strata, and how well a score tells two kinds
apart. Sums are exact, so the order of the rows changes nothing, not even the last digit."""

from collections.abc import Hashable, Sequence
from math import fsum, sqrt

import numpy as np
import numpy.typing as npt

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.ports import FloatVector, IntVector


def rank_correlation(first: FloatVector, second: FloatVector, strata: Sequence[Hashable]) -> float:
    """Spearman's correlation of two figures within strata.

    Ranks are taken within each stratum and compared over all of them, so what makes the strata
    differ plays no part. Every row weighs the same, however large its stratum.

    Args:
        first: (n_rows,).
        second: (n_rows,).
        strata: (n_rows,), which stratum each row belongs to.

    Returns:
        In [-1, 1]; 0 where the two have nothing to do with each other, or where one of them does
        not vary within any stratum. Chance moves it by 1/sqrt(n_rows - n_strata). Trap: rows
        that are alone in their stratum say nothing, so fine strata cost power.

    Raises:
        TooFewSamplesError: With fewer than two rows.

    Source:
        Spearman 1904; stratified as in van Elteren 1960.
    """
    if len(first) < 2:
        raise TooFewSamplesError("two rows or more", str(len(first)), "measure a larger batch")
    codes = {stratum: code for code, stratum in enumerate(dict.fromkeys(strata))}
    place = np.array([codes[stratum] for stratum in strata], dtype=np.int64)
    size = np.bincount(place)[place]
    one, other = (
        (2 * _ranks(values, place) - (size - 1)) / size for values in (first, second)
    )  # from -1 to 1 in every stratum
    spread = fsum(one**2) * fsum(other**2)
    return fsum(one * other) / sqrt(spread) if spread else 0.0


def ranked_above(scores: FloatVector, chosen: npt.NDArray[np.bool_]) -> float:
    """Chance that a chosen row scores above one that is not chosen, ties counting half.

    Args:
        scores: (n_rows,).
        chosen: (n_rows,).

    Returns:
        Area under the ROC curve, in [0, 1]; 1 when all chosen rows stand above all others, 0.5
        when scores tell nothing. Trap: only the order counts; a useful threshold need not exist.

    Raises:
        TooFewSamplesError: Without rows of both kinds.

    Source:
        Mann and Whitney 1947.
    """
    inside, outside = int(chosen.sum()), int((~chosen).sum())
    if not min(inside, outside):
        raise TooFewSamplesError(
            "rows of both kinds", f"{inside} of one and {outside} of the other", "take more rows"
        )
    ranks = _ranks(scores, np.zeros(len(scores), dtype=np.int64))
    return (fsum(ranks[chosen]) - inside * (inside - 1) / 2) / (inside * outside)


def _ranks(values: FloatVector, strata: IntVector) -> FloatVector:
    """(n_rows,) place of each value within its stratum from 0, equal values sharing their mean."""
    order = np.lexsort((values, strata))
    value, stratum = values[order], strata[order]
    fresh = np.ones(len(values), dtype=np.bool_)
    fresh[1:] = (stratum[1:] != stratum[:-1]) | (value[1:] != value[:-1])
    tie = np.cumsum(fresh) - 1
    sizes = np.bincount(strata)
    place = np.arange(len(values)) - (np.cumsum(sizes) - sizes)[stratum]
    ranks = np.empty(len(values))
    ranks[order] = (np.bincount(tie, weights=place) / np.bincount(tie))[tie]
    return ranks
