import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.students.vocabulary import (
    Vocabulary,
    frozen_or_learned,
    label_ids,
    learn_vocabulary,
    load_vocabulary,
    training_rows,
)
from collapse_pipeline.errors import BadInputError, TooFewSamplesError

BYTES = learn_vocabulary([], 258)  # no text to learn from: one token a byte


def test_a_row_is_prompt_separator_response_end():
    rows = BYTES.encode_rows(["ab", "A"], ["c", ""])
    a, b, c = (BYTES.encode([letter])[0][0] for letter in "abc")
    # 256 bytes, then 256 the separator and 257 the end; "A" is lower-cased.
    assert rows.tokens.tolist() == [a, b, 256, c, 257, a, 257]
    assert rows.lengths.tolist() == [5, 2]


def test_pairs_that_come_twice_are_merged_up_to_the_size():
    vocabulary = learn_vocabulary(["the the the", "the cat"], 260)
    # Room for two merges: "th" or "he", then "the" (one pair leaves one more of itself).
    assert vocabulary.size == 260
    assert len(vocabulary.encode(["the"])[0]) == 1
    assert len(vocabulary.encode(["cat"])[0]) == 3


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), max_size=5))
@settings(deadline=None)
def test_what_is_written_is_read_back_in_lower_case(texts):
    rows = BYTES.encode_rows(texts, texts)
    written = np.split(rows.tokens, rows.starts[1:])[:-1]
    lowered = ["".join(map(str.lower, text)) for text in texts]
    assert BYTES.read([""] * len(texts), written) == list(zip(lowered, lowered, strict=True))


def test_no_text_can_spell_a_special_token():
    assert max(BYTES.encode(["<|endoftext|></s>[SEP]"])[0]) < BYTES.separator


def test_read_keeps_the_opening_as_given_and_stops_at_the_end():
    written = np.array([*BYTES.encode([" you"])[0], 257, *BYTES.encode(["no"])[0]])
    assert BYTES.read(["Can"], [written]) == [("Can you", "")]
    assert BYTES.read(["Can "], [written]) == [("Can you", "")]  # one space, not two


def test_later_separators_say_nothing():
    a, b = BYTES.encode(["ab"])[0]
    assert BYTES.read([""], [np.array([a, 256, b, 256, b])]) == [("a", "bb")]


def test_saved_and_loaded_it_gives_the_same_tokens_and_bytes(tmp_path):
    texts = ["how do i top up my card", "how do i top up"] * 2
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        learn_vocabulary(texts, 280).save(tmp_path / name)
    one, two = (tmp_path / name / "tokenizer.json" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert load_vocabulary(tmp_path / "one").encode(texts) == learn_vocabulary(texts, 280).encode(
        texts
    )


def test_a_size_without_room_for_the_bytes_is_refused():
    with pytest.raises(BadInputError, match="258"):
        learn_vocabulary(["a"], 257)


def table(**columns):
    rows = {"label": ["x"] * 3, "prompt": ["a", "b", "c"], "response": [""] * 3}
    return pa.table(rows | columns)


def test_negative_and_weightless_rows_are_left_out():
    rows = training_rows(table(weight=[1.0, 0.0, None], role=["positive", "positive", "positive"]))
    assert (rows.prompts, rows.weights.tolist()) == (["a", "c"], [1.0, 1.0])
    rows = training_rows(table(weight=[1, 2, 3], role=["positive", "negative", "positive"]))
    assert (rows.prompts, rows.weights.tolist()) == (["a", "c"], [1.0, 3.0])


def test_without_weights_every_row_weighs_one():
    assert training_rows(table()).weights.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_unusable_weights_are_refused(weight):
    with pytest.raises(BadInputError, match="weights"):
        training_rows(table(weight=[1.0, 1.0, weight]))


def test_nothing_left_is_refused():
    with pytest.raises(TooFewSamplesError):
        training_rows(table(role=["negative"] * 3))


def test_the_vocabulary_of_an_earlier_model_is_kept():
    class Earlier:
        vocabulary = BYTES

    rows = training_rows(table())
    assert frozen_or_learned(Earlier(), rows, 300) is BYTES
    assert isinstance(frozen_or_learned(None, rows, 300), Vocabulary)
    with pytest.raises(BadInputError, match="vocabulary"):
        frozen_or_learned(object(), rows, 300)


def test_an_unknown_label_has_the_place_behind_the_last():
    assert label_ids(["a", "b"], ["b", "?", "a"]).tolist() == [1, 2, 0]
