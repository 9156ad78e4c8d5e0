"""Small nights with a gate that surely fires, through Dagster's own runs and the sensors."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import dagster as dg
import pytest

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.definitions import build_definitions
from collapse_pipeline.defs import calibrating, checks, sensors, stages
from collapse_pipeline.defs.check_history import last_result
from collapse_pipeline.defs.governing import lift
from collapse_pipeline.defs.in_service import LEDGER_EVENT, asset_of
from collapse_pipeline.defs.running import RunRequest, instance_of, run_corpus
from collapse_pipeline.defs.sensors import FREEZE, RESUME, gate_sensors
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.errors import BackendError
from collapse_pipeline.loop.calibrate import Calibration
from collapse_pipeline.loop.consequence import BREACHED
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.lineage import Happening
from collapse_pipeline.records import Component, days_before, labels_of
from collapse_pipeline.settings import load_settings, today_utc

CORPUS = "customer_service"
FIRST, NIGHT = (days_before(today_utc(), days) for days in (2, 1))
CONFIG = """
defaults:
  generate: {rows: 240}
  evaluate: {written_rows: 20, primary_rows: 100, draws: 100}
  gates: {rows: 100}
  release: {enforce: false}
corpora:
  customer_service:
    arrival: {rows: 1200, eval_share: 0.4, initial_rows: 400, nightly_rows: 10}
    settings: {teacher: {kind: student}}
"""
# No share of duplicates is under -1: so nothing here depends on a calibration.
GATE = """
- name: always_fires
  asset: synthetic_batch
  metric: exact_duplicates
  bound: {{at_most: -1}}
  severity: {severity}
  actions: [freeze_teacher]
  why: It always does.
"""
TEACHER = asset_of(CORPUS, Component.TEACHER)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Specifying a partitions_def on an AssetCheckSpec"),
]


class House:
    """A home, Dagster's instance in it, and what both say."""

    def __init__(self, home, config, instance):
        self.home, self.config, self.instance = home, config, instance
        self.settings = load_settings(home, config)
        self.cursors = {}

    def gate(self, severity):
        (self.home / "gates.yaml").write_text(GATE.format(severity=severity), "utf-8")

    def run(self, night=NIGHT):
        """One night as Dagster runs it, and no command that settles it afterwards."""
        job = build_definitions(self.settings).resolve_job_def(f"refresh_{CORPUS}")
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        return job.execute_in_process(
            instance=self.instance, partition_key=night, run_config=quiet, raise_on_error=False
        )

    def tick(self, name=FREEZE):
        (sensor,) = [
            one
            for one in gate_sensors(self.settings, [CORPUS], load_gates(self.home))
            if one.name == name
        ]
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursors.get(name))
        result = sensor.evaluate_tick(context)
        self.cursors[name] = result.cursor
        return result.skip_message

    def status(self, night=NIGHT):
        with open_workshop(self.settings) as shop:
            return str(shop.line(CORPUS).generations[night].status)

    def written(self, night=NIGHT):
        """Keys of what the night caused, in the order of the ledger."""
        kinds = [BREACHED, *Act, Happening.SETTLED]
        with open_workshop(self.settings) as shop:
            events = shop.ledger.events(corpus=CORPUS, kinds=kinds, generation=night)
        return [event.key for event in events if event.kind != Act.ACTIVATED]

    def shown(self):
        """What the teacher's page has: events that were observed, and what the check said."""
        observed = self.instance.fetch_observations(TEACHER, limit=100, ascending=True).records
        history = self.instance.event_log_storage.get_asset_check_execution_history
        told = [r.evaluation for r in history(dg.AssetCheckKey(TEACHER, "in_service"), limit=100)]
        return (
            [r.asset_observation.metadata["component"].value for r in observed],
            [(e.passed, e.metadata[LEDGER_EVENT].value) for e in reversed(told)],
        )


@pytest.fixture(scope="module")
def first_night(tmp_path_factory):
    """A home whose first night is done and whose gates are calibrated, though none reads it."""
    home = tmp_path_factory.mktemp("house") / "home"
    config = home.parent / "config.yaml"
    config.write_text(CONFIG, "utf-8")
    home.mkdir()
    with instance_of(load_settings(home, config)) as instance:
        house = House(home, config, instance)
        house.gate("block")
        assert house.run(FIRST).success
    with open_workshop(house.settings) as shop:
        settings = house.settings.corpus(CORPUS)
        human = shop.store.read("human_anchor", CORPUS)
        made = Calibration(
            corpus=CORPUS,
            source="refits",
            facts=calibrating.facts_of(settings, labels_of(human)),
            human_rows=human.num_rows,
            rows=100,
            seed=17,
            nulls={"1": {}},
        )
        calibrating.keep(home, made)
        calibrating.put_in_force(shop, made, "nothing is calibrated")
    return home, config


@pytest.fixture
def house(first_night, tmp_path):
    """A copy of that home."""
    home, config = first_night
    shutil.copytree(home, tmp_path / "home")
    with instance_of(load_settings(tmp_path / "home", config)) as instance:
        yield House(tmp_path / "home", config, instance)


@pytest.fixture(scope="module")
def stopped(first_night, tmp_path_factory):
    """A home whose second night a gate stopped, with nothing of it in the ledger yet."""
    home, config = first_night
    copy = tmp_path_factory.mktemp("stopped") / "home"
    shutil.copytree(home, copy)
    with instance_of(load_settings(copy, config)) as instance:
        assert not House(copy, config, instance).run().success
    return copy, config


@pytest.fixture
def stopped_house(stopped, tmp_path):
    home, config = stopped
    shutil.copytree(home, tmp_path / "home")
    with instance_of(load_settings(tmp_path / "home", config)) as instance:
        yield House(tmp_path / "home", config, instance)


def causes(house, teacher):
    night = f"{CORPUS}/{NIGHT}/1"
    return [f"{night}/breach/always_fires", f"{night}/freeze/{teacher}/always_fires"] + [
        f"{night}/settled"
    ]


def test_a_stopped_night_is_settled_and_shown_once(stopped_house):
    house = stopped_house
    assert (house.status(), house.written()) == ("open", [])
    said = house.tick()
    ((teacher,), ((passed, event),)) = house.shown()
    assert said == f"{CORPUS} {NIGHT} quarantined; {teacher} frozen"
    assert house.written() == causes(house, teacher)
    assert not passed
    assert [house.tick(), house.tick(RESUME)] == ["nothing new", "nothing new"]
    # A sensor that forgot everything says and writes nothing twice either.
    house.cursors.clear()
    house.tick()
    assert house.written() == causes(house, teacher)
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
    ((teacher,), _) = (house.tick(), house.shown())[1]
    assert house.status() == "promoted"
    assert house.written() == causes(house, teacher)


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


# Kills its own process at one point of a tick, then ticks. Every point lies behind the one before.
TICK = """
import os, signal, sys, warnings
from pathlib import Path
import dagster as dg
from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.backends.ledgers.sql import SqlLedger
from collapse_pipeline.defs import sensors
from collapse_pipeline.defs.running import instance_of
from collapse_pipeline.settings import load_settings

warnings.simplefilter("ignore")
home, config, point = sys.argv[1:]
settings = load_settings(Path(home), Path(config))

def killed(when, work, after=True):
    def run(*given, **named):
        if not when(*given, **named):
            return work(*given, **named)
        if after:
            work(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    return run

always = lambda *given, **named: True
with instance_of(settings) as instance:
    report = instance.report_runless_asset_event
    if point == "evaluated":
        sensors.settle = killed(always, sensors.settle, after=False)
    if point in ("gate_breached", "component_frozen", "generation_settled"):
        SqlLedger.append = killed(lambda ledger, kind, **_: kind == point, SqlLedger.append)
    if point == "ledger":
        instance.report_runless_asset_event = killed(always, report, after=False)
    if point in ("AssetObservation", "AssetCheckEvaluation"):
        this = lambda event: type(event).__name__ == point
        instance.report_runless_asset_event = killed(this, report)
    for sensor in sensors.gate_sensors(settings, ["customer_service"], load_gates(settings.home)):
        sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
"""
POINTS = [
    "evaluated",
    "gate_breached",
    "component_frozen",
    "generation_settled",
    "ledger",
    "AssetObservation",
    "AssetCheckEvaluation",
]


def test_killed_between_any_two_writes_and_started_again(stopped_house):
    """A killed tick saves no cursor, so every tick here starts with none."""
    house = stopped_house

    def tick(point):
        program = [sys.executable, "-c", TICK, str(house.home), str(house.config), point]
        return subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)

    so_far = []
    for point in POINTS:
        ended = tick(point)
        assert ended.returncode == -signal.SIGKILL, (point, ended.stderr)
        so_far.append((len(house.written()), *map(len, house.shown())))
    assert so_far == [(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0), (3, 0, 0), (3, 1, 0), (3, 1, 1)]
    for _ in range(2):
        assert tick("").returncode == 0
        ((teacher,), ((passed, _),)) = house.shown()
        assert house.written() == causes(house, teacher)
        assert not passed
    assert house.status() == "quarantined"


# What the daemon loads: the real definitions, in which one point of a tick kills everything, once.
LOADED = """
import os, signal
from pathlib import Path
from collapse_pipeline.defs import sensors

def killed(work, flag):
    def run(*given, **named):
        if flag.exists():
            flag.unlink()
            os.killpg(os.getpgrp(), signal.SIGKILL)
        return work(*given, **named)
    return run

home = Path(os.environ["DAGSTER_HOME"])
sensors.settle = killed(sensors.settle, home / "kill_before_ledger")
sensors.show_changes = killed(sensors.show_changes, home / "kill_before_observation")
from collapse_pipeline.definitions import defs
"""


def test_the_whole_daemon_killed_and_started_again(stopped_house, tmp_path):
    house = stopped_house
    (tmp_path / "loaded.py").write_text(LOADED, "utf-8")
    places = {
        "DAGSTER_HOME": house.home,
        "COLLAPSE_PIPELINE_HOME": house.home,
        "COLLAPSE_PIPELINE_CONFIG": house.config,
    }

    def daemon():
        return subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-m", "loaded", "-d", tmp_path],
            env=os.environ | {name: str(place) for name, place in places.items()},
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    for flag, written in (("kill_before_ledger", 0), ("kill_before_observation", 3)):
        (house.home / flag).touch()
        assert daemon().wait(timeout=120) == -signal.SIGKILL
        assert (len(house.written()), house.shown()) == (written, ([], []))
    last = daemon()
    try:
        give_up = time.monotonic() + 120
        while len(house.shown()[1]) < 1 and time.monotonic() < give_up:
            time.sleep(0.5)
    finally:
        os.killpg(last.pid, signal.SIGKILL)
        last.wait()
    ((teacher,), ((passed, _),)) = house.shown()
    assert house.written() == causes(house, teacher)
    assert not passed
