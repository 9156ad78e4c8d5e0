"""The gate calibration on Dagster's pages: an asset that is made when asked for, and shown when
a night first uses it."""

import json

import dagster as dg
import pytest

from collapse_pipeline.definitions import build_definitions
from collapse_pipeline.defs import replicates, side_by_side
from collapse_pipeline.defs.calibrating import in_force, taught_by
from collapse_pipeline.defs.lineage_events import report_components
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.running import instance_of
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.settings import load_settings, today_utc
from collapse_pipeline_tests.defs.gated import CORPUS, NIGHTS, shop_in

KEY = dg.AssetKey([CORPUS, "gate_calibration"])


@pytest.fixture
def home(gated_home, monkeypatch):
    """Replicates are made by hand here, and one of them has a figure less."""

    def replicate(bought, folder, number):
        figures = {"1": {"unigram_entropy": 7.0 + number} | ({"odd": 1.0} if number else {})}
        (folder / f"{number}.json").write_text(json.dumps(figures))

    monkeypatch.setattr(replicates, "_replicate", replicate)
    monkeypatch.setattr(side_by_side.os, "sched_getaffinity", lambda _: {0})
    return gated_home


def shown(instance):
    return [
        {name: value.value for name, value in record.asset_materialization.metadata.items()}
        for record in instance.fetch_materializations(KEY, limit=9).records
    ]


def test_materialising_it_is_the_decision_to_use_it(home):
    shop_in(home).close()
    at = load_settings(home)
    with instance_of(at) as instance:
        ended = (
            build_definitions(at)
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=instance,
                asset_selection=[KEY],
                run_config={
                    "ops": {f"{CORPUS}__gate_calibration": {"config": {"reason": "new texts"}}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
        )
        (page,) = shown(instance)
    assert ended.success
    with shop_in(home) as shop:
        made = in_force(shop, CORPUS)
        (event,) = shop.ledger.events(corpus=CORPUS, kinds=[Act.GATES_CALIBRATED])
        settings = shop.settings.corpus(CORPUS)
        assert taught_by(shop.line(CORPUS), today_utc(), settings) == today_utc()
    assert event.reason == "new texts"
    assert page["version"] == made.version == event.payload["version"]
    assert (page["source"], page["replicates"], page["rows_of_each_batch"]) == ("pilot", 8, 100)
    assert set(page["holds_for"]) >= {"schema", "labels", "student_settings", "embedder"}
    # Entropies 7 to 14, of which the middle is 10.5; the other figure is there seven times.
    assert "| 1 | unigram_entropy | 10.5 | 7 | 14 | 8 |" in page["nulls"].replace("\\_", "_")
    assert "| 1 | odd | 1 | 1 | 1 | 7 |" in page["nulls"]


def test_the_first_night_that_uses_it_shows_it(home):
    with shop_in(home) as shop, instance_of(load_settings(home)) as instance:
        for day in NIGHTS[1:3]:
            record = open_generation(shop, CORPUS, day)
            changed = report_components(instance, shop, record)
            assert ("gate_calibration" in changed) == (day == NIGHTS[1])
        (page,) = shown(instance)
        assert page["version"] == record.calibration
        assert page["first_used_by"] == NIGHTS[1]
        assert page["human_rows"] == 410
