"""What a night pins of its gates, and whether the calibration in force holds for it."""

import io

import pytest

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.defs import calibrating
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.reporting.terminal import NightProgress
from collapse_pipeline_tests.defs.gated import (
    CORPUS,
    NIGHTS,
    calibrate_by_hand,
    run_night,
    shop_in,
    write_templates,
)

NIGHT = NIGHTS[1]


@pytest.fixture
def home(gated_home):
    return gated_home


@pytest.fixture
def calibrated(monkeypatch):
    """Counts calibrations, which are made by hand here."""
    calls = []

    def calibrate(shop, corpus, generation, settings, reason, told):
        calls.append((corpus, generation, reason))
        told(3, 8)
        return calibrate_by_hand(shop, {"1": {}})

    monkeypatch.setattr(calibrating, "calibrate", calibrate)
    return calls


def decisions(shop):
    events = shop.ledger.events(corpus=CORPUS, kinds=[Act.GATES_CALIBRATED])
    return [(event.payload["version"], event.reason) for event in events]


def test_generation_0_pins_the_suite_and_is_not_calibrated(home):
    with shop_in(home) as shop:
        record = shop.line(CORPUS).generations[NIGHTS[0]].record
    assert [gate.name for gate in record.gates] == ["lengths", "copies"]
    assert (record.calibration, record.calibration_faults) == ("", ())


def test_the_first_writing_night_is_calibrated_and_later_ones_are_not(home, calibrated):
    with shop_in(home) as shop:
        record = open_generation(shop, CORPUS, NIGHT)
        assert calibrated == [(CORPUS, NIGHT, "the corpus had no calibration yet")]
        assert (record.calibration, record.gate_rows) == (decisions(shop)[0][0], 100)
        after = open_generation(shop, CORPUS, NIGHTS[2])
        assert (after.calibration, after.calibration_faults) == (record.calibration, ())
    assert len(calibrated) == 1


def test_how_far_a_first_calibration_is_is_said_beside_the_stages(home, calibrated):
    stream = io.StringIO()
    with shop_in(home) as shop, NightProgress(stream) as progress:
        heard = []
        progress.emit = lambda record: heard.append(record.args)
        open_generation(shop, CORPUS, NIGHT)
    assert heard == [(CORPUS, "first calibration", "3 of 8 replicates")]


def test_gates_that_are_not_enforced_are_not_calibrated_by_themselves(home, calibrated):
    with shop_in(home, gates={"enforce": False, "rows": 1000}) as shop:
        record = open_generation(shop, CORPUS, NIGHT)
        assert decisions(shop) == []
    assert record.calibration == ""
    assert record.calibration_faults == ("there is no calibration",)
    assert record.gate_rows == 240  # what a batch has, and of human rows there are enough
    assert calibrated == []


CHANGES = {
    "student settings": {"student": {"order": 3}},
    "embedder": {"filter": {"embedder": {"kind": "lsa"}}},
    "teacher": {"teacher": {"kind": "student"}},
    "mix policy": {"mix": {"regime": "subsample"}},
    "judge policy": {"judge": {"keep_share": 0.9}},
    "filter policy": {"filter": {"contamination_words": 7}},
    "batch plan": {"generate": {"rows": 239}},
}


@pytest.mark.parametrize("what", CHANGES)
def test_each_fact_that_changes_makes_a_calibration_stale(home, calibrated, what):
    with shop_in(home) as shop:
        calibrate_by_hand(shop, {"1": {}})
        record = open_generation(shop, CORPUS, NIGHT, CHANGES[what])
    assert f"the {what} changed since" in record.calibration_faults
    assert len(record.calibration_faults) == 1
    assert record.calibration  # its bounds are still read; the release is what it stops
    assert calibrated == []  # calibrating again is a person's decision


@pytest.mark.parametrize(
    "change",
    [
        {"mix": {"synthetic_cap": 0.1}},
        {"mix": {"infusion": {"return_window": 2.0}}},
        {"evaluate": {"draws": 150}},
        {"task": None},
    ],
)
def test_what_gates_turn_themselves_or_do_not_read_leaves_it_as_it_is(home, calibrated, change):
    with shop_in(home) as shop:
        calibrate_by_hand(shop, {"1": {}})
        assert open_generation(shop, CORPUS, NIGHT, change).calibration_faults == ()


@pytest.mark.parametrize(
    ("before", "stale"),
    [(410, False), (342, False), (341, True), (492, False), (493, True)],
)
def test_human_rows_by_a_fifth_more_or_less(home, before, stale):
    with shop_in(home) as shop:
        calibrate_by_hand(shop, {"1": {}}, human_rows=before)
        record = open_generation(shop, CORPUS, NIGHT)
    assert record.human_rows == 410
    growth = f"the human rows went from {before} to 410 since; 20% more or less is the limit"
    assert record.calibration_faults == ((growth,) if stale else ())


def test_labels_that_changed_make_it_stale(home):
    with shop_in(home) as shop:
        facts = calibrate_by_hand(shop, {"1": {}}).facts
        calibrate_by_hand(shop, {"1": {}}, facts={**facts, "labels": "others", "schema": "older"})
        record = open_generation(shop, CORPUS, NIGHT)
    assert record.calibration_faults == ("the schema changed since", "the labels changed since")


def test_a_calibration_that_came_with_the_package_is_put_in_force_where_it_holds(
    home, calibrated, tmp_path, monkeypatch
):
    monkeypatch.setattr(calibrating, "SHIPPED", tmp_path / "shipped")
    (tmp_path / "shipped").mkdir()
    with shop_in(home) as shop:
        facts = calibrate_by_hand(shop, {"1": {}}, facts={}).facts
        for rows in (500, 420, 350):
            came = calibrate_by_hand(shop, {"1": {}}, human_rows=rows)
            shipped = tmp_path / "shipped" / f"{CORPUS}-{rows}.json"
            shipped.write_text(came.model_dump_json(), "utf-8")
        calibrate_by_hand(shop, {"1": {}}, facts=facts)  # the one in force is stale
        record = open_generation(shop, CORPUS, NIGHT)
        version, reason = decisions(shop)[-1]
        assert reason == "came with the package and holds for these rows"
        assert record.calibration == version
        assert calibrating.load(home, version).human_rows == 420  # the nearest of two that hold
        assert record.calibration_faults == ()
        before = len(decisions(shop))
        open_generation(shop, CORPUS, NIGHTS[2])
        assert len(decisions(shop)) == before
    assert calibrated == []


def test_what_applies_follows_from_the_rows_and_from_the_line(home, calibrated):
    with shop_in(home) as shop:
        record = open_generation(shop, CORPUS, NIGHT)
        of_the_rows = {"labels", "responses", "reference world"}
        assert of_the_rows <= {*record.applies}
        assert "embeddings" not in record.applies
        assert "several templates" in record.applies
        of_the_line = {"rows of earlier generations", "gold rows of an earlier night"}
        assert of_the_line.isdisjoint(record.applies)
        run_night(shop, NIGHT)
        write_templates(home, {"plain": "Write about {{ intent }}."})
        after = open_generation(shop, CORPUS, NIGHTS[2], {"teacher": {"kind": "student"}})
        assert of_the_line <= {*after.applies}
        assert "several teachers" in after.applies  # the line has two kinds
        assert "several templates" not in after.applies


def test_gold_rows_apply_once_a_release_had_the_same_judge(home, calibrated):
    with shop_in(home) as shop:
        run_night(shop, NIGHT)
        gold = "gold rows of an earlier night"
        assert gold in open_generation(shop, CORPUS, NIGHTS[2]).applies
        another = {"judge": {"panel": {"kind": "label_consistency"}}}
        assert gold not in open_generation(shop, CORPUS, NIGHTS[2], another).applies


def test_the_suite_is_pinned_when_the_night_opens(home, calibrated):
    with shop_in(home) as shop:
        record = open_generation(shop, CORPUS, NIGHT)
        (home / "gates.yaml").unlink()
        assert open_generation(shop, CORPUS, NIGHT).gates == record.gates
        assert open_generation(shop, CORPUS, NIGHTS[2]).gates == load_gates(home)
