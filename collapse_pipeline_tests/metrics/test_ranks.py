import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.ranks import rank_correlation, ranked_above

small = st.integers(0, 4)
pairs = st.lists(st.tuples(small, small), min_size=3, max_size=30)
marked = st.lists(st.tuples(small, st.booleans()), min_size=2, max_size=30)


def columns(rows):
    return [np.array(column, dtype=float) for column in zip(*rows, strict=True)]


def test_correlation_by_hand():
    # ranks 0 1 2 against 0 2 1: centred -1 0 1 and -1 1 0, product 1 over sqrt(2 * 2)
    assert rank_correlation(np.array([1.0, 2, 9]), np.array([5.0, 7, 6]), "aaa") == 0.5


def test_what_makes_strata_differ_plays_no_part():
    first, second = np.array([1.0, 2, 11, 12]), np.array([2.0, 1, 12, 11])
    assert rank_correlation(first, second, "aaaa") == pytest.approx(0.6)
    assert rank_correlation(first, second, "aabb") == -1


def test_what_does_not_vary_within_strata_has_no_correlation():
    assert rank_correlation(np.array([1.0, 1, 2, 2]), np.array([3.0, 1, 2, 4]), "aabb") == 0
    assert rank_correlation(np.array([1.0, 2]), np.array([3.0, 1]), "ab") == 0


@settings(deadline=None)
@given(pairs)
def test_in_one_stratum_it_is_spearmans(rows):
    from scipy.stats import spearmanr

    first, second = columns(rows)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert rank_correlation(first, second, ["a"] * len(first)) == 0
    else:
        theirs = spearmanr(first, second).statistic
        assert rank_correlation(first, second, ["a"] * len(first)) == pytest.approx(theirs)


@settings(deadline=None)
@given(st.lists(st.tuples(small, small, small), min_size=2, max_size=30), st.randoms())
def test_the_order_of_rows_changes_nothing(rows, random):
    found = []
    for order in (rows, random.sample(rows, len(rows))):
        first, second, strata = columns(order)
        found.append(rank_correlation(first, second, strata.tolist()))
    assert found[0] == found[1]
    assert abs(found[0]) <= 1 + 1e-12


@settings(deadline=None)
@given(marked)
def test_area_is_the_same_as_scikit_learns(rows):
    from sklearn.metrics import roc_auc_score

    scores, chosen = columns(rows)
    if 0 < chosen.sum() < len(chosen):
        theirs = roc_auc_score(chosen, scores)
        assert ranked_above(scores, chosen.astype(bool)) == pytest.approx(theirs)
    else:
        with pytest.raises(TooFewSamplesError, match="both kinds"):
            ranked_above(scores, chosen.astype(bool))


def test_one_row_has_no_correlation():
    with pytest.raises(TooFewSamplesError, match="two rows"):
        rank_correlation(np.array([1.0]), np.array([1.0]), "a")
