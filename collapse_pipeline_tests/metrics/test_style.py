from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.evidence import WORD
from collapse_pipeline.metrics.style import MARKS, style_divergence, style_figures
from collapse_pipeline_tests.metrics.generations import replaced


def words_of(texts):
    return [WORD.findall(text.casefold()) for text in texts]


def divergence(ours, theirs):
    return style_divergence(ours, words_of(ours), theirs, words_of(theirs))


def test_figures_by_hand():
    # Six words: i'm, 42, *, is, it and the question mark.
    text = "I'm 42 *\nIs it?"
    figures = style_figures([text], words_of([text]), ["it", "the"])[0]
    marks = figures[: len(MARKS)]
    assert marks.tolist() == [1 / 6 if mark == "?" else 0 for mark in MARKS]
    assert figures[len(MARKS) :] == pytest.approx(
        [
            1 / 6,  # it
            0,  # the
            1 / 6,  # *, another mark
            9 / 6,  # 3 + 2 + 2 + 2 letters and digits
            1 / 6,  # 42
            3 / 6,  # im, is, it
            2 / 6,  # upper-case I and I among I m I s i t
            1,  # begins with a capital
            1,  # sentence
            1,  # line break
        ]
    )


def test_sentences_are_counted_between_their_ends():
    texts = ["", "One", "One. Two!  Three?! ", "1. What?"]
    sentences = style_figures(texts, words_of(texts), [])[:, -2]
    assert sentences.tolist() == [0, 2, 1, 3]  # sorted by text: "", "1. What?", "One", ...


def test_divergence_by_hand():
    # Only the question mark's rate (1/4 or 0 of a row's words), the word length, and the letters
    # per word that follow from it differ.
    ours, theirs = ["card is lost ?", "card is lost ?"], ["card is lost ?", "card is lost here"]
    # Mark: means 1/4 and 1/8, deviations 0 and 1/8, so d = 1/8 / sqrt(1/128 + 1/256).
    mark = 1 / 8 / sqrt(1 / 128 + 1 / 256)
    # Word length 10/4 and 14/4, function words 1/4 and 2/4 ("here"), its own rate 0 and 1/4: the
    # same two-valued pattern, so each gives the same d. "is" is 1/4 everywhere, all else 0.
    figures = style_figures(ours, words_of(ours), ["here", "is"]).shape[1]
    assert divergence(ours, theirs) == pytest.approx(4 * mark / figures)


def test_ends_of_the_range():
    texts = ["How do I pay?", "Where is it", "Pay me"]
    assert divergence(texts, texts[::-1]) == 0
    # One constant here and another there is a difference of 2 in every figure that differs.
    ours, theirs = ["abc"] * 3, ["ABCD"] * 3  # casing, capital at the start, word length
    assert divergence(ours, theirs) == pytest.approx(2 * 3 / 19)


def test_one_text_is_too_few():
    with pytest.raises(TooFewSamplesError, match="2 texts or more a side"):
        divergence(["one"], ["one", "two"])


texts = st.lists(st.text(alphabet="aI the.?!,1 \n\u2019", max_size=12), min_size=2, max_size=12)


@settings(deadline=None)
@given(texts, texts, st.randoms(use_true_random=False))
def test_order_changes_nothing_and_the_range_holds(ours, theirs, random):
    value = divergence(ours, theirs)
    assert 0 <= value <= 2
    mixed = list(ours)
    random.shuffle(mixed)
    assert divergence(mixed, theirs[::-1]) == value
    assert np.isfinite(style_figures(ours, words_of(ours), ["the"])).all()


@pytest.mark.real_data
def test_a_collapsing_student_loses_the_style(shared_data):
    real, healthy, collapsed = (
        style_divergence(e.synthetic.texts, e.synthetic.words, e.human.texts, e.human.words)
        for e in replaced(shared_data)
    )
    assert real < 0.05  # measured .027
    assert healthy > 2 * real  # it writes lower case only
    assert collapsed > 1.1 * healthy
