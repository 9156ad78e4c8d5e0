import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.topics import topic_divergence


def around(centre, count, seed):
    """Different unit rows about one axis of three."""
    rows = np.eye(3)[[centre] * count]
    rows = rows + np.random.default_rng(seed).normal(0, 0.01, (count, 3))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_by_hand():
    # 50 human rows make 2 topics, 25 each. All synthetic rows in one: shares 1, 0 and 1/2, 1/2.
    human = np.concatenate([around(0, 25, 1), around(1, 25, 2)])
    both = np.concatenate([around(0, 4, 3), around(1, 4, 4)])
    assert topic_divergence(both, human) == 0
    assert topic_divergence(around(0, 8, 3), human) == pytest.approx(0.311, abs=1e-3)


def test_copies_make_no_topics():
    human = np.concatenate([around(0, 25, 1), around(1, 24, 2)])
    with pytest.raises(TooFewSamplesError, match="50 different human rows"):
        topic_divergence(human, np.concatenate([human, human]))
    with pytest.raises(TooFewSamplesError):
        topic_divergence(human[:0], np.concatenate([human, around(2, 9, 5)]))


def test_a_row_that_is_copied_is_no_topic_of_its_own():
    # Two groups rather near each other, and one far row, which joins the nearer group's topic.
    near = around(0, 25, 1) * 0.8 + around(1, 25, 2) * 0.6
    far = np.array([[-0.1, 0.1, 1]], dtype=np.float32)
    human = np.concatenate([around(0, 25, 3), near, np.repeat(far, 999, axis=0)])
    alone, with_far = topic_divergence(around(0, 8, 4), human), topic_divergence(near, human)
    assert with_far < 0.1 < alone  # 1,024 of the 1,049 human rows are in its topic


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 99))
def test_order_changes_nothing(seed):
    random = np.random.default_rng(seed)
    rows = random.standard_normal((300, 8)).astype(np.float32)
    ours, theirs = rows[:100], rows[100:]
    value = topic_divergence(ours, theirs, seed)
    assert 0 <= value <= 1
    assert topic_divergence(random.permutation(ours), random.permutation(theirs), seed) == value


@pytest.mark.real_data
def test_missing_labels_are_missing_topics(shared_data):
    from collapse_pipeline_tests.metrics.generations import replaced

    real = replaced(shared_data)[0]
    whole = topic_divergence(real.synthetic.embeddings, real.human.embeddings)
    cards = np.array(["card" in label for label in real.synthetic.labels])
    part = topic_divergence(real.synthetic.embeddings[cards], real.human.embeddings)
    assert whole < 0.03  # measured .011
    assert part > 10 * whole
