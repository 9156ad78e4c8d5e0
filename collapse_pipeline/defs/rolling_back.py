"""Rolling a corpus back, or forward, to a release; and the drill that proves that it could be."""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from collapse_pipeline.backends.template_files import load_templates
from collapse_pipeline.defs.choosing import PARTS
from collapse_pipeline.defs.pins import Part, check_pins, pinned_parts
from collapse_pipeline.defs.stages import student_model
from collapse_pipeline.defs.workshop import Workshop, open_workshop
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.govern import MACHINE, Act
from collapse_pipeline.loop.lineage import Generation, Happening, Line, rolled_back
from collapse_pipeline.loop.permit import check_person
from collapse_pipeline.loop.pinned import GeneratorRecord, Manifest
from collapse_pipeline.loop.versions import named, version_of
from collapse_pipeline.records import Component, Frozen, TablePin
from collapse_pipeline.settings import CorpusSettings, packages

DRILLED = "rollback_drilled"


class Proof(Frozen):
    """What a drill found of a release."""

    corpus: str
    release: str
    attempt: int
    proven: bool
    parts: tuple[Part, ...]
    pinned: Mapping[str, str]  # model hashes of the student and the human-only baseline
    trained: Mapping[str, str]  # the same as trained again; empty where a part was at fault
    packages: Mapping[str, str]  # those of another version now: `then, now NOW`
    seconds: float

    @property
    def faults(self) -> list[str]:
        """What speaks against the release, in words."""
        found = [f"{part.name}: {part.fault}" for part in self.parts if part.fault]
        for name, model in self.trained.items():
            if model != self.pinned[name]:
                found.append(f"{name}: {model} when trained again, pinned {self.pinned[name]}")
        return found


def roll_back(
    shop: Workshop,
    corpus: str,
    to: str,
    reason: str,
    by: str = "",
    gate: str = "",
    record: GeneratorRecord | None = None,
) -> dict[str, Any]:
    """Takes the line to a release, in one event, after a look at every part that it pinned.

    Nights behind it are superseded: never mixed in, never parents. A release that was superseded
    comes back with what lay before it. The same said twice is written once.

    Args:
        shop: The home.
        corpus: The only corpus that moves.
        to: The release.
        reason: Why.
        by: The person who decides; "" where a gate does.
        gate: The gate that does.
        record: Of the night that the gate stopped.

    Returns:
        The `rollback` as `rollback_of` says it, what it `superseded` and `restored`, `done`, and
        `faults` of pinned parts, for which nothing is done.

    Raises:
        BadInputError: No such release, or this person may not.
        LeaseHeldError: The corpus is being run.
    """
    settings = shop.settings.corpus(corpus)
    role = MACHINE if gate else check_person(settings.governance, Act.ROLLED_BACK, by, reason)
    shop.hold(corpus)
    line = shop.line(corpus)
    release, manifest = _pinned(line, to)
    moved = _moved(line, release)
    said = {"corpus": corpus, "to": to, **moved}
    faults = [f"{part.name}: {part.fault}" for part in check_pins(shop, manifest)]
    if faults:
        return said | {"done": False, "faults": faults, "rollback": rollback_of(line)}
    configured = settings.model_dump(mode="json")
    back = line.rollback
    stands = back is not None and back.release.record == release.record
    same = back is not None and back.configured == configured
    if not (stands and same) or any(moved.values()):
        if not gate:
            _give_up_run(shop, corpus)
        shop.ledger.append(
            Happening.ROLLED_BACK,
            corpus=corpus,
            generation=record.generation if record else "",
            actor=by or shop.actor,
            role=role,
            reason=reason,
            payload={
                "to": to,
                "attempt": release.record.attempt,
                "opened": release.opened,
                "calibration": release.record.calibration,
                "gate": gate,
                "configured": configured,
                "withdraws": _configured(shop, corpus, settings),
                **moved,
            },
            key=f"{record.key}/rollback/{gate}" if record else "",
        )
    return said | {"done": True, "faults": [], "rollback": rollback_of(shop.line(corpus))}


def rollback_of(line: Line) -> dict[str, str] | None:
    """The rollback that a corpus stands on, None where there was none."""
    if line.rollback is None:
        return None
    return {
        "to": line.rollback.release.generation,
        "at": line.rollback.at,
        "by": line.rollback.actor,
        "reason": line.rollback.reason,
    }


def drill(shop: Workshop, corpus: str, to: str | None = None) -> Proof:
    """Proves in a scratch copy that a release could be gone back to, and writes the proof down.

    Every part is read in full and held against its pin, and the student and the human-only
    baseline are trained again from the pinned rows, in a home that has nothing else.

    Args:
        shop: The home, which is only read but for the event.
        corpus: The corpus.
        to: The release; by default the one in force.

    Raises:
        BadInputError: There is no such release.
    """
    started = time.monotonic()
    shop.settings.item(corpus)
    line = shop.line(corpus)
    incumbent = line.incumbent.generation if line.incumbent else None
    release, manifest = _pinned(line, to or incumbent)
    parts = (*pinned_parts(shop, manifest, whole=True), _ledger(shop))
    trained: dict[str, str] = {}
    if not any(part.fault for part in parts):
        with TemporaryDirectory(prefix="collapse-pipeline-drill-") as home:
            trained = _trained_again(shop, release.record, manifest, Path(home))
    pinned = {"student": manifest.model, "baseline": manifest.baseline_model}
    now = packages()
    proof = Proof(
        corpus=corpus,
        release=release.generation,
        attempt=manifest.attempt,
        proven=trained == pinned,
        parts=parts,
        pinned=pinned,
        trained=trained,
        packages={
            name: f"{version}, now {now.get(name, 'none')}"
            for name, version in release.record.packages.items()
            if now.get(name) != version
        },
        seconds=round(time.monotonic() - started, 1),
    )
    shop.ledger.append(
        DRILLED,
        corpus=corpus,
        generation=release.generation,
        actor=shop.actor,
        reason="; ".join(proof.faults) or "every part is there, and trains to the same student",
        payload=proof.model_dump(mode="json"),
    )
    return proof


def _pinned(line: Line, to: str | None) -> tuple[Generation, Manifest]:
    """A release that the line can go to, and what it pinned."""
    release = line.release(to) if to else None
    if release is None or release.manifest is None:
        raise BadInputError(f"a release of {line.corpus}", "none", "run a night first")
    return release, release.manifest


def _moved(line: Line, release: Generation) -> dict[str, list[str]]:
    """Which generations a rollback takes off the line, and which it puts back."""
    there = {g.generation for g in line.active}
    after = Line(line.corpus, rolled_back(line.generations, release))
    then = {g.generation for g in after.active}
    return {"superseded": sorted(there - then), "restored": sorted(then - there)}


def _configured(shop: Workshop, corpus: str, settings: CorpusSettings) -> list[str]:
    """The component versions that the configuration asks for now: behind the rollback they wait
    for a person, but for those of the release."""
    parts = settings.model_dump(mode="json")
    versions = [version_of(kind, parts[part]) for kind, part in PARTS.items()]
    templates = load_templates(corpus, shop.settings.home)
    return [*versions, *(named(Component.TEMPLATE, str(template)) for template in templates)]


def _give_up_run(shop: Workshop, corpus: str) -> None:
    """A run that was cut off is not taken up again behind a person's rollback: its nights are
    other ones now."""
    from collapse_pipeline.defs.running import RUN_CLOSED, RUN_OPENED  # which brings Dagster

    runs = shop.ledger.events(corpus=corpus, kinds=[RUN_OPENED, RUN_CLOSED])
    if runs and runs[-1].kind == RUN_OPENED:
        shop.ledger.append(
            RUN_CLOSED, corpus=corpus, actor=shop.actor, payload={"opened": runs[-1].seq}
        )


def _ledger(shop: Workshop) -> Part:
    """The record of what was pinned is a part, too."""
    faults = shop.ledger.verify()
    told = "; ".join(f"event {f.seq} {f.fault.replace('_', ' ')}" for f in faults[:3])
    return Part(name="ledger", fault=told)


def _trained_again(
    shop: Workshop, record: GeneratorRecord, manifest: Manifest, home: Path
) -> dict[str, str]:
    """Trains a release's students in an empty home from copies of what it pinned."""
    scratch = {"home": home, "store_url": "", "store_options": {}, "ledger_url": ""}
    with open_workshop(shop.settings.model_copy(update=scratch), shop.actor) as there:
        pins: dict[str, TablePin] = {}
        for pin in manifest.tables:
            if pin.table in ("human_anchor", "training_mix"):
                of = record.generation if pin.table == "training_mix" else ""
                rows = shop.store.read(pin.table, record.corpus, [of], version=pin.version)
                pins[pin.table] = there.store.replace(pin.table, record.corpus, of, rows)
        if record.vocabulary_model:
            _link(shop.store.model_folder(record.vocabulary_model), home / "models")
        copied = record.model_copy(update={"anchor": pins["human_anchor"]})
        said = student_model(there, copied)
    return {"student": said["model"], "baseline": said["baseline"]}


def _link(folder: Path, into: Path) -> None:
    """A model's folder in another home; nothing there is ever written in place."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copyfile(source, target)

    shutil.copytree(folder, into / folder.name, copy_function=link)
