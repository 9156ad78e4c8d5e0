from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.errors import OutOfOrderError
from collapse_pipeline.loop.lineage import Happening, Status, replay
from collapse_pipeline.loop.pinned import GeneratorRecord, Manifest, Parent
from collapse_pipeline.records import SuiteRecord, TablePin, Verdict

PIN = TablePin(table="human_anchor", version=0, rows=1, digest="d")
DAYS = [f"2026-01-0{n}" for n in range(1, 8)]


@dataclass
class Line:
    """Writes events as the loop does."""

    events: list[Any] = field(default_factory=list)

    def say(self, kind, generation, payload):
        number = len(self.events) + 1
        self.events.append(
            type(
                "Event",
                (),
                {
                    "seq": number,
                    "at": "",
                    "corpus": "toy",
                    "generation": generation,
                    "kind": str(kind),
                    "payload": payload,
                    "hash": str(number),
                },
            )()
        )

    def night(
        self, generation, verdict, depth=1, points=None, attempt=1, line=(), best=None, metrics=None
    ):
        record = GeneratorRecord(
            corpus="toy",
            generation=generation,
            ordinal=0,
            attempt=attempt,
            seed=1,
            parent=Parent(),
            incumbent=None,
            best=best or {},
            baseline_model="",
            vocabulary_model="",
            line=line,
            line_pins=(),
            anchor=PIN,
            human_rows=1,
            suites_pin=PIN,
            suites=(),
            templates=(),
            settings={},
            packages={},
        )
        self.say(Happening.OPENED, generation, record.model_dump(mode="json"))
        if verdict is None:
            return
        manifest = Manifest(
            corpus="toy",
            generation=generation,
            attempt=attempt,
            verdict=verdict,
            blocked_by=(),
            model=f"model of {generation}.{attempt}",
            baseline_model="b",
            parent=Parent(),
            depth=depth,
            shares={},
            rows={},
            metrics=metrics or {},
            released={},
            points=points or {},
            gain="",
            components={},
            tables=(),
            ledger_head={},
        )
        self.say(Happening.SETTLED, generation, manifest.model_dump(mode="json"))

    def state(self):
        return replay("toy", self.events)


def test_the_parent_is_the_newest_release_under_the_depth_limit():
    line = Line()
    line.night(DAYS[0], Verdict.PROMOTED, depth=0)
    line.night(DAYS[1], Verdict.PROMOTED, depth=1)
    line.night(DAYS[2], Verdict.PROMOTED, depth=2)
    line.night(DAYS[3], Verdict.QUARANTINED, depth=1)
    assert line.state().parent(2).generation == DAYS[1]
    assert line.state().parent(1).generation == DAYS[0]
    assert line.state().incumbent.generation == DAYS[2]


def test_without_a_release_the_parent_is_the_baseline():
    line = Line()
    line.night(DAYS[0], Verdict.QUARANTINED)
    assert line.state().parent(2) == Parent()


def test_a_backfilled_night_takes_the_parent_it_would_have_had():
    line = Line()
    for day in DAYS[:4]:
        line.night(day, Verdict.PROMOTED, depth=0)
    assert line.state().before(DAYS[2]).parent(2).generation == DAYS[1]


def test_best_goes_by_the_exact_suite_version_before_older_ones():
    line = Line()
    line.night(DAYS[0], Verdict.PROMOTED, points={"standard@old": 0.9})
    line.night(DAYS[1], Verdict.PROMOTED, points={"standard@new": 0.7})
    line.night(DAYS[2], Verdict.PROMOTED, points={"standard@new": 0.6})
    suite = SuiteRecord(name="standard", version="new", rows=600)
    assert line.state().best(suite).generation == DAYS[1]
    old = suite.model_copy(update={"version": "old"})
    assert line.state().best(old).generation == DAYS[0]
    # 0.9 was on other rows: of the version scored last, DAYS[1] has the most.
    unseen = suite.model_copy(update={"version": "newest"})
    assert line.state().best(unseen).generation == DAYS[1]
    assert line.state().best(SuiteRecord(name="hard", version="x", rows=600)) is None


def test_the_best_release_is_remembered_when_a_suite_moves_on():
    line = Line()
    line.night(DAYS[0], Verdict.PROMOTED, points={"shadow@2026-10.a": 0.9})
    first = line.state().best(SuiteRecord(name="shadow", version="2026-11.b", rows=600))
    assert first.generation == DAYS[0]
    # Promoted with 0.99 of it on the new rows: there the first release would have had 0.8.
    metrics = {"shadow.accuracy.ratio_to_best": 0.99}
    points = {"shadow@2026-11.b": 0.792}
    line.night(DAYS[1], Verdict.PROMOTED, points=points, best={"shadow": first}, metrics=metrics)
    moved = SuiteRecord(name="shadow", version="2026-11.b", rows=600)
    assert line.state().best(moved).generation == DAYS[0]
    line.night(DAYS[2], Verdict.PROMOTED, points={"shadow@2026-11.b": 0.81})
    assert line.state().best(moved).generation == DAYS[2]


def test_redoing_a_night_makes_its_descendants_stale():
    line = Line()
    line.night(DAYS[0], Verdict.PROMOTED)
    line.night(DAYS[1], Verdict.PROMOTED, line=(DAYS[0],))
    line.night(DAYS[2], Verdict.QUARANTINED, line=(DAYS[0], DAYS[1]))
    assert line.state().descendants(DAYS[1]) == [DAYS[2]]
    for day in line.state().descendants(DAYS[1]):
        line.say(Happening.STALED, day, {})
    line.night(DAYS[1], Verdict.PROMOTED, attempt=2, line=(DAYS[0],))
    state = line.state()
    assert state.generations[DAYS[2]].status is Status.STALE
    assert state.incumbent.manifest.model == f"model of {DAYS[1]}.2"
    assert [g.generation for g in state.active] == DAYS[:2]


def test_an_open_attempt_hides_the_release_it_redoes():
    line = Line()
    line.night(DAYS[0], Verdict.PROMOTED)
    line.night(DAYS[0], None, attempt=2)
    assert line.state().releases == []


def test_a_decision_on_an_older_attempt_changes_nothing():
    line = Line()
    line.night(DAYS[0], Verdict.PROMOTED, attempt=1)
    settled = line.events.pop()
    line.night(DAYS[0], None, attempt=2)
    line.events.append(settled)
    assert line.state().generations[DAYS[0]].status is Status.OPEN


def test_work_out_of_order_is_refused_and_says_how_to_redo():
    line = Line()
    for day in DAYS[:3]:
        line.night(day, Verdict.PROMOTED)
    state = line.state()
    state.admit(DAYS[3], again=False)
    state.admit(DAYS[2], again=False)  # the newest night may be done once more
    state.admit(DAYS[1], again=True)
    with pytest.raises(OutOfOrderError, match="--again DATE"):
        state.admit(DAYS[1], again=False)
    with pytest.raises(OutOfOrderError):
        state.admit("2025-12-31", again=True)  # never run: it cannot be redone


@given(st.lists(st.tuples(st.sampled_from(list(Verdict)), st.integers(0, 3)), max_size=7))
def test_a_quarantined_or_failed_night_is_never_a_parent(nights):
    line = Line()
    for day, (verdict, depth) in zip(DAYS, nights, strict=False):
        line.night(day, verdict, depth=depth)
    parent = line.state().parent(2)
    good = [
        day
        for day, (verdict, depth) in zip(DAYS, nights, strict=False)
        if verdict is Verdict.PROMOTED and depth < 2
    ]
    assert parent.generation == (good[-1] if good else "")


@given(cut=st.integers(0, 7))
def test_replaying_in_two_parts_is_replaying_once(cut):
    line = Line()
    line.night(DAYS[0], Verdict.PROMOTED)
    line.night(DAYS[1], Verdict.PROMOTED, line=(DAYS[0],))
    line.say(Happening.STALED, DAYS[1], {})
    line.night(DAYS[0], Verdict.QUARANTINED, attempt=2)
    first = replay("toy", line.events[:cut])
    assert replay("toy", line.events[cut:], onto=first) == line.state()
