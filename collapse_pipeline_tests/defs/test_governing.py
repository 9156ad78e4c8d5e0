"""What persons decide, and that the ledger is told once."""

import shutil

import pytest

from collapse_pipeline.defs import checklists
from collapse_pipeline.defs.component_versions import components, find_version, seen
from collapse_pipeline.defs.governing import (
    accept_gate,
    activate,
    freeze,
    lift,
    open_review,
    raise_cap,
    retire,
)
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.pins import Part
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.versions import versions_of
from collapse_pipeline.records import GATE_VALUES, Component, Verdict, samples_table
from collapse_pipeline_tests.defs import nights
from collapse_pipeline_tests.defs.nights import (
    CORPUS,
    NIGHTS,
    TEMPLATES,
    model_of,
    night,
    shop_with,
    take_in,
    write_templates,
)

T = Component.TEMPLATE


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with a generation 0 and a night after it."""
    home = take_in(tmp_path_factory.mktemp("made"))
    with shop_with(home) as shop:
        night(shop, NIGHTS[0])
        night(shop, NIGHTS[1])
    return home


@pytest.fixture
def home(made, tmp_path):
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def shop(home):
    with shop_with(home) as shop:
        yield shop


@pytest.fixture
def plain(shop):
    """The version of the template `plain`."""
    return str(shop.line(CORPUS).generations[NIGHTS[0]].record.templates[0])


def events(shop, *acts):
    return shop.ledger.events(corpus=CORPUS, kinds=list(acts))


def value(statistic, asset="synthetic_batch", outcome="pass", generation=NIGHTS[1]):
    return {
        "corpus": CORPUS,
        "generation": generation,
        "attempt": 1,
        "asset": asset,
        "gate": f"gate of {statistic}",
        "scope": "",
        "statistic": statistic,
        "value": 0.5,
        "low": None,
        "high": None,
        "bound": "",
        "exceeded": outcome == "breach",
        "raised": outcome == "breach",
        "outcome": outcome,
        "severity": "block",
        "actions": [],
        "blamed": [],
        "examples": [],
        "rows": 100,
        "depth": 1,
        "calibration": "c",
        "note": "",
    }


def measured(shop, monkeypatch, *others, generation=NIGHTS[1]):
    """Evidence for every dimension; the models of these nights were never trained."""
    monkeypatch.setattr(checklists, "pinned_parts", lambda *_: [Part(name="student")])
    values = [value("coverage", generation=generation), *others]
    values.append(value("skeleton_repetition", generation=generation))
    table = samples_table(values, GATE_VALUES)
    shop.store.replace("gate_values", CORPUS, generation, table)


# Freezing and lifting.


def test_a_freeze_is_written_with_its_evidence_and_lifted_with_its_reason(shop, plain):
    said = freeze(shop, CORPUS, T, plain, "rigid", "ann")
    assert (said["state"], said["done"], said["by"]) == ("frozen", True, "ann")
    (event,) = events(shop, Act.FROZEN)
    assert (event.actor, event.role, event.reason, event.generation) == (
        "ann",
        "freezer",
        "rigid",
        "",
    )
    assert event.payload == {
        "component": "template",
        "version": plain,
        "gate": "",
        "evidence": {"used_in": NIGHTS[:2]},
    }
    said = lift(shop, CORPUS, T, plain, "50 rows looked at", "bob")
    assert (said["state"], said["why"]) == ("active", [])
    (event,) = events(shop, Act.LIFTED)
    assert (event.actor, event.role, event.reason) == ("bob", "resumer", "50 rows looked at")


def test_saying_it_twice_writes_it_once_and_again_later_anew(shop, plain):
    for _ in range(2):
        freeze(shop, CORPUS, T, plain, "rigid", "ann")
    assert len(events(shop, Act.FROZEN)) == 1
    freeze(shop, CORPUS, T, plain, "rigid too", "bob")
    assert len(events(shop, Act.FROZEN)) == 2
    lift(shop, CORPUS, T, plain, "fine", "ann")
    with pytest.raises(BadInputError, match=r"got template .* active"):
        lift(shop, CORPUS, T, plain, "fine", "ann")
    freeze(shop, CORPUS, T, plain, "rigid", "ann")
    lift(shop, CORPUS, T, plain, "fine", "ann")
    assert (len(events(shop, Act.FROZEN)), len(events(shop, Act.LIFTED))) == (3, 2)


def test_two_processes_at_once_write_it_once(shop, home, plain):
    with shop_with(home) as other:
        other.governance(CORPUS)
        freeze(shop, CORPUS, T, plain, "rigid", "ann")
        freeze(other, CORPUS, T, plain, "rigid", "ann")
    assert len(events(shop, Act.FROZEN)) == 1


def test_no_lease_is_taken_so_a_running_night_does_not_hold_a_freeze_up(shop, home, plain):
    shop.hold(CORPUS)
    with shop_with(home) as other:
        assert freeze(other, CORPUS, T, plain, "rigid", "ann")["done"]


def test_review_and_retirement(shop, plain):
    freeze(shop, CORPUS, T, plain, "rigid", "ann")
    assert open_review(shop, CORPUS, T, plain, "Monday", "ann")["state"] == "in_review"
    said = retire(shop, CORPUS, T, plain, "replaced", "ann")
    assert said["state"] == "retired"
    assert len(said["why"]) == 3  # what froze it is still told
    assert night(shop, NIGHTS[2]).templates[0].name == "terse"


def test_roles_and_the_second_person_are_configuration(home, plain):
    roles = {"roles": {"resumer": ["bob", "carl"]}, "lift_by_another": True}
    with shop_with(home, governance=roles) as shop:
        freeze(shop, CORPUS, T, plain, "rigid", "bob")
        with pytest.raises(BadInputError, match="bob or carl"):
            lift(shop, CORPUS, T, plain, "fine", "ann")
        with pytest.raises(BadInputError, match="another person"):
            lift(shop, CORPUS, T, plain, "fine", "bob")
        assert lift(shop, CORPUS, T, plain, "fine", "carl")["state"] == "active"
        with pytest.raises(BadInputError, match="--reason"):
            freeze(shop, CORPUS, T, plain, " ", "carl")


# Which version is meant.


def test_every_version_that_was_used_configured_or_released_is_seen(shop, home):
    write_templates(home, TEMPLATES | {"new": "{{ intent }}"})
    found = seen(shop, CORPUS)
    record = shop.line(CORPUS).generations[NIGHTS[1]].record
    assert {v for versions in versions_of(record).values() for v in versions} < set(found)
    assert f"teacher student@{model_of(NIGHTS[1])}" in found
    assert any(version.startswith("template new@") for version in found)
    assert len(found) == len(set(found))


def test_the_beginning_of_a_version_is_enough_where_one_is_meant(shop, plain):
    assert find_version(shop, plain[: len("plain@") + 4]) == (CORPUS, T, plain)
    judge = find_version(shop, "jury@", CORPUS)
    assert judge[1] is Component.JUDGE
    for text in ("plain", "nobody@1", "student@"):
        with pytest.raises(BadInputError, match=r"plain@|which is teacher student@"):
            find_version(shop, text)
    with pytest.raises(BadInputError):
        find_version(shop, plain, kind=Component.JUDGE)
    with pytest.raises(BadInputError):
        freeze(shop, CORPUS, T, "plain@never", "rigid", "ann")
    assert events(shop, Act.FROZEN) == []


def test_the_list_says_where_each_stands_and_why(shop, plain):
    freeze(shop, CORPUS, T, plain, "rigid", "ann")
    rows = {(row["component"], row["version"]): row for row in components(shop, CORPUS)}
    assert rows["template", plain]["state"] == "frozen"
    assert rows["template", plain]["in_use"]
    assert rows["template", plain]["why"][0].startswith("by ann on ")
    model = rows["teacher", f"student@{model_of(NIGHTS[1])}"]
    assert (model["state"], model["in_use"], model["why"]) == ("active", False, [])
    night(shop, NIGHTS[2])
    rows = {(row["component"], row["version"]): row for row in components(shop, CORPUS)}
    assert not rows["template", plain]["in_use"]


# Activation and caps, after the checklist.


def test_an_activation_without_evidence_is_refused_row_by_row(shop, home, monkeypatch):
    write_templates(home, TEMPLATES | {"plain": "Anything on {{ intent }}?"})
    version = new(shop)
    said = activate(shop, CORPUS, T, version, "shorter", "ann")
    assert not said["done"]
    assert said["checklist"][0]["dimension"] == "data source"
    assert "sample distribution: no evidence" in said["red_lines"]
    assert [e for e in events(shop, Act.ACTIVATED) if e.payload["version"] == version] == []
    measured(shop, monkeypatch)
    said = activate(shop, CORPUS, T, version, "shorter", "ann")
    assert (said["done"], said["red_lines"]) == (True, [])
    activate(shop, CORPUS, T, version, "shorter", "ann")
    (event,) = [e for e in events(shop, Act.ACTIVATED) if e.payload["version"] == version]
    assert len(event.payload["checklist"]) == 7
    assert (event.actor, event.role) == ("ann", "resumer")


def new(shop):
    """The version that is configured and was never used."""
    record = shop.line(CORPUS).generations[NIGHTS[1]].record
    used = set(versions_of(record)[T])
    (version,) = [v for v in seen(shop, CORPUS) if v.startswith("template ") and v not in used]
    return version.partition(" ")[2]


def test_what_was_activated_by_a_person_is_used_the_next_night(home, monkeypatch):
    with shop_with(home, governance={"activation": "required"}) as shop:
        write_templates(home, TEMPLATES | {"plain": "Anything on {{ intent }}?"})
        version = new(shop)
        assert version not in map(str, night(shop, NIGHTS[2]).templates)
        measured(shop, monkeypatch, generation=NIGHTS[2])
        assert activate(shop, CORPUS, T, version, "shorter", "ann")["done"]
        assert version in map(str, night(shop, NIGHTS[3]).templates)


def test_a_frozen_version_is_lifted_not_activated(shop, plain):
    freeze(shop, CORPUS, T, plain, "rigid", "ann")
    with pytest.raises(BadInputError, match="lift it first"):
        activate(shop, CORPUS, T, plain, "please", "ann")


def lower(shop, cap, generation=NIGHTS[1]):
    shop.ledger.append(
        Act.CAP_LOWERED,
        corpus=CORPUS,
        generation=generation,
        actor="cron",
        reason="too far",
        payload={"cap": cap, "gate": "mix_account"},
    )


def test_a_cap_is_raised_on_evidence_of_the_newest_night(shop, monkeypatch):
    with pytest.raises(BadInputError, match=r"none: the configured 0.3 is in force"):
        raise_cap(shop, CORPUS, 0.3, "calm again", "ann")
    lower(shop, 0.2)
    with pytest.raises(BadInputError, match=r"above 0.2, lowered by gate mix_account on "):
        raise_cap(shop, CORPUS, 0.2, "calm again", "ann")
    measured(shop, monkeypatch, value("coverage", outcome="breach"))
    refused = raise_cap(shop, CORPUS, 0.3, "calm again", "ann")
    assert (refused["done"], refused["cap"]) == (False, 0.2)
    assert "breached" in refused["red_lines"][0]
    measured(shop, monkeypatch)
    # Releases of the line stand on 30%; nothing vouches for more.
    assert not raise_cap(shop, CORPUS, 0.35, "calm again", "ann")["done"]
    said = raise_cap(shop, CORPUS, 0.3, "calm again", "ann")
    assert (said["done"], said["cap"]) == (True, 0.3)
    (event,) = events(shop, Act.CAP_RAISED)
    assert (event.role, event.payload["cap"]) == ("resumer", 0.3)


def test_the_newest_night_counts_for_a_cap_even_where_it_was_quarantined(shop, monkeypatch):
    record = open_generation(shop, CORPUS, NIGHTS[2])
    nights.end_night(shop, record, verdict=Verdict.QUARANTINED)
    lower(shop, 0.2, NIGHTS[2])
    measured(shop, monkeypatch)  # of the release before it
    said = raise_cap(shop, CORPUS, 0.3, "calm again", "ann")
    assert "sample distribution: no evidence" in said["red_lines"]


def test_an_accepted_gate_is_written_once(shop):
    for _ in range(2):
        said = accept_gate(shop, CORPUS, "legacy_suites_only", "nothing newer yet", "ann")
    assert said["accepted"]
    assert len(events(shop, Act.GATE_ACCEPTED)) == 1
    assert shop.governance(CORPUS).accepted["legacy_suites_only"].reason == "nothing newer yet"
    with pytest.raises(BadInputError, match="one of the corpora"):
        accept_gate(shop, "nowhere", "legacy_suites_only", "x", "ann")
