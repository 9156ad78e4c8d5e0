"""Experiments on a home: what a cell is made of, cells worked out side by side and kept one file
each, and what is written when all are there: a table, a document, a figure, a ledger event.

The partition of the table is the night whose human rows the experiment knew. Cells stay where they
are, so the same experiment asked again, or for another share, works out only what is missing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.backends.template_files import load_templates
from collapse_pipeline.backends.whole_files import write_whole
from collapse_pipeline.defs import calibrating
from collapse_pipeline.defs.corpora import ensure_corpus, suites_in_force
from collapse_pipeline.defs.replicates import Bought, Told, parts_of, rows_drawn
from collapse_pipeline.defs.side_by_side import side_by_side
from collapse_pipeline.defs.workshop import Workshop, arrived, make_home, open_workshop
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.ablation import WHOLE, Link, whole, without
from collapse_pipeline.loop.calibrate import Calibration, faults
from collapse_pipeline.loop.experiment import Lab, Variant, Way, at_share, cell
from collapse_pipeline.loop.experiment_gates import Watch
from collapse_pipeline.loop.measure import drawn
from collapse_pipeline.records import canonical_json, content_hash, labels_of
from collapse_pipeline.settings import CorpusSettings, load_settings, packages

FOLDER = "experiments"
Stage = Literal["pilot", "full"]
Kind = Literal["ratio", "ablation"]
SHARES = (0, 10, 30, 50, 70, 90, 100)  # percent
# A pilot: seven shares, three seeds and four generations in about five minutes on two cores.
PILOT_ROWS = 500  # human rows of every seed
PILOT_WRITTEN = 1.25  # rows asked for, over human rows
PILOT_SUITE_ROWS = 1_000  # of each suite
PILOT_EVALUATE: Mapping[str, int] = {"written_rows": 100, "draws": 300}


@dataclass(frozen=True)
class Asked:
    """What a person asks of an experiment."""

    seeds: int = 3
    generations: int = 4
    stage: Stage = "pilot"
    way: Way | None = None  # how synthetic rows enter the mix; None: the corpus's own way


def asked_of(seeds: int, generations: int, stage: str, way: str | None = None) -> Asked:
    """What is asked for, checked.

    Raises:
        BadInputError: Fewer than one seed or generation, or an unknown stage or way.
    """
    if seeds < 1 or generations < 1:
        got = f"{seeds} and {generations}"
        raise BadInputError("one seed and one generation or more", got, "ask for more")
    for name, value, known in (("stage", stage, get_args(Stage)), ("mix", way, get_args(Way))):
        if value is not None and value not in known:
            raise BadInputError(f"{name} {' or '.join(known)}", repr(value), "mend it")
    return Asked(seeds, generations, cast("Stage", stage), cast("Way | None", way))


@dataclass(frozen=True)
class Plan:
    """What a process needs to work a cell out: all of it can be sent to another process."""

    bought: Bought
    kind: Kind
    stage: Stage
    generations: int
    way: Way
    key: str  # hash of all that its cells are made of
    own_loop: bool  # whether this is the loop that the corpus runs at night

    @property
    def folder(self) -> Path:
        """Where its cells lie."""
        return self.bought.home / FOLDER / f"{self.bought.corpus}-{self.kind}-{self.key}"


def plan(
    shop: Workshop,
    corpus: str,
    kind: Kind,
    night: str,
    asked: Asked,
    overrides: Mapping[str, Any] | None = None,
) -> Plan:
    """Plans an experiment on the human rows that had arrived by a night.

    Raises:
        BadInputError: No human row had arrived by then.
    """
    ensure_corpus(shop, corpus, night)
    settings = shop.settings.corpus(corpus, overrides)
    own: Way = "on_top" if settings.mix.regime == "accumulate" else "fixed"
    human = arrived(shop.store.read("human_anchor", corpus), night, settings)
    if not human.num_rows:
        raise BadInputError(f"human rows of {corpus} by {night}", "none", "take a later night")
    if asked.stage == "pilot":
        settings = _pilot(settings, human.num_rows)
    bought = Bought(
        shop.settings.home,
        shop.settings.config,
        corpus,
        settings.model_dump(mode="json"),
        night,
    )
    known, _ = calibration_for(shop, bought, settings, human, asked.stage)
    made_of = [
        kind,
        asked.stage,
        asked.generations,
        asked.way or own,
        bought.settings,
        sorted(human["sample_id"].to_pylist()),
        [record.model_dump(mode="json") for record in suites_in_force(shop, corpus, night)],
        [gate.model_dump(mode="json") for gate in load_gates(shop.settings.home)],
        [str(template) for template in load_templates(corpus, shop.settings.home)],
        known.version if known else "",
        packages(),
    ]
    key = content_hash(canonical_json(made_of))[:12]
    usual = (asked.way or own) == own and not overrides
    return Plan(bought, kind, asked.stage, asked.generations, asked.way or own, key, usual)


def _pilot(settings: CorpusSettings, human_rows: int) -> CorpusSettings:
    """The same settings at pilot size."""
    rows = round(PILOT_WRITTEN * min(PILOT_ROWS, human_rows))
    return settings.model_copy(
        update={
            "generate": settings.generate.model_copy(update={"rows": rows}),
            "evaluate": settings.evaluate.model_copy(update=PILOT_EVALUATE),
        }
    )


def calibration_for(
    shop: Workshop, bought: Bought, settings: CorpusSettings, human: pa.Table, stage: Stage
) -> tuple[Calibration | None, str]:
    """The calibration that holds at this size, in force or shipped; else none, and why.

    None is made here: that takes as long as the experiment, and is a person's decision.
    """
    rows = min(PILOT_ROWS, human.num_rows) if stage == "pilot" else human.num_rows
    facts = calibrating.facts_of(settings, labels_of(human))
    found = calibrating.in_force(shop, bought.corpus)
    said = faults(found, facts, rows) if found else []
    if found and not said:
        return found, ""
    shipped = calibrating.shipped(bought.corpus, facts, rows)
    if shipped is not None:
        return shipped, ""
    if found is None:
        return None, "there is no calibration of this corpus that holds at this size"
    return None, f"calibration {found.version} does not hold at this size: {'; '.join(said)}"


@lru_cache(maxsize=1)
def _lab(
    home: Path, config: Path | None, corpus: str, settings: str, night: str, stage: Stage
) -> Lab:
    """What all cells of an experiment share, worked out once a process."""
    bought = Bought(home, config, corpus, json.loads(settings), night)
    chosen = CorpusSettings.model_validate(bought.settings)
    with open_workshop(load_settings(home, config)) as shop:
        parts, human, gates, applies, suites = parts_of(shop, bought)
        calibration, why = calibration_for(shop, bought, chosen, human, stage)
    human_rows = min(PILOT_ROWS, human.num_rows) if stage == "pilot" else human.num_rows
    if stage == "pilot":
        names = [s.name for s in suites if s.applicable]
        some = [
            drawn(parts.suites.filter(pc.equal(parts.suites["suite"], n)), PILOT_SUITE_ROWS, 0)
            for n in names
        ]
        parts = replace(parts, suites=pa.concat_tables(some) if some else parts.suites)
        suites = tuple(s.model_copy(update={"rows": min(s.rows, PILOT_SUITE_ROWS)}) for s in suites)
    watch = Watch(
        gates,
        applies,
        suites,
        rows_drawn(chosen, human_rows),
        calibration,
        why,
        chosen.gates.budget,
    )
    parts = replace(parts, classify=True)
    return Lab(
        parts, human, human_rows, suites, watch, chosen.evaluate, chosen.release, chosen.seed
    )


def lab_of(work: Plan) -> Lab:
    """What all cells of a plan share."""
    bought = work.bought
    settings = canonical_json(bought.settings)
    return _lab(bought.home, bought.config, bought.corpus, settings, bought.generation, work.stage)


def variant_of(work: Plan, what: str) -> Variant:
    """The variant of a cell: a share in percent, or a link that is left out."""
    lab = lab_of(work)
    if work.kind == "ratio":
        return at_share(lab.parts, lab.human_rows, float(what) / 100, work.way)
    loop = whole(lab.parts)
    return loop if what == WHOLE else without(Link(what), loop)


def cells(
    work: Plan, wanted: Sequence[str], seeds: int, workers: int | None, told: Told
) -> list[dict[str, Any]]:
    """The cells of some variants with every seed; those that lie in the folder are not worked out
    again.

    Args:
        work: The plan.
        wanted: Shares in percent, or links and `whole`.
        seeds: How many of each.
        workers: Processes; by default one for every core.
        told: Hears of every cell.

    Raises:
        StoreError: The disk is full or read-only.
    """
    make_home(work.folder)
    pairs = [(what, seed) for what in wanted for seed in range(1, seeds + 1)]
    missing = [pair for pair in pairs if not _file(work, *pair).exists()]
    done = len(pairs) - len(missing)
    told(done, len(pairs))

    def ended() -> None:
        nonlocal done
        done += 1
        told(done, len(pairs))

    # The last ones take longest where shares rise: they begin first, and no core waits at the end.
    pieces = [(work, *pair) for pair in reversed(missing)]
    side_by_side(_cell, pieces, workers, ended)
    return [json.loads(_file(work, *pair).read_text("utf-8")) for pair in pairs]


def _cell(work: Plan, what: str, seed: int) -> None:
    """Works one cell out and writes it down, in a process of its own or not."""
    found = cell(lab_of(work), variant_of(work, what), seed, work.generations)
    write_whole(_file(work, what, seed), json.dumps(found))


def _file(work: Plan, what: str, seed: int) -> Path:
    return work.folder / f"{what}-{seed}.json"


def lacking(work: Plan, wanted: Sequence[str], seeds: int) -> list[str]:
    """The variants of which a seed is not worked out yet."""
    return [
        what
        for what in wanted
        if not all(_file(work, what, seed).exists() for seed in range(1, seeds + 1))
    ]
