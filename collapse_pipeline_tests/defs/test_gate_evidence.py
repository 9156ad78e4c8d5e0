"""What gates look at, in nights of two attempts and of several generations."""

import shutil

import pyarrow.compute as pc
import pytest

from collapse_pipeline.defs.gate_evidence import gather
from collapse_pipeline.defs.gating import values_of
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.stages import STAGES
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.records import Verdict
from collapse_pipeline_tests.defs.gated import (
    CORPUS,
    FIRES,
    NIGHTS,
    calibrate_by_hand,
    run_night,
    shop_in,
    work,
    write_gates,
)

LATER = NIGHTS[3]


@pytest.fixture(scope="module")
def made(gated_first, tmp_path_factory):
    """A home with a release that wrote, and a night that a gate stopped in its second attempt."""
    home = tmp_path_factory.mktemp("made") / "home"
    shutil.copytree(gated_first, home)
    with shop_in(home) as shop:
        calibrate_by_hand(shop, {"1": {}})
        assert run_night(shop, NIGHTS[1]).verdict is Verdict.PROMOTED
        assert run_night(shop, NIGHTS[2]).verdict is Verdict.PROMOTED
        write_gates(home, [FIRES])
        assert run_night(shop, NIGHTS[2], again=True).verdict is Verdict.QUARANTINED
        write_gates(home)
        work(shop, open_generation(shop, CORPUS, LATER))
    return home


@pytest.fixture
def shop(made, tmp_path):
    shutil.copytree(made, tmp_path / "home")
    with shop_in(tmp_path / "home") as shop:
        yield shop


@pytest.fixture
def record(shop):
    """The night that is open."""
    return shop.line(CORPUS).generations[LATER].record


def ids(texts):
    return {*texts.rows["sample_id"].to_pylist()}


def test_a_batch_and_what_it_is_held_against_are_draws_of_one_size(shop, record):
    seen = gather(shop, record, "synthetic_batch")
    assert len(seen.synthetic) == len(seen.human) == record.gate_rows == 100
    again = gather(shop, record, "synthetic_batch")
    assert ids(again.synthetic) == ids(seen.synthetic)
    assert ids(again.human) == ids(seen.human)
    assert seen.world is not None


def test_human_rows_are_those_that_the_teacher_knew(shop, record):
    def days(taught_by):
        asked = record.model_copy(update={"gate_rows": 10_000, "taught_by": taught_by})
        human = gather(shop, asked, "synthetic_batch").human
        return len(human), max(human.rows["available_from"].to_pylist())

    assert days(LATER) == (430, LATER)
    assert days(NIGHTS[1]) == (410, NIGHTS[1])
    assert days("") == (430, LATER)  # a record of before it was pinned


def test_earlier_rows_are_those_that_releases_of_the_line_kept(shop, record):
    everything = record.model_copy(update={"gate_rows": 10_000})
    earlier = gather(shop, everything, "synthetic_batch").earlier
    kept = shop.store.read("filtered_batch", CORPUS, [NIGHTS[1]])
    assert ids(earlier) == {*kept["sample_id"].to_pylist()}
    first = shop.line(CORPUS).generations[NIGHTS[1]].record
    assert gather(shop, first, "synthetic_batch").earlier is None


def test_gold_rows_of_tonight_are_beside_those_of_the_newest_release(shop, record):
    seen = gather(shop, record, "judged_batch")
    assert len(seen.judged) == 100
    assert {*seen.gold.rows["generation"].to_pylist()} == {LATER}
    assert {*seen.gold_before.rows["generation"].to_pylist()} == {NIGHTS[1]}
    assert seen.gold.texts == seen.gold_before.texts  # the same rows, asked again
    first = shop.line(CORPUS).generations[NIGHTS[1]].record
    assert gather(shop, first, "judged_batch").gold_before is None


def test_acceptance_is_held_against_that_of_the_newest_release(shop, record):
    before = gather(shop, record, "judged_batch").acceptance_before
    judged = shop.store.read("judged_batch", CORPUS, [NIGHTS[1]]).to_pylist()
    assert before[""] == pytest.approx(sum(row["accepted"] for row in judged) / len(judged))
    own = [row["accepted"] for row in judged if row["label"] == "return_window"]
    assert before["return_window"] == pytest.approx(sum(own) / len(own))
    first = shop.line(CORPUS).generations[NIGHTS[1]].record
    assert gather(shop, first, "judged_batch").acceptance_before == {}


def test_another_judge_has_no_gold_rows_of_before(shop, record):
    judge = {"panel": {"kind": "jury", "members": [{"kind": "rules"}]}}
    other = record.model_copy(update={"settings": {**record.settings, "judge": judge}})
    assert gather(shop, other, "judged_batch").gold_before is None


def test_the_filter_answers_for_what_the_judge_let_through(shop, record):
    seen = gather(shop, record, "filtered_batch")
    judged = shop.store.read("judged_batch", CORPUS, [LATER])
    dropped = shop.store.read("dropped_batch", CORPUS, [LATER])
    kept = shop.store.read("filtered_batch", CORPUS, [LATER]).num_rows
    assert seen.accepted == pc.sum(judged["accepted"]).as_py() == kept + sum(seen.dropped.values())
    of_filter = dropped.filter(pc.equal(dropped["stage"], "filter"))
    assert {*seen.dropped} == {*of_filter["reason"].to_pylist()}


def test_the_mix_is_held_against_the_cap_in_force_and_the_release(shop, record):
    seen = gather(shop, record, "training_mix")
    assert (seen.cap, seen.depth_limit, seen.leaked) == (0.3, 2, 0)
    assert seen.gradient_share == pytest.approx(0.3)  # what needs no experiment
    released = shop.line(CORPUS).generations[NIGHTS[1]].manifest
    assert seen.previous_share == released.shares["synthetic"]
    proven = record.model_copy(update={"supported_share": 0.5})
    assert gather(shop, proven, "training_mix").gradient_share == pytest.approx(0.5)
    shop.ledger.append(
        Act.CAP_LOWERED,
        corpus=CORPUS,
        generation=LATER,
        actor="cron",
        payload={"cap": 0.2, "gate": "g"},
    )
    settle(shop, CORPUS, LATER)
    after = open_generation(shop, CORPUS, NIGHTS[4])
    for name in ("synthetic_batch", "judged_batch", "filtered_batch", "training_mix"):
        STAGES[name](shop, after)
    assert gather(shop, after, "training_mix").cap == pytest.approx(0.2)


def test_reports_of_an_attempt_that_was_done_again_are_no_history(shop, record):
    assert shop.store.read("eval_report", CORPUS, [NIGHTS[2]]).num_rows  # of the first attempt
    seen = gather(shop, record, "eval_report")
    nights = [{row["generation"] for row in report} for report in (seen.report, *seen.history)]
    assert nights == [{LATER}, {NIGHTS[1]}, {NIGHTS[0]}]
    assert values_of(shop, record)
