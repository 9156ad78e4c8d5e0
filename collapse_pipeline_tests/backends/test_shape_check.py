import re
import time

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends import shape_check
from collapse_pipeline.backends.readers.files import Columns, read_batches
from collapse_pipeline.backends.shape_check import ShapeLimits, check_shape
from collapse_pipeline.errors import BackendError
from collapse_pipeline.loop.intake_frames import frames_of


def frame(prompts, reason="", **columns) -> pa.Table:
    texts = {"prompt": prompts, **columns}
    texts |= {name: [reason if name == "reason" else ""] * len(prompts) for name in FAULTS}
    arrays = {name: pa.array(values, pa.large_string()) for name, values in texts.items()}
    return pa.table({"source_row": pa.array(range(len(prompts)), pa.int64()), **arrays})


FAULTS = ("reason", "detail", "raw")


def reasons(prompts, limits=shape_check.DEFAULT_LIMITS, **columns) -> list[str]:
    return check_shape(frame(prompts, **columns), limits)["reason"].to_pylist()


def test_one_reason_a_row_the_first_in_order():
    prompts = [
        "good\n\tas it is\r\né ☕",
        None,
        " \t\u00a0\u200b",  # nothing that shows
        "nul\x00byte",
        "x" * 11,
        "\x07" * 11,  # too long and control characters: too_long comes first
        "\x1f",  # white space to some, but a control character
        None,  # empty and without a label: empty_prompt comes first
        "no label",
    ]
    labels = ["a", "a", "a", "a", "a", "a", "a", None, " "]
    limits = ShapeLimits(prompt_characters=10)
    assert reasons(["x" * 10, *prompts[1:]], limits, label=labels) == [
        "",
        "empty_prompt",
        "empty_prompt",
        "control_characters",
        "too_long",
        "too_long",
        "control_characters",
        "empty_prompt",
        "missing_label",
    ]
    assert reasons(prompts[:1], label=["a"]) == [""]


def test_other_columns_must_be_filled_and_clean_too():
    columns = {
        "response": ["r", None, "r", "r", "r\x1b", "r", "r"],
        "label": ["l", "l", "two\nlines", "l", "l", "l" * 201, "l"],
        "split": ["train", "train", "train", "", "train", "train", "train"],
        "time": ["2026", "2026", "2026", "2026", "2026", "2026", ""],
        "attribute.channel": [None, "", "web", "web", "web", "web", "web"],
    }
    assert reasons(["p"] * 7, **columns) == [
        "",  # attributes may be empty
        "missing_response",
        "control_characters",
        "missing_split",
        "control_characters",
        "too_long",
        "missing_time",
    ]
    assert reasons(["p"], ShapeLimits(response_required=False), response=[""]) == [""]


def test_what_the_reader_found_stays():
    checked = check_shape(frame([None], reason="malformed_row"))
    assert checked["reason"].to_pylist() == ["malformed_row"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1))
def test_agrees_with_plain_python(prompts):
    def expected(text: str) -> str:
        if not re.search(shape_check.SOMETHING, text):
            return "empty_prompt"
        if len(text) > 8:
            return "too_long"
        clean = text.replace("\n", "").replace("\t", "").replace("\r", "")
        return (
            "control_characters" if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in clean) else ""
        )

    got = reasons(prompts, ShapeLimits(prompt_characters=8))
    assert got == [expected(prompt) for prompt in prompts]


def test_no_rows():
    assert check_shape(frame([])).num_rows == 0


def test_a_check_that_breaks_is_not_a_bad_row(monkeypatch):
    monkeypatch.setattr(shape_check, "SOMETHING", "(")  # no regular expression
    with pytest.raises(BackendError, match="match_regex to be computed"):
        check_shape(frame(["fine"]))


def test_quick_and_silent(capfd, caplog):
    shape_check._batches.cache_clear()  # where it would speak: when its context is made
    rows = [{"prompt": f"row {i} of many", "label": "x"} for i in range(100_000)]
    frames = list(frames_of(rows, size=50_000))
    check_shape(frames[0].slice(0, 1))  # the import is not what is measured
    start = time.perf_counter()
    checked = [check_shape(each) for each in frames]
    assert time.perf_counter() - start < 5  # measured 0.3 s
    assert all(set(each["reason"].to_pylist()) == {""} for each in checked)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert caplog.messages == []


@pytest.mark.real_data
def test_multidogo_has_empty_turns(shared_data):
    columns = Columns(prompt="text", label="label")
    frames = read_batches(shared_data / "multidogo_customer_turns.parquet", columns)
    found = [reason for each in frames for reason in check_shape(each)["reason"].to_pylist()]
    assert len(found) == 116_597
    assert {reason: found.count(reason) for reason in set(found)} == {
        "": 116_520,
        "empty_prompt": 77,
    }
