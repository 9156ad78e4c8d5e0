"""Calibrating a corpus's gates: replicate chains side by side, kept as they come, then one file
named by its content and one decision in the ledger."""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.backends.template_files import load_templates
from collapse_pipeline.defs.corpora import ensure_corpus, suites_in_force
from collapse_pipeline.defs.workshop import Workshop, arrived, open_workshop
from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.loop.calibrate import Calibration, Values, faults, healthy_night
from collapse_pipeline.loop.chain import SUBSAMPLE, Parts
from collapse_pipeline.loop.gate import Gate
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.lineage import Line
from collapse_pipeline.metrics.evidence import Need, Texts
from collapse_pipeline.records import (
    SAMPLE,
    SuiteRecord,
    canonical_json,
    content_hash,
    derived_seed,
    labels_of,
)
from collapse_pipeline.settings import PACKAGE, CorpusSettings, load_settings

FOLDER = "calibrations"
SHIPPED = (
    PACKAGE / "config" / FOLDER
)  # of the embedded corpora, at the sizes that they grow through
GROUP_ATTRIBUTES = ("locale", "group", "channel")
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


def facts_of(settings: CorpusSettings, labels: Sequence[str]) -> dict[str, str]:
    """Hashes of what a calibration holds for, by name.

    Not in it: the cap and the infusion, which gates themselves turn, and the human rows, which
    arrive every night.
    """
    turned = {"synthetic_cap", "infusion", "human_rows"}
    parts = {
        "schema": SAMPLE.names,
        "labels": list(labels),
        "student_settings": settings.student.model_dump(mode="json"),
        "embedder": settings.filter.model_dump(mode="json")["embedder"],
        "teacher": settings.teacher.model_dump(mode="json"),
        "mix_policy": settings.mix.model_dump(mode="json", exclude=turned),
        "judge_policy": settings.judge.model_dump(mode="json"),
        "filter_policy": settings.filter.model_dump(mode="json", exclude={"embedder"}),
        "batch_plan": settings.generate.model_dump(mode="json"),
    }
    return {name: content_hash(canonical_json(part))[:12] for name, part in parts.items()}


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


def calibrate(
    shop: Workshop,
    corpus: str,
    generation: str,
    settings: CorpusSettings,
    reason: str,
    workers: int | None = None,
    told: Told = lambda done, wanted: None,  # noqa: ARG005 - nobody listens
) -> Calibration:
    """Works out the nulls of a corpus's gates, or finds what an earlier attempt left of them.

    Args:
        shop: The home.
        corpus: Which corpus.
        generation: The night whose human rows the replicates are drawn from.
        settings: Those that the gates are to hold for.
        reason: Why, for the ledger: calibrating is a decision.
        workers: Processes; by default one for every core.
        told: Hears of every replicate.

    Raises:
        BadInputError: No human row had arrived by then.
    """
    ensure_corpus(shop, corpus, generation)
    bought = Bought(
        shop.settings.home,
        shop.settings.config,
        corpus,
        settings.model_dump(mode="json"),
        generation,
    )
    anchor = shop.store.read("human_anchor", corpus)
    human = arrived(anchor, generation, settings)
    if not human.num_rows:
        raise BadInputError(f"human rows of {corpus} by {generation}", "none", "take a later night")
    gates = load_gates(shop.settings.home)
    facts = facts_of(settings, labels_of(human))
    named = [facts, human.num_rows, rows_drawn(settings, human.num_rows), settings.seed]
    key = content_hash(canonical_json([*named, [g.model_dump(mode="json") for g in gates]]))[:12]
    folder = shop.settings.home / FOLDER / f"unfinished-{corpus}-{key}"
    found = _replicates(bought, folder, settings.gates.replicates, workers, told)
    outside = settings.teacher.kind != "student"
    made = Calibration(
        corpus=corpus,
        source="pilot" if outside else "refits",
        facts=facts,
        human_rows=human.num_rows,
        rows=rows_drawn(settings, human.num_rows),
        seed=settings.seed,
        nulls=_joined(found),
    )
    keep(shop.settings.home, made)
    put_in_force(shop, made, reason)
    for left in folder.glob("*.json"):
        left.unlink()
    folder.rmdir()
    return made


def put_in_force(shop: Workshop, calibration: Calibration, reason: str, by: str = "") -> None:
    """Writes the decision that a calibration holds from now on."""
    shop.ledger.append(
        Act.GATES_CALIBRATED,
        corpus=calibration.corpus,
        actor=by or shop.actor,
        reason=reason,
        payload={
            "version": calibration.version,
            "source": calibration.source,
            "human_rows": calibration.human_rows,
            "rows": calibration.rows,
            "replicates": calibration.replicates,
            "depths": calibration.depths,
            "seed": calibration.seed,
        },
    )


def in_force(shop: Workshop, corpus: str) -> Calibration | None:
    """The calibration that was decided on last, or that the release rolled back to had."""
    version = shop.governance(corpus).calibration
    return load(shop.settings.home, version) if version else None


def keep(home: Path, calibration: Calibration) -> Path:
    """Writes a calibration to a file named by its content."""
    path = home / FOLDER / f"{calibration.version}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(calibration.model_dump_json(indent=1), "utf-8")
    temporary.replace(path)
    return path


def load(home: Path, version: str) -> Calibration:
    """A calibration of the home by its version.

    Raises:
        StoreError: It is gone, or is not what its name says.
    """
    path = home / FOLDER / f"{version}.json"
    try:
        found = Calibration.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise StoreError(
            f"the calibration {version} in {path}",
            str(fault).splitlines()[0],
            "restore the file, or calibrate again: collapse-pipeline calibrate",
        ) from fault
    if found.version != version:
        raise StoreError(f"the calibration {version}", f"{found.version} in {path}", "restore it")
    return found


def shipped(corpus: str, facts: dict[str, str], human_rows: int) -> Calibration | None:
    """A calibration that came with the package and holds for these rows, the nearest in size."""
    fitting = [
        calibration
        for path in sorted(SHIPPED.glob(f"{corpus}-*.json"))
        if not faults(
            calibration := Calibration.model_validate_json(path.read_text("utf-8")),
            facts,
            human_rows,
        )
    ]
    return min(fitting, key=lambda c: abs(c.human_rows - human_rows), default=None)


def taught_by(line: Line, generation: str, settings: CorpusSettings) -> str:
    """The night whose human rows tonight's teacher knows: a calibration compares like with like.

    A student knows those of the night that trained it, a teacher from outside none in particular.
    """
    if settings.teacher.kind != "student":
        return generation
    before = line.before(generation)
    parent = before.parent(settings.mix.depth_limit).generation
    scored = [g.generation for g in before.active]
    return parent or (scored[-1] if scored else generation)


def parts_of(
    shop: Workshop, bought: Bought
) -> tuple[Parts, pa.Table, tuple[Gate, ...], tuple[Need, ...], tuple[SuiteRecord, ...]]:
    """What a replicate is made of, without task models: no calibrated figure reads one."""
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
        task=None,
        embedder=embedder.build(human["prompt"].to_pylist()) if embedder else None,
        suites=suites.filter(pc.is_in(there, wanted)),
        match=band_matches,
        world=world,
    )
    gates = load_gates(shop.settings.home)
    applies = (*applying(anchor, human, settings, world is not None), Need.EARLIER)
    return parts, human, gates, applies, records


def _replicates(
    bought: Bought, folder: Path, wanted: int, workers: int | None, told: Told
) -> list[Values]:
    """The figures of every replicate; those that lie in the folder are not worked out again."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(wanted) if not (folder / f"{n}.json").exists()]
    told(wanted - len(missing), wanted)
    processes = min(workers or len(os.sched_getaffinity(0)), len(missing))
    if processes <= 1:
        for done, number in enumerate(missing, wanted - len(missing) + 1):
            _replicate(bought, folder, number)
            told(done, wanted)
    else:
        context = get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            running = [pool.submit(_replicate, bought, folder, number) for number in missing]
            for done, ended in enumerate(as_completed(running), wanted - len(missing) + 1):
                ended.result()
                told(done, wanted)
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
    temporary = folder / f"{number}.{os.getpid()}.tmp"
    temporary.write_text(json.dumps(values), "utf-8")
    temporary.replace(folder / f"{number}.json")


def _joined(found: Sequence[Values]) -> dict[str, dict[str, tuple[float, ...]]]:
    """Values by depth and statistic; a replicate without one has NaN there."""
    nan = float("nan")
    depths = sorted({depth for values in found for depth in values})
    joined = {}
    for depth in depths:
        names = sorted({name for values in found for name in values.get(depth, {})})
        joined[str(depth)] = {
            name: tuple(values.get(depth, {}).get(name, nan) for values in found) for name in names
        }
    return joined
