import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.metrics.minhash import jaccard, normalise, shingles
from collapse_pipeline.metrics.near_texts import REACH, near_groups, similar_pairs

WORDS = st.sampled_from(["card", "lost", "my", "where", "is", "new", "12", "1.5", "Ünïted", "-"])
TEXTS = st.lists(st.lists(WORDS, max_size=8).map(" ".join), max_size=25)


LONG = " ".join(f"w{i}" for i in range(30))  # 28 shingles


def test_similar_pairs_by_hand():
    texts = [LONG, "nothing like it", LONG.upper() + "!", LONG + " more", "?", "?"]
    i, j = similar_pairs(texts)
    # 0 and 2 are equal, 3 adds one shingle to 28 (28/29) and is compared with 0 alone
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [(0, 2), (0, 3)]


def test_near_groups_by_hand():
    found = near_groups(["x y z", LONG, "q", LONG + " more", "X, Y, Z"])
    assert found.group.tolist() == [0, 1, 2, 1, 0]
    assert found.capped == ()


def test_near_groups_are_transitive():
    # Each adds 2 words to the last: 28/30 and 30/32 pass at 0.9, first to third 28/32 does not.
    texts = [LONG, LONG + " a b", LONG + " a b c d"]
    assert jaccard(texts[0], texts[2]) < 0.9
    assert near_groups(texts, threshold=0.9).group.tolist() == [0, 0, 0]


def test_large_groups_are_cut():
    found = near_groups(["other"] + ["a b c d"] * 5, cap=2)
    assert found.group.tolist() == [0, 1, 1, 3, 3, 5]
    assert found.capped == (1,)
    with pytest.raises(BadInputError, match="cap of 1"):
        near_groups(["a"], cap=0)


def test_no_texts():
    assert near_groups([]).group.tolist() == []
    assert [side.tolist() for side in similar_pairs([])] == [[], []]
    assert near_groups(["", "!"]).group.tolist() == [0, 1]


def test_floods_cost_linear_time():
    same = near_groups(["the same words again"] * 10_000)
    assert same.capped == (0,)
    assert len(np.unique(same.group)) == 200
    alike = near_groups([f"{LONG} order {number}" for number in range(REACH * 20)])
    assert alike.capped == (0,)


@settings(deadline=None)
@given(TEXTS)
def test_pairs_against_brute_force(texts):
    i, j = similar_pairs(texts)
    found = set(zip(i.tolist(), j.tolist(), strict=True))
    first = {}
    for row, text in enumerate(texts):
        first.setdefault(normalise(text), row)
    leaders = sorted(first.values())
    for b in leaders:
        for a in leaders[: leaders.index(b)]:
            if jaccard(texts[a], texts[b]) == 1:  # equal sets share all bands: never missed
                assert (a, b) in found
    for row, text in enumerate(texts):
        if normalise(text) and first[normalise(text)] < row:
            assert (first[normalise(text)], row) in found
    for a, b in found:
        assert a < b
        assert jaccard(texts[a], texts[b]) >= 0.8


@settings(deadline=None)
@given(TEXTS)
def test_groups_are_named_by_their_smallest_row(texts):
    found = near_groups(texts, cap=3)
    rows = np.arange(len(texts))
    assert (found.group <= rows).all()
    assert (found.group[found.group] == found.group).all()
    assert all(count <= 3 for count in np.bincount(found.group, minlength=1))


@pytest.mark.real_data
def test_most_near_duplicates_of_banking77_are_found(shared_data):
    texts = pq.read_table(shared_data / "banking77.parquet")["text"].to_pylist()[:3000]
    texts = list({normalise(text): text for text in texts}.values())
    i, j = similar_pairs(texts)
    found = set(zip(i.tolist(), j.tolist(), strict=True))
    sets = [frozenset(shingles(text)) for text in texts]
    true = {
        (a, b)
        for b in range(len(sets))
        for a in range(b)
        if 0.8 * len(sets[a]) <= len(sets[b]) <= len(sets[a]) / 0.8
        and len(sets[a] & sets[b]) >= 0.8 * len(sets[a] | sets[b])
    }
    assert found <= true
    assert len(found) >= 0.9 * len(true) > 5
