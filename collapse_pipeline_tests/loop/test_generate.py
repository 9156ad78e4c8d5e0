from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.errors import BackendError, BadInputError
from collapse_pipeline.loop.generate import (
    GeneratePolicy,
    allocate,
    generate,
    plan_requests,
    render,
)
from collapse_pipeline.ports import Draft, Night
from collapse_pipeline.records import Template
from collapse_pipeline_tests.samples import human_table

NIGHT = Night("toy", "2026-01-02", 1, seed=7)
PLAIN = Template(name="plain", version="1", body="about {{ intent }}", opening="")


@dataclass
class EchoTeacher:
    version: str = "echo@1"
    depth: int = 1
    short_by: int = 0

    def write(self, requests, night):
        drafts = [Draft(f"{r.instruction} {r.seed}") for r in requests]
        drafts[0] = Draft("", fault="cut_off")
        return drafts[self.short_by :]


def test_shares_follow_the_square_root_of_counts():
    # sqrt(16) : sqrt(4) = 4 : 2, of nine rows six and three.
    assert allocate({"a": 16, "b": 4}, 9, 0.5) == {"a": 6, "b": 3}


@given(
    counts=st.dictionaries(st.text("abc", min_size=1), st.integers(1, 500), min_size=1),
    rows=st.integers(0, 300),
    balance=st.floats(0, 1),
)
def test_every_row_is_allocated(counts, rows, balance):
    assert sum(allocate(counts, rows, balance).values()) == rows


def test_no_label_to_write_for():
    with pytest.raises(BadInputError, match="labels"):
        allocate({"a": 0}, 5, 0.5)


def test_requests_in_equal_samples_and_dropped():
    requests = plan_requests(human_table(10), [PLAIN], GeneratePolicy(rows=20), NIGHT)
    batch = generate(requests, EchoTeacher(), NIGHT, "text")
    assert batch.samples.num_rows == 19
    assert batch.dropped["reason"].to_pylist() == ["cut_off"]
    assert set(batch.samples["depth"].to_pylist()) == {1}
    assert len(set(batch.samples["sample_id"].to_pylist())) == 19


def test_requests_are_the_same_for_the_same_night():
    plans = [plan_requests(human_table(10), [PLAIN], GeneratePolicy(rows=9), NIGHT) for _ in "ab"]
    assert plans[0] == plans[1]


def test_a_teacher_that_answers_too_few():
    requests = plan_requests(human_table(10), [PLAIN], GeneratePolicy(rows=5), NIGHT)
    with pytest.raises(BackendError, match="5 drafts"):
        generate(requests, EchoTeacher(short_by=1), NIGHT, "text")


def test_a_label_without_a_template():
    narrow = PLAIN.model_copy(update={"labels": ("a",)})
    with pytest.raises(BadInputError, match="label 'b'"):
        plan_requests(human_table(10), [narrow], GeneratePolicy(rows=5), NIGHT)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("{% if %}", "line 1"),
        ("{{ nobody }}", "nobody"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ [].append(1) }}", "not safely callable|unsafe"),
        ("{{ 1 / 0 }}", "division"),
    ],
)
def test_a_bad_template_is_named(source, complaint):
    with pytest.raises(BadInputError, match=f"(?s)template plain.*{complaint}"):
        render(source, PLAIN, {"label": "a", "intent": "a", "corpus": "toy"})
