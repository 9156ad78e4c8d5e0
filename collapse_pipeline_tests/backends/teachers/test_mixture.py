"""Several teachers share a night's requests, and each row says who of them wrote it."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from collapse_pipeline.backends.teachers.mixture import MixtureTeacherConfig
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.generate import generate
from collapse_pipeline.ports import Teacher
from collapse_pipeline_tests.backends.teachers.test_simulated import BENCH, NIGHT, requests

PAIR = MixtureTeacherConfig(
    teachers={"first": {"kind": "simulated"}, "second": {"kind": "simulated", "accuracy": 0.9}},
    weights={"second": 3},
)


def test_each_draft_says_who_wrote_it_and_is_what_that_teacher_writes():
    asked = requests(40)
    drafts = PAIR.build(BENCH).write(asked, NIGHT)
    alone = {
        version: PAIR.teachers[name].build(BENCH).write(asked, NIGHT)
        for name, version in PAIR.versions.items()
    }
    assert {draft.teacher for draft in drafts} == {*PAIR.versions.values()}
    for i, draft in enumerate(drafts):
        assert draft.prompt == alone[draft.teacher][i].prompt


def test_requests_are_shared_out_by_weight():
    drafts = PAIR.build(BENCH).write(requests(4_000), NIGHT)
    counts = Counter(draft.teacher.partition("@")[0] for draft in drafts)
    # Three parts of four; 0.02 is three standard errors.
    assert counts["second"] / counts.total() == pytest.approx(0.75, abs=0.02)


def test_rows_of_a_batch_keep_their_teacher():
    batch = generate(requests(60), PAIR.build(BENCH), NIGHT, "text")
    assert set(batch.samples["teacher"].to_pylist()) == {*PAIR.versions.values()}


@given(seeds=st.lists(st.integers(0, 2**62), min_size=2, max_size=12))
@settings(max_examples=20, deadline=None)
def test_a_draft_depends_on_its_own_request_only(seeds):
    asked = [
        type(request)(request.label, request.template, "", "", seed)
        for request, seed in zip(requests(12), seeds, strict=False)
    ]
    teacher = PAIR.build(BENCH)
    assert teacher.write(asked[::-1], NIGHT) == teacher.write(asked, NIGHT)[::-1]


def test_one_that_is_left_out_leaves_the_others_with_their_names():
    first, second = PAIR.versions.values()
    left = PAIR.of_those([f"teacher {first}", "template first@1"])
    assert left.versions == {"first": first}
    assert left.weights == {}
    assert {draft.teacher for draft in left.build(BENCH).write(requests(9), NIGHT)} == {first}
    assert PAIR.of_those([f"teacher {second}"]).weights == {"second": 3}


def test_it_is_a_teacher_whose_version_covers_its_members():
    teacher = PAIR.build(BENCH)
    assert isinstance(teacher, Teacher)
    assert teacher.depth == 1
    other = PAIR.model_copy(update={"weights": {"first": 2.0}})
    assert teacher.version == PAIR.build(BENCH).version != other.build(BENCH).version


@pytest.mark.parametrize(
    "wrong",
    [
        {"teachers": {}},
        {"teachers": {"a@b": {"kind": "simulated"}}},
        {"teachers": {"a": {"kind": "student"}}},
        {"teachers": {"a": {"kind": "simulated"}}, "weights": {"b": 1}},
        {"teachers": {"a": {"kind": "simulated"}}, "weights": {"a": 0}},
    ],
)
def test_what_is_no_mixture_is_refused(wrong):
    with pytest.raises(ValidationError):
        MixtureTeacherConfig(**wrong)


def test_one_member_that_cannot_write_is_told():
    with pytest.raises(BadInputError, match="reference world"):
        PAIR.check(None)
