import re
from math import log, log2

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.divergence import (
    METRICS,
    length_divergence,
    tool_call_divergence,
    value_divergence,
)
from collapse_pipeline.metrics.evidence import BatchEvidence, Texts
from collapse_pipeline.records import samples_table
from collapse_pipeline_tests.metrics.generations import replaced
from collapse_pipeline_tests.samples import human_row, written_row


def test_values_by_hand():
    # Shares 1, 0 and 1/2, 1/2; the middle is 3/4, 1/4.
    wanted = (log2(4 / 3) + (log2(2 / 3) + log2(2)) / 2) / 2
    assert value_divergence(["easy"], ["easy", "hard"]) == pytest.approx(wanted)
    assert value_divergence([""], ["easy"]) == 1  # saying nothing is a value as well


def test_lengths_by_hand():
    # log(1 + 9) against log(1 + 4) at every quantile: twice as long, counting the end.
    assert length_divergence(["a" * 9] * 3, ["a" * 4] * 5) == pytest.approx(log(2))
    assert length_divergence(["a" * 4], ["a" * 9]) == pytest.approx(log(2))
    # Median 9 on both sides, but the outer quarters lie apart.
    assert length_divergence(["a" * 9], ["", "a" * 9, "a" * 99]) > 0.5


def test_a_rare_long_text_moves_length_a_little():
    usual = ["a" * 30] * 99
    assert 0 < length_divergence([*usual, "a" * 3000], [*usual, "a" * 30]) < 0.05


def test_tool_calls_by_hand():
    # Three steps of a third each (start-find, find-book, book-end) against start-find, find-end:
    # shares 1/3 1/3 1/3 0 and 1/2 0 0 1/2.
    wanted = (
        (log2((1 / 3) / (5 / 12)) / 3 + 2 * log2(2) / 3)
        + (log2((1 / 2) / (5 / 12)) / 2 + log2(2) / 2)
    ) / 2
    assert tool_call_divergence(["find, book"], ["find"]) == pytest.approx(wanted)
    assert tool_call_divergence(["find book"], ["find,book"]) == 0
    assert tool_call_divergence(["", "find"], ["find", ""]) == 0
    assert tool_call_divergence([""], ["find"]) == 1
    # Every row weighs the same, however often it calls.
    assert tool_call_divergence(["", "a," * 9 + "a"], ["", "a"]) < 0.5


def test_order_of_calls_counts():
    assert tool_call_divergence(["book,find"], ["find,book"]) == pytest.approx(1)
    assert tool_call_divergence(["find,find"], ["find"]) > 0


@pytest.mark.parametrize("measure", [value_divergence, length_divergence, tool_call_divergence])
def test_an_empty_side_is_too_few(measure):
    with pytest.raises(TooFewSamplesError):
        measure([], ["a"])
    with pytest.raises(TooFewSamplesError):
        measure(["a"], [])


calls = st.lists(st.sampled_from(["", "a", "b", "a,b", "b,a,a", "a, b , c"]), min_size=1)


@pytest.mark.parametrize("measure", [value_divergence, length_divergence, tool_call_divergence])
@settings(deadline=None)
@given(ours=calls, theirs=calls, random=st.randoms(use_true_random=False))
def test_laws(measure, ours, theirs, random):
    value = measure(ours, theirs)
    assert value >= 0
    assert measure(theirs, ours) == value
    assert measure(ours, list(reversed(ours))) == 0
    mixed = list(ours)
    random.shuffle(mixed)
    assert measure(mixed, theirs) == value


def test_the_catalogue_reads_its_columns():
    def batch(row, **over):
        return Texts(samples_table([row("How much is it?", "a", **over)] * 5))

    human = batch(human_row, attributes=[("difficulty", "easy"), ("tool_calls", "find")])
    moved = batch(
        written_row, task_type="other", attributes=[("difficulty", "hard"), ("tool_calls", "book")]
    )
    values = {
        m.name: m.compute(BatchEvidence(moved, human)) for m in METRICS if "topic" not in m.name
    }
    assert values == {
        "length_divergence": 0,
        "task_type_divergence": 1,
        "label_divergence": 0,
        "style_divergence": 0,
        "difficulty_divergence": 1,
        "tool_call_divergence": 1,
    }
    for metric in METRICS:
        if "topic" not in metric.name:
            assert metric.compute(BatchEvidence(human, human)) == 0
    relabelled = Texts(samples_table([written_row("How much is it?", "b")] * 5))
    label = next(m for m in METRICS if m.name == "label_divergence")
    assert label.compute(BatchEvidence(relabelled, human)) == 1
    assert {m.scale for m in METRICS} == {"share", "plain"}


@pytest.mark.real_data
def test_lengths_part_as_a_student_collapses(shared_data):
    real, healthy, collapsed = (
        length_divergence(e.synthetic.texts, e.human.texts) for e in replaced(shared_data)
    )
    assert real < 0.06  # measured .031
    assert real < healthy < collapsed


@pytest.mark.real_data
def test_one_tool_for_all_is_seen(shared_data):
    rows = pq.read_table(shared_data / "gpteacher_toolformer_tiers.parquet")
    calls = []
    for text, response in zip(rows["text"].to_pylist(), rows["response"].to_pylist(), strict=True):
        tools = re.findall(r"toolformer access: (\w+)", text)
        calls.append(",".join(tools * sum(response.count(f"{tool}(") for tool in tools)))
    assert tool_call_divergence(calls[::2], calls[1::2]) < 0.01
    common = max(set(calls), key=calls.count)
    assert tool_call_divergence([common] * 1000, calls) > 0.4
