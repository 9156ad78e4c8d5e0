"""Scenes that the tests of the default gates share: each is calibrated once, in seconds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.backends.readers.files import Columns
from collapse_pipeline.defs.corpora import add_corpus, ensure_corpus
from collapse_pipeline.defs.replicates import Bought, parts_of, rows_drawn
from collapse_pipeline.defs.workshop import Workshop, open_workshop
from collapse_pipeline.loop.arrival import Arrival
from collapse_pipeline.loop.calibrate import Calibration, healthy_night
from collapse_pipeline.loop.gate import Gate
from collapse_pipeline.records import derived_seed
from collapse_pipeline.settings import load_settings
from collapse_pipeline_tests.config.scene import NIGHT, OF_THE_LINE, SEED, Scene

REPLICATES = 8
DEFAULT = load_gates(Path("no home of its own"))
# Human rows and gates; a bank of questions is there for what only questions have.
SCENES = {
    "customer_service": (600, DEFAULT),
    "question_bank": (300, [gate for gate in DEFAULT if gate.name == "questions_alike"]),
}


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """The scene of a reference corpus by its name, made when it is first asked for."""
    made: dict[str, Scene] = {}

    def scene(corpus: str) -> Scene:
        if corpus not in made:
            human_rows, gates = SCENES[corpus]
            home = tmp_path_factory.mktemp(corpus)
            config = home / "small.yaml"
            config.write_text(yaml.safe_dump(small(corpus, human_rows)), "utf-8")
            with open_workshop(load_settings(home, config)) as shop:
                ensure_corpus(shop, corpus, NIGHT)
                made[corpus] = scene_of(shop, corpus, gates)
        return made[corpus]

    return scene


@pytest.fixture(scope="session")
def banking(tmp_path_factory, shared_data):
    """A scene of Banking77, whose teacher is the n-gram student."""
    folder = tmp_path_factory.mktemp("banking")
    rows = pq.read_table(shared_data / "banking77.parquet")
    picks = np.random.default_rng(SEED).permutation(rows.num_rows)[:2_400]
    pq.write_table(rows.take(picks), folder / "rows.parquet")
    columns, arrival = Columns(prompt="text", label="label"), Arrival(first_generation=NIGHT)
    settings = {"generate": {"rows": 1_200}, "gates": {"rows": 700}}
    with open_workshop(load_settings(folder / "home")) as shop:
        add_corpus(shop, "banking", folder / "rows.parquet", columns, arrival, settings)
    with open_workshop(load_settings(folder / "home")) as shop:
        yield scene_of(shop, "banking", DEFAULT)


def scene_of(shop: Workshop, corpus: str, gates: Sequence[Gate]) -> Scene:
    """Calibrates these gates on a corpus that was taken in."""
    chosen, home = shop.settings.corpus(corpus), shop.settings.home
    settings = chosen.model_dump(mode="json")
    bought = Bought(home, shop.settings.config, corpus, settings, NIGHT)
    parts, human, _, applies, suites = parts_of(shop, bought)
    rows = rows_drawn(chosen, human.num_rows)
    values = [
        healthy_night(parts, human, gates, applies, suites, rows, 1, derived_seed(SEED, number))[1]
        for number in range(REPLICATES)
    ]
    calibration = Calibration(
        corpus=corpus,
        source="pilot" if chosen.teacher.kind == "simulated" else "refits",
        facts={},
        human_rows=human.num_rows,
        rows=rows,
        seed=SEED,
        nulls={"1": {name: tuple(value[name] for value in values) for name in values[0]}},
    )
    there = tuple(dict.fromkeys((*applies, *OF_THE_LINE)))
    return Scene(parts, human, there, suites, tuple(gates), calibration)


def small(corpus: str, human_rows: int) -> dict[str, object]:
    """A configuration under which as many human rows are there on the first night."""
    rows = {"rows": max(1_000, 3 * human_rows), "initial_rows": human_rows, "nightly_rows": 10}
    sizes = {"generate": {"rows": 2 * human_rows // 3}, "gates": {"rows": human_rows // 2}}
    return {"defaults": sizes, "corpora": {corpus: {"arrival": rows | {"eval_share": 0.4}}}}
