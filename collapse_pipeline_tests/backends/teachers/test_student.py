from dataclasses import dataclass

import pytest

from collapse_pipeline.backends.teachers.student import StudentTeacherConfig
from collapse_pipeline.errors import BackendError
from collapse_pipeline.ports import Bench, Night, Request, Student
from collapse_pipeline.records import SAMPLE

NIGHT = Night("toy", "2026-01-02", 1, seed=7)
REQUESTS = [Request("a", "plain@1", "ignored", "hello", seed=n) for n in range(3)]


@dataclass
class Parrot:
    name: str

    def sample(self, labels, openings, seed, temperature):
        return [
            (f"{o} {self.name} {seed} {temperature}", label)
            for o, label in zip(openings, labels, strict=True)
        ]


def bench(parent, baseline, depth=0):
    return Bench(
        human=SAMPLE.empty_table(),
        baseline=baseline,
        parent=parent,
        parent_version="parent's hash" if parent else "",
        parent_depth=depth,
        embedder=None,
        world=None,
        seed=1,
    )


def test_the_parent_writes_one_hop_deeper():
    parent, baseline = Student(Parrot("parent"), None), Student(Parrot("baseline"), None)
    teacher = StudentTeacherConfig().build(bench(parent, baseline, depth=1))
    assert teacher.depth == 2
    drafts = teacher.write(REQUESTS, NIGHT)
    assert len(drafts) == 3
    assert drafts[0].prompt.startswith("hello parent")
    assert drafts == teacher.write(REQUESTS, NIGHT)


def test_without_a_parent_the_baseline_writes():
    teacher = StudentTeacherConfig().build(bench(None, Student(Parrot("baseline"), None)))
    assert (teacher.depth, "baseline" in teacher.write(REQUESTS, NIGHT)[0].prompt) == (1, True)


def test_with_neither_it_says_what_to_do():
    with pytest.raises(BackendError, match="generation 0"):
        StudentTeacherConfig().build(bench(None, None))


def test_another_parent_or_temperature_is_another_version():
    parent = Student(Parrot("parent"), None)
    versions = {
        StudentTeacherConfig(temperature=t).build(bench(p, parent)).version
        for t in (1.0, 0.5)
        for p in (parent, None)
    }
    assert len(versions) == 4
