"""Corpora of a home: adding one, adding a suite to one, and what a night may be measured on."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.backends.readers.files import Columns, read_batches
from collapse_pipeline.backends.shape_check import check_shape
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.loop.arrival import Arrival
from collapse_pipeline.loop.evaluate import (
    OUT_OF_SCOPE,
    SYNTHETIC_ROWS,
    EvaluatePolicy,
    primary_metric,
)
from collapse_pipeline.loop.filter import bands_table, compared_texts
from collapse_pipeline.loop.intake import IntakePlan, IntakeResult, take_in
from collapse_pipeline.loop.intake_frames import frames_of
from collapse_pipeline.loop.lineage import Happening
from collapse_pipeline.loop.suites_foreign import ForeignSuite, SuiteKind, foreign_suite
from collapse_pipeline.loop.suites_in_force import in_force
from collapse_pipeline.records import SuiteRecord, days_before, derived_seed
from collapse_pipeline.settings import (
    CORPUS_NAME,
    CorpusItem,
    check_name,
    load_settings,
    today_utc,
    write_corpus,
)
from collapse_pipeline.worlds.reference import WORLDS, world

CORPUS_ADDED = "corpus_added"
SUITE_ADDED = "suite_added"
OUT_OF_SCOPE_ROWS = 500


def add_corpus(
    shop: Workshop,
    name: str,
    file: Path,
    columns: Columns,
    arrival: Arrival,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Takes a file in as a new corpus and writes it to the home's `corpora.yaml`.

    Nothing is written before the whole file was read and found to be enough; the corpus is
    there once its item is.

    Raises:
        BadInputError: The name is taken or unfit, or the file, its columns or rows are.
    """
    check_name(name)
    shop.hold(name)
    _check_new(shop, name)
    frames = (check_shape(frame) for frame in read_batches(file, columns))
    task_type = str((settings or {}).get("task_type", "text"))
    taken = take_in(frames, IntakePlan(corpus=name, arrival=arrival, task_type=task_type))
    policy = EvaluatePolicy.model_validate(shop.settings.defaults.get("evaluate", {}))
    if all(primary_metric(record, True, policy) is None for record in taken.records):
        taken.warnings.append(
            f"no suite has the {policy.primary_rows} rows that it takes to decide a promotion: "
            "after the first generation none is promoted while release.enforce holds"
        )
    item = CorpusItem(
        source={"file": file.name, "columns": columns.model_dump(mode="json", exclude_none=True)}
        | arrival.model_dump(mode="json", exclude_none=True),
        first_generation=arrival.first_generation,
        settings=settings or {},
    )
    return _write_intake(shop, name, item, taken)


def ensure_corpus(shop: Workshop, name: str, generation: str) -> None:
    """Takes an embedded reference corpus in when it is first used; others are there already."""
    added = shop.ledger.events(corpus=name, kinds=[CORPUS_ADDED])
    # Without its item, and before its first night, the intake was cut off and is done again.
    if added and (shop.settings.has_own(name) or shop.line(name).generations):
        if not shop.store.generations("human_anchor", name):
            raise StoreError(
                wanted=f"the rows of {name}, which was added to this home",
                got=f"none in the table human_anchor of {shop.store.root}",
                do="restore the tables from a backup, or use another --home",
            )
        return
    item = shop.settings.item(name)
    if item.world is None:
        raise BadInputError(
            wanted=f"the rows of {name} in this home",
            got="an item in corpora.yaml without them",
            do="add the corpus again: collapse-pipeline corpus add",
        )
    first = min(shop.settings.first_generation(name, today_utc()), generation)
    arrival = Arrival(
        first_generation=first,
        initial_rows=item.arrival.initial_rows,
        nightly_rows=item.arrival.nightly_rows,
    )
    rows = world(item.world).rows(item.arrival.rows, derived_seed("world", item.world))
    settings = shop.settings.corpus(name)
    plan = IntakePlan(
        corpus=name,
        arrival=arrival,
        task_type=settings.task_type,
        eval_share=item.arrival.eval_share,
    )
    taken = take_in(frames_of(rows), plan)
    others = sorted(set(WORLDS) - {item.world})
    foreign = world(others[0]).rows(OUT_OF_SCOPE_ROWS, derived_seed("world", others[0]))
    frozen = foreign_suite(
        OUT_OF_SCOPE, SuiteKind.OUT_OF_SCOPE, frames_of(_unlabelled(foreign)), taken.anchor
    )
    whole = replace(
        taken,
        suites=pa.concat_tables([taken.suites, frozen.rows]),
        records=[frozen.record if r.name == OUT_OF_SCOPE else r for r in taken.records],
    )
    _write_intake(shop, name, item.model_copy(update={"first_generation": first}), whole)


def add_suite(
    shop: Workshop,
    corpus: str,
    suite: str,
    kind: SuiteKind,
    file: Path,
    columns: Columns,
    label_map: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Freezes another file's rows as a suite of a corpus.

    Rows that are left out lie in `quarantined_rows` under `<corpus>.<suite>`, since their row
    numbers are of another file than the corpus's own.

    Raises:
        BadInputError: An unknown corpus, or a file whose rows do not give a suite.
    """
    shop.settings.item(corpus)
    batches = read_batches(file, columns)  # a bad file is refused before anything is written
    shop.hold(corpus)
    ensure_corpus(shop, corpus, today_utc())
    _check_suite_name(shop, corpus, suite, kind)
    frames = (check_shape(frame) for frame in batches)
    anchor = shop.store.read("human_anchor", corpus)
    frozen = foreign_suite(suite, kind, frames, anchor, label_map)
    if not frozen.record.applicable:
        raise BadInputError(
            wanted=f"rows of {file.name} for the suite {suite}",
            got=f"{frozen.record.reason} {frozen.counts.reasons or ''}".strip(),
            do="mend --map or give more rows",
        )
    return _write_suite(shop, corpus, frozen, file.name)


def suites_in_force(
    shop: Workshop, corpus: str, generation: str | None = None
) -> tuple[SuiteRecord, ...]:
    """The version of every suite that a night reads, applicable or not; today's without one."""
    night = generation or today_utc()
    return in_force(_frozen(shop, corpus, night), night)


def _frozen(shop: Workshop, corpus: str, generation: str) -> list[SuiteRecord]:
    """All suites that were frozen, oldest first: an intake's, then those added to it; behind a
    rollback those that the release knew, and what was added since."""
    records: list[SuiteRecord] = []
    known = [(0, records)]  # since which event
    kinds = [CORPUS_ADDED, SUITE_ADDED, Happening.ROLLED_BACK]
    for event in shop.ledger.events(corpus=corpus, kinds=kinds):
        if event.kind == Happening.ROLLED_BACK:
            if event.generation < generation:  # a later night's gate is not obeyed
                opened = event.payload.get("opened", event.seq)
                records = [then for seq, then in known if seq < opened][-1]
        else:
            # An intake that was cut off left nothing to the one after it.
            before = [] if event.kind == CORPUS_ADDED else records
            records = [*before, *map(SuiteRecord.model_validate, event.payload["suites"])]
        known.append((event.seq, records))
    return records


def _check_new(shop: Workshop, name: str) -> None:
    """A name is free until its item is written; an intake that was cut off is done again."""
    added = shop.ledger.events(corpus=name, kinds=[CORPUS_ADDED])
    if (added and shop.settings.has_own(name)) or shop.line(name).generations:
        raise BadInputError("a new corpus name", f"{name}, which is there", "choose another name")


def _check_suite_name(shop: Workshop, corpus: str, suite: str, kind: SuiteKind) -> None:
    """Metrics are named `suite.metric`, versions `suite@version`; what a suite of intake decides
    must not change its meaning, and only one suite is known to be out of scope."""
    own = shop.ledger.events(corpus=corpus, kinds=[CORPUS_ADDED])[-1].payload["suites"]
    taken = {SYNTHETIC_ROWS, *(record["name"] for record in own), *SuiteKind} - {kind.value}
    if not CORPUS_NAME.fullmatch(suite) or suite in taken:
        raise BadInputError(
            wanted="a new suite name of lower-case letters, digits and _",
            got=repr(suite),
            do=f"choose another --name than {', '.join(sorted(taken))}",
        )
    if kind is SuiteKind.OUT_OF_SCOPE and suite != kind.value:
        raise BadInputError(f"the suite {kind.value} by that name", repr(suite), "leave --name out")


def _write_intake(
    shop: Workshop, name: str, item: CorpusItem, taken: IntakeResult
) -> dict[str, Any]:
    train = taken.anchor.filter(pc.equal(taken.anchor["split"], "train"))
    bands = bands_table(name, "", train["sample_id"].to_pylist(), compared_texts(train))
    shop.store.replace("quarantined_rows", name, "", taken.quarantined)
    shop.store.replace("eval_suites", name, "", taken.suites)
    shop.store.replace("minhash_bands", name, "", bands)
    pin = shop.store.replace("human_anchor", name, "", taken.anchor)
    said: dict[str, Any] = {
        "corpus": name,
        **taken.counts.model_dump(),
        "splits": taken.splits,
        "first_generation": item.first_generation,
        "suites": [record.model_dump(mode="json") for record in taken.records],
        "warnings": taken.warnings,
    }
    shop.ledger.append(
        CORPUS_ADDED,
        corpus=name,
        actor=shop.actor,
        payload=said | {"anchor": pin.model_dump()},
    )
    write_corpus(shop.settings.home, name, item)
    shop.settings = load_settings(shop.settings.home, shop.settings.config)
    return said


def _write_suite(shop: Workshop, corpus: str, frozen: ForeignSuite, source: str) -> dict[str, Any]:
    record = frozen.record
    there = shop.store.read("eval_suites", corpus)
    same = pc.and_(
        pc.equal(there["suite"], record.name), pc.equal(there["suite_version"], record.version)
    )
    others = there.filter(pc.invert(same))
    key = f"{corpus}.{record.name}"  # no corpus has a dot in its name
    left_out = frozen.quarantined.drop_columns("corpus")
    left_out = left_out.append_column("corpus", pa.repeat(key, left_out.num_rows))
    shop.store.replace("quarantined_rows", key, "", left_out)
    shop.store.replace("eval_suites", corpus, "", pa.concat_tables([others, frozen.rows]))
    said = {
        "corpus": corpus,
        "suites": [record.model_dump(mode="json")],
        "source": source,
        **frozen.counts.model_dump(),
    }
    shop.ledger.append(SUITE_ADDED, corpus=corpus, actor=shop.actor, payload=said)
    return said


def _unlabelled(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "label": ""} for row in rows]


def default_first_generation() -> str:
    """30 days before today: a new corpus has nights to run at once."""
    return days_before(today_utc(), 30)
