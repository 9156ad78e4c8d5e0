"""A small home whose second night a gate surely stops, as Dagster alone leaves it: for tests of
what the sensors make of it."""

import shutil
from contextlib import contextmanager

import dagster as dg

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.definitions import build_definitions
from collapse_pipeline.defs import calibrating
from collapse_pipeline.defs.in_service import LEDGER_EVENT, asset_of
from collapse_pipeline.defs.running import instance_of
from collapse_pipeline.defs.sensors import FREEZE, gate_sensors
from collapse_pipeline.defs.workshop import open_workshop
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

    def copy(self, folder):
        """The same home elsewhere, with an instance of its own to be closed."""
        shutil.copytree(self.home, folder / "home")
        return open_house(folder / "home", self.config)


@contextmanager
def open_house(home, config):
    with instance_of(load_settings(home, config)) as instance:
        yield House(home, config, instance)


def first_night(folder):
    """A home whose first night is done and whose gates are calibrated, though none reads it."""
    home, config = folder / "home", folder / "config.yaml"
    config.write_text(CONFIG, "utf-8")
    home.mkdir()
    with open_house(home, config) as house:
        house.gate("block")
        assert house.run(FIRST).success
    with open_workshop(house.settings) as shop:
        human = shop.store.read("human_anchor", CORPUS)
        made = Calibration(
            corpus=CORPUS,
            source="refits",
            facts=calibrating.facts_of(house.settings.corpus(CORPUS), labels_of(human)),
            human_rows=human.num_rows,
            rows=100,
            seed=17,
            nulls={"1": {}},
        )
        calibrating.keep(home, made)
        calibrating.put_in_force(shop, made, "nothing is calibrated")
    return house


def stopped_night(first, folder):
    """A copy whose second night a gate stopped, with nothing of that in the ledger yet."""
    with first.copy(folder) as house:
        assert not house.run().success
    return house


def causes(teacher):
    """Keys of what the stopped night causes, in order."""
    night = f"{CORPUS}/{NIGHT}/1"
    froze = f"{night}/freeze/{teacher}/always_fires"
    return [f"{night}/breach/always_fires", froze, f"{night}/settled"]
