"""A teacher that writes what another would, with a known fault in it. For drills."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from collapse_pipeline.backends.teachers.replay import ReplayTeacherConfig
from collapse_pipeline.backends.teachers.simulated import SimulatedTeacherConfig
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.faults.catalogue import FAULTS
from collapse_pipeline.loop.faults.fault import Damage, Row, Writing
from collapse_pipeline.ports import Bench, Draft, Night, Request, Teacher, World
from collapse_pipeline.records import Frozen, canonical_json, content_hash, derived_seed

SoundTeacher = Annotated[SimulatedTeacherConfig | ReplayTeacherConfig, Field(discriminator="kind")]


class FaultyTeacherConfig(Frozen):
    """Chosen by `kind: faulty`. It does harm; it is here so that a drill can put it into service
    and see whether it is found. No default uses it.

    Attributes:
        teacher: Who writes before the damage is done.
        fault: Name of a fault of the catalogue that damages what was written.
        strength: Its dial, in [0, 1].
        templates: Names of the templates whose rows are damaged; none means all rows.
        rows: File of rows, JSON lines of label, prompt and response, that a fault may copy from.
    """

    kind: Literal["faulty"] = "faulty"
    teacher: SoundTeacher = SimulatedTeacherConfig()
    fault: str
    strength: float = Field(ge=0, le=1)
    templates: tuple[str, ...] = ()
    rows: Path | None = None

    @field_validator("fault")
    @classmethod
    def _damages(cls, name: str) -> str:
        able = [fault.name for fault in FAULTS.values() if fault.damage is not None]
        if name not in able:
            raise ValueError(f"no fault of what is written; there are {', '.join(able)}")
        return name

    def check(self, world: World | None) -> None:
        """Asks the teacher whether it could write, and looks for the file.

        Raises:
            BadInputError: It could not, or the file is missing or no JSON lines of rows.
        """
        self.teacher.check(world)
        _read(self.rows)

    def build(self, bench: Bench) -> Teacher:
        """The teacher and its fault; its version covers both, and the file's rows.

        Raises:
            BadInputError: As `check`.
        """
        damage = FAULTS[self.fault].damage
        if damage is None:  # `_damages` refused it
            raise BadInputError("a fault of what is written", self.fault, "choose another")
        sound, rows = self.teacher.build(bench), _read(self.rows)
        said = canonical_json([self.model_dump(mode="json"), rows])
        version = f"{self.kind}@{content_hash(sound.version, said)[:12]}"
        return FaultyTeacher(sound, damage, self.strength, self.templates, rows, version)


@dataclass(frozen=True)
class FaultyTeacher:
    """Damages a share of another's drafts."""

    sound: Teacher
    damage: Damage
    strength: float
    templates: tuple[str, ...]
    rows: Sequence[Row]
    version: str

    @property
    def depth(self) -> int:
        """That of the teacher who writes."""
        return self.sound.depth

    def write(self, requests: Sequence[Request], night: Night) -> list[Draft]:
        """One draft a request; those of other templates are as they were written."""
        drafts = self.sound.write(requests, night)
        own = [
            i
            for i, request in enumerate(requests)
            if not self.templates or request.template.partition("@")[0] in self.templates
        ]
        rng = np.random.default_rng(derived_seed(night.seed, "fault", night.ordinal))
        writing = Writing(
            [requests[i] for i in own], [drafts[i] for i in own], self.strength, rng, self.rows
        )
        for i, draft in zip(own, self.damage(writing), strict=True):
            drafts[i] = draft
        return drafts


def _read(file: Path | None) -> list[Row]:
    if file is None:
        return []
    try:
        found = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        return [Row(str(r["label"]), str(r["prompt"]), str(r["response"])) for r in found]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise BadInputError(
            f"JSON lines of label, prompt and response in {file}", str(fault), "mend teacher.rows"
        ) from fault
