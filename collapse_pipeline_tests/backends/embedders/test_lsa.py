import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.embedders.lsa import LsaEmbedderConfig
from collapse_pipeline.errors import TooFewSamplesError

TEXTS = [
    "my card is lost",
    "the card was lost today",
    "I lost a card on the train",
    "what is the rate for euros",
    "the euro rate today",
    "which rate do you use",
]
CONFIG = LsaEmbedderConfig(width=2)
FITTED = CONFIG.build(TEXTS)


def test_two_topics_without_a_shared_word_are_at_right_angles():
    # "red ruby" and "red rose" share red, the blue texts share blue: the two directions that hold
    # most of the weight are the two colours, so that within one the cosine is 1, across it is 0.
    embedder = LsaEmbedderConfig(width=2).build(["red ruby", "red rose", "blue sky", "blue sea"])
    vectors = embedder.embed(["red ruby", "red rose", "blue sky", "blue sea"])
    expected = np.kron(np.eye(2), np.ones((2, 2)))
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-5)


def test_no_texts_give_no_rows_of_the_right_width():
    assert FITTED.embed([]).shape == (0, 2)
    assert FITTED.embed([]).dtype == np.float32


@pytest.mark.parametrize("text", ["", "  ", "?!", "unheard", "我的卡 😀 \ud800"])
def test_text_without_a_known_word_is_a_zero_row(text):
    assert not FITTED.embed([text, "card"])[0].any()


@given(st.lists(st.text(max_size=30) | st.sampled_from(TEXTS), min_size=1, max_size=8))
@settings(deadline=None)
def test_rows_have_length_one_or_zero_and_depend_on_their_text_alone(texts):
    together = FITTED.embed(texts)
    alone = np.concatenate([FITTED.embed([text]) for text in texts])
    assert together.tobytes() == alone.tobytes()
    lengths = np.linalg.norm(together, axis=1)
    assert np.all((lengths == 0) | (np.abs(lengths - 1) < 1e-5))


def test_neither_order_nor_repeats_move_the_fit():
    shuffled = random.Random(3).sample(TEXTS * 3, len(TEXTS) * 3)
    again = CONFIG.build([*shuffled, "", "?"])
    assert again.version == FITTED.version
    assert again.embed(TEXTS).tobytes() == FITTED.embed(TEXTS).tobytes()


def test_other_texts_give_another_version():
    assert FITTED.version.startswith("lsa@")
    assert CONFIG.build([*TEXTS, "one more text"]).version != FITTED.version


def test_two_directions_want_three_texts():
    with pytest.raises(TooFewSamplesError, match=r"more than 2 distinct texts .* got 2; lower"):
        CONFIG.build(["my card", "my card", "", "the rate"])


def test_five_directions_want_six_terms():
    letters = ["a", "b", "c", "a a", "b b", "c c"]  # terms: a b c, "a a", "b b", "c c" are six
    LsaEmbedderConfig(width=5).build(letters)
    with pytest.raises(TooFewSamplesError, match=r"words and word pairs, got 4; lower"):
        LsaEmbedderConfig(width=5).build(["a", "b", "a a", "b b", "a a a", "b b b"])


def test_the_build_takes_no_texts_only_to_refuse_them():
    with pytest.raises(TooFewSamplesError, match="got 0"):
        LsaEmbedderConfig().build()


@pytest.mark.real_data
@pytest.mark.slow
def test_banking77_intents_are_found_by_words_alone(shared_data: Path):
    rows = pq.read_table(shared_data / "banking77.parquet").to_pandas()
    known, asked = rows[rows["split"] == "train"], rows[rows["split"] == "test"]
    embedder = LsaEmbedderConfig().build(known["text"].tolist())
    similar = embedder.embed(asked["text"].tolist()) @ embedder.embed(known["text"].tolist()).T
    named = known["label"].to_numpy()[similar.argmax(axis=1)]
    assert (named == asked["label"].to_numpy()).mean() >= 0.70
