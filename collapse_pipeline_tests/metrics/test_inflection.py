import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.metrics.inflection import segmented

SHARES = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]


def chains(curve, seeds=3, noise=0.0, start=0):
    """Every share once a seed; each seed has a height of its own."""
    rng = np.random.default_rng(start)
    x = [share for _ in range(seeds) for share in SHARES]
    group = [seed for seed in range(seeds) for _ in SHARES]
    y = [curve(s) + 0.05 * g + noise * rng.standard_normal() for s, g in zip(x, group, strict=True)]
    return x, y, group


def test_a_break_by_hand():
    """Flat at 0.8 to one half, then two down for every one: 0.8, 0.8, 0.8, 0.8, 0.4, 0, -0.2."""
    found = segmented(*chains(lambda s: 0.8 - 2 * max(0, s - 0.5), noise=1e-6), seed=1)
    assert found.found
    assert found.at == pytest.approx(0.5, abs=0.005)
    assert found.low <= found.at <= found.high
    assert found.high - found.low < 0.02
    assert (found.before, found.after) == pytest.approx((0, -2), abs=0.02)


@pytest.mark.parametrize("curve", [lambda s: 0.8, lambda s: 0.8 - 0.3 * s])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_no_break_is_found_on_a_line(curve, noise):
    found = segmented(*chains(curve, noise=noise, start=4), seed=1)
    assert not found.found


def test_a_break_is_found_where_there_is_none_about_as_often_as_it_says():
    ps = [
        segmented(*chains(lambda s: 1 - s, noise=0.02, start=start), seed=1).p
        for start in range(100)
    ]
    # 100 draws of a chance of 0.2: 20 give or take 12, three standard deviations.
    assert 8 <= sum(p < 0.2 for p in ps) <= 32


@settings(deadline=None, max_examples=15)
@given(st.floats(0.3, 0.7), st.floats(0.1, 9), st.floats(-5, 5))
def test_scale_and_height_of_the_figure_change_nothing(at, scale, height):
    x, y, group = chains(lambda s: -max(0, s - at), noise=0.01)
    one = segmented(x, y, group, seed=2)
    other = segmented(x, [scale * value + height for value in y], group, seed=2)
    assert other.at == pytest.approx(one.at, abs=0.006)
    assert other.p == pytest.approx(one.p)
    assert other.after == pytest.approx(scale * one.after, rel=1e-6, abs=1e-9)


def test_the_interval_holds_the_break_in_most_draws():
    hits = 0
    for start in range(40):
        x, y, group = chains(lambda s: -max(0, s - 0.55), noise=0.03, start=start)
        found = segmented(x, y, group, seed=1)
        hits += found.low <= 0.55 <= found.high
    assert hits >= 34  # of 40 at 95%: 38 give or take 4


def test_what_cannot_be_fitted():
    with pytest.raises(TooFewSamplesError, match="5 different shares, got 2"):
        segmented([0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 1, 1], seed=1)
    with pytest.raises(BadInputError, match="one of each"):
        segmented(SHARES, [1.0], [0] * 7, seed=1)
    with pytest.raises(BadInputError, match="NaN"):
        segmented(SHARES, [float("nan")] * 7, [0] * 7, seed=1)


def test_one_seed_is_enough_to_fit_and_says_how_unsure_it_is():
    x, y, group = chains(lambda s: -max(0, s - 0.5), seeds=1, noise=0.02)
    found = segmented(x, y, group, seed=1)
    assert 0 < found.p <= 1
    assert found.high - found.low > 0.05


def test_the_curve_that_was_measured_on_banking77_bends_between_a_half_and_nine_tenths():
    """Standard accuracy at generation 4 by synthetic share, one chain each."""
    accuracy = [0.858, 0.844, 0.819, 0.781, 0.707, 0.562, 0.452]
    found = segmented(SHARES, accuracy, [0] * 7, seed=1)
    assert found.found
    assert 0.5 <= found.at <= 0.9
    assert found.after < found.before < 0
