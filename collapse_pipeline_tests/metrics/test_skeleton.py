import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.skeleton import (
    FUNCTION_WORDS,
    skeleton,
    skeleton_repetition,
    skeletons,
    top_skeleton_share,
)


def test_function_words_are_kept_and_the_rest_blanked():
    assert skeleton("How do I top-up my CARD?") == "how do i _ up my _"
    assert skeleton("I don't owe £1,250.50 for 2 weeks.") == "i dont _ # for # _"
    assert skeleton("...") == ""
    assert 150 <= len(FUNCTION_WORDS) <= 220


def test_repetition_by_hand():
    # the first two share "where is my _", the third stands alone: 2 of 3
    moulds = skeletons(["Where is my card?", "where is my refund", "The app crashed"])
    assert moulds[:2] == ["where is my _"] * 2
    assert skeleton_repetition(moulds) == pytest.approx(2 / 3)
    assert top_skeleton_share(moulds) == pytest.approx(2 / 3)
    assert top_skeleton_share([*moulds, "a", "a", "a"]) == 1 / 2  # the largest mould only


@pytest.mark.parametrize("share", [skeleton_repetition, top_skeleton_share])
def test_one_text_is_too_few(share):
    with pytest.raises(TooFewSamplesError, match=f"2 texts or more for {share.__name__}"):
        share(["_"])


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab it is my 1?", max_size=12), min_size=2, max_size=20))
def test_saying_everything_twice_repeats_everything(texts):
    moulds = skeletons(texts)
    assert skeleton_repetition(moulds * 2) == 1
    assert skeleton_repetition(moulds[::-1]) == skeleton_repetition(moulds)
    assert top_skeleton_share(moulds * 2) == top_skeleton_share(moulds)


@pytest.mark.real_data
def test_some_real_questions_share_a_skeleton(shared_data):
    rows = pq.read_table(shared_data / "banking77.parquet", filters=[("split", "=", "train")])
    moulds = skeletons(rows["text"].to_pylist())
    assert 0.1 < skeleton_repetition(moulds) < 0.2  # measured .164
    assert top_skeleton_share(moulds) < 0.01
    narrow = skeletons([f"How do I get my {label}?" for label in rows["label"].to_pylist()])
    assert skeleton_repetition(narrow) == 1
