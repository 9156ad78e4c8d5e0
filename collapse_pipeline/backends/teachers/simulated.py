"""A teacher that writes from a reference world's true distribution, through dials.

It knows more than any student, so its rows can truly help; with its dials turned they truly harm.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.ports import Bench, Draft, Night, Request, Teacher, World
from collapse_pipeline.records import Frozen, canonical_json, content_hash, derived_seed

_CENSUS_ROWS = 4_000  # true rows that are counted to rank the labels


class SimulatedTeacherConfig(Frozen):
    """Chosen by `kind: simulated`; every dial lies in [0, 1].

    Attributes:
        accuracy: Probability that a row is right.
        narrowness: 0 writes with the world's own variety, 1 with one skeleton a label.
        coverage: Share of the labels, commonest first, that it writes; at least one.
        refusal: Probability of a refusal that nothing calls for.
    """

    kind: Literal["simulated"] = "simulated"
    accuracy: float = Field(0.97, ge=0, le=1)
    narrowness: float = Field(0.1, ge=0, le=1)
    coverage: float = Field(1.0, gt=0, le=1)
    refusal: float = Field(0.01, ge=0, le=1)

    def check(self, world: World | None) -> World:
        """The world to write from.

        Raises:
            BadInputError: When the corpus is no reference world.
        """
        if world is None:
            raise BadInputError(
                "a reference world to write from",
                "a corpus whose true distribution is unknown",
                "choose another teacher, or a corpus made from a reference world",
            )
        return world

    def build(self, bench: Bench) -> Teacher:
        """The teacher of the bench's reference world.

        Raises:
            BadInputError: When the corpus is no reference world.
        """
        world = self.check(bench.world)
        dials = canonical_json(self.model_dump(mode="json"))
        version = f"simulated@{content_hash(world.name, dials)[:12]}"
        return SimulatedTeacher(world, self, version, _covered(world, self.coverage))


@dataclass(frozen=True)
class SimulatedTeacher:
    """Writes rows of a world; instructions mean nothing to it, an opening starts its prompt."""

    world: World
    dials: SimulatedTeacherConfig
    version: str
    labels: tuple[str, ...]  # those that it writes
    depth: int = 1

    def write(self, requests: Sequence[Request], night: Night) -> list[Draft]:  # noqa: ARG002
        """One draft a request; a draft for a label that it does not write has another label."""
        covered = frozenset(self.labels)
        return [self._draft(request, request.label in covered) for request in requests]

    def _draft(self, request: Request, covered: bool) -> Draft:
        dials, label = self.dials, request.label
        if not covered:
            label = self.labels[derived_seed("uncovered", request.seed) % len(self.labels)]
        row = self.world.write(label, request.seed, dials.accuracy, dials.narrowness, dials.refusal)
        prompt, attributes = str(row["prompt"]), row["attributes"]
        if request.opening and not prompt.startswith(request.opening):
            prompt = f"{request.opening.rstrip()} {prompt}"
        return Draft(
            prompt=prompt,
            response=str(row["response"]),
            label="" if covered else label,
            attributes=attributes if isinstance(attributes, Mapping) else {},
        )


def _covered(world: World, coverage: float) -> tuple[str, ...]:
    """The commonest `coverage` of a world's labels, at least one."""
    if coverage == 1.0:
        return world.labels
    census = Counter(str(row["label"]) for row in world.rows(_CENSUS_ROWS, 0))
    ranked = sorted(world.labels, key=lambda label: -census[label])
    return tuple(ranked[: max(1, round(coverage * len(ranked)))])
