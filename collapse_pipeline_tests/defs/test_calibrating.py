"""What a calibration holds for, and how it is kept and put in force."""

import json

import pytest

from collapse_pipeline.defs import calibrating
from collapse_pipeline.defs.calibrating import (
    calibrate,
    facts_of,
    in_force,
    keep,
    load,
    put_in_force,
    shipped,
    taught_by,
)
from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.loop.calibrate import Calibration
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.records import Verdict
from collapse_pipeline.settings import CorpusSettings
from collapse_pipeline_tests.defs.gated import CORPUS, NIGHTS, shop_in
from collapse_pipeline_tests.defs.nights import night

FACTS = {"schema": "1", "labels": "2"}


def calibration(**other):
    return Calibration(
        **{
            "corpus": CORPUS,
            "source": "refits",
            "facts": FACTS,
            "human_rows": 400,
            "rows": 100,
            "seed": 17,
            "nulls": {"1": {"figure": (1.0, float("nan"), 0.1 + 0.2)}},
        }
        | other
    )


def test_a_calibration_is_kept_under_the_hash_of_what_it_holds(tmp_path):
    made = calibration()
    assert keep(tmp_path, made).name == f"{made.version}.json"
    again = load(tmp_path, made.version)
    assert again.version == made.version
    null = again.nulls["1"]["figure"]
    assert (null[0], null[2]) == (1.0, 0.1 + 0.2)
    assert null[1] != null[1]  # a figure without a value stays one
    assert calibration(rows=101).version != made.version


def test_a_calibration_that_is_gone_or_was_edited_is_not_read(tmp_path):
    with pytest.raises(StoreError, match="calibrate again: collapse-pipeline calibrate"):
        load(tmp_path, "0123456789ab")
    path = keep(tmp_path, calibration())
    path.write_text(path.read_text("utf-8").replace('"rows": 100', '"rows": 90'), "utf-8")
    with pytest.raises(StoreError, match=f"wanted the calibration {calibration().version}, got"):
        load(tmp_path, calibration().version)
    path.write_text("{", "utf-8")
    with pytest.raises(StoreError, match="got"):
        load(tmp_path, calibration().version)


def test_the_last_decision_is_in_force_and_says_what_it_stands_on(gated_home):
    with shop_in(gated_home) as shop:
        assert in_force(shop, CORPUS) is None
        first, second = calibration(), calibration(seed=18)
        for made, by in ((first, ""), (second, "Ada")):
            keep(gated_home, made)
            put_in_force(shop, made, "a new embedder", by)
        assert in_force(shop, CORPUS).version == second.version
        events = shop.ledger.events(corpus=CORPUS, kinds=[Act.GATES_CALIBRATED])
        assert [(event.actor, event.reason) for event in events] == [
            ("cron", "a new embedder"),
            ("Ada", "a new embedder"),
        ]
        assert events[-1].payload == {
            "version": second.version,
            "source": "refits",
            "human_rows": 400,
            "rows": 100,
            "replicates": 3,
            "depths": [1],
            "seed": 18,
        }


def test_of_those_that_came_with_the_package_the_nearest_that_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(calibrating, "SHIPPED", tmp_path)
    for rows in (300, 380, 460):
        made = calibration(human_rows=rows)
        (tmp_path / f"{CORPUS}-{rows}.json").write_text(made.model_dump_json(), "utf-8")
    assert shipped(CORPUS, FACTS, 420).human_rows in (380, 460)
    assert shipped(CORPUS, FACTS, 410).human_rows == 380
    assert shipped(CORPUS, FACTS, 600) is None
    assert shipped(CORPUS, FACTS | {"labels": "3"}, 410) is None
    assert shipped("question_bank", FACTS, 410) is None


def test_the_same_settings_are_the_same_facts_and_a_changed_one_is_another():
    usual = facts_of(CorpusSettings(), ["a", "b"])
    assert facts_of(CorpusSettings(), ["a", "b"]) == usual
    other = facts_of(CorpusSettings(), ["a", "c"])
    assert {name for name in usual if usual[name] != other[name]} == {"labels"}
    order = CorpusSettings.model_validate({"student": {"kind": "ngram", "order": 3}})
    other = facts_of(order, ["a", "b"])
    assert {name for name in usual if usual[name] != other[name]} == {"student_settings"}


def test_a_student_knows_the_rows_of_the_night_that_trained_it(gated_home):
    """The parent of a line stays the same for nights, while human rows arrive."""
    with shop_in(gated_home, teacher={"kind": "student"}, gates={"enforce": False}) as shop:
        settings = shop.settings.corpus(CORPUS)

        def known(day):
            return taught_by(shop.line(CORPUS), day, settings)

        assert known(NIGHTS[1]) == NIGHTS[0]
        night(shop, NIGHTS[1], depth=1)
        assert known(NIGHTS[2]) == NIGHTS[1]
        night(shop, NIGHTS[2], depth=2)  # at the limit: not a parent
        assert known(NIGHTS[3]) == NIGHTS[1]
        night(shop, NIGHTS[3], verdict=Verdict.QUARANTINED)
        assert known(NIGHTS[4]) == NIGHTS[1]
        assert taught_by(shop.line(CORPUS), NIGHTS[0], settings) == NIGHTS[0]


def test_a_teacher_from_outside_knows_no_night_in_particular(gated_home):
    with shop_in(gated_home) as shop:
        settings = shop.settings.corpus(CORPUS)
        assert taught_by(shop.line(CORPUS), NIGHTS[5], settings) == NIGHTS[5]


def test_before_any_human_row_there_is_nothing_to_calibrate(gated_home):
    with shop_in(gated_home) as shop:
        settings = shop.settings.corpus(CORPUS)
        with pytest.raises(BadInputError, match="take a later night"):
            calibrate(shop, CORPUS, "2001-01-01", settings, "too early")
        assert not (gated_home / calibrating.FOLDER).exists()


def test_a_replicate_without_a_figure_leaves_a_gap_in_its_place(gated_home, monkeypatch):
    found = [{1: {"a": 1.0}}, {1: {"a": 2.0, "b": 3.0}, 2: {"a": 4.0}}]
    monkeypatch.setattr(calibrating, "replicates", lambda *_: found)
    with shop_in(gated_home) as shop:
        made = calibrate(shop, CORPUS, NIGHTS[1], shop.settings.corpus(CORPUS), "why")
    nulls = json.loads(json.dumps(made.model_dump(mode="json")["nulls"]).replace("NaN", "null"))
    assert nulls == {"1": {"a": [1.0, 2.0], "b": [None, 3.0]}, "2": {"a": [None, 4.0]}}
    assert (made.human_rows, made.rows) == (410, 100)
    assert made.source == "pilot"  # the simulated teacher is not refitted
