"""Drilling: a known fault in a copy of a healthy home, night by night, beside the same nights
without it. Every run is written down as it ends, so that a drill that was killed goes on."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.backends.whole_files import write_whole
from collapse_pipeline.defs.drill_homes import (
    HEALTHY,
    NIGHTS,
    TEMPLATES,
    Stage,
    base_item,
    build_base,
    calibrated,
)
from collapse_pipeline.defs.drill_runs import drilled_nights
from collapse_pipeline.defs.side_by_side import side_by_side
from collapse_pipeline.loop.drill import false_alarms, summed
from collapse_pipeline.loop.faults.catalogue import FAULTS, fault_named
from collapse_pipeline.loop.faults.fault import Fault
from collapse_pipeline.records import Frozen, canonical_json, content_hash
from collapse_pipeline.settings import Settings, load_settings

FOLDER = "drills"  # of the home; each base in a folder named by what it was made of
CALIBRATED = "calibrated"  # the home in which the calibration of all seeds was worked out
CONTROL = ""  # the name of the fault that is none
Told = Callable[[int, int], None]  # runs done, runs wanted


class DrillRequest(Frozen):
    """What a person asked for."""

    faults: tuple[str, ...]
    corpora: tuple[str, ...]
    seeds: int = 1
    strength: float | None = None  # of every fault; None is each one's own
    stage: Stage = "pilot"
    nights: int = NIGHTS
    brakes: bool = True  # False: what gates say is written down, and nothing is stopped


@dataclass(frozen=True)
class Piece:
    """One run: a fault, or none, in a copy of one healthy home."""

    folder: Path  # of the corpus's healthy homes and all their runs
    corpus: str
    seed: int
    stage: Stage
    fault: str
    strength: float
    nights: int
    brakes: bool

    @property
    def base(self) -> Path:
        """The healthy home."""
        return self.folder / f"seed-{self.seed}"

    @property
    def file(self) -> Path:
        """Where the run is written down."""
        name = f"{self.fault or 'control'}-{self.strength:g}-{self.nights}-{self.seed}"
        name += "" if self.brakes else "-no-brakes"
        return self.folder / "runs" / f"{name}.json"


def drill(
    settings: Settings, request: DrillRequest, workers: int | None, told: Told
) -> dict[str, Any]:
    """Runs what was asked for and is not written down yet, and says what was found.

    Args:
        settings: The home whose gates and settings are drilled; nothing in it changes but for
            the folder `drills`.
        request: Which faults, on which corpora, with how many seeds.
        workers: Processes; by default one for every core.
        told: Hears of every run.

    Returns:
        `rows`, one a corpus and fault; `runs`, with every night; `false_alarms` of the controls;
        `not_applicable`; `seconds` of processor.

    Raises:
        BadInputError: An unknown fault, or a corpus that is no reference world.
        StoreError: The disk is full or read-only.
    """
    faults = [fault_named(name) for name in request.faults]
    worlds = {corpus: settings.item(corpus).world or "" for corpus in request.corpora}
    homes = {corpus: _folder(settings, corpus, request.stage) for corpus in request.corpora}
    pieces = [
        Piece(folder, corpus, seed, request.stage, name, strength, request.nights, request.brakes)
        for seed in range(1, request.seeds + 1)
        for corpus, folder in homes.items()
        for name, strength in _wanted(faults, worlds[corpus], request)
    ]
    missing = [piece for piece in pieces if not piece.file.exists()]
    done = len(pieces) - len(missing)

    def ended() -> None:
        nonlocal done
        done += 1
        told(done, len(pieces))

    told(done, len(pieces))
    bases = {piece.base: piece for piece in missing if not piece.base.exists()}
    for corpus in dict.fromkeys(piece.corpus for piece in bases.values()):
        calibrated(settings, corpus, request.stage, homes[corpus] / CALIBRATED, workers)
    of_home = (settings.home, settings.config)
    side_by_side(_base, [(*of_home, p) for p in bases.values()], workers, lambda: None)
    side_by_side(_run, [(piece,) for piece in missing], workers, ended)
    runs = [json.loads(piece.file.read_text("utf-8")) for piece in pieces]
    return {
        "request": request.model_dump(mode="json"),
        "rows": summed(runs),
        "false_alarms": false_alarms(runs),
        "not_applicable": [
            {"corpus": corpus, "fault": fault.name, "why": f"only {', '.join(fault.worlds)} has it"}
            for corpus, world in worlds.items()
            for fault in faults
            if not fault.applies(world)
        ],
        "does": {fault.name: fault.does for fault in faults},
        "folder": str(settings.home / FOLDER),
        "seconds": sum(run["seconds"] for run in runs),
        "runs": runs,
    }


def _wanted(
    faults: Sequence[Fault], world: str, request: DrillRequest
) -> Iterator[tuple[str, float]]:
    yield CONTROL, 0.0
    for fault in faults:
        if fault.applies(world):
            own = fault.strength if request.strength is None else request.strength
            yield fault.name, own


def _folder(settings: Settings, corpus: str, stage: Stage) -> Path:
    """Where a corpus's healthy homes and their drills lie, named by all that they are made of."""
    item = base_item(settings, corpus, stage).model_dump(mode="json")
    gates = [gate.model_dump(mode="json") for gate in load_gates(settings.home)]
    key = content_hash(canonical_json([item, gates, HEALTHY, TEMPLATES]))[:12]
    return settings.home / FOLDER / f"{corpus}-{stage}-{key}"


def _base(home: Path, config: Path | None, piece: Piece) -> None:
    settings = load_settings(home, config)
    corpus, stage = piece.corpus, piece.stage
    calibration = calibrated(settings, corpus, stage, piece.folder / CALIBRATED, 1)
    build_base(settings, corpus, stage, piece.seed, calibration, piece.base)


def _run(piece: Piece) -> None:
    """One run in a copy of the base home, which is taken away afterwards."""
    copy = piece.folder / f"at-work-{piece.file.stem}"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(piece.base, copy)
    started = process_time()
    fault = FAULTS.get(piece.fault)
    said = drilled_nights(copy, piece.corpus, fault, piece.strength, piece.nights, piece.brakes)
    said |= {
        "corpus": piece.corpus,
        "seed": piece.seed,
        "fault": piece.fault,
        "strength": piece.strength,
        "seconds": process_time() - started,
    }
    piece.file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(piece.file, json.dumps(said))
    shutil.rmtree(copy)
