"""A small corpus through the job as Dagster runs it: what its pages are told."""

import dagster as dg
import pytest

from collapse_pipeline.definitions import build_definitions
from collapse_pipeline.defs import assets, stages
from collapse_pipeline.defs.assets import GROUPS, SENTENCE
from collapse_pipeline.defs.running import instance_of
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.errors import BadInputError, TransientError
from collapse_pipeline.records import days_before
from collapse_pipeline.settings import load_settings, today_utc

CORPUS = "question_bank"
NIGHTS = [days_before(today_utc(), days) for days in (5, 4, 3, 2, 1)]

pytestmark = pytest.mark.slow


class Refresh:
    """The job on an instance of its own, without the command line."""

    def __init__(self, settings, instance):
        self.settings, self.instance = settings, instance

    def run(self, night, *, only=None, definitions=None, tags=None, **generator):
        definitions = definitions or build_definitions(self.settings)
        name = "__ASSET_JOB" if only else f"refresh_{CORPUS}"
        ops = {f"{CORPUS}__generator": {"config": generator}} if generator else {}
        return definitions.resolve_job_def(name).execute_in_process(
            instance=self.instance,
            partition_key=night,
            tags=tags,
            asset_selection=[dg.AssetKey(list(path)) for path in only] if only else None,
            run_config={
                "ops": ops,
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )

    def tags(self, result):
        return self.instance.get_run_by_id(result.run_id).tags

    def verdicts(self):
        with open_workshop(self.settings) as shop:
            generations = shop.line(CORPUS).generations
        return {night: str(generations[night].status) for night in sorted(generations)}


@pytest.fixture(scope="module")
def refresh(small, tmp_path_factory):
    settings = load_settings(tmp_path_factory.mktemp("home"), small)
    with instance_of(settings) as instance:
        yield Refresh(settings, instance)


@pytest.fixture(scope="module")
def two_nights(refresh):
    return [refresh.run(night) for night in NIGHTS[:2]]


def told(result, name):
    """Metadata of an asset that a run materialised."""
    (event,) = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey([CORPUS, name])
    ]
    return {key: value.value for key, value in event.materialization.metadata.items()}


def failure(result):
    """What the failed step of a run says."""
    (step,) = [event for event in result.all_node_events if event.is_step_failure]
    data = step.step_failure_data.user_failure_data
    return data.description, {key: value.value for key, value in data.metadata.items()}


def observed(refresh, night):
    records = refresh.instance.fetch_observations(
        dg.AssetRecordsFilter(dg.AssetKey([CORPUS, "release"]), asset_partitions=[night]), limit=9
    ).records
    return [
        {key: value.value for key, value in record.asset_observation.metadata.items()}
        for record in records
    ]


def test_a_run_is_tagged_with_what_it_made(refresh, two_nights):
    for night, result in zip(NIGHTS, two_nights, strict=False):
        tags = refresh.tags(result)
        assert tags["collapse/corpus"] == CORPUS
        assert tags["collapse/generation"] == tags["dagster/partition"] == night
        assert tags["collapse/verdict"] == refresh.verdicts()[night]
    assert [refresh.tags(result)["collapse/depth"] for result in two_nights] == ["0", "1"]


def test_every_asset_tells_what_it_holds(two_nights):
    for name in SENTENCE:
        assert told(two_nights[1], name)
    for name in ("synthetic_batch", "judged_batch", "filtered_batch", "training_mix"):
        shown = told(two_nights[1], name)
        assert shown["rows"] > 0
        assert shown["table_version"] >= 0
        assert shown["preview"].startswith("| label | prompt |")
    mixture = told(two_nights[1], "training_mix")
    assert mixture["human_share"] + mixture["synthetic_share"] == pytest.approx(1)
    kept = told(two_nights[1], "filtered_batch")
    drops = {name: n for name, n in kept.items() if name.startswith("dropped.")}
    assert sum(drops.values()) == kept["dropped"] > 0
    report = told(two_nights[1], "eval_report")
    assert report["standard.accuracy"] > 0
    assert next(iter(report)) == "scores"  # every metric beside the others, before each by itself
    assert "| suite | metric | candidate | incumbent | baseline |" in report["scores"]
    assert told(two_nights[1], "generator")["parent"] == NIGHTS[0]


def test_a_release_says_its_verdict_and_the_gain_first(two_nights):
    shown = told(two_nights[1], "release")
    assert next(iter(shown)) == "verdict"
    assert "accuracy" in shown["gain_against_human_only"]
    assert shown["perplexity.real"] > 0
    assert shown["manifest"]["generation"] == NIGHTS[1]
    assert len(shown["ledger_head"]) == 32


def test_a_component_is_materialised_once_a_version(refresh, two_nights):
    def materialised(name):
        key = dg.AssetKey([CORPUS, name])
        return refresh.instance.fetch_materializations(key, limit=9).records

    for name in GROUPS:  # without a calibration: these nights' gates are not enforced
        (record,) = materialised(name)
        shown = record.asset_materialization.metadata
        assert shown["first_used_by"].value == NIGHTS[0]
        assert "@" in shown["version"].value or len(shown["version"].value) == 12
    (templates,) = materialised("template_set")
    shown = templates.asset_materialization.metadata
    assert "| everyday_setting |" in shown["templates"].value.replace("\\", "")
    assert "{{ " in shown["body.everyday_setting"].value  # whole, and as it was written
    (suites,) = materialised("eval_suites")
    assert "| standard |" in suites.asset_materialization.metadata["suites"].value


def test_a_night_before_the_newest_is_out_of_order(refresh, two_nights):
    result = refresh.run(NIGHTS[0])
    words, parts = failure(result)
    assert not result.success
    assert f"after {NIGHTS[1]}, the newest one, got {NIGHTS[0]}" in words
    assert f"refresh_{CORPUS}" in parts["do_here"]
    assert "again" in parts["do_here"]


def test_a_settled_asset_is_not_written_again(refresh, two_nights):
    before = refresh.verdicts()
    result = refresh.run(NIGHTS[1], only=[(CORPUS, "training_mix")])
    words, _ = failure(result)
    assert f"wanted an open attempt of {CORPUS} {NIGHTS[1]}, got it is {before[NIGHTS[1]]}" in words
    assert refresh.verdicts() == before


def test_a_run_executed_again_does_not_keep_the_ending_of_the_one_before(refresh, two_nights):
    """The pages copy the tags of a run to its re-execution; this one is refused."""
    before = refresh.tags(two_nights[1])
    assert before["collapse/verdict"] == "promoted"
    result = refresh.run(NIGHTS[1], only=[(CORPUS, "eval_report")], tags=before)
    after = refresh.tags(result)
    assert not result.success
    assert (after["collapse/verdict"], after["collapse/depth"]) == ("-", "-")
    assert after["collapse/generation"] == NIGHTS[1]
    assert "collapse/stale" not in after


def test_a_night_done_again_marks_those_that_stand_on_it_as_stale(refresh, two_nights):
    carried = {"collapse/stale": "of the run before", "collapse/blocked_by": "it too"}
    result = refresh.run(NIGHTS[0], again=True, tags=carried)
    assert result.success
    assert told(result, "generator")["attempt"] == 2
    assert refresh.verdicts() == {NIGHTS[0]: "promoted", NIGHTS[1]: "stale"}
    because = f"{NIGHTS[0]} is done again"
    assert observed(refresh, NIGHTS[1]) == [{"stale": True, "because": because}]
    assert observed(refresh, NIGHTS[0]) == []
    assert refresh.tags(two_nights[1])["collapse/stale"] == because
    tags = refresh.tags(result)
    assert (tags["collapse/stale"], tags["collapse/blocked_by"]) == ("-", "-")
    assert tags["collapse/verdict"] == "promoted"


@pytest.fixture
def faulty(refresh, two_nights, monkeypatch):
    """Definitions whose teacher raises, the given number of times."""
    monkeypatch.setattr(assets, "RETRY_SECONDS", 0)

    def build(fault, times):
        calls = []

        def stage(shop, record):
            calls.append(record.generation)
            if len(calls) <= times:
                raise fault
            return {"rows": 0}

        monkeypatch.setitem(stages.STAGES, "synthetic_batch", stage)
        return build_definitions(refresh.settings), calls

    return build


BATCH = [(CORPUS, "generator"), (CORPUS, "synthetic_batch")]


def test_a_passing_fault_is_tried_again(refresh, faulty):
    definitions, calls = faulty(TransientError("an answer", "HTTP 503", "wait"), times=2)
    assert refresh.run(NIGHTS[2], only=BATCH, definitions=definitions).success
    assert len(calls) == 3


def test_a_fault_that_does_not_pass_ends_with_its_own_words(refresh, faulty):
    definitions, calls = faulty(TransientError("an answer", "HTTP 503", "wait"), times=99)
    words, _ = failure(refresh.run(NIGHTS[2], only=BATCH, definitions=definitions))
    assert words == "wanted an answer, got HTTP 503; wait"
    assert len(calls) == 1 + assets.RETRIES


def test_bad_input_is_not_tried_again(refresh, faulty):
    definitions, calls = faulty(BadInputError("400 rows", "12", "widen the batch"), times=1)
    words, parts = failure(refresh.run(NIGHTS[2], only=BATCH, definitions=definitions))
    assert words == "wanted 400 rows, got 12; widen the batch"
    assert parts == {"wanted": "400 rows", "got": "12", "do": "widen the batch"}
    assert len(calls) == 1


def test_a_run_over_two_corpora_says_of_which_it_speaks(refresh, two_nights):
    both = [(corpus, "generator") for corpus in (CORPUS, "customer_service")]
    result = refresh.run(NIGHTS[3], only=both)
    assert result.success
    tags = refresh.tags(result)
    assert tags[f"collapse/{CORPUS}/generation"] == NIGHTS[3]
    assert tags["collapse/customer_service/generation"] == NIGHTS[3]
    assert "collapse/corpus" not in tags
