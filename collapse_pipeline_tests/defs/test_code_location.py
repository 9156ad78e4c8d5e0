"""What Dagster loads: the graph of one corpus, its job and its schedule."""

import dagster as dg
import pytest

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.definitions import build_definitions
from collapse_pipeline.defs.assets import SENTENCE
from collapse_pipeline.settings import load_settings


@pytest.fixture
def repository(tmp_path):
    settings = load_settings(tmp_path / "home")
    return build_definitions(settings).get_repository_def()


def test_every_corpus_has_the_sentence_as_assets(repository):
    graph = repository.asset_graph
    for corpus in ("customer_service", "question_bank"):
        for name, below in SENTENCE.items():
            node = graph.get(dg.AssetKey([corpus, name]))
            assert {key.path[-1] for key in node.parent_keys} == set(below)
            assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition)
    assert len(graph.toposorted_asset_keys) == 2 * 17  # with a calibration and two of experiments


def test_one_job_a_corpus_with_every_stage_and_its_gates(repository, tmp_path):
    job = repository.get_job("refresh_question_bank")
    gated = {f"{gate.asset}__gates" for gate in load_gates(tmp_path)}
    nodes = {node.name.removeprefix("question_bank__") for node in job.nodes}
    assert nodes == {*SENTENCE} | gated
    assert job.executor_def is dg.in_process_executor


def test_the_schedule_is_stopped_until_it_is_enabled(repository, tmp_path):
    stopped = repository.schedule_defs
    assert {s.default_status for s in stopped} == {dg.DefaultScheduleStatus.STOPPED}
    config = tmp_path / "on.yaml"
    config.write_text("schedule: {enabled: true, hour: 4, minute: 30}\n")
    enabled = build_definitions(load_settings(tmp_path / "home", config)).get_repository_def()
    for schedule in enabled.schedule_defs:
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        assert schedule.cron_schedule == "30 4 * * *"
