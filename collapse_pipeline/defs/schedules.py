"""Partitions, the nightly job of a corpus and its schedule."""

from collections.abc import Sequence

import dagster as dg

from collapse_pipeline.defs.assets import corpus_assets
from collapse_pipeline.defs.calibration_assets import calibration_asset
from collapse_pipeline.defs.checks import gate_checks
from collapse_pipeline.defs.experiment_assets import experiment_assets
from collapse_pipeline.loop.gate import Gate
from collapse_pipeline.settings import ScheduleSettings


def nightly_definitions(
    corpus: str, first_generation: str, schedule: ScheduleSettings, gates: Sequence[Gate]
) -> dg.Definitions:
    """One corpus: its assets, its gates as checks, the job `refresh_<corpus>` and the nightly
    schedule.

    A partition is a night, from the first generation to yesterday (UTC). A whole generation is
    one run in one process, so that its stages share loaded models. The schedule is stopped until
    the configuration enables it.
    """
    generations = dg.DailyPartitionsDefinition(start_date=first_generation)
    job = dg.define_asset_job(
        f"refresh_{corpus}",
        selection=dg.AssetSelection.key_prefixes([corpus])
        & dg.AssetSelection.groups("3_generation", "4_release"),
        description=f"One night of {corpus}, from the generator to the release.",
        tags={"collapse/corpus": corpus},
    )
    status = dg.DefaultScheduleStatus
    nightly = dg.build_schedule_from_partitioned_job(
        job,
        hour_of_day=schedule.hour,
        minute_of_hour=schedule.minute,
        default_status=status.RUNNING if schedule.enabled else status.STOPPED,
    )
    return dg.Definitions(
        assets=[
            *corpus_assets(corpus, generations),
            calibration_asset(corpus),
            *experiment_assets(corpus),
        ],
        asset_checks=gate_checks(corpus, generations, gates),
        jobs=[job],
        schedules=[nightly],
    )
