"""Scratch homes for drills: a healthy one a corpus and seed, and copies of it with a fault."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from collapse_pipeline.backends.whole_files import write_whole
from collapse_pipeline.defs import calibrating
from collapse_pipeline.defs.gating import gate_asset
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.stages import STAGES
from collapse_pipeline.defs.workshop import Workshop, open_workshop
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.calibrate import Calibration
from collapse_pipeline.loop.pinned import Manifest
from collapse_pipeline.records import (
    days_before,
)
from collapse_pipeline.settings import (
    CorpusItem,
    CorpusSettings,
    Settings,
    WorldArrival,
    load_settings,
    merge,
    write_corpus,
)

Stage = Literal["pilot", "full"]
ACTOR = "drill"
HEALTHY = 3  # nights before the onset, the first of them without synthetic rows
NIGHTS = 3  # from the onset on
LAST = "2026-10-31"  # any past day serves, so that the same drill gives the same rows every day
# A pilot's home: figures of a night cost a few seconds, and its suites can still decide.
PILOT: Mapping[str, Any] = {
    "generate": {"rows": 1_500},
    "gates": {"rows": 1_200, "replicates": 20},
    "evaluate": {"written_rows": 300, "draws": 300},
}
PILOT_ARRIVAL = WorldArrival(rows=4_500, initial_rows=2_000, nightly_rows=20)
TEACHERS = {
    "kind": "mixture",
    "teachers": {
        "first": {"kind": "simulated"},
        "second": {"kind": "simulated", "accuracy": 0.95, "narrowness": 0.15},
    },
}
TEMPLATES = {
    "plain": "Write one text as a real user would, about: {{ intent }}.",
    "short_note": "Write one short text, as typed on a phone, about: {{ intent }}.",
    "upset": "Write one text from an upset person who leaves something out: {{ intent }}.",
}
AT_FAULT = "upset"  # the template that a template's fault lies in


def nights_of(first: int, count: int) -> list[str]:
    """Dates of `count` nights from the `first` on, 0 being generation 0."""
    return [days_before(LAST, HEALTHY + NIGHTS - 1 - n) for n in range(first, first + count)]


def base_item(settings: Settings, corpus: str, stage: Stage) -> CorpusItem:
    """A drilled corpus as a scratch home's `corpora.yaml` has it, with the seed of its settings.

    Raises:
        BadInputError: A corpus that is no reference world: nobody knows its true distribution.
    """
    item = settings.item(corpus)
    if item.world is None:
        raise BadInputError(
            wanted="a corpus made from a reference world to drill",
            got=f"{corpus}, whose true distribution is unknown",
            do="choose customer_service or question_bank; its gates and settings are drilled",
        )
    sizes = PILOT if stage == "pilot" else {}
    own = merge(merge(settings.defaults, item.settings), sizes)
    return CorpusItem(
        world=item.world,
        arrival=PILOT_ARRIVAL if stage == "pilot" else item.arrival,
        first_generation=nights_of(0, 1)[0],
        settings=merge(own, {"teacher": TEACHERS}),
    )


def calibrated(
    settings: Settings, corpus: str, stage: Stage, home: Path, workers: int | None
) -> Calibration:
    """The calibration that all seeds of a corpus share, worked out in a home of its own; what was
    cut off goes on."""
    done = home / "calibration.json"
    if not done.exists():
        item = _begin(settings, corpus, base_item(settings, corpus, stage), home)
        with open_workshop(load_settings(home), actor=ACTOR) as shop:
            shop.hold(corpus)
            chosen = CorpusSettings.model_validate(item.settings)
            night = nights_of(1, 1)[0]
            made = calibrating.calibrate(shop, corpus, night, chosen, "before the drills", workers)
        write_whole(done, made.model_dump_json())
    return Calibration.model_validate_json(done.read_text("utf-8"))


def build_base(
    settings: Settings, corpus: str, stage: Stage, seed: int, calibration: Calibration, home: Path
) -> None:
    """Healthy nights in a new home under that calibration; built beside, and renamed when whole."""
    unfinished = home.with_name(f"{home.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    item = base_item(settings, corpus, stage)
    own = item.model_copy(update={"settings": {**item.settings, "seed": seed}})
    _begin(settings, corpus, own, unfinished)
    first, *others = nights_of(0, HEALTHY)
    with open_workshop(load_settings(unfinished), actor=ACTOR) as shop:
        run_night(shop, corpus, first)
        calibrating.keep(unfinished, calibration)
        calibrating.put_in_force(shop, calibration, "worked out before the drills")
        for night in others:
            run_night(shop, corpus, night)
    unfinished.rename(home)


def _begin(settings: Settings, corpus: str, item: CorpusItem, home: Path) -> CorpusItem:
    """A home with the gates of the real one, and templates to drill."""
    home.mkdir(parents=True, exist_ok=True)
    gates = settings.home / "gates.yaml"
    if gates.exists():
        shutil.copy(gates, home)
    for name, text in TEMPLATES.items():
        write_template(home, corpus, name, text)
    write_corpus(home, corpus, item)
    return item


def write_template(home: Path, corpus: str, name: str, text: str) -> None:
    """A template in a home, in place of the one of that name."""
    folder = home / "templates" / corpus
    folder.mkdir(parents=True, exist_ok=True)
    front = yaml.safe_dump({"name": name})
    (folder / f"{name}.j2").write_text(f"---\n{front}---\n{text}\n", "utf-8")


def run_night(shop: Workshop, corpus: str, day: str) -> Manifest:
    """One night without Dagster: the same stages, gates and settling as the job's."""
    record = open_generation(shop, corpus, day)
    enforced = shop.settings.corpus(corpus).gates.enforce
    accepted = shop.governance(corpus).accepted
    for name, stage in STAGES.items():
        stage(shop, record)
        found = gate_asset(shop, record, name)
        stops = any(finding.blocks and finding.gate.name not in accepted for finding in found)
        if enforced and stops:
            break
    return settle(shop, corpus, day)
