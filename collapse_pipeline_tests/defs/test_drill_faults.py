"""A fault put into a copy of a home: its files and suites, and the calibration that is approved."""

import json
import shutil

import pytest

from collapse_pipeline.backends.template_files import load_templates
from collapse_pipeline.defs import calibrating
from collapse_pipeline.defs.corpora import suites_in_force
from collapse_pipeline.defs.drill_faults import LEAKED, approve, prepare, to_blame
from collapse_pipeline.defs.drill_homes import AT_FAULT, TEMPLATES, write_template
from collapse_pipeline.defs.governing import freeze
from collapse_pipeline.loop.calibrate import faults
from collapse_pipeline.loop.faults.catalogue import FAULTS
from collapse_pipeline.records import Component, labels_of
from collapse_pipeline_tests.defs.gated import (
    CORPUS,
    NIGHTS,
    calibrate_by_hand,
    first_night,
    run_night,
    shop_in,
)

MIXTURE = {"kind": "mixture", "teachers": {"first": {"kind": "simulated"}}}
NULLS = {"1": {"unigram_entropy": [6.0, 7.0, 8.0, 7.0, 6.0, 8.0, 7.0, 7.0]}}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return first_night(tmp_path_factory.mktemp("first"), teacher=MIXTURE)


@pytest.fixture
def home(first, tmp_path):
    return shutil.copytree(first, tmp_path / "home")


def prompts(shop, name):
    (record,) = (s for s in suites_in_force(shop, CORPUS) if s.name == name)
    rows = shop.store.read("eval_suites", CORPUS).to_pylist()
    own = [r for r in rows if (r["suite"], r["suite_version"]) == (name, record.version)]
    return [(row["label"], row["prompt"]) for row in own]


def test_a_moved_shadow_is_a_new_version_and_no_other_suite_moves(home):
    with shop_in(home, teacher=MIXTURE) as shop:
        before = {name: prompts(shop, name) for name in ("shadow", "standard", "noisy")}
    prepare(home, CORPUS, FAULTS["online_only"], 1.0)
    with shop_in(home, teacher=MIXTURE) as shop:
        after = {name: prompts(shop, name) for name in before}
    assert {name for name in before if before[name] != after[name]} == {"shadow"}
    assert [label for label, _ in after["shadow"]] == [label for label, _ in before["shadow"]]


def test_rows_of_the_standard_suite_are_written_down_to_leak(home):
    prepare(home, CORPUS, FAULTS["eval_leak"], 0.2)
    rows = [json.loads(line) for line in (home / LEAKED).read_text("utf-8").splitlines()]
    with shop_in(home, teacher=MIXTURE) as shop:
        assert [(row["label"], row["prompt"]) for row in rows] == prompts(shop, "standard")


def test_a_template_at_fault_has_a_version_of_its_own(home):
    write_template(home, CORPUS, AT_FAULT, TEMPLATES[AT_FAULT])
    before = {str(t) for t in load_templates(CORPUS, home)}
    prepare(home, CORPUS, FAULTS["over_refusal"], 1.0)
    (new,) = {str(t) for t in load_templates(CORPUS, home)} - before
    with shop_in(home, teacher=MIXTURE) as shop:
        assert to_blame(shop, CORPUS, FAULTS["over_refusal"]) == [f"template {new}"]
        (teacher,) = to_blame(shop, CORPUS, FAULTS["label_swap"])
        assert teacher.startswith("teacher first@")
        (judge,) = to_blame(shop, CORPUS, FAULTS["tidy_judge"])
        assert judge.startswith("judge ")
        assert to_blame(shop, CORPUS, FAULTS["empty_flood"]) == []


def test_once_a_judge_is_frozen_the_calibration_is_approved_for_the_one_before(home):
    lottery = {"panel": {"kind": "rules"}, "select": "lottery", "keep_share": 0.5}
    with shop_in(home, teacher=MIXTURE) as shop:
        made = calibrate_by_hand(shop, NULLS)
    with shop_in(home, teacher=MIXTURE, judge=lottery) as shop:
        assert approve(shop, CORPUS, NIGHTS[1]) == ["judge_policy"]
        (judge,) = to_blame(shop, CORPUS, FAULTS["tidy_judge"])
        _, _, version = judge.partition(" ")
        run_night(shop, NIGHTS[1])
        freeze(shop, CORPUS, Component.JUDGE, version, "tidy", "ann")
        assert approve(shop, CORPUS, NIGHTS[2]) == ["judge_policy"]
        assert calibrating.in_force(shop, CORPUS).facts == made.facts


def test_an_approved_change_leaves_the_calibration_as_it_was_and_in_force(home):
    night = NIGHTS[1]
    with shop_in(home, teacher=MIXTURE) as shop:
        made = calibrate_by_hand(shop, NULLS)
    turned = {"kind": "mixture", "teachers": {"first": {"kind": "simulated", "accuracy": 0.5}}}
    with shop_in(home, teacher=turned) as shop:
        human = shop.store.read("human_anchor", CORPUS)
        facts = calibrating.facts_of(shop.settings.corpus(CORPUS), labels_of(human))
        assert faults(made, facts, made.human_rows) == ["the teacher changed since"]
        assert approve(shop, CORPUS, night) == ["teacher"]
        known = calibrating.in_force(shop, CORPUS)
        assert faults(known, facts, made.human_rows) == []
        assert known.nulls == made.nulls
        assert approve(shop, CORPUS, night) == []  # once is enough
