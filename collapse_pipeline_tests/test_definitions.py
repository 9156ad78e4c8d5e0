import os
import subprocess
import sys

import dagster as dg
import pytest

from collapse_pipeline.definitions import build_definitions, served
from collapse_pipeline.settings import CorpusItem, load_settings, write_corpus

OWN = CorpusItem(first_generation="2026-11-01")


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    return path


def test_the_embedded_corpora_stay_beside_each_other_until_a_person_adds_one(home):
    assert served(load_settings(home)) == ["customer_service", "question_bank"]
    # The first night of one writes its item; queued nights of the other must find their job.
    write_corpus(home, "question_bank", CorpusItem(world="question_bank"))
    assert served(load_settings(home)) == ["customer_service", "question_bank"]
    write_corpus(home, "tickets", OWN)
    assert served(load_settings(home)) == ["question_bank", "tickets"]


def test_a_corpus_that_was_added_has_assets_a_job_and_a_schedule(home):
    write_corpus(home, "tickets", OWN)
    definitions = build_definitions(load_settings(home))
    dg.Definitions.validate_loadable(definitions)
    repository = definitions.get_repository_def()
    assert [job for job in repository.job_names if job != "__ASSET_JOB"] == ["refresh_tickets"]
    assert [schedule.name for schedule in repository.schedule_defs] == ["refresh_tickets_schedule"]
    sensors = {sensor.name for sensor in repository.sensor_defs}
    assert sensors == {
        "nights_in_order",
        "freeze_after_failed_check",
        "resume_after_lifted_freeze",
    }


def test_every_stage_is_in_the_pool_of_its_corpus_and_runs_in_process(home):
    repository = build_definitions(load_settings(home)).get_repository_def()
    for corpus in ("customer_service", "question_bank"):
        nodes = repository.get_job(f"refresh_{corpus}").all_node_defs
        assert {node.pool for node in nodes} == {f"generation_{corpus}"}
    # The pages materialise single assets and backfill them by this job.
    assert repository.get_job("__ASSET_JOB").executor_def is dg.in_process_executor


def test_every_asset_has_a_description_an_owner_and_a_group_in_order(home):
    graph = build_definitions(load_settings(home)).get_repository_def().asset_graph
    groups = {}
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        assert node.description
        assert node.owners
        assert node.tags["corpus"] == key.path[0]
        groups.setdefault(node.group_name, set()).add(key.path[1])
    assert sorted(groups) == [
        "1_world",
        "2_components",
        "3_generation",
        "4_release",
        "5_experiments",
    ]
    assert groups["1_world"] == {"human_anchor", "eval_suites"}
    assert groups["4_release"] == {"release"}
    assert groups["5_experiments"] == {"ratio_gradient", "supported_share"}


def test_loading_says_nothing(home):
    """What Dagster's command loads prints no warning of ours, whatever the filters."""
    program = "from collapse_pipeline.definitions import build_definitions as b; "
    program += "from collapse_pipeline.settings import load_settings as s; "
    program += "b(s()).get_repository_def()"
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", program],
        capture_output=True,
        text=True,
        env=os.environ | {"COLLAPSE_PIPELINE_HOME": str(home)},
        check=True,
    )
    assert "collapse_pipeline" not in ended.stderr, ended.stderr
    assert ended.stdout == ""
