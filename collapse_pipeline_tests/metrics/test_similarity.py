import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics import similarity
from collapse_pipeline.metrics.similarity import (
    kept_before,
    near_neighbours,
    nearest_neighbour_ratio,
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
@given(st.integers(0, 60), st.integers(1, 8), st.integers(0, 1000), st.sampled_from([2, 5, 1024]))
def test_blocks_change_nothing(count, centres, seed, block):
    rows = clustered(count, centres, 0.2, seed)
    cosines = np.tril(rows @ rows.T, -1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "_BLOCK", block)
        best = near_neighbours(rows, 0.9)
        keeper = kept_before(rows, 0.9)
        ratio = nearest_neighbour_ratio(rows, 0.9) if count > 1 else 0.0
    near = (cosines >= 0.9).any(axis=1)
    assert ((best.earlier >= 0) == near).all()
    assert best.similarity[near] == pytest.approx(cosines[near].max(axis=1, initial=-1), abs=1e-5)
    assert ratio == pytest.approx((near | (cosines >= 0.9).any(axis=0)).mean() if count else 0)
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
