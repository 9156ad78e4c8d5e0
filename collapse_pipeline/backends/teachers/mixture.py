"""Several teachers side by side, so that no one's errors become everyone's, and one of them can be
frozen while the others go on."""

from bisect import bisect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from collapse_pipeline.backends.teachers.faulty import FaultyTeacherConfig
from collapse_pipeline.backends.teachers.replay import ReplayTeacherConfig
from collapse_pipeline.backends.teachers.simulated import SimulatedTeacherConfig
from collapse_pipeline.loop.versions import members_of, named
from collapse_pipeline.ports import Bench, Draft, Night, Request, Teacher, World
from collapse_pipeline.records import Component, Frozen, canonical_json, content_hash, derived_seed

OutsideTeacher = Annotated[
    SimulatedTeacherConfig | ReplayTeacherConfig | FaultyTeacherConfig, Field(discriminator="kind")
]
_LOTS = 2**53  # equally likely numbers in [0, 1)


class MixtureTeacherConfig(Frozen):
    """Chosen by `kind: mixture`. Teachers from outside by a name of their own, each a component
    `teacher name@version`; one without an entry in `weights` weighs 1."""

    kind: Literal["mixture"] = "mixture"
    teachers: Mapping[str, OutsideTeacher] = Field(min_length=1)
    weights: Mapping[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if bad := sorted(name for name in self.teachers if not name or "@" in name):
            raise ValueError(f"a teacher's name has one letter or more and no @; got {bad}")
        if strangers := sorted(set(self.weights) - set(self.teachers)):
            raise ValueError(f"weights of no teacher: {strangers}")
        return self

    @property
    def versions(self) -> Mapping[str, str]:
        """`name@version` of every teacher, by name."""
        return members_of(self.model_dump(mode="json"))

    def of_those(self, components: Collection[str]) -> Self:
        """The mixture of those teachers alone that are named here, `teacher name@version`."""
        left = [n for n, v in self.versions.items() if named(Component.TEACHER, v) in components]
        return self.model_copy(
            update={
                "teachers": {name: self.teachers[name] for name in left},
                "weights": {name: self.weights[name] for name in left if name in self.weights},
            }
        )

    def check(self, world: World | None) -> None:
        """Asks every teacher whether it could write.

        Raises:
            BadInputError: One of them could not.
        """
        for teacher in self.teachers.values():
            teacher.check(world)

    def build(self, bench: Bench) -> Teacher:
        """All teachers, built for one night.

        Raises:
            BadInputError: One of them cannot be built.
        """
        built = {name: teacher.build(bench) for name, teacher in self.teachers.items()}
        said = canonical_json(self.model_dump(mode="json"))
        own = [teacher.version for teacher in built.values()]
        return MixtureTeacher(
            f"{self.kind}@{content_hash(said, *own)[:12]}",
            tuple(built.values()),
            tuple(self.versions.values()),
            tuple(self.weights.get(name, 1.0) for name in built),
        )


@dataclass(frozen=True)
class MixtureTeacher:
    """Shares requests out by lots that hang on their seeds; every draft says who wrote it."""

    version: str
    teachers: tuple[Teacher, ...]
    names: tuple[str, ...]  # `name@version` of each
    weights: tuple[float, ...]

    @property
    def depth(self) -> int:
        """Of the deepest of them."""
        return max(teacher.depth for teacher in self.teachers)

    def write(self, requests: Sequence[Request], night: Night) -> list[Draft]:
        """One draft a request, each written by one of the teachers."""
        edges = list(accumulate(self.weights))
        lots = [derived_seed("mixture", r.seed) % _LOTS / _LOTS * edges[-1] for r in requests]
        # The last edge is above every lot, but for rounding.
        places = [min(bisect(edges, lot), len(edges) - 1) for lot in lots]
        drafts: list[Draft | None] = [None] * len(requests)
        for place, (teacher, name) in enumerate(zip(self.teachers, self.names, strict=True)):
            own = [i for i, asked in enumerate(places) if asked == place]
            written = teacher.write([requests[i] for i in own], night)
            for i, draft in zip(own, written, strict=True):
                drafts[i] = replace(draft, teacher=name)
        return [draft for draft in drafts if draft is not None]
