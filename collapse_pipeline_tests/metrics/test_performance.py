import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.metrics.performance import (
    accuracy,
    macro_f1,
    per_label_f1,
    unwarranted_refusal_rate,
    wrong_answer_rate,
    wrong_fact_rate,
)

pairs = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcde")), min_size=1)


def test_three_of_four_are_right():
    truth, predicted = ["a", "a", "a", "b"], ["a", "a", "b", "b"]
    assert accuracy(truth, predicted) == 3 / 4
    # a: precision 2/2, recall 2/3, F1 2*2/(3+2) = .8;  b: precision 1/2, recall 1, F1 2/(1+2)
    assert per_label_f1(truth, predicted) == pytest.approx({"a": 0.8, "b": 2 / 3})
    assert macro_f1(truth, predicted) == pytest.approx((0.8 + 2 / 3) / 2)


def test_a_label_that_is_never_true_has_no_f1():
    assert per_label_f1(["a", "b"], ["c", "b"]) == {"a": 0.0, "b": 1.0}


@settings(deadline=None)
@given(pairs)
def test_f1_is_the_same_as_scikit_learns(rows):
    from sklearn.metrics import f1_score

    truth, predicted = [row[0] for row in rows], [row[1] for row in rows]
    labels = sorted(set(truth))
    theirs = f1_score(truth, predicted, labels=labels, average=None, zero_division=0.0)
    assert per_label_f1(truth, predicted) == pytest.approx(dict(zip(labels, theirs, strict=True)))


@settings(deadline=None)
@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert macro_f1(*zip(*rows, strict=True)) == macro_f1(*zip(*shuffled, strict=True))
    assert accuracy(*zip(*rows, strict=True)) == accuracy(*zip(*shuffled, strict=True))


@pytest.mark.parametrize("metric", [accuracy, macro_f1, per_label_f1])
def test_no_rows_and_unequal_rows_are_refused(metric):
    with pytest.raises(TooFewSamplesError, match="at least one row"):
        metric([], [])
    with pytest.raises(BadInputError, match="2 rows and 1 predictions"):
        metric(["a", "b"], ["a"])


CHECKS = [
    {"fact_right": True, "refused": False, "refusal_warranted": False},
    {"fact_right": False, "refused": True, "refusal_warranted": False},
    {"refused": True, "refusal_warranted": True},
    {"refused": True},
    {"answer_right": False},
    {},
]


def test_world_rates_count_only_where_they_apply():
    assert wrong_fact_rate(CHECKS) == 1 / 2  # rows 0 and 1 state a fact
    assert unwarranted_refusal_rate(CHECKS) == 1 / 2  # rows 0 and 1 deserve an answer
    assert wrong_answer_rate(CHECKS) == 1.0


@pytest.mark.parametrize("rate", [wrong_fact_rate, unwarranted_refusal_rate, wrong_answer_rate])
def test_a_rate_of_nothing_is_nan(rate):
    assert math.isnan(rate([]))
    assert math.isnan(rate([{}]))


@pytest.mark.real_data
def test_guessing_the_commonest_label_of_banking77(shared_data):
    rows = pd.read_parquet(shared_data / "banking77.parquet")
    truth = rows.loc[rows["split"] == "test", "label"].tolist()
    guess = [truth[0]] * len(truth)
    assert accuracy(truth, guess) == pytest.approx(1 / 77)  # 40 rows of every label
    assert macro_f1(truth, guess) == pytest.approx(2 * 40 / (40 + 3080) / 77)
    assert np.count_nonzero(list(per_label_f1(truth, guess).values())) == 1
