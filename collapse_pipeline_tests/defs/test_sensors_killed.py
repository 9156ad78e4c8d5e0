"""`kill -9` of a tick and of the whole daemon: started again, the same end, all said once."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest

from collapse_pipeline.defs.sensors import RESUME
from collapse_pipeline_tests.defs.house import causes, first_night, stopped_night

PATIENCE = 200.0  # seconds until a daemon has loaded the code and ticked

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    first = first_night(tmp_path_factory.mktemp("first"))
    return stopped_night(first, tmp_path_factory.mktemp("stopped"))


@pytest.fixture
def house(stopped, tmp_path):
    with stopped.copy(tmp_path) as house:
        yield house


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


def test_killed_between_any_two_writes_and_started_again(house):
    """A killed tick saves no cursor, so every one here starts with none."""

    def tick_until(point):
        program = [sys.executable, "-c", TICK, str(house.home), str(house.config), point]
        return subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)

    so_far = []
    for point in POINTS:
        ended = tick_until(point)
        assert ended.returncode == -signal.SIGKILL, (point, ended.stderr)
        so_far.append((len(house.written()), *map(len, house.shown())))
    assert so_far == [(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0), (3, 0, 0), (3, 1, 0), (3, 1, 1)]
    for tick in (house.tick, house.tick, lambda: house.tick(RESUME)):
        tick()
        ((teacher,), ((passed, _),)) = house.shown()
        assert house.written() == causes(teacher)
        assert not passed
    assert house.status() == "quarantined"


# What the daemon loads: the real definitions, in which one point of a tick kills everything, once.
LOADED = """
import os, signal
from pathlib import Path
import dagster as dg
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
report = dg.DagsterInstance.report_runless_asset_event
dg.DagsterInstance.report_runless_asset_event = killed(report, home / "kill_before_observation")
from collapse_pipeline.definitions import defs
"""


@contextmanager
def daemon(house, folder):
    """Dagster's daemon with its code server, in a process group of its own."""
    (folder / "loaded.py").write_text(LOADED, "utf-8")
    places = {
        "DAGSTER_HOME": house.home,
        "COLLAPSE_PIPELINE_HOME": house.home,
        "COLLAPSE_PIPELINE_CONFIG": house.config,
    }
    with (folder / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-m", "loaded", "-d", folder],
            env=os.environ | {name: str(place) for name, place in places.items()},
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until(done, folder):
    give_up = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > give_up:
            pytest.fail((folder / "daemon.log").read_text("utf-8")[-3000:])
        time.sleep(0.2)


def test_the_whole_daemon_killed_and_started_again(house, tmp_path):
    for flag, written in (("kill_before_ledger", 0), ("kill_before_observation", 3)):
        (house.home / flag).touch()
        with daemon(house, tmp_path) as process:
            wait_until(lambda process=process: process.poll() is not None, tmp_path)
            assert process.returncode == -signal.SIGKILL
        assert not (house.home / flag).exists()
        assert (len(house.written()), house.shown()) == (written, ([], []))
    with daemon(house, tmp_path):
        wait_until(lambda: house.shown()[1], tmp_path)
    ((teacher,), ((passed, _),)) = house.shown()
    assert house.written() == causes(teacher)
    assert not passed
