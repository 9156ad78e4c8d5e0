"""Replicates of a corpus's loop, from which its gates are calibrated: what one is made of, and
working them out side by side. Each is written down as it ends, so that what was cut off goes on."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.backends.template_files import load_templates
from collapse_pipeline.backends.whole_files import write_whole
from collapse_pipeline.defs.corpora import suites_in_force
from collapse_pipeline.defs.side_by_side import side_by_side
from collapse_pipeline.defs.workshop import Workshop, arrived, make_home, open_workshop
from collapse_pipeline.loop.calibrate import Values, healthy_night
from collapse_pipeline.loop.chain import SUBSAMPLE, Parts
from collapse_pipeline.loop.gate import Gate
from collapse_pipeline.metrics.evidence import Need, Texts
from collapse_pipeline.records import SuiteRecord, derived_seed
from collapse_pipeline.settings import CorpusSettings, load_settings

GROUP_ROWS = 100  # measured rows of a group of people
CHOICE = r"(?m)^\s*\(?[A-D][).:]\s"  # the line of an answer to choose
Told = Callable[[int, int], None]  # replicates done, replicates wanted


@dataclass(frozen=True)
class Bought:
    """What a process needs to work a replicate out: all of it can be sent to another process."""

    home: Path
    config: Path | None
    corpus: str
    settings: dict[str, Any]
    generation: str  # the human rows are those that had arrived by that night


def applying(
    anchor: pa.Table, human: pa.Table, settings: CorpusSettings, has_world: bool
) -> tuple[Need, ...]:
    """What this corpus's rows have, of what metrics need.

    Args:
        anchor: All rows of the human anchor, those that students are measured on included.
        human: The training rows that the teacher knows.
        settings: Of the corpus.
        has_world: Whether a reference world can check its rows.
    """
    attributes = {name for pairs in human["attributes"].to_pylist() for name, _ in pairs or ()}
    prompts = human["prompt"].slice(0, 500)
    choices = pc.sum(pc.match_substring_regex(prompts, CHOICE)).as_py() or 0
    labels = set(human["label"].to_pylist()) - {""}
    measured = Texts(anchor.filter(pc.equal(anchor["split"], "eval")))
    groups = [Counter(measured.attribute(name)) for name in settings.evaluate.groups]
    has = {
        Need.LABELS: bool(labels),
        Need.RESPONSES: any(human["response"].to_pylist()),
        Need.EMBEDDINGS: settings.filter.embedder is not None,
        Need.DIFFICULTY: "difficulty" in attributes,
        Need.TOOL_CALLS: "tool_calls" in attributes,
        Need.GROUPS: any(_large(counts) >= 2 for counts in groups),
        Need.CHOICES: choices > len(prompts) / 2,
        Need.WORLD: has_world,
    }
    return tuple(need for need, there in has.items() if there)


def rows_drawn(settings: CorpusSettings, human_rows: int) -> int:
    """How many rows figures are measured on: no more than a batch has, nor a replicate's part of
    the human rows, for both sides of a comparison are draws of one size."""
    return min(settings.gates.rows, settings.generate.rows, int(SUBSAMPLE * human_rows))


def _large(counts: Mapping[str, int]) -> int:
    """Groups of which the standard suite surely has enough rows to be compared."""
    return sum(count >= GROUP_ROWS for value, count in counts.items() if value)


def parts_of(
    shop: Workshop, bought: Bought
) -> tuple[Parts, pa.Table, tuple[Gate, ...], tuple[Need, ...], tuple[SuiteRecord, ...]]:
    """What a replicate is made of; no calibrated figure reads a candidate's task model."""
    from collapse_pipeline.backends.stores.queries import band_matches

    corpus = bought.corpus
    settings = CorpusSettings.model_validate(bought.settings)
    anchor = shop.store.read("human_anchor", corpus)
    human = arrived(anchor, bought.generation, settings)
    records = suites_in_force(shop, corpus, bought.generation)
    suites = shop.store.read("eval_suites", corpus)
    wanted = pa.array([f"{s.name}@{s.version}" for s in records if s.applicable], pa.string())
    there = pc.binary_join_element_wise(suites["suite"], suites["suite_version"], "@")
    embedder = settings.filter.embedder
    world = shop.world_of(corpus)
    parts = Parts(
        corpus=corpus,
        task_type=settings.task_type,
        templates=load_templates(corpus, shop.settings.home),
        generate=settings.generate,
        judge=settings.judge,
        filter=settings.filter,
        mix=settings.mix,
        teacher=settings.teacher,
        panel=settings.judge.panel,
        student=settings.student,
        task=settings.task,
        embedder=embedder.build(human["prompt"].to_pylist()) if embedder else None,
        suites=suites.filter(pc.is_in(there, wanted)),
        match=band_matches,
        world=world,
        classify=False,
    )
    gates = load_gates(shop.settings.home)
    applies = (*applying(anchor, human, settings, world is not None), Need.EARLIER)
    return parts, human, gates, applies, records


def replicates(
    bought: Bought, folder: Path, wanted: int, workers: int | None, told: Told
) -> list[Values]:
    """The figures of every replicate; those that lie in the folder are not worked out again.

    Args:
        bought: What they are made of.
        folder: Where they are written, one file each; other replicates have another folder.
        wanted: How many.
        workers: Processes; by default one for every core.
        told: Hears of every replicate.

    Raises:
        StoreError: The disk is full or read-only.
    """
    make_home(folder)
    missing = [n for n in range(wanted) if not (folder / f"{n}.json").exists()]
    done = wanted - len(missing)
    told(done, wanted)

    def ended() -> None:
        nonlocal done
        done += 1
        told(done, wanted)

    pieces = [(bought, folder, number) for number in missing]
    side_by_side(_replicate, pieces, workers, ended)
    return [
        {int(depth): values for depth, values in json.loads(path.read_text("utf-8")).items()}
        for path in (folder / f"{number}.json" for number in range(wanted))
    ]


def _replicate(bought: Bought, folder: Path, number: int) -> None:
    """Works one replicate out and writes it down, in a process of its own or not."""
    settings = CorpusSettings.model_validate(bought.settings)
    with open_workshop(load_settings(bought.home, bought.config)) as shop:
        parts, human, gates, applies, suites = parts_of(shop, bought)
    outside = settings.teacher.kind != "student"
    values = healthy_night(
        parts,
        human,
        gates,
        applies,
        suites,
        rows_drawn(settings, human.num_rows),
        1 if outside else settings.mix.depth_limit,
        derived_seed(settings.seed, bought.corpus, "replicate", number),
    )
    write_whole(folder / f"{number}.json", json.dumps(values))
