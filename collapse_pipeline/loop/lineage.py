"""The line of a corpus: which generation stands on which, replayed from the ledger's events.

The loop closes here and nowhere else: a generation's parent is found in past decisions, never
through an edge between assets.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from collapse_pipeline.errors import BadInputError, OutOfOrderError
from collapse_pipeline.loop.pinned import GeneratorRecord, Manifest, Parent
from collapse_pipeline.ports import Event
from collapse_pipeline.records import SuiteRecord, Verdict


class Happening(StrEnum):
    """The events that move a generation."""

    OPENED = "generation_opened"
    SETTLED = "generation_settled"
    STALED = "generation_staled"
    ROLLED_BACK = "rolled_back"  # to: the release that the line goes back, or forward, to


class Status(StrEnum):
    """Where a generation stands."""

    OPEN = "open"
    PROMOTED = "promoted"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    STALE = "stale"
    SUPERSEDED = "superseded"  # a rollback went behind it


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
    # What lies on the other side of a rollback. What was superseded, and stands again, is open
    # once more, and then what its own decision made of it.
    (Status.OPEN, Happening.ROLLED_BACK): Status.SUPERSEDED,
    (Status.PROMOTED, Happening.ROLLED_BACK): Status.SUPERSEDED,
    (Status.QUARANTINED, Happening.ROLLED_BACK): Status.SUPERSEDED,
    (Status.FAILED, Happening.ROLLED_BACK): Status.SUPERSEDED,
    (Status.SUPERSEDED, Happening.ROLLED_BACK): Status.OPEN,
}
OUT = (Status.STALE, Status.SUPERSEDED)  # of the line


@dataclass(frozen=True)
class Generation:
    """One generation as its events left it."""

    generation: str
    status: Status
    record: GeneratorRecord
    manifest: Manifest | None = None
    opened: int = 0  # seq of the event that opened this attempt
    # Of a superseded one: the generations up to it, with attempts, that stood when it was.
    stood: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Rollback:
    """The last decision to go back, or forward, to a release."""

    seq: int
    at: str
    generation: str  # whose gate caused it, "" where a person decided
    actor: str
    reason: str
    release: Generation  # as it stood when the line went to it
    configured: Mapping[str, Any]  # the settings that the configuration gave then


@dataclass(frozen=True)
class Line:
    """All generations of one corpus, by date."""

    corpus: str
    generations: Mapping[str, Generation] = field(default_factory=dict)
    rollback: Rollback | None = None

    @property
    def active(self) -> list[Generation]:
        """Generations that are neither stale nor superseded, oldest first."""
        return [g for g in self._by_date() if g.status not in OUT]

    @property
    def releases(self) -> list[Generation]:
        """Promoted generations, oldest first."""
        return [g for g in self._by_date() if g.status is Status.PROMOTED]

    @property
    def incumbent(self) -> Generation | None:
        """The release in force."""
        return self.releases[-1] if self.releases else None

    def before(self, generation: str) -> "Line":
        """The line as a night sees it: only what lies before it, or what a person decided."""
        seen = self.rollback is not None and self.rollback.generation < generation
        return replace(
            self,
            generations={d: g for d, g in self.generations.items() if d < generation},
            rollback=self.rollback if seen else None,
        )

    @property
    def pinned_by_rollback(self) -> GeneratorRecord | None:
        """What the release pinned that the line was rolled back to: what it had holds for the
        nights behind it, until a person decides otherwise. None without a rollback."""
        return self.rollback.release.record if self.rollback else None

    def release(self, generation: str) -> Generation:
        """A release that the line can go back, or forward, to.

        Raises:
            BadInputError: It was never promoted, or what it stands on was run again since.
        """
        choices = [g.generation for g in self._by_date() if not self._why_not(g)]
        known = self.generations.get(generation)
        why_not = self._why_not(known) if known else "never run"
        if known is None or why_not:
            raise BadInputError(
                wanted=f"a release of {self.corpus} to go to",
                got=f"{generation}, which was {why_not}",
                do=f"choose one of {', '.join(choices)}" if choices else "there is none",
            )
        return known

    def _why_not(self, known: Generation) -> str:
        """Why the line cannot go to a generation, "" where it can."""
        if known.manifest is None or known.manifest.verdict is not Verdict.PROMOTED:
            return "not promoted"
        if known.status is Status.STALE:
            return "made stale: a night that it stands on was run again"
        if known.status is Status.SUPERSEDED:
            for day, attempt in known.stood:
                there = self.generations[day]
                if there.record.attempt != attempt or there.status is Status.STALE:
                    return f"superseded, and {day} on its line was run again since"
        return "" if known.status is not Status.OPEN else "opened again"

    def parent(self, depth_limit: int, frozen: Collection[str] = ()) -> Parent:
        """The newest release whose depth is under the limit and that is not frozen as a teacher
        (`student@model`), else the human-only baseline."""
        for release in reversed(self.releases):
            manifest = release.manifest
            if manifest is None or f"student@{manifest.model}" in frozen:
                continue
            if manifest.depth < depth_limit:
                return as_parent(release)
        return Parent()

    def best(self, suite: SuiteRecord) -> Parent | None:
        """The release with the highest point on this version of a suite, else on the version
        that was scored last: points on different rows cannot be compared.

        A release counts as scored, too, where a later one was compared with it on the same
        rows; else it would be forgotten whenever a suite moves on.
        """
        scored: dict[str, list[tuple[float, str, Parent]]] = {}
        for release in self.releases:
            manifest = release.manifest
            points = manifest.points if manifest is not None else {}
            for name in points:
                if manifest is None or name.partition("@")[0] != suite.name:
                    continue
                found = scored.setdefault(name, [])
                found.append((points[name], release.generation, as_parent(release)))
                against, ratio = release.record.best.get(suite.name), _ratio(manifest, suite.name)
                if against is not None and ratio:
                    found.append((points[name] / ratio, against.generation, against))
        if not scored:
            return None
        newest = list(scored)[-1]
        of_suite = scored.get(f"{suite.name}@{suite.version}", scored[newest])
        return max(of_suite, key=lambda entry: entry[:2])[2]

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


def _ratio(manifest: Manifest, suite: str) -> float | None:
    """What the release's primary metric was of its best release's."""
    for metric in ("accuracy", "token_likelihood"):
        if (ratio := manifest.metrics.get(f"{suite}.{metric}.ratio_to_best")) is not None:
            return ratio
    return None


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
    rollback = onto.rollback if onto else None
    for event in events:
        if event.corpus == corpus and event.kind == Happening.ROLLED_BACK:
            rollback = _rollback(event, generations[event.payload["to"]])
            generations = rolled_back(generations, rollback.release)
        if event.corpus != corpus or not event.generation:
            continue
        known = generations.get(event.generation)
        if event.kind == Happening.OPENED:
            generations[event.generation] = Generation(
                event.generation,
                TRANSITIONS[known.status if known else None, Happening.OPENED],
                GeneratorRecord.model_validate(event.payload),
                opened=event.seq,
            )
        elif known is not None and event.kind == Happening.SETTLED:
            manifest = Manifest.model_validate(event.payload)
            if manifest.attempt == known.record.attempt:
                status = TRANSITIONS.get((known.status, manifest.verdict), known.status)
                generations[event.generation] = replace(known, status=status, manifest=manifest)
        elif known is not None and event.kind == Happening.STALED:
            status = TRANSITIONS.get((known.status, Happening.STALED), known.status)
            generations[event.generation] = replace(known, status=status)
    return Line(corpus, generations, rollback)


def _rollback(event: Event, release: Generation) -> Rollback:
    return Rollback(
        seq=event.seq,
        at=event.at,
        generation=event.generation,
        actor=event.actor,
        reason=event.reason,
        release=release,
        configured=event.payload.get("configured", {}),
    )


def rolled_back(
    generations: Mapping[str, Generation], release: Generation
) -> dict[str, Generation]:
    """The line at a release: what stood up to it stands, and all else is superseded."""
    active = [g for g in generations.values() if g.status not in OUT]
    stood = sorted((g.generation, g.record.attempt) for g in active)
    ahead = release.status is Status.SUPERSEDED
    stands = dict(release.stood if ahead else stood)
    moved = dict(generations)
    for day, known in generations.items():
        if (day <= release.generation and day in stands) is (known.status in OUT):
            moved[day] = _across(known, tuple(one for one in stood if one[0] <= day))
    return moved


def _across(known: Generation, stood: tuple[tuple[str, int], ...]) -> Generation:
    """A generation on the other side of a rollback."""
    status = TRANSITIONS.get((known.status, Happening.ROLLED_BACK), known.status)
    if status is Status.SUPERSEDED:
        return replace(known, status=status, stood=stood)
    if status is Status.OPEN and known.manifest is not None:
        status = TRANSITIONS[status, known.manifest.verdict]
    return replace(known, status=status, stood=())
