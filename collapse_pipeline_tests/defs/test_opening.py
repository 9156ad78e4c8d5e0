"""What a night obeys when it opens."""

import shutil

import pytest

from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.stages import training_mix
from collapse_pipeline.defs.workshop import pinned_settings
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.pinned import Brake
from collapse_pipeline.loop.versions import versions_of
from collapse_pipeline.records import DROPPED_BATCH, Component, Verdict
from collapse_pipeline_tests.defs.nights import (
    BASELINE,
    CORPUS,
    NIGHTS,
    TEMPLATES,
    end_night,
    model_of,
    night,
    shop_with,
    take_in,
    write_templates,
)

STUDENT = {"teacher": {"kind": "student"}}
STRICT = {"governance": {"activation": "required"}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return take_in(tmp_path_factory.mktemp("made"))


@pytest.fixture
def home(made, tmp_path):
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def reopened(home):
    """Opens the home, each time under other settings; the workshop before is closed."""
    opened = []

    def again(**settings):
        while opened:
            opened.pop().close()
        opened.append(shop_with(home, **settings))
        return opened[-1]

    yield again
    while opened:
        opened.pop().close()


def names(record):
    return [template.name for template in record.templates]


def version(record, kind):
    return versions_of(record)[kind][0]


def decide(shop, act, component, generation="", **payload):
    kind, _, name = component.partition(" ")
    machine = bool(generation)
    shop.ledger.append(
        act,
        corpus=CORPUS,
        generation=generation,
        actor="cron" if machine else "ann",
        role="machine" if machine else "freezer",
        reason="alike" if machine else "seen",
        payload={"component": kind, "version": name} | payload,
    )


def acts(shop, act, **where):
    return shop.ledger.events(corpus=CORPUS, kinds=[act], **where)


def in_force(record, what):
    return [brake for brake in record.in_force if brake.what is what]


def test_generation_0_activates_all_that_is_configured_and_no_night_does_it_again(reopened):
    shop = reopened(**STRICT)
    first = night(shop, NIGHTS[0])
    events = acts(shop, Act.ACTIVATED)
    used = {v for versions in versions_of(first).values() for v in versions}
    assert {f"{e.payload['component']} {e.payload['version']}" for e in events} == used
    assert {len(event.payload["checklist"]) for event in events} == {7}
    assert {row["evidence"] for row in events[0].payload["checklist"]} == {"no evidence"}
    second = night(shop, NIGHTS[1])
    assert len(acts(shop, Act.ACTIVATED)) == len(events)
    assert (second.in_force, second.review_density) == ((), 0.0)


def test_a_frozen_template_is_not_used_until_it_is_lifted(reopened):
    shop = reopened()
    first = night(shop, NIGHTS[0])
    plain = f"template {first.templates[0]}"
    decide(shop, Act.FROZEN, plain, gate="")
    second = night(shop, NIGHTS[1])
    assert names(second) == ["terse"]
    (frozen,) = in_force(second, Brake.FROZEN)
    assert (frozen.value, frozen.gate) == (plain, "")
    assert frozen.why.startswith(f"{plain} frozen by ann on ")
    decide(shop, Act.LIFTED, plain)
    third = night(shop, NIGHTS[2])
    assert (names(third), third.in_force) == (["plain", "terse"], ())


def test_where_no_template_is_left_the_frozen_ones_are_named_and_no_night_opens(reopened):
    shop = reopened()
    first = night(shop, NIGHTS[0])
    for template in first.templates:
        decide(shop, Act.FROZEN, f"template {template}", NIGHTS[0], gate="style_uniform")
    before = shop.ledger.head()
    with pytest.raises(BadInputError) as told:
        open_generation(shop, CORPUS, NIGHTS[1])
    for template in first.templates:
        assert f"template {template} frozen by gate style_uniform on {NIGHTS[0]}" in told.value.got
    assert f"lift {first.templates[0]} --corpus {CORPUS}" in told.value.do
    assert shop.ledger.head() == before


def test_a_frozen_judge_gives_way_to_the_last_good_one(reopened):
    first = night(reopened(), NIGHTS[0])
    harsh = {"judge": {"keep_share": 0.1}}
    second = night(reopened(**harsh), NIGHTS[1])
    assert version(second, Component.JUDGE) != version(first, Component.JUDGE)
    shop = reopened(**harsh)
    decide(shop, Act.FROZEN, version(second, Component.JUDGE), NIGHTS[1], gate="judge_biased")
    third = night(shop, NIGHTS[2])
    assert third.settings["judge"] == first.settings["judge"]
    decide(shop, Act.FROZEN, version(first, Component.JUDGE), NIGHTS[2], gate="judge_biased")
    with pytest.raises(BadInputError, match="a judge of customer_service in service"):
        open_generation(shop, CORPUS, NIGHTS[3])
    # What this run asks for decides the matter, unless it is frozen.
    asked = open_generation(shop, CORPUS, NIGHTS[3], {"judge": {"keep_share": 0.5}})
    assert asked.settings["judge"]["keep_share"] == 0.5


def test_a_changed_judge_policy_or_teacher_waits_for_a_person(reopened):
    first = night(reopened(**STRICT), NIGHTS[0])
    changed = {"judge": {"keep_share": 0.1}, "mix": {"synthetic_cap": 0.25}}
    changed["teacher"] = {"kind": "simulated", "accuracy": 0.5}
    shop = reopened(**STRICT, **changed)
    second = night(shop, NIGHTS[1])
    assert {k: second.settings[k] for k in changed} == {k: first.settings[k] for k in changed}
    waits = in_force(second, Brake.WAITS)
    assert [brake.value.partition(" ")[0] for brake in waits] == ["judge", "mix_policy", "teacher"]
    for brake in waits:
        decide(shop, Act.ACTIVATED, brake.value)
    third = night(shop, NIGHTS[2])
    assert third.in_force == ()
    assert third.settings["judge"]["keep_share"] == 0.1
    assert third.settings["mix"]["synthetic_cap"] == 0.25
    assert third.settings["teacher"]["accuracy"] == 0.5
    # An older version that was activated once is used when it is configured again.
    assert night(reopened(**STRICT), NIGHTS[3]).settings["judge"] == first.settings["judge"]


def test_an_option_of_one_run_needs_nobody_and_leaves_no_trace(reopened):
    shop = reopened(**STRICT)
    first = night(shop, NIGHTS[0])
    asked = open_generation(shop, CORPUS, NIGHTS[1], {"judge": {"keep_share": 0.1}})
    end_night(shop, asked)
    assert asked.settings["judge"]["keep_share"] == 0.1
    third = night(shop, NIGHTS[2])
    assert (third.settings, third.in_force) == (first.settings, ())


def test_a_changed_template_waits_and_its_last_version_goes_on(reopened, home):
    shop = reopened(**STRICT)
    first = night(shop, NIGHTS[0])
    write_templates(home, TEMPLATES | {"plain": "Anything on {{ intent }}?", "new": "{{ intent }}"})
    second = night(shop, NIGHTS[1])
    assert second.templates == first.templates
    plain, new = sorted((b.value for b in in_force(second, Brake.WAITS)), reverse=True)
    decide(shop, Act.ACTIVATED, plain)
    decide(shop, Act.ACTIVATED, new)
    third = night(shop, NIGHTS[2])
    assert names(third) == ["new", "plain", "terse"]
    assert plain in versions_of(third)[Component.TEMPLATE]


def test_without_a_person_a_changed_version_is_used_at_once_and_written_down(reopened):
    night(reopened(), NIGHTS[0])
    shop = reopened(judge={"keep_share": 0.1})
    second = night(shop, NIGHTS[1])
    (event,) = acts(shop, Act.ACTIVATED, generation=NIGHTS[1])
    assert f"judge {event.payload['version']}" == version(second, Component.JUDGE)
    assert event.reason == "it is configured: activation is automatic"
    source = event.payload["checklist"][0]
    assert source["evidence"].startswith("1,200 human rows pinned as ")
    assert not source["red"]


def test_after_a_rollback_its_release_s_versions_go_on(reopened):
    first = night(reopened(), NIGHTS[0])
    harsh = {"judge": {"keep_share": 0.1}}
    night(reopened(**harsh), NIGHTS[1])
    shop = reopened(**harsh)
    opened = shop.line(CORPUS).generations[NIGHTS[0]].opened
    shop.ledger.append(
        Act.ROLLED_BACK,
        corpus=CORPUS,
        actor="ann",
        role="freezer",
        payload={"to": NIGHTS[0], "opened": opened},
    )
    for day in NIGHTS[2:4]:
        record = night(shop, day)
        assert record.settings["judge"] == first.settings["judge"]
        assert [brake.what for brake in record.in_force] == [Brake.WAITS]
    decide(shop, Act.ACTIVATED, record.in_force[0].value)
    assert night(shop, NIGHTS[4]).settings["judge"]["keep_share"] == 0.1


def test_a_lowered_cap_and_infused_rows_lie_on_top_of_the_policy(reopened):
    shop = reopened()
    first = night(shop, NIGHTS[0])
    for act, payload in {
        Act.CAP_LOWERED: {"cap": 0.2, "gate": "mix_account"},
        Act.HUMAN_INFUSED: {"labels": {"return_window": 1.5}, "gate": "distribution_contract"},
        Act.REVIEW_RAISED: {"density": 0.02, "gate": "style_uniform"},
    }.items():
        shop.ledger.append(act, corpus=CORPUS, generation=NIGHTS[0], actor="cron", payload=payload)
    second = night(shop, NIGHTS[1])
    held = pinned_settings(second).mix
    assert (held.synthetic_cap, dict(held.infusion)) == (0.2, {"return_window": 1.5})
    assert second.review_density == 0.02
    assert {brake.gate for brake in second.in_force} == {
        "mix_account",
        "distribution_contract",
        "style_uniform",
    }
    # The policy is the same version: nothing of it waits, nothing is activated.
    assert second.settings["mix"] == first.settings["mix"]
    assert acts(shop, Act.ACTIVATED, generation=NIGHTS[1]) == []
    night(shop, NIGHTS[2])
    after = night(shop, NIGHTS[3])
    held = pinned_settings(after).mix
    assert (held.synthetic_cap, held.infusion, after.review_density) == (0.2, {}, 0.0)


def test_a_frozen_release_is_no_parent_and_its_rows_are_not_mixed_in(reopened):
    shop = reopened(**STUDENT)
    night(shop, NIGHTS[0])
    night(shop, NIGHTS[1], depth=1)
    third = night(shop, NIGHTS[2], depth=1)
    assert third.parent.generation == NIGHTS[1]
    decide(shop, Act.FROZEN, f"teacher student@{third.parent.model}", NIGHTS[2], gate="g")
    fourth = night(shop, NIGHTS[3], depth=1)
    # It wrote the third night's rows; the third night's own model may still write.
    assert fourth.parent.generation == NIGHTS[2]
    assert [brake.value for brake in in_force(fourth, Brake.REFUSED)] == [NIGHTS[2]]
    decide(shop, Act.FROZEN, f"teacher student@{fourth.parent.model}", NIGHTS[3], gate="g")
    fifth = night(shop, NIGHTS[4])
    assert fifth.parent.model == model_of(NIGHTS[3])
    for day in (NIGHTS[0], NIGHTS[3], NIGHTS[4]):
        decide(shop, Act.FROZEN, f"teacher student@{model_of(day)}", NIGHTS[4], gate="g")
    sixth = open_generation(shop, CORPUS, NIGHTS[5])
    assert sixth.parent.generation == ""  # the human-only baseline writes
    decide(shop, Act.FROZEN, f"teacher student@{BASELINE}", gate="")
    with pytest.raises(BadInputError, match="a teacher of customer_service in service"):
        open_generation(shop, CORPUS, NIGHTS[5], {"seed": 3})


def test_late_rows_of_a_frozen_template_are_not_mixed_in(reopened):
    shop = reopened()
    night(shop, NIGHTS[0])
    second = night(shop, NIGHTS[1])
    decide(shop, Act.FROZEN, f"template {second.templates[0]}", NIGHTS[1], gate="g")
    third = open_generation(shop, CORPUS, NIGHTS[2])
    empty = DROPPED_BATCH.empty_table()
    shop.store.replace("dropped_batch", CORPUS, NIGHTS[2], empty)
    outcome = training_mix(shop, third)
    rows = shop.store.read("training_mix", CORPUS, [NIGHTS[2]]).to_pylist()
    written = {row["template"] for row in rows if row["origin"] == "synthetic"}
    assert written == {str(second.templates[1])}
    assert (outcome["frozen_component_rows"], outcome["synthetic_rows"]) == (4, 4)


def test_a_night_done_again_obeys_what_it_obeyed_the_first_time(reopened):
    shop = reopened()
    night(shop, NIGHTS[0])
    once = night(shop, NIGHTS[1], verdict=Verdict.QUARANTINED)
    decide(shop, Act.FROZEN, f"template {once.templates[0]}", NIGHTS[1], gate="g")
    shop.ledger.append(
        Act.CAP_LOWERED, corpus=CORPUS, generation=NIGHTS[1], actor="cron", payload={"cap": 0.1}
    )
    twice = night(shop, NIGHTS[1])
    assert twice.attempt == 2
    assert twice.model_copy(update={"attempt": 1}) == once
    assert names(night(shop, NIGHTS[2])) == ["terse"]


def test_a_night_that_was_cut_off_goes_on_with_what_it_pinned(reopened):
    shop = reopened()
    night(shop, NIGHTS[0])
    open_night = open_generation(shop, CORPUS, NIGHTS[1])
    decide(shop, Act.FROZEN, f"template {open_night.templates[0]}", gate="")
    assert open_generation(shop, CORPUS, NIGHTS[1]) == open_night
    again = open_generation(shop, CORPUS, NIGHTS[1], {"seed": 3})
    assert (again.attempt, names(again)) == (2, ["terse"])


def test_more_is_reviewed_until_a_release_stands_on_what_changed(reopened):
    density = {"governance": {"review_density": 0.01, "changed_review_density": 0.05}}
    assert night(reopened(**density), NIGHTS[0]).review_density == 0.01
    changed = {**density, "judge": {"keep_share": 0.1}}
    shop = reopened(**changed)
    second = night(shop, NIGHTS[1], verdict=Verdict.QUARANTINED)
    assert second.review_density == 0.05
    assert "no release stands on judge jury@" in second.in_force[0].why
    assert night(shop, NIGHTS[2]).review_density == 0.05
    assert night(shop, NIGHTS[3]).review_density == 0.01
