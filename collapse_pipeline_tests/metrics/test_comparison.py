import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.metrics.comparison import perplexity_ratio_interval, ratio_interval

scores = st.lists(st.floats(0.1, 1), min_size=2, max_size=40).map(np.array)


def test_ratio_of_means_by_hand():
    ratio = ratio_interval(np.array([1.0, 0, 1, 1]), np.array([1.0, 1, 1, 1]), seed=1)
    assert ratio.point == 0.75  # 3/4 over 4/4
    # A resample has k right of 4, k binomial(4, .75): P(k = 0) = .004, P(k <= 1) = .051, so the
    # 2.5% quantile is 1/4; P(k = 4) = .32, so the 97.5% quantile is 1.
    assert (ratio.low, ratio.high) == (0.25, 1.0)


def test_perplexity_ratio_by_hand():
    candidate, reference = np.array([2.0, 6.0]), np.array([1.0, 3.0])
    ratio = perplexity_ratio_interval(candidate, reference, np.array([1, 3]), seed=1)
    # 8/4 = 2 nats a token against 1, in any resample: exp(1)
    assert (ratio.point, ratio.low, ratio.high) == pytest.approx((math.e,) * 3)
    other = perplexity_ratio_interval(
        candidate, reference, np.array([1, 3]), seed=1, reference_tokens=np.array([2, 6])
    )
    assert other.point == pytest.approx(math.exp(2 - 0.5))  # 4 nats over 8 tokens


@settings(max_examples=25, deadline=None)
@given(scores, st.floats(0.2, 5), st.integers(0, 2**40))
def test_a_scaled_copy_has_its_scale_as_ratio_and_no_width(reference, scale, seed):
    ratio = ratio_interval(reference * scale, reference, seed, draws=200)
    assert (ratio.point, ratio.low, ratio.high) == pytest.approx((scale,) * 3)


@settings(max_examples=25, deadline=None)
@given(scores, st.integers(0, 2**40))
def test_the_same_seed_gives_the_same_bounds_around_the_point(reference, seed):
    candidate = reference[::-1].copy()
    ratio = ratio_interval(candidate, reference, seed, draws=200)
    assert ratio == ratio_interval(candidate, reference, seed, draws=200)
    assert ratio.low <= ratio.high


@pytest.mark.slow
def test_each_bound_holds_as_often_as_it_says():
    rng = np.random.default_rng(3)
    low = high = 0
    for seed in range(400):
        hard = rng.random(400)  # how hard each row is, for both models
        candidate = (rng.random(400) < 1 - 0.5 * hard).astype(float)  # .75
        reference = (rng.random(400) < 1 - 0.4 * hard).astype(float)  # .80
        ratio = ratio_interval(candidate, reference, seed, draws=500)
        low += ratio.low <= 0.75 / 0.80
        high += ratio.high >= 0.75 / 0.80
    # 97.5% of 400 are 390, one standard deviation 3.1
    assert low >= 378
    assert high >= 378


def test_too_little_to_compare_is_nan():
    nothing_right = ratio_interval(np.ones(5), np.zeros(5), seed=1)
    assert math.isnan(nothing_right.point)
    one_right = ratio_interval(np.ones(5), np.array([1.0, 0, 0, 0, 0]), seed=1)
    assert one_right.point == 5
    assert math.isnan(one_right.low)
    assert math.isnan(one_right.high)
    no_tokens = perplexity_ratio_interval(np.zeros(3), np.zeros(3), np.zeros(3, int), seed=1)
    assert math.isnan(no_tokens.point)


def test_unusable_input_is_refused():
    with pytest.raises(TooFewSamplesError):
        ratio_interval(np.ones(1), np.ones(1), seed=1)
    with pytest.raises(BadInputError, match="columns of"):
        ratio_interval(np.ones(3), np.ones(2), seed=1)
    with pytest.raises(BadInputError, match="level"):
        ratio_interval(np.ones(3), np.ones(3), seed=1, level=1.0)


def test_memory_is_bounded_by_the_rows():
    column = np.random.default_rng(1).random(50_000)
    tracemalloc.start()
    ratio_interval(column, column[::-1].copy(), seed=1, draws=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000  # 100 draws of 50,000 rows would be 40 MB
