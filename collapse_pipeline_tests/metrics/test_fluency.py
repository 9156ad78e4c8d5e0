import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.fluency import bits_per_byte, perplexity


def test_perplexity_by_hand():
    # One token at 1/2, three at 1/8 each: (2 * 8**3) ** (1/4) = 1024 ** .25 = 5.657
    sums = np.array([math.log(2), 3 * math.log(8)])
    assert perplexity(sums, np.array([1, 3])) == pytest.approx(1024**0.25)


def test_bits_per_byte_by_hand():
    # 16 bits over "abc" and the two bytes of "é".
    assert bits_per_byte(np.array([16 * math.log(2)]), ["abcé"]) == pytest.approx(16 / 5)


@given(st.integers(2, 10_000), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_a_model_that_knows_nothing_hesitates_between_all_tokens(size, lengths):
    counts = np.array(lengths)
    assert perplexity(counts * math.log(size), counts) == pytest.approx(size)


def test_an_overflow_is_infinite_and_nan_stays():
    assert perplexity(np.array([1e6]), np.array([1])) == math.inf
    assert math.isnan(perplexity(np.array([math.nan]), np.array([1])))


def test_nothing_is_refused():
    with pytest.raises(TooFewSamplesError):
        perplexity(np.zeros(0), np.zeros(0, dtype=np.int64))
    with pytest.raises(TooFewSamplesError):
        bits_per_byte(np.zeros(0), [])


@pytest.mark.real_data
def test_coin_tosses_need_eight_bits_a_byte_of_banking77(shared_data):
    texts = pq.read_table(shared_data / "banking77.parquet")["text"].to_pylist()[:500]
    sums = np.array([len(text.encode()) * math.log(256) for text in texts])
    assert bits_per_byte(sums, texts) == pytest.approx(8)
