"""Gates as Dagster shows them: which checks there are, what stops, and what an evaluation says."""

import dagster as dg
import pytest

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.definitions import build_definitions
from collapse_pipeline.defs.check_history import last_result
from collapse_pipeline.defs.checks import HUMAN_ONLY, TOO_LATE, gate_checks
from collapse_pipeline.defs.gating import values_of
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.running import instance_of
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.settings import load_settings
from collapse_pipeline_tests.defs.gated import (
    BOTH,
    CORPUS,
    FIRES,
    NIGHTS,
    calibrate_by_hand,
    gate,
    shop_in,
    write_gates,
)

NIGHT = NIGHTS[1]
QUESTIONS = BOTH[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pages(stopped):
    """Dagster's records of the nights of two corpora, one of which a gate stopped."""
    with instance_of(load_settings(stopped[0])) as instance:
        yield instance


def key(corpus, name, asset="synthetic_batch"):
    return dg.AssetCheckKey(dg.AssetKey([corpus, asset]), name)


def said(instance, corpus, name):
    found = last_result(instance, key(corpus, name))
    return found, {name: value.value for name, value in found.metadata.items()}


def materialised(instance, corpus):
    return {
        asset.path[1]
        for asset in instance.all_asset_keys()
        if asset.path[0] == corpus and NIGHT in instance.get_materialized_partitions(asset)
    }


def test_every_gate_is_a_check_and_those_that_block_are_blocking(tmp_path):
    gates = load_gates(tmp_path)
    generations = dg.DailyPartitionsDefinition(start_date="2026-10-01")
    specs = [spec for one in gate_checks(CORPUS, generations, gates) for spec in one.check_specs]
    assert {spec.name for spec in specs} == {gate.name for gate in gates}
    by_name = {gate.name: gate for gate in gates}
    for spec in specs:
        gated = by_name[spec.name]
        assert spec.asset_key == dg.AssetKey([CORPUS, gated.asset])
        assert spec.partitions_def == generations
        assert spec.description == gated.why
        # What is gated on a release is read by `settle`, which decides it.
        blocks = gated.severity == "block" and gated.asset != "release"
        assert spec.blocking == blocks, spec.name


def test_a_blocked_batch_ends_the_night_of_its_corpus_alone(stopped, pages):
    _, ended = stopped
    assert ended.returncode == 3, ended.stderr
    assert materialised(pages, QUESTIONS) == {"generator", "synthetic_batch"}
    assert {"training_mix", "student_model", "release"} <= materialised(pages, CORPUS)
    for corpus, verdict in zip(BOTH, ("promoted", "quarantined"), strict=True):
        assert f"{corpus} {NIGHT} {verdict}" in ended.stderr


def test_a_failed_check_says_what_was_found_and_shows_rows(stopped, pages):
    found, shown = said(pages, QUESTIONS, "questions_fire")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert found.partition == NIGHT
    assert found.description.startswith("question form diversity is 0.")
    assert "wanted at most -1" in found.description
    assert (shown["generation"], shown["attempt"], shown["outcome"]) == (NIGHT, "1", "breach")
    assert shown["figure"] == "question_form_diversity"
    assert 0 < shown[shown["figure"]] <= 1
    assert float(shown["value"]) == pytest.approx(shown[shown["figure"]])
    assert shown["bound"] == "at most -1"
    with open_workshop(load_settings(stopped[0])) as shop:
        record = shop.line(QUESTIONS).generations[NIGHT].record
        rows = [row for row in values_of(shop, record) if row["gate"] == "questions_fire"]
    assert shown["calibration"] == record.calibration != ""
    assert shown["blamed"] == ", ".join(rows[0]["blamed"])
    assert shown["blamed"].startswith("teacher simulated@")  # it has one template alone
    assert shown["actions"] == "freeze_template, raise_review"
    table = shown["examples"].splitlines()
    assert table[0] == "| label | template | prompt | response |"
    assert len(table) == 2 + 5
    assert "| figure | value | bound | beyond | rows | note |" in shown["figures"]


def test_a_check_that_passed_says_its_value_and_its_calibrated_bound(pages):
    found, shown = said(pages, CORPUS, "entropy")
    assert found.passed
    assert 6 < shown[shown["figure"]] < 9  # a number, which a page plots
    assert shown["bound"].startswith("at least ")
    assert "(healthy: 6.964)" in shown["bound"]
    assert "examples" not in shown


def test_a_gate_that_does_not_apply_passes_and_says_why(pages):
    found, shown = said(pages, CORPUS, "questions_fire")
    assert found.passed
    assert shown["outcome"] == "not_applicable"
    assert "answers to choose from" in shown["figures"]


def test_a_gate_that_warns_fails_without_stopping(pages):
    found, shown = said(pages, CORPUS, "warns")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert shown[shown["figure"]] == 0


# One check at a time, on homes of their own.


@pytest.fixture
def checked(gated_home):
    """Runs the first assets of a night under these gates; see `materialise`."""

    def run(*gates, accept="", **settings):
        write_gates(gated_home, gates)
        with shop_in(gated_home, **settings) as shop:
            calibrate_by_hand(shop, {"1": {}})
            if accept:
                shop.ledger.append(
                    Act.GATE_ACCEPTED, corpus=CORPUS, actor="Ada", payload={"gate": accept}
                )
        return materialise(gated_home, NIGHT, "generator", "synthetic_batch", "judged_batch")

    return run


def materialise(home, night, *names):
    """Runs assets of a night with their checks: the run, and what the gate `fires` said."""
    at = load_settings(home)
    with instance_of(at) as instance:
        ended = (
            build_definitions(at)
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=instance,
                partition_key=night,
                asset_selection=[dg.AssetKey([CORPUS, name]) for name in names],
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=False,
            )
        )
        return ended, *said(instance, CORPUS, "fires")


def judged(ended):
    return any(
        event.asset_key == dg.AssetKey([CORPUS, "judged_batch"])
        for event in ended.get_asset_materialization_events()
    )


def test_a_gate_that_blocks_stops_what_comes_after(checked):
    ended, found, _ = checked(FIRES)
    assert (ended.success, judged(ended)) == (False, False)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)


def test_a_gate_that_a_person_accepted_only_warns(checked):
    ended, found, shown = checked(FIRES, accept="fires")
    assert (ended.success, judged(ended)) == (True, True)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert shown["outcome"] == "breach"


def test_gates_that_are_not_enforced_only_warn(checked):
    ended, found, _ = checked(FIRES, gates={"enforce": False})
    assert (ended.success, judged(ended)) == (True, True)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_a_gate_for_each_template_without_rows_enough_says_so(checked):
    _, found, shown = checked(gate("fires", -1, "warn", per="template", least_rows=10_000))
    assert found.passed
    assert shown["outcome"] == "not_applicable"
    assert "10000 rows" in shown["figures"]


def test_generation_0_says_why_nothing_is_held_against_it(tmp_path):
    write_gates(tmp_path, [FIRES])
    shop_in(tmp_path).close()
    ended, found, shown = materialise(tmp_path, NIGHTS[0], "generator", "synthetic_batch")
    assert ended.success
    assert found.passed
    assert (shown["outcome"], shown["why_not"]) == ("not_applicable", HUMAN_ONLY)


def test_a_gate_that_came_after_the_night_had_opened_says_so(gated_home):
    with shop_in(gated_home) as shop:
        calibrate_by_hand(shop, {"1": {}})
        open_generation(shop, CORPUS, NIGHT)
    write_gates(gated_home, [FIRES])
    ended, found, shown = materialise(gated_home, NIGHT, "synthetic_batch")
    assert ended.success
    assert (found.passed, shown["outcome"], shown["why_not"]) == (True, "not_applicable", TOO_LATE)
