"""Small nights with a gate that surely fires, through Dagster's own runs and the sensors."""

import dagster as dg
import pytest

from collapse_pipeline.definitions import build_definitions
from collapse_pipeline.defs import checks, sensors, stages
from collapse_pipeline.defs.check_history import last_result
from collapse_pipeline.defs.governing import lift
from collapse_pipeline.defs.running import RunRequest, run_corpus
from collapse_pipeline.defs.sensors import RESUME
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.errors import BackendError
from collapse_pipeline.records import Component
from collapse_pipeline_tests.defs.house import (
    CORPUS,
    FIRST,
    NIGHT,
    causes,
    first_night,
    stopped_night,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return first_night(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def stopped(first, tmp_path_factory):
    return stopped_night(first, tmp_path_factory.mktemp("stopped"))


@pytest.fixture
def house(first, tmp_path):
    with first.copy(tmp_path) as house:
        yield house


@pytest.fixture
def stopped_house(stopped, tmp_path):
    with stopped.copy(tmp_path) as house:
        yield house


def test_a_stopped_night_is_settled_and_shown_once(stopped_house):
    house = stopped_house
    assert (house.status(), house.written()) == ("open", [])
    said = house.tick()
    ((teacher,), ((passed, event),)) = house.shown()
    assert said == f"{CORPUS} {NIGHT} quarantined; {teacher} frozen"
    assert house.written() == causes(teacher)
    assert not passed
    assert [house.tick(), house.tick(RESUME)] == ["nothing new", "nothing new"]
    # A sensor that forgot everything says and writes nothing twice either.
    house.cursors.clear()
    house.tick()
    assert house.written() == causes(teacher)
    assert house.shown() == ([teacher], [(False, event)])


def test_a_lifted_freeze_turns_the_check_green_again(stopped_house):
    house = stopped_house
    house.tick()
    ((teacher,), _) = house.shown()
    with open_workshop(house.settings) as shop:
        version = teacher.partition(" ")[2]
        lift(shop, CORPUS, Component.TEACHER, version, "read 50 rows, all fine", "ann")
    assert house.tick() == "nothing new"
    assert house.tick(RESUME) == f"{teacher} active"
    assert house.tick(RESUME) == "nothing new"
    observed, told = house.shown()
    assert observed == [teacher, teacher]
    assert [passed for passed, _ in told] == [False, True]


def test_a_night_that_is_worked_on_waits(stopped_house):
    house = stopped_house
    with open_workshop(house.settings, actor="another run") as shop:
        shop.hold(CORPUS)
        assert house.tick() == "nothing new"
        assert (house.status(), house.written()) == ("open", [])
    assert house.tick().startswith(f"{CORPUS} {NIGHT} quarantined")


def test_a_run_that_waits_for_the_corpus_settles_it_by_itself(stopped_house):
    house = stopped_house
    job = build_definitions(house.settings).resolve_job_def(f"refresh_{CORPUS}")
    run = house.instance.create_run_for_job(job, tags=job.tags)
    assert house.tick() == "nothing new"
    house.instance.report_run_canceled(run)
    assert house.tick().startswith(f"{CORPUS} {NIGHT} quarantined")


def test_what_the_command_settled_is_only_shown(house):
    def job_of(settings, corpus):
        return build_definitions(settings).resolve_job_def(f"refresh_{corpus}")

    request = RunRequest()
    run_corpus(house.settings, job_of, house.instance, CORPUS, request, told=lambda end: None)
    before = house.written()
    assert before[-1] == f"{CORPUS}/{NIGHT}/1/settled"
    said = house.tick()
    ((teacher,), told) = house.shown()
    assert said == f"{teacher} frozen"
    assert (house.written(), len(told)) == (before, 1)


def test_a_warning_gate_inside_a_successful_run_is_seen(house, monkeypatch):
    house.gate("warn")
    # First the night is cut off behind its gate: it can be taken up again, so it stays open.
    with monkeypatch.context() as patched:
        patched.setitem(stages.STAGES, "judged_batch", broken_edge)
        assert not house.run().success
    assert (house.tick(), house.status(), house.written()) == ("nothing new", "open", [])
    assert house.run().success
    before = house.written()  # by the run itself, which went on to its end
    assert house.tick().endswith("frozen")
    ((teacher,), _) = house.shown()
    assert house.written() == before == causes(teacher)


def broken_edge(shop, record):
    raise BackendError("a judge", "none", "come again")


def test_a_check_that_raises_ends_its_night(house, monkeypatch):
    def broken(*given):
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(checks, "gate_asset", broken)
        assert not house.run().success
    check = dg.AssetCheckKey(dg.AssetKey([CORPUS, "synthetic_batch"]), "always_fires")
    assert last_result(house.instance, check).partition == FIRST  # the last one with a result
    assert house.status() == "open"
    assert house.tick() == f"{CORPUS} {NIGHT} failed"
    assert house.written() == [f"{CORPUS}/{NIGHT}/1/settled"]
    assert house.tick() == "nothing new"
    # The next attempt is not judged by the crash of the one before, whatever a cursor forgot.
    with monkeypatch.context() as patched:
        patched.setitem(stages.STAGES, "synthetic_batch", broken_edge)
        assert not house.run().success
    house.cursors.clear()
    assert (house.tick(), house.status()) == ("nothing new", "open")


def test_one_corpus_that_cannot_be_settled_waits_alone(stopped_house, monkeypatch):
    def broken(*given):
        raise BackendError("a disk", "none", "come again")

    house = stopped_house
    with monkeypatch.context() as patched:
        patched.setattr(sensors, "settle", broken)
        assert house.tick() == "nothing new"
    assert house.tick().startswith(f"{CORPUS} {NIGHT} quarantined")
