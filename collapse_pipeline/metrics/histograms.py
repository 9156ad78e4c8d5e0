"""How far apart two histograms are."""

from collections.abc import Mapping
from math import fsum

import numpy as np

from collapse_pipeline.errors import TooFewSamplesError


def jensen_shannon(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Jensen-Shannon divergence of two histograms, in bits.

    Args:
        first: Weights by value, 0 or more, not all 0; they need not sum to 1.
        second: The other histogram; a value that one lacks has weight 0 there.

    Returns:
        In [0, 1]; 0 when the shares are equal, 1 when no value has weight in both. Never NaN.
        Chance alone gives about (values - 1) / (4 ln(2) rows) with equally many rows a side:
        compare equal sizes. Trap: values have no order here, "easy" is as far from "medium" as
        from "hard".

    Raises:
        TooFewSamplesError: When a histogram is empty.

    Source:
        Lin 1991.
    """
    values = sorted(first.keys() | second.keys())
    weights = np.array([[side.get(value, 0) for value in values] for side in (first, second)])
    totals = weights.sum(axis=1, keepdims=True)
    if not totals.all():
        raise TooFewSamplesError("rows on both sides", "none on one", "measure a larger batch")
    shares = weights / totals
    middle = np.broadcast_to(shares.mean(axis=0), shares.shape)
    held = shares > 0
    bits = fsum(shares[held] * np.log2(shares[held] / middle[held])) / 2
    return min(max(bits, 0.0), 1.0)  # rounding may step over either end
