from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.loop.govern import TRANSITIONS, Act, State, govern
from collapse_pipeline.records import Component
from collapse_pipeline_tests.decisions import Decisions

DAYS = [f"2026-01-0{n}" for n in range(1, 8)]
PLAIN = "template plain@1"
OF_COMPONENTS = (Act.FROZEN, Act.REVIEW_OPENED, Act.LIFTED, Act.RETIRED, Act.ACTIVATED)


def test_a_version_by_hand():
    ledger = Decisions().froze("plain@1", DAYS[2])
    frozen = ledger.state().standing(PLAIN)
    assert frozen.state is State.FROZEN
    assert str(frozen) == f"{PLAIN} frozen by gate style_uniform on {DAYS[2]} (alike)"
    ledger.person(Act.REVIEW_OPENED, "ann", "plain@1")
    assert ledger.state().standing(PLAIN).state is State.IN_REVIEW
    assert not ledger.state().in_service(PLAIN)
    ledger.person(Act.LIFTED, "bob", "plain@1")
    lifted = ledger.state().standing(PLAIN)
    assert (lifted.state, lifted.causes, lifted.since) == (State.ACTIVE, (), 3)
    assert ledger.state().out_of_service() == []


def test_a_version_that_no_event_named_is_active():
    assert Decisions().state().in_service(PLAIN)


def test_versions_and_kinds_are_kept_apart():
    state = Decisions().froze("plain@1", DAYS[0]).froze("jury@1", DAYS[0], kind="judge").state()
    assert state.in_service("template plain@2")
    assert state.in_service("judge plain@1")
    assert [s.component for s in state.out_of_service()] == [PLAIN, "judge jury@1"]
    assert [s.component for s in state.out_of_service(Component.JUDGE)] == ["judge jury@1"]


def test_a_second_gate_adds_its_evidence_and_one_lift_clears_both():
    ledger = Decisions().froze("plain@1", DAYS[0]).froze("plain@1", DAYS[1], gate="responses_wrong")
    gates = [cause.gate for cause in ledger.state().standing(PLAIN).causes]
    assert gates == ["style_uniform", "responses_wrong"]
    assert ledger.person(Act.LIFTED, "ann", "plain@1").state().in_service(PLAIN)


def test_retired_is_left_by_activation_alone():
    ledger = Decisions().person(Act.RETIRED, "ann", "plain@1")
    for act in (Act.FROZEN, Act.REVIEW_OPENED, Act.LIFTED):
        ledger.person(act, "ann", "plain@1")
    assert ledger.state().standing(PLAIN).state is State.RETIRED
    assert ledger.person(Act.ACTIVATED, "ann", "plain@1").state().in_service(PLAIN)


@pytest.mark.parametrize(("state", "act"), list(product(State, OF_COMPONENTS)))
def test_the_table_is_all_there_is(state, act):
    way = {
        State.ACTIVE: (),
        State.FROZEN: (Act.FROZEN,),
        State.IN_REVIEW: (Act.FROZEN, Act.REVIEW_OPENED),
        State.RETIRED: (Act.RETIRED,),
    }[state]
    ledger = Decisions()
    for step in (*way, act):
        ledger.person(step, "ann", "plain@1")
    assert ledger.state().standing(PLAIN).state is TRANSITIONS.get((state, act), state)


# What a night of a date obeys.


def test_a_night_obeys_earlier_nights_and_every_person():
    ledger = Decisions().froze("plain@1", DAYS[3])
    assert ledger.state().as_of(DAYS[3]).in_service(PLAIN)  # its own breach comes after it
    assert not ledger.state().as_of(DAYS[4]).in_service(PLAIN)
    ledger.person(Act.LIFTED, "ann", "plain@1")
    assert ledger.state().as_of(DAYS[4]).in_service(PLAIN)
    ledger.froze("plain@1", DAYS[5])
    assert ledger.state().as_of(DAYS[5]).in_service(PLAIN)
    assert not ledger.state().as_of(DAYS[6]).in_service(PLAIN)


def test_a_cap_is_lowered_by_gates_and_raised_by_persons():
    ledger = Decisions()
    assert ledger.state().cap is None
    ledger.say(Act.CAP_LOWERED, DAYS[1], cap=0.2, gate="mix_account")
    ledger.say(Act.CAP_LOWERED, DAYS[2], cap=0.25, gate="real_text_forgotten")  # no raise
    assert ledger.state().cap.payload["cap"] == 0.2
    assert ledger.state().cap.gate == "mix_account"
    ledger.say(Act.CAP_RAISED, actor="ann", cap=0.28)
    assert ledger.state().cap.payload["cap"] == 0.28
    # A night before the gate's sees a raise of nothing.
    assert ledger.state().as_of(DAYS[1]).cap is None
    ledger.say(Act.CAP_LOWERED, DAYS[3], cap=0.1, gate="mix_account")
    assert ledger.state().cap.payload["cap"] == 0.1


def test_infusion_lasts_until_the_second_promoted_generation():
    ledger = Decisions()
    ledger.say(Act.HUMAN_INFUSED, DAYS[2], labels={"rare": 1.5, "odd": 3.0}, gate="a")
    ledger.say(Act.HUMAN_INFUSED, DAYS[3], labels={"rare": 2.0}, gate="b")
    state = ledger.state()
    assert state.infusion([DAYS[0], DAYS[1]]) == {"rare": 2.0, "odd": 3.0}
    # One promoted since DAYS[2] and DAYS[3]; then two since the first, one since the second.
    assert state.infusion([*DAYS[:2], DAYS[4]]) == {"rare": 2.0, "odd": 3.0}
    assert state.infusion([*DAYS[:2], DAYS[3], DAYS[4]]) == {"rare": 2.0}
    assert state.infusion([DAYS[4], DAYS[5]]) == {}


def test_review_density_is_the_highest_asked_for():
    ledger = Decisions()
    assert ledger.state().review_density([]) == 0
    ledger.say(Act.REVIEW_RAISED, DAYS[1], density=0.02, gate="a")
    ledger.say(Act.REVIEW_RAISED, DAYS[1], density=0.05, gate="b")
    assert ledger.state().review_density([DAYS[0], DAYS[1], DAYS[2]]) == 0.05
    assert ledger.state().review_density([DAYS[2], DAYS[3]]) == 0


def verdicts(generation, *samples):
    return [{"sample": sample, "generation": generation} for sample in samples]


def test_a_required_review_is_due_until_enough_rows_of_then_or_later_are_seen():
    ledger = Decisions().say(Act.REVIEW_REQUIRED, DAYS[3], gate="single_source")
    ledger.say(Act.REVIEW_RECORDED, actor="ann", verdicts=verdicts(DAYS[2], "a", "b", "c"))
    assert [cause.gate for cause in ledger.state().reviews_due(2)] == ["single_source"]
    same_night = Decisions().say(Act.REVIEW_REQUIRED, DAYS[3], gate="single_source")
    same_night.say(Act.REVIEW_RECORDED, actor="ann", verdicts=verdicts(DAYS[3], "a", "b"))
    assert same_night.state().reviews_due(2) == []
    ledger.say(Act.REVIEW_RECORDED, actor="ann", verdicts=verdicts(DAYS[4], "d"))
    ledger.say(Act.REVIEW_RECORDED, actor="bob", verdicts=verdicts(DAYS[4], "d"))
    assert len(ledger.state().reviews_due(2)) == 1  # one row, looked at twice
    ledger.say(Act.REVIEW_RECORDED, actor="bob", verdicts=verdicts(DAYS[4], "e"))
    assert ledger.state().reviews_due(2) == []
    assert ledger.state().reviewed == {DAYS[2]: {"a", "b", "c"}, DAYS[4]: {"d", "e"}}


def test_calibration_acceptance_and_experiments():
    ledger = Decisions().say(Act.GATES_CALIBRATED, version="c1")
    ledger.say(Act.GATES_CALIBRATED, version="c2")
    assert ledger.state().calibration == "c2"
    ledger.say(Act.ROLLED_BACK, to=DAYS[0], calibration="c1")
    assert ledger.state().calibration == "c1"
    ledger.say(Act.ROLLED_BACK, to=DAYS[0])  # says nothing of calibrations
    assert ledger.state().calibration == "c1"
    ledger.say(Act.GATE_ACCEPTED, gate="legacy_suites_only", actor="ann")
    assert ledger.state().accepted["legacy_suites_only"].actor == "ann"
    ledger.say(Act.EXPERIMENT_RECORDED, share=0.4)
    ledger.say(Act.EXPERIMENT_RECORDED, DAYS[0], share=0.3)
    assert [e.payload["share"] for e in ledger.state().experiments] == [0.4, 0.3]


def test_the_newest_experiment_counts_until_it_is_too_old():
    ledger = Decisions()
    assert ledger.state().experiment("2026-01-20", 10) is None
    ledger.say(Act.EXPERIMENT_RECORDED, "2026-01-08", share=0.6)
    ledger.say(Act.EXPERIMENT_RECORDED, "2026-01-10", share=0.4)
    newest = ledger.state().experiment("2026-01-20", 10)
    assert newest is not None
    assert newest.payload["share"] == 0.4
    assert ledger.state().experiment("2026-01-21", 10) is None
    # A night that is filled in later knows what was found since, as persons' decisions.
    assert ledger.state().experiment("2026-01-09", 10) is not None


def test_a_rollback_withdraws_what_was_activated_before_it():
    ledger = Decisions().person(Act.ACTIVATED, "ann", "plain@1")
    ledger.person(Act.ACTIVATED, "ann", "plain@2").say(Act.ROLLED_BACK, to=DAYS[0])
    assert ledger.state().activated == set()
    assert ledger.state().withdrawn == {PLAIN, "template plain@2"}
    ledger.person(Act.ACTIVATED, "ann", "plain@2")
    assert ledger.state().activated == {"template plain@2"}
    assert ledger.state().withdrawn == {PLAIN}


def test_other_events_and_other_corpora_do_not_count():
    ledger = Decisions().froze("plain@1", DAYS[0])
    assert govern("other", ledger.events).causes == ()
    opened = ledger.events[0].model_copy(update={"kind": "generation_opened"})
    assert govern("toy", [opened]).causes == ()


acts = st.tuples(
    st.sampled_from(OF_COMPONENTS), st.sampled_from(["plain@1", "plain@2"]), st.sampled_from(DAYS)
)


@given(st.lists(acts, max_size=12), st.integers(0, 12))
def test_replaying_in_two_parts_is_replaying_once(said, cut):
    ledger = Decisions()
    for act, version, day in said:
        ledger.say(act, day, component="template", version=version)
    first = govern("toy", ledger.events[:cut])
    assert govern("toy", ledger.events[cut:], onto=first) == ledger.state()
    assert govern("toy", ledger.events[cut:], onto=first).standings == ledger.state().standings


@given(st.lists(acts, max_size=12))
def test_a_version_is_out_of_service_exactly_while_it_is_not_active(said):
    ledger = Decisions()
    for act, version, day in said:
        ledger.say(act, day, component="template", version=version)
    state = ledger.state()
    out = {standing.component for standing in state.out_of_service()}
    for version in ("template plain@1", "template plain@2"):
        assert (version in out) == (not state.in_service(version))
        assert (state.standing(version).causes == ()) == state.in_service(version)
