import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.metrics.minhash import (
    band_keys,
    jaccard,
    normalise,
    shingles,
    signatures,
)


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


def test_signatures_of_no_texts():
    assert signatures([]).shape == (0, 128)


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


@settings(deadline=None)
@given(st.text())
def test_normalise_twice_is_once(text):
    assert normalise(normalise(text)) == normalise(text)
