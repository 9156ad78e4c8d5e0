from collections import Counter
from math import log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.grams import grams_up_to
from collapse_pipeline.metrics.phrases import (
    distinct_n,
    repeated_ngrams,
    repeated_ngrams_across,
    unigram_entropy,
)

batches = st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=1, max_size=8)
worded = batches.filter(any)


def test_two_of_three_bigrams_are_unique():
    assert distinct_n([list("abab")], 2) == pytest.approx(2 / 3)  # ab ba ab
    assert distinct_n([list("abab")], 1) == 2 / 4
    assert distinct_n([list("abab")], 3) == 1  # aba bab


def test_repeated_pairs_by_hand():
    # ab bc | ab cc? no: "a b c" has ab bc, "a b b" has ab bb; ab twice of four occurrences
    batch = [list("abc"), list("abb")]
    assert repeated_ngrams(batch, 2) == 2 / 4
    assert repeated_ngrams(batch, 4) == 0 if any(len(text) > 3 for text in batch) else True
    # of the two pairs of "b c b", bc was said before and cb was not
    assert repeated_ngrams_across([list("bcb")], batch, 2) == 1 / 2
    assert repeated_ngrams_across([list("bcb")], [], 2) == 0


def test_a_run_does_not_reach_into_the_next_text():
    assert repeated_ngrams([["a"], ["b"], ["a", "b"], ["c", "d"]], 2) == 0


def test_entropy_by_hand():
    # a half, b and c a quarter each: 1/2 * 1 + 2 * 1/4 * 2 bits
    assert unigram_entropy([["a", "b"], ["a", "c"]]) == pytest.approx(1.5)
    assert unigram_entropy([["a"], ["a"]]) == 0


@pytest.mark.parametrize(
    "figure",
    [
        lambda words: repeated_ngrams(words, 4),
        lambda words: repeated_ngrams_across(words, [list("abcd")], 4),
        lambda words: distinct_n(words, 4),
        lambda words: unigram_entropy([[] for _ in words]),
    ],
)
def test_too_few_words(figure):
    with pytest.raises(TooFewSamplesError, match="words or more"):
        figure([list("abc"), []])


@settings(deadline=None)
@given(worded, st.integers(1, 4))
def test_grams_are_counted_as_by_hand(words, size):
    naive = Counter(
        tuple(text[at : at + size]) for text in words for at in range(len(text) - size + 1)
    )
    *_, grams = grams_up_to(words, size)
    assert sorted(Counter(grams.gram.tolist()).values()) == sorted(naive.values())
    assert Counter(grams.row.tolist()) == {
        row: len(text) - size + 1 for row, text in enumerate(words) if len(text) >= size
    }
    if naive:
        total = naive.total()
        repeated = sum(count for count in naive.values() if count > 1)
        assert repeated_ngrams(words, size) == pytest.approx(repeated / total)
        assert distinct_n(words, size) == pytest.approx(len(naive) / total)
    if size == 1:
        bits = -sum(count / total * log2(count / total) for count in naive.values())
        assert unigram_entropy(words) == pytest.approx(bits, abs=1e-12)


@settings(deadline=None)
@given(worded, batches)
def test_saying_everything_twice_repeats_everything(words, others):
    assert repeated_ngrams(words * 2, 1) == 1
    assert repeated_ngrams_across(words, [*others, *words], 1) == 1
    assert distinct_n(words * 2, 1) == pytest.approx(distinct_n(words, 1) / 2)
    assert unigram_entropy(words * 2) == pytest.approx(unigram_entropy(words))
    assert unigram_entropy(words[::-1]) == unigram_entropy(words)
