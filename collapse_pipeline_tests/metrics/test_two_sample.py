from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.two_sample import (
    METRICS,
    _tfidf,
    mmd,
    two_sample_auc_embeddings,
    two_sample_auc_words,
)
from collapse_pipeline_tests.metrics.generations import replaced


def cloud(count, seed, shift=0.0, width=6):
    rows = np.random.default_rng(seed).standard_normal((count, width))
    rows[:, 0] += shift
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def sentences(count, seed, vocabulary=30, length=6):
    random = np.random.default_rng(seed)
    return [[f"w{w}" for w in row] for row in random.integers(vocabulary, size=(count, length))]


def test_mmd_by_hand():
    # Human rows at right angles lie sqrt(2) apart, so the kernel is exp(-d^2) with d^2 = 2 there.
    human = np.array([[1, 0], [0, 1]], dtype=np.float32)
    # Synthetic rows (1,0) and (-1,0), d^2 = 4 apart; to (1,0) 0 and 4, to (0,1) 2 and 2.
    synthetic = np.array([[1, 0], [-1, 0]], dtype=np.float32)
    wanted = exp(-4) + exp(-2) - 2 * (1 + exp(-4) + exp(-2) + exp(-2)) / 4
    assert mmd(synthetic, human) == pytest.approx(wanted, abs=1e-6)


def test_mmd_is_unbiased():
    values = [mmd(cloud(20, 2 * seed), cloud(20, 2 * seed + 1)) for seed in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 200**0.5
    assert min(values) < 0 < max(values)


def test_mmd_sees_a_shift_and_a_narrowing():
    human = cloud(300, 0)
    assert mmd(cloud(300, 1, shift=1.0), human) > 0.02
    narrow = cloud(300, 1) * np.array([1, 1, 1, 0.2, 0.2, 0.2], dtype=np.float32)
    narrow /= np.linalg.norm(narrow, axis=1, keepdims=True)
    assert mmd(narrow, human) > 0.02
    assert mmd(cloud(300, 1), human) < 0.005


def test_a_drawn_mmd_is_near_the_whole():
    ours, theirs = cloud(900, 1, shift=1.0), cloud(900, 2)
    assert mmd(ours, theirs, limit=300) == pytest.approx(mmd(ours, theirs), rel=0.3)
    assert mmd(ours, theirs, 1, limit=300) != mmd(ours, theirs, 2, limit=300)


def test_mmd_with_too_little():
    human = cloud(9, 0)
    alike = human[[0] * 9] + cloud(9, 1) * np.float32(1e-3)
    for ours, theirs in ((human[:1], human), (human, human[:1]), (human, alike)):
        with pytest.raises(TooFewSamplesError):
            mmd(ours, theirs)


def test_equal_sides_are_not_drawn_together():
    # The same rows on both sides of a pair would each be 1 where the other pairs are less.
    rows = cloud(2000, 0)
    values = [mmd(rows, rows, seed, limit=50) for seed in range(30)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 30**0.5


def test_terms_by_hand():
    # Shared are a, b and "a b"; c, "b c" and the repeated "b b" stand in one row only.
    weights = _tfidf([["a", "b"], ["a", "b", "b", "c"], ["d"], []]).toarray()
    assert weights.shape == (4, 3)
    assert weights[:2] == pytest.approx(np.full((2, 3), 3**-0.5))  # that, not how often
    assert not weights[2:].any()
    # a stands in all three rows, so log(4 / 4) + 1 beside log(4 / 3) + 1 of b and "a b".
    weights = _tfidf([["a", "b"], ["a", "b"], ["a"]]).toarray()
    rare = log(4 / 3) + 1
    length = (1 + 2 * rare**2) ** 0.5
    assert weights[0] == pytest.approx([1 / length, rare / length, rare / length])
    assert weights[2] == pytest.approx([1, 0, 0])


def test_words_by_hand():
    # No word in common: every fold's model gives each row to its own side.
    other = [[word.upper() for word in row] for row in sentences(50, 1)]
    assert two_sample_auc_words(sentences(50, 0), other) == 1
    # One bag of words in two orders: only pairs of words tell, and they do.
    ours, theirs = [["a", "b", str(i)] for i in range(50)], [["b", "a", str(i)] for i in range(50)]
    assert two_sample_auc_words(ours, theirs) == 1


def test_a_template_around_human_rows_is_told():
    human = sentences(500, 0, vocabulary=300)
    assert two_sample_auc_words([["please", *row] for row in human], human) > 0.95


def test_words_from_one_distribution_are_not_told_apart():
    values = [
        two_sample_auc_words(sentences(200, 2 * seed), sentences(200, 2 * seed + 1))
        for seed in range(10)
    ]
    assert np.mean(values) == pytest.approx(0.5, abs=0.02)
    # Tested on what it was fitted to, as a model without folds is, it would tell them apart.
    assert max(values) < 0.6


def test_copies_of_the_human_rows_are_not_told_apart():
    rows = sentences(100, 0, vocabulary=9)
    assert two_sample_auc_words(rows, rows) == pytest.approx(0.5)
    vectors = cloud(100, 0)
    assert two_sample_auc_embeddings(vectors, vectors) == pytest.approx(0.5, abs=1e-6)


def test_embeddings_agree_with_a_ridge_regression():
    from sklearn.linear_model import Ridge
    from sklearn.metrics import roc_auc_score

    from collapse_pipeline.metrics.draws import content_folds, ordered_draw

    ours, theirs = cloud(80, 1, shift=0.7), cloud(120, 2)
    rows = np.concatenate([ordered_draw(side, 999, 0) for side in (ours, theirs)])
    written = np.arange(200) < 80
    folds = content_folds([row.tobytes() for row in rows], 5, seed=3)
    rows = rows.astype(np.float64) - rows.mean(axis=0)
    scores = np.zeros(200)
    for fold in range(5):
        model = Ridge(alpha=1.0, fit_intercept=False)
        model.fit(rows[folds != fold], (written - 0.4)[folds != fold])
        scores[folds == fold] = model.predict(rows[folds == fold])
    assert two_sample_auc_embeddings(ours, theirs, seed=3) == pytest.approx(
        roc_auc_score(written, scores)
    )


def test_embeddings_see_a_shift_and_no_chance():
    human = cloud(400, 0)
    assert two_sample_auc_embeddings(cloud(400, 1, shift=3.0), human) > 0.9
    values = [
        two_sample_auc_embeddings(cloud(200, 2 * seed), cloud(200, 2 * seed + 1))
        for seed in range(10)
    ]
    assert np.mean(values) == pytest.approx(0.5, abs=0.03)


def test_draws_above_the_limit():
    ours, theirs = cloud(500, 1, shift=1.0), cloud(500, 2)
    drawn = two_sample_auc_embeddings(ours, theirs, limit=200)
    assert drawn == pytest.approx(two_sample_auc_embeddings(ours, theirs), abs=0.1)
    words = sentences(500, 0), [[*row, "x"][-6:] for row in sentences(500, 1)]
    assert two_sample_auc_words(*words, limit=300) > 0.9


@pytest.mark.parametrize(
    ("measure", "rows"),
    [
        (two_sample_auc_words, sentences(30, 0)),
        (two_sample_auc_embeddings, cloud(30, 0)),
    ],
)
def test_rows_that_are_too_few_or_all_alike(measure, rows):
    with pytest.raises(TooFewSamplesError, match="10 different rows or more a side"):
        measure(rows[:9], rows)
    with pytest.raises(TooFewSamplesError):
        measure(rows, [rows[0]] * 30 if isinstance(rows, list) else rows[[0] * 30])


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99), st.sampled_from([25, 999]))
def test_order_changes_nothing(seed, limit):
    random = np.random.default_rng(seed)
    ours, theirs = cloud(40, seed, shift=0.5), cloud(60, seed + 1)
    for measure in (mmd, two_sample_auc_embeddings):
        value = measure(ours, theirs, seed, limit)
        again = measure(random.permutation(ours), random.permutation(theirs), seed, limit)
        assert again == value
    words = sentences(40, seed, 9), sentences(60, seed + 1, 12)
    mixed = [[side[i] for i in random.permutation(len(side))] for side in words]
    value = two_sample_auc_words(*words, seed, limit)
    assert 0 <= value <= 1
    assert two_sample_auc_words(*mixed, seed, limit) == value


@pytest.mark.real_data
def test_all_three_see_a_student_collapse(shared_data):
    for metric in METRICS:
        real, healthy, collapsed = (metric.compute(e) for e in replaced(shared_data))
        if metric.name != "mmd":
            assert real == pytest.approx(0.5, abs=0.05)
            assert collapsed > healthy + 0.05
        else:
            assert abs(real) < 2e-4
            assert collapsed > 1.3 * healthy > 5e-4
