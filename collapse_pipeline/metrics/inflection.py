"""Inflection: where a figure that changes with a share begins to change at another rate.

Two straight pieces that meet, against one straight line. Chains of one seed share their human rows,
so that every seed has a height of its own, and only the shape is common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.ports import FloatVector
from collapse_pipeline.records import derived_seed

Matrix = npt.NDArray[np.float64]
FEWEST = 5  # different shares; two pieces have three of their own with fewer
GRID = 181  # places that are tried for the break
NULLS = 2_000  # lines without a break that the test is held against
ALPHA = 0.01  # of finding a break where there is none


@dataclass(frozen=True)
class Inflection:
    """Two pieces that meet at `at`; `found` says whether they are clearly better than one."""

    found: bool
    at: float  # the break that fits best, whether it is found or not
    low: float  # 95% interval of the break
    high: float
    before: float  # slopes
    after: float
    p: float  # how often a straight line with such noise has two pieces that fit as much better


def segmented(
    x: Sequence[float], y: Sequence[float], group: Sequence[int], seed: int
) -> Inflection:
    """Fits two straight pieces that meet, and asks whether one would do.

    Args:
        x: (n,), the share of every observation.
        y: (n,), its figure.
        group: (n,), its seed; every seed has a height of its own, all have the same slopes.
        seed: Of the test's draws.

    Returns:
        The break that fits best among those with two different shares or more on either side,
        its interval by the profile of the residuals, and both slopes. `p` compares the gain of the
        second piece with that of pure noise on a straight line (the break is searched for there
        too, which an F table does not know); below 0.01 the break is `found`. Where y does not
        differ from a line at all nothing is found. Trap: a smooth curve also has two pieces that
        are better than one; its break then says where it bends most, not that there is an edge.

    Raises:
        TooFewSamplesError: Fewer than five different shares.
        BadInputError: Lengths differ, or a value is no number.

    Source:
        Muggeo 2003 (segmented regression); Davies 1987 on testing a break that must be searched.
    """
    shares, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    groups = np.asarray(group)
    if not len(shares) == len(values) == len(groups):
        raise BadInputError(
            "as many shares as figures and seeds",
            f"{len(shares)}, {len(values)} and {len(groups)}",
            "give one of each for every chain",
        )
    if not (np.isfinite(shares).all() and np.isfinite(values).all()):
        raise BadInputError("figures that are numbers", "NaN or infinity", "leave such chains out")
    distinct = np.unique(shares.round(6))
    if len(distinct) < FEWEST:
        raise TooFewSamplesError(
            f"{FEWEST} different shares", str(len(distinct)), "add shares to --shares"
        )
    places = np.linspace(distinct[1], distinct[-2], GRID)
    slope, bends = _directions(shares, groups, places)
    centred = _centred(values, groups)
    straight, gains = _left(centred[None], slope)[0], (centred @ bends) ** 2
    bent: FloatVector = np.maximum(straight - gains, 0.0)
    at = int(gains.argmax())
    freedom = len(values) - len(np.unique(groups)) - 3
    p, found = 1.0, False
    # What is left of figures on a line is the rounding of numbers, and bends nowhere.
    if freedom > 0 and straight > 1e-18 * max(float((values**2).sum()), 1.0):
        rng = np.random.default_rng(derived_seed("segmented", seed))
        noise = _centred(rng.standard_normal((NULLS, len(values))).T, groups).T
        shares_gained = ((noise @ bends) ** 2).max(axis=1) / _left(noise, slope)
        p = float((1 + (shares_gained >= gains[at] / straight).sum()) / (1 + NULLS))
        found = p < ALPHA
    low, high = _interval(places, bent, freedom)
    pieces = np.column_stack([shares, np.maximum(shares - places[at], 0.0)])
    before, bend = np.linalg.lstsq(_centred(pieces, groups), centred, rcond=None)[0]
    return Inflection(found, float(places[at]), low, high, float(before), float(before + bend), p)


def _interval(places: FloatVector, bent: FloatVector, freedom: int) -> tuple[float, float]:
    """The breaks whose residuals are not clearly larger than those of the best one."""
    from scipy import stats

    if freedom <= 0:
        return float(places[0]), float(places[-1])
    allowed = bent.min() * (1 + float(stats.f.ppf(0.95, 1, freedom)) / freedom)
    near = places[bent <= allowed + 1e-300]
    return float(near[0]), float(near[-1])


def _directions(
    shares: FloatVector, groups: npt.NDArray[np.int64], places: FloatVector
) -> tuple[FloatVector, Matrix]:
    """(n,) unit vector of a line, and (n, n_places) of what a bend at each place adds to it."""
    slope = _centred(shares, groups)
    slope /= np.linalg.norm(slope)
    bends = _centred(np.maximum(shares[:, None] - places, 0.0), groups)
    bends -= np.outer(slope, slope @ bends)
    unit: Matrix = bends / np.linalg.norm(bends, axis=0)
    return slope, unit


def _centred(values: FloatVector, groups: npt.NDArray[np.int64]) -> FloatVector:
    """(n,) or (n, k) values without the mean of their group."""
    centred = np.array(values, dtype=np.float64)
    for name in np.unique(groups):
        centred[groups == name] -= centred[groups == name].mean(axis=0)
    return centred


def _left(rows: Matrix, slope: FloatVector) -> FloatVector:
    """(n_rows,) sums of squares that a straight line leaves of every row."""
    left: FloatVector = (rows**2).sum(axis=1) - (rows @ slope) ** 2
    return left
