"""Governance on real text: nights that are run, not made up."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from collapse_pipeline.backends.readers.files import Columns
from collapse_pipeline.defs.corpora import add_corpus
from collapse_pipeline.defs.governing import freeze, lift
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.stages import STAGES
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.loop.arrival import Arrival
from collapse_pipeline.records import Component
from collapse_pipeline.settings import load_settings

NIGHTS = [f"2026-10-{day:02}" for day in range(1, 6)]
SMALL = {
    "generate": {"rows": 240},
    "evaluate": {"written_rows": 0, "primary_rows": 300, "draws": 100},
    "gates": {"enforce": False},
    "release": {"enforce": False},
    "mix": {"synthetic_cap": 0.5},
}
TEMPLATES = {"plain": "A customer writes about {{ intent }}.", "terse": "{{ intent }}, in brief."}


@pytest.fixture
def shop(shared_data, tmp_path):
    home: Path = tmp_path / "home"
    folder = home / "templates" / "banking"
    folder.mkdir(parents=True)
    for name, text in TEMPLATES.items():
        (folder / f"{name}.j2").write_text(f"---\nname: {name}\n---\n{text}")
    rows = pq.read_table(shared_data / "banking77.parquet").slice(0, 2500)
    pq.write_table(rows, tmp_path / "banking.parquet")
    columns = Columns(prompt="text", label="label")
    with open_workshop(load_settings(home), actor="cron") as shop:
        arrival = Arrival(first_generation=NIGHTS[0])
        add_corpus(shop, "banking", tmp_path / "banking.parquet", columns, arrival, SMALL)
        yield shop


def run(shop, day):
    record = open_generation(shop, "banking", day)
    for stage in STAGES.values():
        stage(shop, record)
    settle(shop, "banking", day)
    return record


def mixed_templates(shop, day):
    rows = shop.store.read("training_mix", "banking", [day], columns=["template", "written_in"])
    return {row["template"] for row in rows.to_pylist() if row["written_in"]}


@pytest.mark.real_data
@pytest.mark.slow
def test_banking77_goes_on_without_a_frozen_template_and_takes_it_back(shop):
    run(shop, NIGHTS[0])
    plain, terse = map(str, run(shop, NIGHTS[1]).templates)
    assert mixed_templates(shop, NIGHTS[1]) == {plain, terse}
    freeze(shop, "banking", Component.TEMPLATE, plain, "rigid", "ann")
    third = run(shop, NIGHTS[2])
    batch = shop.store.read("synthetic_batch", "banking", [NIGHTS[2]])
    assert set(batch["template"].to_pylist()) == {terse}
    assert mixed_templates(shop, NIGHTS[2]) == {terse}  # of earlier nights, too
    assert [brake.value for brake in third.in_force] == [f"template {plain}"]
    lift(shop, "banking", Component.TEMPLATE, plain, "looked at 50 rows", "bob")
    run(shop, NIGHTS[3])
    assert mixed_templates(shop, NIGHTS[3]) == {plain, terse}
