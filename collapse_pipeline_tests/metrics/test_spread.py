import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.embedders.static import StaticEmbedder
from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics import blocks, spread
from collapse_pipeline.metrics.spread import cluster_share, vendi_score
from collapse_pipeline_tests.metrics.test_similarity import clustered, unit

# a chain: 0-1 and 1-2 at .95, 0-2 at .8; 3 stands alone
CHAIN = unit([[1, 0], [1, 0.33], [1, 0.75], [-1, 0]])


def test_clusters_by_hand():
    assert cluster_share(CHAIN, 0.92, largest=1) == 3 / 4  # 0 and 2 meet through 1
    assert cluster_share(CHAIN, 0.99, largest=1) == 1 / 4
    assert cluster_share(CHAIN, 0.92, largest=2) == 1
    assert cluster_share(CHAIN[[0, 3, 0, 3, 0]], 0.92, largest=1) == 3 / 5


def test_vendi_by_hand():
    # three at right angles count 3; two alike and one other: eigenvalues 2/3 and 1/3
    corners = np.eye(3, dtype=np.float32)
    assert vendi_score(corners) == pytest.approx(3)
    two_one = (2 / 3) ** (-2 / 3) * (1 / 3) ** (-1 / 3)
    assert vendi_score(corners[[0, 0, 1]]) == pytest.approx(two_one)
    assert vendi_score(np.concatenate([corners, np.zeros((2, 3), np.float32)])) == pytest.approx(3)
    assert vendi_score(corners[[0, 0, 0]]) == pytest.approx(1)


def test_too_few():
    with pytest.raises(TooFewSamplesError, match="cluster_share"):
        cluster_share(CHAIN[:1])
    with pytest.raises(TooFewSamplesError, match="vendi_score"):
        vendi_score(np.concatenate([CHAIN[:1], np.zeros((3, 2), np.float32)]))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(1, 8), st.integers(0, 1000), st.sampled_from([2, 5, 1024]))
def test_as_the_whole_matrix_says(count, centres, seed, block):
    rows = clustered(count, centres, 0.2, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", block)
        patch.setattr(spread, "BLOCK", block)
        share, score = cluster_share(rows, 0.9, largest=2), vendi_score(rows)
    reached = rows @ rows.T >= 0.9
    for _ in range(6):  # paths of up to 64 steps
        reached = reached.astype(int) @ reached.astype(int) > 0
    sizes = sorted(len(one) for one in {tuple(np.flatnonzero(row)) for row in reached})
    assert share == pytest.approx(sum(sizes[-2:]) / count)
    values = np.linalg.eigvalsh((rows @ rows.T).astype(np.float64) / count)
    values = values[values > 1e-9]
    assert score == pytest.approx(np.exp(-(values * np.log(values)).sum()), rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(0, 1000))
def test_saying_everything_twice_adds_no_meaning(count, seed):
    rows = clustered(count, 6, 0.2, seed)
    twice = np.concatenate([rows, rows])
    assert vendi_score(twice) == pytest.approx(vendi_score(rows), rel=1e-4)
    assert cluster_share(twice, largest=3) == pytest.approx(cluster_share(rows, largest=3))
    assert cluster_share(rows[::-1]) == cluster_share(rows)


def test_a_large_batch_is_drawn_from(monkeypatch):
    rows = clustered(300, 40, 0.1, 3)
    monkeypatch.setattr(spread, "CLUSTER_ROWS", 100)
    found = cluster_share(rows, seed=1)
    assert found == cluster_share(rows[::-1], seed=1)
    assert found == cluster_share(rows[blocks.drawn(rows, 100, 1)])
    assert len({cluster_share(rows, seed=seed) for seed in range(10)}) > 1


@pytest.mark.real_data
def test_fewer_topics_are_fewer_meanings(shared_data):
    rows = pq.read_table(shared_data / "banking77.parquet", filters=[("split", "=", "test")])
    vectors = StaticEmbedder().embed(rows["text"].to_pylist())
    _, topic = np.unique(rows["label"].to_pylist(), return_inverse=True)
    few = vectors[topic < 10]
    all_topics = vectors[np.random.default_rng(0).permutation(len(vectors))[: len(few)]]
    assert vendi_score(few) < 0.9 * vendi_score(all_topics)  # measured .84
    assert cluster_share(few) > 1.5 * cluster_share(all_topics)
