"""What an experiment leaves when all its cells are there: rows of a table, a document and a figure
beside the cells, and for a gradient of the corpus's own loop an event of the ledger, on which a
raised cap can stand."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.backends.whole_files import write_whole
from collapse_pipeline.defs.experimenting import (
    Asked,
    Plan,
    cells,
    lab_of,
    lacking,
    plan,
)
from collapse_pipeline.defs.replicates import Told
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.ablation import WHOLE, Link, nothing_to_act_on, worth
from collapse_pipeline.loop.experiment_bands import fired, reached, table_of
from collapse_pipeline.loop.experiment_gradient import bands, gradient
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.permit import check_person
from collapse_pipeline.records import TablePin, canonical_json, content_hash, table_digest
from collapse_pipeline.reporting import figures

TABLE = "experiment_values"
Document = dict[str, Any]


def ratio(
    shop: Workshop,
    corpus: str,
    shares: Sequence[float],
    night: str,
    asked: Asked,
    overrides: Mapping[str, Any],
    by: str,
    workers: int | None,
    told: Told,
) -> Document:
    """Works the gradient of synthetic shares out, or finds what an earlier attempt left of it.

    Args:
        shop: The home.
        corpus: Which corpus.
        shares: In percent; 0 is always among them, for it is what the others are compared with.
        night: Whose human rows.
        asked: Sizes.
        overrides: Settings over the corpus's own; the result is then no evidence for its loop.
        by: Who asked.
        workers: Processes; by default one for every core.
        told: Hears of every cell.

    Raises:
        BadInputError: A share outside 0 to 100, or this person may not record an experiment.
    """
    settings = shop.settings.corpus(corpus, overrides)
    check_person(settings.governance, Act.EXPERIMENT_RECORDED, by, "asked for")
    work = plan(shop, corpus, "ratio", night, asked, overrides)
    wanted = [f"{share:g}" for share in sorted({0.0, *shares})]
    found = cells(work, wanted, asked.seeds, workers, told)
    return conclude_ratio(shop, work, found, by)


def one_share(
    shop: Workshop, corpus: str, share: str, night: str, asked: Asked, told: Told
) -> Document:
    """Works the chains of one share out, in percent, and says what their last turns came to."""
    work = plan(shop, corpus, "ratio", night, asked)
    found = cells(work, [share], asked.seeds, None, told)
    said = {
        f"{row['suite']}.{row['metric']}": row["mean"]
        for row in bands(found, found)
        if row["metric"] in ("accuracy", "perplexity.ratio_to_baseline", "distinct_2")
    }
    gates = {f"fired.{gate}": seeds for gate, seeds in fired(found).items()}
    return {"experiment": work.key, "reached": reached(found), "night": night} | said | gates


def of_shares(
    shop: Workshop, corpus: str, shares: Sequence[float], night: str, asked: Asked
) -> Document:
    """What the chains of all shares support, once every one was worked out.

    Raises:
        BadInputError: Some were not, on these human rows and at this size.
    """
    work = plan(shop, corpus, "ratio", night, asked)
    wanted = [f"{share:g}" for share in shares]
    if missing := lacking(work, wanted, asked.seeds):
        raise BadInputError(
            f"{asked.seeds} chains of every share on the human rows of {night}",
            f"none or too few of {', '.join(missing)}%",
            f"materialise these partitions of {corpus}/ratio_gradient with the same configuration",
        )
    found = cells(work, wanted, asked.seeds, None, lambda done, wanted: None)  # noqa: ARG005
    return conclude_ratio(shop, work, found, shop.actor)


def conclude_ratio(
    shop: Workshop, work: Plan, found: Sequence[Mapping[str, Any]], by: str
) -> Document:
    """Fits, draws and writes down what the cells of a gradient say."""
    lab = lab_of(work)
    said = gradient(found, lab.release, lab.seed)
    said["cap"]["reason"] += _size(work, found) + _unheld(said["left_out"])
    document, pin = _kept(shop, work, found, said, figures.gradient_figure)
    return document | {"recorded": _on_record(shop, work, document, pin, by)}


def ablate(
    shop: Workshop,
    corpus: str,
    links: Sequence[Link],
    night: str,
    asked: Asked,
    overrides: Mapping[str, Any],
    workers: int | None,
    told: Told,
) -> Document:
    """Works out what each link of the governed loop is worth; arguments as for `ratio`."""
    work = plan(shop, corpus, "ablation", night, asked, overrides)
    lab = lab_of(work)
    labelled = any(lab.human["label"].to_pylist())
    idle = {link.value: nothing_to_act_on(link, lab.parts, labelled) for link in links}
    wanted = [link.value for link in links if not idle[link.value]]
    found = cells(work, [WHOLE, *wanted], asked.seeds, workers, told)
    said = worth(found, {link: why for link, why in idle.items() if why})
    return _kept(shop, work, found, said, figures.ablation_figure)[0]


def _kept(
    shop: Workshop,
    work: Plan,
    found: Sequence[Mapping[str, Any]],
    said: Document,
    draw: Callable[[Document, Path], list[Path]],
) -> tuple[Document, TablePin]:
    """Writes table, document and figure; the same cells give the same digests."""
    corpus, night = work.bought.corpus, work.bought.generation
    lab = lab_of(work)
    rows = table_of(found, corpus, night, work.key, work.kind)
    pin = _replace(shop, corpus, night, work.key, rows)
    known = lab.watch.calibration
    document = {
        "experiment": work.key,
        "kind": work.kind,
        "corpus": corpus,
        "night": night,
        "stage": work.stage,
        "mix": work.way,
        "own_loop": work.own_loop,
        "human_rows": found[0]["human_rows"],
        "seeds": len({cell["seed"] for cell in found}),
        "generations": work.generations,
        "calibration": known.version if known else None,
        "not_calibrated": lab.watch.why_not,
        "teacher": work.bought.settings["teacher"]["kind"],
        "student": work.bought.settings["student"]["kind"],
        **said,
        "rows": rows.num_rows,
        "digest": table_digest(rows),
    }
    plain = _plain(document)
    plain["digest_of_document"] = content_hash(canonical_json(plain))
    written = work.folder.with_suffix(".json")
    write_whole(written, json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
    files = [written, *draw(plain, work.folder)]
    return plain | {"table": pin.model_dump(), "files": [str(file) for file in files]}, pin


def _replace(shop: Workshop, corpus: str, night: str, key: str, rows: pa.Table) -> TablePin:
    """Puts an experiment's rows in place of its earlier ones; others of that night stay."""
    there = shop.store.read(TABLE, corpus, [night])
    others = there.filter(pc.not_equal(there["experiment"], key))
    return shop.store.replace(TABLE, corpus, night, pa.concat_tables([others, rows]))


def _on_record(shop: Workshop, work: Plan, document: Document, pin: TablePin, by: str) -> str:
    """Writes what share the gradient supports into the ledger; "" or why it is not evidence."""
    if not work.own_loop:
        return "not on record: this is not the loop that the corpus runs at night"
    corpus = work.bought.corpus
    settings = shop.settings.corpus(corpus).governance
    cap = document["cap"]
    role = check_person(settings, Act.EXPERIMENT_RECORDED, by, cap["reason"])
    event = shop.ledger.append(
        Act.EXPERIMENT_RECORDED,
        corpus=corpus,
        actor=by,
        role=role,
        reason=cap["reason"],
        payload={
            "share": cap["share"],
            "kind": work.kind,
            "experiment": work.key,
            "night": work.bought.generation,
            "stage": work.stage,
            "seeds": document["seeds"],
            "generations": work.generations,
            "shares": [row["share"] for row in document["shares"]],
            "inflection": document["inflection"]["reason"],
            "calibration": document["calibration"],
            "table": pin.model_dump(),
            "rows": document["digest"],
            "document": document["digest_of_document"],
        },
        key=f"{corpus}/experiment/{work.key}/{document['digest_of_document']}",
    )
    return f"on record as event {event.seq}: {cap['share']:.0%} is supported"


def _size(work: Plan, found: Sequence[Mapping[str, Any]]) -> str:
    rows, seeds = found[0]["human_rows"], len({cell["seed"] for cell in found})
    return (
        f" ({work.stage} size: {rows} human rows, {seeds} seeds, {work.generations} generations, "
        f"teacher {work.bought.settings['teacher']['kind']})"
    )


def _unheld(left_out: Mapping[str, str]) -> str:
    reasons = sorted(set(left_out.values()))
    if not reasons:
        return ""
    return f"; {len(left_out)} figures of gates were held to nothing: {'; '.join(reasons)}"


def _plain(value: Any) -> Any:
    """What JSON can say: it has no NaN."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
