import pytest

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.permit import (
    ROLE_OF,
    GovernanceSettings,
    Role,
    check_component,
    check_person,
)
from collapse_pipeline_tests.decisions import Decisions

ANYONE = GovernanceSettings()
PLAIN = "template plain@1"
# What gates and machines write; every other act is a person's and has a role.
OF_MACHINES = {
    Act.CAP_LOWERED,
    Act.HUMAN_INFUSED,
    Act.REVIEW_RAISED,
    Act.REVIEW_REQUIRED,
    Act.GATE_ESCALATED,
}


def test_every_act_of_a_person_has_a_role():
    assert set(ROLE_OF) == set(Act) - OF_MACHINES
    assert set(ROLE_OF.values()) == set(Role)


def test_a_role_that_is_not_named_is_open_and_a_named_one_is_not():
    assert check_person(ANYONE, Act.LIFTED, "carl", "looked at it") is Role.RESUMER
    settings = GovernanceSettings(roles={"resumer": ("ann", "bob")})
    assert check_person(settings, Act.LIFTED, "bob", "looked at it") is Role.RESUMER
    assert check_person(settings, Act.FROZEN, "carl", "rigid") is Role.FREEZER
    with pytest.raises(BadInputError, match=r"ann or bob, .* as resumer, got 'carl'"):
        check_person(settings, Act.LIFTED, "carl", "looked at it")


@pytest.mark.parametrize(("by", "reason", "match"), [("", "x", "--by"), ("ann", " ", "--reason")])
def test_a_decision_wants_a_name_and_a_reason(by, reason, match):
    with pytest.raises(BadInputError, match=match):
        check_person(ANYONE, Act.LIFTED, by, reason)


def test_the_one_who_froze_may_not_lift_where_another_is_wanted():
    strict = GovernanceSettings(lift_by_another=True)
    state = Decisions().person(Act.FROZEN, "ann", "plain@1").state()
    with pytest.raises(BadInputError, match="another person"):
        check_component(state, strict, Act.LIFTED, PLAIN, "ann", "fine")
    assert check_component(state, strict, Act.LIFTED, PLAIN, "bob", "fine") is Role.RESUMER
    assert check_component(state, ANYONE, Act.LIFTED, PLAIN, "ann", "fine") is Role.RESUMER


def test_a_gate_is_no_person_whoever_ran_the_night():
    strict = GovernanceSettings(lift_by_another=True)
    state = Decisions().say(
        Act.FROZEN, "2026-01-02", "ann", component="template", version="plain@1", gate="g"
    )
    check_component(state.state(), strict, Act.LIFTED, PLAIN, "ann", "fine")


@pytest.mark.parametrize(
    ("before", "act", "match"),
    [
        ((), Act.LIFTED, "frozen or in review, got template plain@1 active"),
        ((), Act.REVIEW_OPENED, "a version that is frozen"),
        ((Act.FROZEN,), Act.ACTIVATED, "active or retired, got .* frozen by ann on .*; lift it"),
        ((Act.RETIRED,), Act.FROZEN, "retired by ann .* component activate brings it back"),
        ((Act.RETIRED,), Act.RETIRED, "active or frozen or in review"),
    ],
)
def test_what_a_state_does_not_allow_is_said_with_the_way_on(before, act, match):
    ledger = Decisions()
    for step in before:
        ledger.person(step, "ann", "plain@1")
    with pytest.raises(BadInputError, match=match):
        check_component(ledger.state(), ANYONE, act, PLAIN, "ann", "because")
