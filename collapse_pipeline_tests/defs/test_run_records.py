import tomllib

import dagster as dg
import pytest

from collapse_pipeline.backends.yaml_files import read_yaml
from collapse_pipeline.defs import run_records
from collapse_pipeline.defs.run_records import (
    LOCATION,
    close_dead_runs,
    known_to_the_pages,
    limit_pools,
    nights_in_order,
    pool_of,
)
from collapse_pipeline.defs.running import instance_of
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.settings import PROJECT, load_settings


@dg.job(tags={"collapse/corpus": "customer_service"})
def refresh():
    pass


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return load_settings(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def instance(settings):
    with instance_of(settings) as instance:
        yield instance


@pytest.fixture
def killed(instance, monkeypatch):
    """A run under way since long ago, whose process is gone."""
    monkeypatch.setattr(run_records, "SILENT_SECONDS", -1.0)
    run = instance.create_run_for_job(refresh, tags=refresh.tags)
    instance.report_dagster_event(
        dg.DagsterEvent("PIPELINE_START", refresh.name, message="started"), run.run_id
    )
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.STARTED
    yield run.run_id
    run = instance.get_run_by_id(run.run_id)
    if not run.is_finished:
        instance.report_run_failed(run)


def test_a_run_of_the_command_line_has_the_origin_of_the_pages(instance):
    with known_to_the_pages(instance, "refresh"):
        run = refresh.execute_in_process(instance=instance).dagster_run
    origin = run.remote_job_origin
    assert (origin.location_name, origin.job_name) == (LOCATION, "refresh")
    assert run.tags["dagster/code_location"] == LOCATION
    # Afterwards the instance is as it was.
    assert refresh.execute_in_process(instance=instance).dagster_run.remote_job_origin is None


def test_the_location_has_one_name_however_it_is_loaded():
    workspace, _ = read_yaml(PROJECT / "workspace.yaml")
    assert workspace["load_from"][0]["python_module"]["location_name"] == LOCATION
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["dg"]
    assert project["project"]["code_location_name"] == LOCATION
    # `dagster dev -m` names a location after its module.
    assert project["project"]["code_location_target_module"] == LOCATION


def test_a_run_whose_process_was_killed_is_closed(instance, settings, killed):
    assert close_dead_runs(instance, settings) == [killed]
    assert instance.get_run_by_id(killed).status is dg.DagsterRunStatus.FAILURE
    assert close_dead_runs(instance, settings) == []


def test_a_run_that_holds_its_corpus_is_left_alone(instance, settings, killed):
    with open_workshop(settings, actor="dagster run") as shop:
        shop.hold("customer_service")
        assert close_dead_runs(instance, settings) == []
    assert instance.get_run_by_id(killed).status is dg.DagsterRunStatus.STARTED


def test_a_run_that_has_just_started_is_left_alone(instance, settings, killed, monkeypatch):
    monkeypatch.setattr(run_records, "SILENT_SECONDS", 60.0)
    assert close_dead_runs(instance, settings) == []


def test_a_run_that_writes_its_end_is_left_alone(instance, settings, killed, monkeypatch):
    """Its leases are free already, and its last word was said while the sensor took them."""

    class Ending:
        def __enter__(self):
            monkeypatch.setattr(run_records, "SILENT_SECONDS", 60.0)
            return self

        def __exit__(self, *_):
            return None

        def hold(self, corpus):
            assert corpus == "customer_service"

    monkeypatch.setattr(run_records, "open_workshop", lambda settings: Ending())
    assert close_dead_runs(instance, settings) == []
    assert instance.get_run_by_id(killed).status is dg.DagsterRunStatus.STARTED


def test_the_pool_of_a_corpus_holds_one_before_its_first_run(instance):
    limit_pools(instance, ["tickets"])
    assert instance.event_log_storage.get_concurrency_info(pool_of("tickets")).slot_count == 1


def test_the_sensor_limits_pools_and_closes_runs(instance, settings, killed):
    sensor = nights_in_order(settings, ["tickets"])
    said = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
    assert killed in said.skip_message
    assert pool_of("tickets") in instance.event_log_storage.get_concurrency_keys()
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_one_night_of_a_corpus_at_a_time_from_the_first_run_on(instance):
    concurrency = instance.get_concurrency_config()
    assert concurrency.pool_config.pool_granularity.value == "run"
    assert concurrency.pool_config.default_pool_limit == 1
    limit = concurrency.run_queue_config.tag_concurrency_limits[0]
    assert (limit["key"], limit["limit"]) == ("collapse/corpus", 1)
