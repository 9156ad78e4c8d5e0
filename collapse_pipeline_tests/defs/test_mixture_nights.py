"""Nights that several teachers write: who wrote what, and what happens when one is frozen."""

import shutil
from collections import Counter

import pytest

from collapse_pipeline.defs.component_versions import components
from collapse_pipeline.defs.governing import freeze, lift
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.workshop import pinned_settings
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.versions import versions_of
from collapse_pipeline.metrics.evidence import Need
from collapse_pipeline.records import Component
from collapse_pipeline_tests.defs.gated import (
    CORPUS,
    NIGHTS,
    calibrate_by_hand,
    first_night,
    run_night,
    shop_in,
)

MIXTURE = {
    "kind": "mixture",
    "teachers": {"first": {"kind": "simulated"}, "second": {"kind": "simulated", "accuracy": 0.9}},
}
NULLS = {"1": {"unigram_entropy": [6.0, 7.0, 8.0, 7.0, 6.0, 8.0, 7.0, 7.0]}}


@pytest.fixture(scope="module")
def second_night(tmp_path_factory):
    """A home after its first written night, with a calibration for the whole mixture."""
    home = first_night(tmp_path_factory.mktemp("mixture"), teacher=MIXTURE)
    with shop_in(home, teacher=MIXTURE) as shop:
        calibrate_by_hand(shop, NULLS)
        run_night(shop, NIGHTS[1])
    return home


@pytest.fixture
def shop(second_night, tmp_path):
    home = shutil.copytree(second_night, tmp_path / "home")
    with shop_in(home, teacher=MIXTURE) as shop:
        yield shop


def record(shop, night):
    return shop.line(CORPUS).generations[night].record


def wrote(shop, table, night):
    rows = shop.store.read(table, CORPUS, [night])["teacher"].to_pylist()
    return Counter(name.partition("@")[0] for name in rows if name)


def test_both_teachers_are_components_and_every_row_says_which_one_wrote_it(shop):
    both = versions_of(record(shop, NIGHTS[1]))[Component.TEACHER]
    assert [name.partition("@")[0] for name in both] == ["teacher first", "teacher second"]
    rows = shop.store.read("synthetic_batch", CORPUS, [NIGHTS[1]])["teacher"].to_pylist()
    assert {f"teacher {name}" for name in rows} == {*both}
    assert wrote(shop, "synthetic_batch", NIGHTS[1])["first"] == pytest.approx(120, abs=30)
    assert Need.TEACHERS in record(shop, NIGHTS[1]).applies
    used = {row["version"] for row in components(shop, CORPUS) if row["in_use"]}
    assert {name.partition(" ")[2] for name in both} <= used


def test_a_frozen_one_is_left_out_with_its_rows_and_nothing_else_stops(shop):
    first, _ = versions_of(record(shop, NIGHTS[1]))[Component.TEACHER]
    _, _, version = first.partition(" ")
    freeze(shop, CORPUS, Component.TEACHER, version, "states wrong facts", "ann")
    night = run_night(shop, NIGHTS[2])
    assert night.verdict == "promoted"
    assert set(wrote(shop, "synthetic_batch", NIGHTS[2])) == {"second"}
    assert set(wrote(shop, "training_mix", NIGHTS[2])) == {"second"}  # of earlier nights, too
    opened = record(shop, NIGHTS[2])
    assert opened.calibration_faults == ()  # gates freeze, and must not make themselves stale
    assert versions_of(opened)[Component.TEACHER][0].startswith("teacher second@")
    assert list(pinned_settings(opened).teacher.teachers) == ["second"]
    lift(shop, CORPUS, Component.TEACHER, version, "looked at 50 rows", "bob")
    run_night(shop, NIGHTS[3])
    assert set(wrote(shop, "synthetic_batch", NIGHTS[3])) == {"first", "second"}
    # The lone night's rows are the second's; what the first wrote before is mixed in again.
    assert set(wrote(shop, "training_mix", NIGHTS[3])) == {"first", "second"}


def test_where_all_are_frozen_the_next_night_says_so(shop):
    for name in versions_of(record(shop, NIGHTS[1]))[Component.TEACHER]:
        freeze(shop, CORPUS, Component.TEACHER, name.partition(" ")[2], "wrong", "ann")
    with pytest.raises(BadInputError, match="lift one"):
        open_generation(shop, CORPUS, NIGHTS[2])


def test_the_same_mixture_needs_no_review_and_another_member_does(shop):
    run_night(shop, NIGHTS[2])
    known = versions_of(record(shop, NIGHTS[2]))[Component.TEACHER]
    assert known == versions_of(record(shop, NIGHTS[1]))[Component.TEACHER]
    density = {"changed_review_density": 0.5}
    with shop_in(shop.settings.home, teacher=MIXTURE, governance=density) as same:
        assert open_generation(same, CORPUS, NIGHTS[3]).review_density == 0
    changed = {**MIXTURE, "weights": {}, "teachers": {**MIXTURE["teachers"]}}
    changed["teachers"]["second"] = {"kind": "simulated", "accuracy": 0.8}
    with shop_in(shop.settings.home, teacher=changed, governance=density) as other:
        assert open_generation(other, CORPUS, NIGHTS[3], again=True).review_density == 0.5
