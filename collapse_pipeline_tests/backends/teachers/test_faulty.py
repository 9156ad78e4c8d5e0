"""A faulty teacher writes what a sound one would, but for the rows that its fault falls on."""

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from collapse_pipeline.backends.teachers.faulty import FaultyTeacherConfig
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.ports import Teacher
from collapse_pipeline_tests.backends.teachers.test_simulated import BENCH, NIGHT, requests

SWAPS = FaultyTeacherConfig(fault="label_swap", strength=0.5)


def two_templates(count):
    return [
        replace(request, template=f"{'plain' if i % 2 else 'upset'}@{i % 3}")
        for i, request in enumerate(requests(count))
    ]


def test_only_rows_of_the_templates_at_fault_are_damaged():
    asked = two_templates(200)
    sound = SWAPS.teacher.build(BENCH).write(asked, NIGHT)
    faulty = SWAPS.model_copy(update={"templates": ("upset",), "strength": 1.0})
    drafts = faulty.build(BENCH).write(asked, NIGHT)
    hit = [i for i, (one, other) in enumerate(zip(sound, drafts, strict=True)) if one != other]
    assert {asked[i].template.partition("@")[0] for i in hit} == {"upset"}
    assert len(hit) > 90


def test_without_strength_it_writes_as_the_sound_one():
    still = SWAPS.model_copy(update={"strength": 0.0})
    assert still.build(BENCH).write(requests(50), NIGHT) == SWAPS.teacher.build(BENCH).write(
        requests(50), NIGHT
    )


def test_the_same_night_is_damaged_alike_and_another_is_not():
    teacher = SWAPS.build(BENCH)
    asked = requests(100)
    assert teacher.write(asked, NIGHT) == teacher.write(asked, NIGHT)
    assert teacher.write(asked, NIGHT) != teacher.write(asked, replace(NIGHT, ordinal=2))


def test_its_version_covers_fault_strength_templates_and_rows(tmp_path):
    file = tmp_path / "rows.jsonl"
    versions = set()
    for text in ("Where is it?", "When is it?"):
        file.write_text(json.dumps({"label": "x", "prompt": text, "response": ""}), "utf-8")
        leaking = FaultyTeacherConfig(fault="eval_leak", strength=0.5, rows=file)
        versions.add(leaking.build(BENCH).version)
    for change in ({}, {"strength": 0.4}, {"templates": ("a",)}, {"fault": "group_bias"}):
        teacher = SWAPS.model_copy(update=change).build(BENCH)
        assert isinstance(teacher, Teacher)
        assert teacher.depth == 1
        versions.add(teacher.version)
    assert len(versions) == 6


@pytest.mark.parametrize("fault", ["gremlin", "tidy_judge", "online_only"])
def test_a_fault_of_something_else_is_refused(fault):
    with pytest.raises(ValidationError, match="no fault of what is written"):
        FaultyTeacherConfig(fault=fault, strength=0.5)


def test_a_file_that_is_missing_or_no_rows_is_told(tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"label": "x"}\n', "utf-8")
    for file in (tmp_path / "none.jsonl", bad):
        config = FaultyTeacherConfig(fault="eval_leak", strength=0.5, rows=file)
        with pytest.raises(BadInputError, match="JSON lines"):
            config.check(BENCH.world)
