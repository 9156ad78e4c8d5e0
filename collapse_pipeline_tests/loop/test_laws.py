"""Laws with a closed form, and how findings are judged."""

from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.loop.laws import (
    Finding,
    accumulate_bound,
    accumulate_error,
    closed_forms,
    regression_errors,
    replace_error,
    verdicts,
    verified_accuracies,
    verifier_threshold,
)

SIZES = (10, 111, 1.0)


def finding(relation, expected, found):
    return Finding("a law", "a case", relation, expected, np.array(found, dtype=float))


def test_forms_by_hand():
    """One regression costs 10 / (111 - 10 - 1); the second, on 222 rows, 10 / (2 * 211) more."""
    assert replace_error(*SIZES, 1) == accumulate_error(*SIZES, 1) == pytest.approx(0.1)
    assert replace_error(*SIZES, 4) == pytest.approx(0.4)
    assert accumulate_error(*SIZES, 2) == pytest.approx(0.1 + 10 / 422)
    assert accumulate_bound(*SIZES, 2) == pytest.approx(0.1 * (1 + 1 / 4))
    assert replace_error(10, 111, 3.0, 1) == pytest.approx(0.9)


@given(st.integers(1, 50), st.integers(2, 300), st.floats(0.1, 5), st.integers(2, 30))
def test_accumulating_costs_less_than_its_bound_and_the_bound_less_than_replacing(
    features, spare, noise, generations
):
    sizes = (features, features + spare, noise, generations)
    assert accumulate_error(*sizes) < accumulate_bound(*sizes) < replace_error(*sizes)
    assert accumulate_bound(*sizes) < replace_error(*sizes[:3], 1) * pi**2 / 6


def test_without_spare_rows_there_is_no_expectation():
    with pytest.raises(BadInputError, match="12 rows or more, got 11"):
        accumulate_error(10, 11, 1.0, 3)


def test_a_regression_by_hand():
    """Without noise nothing is lost, whatever is kept; with it, generation 1 is the same."""
    exact = regression_errors(True, 3, 20, 0.0, 4, 5, seed=1)
    assert exact.shape == (5, 4)
    assert exact == pytest.approx(0, abs=1e-20)
    replaced, kept = (regression_errors(way, 3, 20, 1.0, 2, 5, seed=1) for way in (False, True))
    assert (replaced[:, 0] == kept[:, 0]).all()
    assert (replaced[:, 1] != kept[:, 1]).all()
    assert (replaced == regression_errors(False, 3, 20, 1.0, 2, 5, seed=1)).all()


@given(st.floats(0.05, 1), st.floats(0.05, 1), st.floats(0.01, 0.99))
def test_above_the_threshold_most_of_what_is_kept_is_right(keep_right, keep_wrong, right):
    threshold = verifier_threshold(keep_right, keep_wrong)
    assert threshold == pytest.approx(1 / (1 + keep_right / keep_wrong))
    good, bad = right * keep_right, (1 - right) * keep_wrong
    if abs(good - bad) > 1e-9:
        assert (good > bad) == (right > threshold)


def test_a_verifier_that_keeps_nothing_right_has_no_threshold():
    with pytest.raises(BadInputError, match="keeps right rows"):
        verifier_threshold(0.0, 0.5)


def test_a_perfect_verifier_makes_a_good_student_of_a_bad_teacher():
    """Class means one standard deviation from the border: at best 0.841 are told apart."""
    accuracies = verified_accuracies(0.3, 1.0, 0.0, 200, seed=1)
    assert 0.8 < accuracies.mean() < accuracies.max() < 0.8414


def test_verdicts_by_hand():
    """Of 1, 2, 3: mean 2, standard error 1 / sqrt 3; of t with 2 degrees 99.5% lie below 9.925."""
    (verdict,) = verdicts([finding("equals", 2, [1, 2, 3])])
    assert (verdict.found, verdict.repetitions, verdict.held) == (2, 3, True)
    assert verdict.tolerance == pytest.approx(9.925 / 3**0.5, rel=1e-4)


@pytest.mark.parametrize(
    ("relation", "below", "within_below", "within_above", "above"),
    [
        ("equals", False, True, True, False),
        ("above", False, False, False, True),
        ("below", True, False, False, False),
        ("at most", True, True, True, False),
    ],
)
def test_what_holds(relation, below, within_below, within_above, above):
    tolerance = 9.925 / 3**0.5  # as above
    held = [
        verdicts([finding(relation, 2 - gap, [1, 2, 3])])[0].held
        for gap in (-1.01 * tolerance, -0.99 * tolerance, 0.99 * tolerance, 1.01 * tolerance)
    ]
    assert held == [below, within_below, within_above, above]


def test_more_findings_share_the_same_chance_of_a_mistake():
    one = finding("equals", 2, [1, 2, 3])
    alone, shared = verdicts([one])[0], verdicts([one, one])[0]
    assert shared.tolerance > alone.tolerance


def test_one_repetition_says_nothing():
    with pytest.raises(TooFewSamplesError, match="2 repetitions of a law or more, got 1"):
        verdicts([finding("equals", 1, [1])])


@pytest.mark.laws
def test_closed_forms_hold():
    judged = verdicts(closed_forms(2_000, seed=1))
    assert [verdict for verdict in judged if not verdict.held] == []
    assert len(judged) == 18
    # A tolerance that let everything pass would be no law: it is a fraction of what is expected.
    assert max(verdict.tolerance / verdict.expected for verdict in judged) < 0.05


@pytest.mark.laws
def test_a_form_that_is_not_true_does_not_hold():
    replaced = regression_errors(False, *SIZES, 4, 2_000, seed=1)[:, 3]
    wrong = [accumulate_error(*SIZES, 4), replace_error(*SIZES, 3), replace_error(9, 111, 1.0, 4)]
    judged = verdicts([Finding("", "", "equals", form, replaced) for form in wrong])
    assert [verdict.held for verdict in judged] == [False] * 3
    kept = verified_accuracies(0.3, 0.9, 0.3, 2_000, seed=1)  # threshold 0.25
    (verdict,) = verdicts([Finding("", "", "equals", 0.5, kept)])
    assert not verdict.held
