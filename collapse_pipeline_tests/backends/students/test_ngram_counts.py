import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.students.ngram_counts import (
    Packing,
    chain_of,
    count_grams,
    find,
    summed,
)
from collapse_pipeline.backends.students.vocabulary import TokenRows
from collapse_pipeline.errors import BadInputError

A, B, SEPARATOR, END = range(4)


def rows_of(*rows):
    starts = np.cumsum([0, *(len(row) for row in rows)])
    return TokenRows(np.array([token for row in rows for token in row]), starts)


def counted(order, labels, *rows, weights=None):
    known = max(labels) + 1
    weights = np.ones(len(rows)) if weights is None else np.array(weights)
    packing = Packing(order, known, tokens=4, separator=SEPARATOR)
    return count_grams(packing, np.array(labels), rows_of(*rows), weights, discount=0.75)


def after(counts, label, *tokens):
    context = counts.packing.start(np.array([label]))
    for token in tokens:
        context = counts.packing.push(context, np.array([token]))
    return context


def chance(counts, label, tokens, token):
    return counts.probability(after(counts, label, *tokens), np.array([token]))[0]


def test_interpolation_by_hand():
    # Label 0 says "a b", label 1 says "a a"; order 2: (label + 1), (label), (), then 1/4 each.
    counts = counted(2, [0, 1], [A, B, END], [A, A, END])
    # ():        a 3, b 1, end 2 of 6; 2.25, .25, 1.25 remain of 6, so the backoff is 2.25 / 6
    #            P(b) = .25/6 + .375/4 = .135417, P(a) = 2.25/6 + .375/4 = .46875
    # (label 0): a, b, end 1 of 3 each; .25 remain of each, so the backoff is 2.25 / 3
    #            P(b) = .25/3 + .75 * .135417 = .184896, P(a) = .25/3 + .75 * .46875 = .434896
    # (label 0, a): b 1 of 1; .25 remain, so the backoff is .75
    #            P(b) = .25 + .75 * .184896 = .388672, P(a) = .75 * .434896 = .326172
    assert chance(counts, 0, [A], B) == pytest.approx(0.388671875)
    assert chance(counts, 0, [A], A) == pytest.approx(0.326171875)
    # (label 0, separator) was never seen, but there it answers, and nobody ever did: 1/4.
    assert chance(counts, 0, [SEPARATOR], A) == pytest.approx(0.25)


def test_an_unseen_label_backs_off_to_contexts_without_label():
    counts = counted(2, [0, 1], [A, B, END], [A, A, END])
    assert chance(counts, 2, [A], B) == pytest.approx(0.25 / 6 + 0.375 / 4)  # P(b) of () above


def test_label_free_contexts_of_the_same_width_come_behind_labelled_ones():
    # Order 3 for label 0 after "b a": (0, b a), (0, a) as label 0 never wrote "b"; (b a) is no
    # level; (0, a) saw end once: .25 + .75 * next; (a) saw end twice of 2 (labels 0 and 1):
    # 1.25/2 + .375 * next; (0): a 1 end 1 of 2, .25/2 + .75 * next; (): a 2, b 1, end 2 of 5,
    # 1.25/5 + 2.25/5/4 = .3625.
    counts = counted(3, [0, 1], [A, END], [B, A, END])
    label = 0.25 / 2 + 0.75 * 0.3625
    token = 1.25 / 2 + 0.375 * label
    assert chance(counts, 0, [B, A], END) == pytest.approx(0.25 + 0.75 * token)


def test_the_chain_is_the_one_of_the_design():
    assert chain_of(4, labelled=True) == [
        (True, 3), (True, 2), (False, 2), (True, 1), (False, 1), (True, 0), (False, 0),
    ]  # fmt: skip
    assert chain_of(3, labelled=False) == [(False, 2), (False, 1), (False, 0)]


def test_a_row_of_weight_two_is_two_rows():
    once = counted(3, [0, 1], [A, B, END], [A, A, END], weights=[2.0, 1.0])
    twice = counted(3, [0, 0, 1], [A, B, END], [A, B, END], [A, A, END])
    assert once.counts.tolist() == twice.counts.tolist()
    assert chance(once, 0, [A], B) == chance(twice, 0, [A], B)


def test_contexts_of_rows_are_those_that_pushing_gives():
    counts = counted(3, [1, 0], [A, SEPARATOR, B, END], [B, END])
    contexts = counts.packing.contexts(np.array([1, 0]), rows_of([A, SEPARATOR, B, END], [B, END]))
    pushed = [after(counts, 1, *[A, SEPARATOR, B][:n])[0] for n in range(4)]
    pushed += [after(counts, 0)[0], after(counts, 0, B)[0]]
    assert contexts.tolist() == pushed


def test_a_text_never_forgets_that_it_answers():
    # Order 2 forgets the separator after one token, the side does not: asking never ends.
    counts = counted(2, [0, 0], [A, SEPARATOR, A, END], [A, SEPARATOR, A, END])
    assert chance(counts, 0, [A], SEPARATOR) > 0.7
    assert chance(counts, 0, [A, SEPARATOR, A], END) > 0.7
    assert chance(counts, 0, [A], END) < 0.1


texts = st.lists(st.lists(st.sampled_from([A, B, SEPARATOR]), max_size=6), min_size=1, max_size=6)


@given(texts, st.integers(1, 5), st.lists(st.integers(0, 3), max_size=6), st.data())
@settings(deadline=None)
def test_every_distribution_sums_to_one(texts, order, before, data):
    labels = [data.draw(st.integers(0, 2)) for _ in texts]
    weights = [data.draw(st.floats(0.01, 10)) for _ in texts]
    counts = counted(order, labels, *([*text, END] for text in texts), weights=weights)
    label = data.draw(st.integers(0, counts.packing.labels))  # the last is unknown
    context = after(counts, label, *before)
    chances = counts.distribution(context)[0]
    assert chances.sum() == pytest.approx(1, abs=1e-12)
    assert (chances > 0).all()
    alone = counts.probability(np.repeat(context, 4), np.arange(4))
    np.testing.assert_allclose(alone, chances, rtol=1e-12)


def test_draws_fall_as_the_distribution_says():
    counts = counted(3, [0, 1, 1], [A, B, END], [A, A, SEPARATOR, B, END], [B, END])
    contexts = np.concatenate([after(counts, 1, A), after(counts, 2, A), after(counts, 0)])
    draws = counts.draw(np.tile(contexts, 40_000), np.random.default_rng(0)).reshape(-1, 3)
    for column, expected in zip(draws.T, counts.distribution(contexts), strict=True):
        # Standard error of a share of 40,000 is at most .0025.
        shares = np.bincount(column, minlength=4) / 40_000
        np.testing.assert_allclose(shares, expected, atol=0.01)


def test_grams_that_do_not_fit_are_refused():
    with pytest.raises(BadInputError, match="63 bits"):
        Packing(order=4, labels=100, tokens=32_000, separator=31_998)


def test_summing_and_finding_by_hand():
    keys, counts = summed(np.array([7, 3, 7]), np.array([1.0, 2.0, 0.5]))
    assert (keys.tolist(), counts.tolist()) == ([3, 7], [2.0, 1.5])
    places, known = find(keys, np.array([7, 1, 9]))
    assert (places[known].tolist(), known.tolist()) == ([1], [True, False, False])
