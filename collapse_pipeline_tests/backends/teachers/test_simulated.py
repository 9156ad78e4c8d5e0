"""The simulated teacher writes what its dials say."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from collapse_pipeline.backends.teachers.simulated import SimulatedTeacherConfig
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.ports import Bench, Night, Request, Teacher
from collapse_pipeline.records import SAMPLE
from collapse_pipeline.worlds.customer_service.world import CustomerService

WORLD = CustomerService()
NIGHT = Night("customer_service", "2026-11-20", 1, 7)
BENCH = Bench(
    human=SAMPLE.empty_table(),
    baseline=None,
    parent=None,
    parent_version="",
    parent_depth=0,
    embedder=None,
    world=WORLD,
    seed=1,
)


def requests(count: int, opening: str = "") -> list[Request]:
    labels = WORLD.labels
    return [Request(labels[i % len(labels)], "t@1", "Write.", opening, i) for i in range(count)]


def build(**dials: float) -> Teacher:
    return SimulatedTeacherConfig(**dials).build(BENCH)


HALF = build(coverage=0.5)


def test_it_is_a_teacher_of_depth_one_with_a_version_of_its_dials():
    teacher = build()
    assert isinstance(teacher, Teacher)
    assert teacher.depth == 1
    name, version = teacher.version.split("@")
    assert (name, len(version)) == ("simulated", 12)
    assert teacher.version == build().version
    assert teacher.version != build(accuracy=0.9).version


def test_a_perfect_teacher_keeps_every_label_and_is_always_right():
    asked = requests(200)
    drafts = build(accuracy=1, refusal=0).write(asked, NIGHT)
    for request, draft in zip(asked, drafts, strict=True):
        assert draft.label == ""
        assert draft.fault == ""
        verdict = WORLD.check(request.label, draft.prompt, draft.response, draft.attributes)
        assert verdict["answer_right"]


def test_half_coverage_writes_only_the_commoner_half_of_the_labels():
    asked = requests(2_000)
    drafts = HALF.write(asked, NIGHT)
    pairs = list(zip(asked, drafts, strict=True))
    # An even request for 40 labels: 20 are covered, 1,000 drafts come with another label.
    relabelled = [draft for _, draft in pairs if draft.label]
    assert len(relabelled) == 1_000
    counts = Counter(draft.label or request.label for request, draft in pairs)
    assert len(counts) == 20
    assert not set(counts) & set(WORLD.labels[-10:])


def test_the_smallest_coverage_still_writes_one_label():
    drafts = build(coverage=0.001).write(requests(50), NIGHT)
    assert {draft.label for draft in drafts} - {""} == {WORLD.labels[0]}


def test_a_request_without_a_label_gets_one():
    request = replace(requests(1)[0], label="")
    (draft,) = build().write([request], NIGHT)
    assert draft.label in WORLD.labels


def test_an_opening_starts_the_prompt():
    plain = build().write(requests(20), NIGHT)
    opened = build().write(requests(20, "Dear shop, "), NIGHT)
    for before, after in zip(plain, opened, strict=True):
        assert after.prompt == f"Dear shop, {before.prompt}"


@given(seeds=st.lists(st.integers(0, 2**62), min_size=2, max_size=20))
@settings(max_examples=50, deadline=None)
def test_a_draft_depends_on_its_own_request_only(seeds):
    asked = [
        replace(request, seed=seed) for request, seed in zip(requests(20), seeds, strict=False)
    ]
    drafts = HALF.write(asked, NIGHT)
    assert HALF.write(asked[::-1], NIGHT) == drafts[::-1]


def test_rare_labels_are_written_with_variety():
    rare = WORLD.labels[-1]
    asked = [replace(request, label=rare) for request in requests(200)]
    prompts = {draft.prompt for draft in build().write(asked, NIGHT)}
    assert len(prompts) > 190


@pytest.mark.parametrize(
    "dials", [{"accuracy": 1.1}, {"narrowness": -1}, {"coverage": 0}, {"refusal": 2}]
)
def test_dials_are_range_checked(dials):
    with pytest.raises(ValidationError):
        SimulatedTeacherConfig(**dials)


def test_a_corpus_that_is_no_world_is_refused():
    with pytest.raises(BadInputError, match="reference world"):
        SimulatedTeacherConfig().build(replace(BENCH, world=None))
