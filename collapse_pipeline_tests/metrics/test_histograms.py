from math import log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.histograms import jensen_shannon

histograms = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9), min_size=1)


def test_by_hand():
    # Shares 1, 0 and 1/2, 1/2; the middle is 3/4, 1/4.
    first, second = log2(4 / 3), (log2(2 / 3) + log2(2)) / 2
    assert jensen_shannon({"a": 3}, {"a": 5, "b": 5}) == pytest.approx((first + second) / 2)


def test_ends_of_the_range():
    assert jensen_shannon({"a": 1, "b": 2}, {"b": 4, "a": 2}) == 0
    assert jensen_shannon({"a": 1, "b": 2}, {"c": 3, "a": 0}) == 1


@settings(deadline=None)
@given(histograms, histograms)
def test_law(first, second):
    from scipy.spatial.distance import jensenshannon

    sides = [[side.get(value, 0) for value in "abcd"] for side in (first, second)]
    value = jensen_shannon(first, second)
    assert value == pytest.approx(jensenshannon(*sides, base=2) ** 2, abs=1e-7)
    assert value == jensen_shannon(second, first)
    assert 0 <= value <= 1
    assert (value > 1 - 1e-9) == (not first.keys() & second.keys())


def test_an_empty_side_is_too_few():
    with pytest.raises(TooFewSamplesError):
        jensen_shannon({}, {"a": 1})
