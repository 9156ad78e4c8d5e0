"""Calibrating a corpus's gates: replicate chains side by side, kept as they come, then one file
named by its content and one decision in the ledger."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.backends.whole_files import write_whole
from collapse_pipeline.defs.corpora import ensure_corpus
from collapse_pipeline.defs.replicates import Bought, Told, replicates, rows_drawn
from collapse_pipeline.defs.workshop import Workshop, arrived, make_home
from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.loop.calibrate import Calibration, Values, faults
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.lineage import Line
from collapse_pipeline.records import SAMPLE, canonical_json, content_hash, labels_of
from collapse_pipeline.settings import PACKAGE, CorpusSettings

FOLDER = "calibrations"
SHIPPED = (
    PACKAGE / "config" / FOLDER
)  # of the embedded corpora, at the sizes that they grow through


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
    found = replicates(bought, folder, settings.gates.replicates, workers, told)
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
    shutil.rmtree(folder, ignore_errors=True)
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
    make_home(path.parent)
    write_whole(path, calibration.model_dump_json(indent=1))
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
