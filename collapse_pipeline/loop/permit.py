"""Permit: whether a person may do what the ledger is about to say that they did."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import Field

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.govern import MACHINE, TRANSITIONS, Act, Governance, State
from collapse_pipeline.records import Frozen


class Role(StrEnum):
    """What persons may be."""

    MONITOR = "monitor"
    FREEZER = "freezer"
    RESUMER = "resumer"
    POST_MORTEM_OWNER = "post_mortem_owner"


# Who may do what, where the configuration names persons for the role.
ROLE_OF: Mapping[Act, Role] = {
    Act.FROZEN: Role.FREEZER,
    Act.ROLLED_BACK: Role.FREEZER,
    Act.LIFTED: Role.RESUMER,
    Act.ACTIVATED: Role.RESUMER,
    Act.CAP_RAISED: Role.RESUMER,
    Act.GATE_ACCEPTED: Role.RESUMER,
    Act.GATES_CALIBRATED: Role.RESUMER,
    Act.REVIEW_OPENED: Role.POST_MORTEM_OWNER,
    Act.RETIRED: Role.POST_MORTEM_OWNER,
    Act.REVIEW_RECORDED: Role.MONITOR,
    Act.EXPERIMENT_RECORDED: Role.MONITOR,
}

# What helps where a state does not allow what was asked for.
_WAY_ON: Mapping[State, str] = {
    State.ACTIVE: "see what is out of service: collapse-pipeline component list",
    State.FROZEN: "lift it first: collapse-pipeline lift",
    State.IN_REVIEW: "lift it first: collapse-pipeline lift",
    State.RETIRED: "a retired version is not used; component activate brings it back",
}


class GovernanceSettings(Frozen):
    """Who may do what, and what a new component version waits for."""

    # A role that is not named is open to everyone.
    roles: Mapping[Role, tuple[str, ...]] = Field(default_factory=dict)
    lift_by_another: bool = False  # than the person who froze
    # Whether a configured version is used at once, or only after `component activate`.
    activation: Literal["automatic", "required"] = "automatic"
    review_density: float = Field(0.0, ge=0, le=1)  # share of the kept rows to be reviewed
    # The same until a release stands on the changed version of a component.
    changed_review_density: float = Field(0.0, ge=0, le=1)
    review_rows: int = Field(50, ge=1)  # what a review takes that a gate requires
    experiment_days: int = Field(90, ge=1)  # an older experiment supports no synthetic share


def check_person(settings: GovernanceSettings, act: Act, by: str, reason: str) -> Role:
    """The role in which a named person may do this, for a reason.

    Raises:
        BadInputError: No name, no reason, or the role belongs to others.
    """
    role = ROLE_OF[act]
    if not by.strip():
        raise BadInputError("the name of the person who decides", "none", "give --by NAME")
    if not reason.strip():
        raise BadInputError("a reason", "none", "give --reason TEXT: it stands in the ledger")
    holders = settings.roles.get(role, ())
    if holders and by not in holders:
        raise BadInputError(
            wanted=f"{' or '.join(holders)}, who may do this as {role.replace('_', ' ')}",
            got=repr(by),
            do=f"ask one of them, or change governance.roles.{role} in the configuration",
        )
    return role


def check_component(
    governance: Governance,
    settings: GovernanceSettings,
    act: Act,
    component: str,
    by: str,
    reason: str,
) -> Role:
    """The role in which a person may do this to a component version now.

    Raises:
        BadInputError: As `check_person`; its state does not allow it; or it must be lifted by
            another person than the one who froze it.
    """
    role = check_person(settings, act, by, reason)
    standing = governance.standing(component)
    if (standing.state, act) not in TRANSITIONS:
        fitting = [state.replace("_", " ") for state, does in TRANSITIONS if does is act]
        raise BadInputError(
            wanted=f"a version that is {' or '.join(fitting)}",
            got=str(standing),
            do=_WAY_ON[standing.state],
        )
    froze = {cause.actor for cause in standing.causes if cause.role != MACHINE}
    if act is Act.LIFTED and settings.lift_by_another and by in froze:
        raise BadInputError(
            wanted=f"another person to lift {component} than the one who froze it",
            got=repr(by),
            do="ask a colleague, or turn governance.lift_by_another off in the configuration",
        )
    return role
