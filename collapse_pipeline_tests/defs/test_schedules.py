from datetime import UTC, datetime

import dagster as dg
import pytest

from collapse_pipeline.defs.resources import HomeResource
from collapse_pipeline.defs.schedules import nightly_definitions
from collapse_pipeline.settings import ScheduleSettings

FIRST = "2026-10-01"


def repository(**settings):
    home = dg.Definitions(resources={"home": HomeResource(home="nowhere")})
    nightly = nightly_definitions("tickets", FIRST, ScheduleSettings(**settings), gates=())
    return dg.Definitions.merge(home, nightly).get_repository_def()


def nightly(**settings):
    return repository(**settings).get_schedule_def("refresh_tickets_schedule")


# Dagster's own schedule of a partitioned job calls it.
@pytest.mark.filterwarnings("ignore:Function `JobDefinition.run_request_for_partition`")
def test_a_tick_asks_for_the_night_that_ended():
    tick = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
    context = dg.build_schedule_context(scheduled_execution_time=tick)
    (request,) = nightly().evaluate_tick(context).run_requests
    assert request.partition_key == "2026-11-19"


def test_the_queue_knows_a_corpus_by_the_tag_of_its_job():
    assert repository().get_job("refresh_tickets").run_tags["collapse/corpus"] == "tickets"


def test_it_is_switched_on_in_configuration():
    assert nightly().default_status is dg.DefaultScheduleStatus.STOPPED
    on = nightly(enabled=True, hour=4, minute=30)
    assert (on.default_status, on.cron_schedule) == (dg.DefaultScheduleStatus.RUNNING, "30 4 * * *")


def test_partitions_begin_with_the_first_generation():
    days = repository().get_job("refresh_tickets").partitions_def
    now = datetime(2026, 10, 4, 12, tzinfo=UTC)
    assert days.get_partition_keys(now) == ["2026-10-01", "2026-10-02", "2026-10-03"]
