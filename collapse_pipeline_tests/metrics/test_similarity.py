import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics import blocks, similarity
from collapse_pipeline.metrics.blocks import BLOCK, drawn
from collapse_pipeline.metrics.similarity import (
    kept_before,
    near_neighbours,
    nearest_neighbour_ratio,
    nearest_neighbour_ratio_across,
)


def unit(rows):
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def clustered(count, centres, noise, seed):
    """Rows around a few directions, in random order."""
    random = np.random.default_rng(seed)
    middle = random.standard_normal((centres, 16))
    rows = middle[random.integers(centres, size=count)]
    return unit(rows + noise * random.standard_normal((count, 16)))


# Cosines: 0-1 .6, 0-2 .8, 1-2 0, 3-2 1, 4 is like nothing.
HAND = np.array([[1, 0], [0.6, 0.8], [0.8, -0.6], [0.8, -0.6], [0, 0]], dtype=np.float32)


def test_near_neighbours_by_hand():
    found = near_neighbours(HAND, threshold=0.6)
    assert found.row.tolist() == [0, 1, 2, 3, 4]
    assert found.earlier.tolist() == [-1, 0, 0, 2, -1]  # 3: row 2 at 1 beats row 0 at .8
    assert found.similarity[[1, 2, 3]] == pytest.approx([0.6, 0.8, 1])
    assert np.isnan(found.similarity[[0, 4]]).all()


def test_ratio_by_hand():
    assert nearest_neighbour_ratio(HAND) == pytest.approx(2 / 5)  # 2 and 3
    assert nearest_neighbour_ratio(HAND, threshold=0.75) == pytest.approx(3 / 5)  # and 0


def test_ratio_across_by_hand():
    # rows 0 and 1 against 2 and 3: 0 is at .8 of both, 1 at 0
    assert nearest_neighbour_ratio_across(HAND[:2], HAND[2:4], threshold=0.75) == 1 / 2
    assert nearest_neighbour_ratio_across(HAND[2:4], HAND[:0]) == 0  # nothing came before
    with pytest.raises(TooFewSamplesError, match="nearest_neighbour_ratio_across"):
        nearest_neighbour_ratio_across(HAND[:0], HAND)


def test_a_row_known_to_be_near_still_finds_its_others(monkeypatch):
    # 2 is like 0 and like 1, which are not alike; it meets them one after the other
    monkeypatch.setattr(blocks, "BLOCK", 1)
    rows = unit([[1, -0.3], [1, 0.3], [1, 0]])
    assert nearest_neighbour_ratio(rows) == 1
    assert nearest_neighbour_ratio(rows[:2]) == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_large_batch_is_drawn_from(seed, monkeypatch):
    rows = clustered(300, 300, 0.3, seed)
    monkeypatch.setattr(similarity, "RATIO_DRAW", 60)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -1)
    near = (cosines >= 0.9).any(axis=1)
    assert 0.1 < near.mean() < 0.9
    found = nearest_neighbour_ratio(rows, 0.9, seed=seed, exact_rows=100)
    # every drawn row finds its neighbours among all rows, not among the drawn ones
    assert found == pytest.approx(near[drawn(rows, 60, seed)].mean())
    mixed = rows[np.random.default_rng(seed).permutation(300)]
    assert nearest_neighbour_ratio(mixed, 0.9, seed=seed, exact_rows=100) == found
    assert nearest_neighbour_ratio(rows, 0.9, seed=seed) == pytest.approx(near.mean())

    monkeypatch.setattr(similarity, "RATIO_ROWS", 100)
    chosen = rows[:200][drawn(rows[:200], 60, seed)]
    expected = (chosen @ rows[200:].T >= 0.9).any(axis=1).mean()
    assert nearest_neighbour_ratio_across(rows[:200], rows[200:], 0.9, seed) == expected


def test_the_draw_is_right_on_average(monkeypatch):
    rows = clustered(400, 400, 0.3, 1)
    monkeypatch.setattr(similarity, "RATIO_DRAW", 100)
    exact = nearest_neighbour_ratio(rows, 0.9)
    tries = [nearest_neighbour_ratio(rows, 0.9, seed, exact_rows=100) for seed in range(200)]
    assert len(set(tries)) > 10
    assert np.mean(tries) == pytest.approx(exact, abs=0.012)  # sd of one try .04


def seconds(task, *arguments, tries=3):
    """Processor time, the best of some tries."""
    taken = []
    for _ in range(tries):
        began = time.process_time()
        task(*arguments)
        taken.append(time.process_time() - began)
    return min(taken)


def full_product(rows):
    for start in range(0, len(rows), BLOCK):
        for first in range(0, len(rows), BLOCK):
            np.dot(rows[start : start + BLOCK], rows[first : first + BLOCK].T)


def test_the_exact_ratio_is_fast():
    """At 20,000 rows: `benchmarks/self_similarity.py`."""
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(0)
    rows = random.standard_normal((6000, 384), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    search = NearestNeighbors(n_neighbors=1, algorithm="brute", metric="cosine").fit(rows)
    with threadpool_limits(1):
        own = seconds(nearest_neighbour_ratio, rows)
        assert own <= 0.8 * seconds(full_product, rows, tries=2)  # measured .2
        assert 5 * own <= seconds(search.kneighbors, tries=1)  # measured 10


def test_a_dropped_row_drops_no_other():
    # 1 is like 0 and 2 is like 1, but 2 is not like 0: it stays, since 1 is gone.
    rows = unit([[1, 0], [1, 0.5], [1, 1.3]])
    assert near_neighbours(rows, 0.85).earlier.tolist() == [-1, 0, 1]
    assert kept_before(rows, 0.85).tolist() == [-1, 0, -1]


def test_too_few_rows():
    with pytest.raises(TooFewSamplesError, match="2 rows or more"):
        nearest_neighbour_ratio(HAND[:1])
    assert near_neighbours(HAND[:0], 0.9).earlier.tolist() == []
    assert kept_before(HAND[:0], 0.9).tolist() == []


def naive_kept(rows, threshold):
    keeper = []
    for row in range(len(rows)):
        kept = [k for k in range(row) if keeper[k] < 0 and rows[k] @ rows[row] >= threshold]
        keeper.append(max(kept, key=lambda k: (rows[k] @ rows[row], -k)) if kept else -1)
    return keeper


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 60),
    st.integers(1, 8),
    st.integers(0, 1000),
    st.sampled_from([2, 5, 1024]),
    st.sampled_from([2, 8, 64]),
    st.sampled_from([0, 0.1, 1]),
)
def test_blocks_and_bounds_change_nothing(count, centres, seed, block, head, dense):
    rows = clustered(count, centres, 0.2, seed)
    cosines = np.tril(rows @ rows.T, -1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", block)
        patch.setattr(blocks, "HEAD", head)
        patch.setattr(blocks, "DENSE", dense)
        patch.setattr(similarity, "BLOCK", block)
        best = near_neighbours(rows, 0.9)
        keeper = kept_before(rows, 0.9)
        ratio = nearest_neighbour_ratio(rows, 0.9) if count > 1 else 0.0
        half = count // 2
        across = nearest_neighbour_ratio_across(rows[half:], rows[:half], 0.9) if count else 0.0
    near = (cosines >= 0.9).any(axis=1)
    assert ((best.earlier >= 0) == near).all()
    assert best.similarity[near] == pytest.approx(cosines[near].max(axis=1, initial=-1), abs=1e-5)
    assert ratio == pytest.approx((near | (cosines >= 0.9).any(axis=0)).mean() if count else 0)
    assert across == pytest.approx(
        (cosines[half:, :half] >= 0.9).any(axis=1).mean() if count else 0
    )
    assert (keeper < 0).tolist() == [k < 0 for k in naive_kept(rows, 0.9)]
    assert (keeper[keeper[keeper >= 0]] < 0).all()  # only kept rows keep others out


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 1000))
def test_saying_everything_twice_keeps_the_same(count, seed):
    rows = clustered(count, 4, 0.3, seed)
    once, twice = kept_before(rows, 0.95), kept_before(np.concatenate([rows, rows]), 0.95)
    assert (twice[:count] == once).all()
    assert (twice[count:] >= 0).all()
    assert nearest_neighbour_ratio(np.concatenate([rows, rows])) == 1


@settings(deadline=None)
@given(st.integers(10, 120), st.integers(0, 1000))
def test_cells_keep_no_pair_that_they_see_and_filter_once(count, seed):
    rows = clustered(count, 6, 0.1, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "EXACT_ROWS", 4)
        keeper = kept_before(rows, 0.97)
        again = kept_before(rows[keeper < 0], 0.97)
    assert (keeper[keeper[keeper >= 0]] < 0).all()
    assert (keeper < np.arange(count)).all()
    assert (again < 0).all()


@pytest.mark.real_data
@pytest.mark.slow
def test_cells_find_nearly_all_on_real_text(shared_data):
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = pq.read_table(shared_data / "banking77.parquet")["text"].to_pylist()
    counts = TfidfVectorizer().fit_transform(texts)
    rows = unit(TruncatedSVD(64, random_state=0).fit_transform(counts))
    assert len(rows) > similarity.EXACT_ROWS
    exact, cells = similarity._kept_before(rows, 0.97), kept_before(rows, 0.97)
    dropped = exact >= 0
    assert dropped.sum() > 100
    assert (cells[dropped] >= 0).mean() >= 0.98
    assert ((cells >= 0) & ~dropped).sum() <= 0.02 * dropped.sum()
