"""Writes the events that govern, as gates and persons do."""

from dataclasses import dataclass, field
from typing import Any

from collapse_pipeline.backends.ledgers.chain import Event
from collapse_pipeline.loop.govern import Act, Governance, govern


@dataclass
class Decisions:
    """Events of one corpus, in order."""

    corpus: str = "toy"
    events: list[Event] = field(default_factory=list)

    def say(
        self,
        act: Act,
        generation: str = "",
        actor: str = "cron",
        role: str = "machine",
        reason: str = "",
        **payload: Any,
    ) -> "Decisions":
        number = len(self.events) + 1
        self.events.append(
            Event(
                seq=number,
                id=str(number),
                at=f"2026-03-{number:02}T00:00:00+00:00",
                corpus=self.corpus,
                generation=generation,
                kind=str(act),
                actor=actor,
                role=role,
                reason=reason,
                payload=payload,
                key="",
                previous="",
                hash=str(number),
            )
        )
        return self

    def froze(
        self, version: str, generation: str, gate: str = "style_uniform", kind: str = "template"
    ) -> "Decisions":
        """A gate froze a version."""
        return self.say(
            Act.FROZEN, generation, reason="alike", component=kind, version=version, gate=gate
        )

    def person(self, act: Act, who: str, version: str, kind: str = "template") -> "Decisions":
        """A person decided of a version."""
        return self.say(act, "", who, "freezer", "seen", component=kind, version=version)

    def state(self) -> Governance:
        return govern(self.corpus, self.events)
