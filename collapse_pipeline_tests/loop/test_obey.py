import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.mix import MixPolicy
from collapse_pipeline.loop.obey import (
    Offer,
    Rule,
    brakes,
    chosen,
    chosen_templates,
    from_frozen,
    held_to,
    nothing_left,
)
from collapse_pipeline.loop.pinned import Brake, InForce
from collapse_pipeline.records import Component, Template, samples_table
from collapse_pipeline_tests.decisions import Decisions
from collapse_pipeline_tests.samples import written_row

DAYS = [f"2026-01-0{n}" for n in range(1, 8)]
NEW, OLD, OLDER = "judge jury@new", "judge jury@old", "judge rules@older"


def rule(ledger=None, required=False, first=False):
    return Rule((ledger or Decisions()).state(), required, first)


def judge(ledger, act, *versions):
    for version in versions:
        ledger.person(act, "ann", version.partition(" ")[2], kind="judge")
    return ledger


def template(name, version):
    return Template(name=name, version=version, body="x")


# A judge, teacher or mix policy.


def test_what_is_configured_is_used_where_nothing_speaks_against_it():
    assert chosen(Offer(NEW), [OLD], rule()) == (NEW, [])
    assert chosen(Offer(NEW), [NEW, OLD], rule(required=True)) == (NEW, [])
    assert chosen(Offer(NEW), [], rule(required=True, first=True)) == (NEW, [])


def test_a_frozen_version_gives_way_to_the_last_good_one():
    ledger = judge(Decisions(), Act.FROZEN, NEW)
    assert chosen(Offer(NEW), [NEW, OLD, OLDER], rule(ledger))[0] == OLD
    judge(ledger, Act.FROZEN, OLD)
    assert chosen(Offer(NEW), [NEW, OLD, OLDER], rule(ledger))[0] == OLDER
    judge(ledger, Act.LIFTED, NEW)
    assert chosen(Offer(NEW), [NEW, OLD, OLDER], rule(ledger))[0] == NEW


def test_an_activated_version_is_fallen_back_on_before_one_that_a_run_tried_out():
    ledger = judge(Decisions(), Act.ACTIVATED, OLDER)
    judge(ledger, Act.FROZEN, NEW)
    assert chosen(Offer(NEW), [NEW, OLD, OLDER], rule(ledger))[0] == OLDER


def test_a_run_may_not_ask_for_a_frozen_version_either():
    ledger = judge(Decisions(), Act.FROZEN, NEW)
    assert chosen(Offer(NEW, explicit=True), [OLD], rule(ledger))[0] == OLD


def test_a_new_version_waits_for_a_person_and_says_the_command():
    version, notes = chosen(Offer(NEW), [OLD, OLDER], rule(required=True))
    assert version == OLD
    assert [(note.what, note.value) for note in notes] == [(Brake.WAITS, NEW)]
    assert notes[0].why == (
        "judge jury@new waits for: collapse-pipeline component activate jury@new --corpus toy "
        "--reason TEXT; jury@old goes on"
    )
    assert chosen(Offer(NEW, explicit=True), [OLD], rule(required=True))[0] == NEW
    activated = judge(Decisions(), Act.ACTIVATED, NEW)
    assert chosen(Offer(NEW), [OLD], rule(activated, required=True)) == (NEW, [])


def test_after_a_rollback_the_newer_version_waits_whatever_the_setting():
    ledger = judge(Decisions(), Act.ACTIVATED, OLD, NEW).say(Act.ROLLED_BACK, to=DAYS[0])
    assert chosen(Offer(NEW), [OLD], rule(ledger))[0] == OLD
    assert chosen(Offer(OLD), [OLD], rule(ledger)) == (OLD, [])
    unknown = "judge jury@newest"
    assert chosen(Offer(unknown), [OLD], rule(ledger)) == (unknown, [])
    assert chosen(Offer(NEW), [OLD], rule(judge(ledger, Act.ACTIVATED, NEW)))[0] == NEW


def test_where_nothing_is_left_it_says_what_is_frozen_and_how_to_lift():
    ledger = Decisions().froze("jury@new", DAYS[1], gate="judge_biased", kind="judge")
    with pytest.raises(BadInputError) as told:
        chosen(Offer(NEW), [NEW], rule(ledger))
    assert told.value.wanted == "a judge of toy in service"
    assert told.value.got == f"judge jury@new frozen by gate judge_biased on {DAYS[1]} (alike)"
    assert "collapse-pipeline lift jury@new --corpus toy --reason TEXT" in told.value.do
    judge(ledger, Act.LIFTED, NEW)
    judge(ledger, Act.FROZEN, OLD)
    with pytest.raises(BadInputError, match=r"jury@new waits to be activated; .*lift jury@old"):
        chosen(Offer(NEW), [OLD], rule(ledger, required=True))


VERSIONS = [f"judge jury@{n}" for n in range(5)]


@given(
    st.lists(st.sampled_from(VERSIONS), max_size=5),
    st.sets(st.sampled_from(VERSIONS)),
    st.sets(st.sampled_from(VERSIONS)),
    st.booleans(),
    st.booleans(),
)
def test_what_is_used_is_in_service_and_known(earlier, frozen, activated, required, explicit):
    ledger = judge(judge(Decisions(), Act.ACTIVATED, *activated), Act.FROZEN, *frozen)
    offer = Offer(VERSIONS[0], explicit)
    try:
        version, notes = chosen(offer, earlier, rule(ledger, required))
    except BadInputError:
        assert {*earlier} <= frozen | {VERSIONS[0]}
        return
    assert version not in frozen
    assert version in {VERSIONS[0], *earlier}
    if required and not explicit and version == VERSIONS[0]:
        assert version in activated | {*earlier[:1]}
    assert bool(notes) <= (version != VERSIONS[0])


# Templates.

PLAIN, PLAIN_NEW = template("plain", "1"), template("plain", "2")
UPSET = template("upset", "1")


def test_frozen_templates_are_left_out_and_the_others_stay():
    ledger = Decisions().froze("plain@1", DAYS[0])
    used, notes = chosen_templates([PLAIN, UPSET], [PLAIN, UPSET], rule(ledger))
    assert (used, notes) == ([UPSET], [])
    assert chosen_templates([PLAIN_NEW, UPSET], [UPSET], rule(ledger))[0] == [PLAIN_NEW, UPSET]


def test_a_changed_template_waits_while_its_last_version_goes_on():
    waiting = rule(required=True)
    used, notes = chosen_templates([PLAIN_NEW, UPSET], [PLAIN, UPSET], waiting)
    assert used == [PLAIN, UPSET]
    assert "component activate plain@2" in notes[0].why
    assert "plain@1 goes on" in notes[0].why
    # A new name has nothing that could go on; a name that is gone needs nobody's leave.
    assert chosen_templates([PLAIN, UPSET], [PLAIN], waiting)[0] == [PLAIN]
    assert chosen_templates([UPSET], [PLAIN, UPSET], waiting) == ([UPSET], [])
    frozen = rule(Decisions().froze("plain@1", DAYS[0]), required=True)
    assert chosen_templates([PLAIN_NEW], [PLAIN], frozen)[0] == []


def test_after_a_rollback_the_release_s_templates_come_back_in_its_order():
    ledger = Decisions()
    for version in ("plain@1", "upset@1", "plain@2"):
        ledger.person(Act.ACTIVATED, "ann", version)
    ledger.say(Act.ROLLED_BACK, to=DAYS[0])
    used, notes = chosen_templates([PLAIN_NEW], [UPSET, PLAIN], rule(ledger))
    assert used == [UPSET, PLAIN]
    assert "component retire upset@1" in notes[1].why
    ledger.person(Act.RETIRED, "ann", "upset@1")
    assert chosen_templates([PLAIN_NEW], [UPSET, PLAIN], rule(ledger))[0] == [PLAIN]


# What else is in force.


def test_everything_in_force_by_hand():
    ledger = Decisions().froze("plain@1", DAYS[1]).froze("student@m1", DAYS[1], kind="teacher")
    ledger.say(Act.CAP_LOWERED, DAYS[1], cap=0.2, gate="g")
    ledger.say(Act.HUMAN_INFUSED, DAYS[1], labels={"rare": 1.5}, gate="g")
    ledger.say(Act.REVIEW_RAISED, DAYS[1], density=0.02, gate="g")
    ledger.say(Act.REVIEW_REQUIRED, DAYS[1], gate="g")
    wrote = {DAYS[0]: "", DAYS[2]: "teacher student@m1", DAYS[3]: "teacher student@m2"}
    found = brakes(ledger.state(), [DAYS[0]], wrote, review_rows=50)
    assert [(brake.what, brake.value) for brake in found] == [
        (Brake.FROZEN, "template plain@1"),
        (Brake.FROZEN, "teacher student@m1"),
        (Brake.REFUSED, DAYS[2]),
        (Brake.CAP, 0.2),
        (Brake.INFUSION, {"rare": 1.5}),
        (Brake.REVIEW_DENSITY, 0.02),
        (Brake.REVIEW, "g"),
    ]
    assert {brake.since for brake in found} == {DAYS[1]}
    assert {brake.gate for brake in found} == {"style_uniform", "g"}
    assert found[3].why == f"synthetic share at most 0.2 by gate g on {DAYS[1]}"
    assert brakes(Decisions().state(), [], {}, 50) == []
    # As a record pins them.
    again = [InForce.model_validate_json(brake.model_dump_json()) for brake in found]
    assert again == found


def test_the_mix_is_held_to_the_lower_cap_and_the_higher_weight():
    policy = MixPolicy(synthetic_cap=0.3, infusion={"a": 2.0, "b": 1.0})
    in_force = [
        InForce(what=Brake.CAP, value=0.2, why=""),
        InForce(what=Brake.INFUSION, value={"a": 1.5, "b": 1.5, "c": 3.0}, why=""),
    ]
    held = held_to(policy, in_force)
    assert (held.synthetic_cap, held.infusion) == (0.2, {"a": 2.0, "b": 1.5, "c": 3.0})
    raised = held_to(policy, [InForce(what=Brake.CAP, value=0.5, why="")])
    assert raised == policy
    assert held_to(policy, []) == policy


def test_rows_of_a_frozen_template_or_of_a_frozen_teacher_s_night_are_known():
    rows = samples_table(
        [
            written_row("one", generation=DAYS[1], template="plain@1"),
            written_row("two", generation=DAYS[1], template="plain@2"),
            written_row("three", generation=DAYS[2], template="plain@2"),
        ]
    )
    frozen = InForce(what=Brake.FROZEN, value="template plain@1", why="")
    judge_frozen = InForce(what=Brake.FROZEN, value="judge plain@2", why="")
    refused = InForce(what=Brake.REFUSED, value=DAYS[2], why="")
    assert from_frozen(rows, [frozen, judge_frozen]).to_pylist() == [True, False, False]
    assert from_frozen(rows, [refused]).to_pylist() == [False, False, True]
    assert pc.sum(from_frozen(rows, [])).as_py() == 0


def test_nothing_left_without_anything_frozen():
    told = nothing_left("a template", Component.TEMPLATE, Decisions().state())
    assert (told.got, told.do) == ("none", "configure one")
