"""What a stage works with: the settings, the store, the ledger, and the parts built for a night.

No Dagster here, so that the same stages run bare.
"""

import getpass
import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.backends.stores.delta import DeltaStore
from collapse_pipeline.errors import OutOfOrderError, StoreError
from collapse_pipeline.loop.govern import Act, Governance, govern
from collapse_pipeline.loop.lineage import Line, Status, replay
from collapse_pipeline.loop.mix import chosen_humans
from collapse_pipeline.loop.obey import held_to
from collapse_pipeline.loop.pinned import GeneratorRecord
from collapse_pipeline.loop.versions import versions_of
from collapse_pipeline.ports import Bench, Night, Student, World
from collapse_pipeline.records import Component, derived_seed
from collapse_pipeline.settings import CorpusSettings, Settings
from collapse_pipeline.worlds.reference import world

if TYPE_CHECKING:  # SQLAlchemy costs an eighth of a second, and loading the assets needs none
    from collapse_pipeline.backends.ledgers.sql import SqlLedger

STUDENTS_KEPT = 8  # a night scores a candidate, a baseline, the incumbent and a few bests


@dataclass
class Workshop:
    """One process's hold on a home. Close it, or use it in a `with`, to give leases back."""

    settings: Settings
    store: DeltaStore
    ledger: "SqlLedger"
    actor: str
    _held: ExitStack = field(default_factory=ExitStack)
    _leases: set[str] = field(default_factory=set)
    _students: dict[str, Student] = field(default_factory=dict)
    _lines: dict[str, tuple[Line, int]] = field(default_factory=dict)
    _governed: dict[str, tuple[Governance, int]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives back every lease and closes the ledger."""
        self._leases.clear()
        self._held.close()

    def hold(self, corpus: str) -> None:
        """Takes the corpus's lease until this workshop closes.

        Raises:
            LeaseHeldError: Another process is running this corpus.
        """
        if corpus not in self._leases:
            holder = f"{self.actor}, pid {os.getpid()} on {socket.gethostname()}"
            self._held.enter_context(self.ledger.lease(corpus, holder))
            self._leases.add(corpus)

    def line(self, corpus: str) -> Line:
        """The corpus's generations as the ledger has them now; only new events are read."""
        known, after = self._lines.get(corpus, (Line(corpus), 0))
        events = self.ledger.events(corpus=corpus, after=after)
        if events:
            known, after = replay(corpus, events, onto=known), events[-1].seq
            self._lines[corpus] = known, after
        return known

    def governance(self, corpus: str) -> Governance:
        """What gates and persons decided of the corpus; only new events are read."""
        known, after = self._governed.get(corpus, (Governance(corpus), 0))
        events = self.ledger.events(corpus=corpus, kinds=list(Act), after=after)
        if events:
            known, after = govern(corpus, events, onto=known), events[-1].seq
            self._governed[corpus] = known, after
        return known

    def record(self, corpus: str, generation: str) -> GeneratorRecord:
        """What the open attempt of a generation pinned.

        Raises:
            OutOfOrderError: It was never opened, or is settled: its tables are not rewritten.
        """
        known = self.line(corpus).generations.get(generation)
        if known is None or known.status is not Status.OPEN:
            got = "never opened" if known is None else f"it is {known.status}"
            raise OutOfOrderError(
                wanted=f"an open attempt of {corpus} {generation}",
                got=got,
                do="materialise its generator first, which opens a new attempt",
            )
        self.hold(corpus)
        return known.record

    def human(self, record: GeneratorRecord) -> pa.Table:
        """Training rows of the pinned anchor that had arrived by that night and are used."""
        anchor = self.store.read("human_anchor", record.corpus, version=record.anchor.version)
        return arrived(anchor, record.generation, pinned_settings(record))

    def suites(self, record: GeneratorRecord) -> pa.Table:
        """Rows of the suites in force that night."""
        rows = self.store.read("eval_suites", record.corpus, version=record.suites_pin.version)
        # Both, because the same rows under two names have the same version.
        wanted = [f"{s.name}@{s.version}" for s in record.suites if s.applicable]
        there = pc.binary_join_element_wise(rows["suite"], rows["suite_version"], "@")
        return rows.filter(pc.is_in(there, pa.array(wanted, pa.string())))

    def student(self, model: str, settings: CorpusSettings) -> Student:
        """A saved student, read once as long as it is in use."""
        if model not in self._students:
            folder = self.store.model_folder(model)
            task = settings.task
            student = Student(
                settings.student.load(folder / "language"),
                task.load(folder / "task") if task and (folder / "task").is_dir() else None,
            )
            self.keep(model, student)
        return self._students[model]

    def keep(self, model: str, student: Student) -> None:
        """Remembers a student, and forgets the one that was remembered longest ago."""
        self._students[model] = student
        while len(self._students) > STUDENTS_KEPT:
            del self._students[next(iter(self._students))]

    def world_of(self, corpus: str) -> World | None:
        """The corpus's reference world, where it has one."""
        name = self.settings.item(corpus).world
        return world(name) if name else None

    def bench(self, record: GeneratorRecord, human: pa.Table) -> Bench:
        """What tonight's teacher, judge and filter are built from."""
        settings = pinned_settings(record)
        embedder = settings.filter.embedder
        texts = human["prompt"].to_pylist()
        baseline = record.baseline_model
        # Without a release under the depth limit the human-only baseline is the parent.
        parent = record.parent.model or baseline
        return Bench(
            human=human,
            baseline=self.student(baseline, settings) if baseline else None,
            parent=self.student(parent, settings) if parent else None,
            parent_version=parent,
            parent_depth=record.parent.depth,
            embedder=embedder.build(texts) if embedder else None,
            world=self.world_of(record.corpus),
            seed=night_of(record).seed,
        )


def open_workshop(settings: Settings, actor: str | None = None) -> Workshop:
    """Opens a home, making what is missing.

    Raises:
        StoreError: The home cannot be made, written, or was left by a newer version.
    """
    from collapse_pipeline.backends.ledgers.sql import SqlLedger

    make_home(settings.home)
    url = settings.ledger_url or f"sqlite:///{settings.home / 'ledger.sqlite'}"
    ledger = SqlLedger(url, settings.home)
    store = DeltaStore(
        settings.store_url or str(settings.home),
        settings.store_options,
        models=settings.home / "models",
    )
    shop = Workshop(settings, store, ledger, actor or getpass.getuser())
    shop._held.callback(ledger.close)
    return shop


def make_home(home: Path) -> None:
    """Makes the folder of a home where there is none.

    Raises:
        StoreError: It cannot be made.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise StoreError(
            wanted=f"a home that can be written at {home}",
            got=fault.strerror or str(fault),
            do="make the folder writable, free space, or give another --home",
        ) from fault


def arrived(anchor: pa.Table, generation: str, settings: CorpusSettings) -> pa.Table:
    """Training rows that were there on that night, as many as the settings use."""
    there = pc.and_(
        pc.equal(anchor["split"], "train"), pc.less_equal(anchor["available_from"], generation)
    )
    return chosen_humans(anchor.filter(there), settings.mix.human_rows)


def pinned_settings(record: GeneratorRecord) -> CorpusSettings:
    """The settings that the record pinned, with what is in force on top of them."""
    settings = CorpusSettings.model_validate(dict(record.settings))
    held = {"mix": held_to(settings.mix, record.in_force), "teacher": settings.teacher}
    if settings.teacher.kind == "mixture":
        held["teacher"] = settings.teacher.of_those(versions_of(record)[Component.TEACHER])
    return settings.model_copy(update=held)


def night_of(record: GeneratorRecord) -> Night:
    """What a teacher is told of the night; the seed derives from the ordinal, not the date."""
    seed = derived_seed(record.seed, record.corpus, record.ordinal)
    return Night(record.corpus, record.generation, record.ordinal, seed)
