"""The line of a corpus: which generation stands on which, replayed from the ledger's events.

The loop closes here and nowhere else: a generation's parent is found in past decisions, never
through an edge between assets.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pydantic import Field

from collapse_pipeline.errors import OutOfOrderError
from collapse_pipeline.ports import Event
from collapse_pipeline.records import Frozen, SuiteRecord, TablePin, Template, Verdict


class Happening(StrEnum):
    """The events that move a generation."""

    OPENED = "generation_opened"
    SETTLED = "generation_settled"
    STALED = "generation_staled"


class Status(StrEnum):
    """Where a generation stands."""

    OPEN = "open"
    PROMOTED = "promoted"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    STALE = "stale"


# What each event does to a generation's status. A pair that is not here leaves it as it is.
TRANSITIONS: Mapping[tuple[Status | None, str], Status] = {
    (None, Happening.OPENED): Status.OPEN,
    **{(status, Happening.OPENED): Status.OPEN for status in Status},
    (Status.OPEN, Verdict.PROMOTED): Status.PROMOTED,
    (Status.OPEN, Verdict.QUARANTINED): Status.QUARANTINED,
    (Status.OPEN, Verdict.FAILED): Status.FAILED,
    (Status.PROMOTED, Happening.STALED): Status.STALE,
    (Status.QUARANTINED, Happening.STALED): Status.STALE,
    (Status.FAILED, Happening.STALED): Status.STALE,
}


class Parent(Frozen):
    """The release that a generation builds on; empty names mean the human-only baseline."""

    generation: str = ""
    model: str = ""
    depth: int = 0


class GeneratorRecord(Frozen):
    """Everything that a night reads, pinned when it opens; no later stage reads live state."""

    corpus: str
    generation: str
    ordinal: int
    attempt: int
    seed: int
    parent: Parent
    incumbent: Parent | None  # the release in force when the night opened
    best: Mapping[str, Parent]  # by primary suite, the best release so far
    baseline_model: str  # the last human-only refit before this night, "" in generation 0
    vocabulary_model: str  # whose tokenizer every student of this corpus shares
    line: tuple[str, ...]  # promoted generations before this one, oldest first
    line_pins: tuple[TablePin, ...]  # their kept rows, in the same order
    anchor: TablePin
    human_rows: int  # training rows of the anchor available this night
    suites_pin: TablePin
    suites: tuple[SuiteRecord, ...]
    templates: tuple[Template, ...]
    settings: Mapping[str, Any]  # the corpus's settings in force, overrides included
    packages: Mapping[str, str]

    @property
    def key(self) -> str:
        """Names this attempt in idempotency keys."""
        return f"{self.corpus}/{self.generation}/{self.attempt}"


class Manifest(Frozen):
    """What a release is: every version, table and model that it stands on."""

    corpus: str
    generation: str
    attempt: int
    verdict: Verdict
    blocked_by: tuple[str, ...]
    would_block: tuple[str, ...] = ()  # rules that were measured but not enforced
    reasons: Mapping[str, str] = Field(default_factory=dict)  # a sentence for each of both
    model: str
    baseline_model: str
    parent: Parent
    depth: int
    shares: Mapping[str, float]
    rows: Mapping[str, int]
    metrics: Mapping[str, float | None]
    released: Mapping[str, float | None]  # the same metrics for the release in force afterwards
    points: Mapping[str, float]  # primary metric by "suite@version"
    gain: str  # gain or loss against human-only, in words
    components: Mapping[str, str]
    tables: tuple[TablePin, ...]
    ledger_head: Mapping[str, int | str]  # seq and hash of the ledger's head before this


@dataclass(frozen=True)
class Generation:
    """One generation as its events left it."""

    generation: str
    status: Status
    record: GeneratorRecord
    manifest: Manifest | None = None


@dataclass(frozen=True)
class Line:
    """All generations of one corpus, by date."""

    corpus: str
    generations: Mapping[str, Generation] = field(default_factory=dict)

    @property
    def active(self) -> list[Generation]:
        """Generations that are not stale, oldest first."""
        return [g for g in self._by_date() if g.status is not Status.STALE]

    @property
    def releases(self) -> list[Generation]:
        """Promoted generations, oldest first."""
        return [g for g in self._by_date() if g.status is Status.PROMOTED]

    @property
    def incumbent(self) -> Generation | None:
        """The release in force."""
        return self.releases[-1] if self.releases else None

    def before(self, generation: str) -> "Line":
        """The line as a night sees it: only what lies before it."""
        return replace(
            self, generations={d: g for d, g in self.generations.items() if d < generation}
        )

    def parent(self, depth_limit: int) -> Parent:
        """The newest release whose depth is under the limit, else the human-only baseline."""
        for release in reversed(self.releases):
            if release.manifest is not None and release.manifest.depth < depth_limit:
                return as_parent(release)
        return Parent()

    def best(self, suite: SuiteRecord) -> Parent | None:
        """The release with the highest point on this suite; a version never scored before
        falls back on the versions that were."""
        exact = f"{suite.name}@{suite.version}"
        scored = [(g, m.points) for g in self.releases if (m := g.manifest) is not None]
        of_suite = [
            (name == exact, value, release.generation, release)
            for release, points in scored
            for name, value in points.items()
            if name.partition("@")[0] == suite.name
        ]
        # True sorts above False: a score on this very version counts before older versions'.
        best = max(of_suite, key=lambda entry: entry[:3], default=None)
        return as_parent(best[3]) if best else None

    def descendants(self, generation: str) -> list[str]:
        """Later generations that stand on this one: it was promoted before they opened."""
        return [
            g.generation
            for g in self.active
            if g.generation > generation and generation in g.record.line
        ]

    def admit(self, generation: str, again: bool) -> None:
        """Refuses work out of order.

        Raises:
            OutOfOrderError: A later generation was already settled on this line, and redoing a
                past night was not asked for; or a later one is still open.
        """
        later = [g.generation for g in self.active if g.generation > generation]
        if not later:
            return
        if again and generation in self.generations:
            return
        raise OutOfOrderError(
            wanted=f"a generation of {self.corpus} after {later[-1]}, the newest one",
            got=generation,
            do="run the days after the newest one, redo a past night with --again DATE "
            "(generations that stand on it become stale), or use another --home",
        )

    def _by_date(self) -> list[Generation]:
        return [self.generations[day] for day in sorted(self.generations)]


def as_parent(release: Generation) -> Parent:
    """A release as later nights refer to it."""
    manifest = release.manifest
    if manifest is None:
        return Parent()
    return Parent(generation=release.generation, model=manifest.model, depth=manifest.depth)


def replay(corpus: str, events: Iterable[Event], onto: Line | None = None) -> Line:
    """The state of a corpus: its events, in order, through one transition table.

    `onto` is the state that earlier events left, when only later ones are given.
    """
    generations = dict(onto.generations) if onto else {}
    for event in events:
        if event.corpus != corpus or not event.generation:
            continue
        known = generations.get(event.generation)
        if event.kind == Happening.OPENED:
            generations[event.generation] = Generation(
                event.generation,
                TRANSITIONS[known.status if known else None, Happening.OPENED],
                GeneratorRecord.model_validate(event.payload),
            )
        elif known is not None and event.kind == Happening.SETTLED:
            manifest = Manifest.model_validate(event.payload)
            if manifest.attempt == known.record.attempt:
                status = TRANSITIONS.get((known.status, manifest.verdict), known.status)
                generations[event.generation] = replace(known, status=status, manifest=manifest)
        elif known is not None and event.kind == Happening.STALED:
            status = TRANSITIONS.get((known.status, Happening.STALED), known.status)
            generations[event.generation] = replace(known, status=status)
    return Line(corpus, generations)
