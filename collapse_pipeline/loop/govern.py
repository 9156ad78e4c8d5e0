"""Govern: which component versions are in service, and what gates and persons have put in force.

The ledger's events are the only state; this replays them. A night of a date obeys what earlier
nights caused, and what persons decided.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from collapse_pipeline.loop.versions import kind_of, named
from collapse_pipeline.ports import Event
from collapse_pipeline.records import Component, days_before

MACHINE = "machine"  # the role of what no person did
LASTS = 2  # promoted generations after which infused rows and a raised review density end


class State(StrEnum):
    """Where a component version stands; only an active one is used."""

    ACTIVE = "active"
    FROZEN = "frozen"
    IN_REVIEW = "in_review"
    RETIRED = "retired"


class Act(StrEnum):
    """The events that govern a corpus. A component's name its `component` (kind) and `version`."""

    FROZEN = "component_frozen"  # gate, evidence
    REVIEW_OPENED = "component_review_opened"
    LIFTED = "component_lifted"
    RETIRED = "component_retired"
    ACTIVATED = "component_activated"  # checklist
    CAP_LOWERED = "cap_lowered"  # cap, gate
    CAP_RAISED = "cap_raised"  # cap
    HUMAN_INFUSED = "human_infused"  # labels: weight by label, gate
    REVIEW_RAISED = "review_raised"  # density, gate
    REVIEW_REQUIRED = "review_required"  # gate
    REVIEW_RECORDED = "review_recorded"  # verdicts: sample, generation, verdict, reviewer, time
    GATE_ACCEPTED = "gate_accepted"  # gate
    GATE_ESCALATED = "gate_escalated"  # gate, why
    GATES_CALIBRATED = "gates_calibrated"  # version
    EXPERIMENT_RECORDED = "experiment_recorded"  # share
    ROLLED_BACK = "rolled_back"  # to, its calibration; withdraws: versions configured till then


# What an event does to a component version. A pair that is not here leaves it as it is.
TRANSITIONS: Mapping[tuple[State, Act], State] = {
    (State.ACTIVE, Act.FROZEN): State.FROZEN,
    (State.FROZEN, Act.FROZEN): State.FROZEN,  # by another gate, with its own evidence
    (State.IN_REVIEW, Act.FROZEN): State.FROZEN,
    (State.FROZEN, Act.REVIEW_OPENED): State.IN_REVIEW,
    (State.FROZEN, Act.LIFTED): State.ACTIVE,
    (State.IN_REVIEW, Act.LIFTED): State.ACTIVE,
    (State.ACTIVE, Act.ACTIVATED): State.ACTIVE,
    (State.ACTIVE, Act.RETIRED): State.RETIRED,
    (State.FROZEN, Act.RETIRED): State.RETIRED,
    (State.IN_REVIEW, Act.RETIRED): State.RETIRED,
    (State.RETIRED, Act.ACTIVATED): State.ACTIVE,
}


@dataclass(frozen=True)
class Cause:
    """One event that governs, by a gate or a person."""

    act: Act
    seq: int
    at: str
    generation: str  # "" where a person acted
    actor: str
    role: str
    reason: str
    payload: Mapping[str, Any]

    @property
    def component(self) -> str:
        """The component version that it is about, `kind name@version`."""
        return named(self.payload["component"], self.payload["version"])

    @property
    def gate(self) -> str:
        """The gate behind it, "" for a person's decision."""
        return str(self.payload.get("gate", ""))

    @property
    def since(self) -> str:
        """The generation that caused it, or the day a person did."""
        return self.generation or self.at[:10]

    @property
    def why(self) -> str:
        """By which gate or whom, since when, and for what reason."""
        by = f"gate {self.gate}" if self.gate and self.role == MACHINE else self.actor
        reason = f" ({self.reason})" if self.reason else ""
        return f"by {by} on {self.since}{reason}"


@dataclass(frozen=True)
class Standing:
    """Where one component version stands."""

    component: str  # `kind name@version`
    state: State = State.ACTIVE
    causes: tuple[Cause, ...] = ()  # why it is not active, oldest first
    since: int = 0  # seq of the event that last brought it back into service

    def after(self, cause: Cause) -> "Standing":
        """The standing that an event leaves."""
        state = TRANSITIONS.get((self.state, cause.act))
        if state is None:
            return self
        if state is State.ACTIVE:
            back = self.since if self.state is State.ACTIVE else cause.seq
            return replace(self, state=state, causes=(), since=back)
        return replace(self, state=state, causes=(*self.causes, cause))

    def __str__(self) -> str:
        state = self.state.replace("_", " ")
        return f"{self.component} {state} {'; '.join(cause.why for cause in self.causes)}".strip()


@dataclass(frozen=True)
class Governance:
    """Everything that governs one corpus, as its events left it."""

    corpus: str
    causes: tuple[Cause, ...] = ()

    def as_of(self, generation: str) -> "Governance":
        """What a night of that date obeys: earlier generations' causes, and persons'."""
        return replace(self, causes=tuple(c for c in self.causes if c.generation < generation))

    def of(self, *acts: Act) -> list[Cause]:
        """The causes of these kinds, oldest first."""
        return [cause for cause in self.causes if cause.act in acts]

    @cached_property
    def standings(self) -> Mapping[str, Standing]:
        """Every component version that an event named, by `kind name@version`."""
        found: dict[str, Standing] = {}
        for cause in self.of(*{act for _, act in TRANSITIONS}):
            found[cause.component] = self._standing(found, cause.component).after(cause)
        return found

    @staticmethod
    def _standing(found: Mapping[str, Standing], component: str) -> Standing:
        return found.get(component, Standing(component))

    def standing(self, component: str) -> Standing:
        """Where a component version stands; active where no event named it."""
        return self._standing(self.standings, component)

    def in_service(self, component: str) -> bool:
        """Whether a component version may be used."""
        return self.standing(component).state is State.ACTIVE

    def out_of_service(self, kind: Component | None = None) -> list[Standing]:
        """Every version, of one kind or of all, that may not be used."""
        return [
            standing
            for name, standing in self.standings.items()
            if standing.state is not State.ACTIVE and kind in (None, kind_of(name))
        ]

    @cached_property
    def activated(self) -> frozenset[str]:
        """The component versions activated since the last rollback, `kind name@version`."""
        return self._activations[0]

    @cached_property
    def withdrawn(self) -> frozenset[str]:
        """Versions activated before the last rollback and not since: not used automatically."""
        return self._activations[1]

    @cached_property
    def _activations(self) -> tuple[frozenset[str], frozenset[str]]:
        activated: set[str] = set()
        withdrawn: set[str] = set()
        for cause in self.of(Act.ACTIVATED, Act.ROLLED_BACK):
            if cause.act is Act.ROLLED_BACK:
                withdrawn |= activated | {*cause.payload.get("withdraws", ())}
                activated.clear()
            else:
                activated.add(cause.component)
                withdrawn.discard(cause.component)
        return frozenset(activated), frozenset(withdrawn)

    @cached_property
    def cap(self) -> Cause | None:
        """What bounds the synthetic share below its configured cap, in `payload["cap"]`."""
        bound: Cause | None = None
        for cause in self.of(Act.CAP_LOWERED, Act.CAP_RAISED):
            if bound is None:
                # A raise of what was not lowered yet, as an earlier night sees it, does nothing.
                bound = cause if cause.act is Act.CAP_LOWERED else None
            elif cause.act is Act.CAP_RAISED or cause.payload["cap"] < bound.payload["cap"]:
                bound = cause
        return bound

    def lasting(self, act: Act, releases: Iterable[str]) -> list[Cause]:
        """Causes of a kind that ends with the second promoted generation after its own.

        Args:
            act: `HUMAN_INFUSED` or `REVIEW_RAISED`.
            releases: The promoted generations of the line.
        """
        promoted = list(releases)
        return [
            cause
            for cause in self.of(act)
            if sum(generation > cause.since for generation in promoted) < LASTS
        ]

    def infusion(self, releases: Iterable[str]) -> dict[str, float]:
        """Weights of labels' human rows; the highest where several gates ask."""
        weights: dict[str, float] = {}
        for cause in self.lasting(Act.HUMAN_INFUSED, releases):
            for label, weight in cause.payload["labels"].items():
                weights[label] = max(weight, weights.get(label, 0.0))
        return weights

    def review_density(self, releases: Iterable[str]) -> float:
        """Share of the kept rows to be reviewed that gates ask for; 0 where none does."""
        raised = self.lasting(Act.REVIEW_RAISED, releases)
        return max((cause.payload["density"] for cause in raised), default=0.0)

    @cached_property
    def reviewed(self) -> Mapping[str, frozenset[str]]:
        """Reviewed samples by the generation that wrote them."""
        found: dict[str, set[str]] = {}
        for cause in self.of(Act.REVIEW_RECORDED):
            for verdict in cause.payload["verdicts"]:
                found.setdefault(verdict["generation"], set()).add(verdict["sample"])
        return {generation: frozenset(samples) for generation, samples in found.items()}

    def reviews_due(self, rows: int) -> list[Cause]:
        """Required reviews without `rows` reviewed samples of that generation or a later one."""
        enough = [day for day, samples in self.reviewed.items() if len(samples) >= rows]
        newest = max(enough, default="")
        return [cause for cause in self.of(Act.REVIEW_REQUIRED) if cause.since > newest]

    @cached_property
    def accepted(self) -> Mapping[str, Cause]:
        """Gates whose breach a person accepted, with the last acceptance of each."""
        return {cause.gate: cause for cause in self.of(Act.GATE_ACCEPTED)}

    @property
    def experiments(self) -> list[Cause]:
        """Experiments on record; `payload["share"]` is the synthetic share that one supports."""
        return self.of(Act.EXPERIMENT_RECORDED)

    def experiment(self, as_of: str, days: int) -> Cause | None:
        """The newest experiment, where it is at most so many days old on the day `as_of`; what an
        earlier one supported counts no more."""
        newest = self.experiments[-1:]
        fresh = [cause for cause in newest if cause.since >= days_before(as_of, days)]
        return fresh[0] if fresh else None

    @property
    def calibration(self) -> str:
        """The calibration version in force, "" before there is one."""
        versions = [
            cause.payload["version"]
            if cause.act is Act.GATES_CALIBRATED
            else cause.payload.get("calibration", "")
            for cause in self.of(Act.GATES_CALIBRATED, Act.ROLLED_BACK)
        ]
        return str(next((version for version in reversed(versions) if version), ""))


def govern(corpus: str, events: Iterable[Event], onto: Governance | None = None) -> Governance:
    """What governs a corpus: its events, in order.

    `onto` is what earlier events left, when only later ones are given.
    """
    causes = [
        Cause(
            act=Act(event.kind),
            seq=event.seq,
            at=event.at,
            generation=event.generation,
            actor=event.actor,
            role=event.role,
            reason=event.reason,
            payload=event.payload,
        )
        for event in events
        if event.corpus == corpus and event.kind in set(Act)
    ]
    before = onto.causes if onto else ()
    return Governance(corpus, (*before, *causes))
