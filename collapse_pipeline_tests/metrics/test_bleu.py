from collections import Counter
from math import exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.bleu import self_bleu


def naive_bleu(text, references):
    """BLEU-4 by the book: clipped precisions, smoothing 1, brevity by the closest reference."""
    logs = []
    for size in range(1, min(4, len(text)) + 1):
        grams = Counter(zip(*(text[at:] for at in range(size)), strict=False))
        most = Counter()
        for reference in references:
            most |= Counter(zip(*(reference[at:] for at in range(size)), strict=False))
        matched = (grams & most).total()
        logs.append(log((matched or 0.1) / grams.total()))
    closest = min((abs(len(one) - len(text)), len(one)) for one in references)[1]
    brevity = 1 if len(text) >= closest else exp(1 - closest / len(text))
    return brevity * exp(sum(logs) / len(logs))


def test_by_hand():
    # "a b c": words 2 of 3 (c is not there), pairs ab 1 of 2, triples 0 of 1, counted as .1
    # "a b": both words and the pair are there, but the other text is a word longer
    first = (2 / 3 * 1 / 2 * 0.1) ** (1 / 3)
    second = exp(1 - 3 / 2)
    assert self_bleu([list("abc"), list("ab")]) == pytest.approx((first + second) / 2)


def test_ends():
    assert self_bleu([list("abcde")] * 3) == pytest.approx(1)
    assert self_bleu([list("abcd"), list("efgh")]) < 0.1


def test_a_word_counts_as_often_as_one_other_text_has_it():
    # "a a a" against "a a" and "a": 2 of 3 words, not 3; pairs 1 of 2; triples .1 of 1
    alone = [list("aaa"), list("aa"), list("a")]
    assert self_bleu(alone) == pytest.approx(
        sum(naive_bleu(text, alone[:at] + alone[at + 1 :]) for at, text in enumerate(alone)) / 3
    )
    assert naive_bleu(alone[0], alone[1:]) == pytest.approx((2 / 3 * 1 / 2 * 0.1) ** (1 / 3))


def test_too_few():
    with pytest.raises(TooFewSamplesError, match="2 texts with words"):
        self_bleu([["a"], [], []])


texts = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=7), min_size=2, max_size=9)


@settings(deadline=None)
@given(texts)
def test_as_by_the_book(batch):
    naive = [naive_bleu(text, batch[:at] + batch[at + 1 :]) for at, text in enumerate(batch)]
    assert self_bleu(batch) == pytest.approx(sum(naive) / len(naive))
    assert self_bleu([*batch, []][::-1]) == self_bleu(batch)


@settings(deadline=None)
@given(texts, st.integers(0, 5))
def test_a_draw_is_the_same_in_any_order(batch, seed):
    assert self_bleu(batch, seed, sample=2) == self_bleu(batch[::-1], seed, sample=2)
    assert self_bleu(batch * 2) >= self_bleu(batch) - 1e-12  # more references, likelier n-grams
