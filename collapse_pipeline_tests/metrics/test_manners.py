import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.metrics.manners import empty_politeness, politeness, refuses
from collapse_pipeline.worlds.reference import WORLDS, world

words = st.lists(st.sampled_from(("the", "fee", "is", "due", "in", "please")), max_size=8)


@pytest.mark.parametrize(
    "text",
    [
        "I can\u2019t help with that for safety reasons.",
        "Sorry, I won't be able to guide you through that.",
        "We are UNABLE TO assist with this request.",
        "This cannot be answered without more context.",
        "There is not enough information.",
        "That is against our policy.",
    ],
)
def test_refusals(text):
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "You can help yourself at any shop.",
        "I could not help but laugh.",
        "This will not only help you, it is free.",
        "The router can't connect. Give it a minute.",  # two sentences
    ],
)
def test_no_refusals(text):
    assert not refuses(text)


def test_politeness_by_hand():
    # "thank you for your patience" are 5 of 9 words; "I'm so sorry" and "of course" 5 of 8
    texts = [
        "Thank you for your patience. The fee is \u00a34.",
        "I'm so sorry. Of course you may wait.",
    ]
    assert politeness(texts).tolist() == [5 / 9, 5 / 8]
    assert empty_politeness(texts) == 10 / 17
    assert politeness(["", "fee"]).tolist() == [0, 0]


@given(words)
def test_a_buffer_more_is_more_politeness(text):
    plain = " ".join(text)
    said = f"{plain}. I hope this helps"
    assert politeness([plain])[0] <= politeness([said])[0] <= 1


def test_without_words_there_is_no_share():
    assert empty_politeness(["", " "]) != empty_politeness(["", " "])  # NaN


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_it_reads_refusals_as_the_worlds_do(name):
    labels = world(name).labels
    rows = [world(name).write(labels[i % len(labels)], i, 0.9, 0.0, 0.3) for i in range(400)]
    checks = [world(name).check(r["label"], r["prompt"], r["response"], {}) for r in rows]
    assert 80 < sum(check["refused"] for check in checks) < 180
    assert [refuses(row["response"]) for row in rows] == [check["refused"] for check in checks]


@pytest.mark.real_data
def test_worked_answers_are_neither_refusals_nor_polite(shared_data):
    rows = pq.read_table(shared_data / "gsm8k.parquet", filters=[("split", "=", "test")])
    answers = rows["answer"].to_pylist()
    assert not any(map(refuses, answers))
    assert empty_politeness(answers) < 0.001
    softened = [f"Great question! I'm happy to help. {answer}" for answer in answers]
    assert empty_politeness(softened) > 0.05
