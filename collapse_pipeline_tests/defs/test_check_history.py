import dagster as dg
import pytest

from collapse_pipeline.defs import check_history
from collapse_pipeline.defs.check_history import last_result, newest_ids, unpassed_since

BATCH = dg.AssetKey(["toy", "synthetic_batch"])
STYLE, COVERAGE = dg.AssetCheckKey(BATCH, "style"), dg.AssetCheckKey(BATCH, "coverage")


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def said(instance, passed, night="2026-11-01", check=STYLE):
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=check.asset_key, check_name=check.name, passed=passed, partition=night
        )
    )


def run_checks(instance, broken):
    """One run of both checks, of which `style` raises if it is broken."""

    @dg.asset(key=BATCH)
    def batch():
        return None

    @dg.asset_check(asset=batch, name="style")
    def style():
        if broken:
            raise ZeroDivisionError
        return dg.AssetCheckResult(passed=True)

    @dg.asset_check(asset=batch, name="coverage")
    def coverage():
        return dg.AssetCheckResult(passed=False)

    job = dg.Definitions(
        assets=[batch],
        asset_checks=[style, coverage],
        jobs=[dg.define_asset_job("night")],
        loggers={"console": dg.colored_console_logger},
    ).resolve_job_def("night")
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return job.execute_in_process(instance=instance, run_config=quiet, raise_on_error=False)


def test_what_did_not_pass_is_told_oldest_first_with_its_night(instance):
    for number, passed in enumerate([False, True, False, True], 1):
        said(instance, passed, f"2026-11-0{number}")
    found = unpassed_since(instance, STYLE, 0)
    assert [(one.id, one.night, one.step) for one in found] == [
        (1, "2026-11-01", ""),
        (3, "2026-11-03", ""),
    ]
    assert newest_ids(instance, [STYLE, COVERAGE]) == {STYLE: 4}


@pytest.mark.parametrize("page", [1, 2, 5, 50])
def test_nothing_is_lost_between_pages(instance, monkeypatch, page):
    monkeypatch.setattr(check_history, "PAGE", page)
    for number in range(1, 6):
        said(instance, False, f"2026-11-0{number}")
    for after in range(6):
        found = [one.id for one in unpassed_since(instance, STYLE, after)]
        assert found == list(range(after + 1, 6))


def test_of_two_checks_each_has_its_own_history(instance):
    said(instance, False)
    said(instance, True, check=COVERAGE)
    assert [one.check for one in unpassed_since(instance, STYLE, 0)] == [STYLE]
    assert unpassed_since(instance, COVERAGE, 0) == []
    assert newest_ids(instance, [STYLE, COVERAGE]) == {STYLE: 1, COVERAGE: 2}


def test_a_check_that_raises_is_unpassed_and_names_its_step(instance):
    result = run_checks(instance, broken=True)
    (one,) = unpassed_since(instance, STYLE, 0)
    assert (one.run_id, one.night) == (result.run_id, "")
    assert one.step in [event.step_key for event in result.all_events if event.is_step_failure]
    assert last_result(instance, STYLE) is None
    # It keeps its id when a later run passes, and that one has another.
    run_checks(instance, broken=False)
    assert unpassed_since(instance, STYLE, 0) == [one]
    assert last_result(instance, STYLE).passed
    assert newest_ids(instance, [STYLE])[STYLE] > one.id


def test_a_check_that_fails_has_no_step_to_look_for(instance):
    run_checks(instance, broken=False)
    (one,) = unpassed_since(instance, COVERAGE, 0)
    assert one.step == ""
    assert not last_result(instance, COVERAGE).passed


def test_a_check_that_never_ran_has_no_history(instance):
    assert newest_ids(instance, [STYLE]) == {}
    assert newest_ids(instance, []) == {}
    assert unpassed_since(instance, STYLE, 0) == []
    assert last_result(instance, STYLE) is None
