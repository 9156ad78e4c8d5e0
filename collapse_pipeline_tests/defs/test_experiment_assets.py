"""The gradient on Dagster's pages: a partition a share, and what all of them support."""

import json

import dagster as dg
import pytest

from collapse_pipeline.definitions import build_definitions
from collapse_pipeline.defs import experimenting
from collapse_pipeline.defs.experiment_assets import SHARES
from collapse_pipeline.defs.experimenting import SHARES as ASKED
from collapse_pipeline.defs.running import instance_of
from collapse_pipeline.loop.experiment_gradient import PERPLEXITY
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.settings import load_settings
from collapse_pipeline_tests.defs.gated import CORPUS, NIGHTS, shop_in
from collapse_pipeline_tests.loop.experiments import cell_by_hand

GRADIENT = dg.AssetKey([CORPUS, "ratio_gradient"])
SUPPORTED = dg.AssetKey([CORPUS, "supported_share"])
CONFIG = {"seeds": 2, "generations": 1, "night": NIGHTS[1]}


@pytest.fixture
def worked(gated_home, monkeypatch):
    """Cells are made by hand; what was asked for is written down."""
    asked = []

    def work(plan, what, seed):
        asked.append((what, seed))
        share = float(what) / 100
        right = "1" * (800 - seed) + "0" * (200 + seed)
        figures = {PERPLEXITY: 1 + share, ("written", "distinct_2"): 0.5}
        made = cell_by_hand(share, seed, {"standard": right}, figures, reached=share)
        experimenting._file(plan, what, seed).write_text(json.dumps(made))

    monkeypatch.setattr(experimenting, "_cell", work)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    shop_in(gated_home).close()
    return gated_home, asked


def materialised(at, instance, key, partition=None):
    op = "__".join(key.path)
    job = build_definitions(at).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        asset_selection=[key],
        partition_key=partition,
        raise_on_error=False,
        run_config={
            "ops": {op: {"config": CONFIG}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
    )


def page(instance, key):
    found = instance.fetch_materializations(key, limit=1).records[0]
    return {name: v.value for name, v in found.asset_materialization.metadata.items()}


def test_the_partitions_are_the_shares_of_the_command():
    assert SHARES.get_partition_keys() == [str(share) for share in ASKED]


def test_shares_are_worked_out_one_by_one_and_then_put_on_record(worked):
    home, asked = worked
    at = load_settings(home)
    with instance_of(at) as instance:
        assert materialised(at, instance, GRADIENT, "30").success
        assert sorted(asked) == [("30", 1), ("30", 2)]
        shown = page(instance, GRADIENT)
        assert (shown["reached"], shown["night"]) == (0.3, NIGHTS[1])
        assert shown["standard.perplexity.ratio_to_baseline"] == 1.3
        assert materialised(at, instance, GRADIENT, "30").success
        assert len(asked) == 2  # resumed: nothing was missing
        early = materialised(at, instance, SUPPORTED)
        assert not early.success
        said = str(early.all_events)
        assert "none or too few of 0, 10, 50, 70, 90, 100%" in said
        for share in SHARES.get_partition_keys():
            assert materialised(at, instance, GRADIENT, share).success
        assert materialised(at, instance, SUPPORTED).success
        assert len(asked) == 14
        shown = page(instance, SUPPORTED)
    with shop_in(home) as shop:
        (event,) = shop.ledger.events(corpus=CORPUS, kinds=[Act.EXPERIMENT_RECORDED])
    assert shown["supported_share"] == event.payload["share"] == 0.5  # perplexity 1.5, then 1.7
    assert shown["cap"] == event.reason
    assert shown["experiment"] == event.payload["experiment"]
    assert "| 0.3 | 0.3 | 1 | 1.3 |" in shown["shares"]
