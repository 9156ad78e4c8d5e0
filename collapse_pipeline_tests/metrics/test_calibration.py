import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.metrics.calibration import (
    brier,
    expected_calibration_error,
    mean_confidence,
)

answers = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=60)


def test_two_bins_by_hand():
    confidence = np.array([0.9, 0.8, 0.3, 0.4])
    right = np.array([True, False, False, True])
    # bins {.3, .4}: .35 against 1/2, gap .15;  {.8, .9}: .85 against 1/2, gap .35
    assert expected_calibration_error(confidence, right, bins=2) == pytest.approx(0.25)


def test_brier_by_hand():
    probabilities = np.array([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2]], dtype=np.float32)
    # a: .04 + .04 = .08;  b: .64 + .64 = 1.28;  c, unknown: .64 + .04 + 1 = 1.68
    assert brier(probabilities, ["a", "b"], ["a", "b", "c"]) == pytest.approx(
        (0.08 + 1.28 + 1.68) / 3, abs=1e-6
    )


def test_mean_confidence_by_hand():
    assert mean_confidence(np.array([0.5, 1.0])) == 0.75


@settings(deadline=None)
@given(answers, st.randoms(use_true_random=False), st.integers(1, 20))
def test_the_order_of_rows_changes_nothing(rows, random, bins):
    def error(of):
        confidence, right = zip(*of, strict=True)
        return expected_calibration_error(np.array(confidence), np.array(right), bins)

    assert error(rows) == pytest.approx(error(random.sample(rows, len(rows))), abs=1e-12)
    assert 0 <= error(rows) <= 1


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 30))
def test_knowing_nothing_has_its_known_brier_score(labels, rows):
    even = np.full((rows, labels), 1 / labels)
    names = [str(i) for i in range(labels)]
    score = brier(even, names, [names[i % labels] for i in range(rows)])
    assert score == pytest.approx(1 - 1 / labels)


def test_a_coin_that_says_so_is_calibrated():
    rng = np.random.default_rng(5)
    confidence = rng.random(20_000)
    right = rng.random(20_000) < confidence
    # chance alone: about .8 * sqrt(15 * .17 / 20000) = .009
    assert expected_calibration_error(confidence, right) < 0.015
    assert expected_calibration_error(np.ones(20_000), right) == pytest.approx(0.5, abs=0.02)


def test_unusable_input_is_refused():
    none, one = np.zeros(0), np.ones(1)
    with pytest.raises(TooFewSamplesError):
        expected_calibration_error(none, none.astype(bool))
    with pytest.raises(TooFewSamplesError):
        mean_confidence(none)
    with pytest.raises(TooFewSamplesError):
        brier(np.zeros((0, 2), dtype=np.float32), ["a", "b"], [])
    with pytest.raises(BadInputError, match="1 predictions and 2 labels"):
        expected_calibration_error(one, np.array([True, False]))
    with pytest.raises(BadInputError, match="at least 1 bin"):
        expected_calibration_error(one, one.astype(bool), bins=0)
