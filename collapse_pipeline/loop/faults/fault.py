"""What a fault is: one known way in which the loop is spoilt, with a dial, for drills.

A fault either turns settings of a night, or damages what a teacher wrote, or moves what a suite
asks. What it says of itself is what a drill is held against: where it comes from, and so what is
rightly blamed for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from collapse_pipeline.ports import Draft, IntVector, Request
from collapse_pipeline.records import Component


class Row(NamedTuple):
    """A row that a fault may copy from."""

    label: str
    prompt: str
    response: str


@dataclass(frozen=True)
class Writing:
    """What a fault damages, and what it may look at meanwhile."""

    requests: Sequence[Request]
    drafts: Sequence[Draft]  # one a request
    strength: float
    rng: np.random.Generator
    rows: Sequence[Row] = ()  # of the suites, where the fault leaks them

    def hit(self) -> IntVector:
        """Places of the drafts that the fault falls on, ascending: each with chance `strength`."""
        return np.flatnonzero(self.rng.random(len(self.drafts)) < self.strength).astype(np.int64)

    def label(self, place: int) -> str:
        """The label that a draft is filed under."""
        return self.drafts[place].label or self.requests[place].label


# Damaged drafts, one for each draft, in their order. Same writing, same drafts.
Damage = Callable[[Writing], list[Draft]]
# From strength, night (1 at the onset) and the corpus's settings to those that are turned.
Turn = Callable[[float, int, Mapping[str, Any]], Mapping[str, Any]]
# From a prompt of a suite, strength and a seed to what is asked instead.
Move = Callable[[str, float, int], str]


@dataclass(frozen=True)
class Fault:
    """One known fault; it has one of `turn`, `damage` and `move`."""

    name: str
    does: str  # in one sentence
    strength: float  # default of the dial, in [0, 1]; 0 does nothing
    # The kind of component that it lies in; None where no component is to be blamed.
    blames: Component | None = None
    worlds: tuple[str, ...] = ()  # reference worlds that have what it spoils; none means all
    turn: Turn | None = None
    damage: Damage | None = None
    move: Move | None = None
    copies_suites: bool = False  # `damage` wants rows of the suites

    def applies(self, world: str) -> bool:
        """Whether a world has what this fault spoils."""
        return not self.worlds or world in self.worlds
