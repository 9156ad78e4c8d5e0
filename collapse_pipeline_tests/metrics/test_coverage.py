import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.coverage import (
    METRICS,
    coverage,
    rare_word_coverage,
    tail_label_mass,
)
from collapse_pipeline_tests.metrics.generations import replaced


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def cloud(count, seed):
    return unit(np.random.default_rng(seed).standard_normal((count, 4)))


def at(*degrees):
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def test_coverage_by_hand():
    # Two groups of six. Within 0 to 5 degrees the fifth nearest is the farthest end: it lies
    # 5, 4, 3, 3, 4, 5 degrees away; so it does within 90 to 95.
    human = at(0, 1, 2, 3, 4, 5, 90, 91, 92, 93, 94, 95)
    # -4.5 degrees is 4.5 from 0 (covered), 5.5 from 1 (not). Nothing is near the other group.
    written = at(-4.5, *[200] * 11)
    assert coverage(written, human) == pytest.approx(1 / 12)
    assert coverage(at(2, 92, *[200] * 10), human) == 1
    assert coverage(at(*[200] * 12), human) == 0


def test_a_copy_is_as_near_as_the_row_itself():
    human = np.repeat(cloud(5, 0), 6, axis=0)  # five more of each: the reach is 0
    assert coverage(human, human) == 1
    assert coverage(human * np.float32(1 - 1e-6), human) == 1  # but for rounding
    assert coverage(-human, human) < 0.5


def test_coverage_of_one_distribution():
    # A real row is missed when all of its 5 + 1 nearest are real: about 1/2 to the 5th.
    values = [coverage(cloud(500, 2 * seed), cloud(500, 2 * seed + 1)) for seed in range(6)]
    assert np.mean(values) == pytest.approx(1 - 1 / 32, abs=0.01)


def test_as_many_human_as_synthetic_rows_are_compared():
    human = cloud(3000, 0)
    assert coverage(cloud(300, 1), human) > 0.93  # against all 3,000 it would be about 0.4
    assert coverage(human, cloud(300, 1)) < 0.99
    assert coverage(cloud(3000, 2), human, limit=300) == pytest.approx(0.97, abs=0.03)
    assert coverage(human, human, limit=300) < 1  # a row and its copy are not drawn together


def test_tail_by_hand():
    # The rarest two of eight labels: c (1), and of d and e (2 each) the one that sorts first.
    human = (
        ["a"] * 8 + ["b"] * 6 + ["c"] + ["d"] * 2 + ["e"] * 2 + ["f"] * 3 + ["g"] * 4 + ["h"] * 4
    )
    assert len(human) == 30
    # Wanted 3 of 30; the batch has 1 of 20.
    assert tail_label_mass(["c"] + ["e"] * 9 + ["a"] * 10, human) == pytest.approx(0.5)
    assert tail_label_mass(["a"] * 5, human) == 0
    assert tail_label_mass(["d"] * 5, human) == pytest.approx(10)
    assert tail_label_mass(["x", "d"], ["a", "a", "d"]) == pytest.approx(1.5)  # at least one label


def test_rare_words_by_hand():
    # Rare: card (2), fee (3), not: pay (11), once (1), 42, 3rd, ? (2).
    human = [["pay"]] * 11 + [["card", "fee", "42", "3rd", "?"]] * 2 + [["fee", "once"]]
    assert rare_word_coverage([["fee", "pay", "once", "3rd"]], human) == pytest.approx(3 / 5)
    assert rare_word_coverage([["card"], ["fee"]], human) == 1
    assert rare_word_coverage([["pay"]], human) == 0
    assert rare_word_coverage([], human) == 0


def test_too_little():
    with pytest.raises(TooFewSamplesError, match="more than 5 rows a side"):
        coverage(cloud(5, 0), cloud(99, 1))
    for ours, theirs in ((["a"], ["a", "a"]), ([], ["a", "b"]), (["a"], [])):
        with pytest.raises(TooFewSamplesError, match="two labels"):
            tail_label_mass(ours, theirs)
    with pytest.raises(TooFewSamplesError, match="2 to 10 times"):
        rare_word_coverage([["pay"]], [["pay"]])


@settings(deadline=None, max_examples=20)
@given(st.integers(6, 60), st.integers(0, 99), st.sampled_from([20, 999]))
def test_laws(count, seed, limit):
    random = np.random.default_rng(seed)
    ours, theirs = cloud(count, seed), cloud(count + 9, seed + 1)
    value = coverage(ours, theirs, seed, limit)
    mixed = random.permutation(ours), random.permutation(theirs)
    assert coverage(*mixed, seed, limit) == value
    assert 0 <= value <= 1
    assert coverage(theirs, theirs) == 1

    words = [[f"w{'abcdefgh'[w]}" for w in row] for row in random.integers(8, size=(count, 3))]
    labels = [row[0] for row in words]
    assert tail_label_mass(labels * 2, labels[::-1]) == pytest.approx(1)
    part = rare_word_coverage(words[: count // 2], [*words, ["rare"], ["rare"]])
    assert part <= rare_word_coverage(words, [*words, ["rare"], ["rare"]]) < 1


@pytest.mark.real_data
def test_coverage_falls_as_a_student_collapses(shared_data):
    for metric in METRICS:
        real, healthy, collapsed = (metric.compute(e) for e in replaced(shared_data))
        if metric.name == "tail_label_mass":  # the labels are those of the human rows
            assert healthy == collapsed == pytest.approx(1)
            assert 0.8 < real < 1.5
        else:
            assert collapsed < healthy - 0.02
            assert collapsed < real - 0.05
