import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.metrics.minhash import (
    REACH,
    band_keys,
    jaccard,
    near_groups,
    normalise,
    shingles,
    signatures,
    similar_pairs,
)

WORDS = st.sampled_from(["card", "lost", "my", "where", "is", "new", "12", "1.5", "Ünïted", "-"])
TEXTS = st.lists(st.lists(WORDS, max_size=8).map(" ".join), max_size=25)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  Where's my CARD?!\n", "wheres my card"),
        ("top-up_limit", "top up limit"),
        ("12 + 5 = ?", "12 + 5 ="),
        ("12 - 5 = ?", "12 - 5 ="),  # another question
        ("1.5 and 15 and 1 5", "1.5 and 15 and 1 5"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),  # one spelling of accents
        ("नमस्ते दुनिया", "नमस्ते दुनिया"),  # marks belong to their words
        ("a\ud800b", "a b"),  # a lone surrogate is no word
        ("?!", ""),
        ("", ""),
    ],
)
def test_normalise(text, normal):
    assert normalise(text) == normal


def test_shingles_of_three_words():
    assert shingles("I lost my card.") == ["i lost my", "lost my card"]
    assert shingles("Lost card") == ["lost card"]
    assert shingles("...") == []


def test_jaccard_by_hand():
    # abc bcd | abc bce: one of three distinct shingles is common
    assert jaccard("a b c d", "a b c e") == pytest.approx(1 / 3)
    assert jaccard("A, b c!", "a b c") == 1
    assert jaccard("?", "?") == 0  # no words: like nothing


def test_signatures_estimate_jaccard():
    words = [f"w{i}" for i in range(102)]
    texts = [" ".join(words), " ".join(words[:92])]  # 100 and 90 shingles, 90 in common: 0.9
    found = signatures(texts)
    assert found.shape == (2, 128)
    assert found.dtype == np.uint32
    assert (found[0] == found[1]).mean() == pytest.approx(0.9, abs=0.1)  # 4 standard errors


def test_signatures_are_the_same_in_every_process():
    texts = ["where is my card", "größe 12", ""]
    code = (
        "from collapse_pipeline.metrics.minhash import band_keys, signatures;"
        f"print(band_keys(signatures({texts!r})).tolist())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert there == str(band_keys(signatures(texts)).tolist())


def test_stored_bands_stay_valid():
    # Nights join bands written by other nights: a change here makes every stored table stale.
    assert band_keys(signatures(["where is my card"]))[0, :2].tolist() == [
        -5461871570241807173,
        -2869211924249069210,
    ]


def test_bands_do_not_meet_each_other():
    keys = band_keys(np.zeros((1, 128), dtype=np.uint32))
    assert keys.shape == (1, 16)
    assert len(set(keys[0].tolist())) == 16  # the same values, another band, another key


def test_one_changed_value_changes_one_band():
    rows = np.zeros((2, 128), dtype=np.uint32)
    rows[1, 9] = 1  # in the second band of eight
    keys = band_keys(rows)
    assert (keys[0] != keys[1]).tolist() == [False, True] + [False] * 14


def test_bands_must_divide():
    with pytest.raises(BadInputError, match="divides 128"):
        band_keys(np.zeros((1, 128), dtype=np.uint32), bands=7)


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
    assert signatures([]).shape == (0, 128)
    assert near_groups(["", "!"]).group.tolist() == [0, 1]


def test_floods_cost_linear_time():
    same = near_groups(["the same words again"] * 10_000)
    assert same.capped == (0,)
    assert len(np.unique(same.group)) == 200
    alike = near_groups([f"{LONG} order {number}" for number in range(REACH * 20)])
    assert alike.capped == (0,)


@settings(deadline=None)
@given(st.text())
def test_normalise_twice_is_once(text):
    assert normalise(normalise(text)) == normalise(text)


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
