"""One function a stage: load, call the verb, write, say what happened. No Dagster here.

Each reads only what the night's generator record pinned and replaces its own output in one
commit, so a stage that was killed is simply run again.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.defs.workshop import Workshop, night_of, pinned_settings
from collapse_pipeline.loop import evaluate as evaluation
from collapse_pipeline.loop.filter import EarlierMatches, filter_batch
from collapse_pipeline.loop.generate import generate, plan_requests
from collapse_pipeline.loop.judge import JudgePolicy, judge_batch, rejected
from collapse_pipeline.loop.mix import mix
from collapse_pipeline.loop.obey import from_frozen
from collapse_pipeline.loop.pinned import GeneratorRecord
from collapse_pipeline.metrics.gold import gold_rows
from collapse_pipeline.ports import Student
from collapse_pipeline.records import (
    DROPPED_BATCH,
    JUDGED_BATCH,
    SAMPLE,
    TRAINING_MIX,
    TablePin,
    canonical_json,
    content_hash,
    derived_seed,
)

Outcome = dict[str, Any]
BATCH_WRITTEN = "batch_written"
STUDENTS_TRAINED = "students_trained"
EVALUATED = "generation_evaluated"
GOLD_ROWS = 200


def synthetic_batch(shop: Workshop, record: GeneratorRecord) -> Outcome:
    """What the teacher wrote; rows already written for the same requests are not asked again."""
    if record.ordinal == 0:
        nothing = DROPPED_BATCH.empty_table()
        shop.store.replace("dropped_batch", record.corpus, record.generation, nothing)
        return _written(shop, record, "synthetic_batch", SAMPLE.empty_table()) | {
            "why": "generation 0 trains on human rows only"
        }
    settings, night = pinned_settings(record), night_of(record)
    human = shop.human(record)
    teacher = settings.teacher.build(shop.bench(record, human))
    requests = plan_requests(human, record.templates, settings.generate, night)
    plan = content_hash(teacher.version, *(canonical_json(vars(r)) for r in requests))
    paid = _paid(shop, record, plan)
    if paid is not None:
        return _metadata(paid) | {"reused": True}
    batch = generate(requests, teacher, night, settings.task_type)
    shop.store.replace("dropped_batch", record.corpus, record.generation, batch.dropped)
    outcome = _written(shop, record, "synthetic_batch", batch.samples)
    shop.ledger.append(
        BATCH_WRITTEN,
        corpus=record.corpus,
        generation=record.generation,
        actor=shop.actor,
        payload={"plan": plan, "digest": outcome["digest"], "teacher": teacher.version},
        key=f"{record.key}/{BATCH_WRITTEN}",
    )
    return outcome | {"teacher": teacher.version, "faults": batch.dropped.num_rows}


def judged_batch(shop: Workshop, record: GeneratorRecord) -> Outcome:
    """The batch with scores, reasons and whether each row was accepted."""
    batch = _read(shop, record, "synthetic_batch")
    if batch.num_rows == 0:
        return _written(shop, record, "judged_batch", JUDGED_BATCH.empty_table())
    settings = pinned_settings(record)
    judge = settings.judge.panel.build(shop.bench(record, shop.human(record)))
    seed = derived_seed(night_of(record).seed, "judge")
    judged = judge_batch(batch, judge, None, settings.judge, seed)
    gold = _gold(shop.human(record), derived_seed(record.seed, record.corpus, "gold"))
    gold = judge_batch(gold, judge, None, JudgePolicy(enforce=False), seed)
    tonight = pa.repeat(record.generation, gold.num_rows)
    gold = gold.set_column(
        JUDGED_BATCH.get_field_index("generation"), JUDGED_BATCH.field("generation"), tonight
    )
    shop.store.replace("judged_gold", record.corpus, record.generation, gold)
    accepted = pc.sum(judged["accepted"]).as_py() or 0
    return _written(shop, record, "judged_batch", judged) | {
        "judge": judge.version,
        "accepted": accepted,
        "acceptance_rate": accepted / judged.num_rows,
        "mean_score": pc.mean(judged["score"]).as_py(),
    }


def _gold(human: pa.Table, seed: int) -> pa.Table:
    """Human rows that the judge is asked about every night, right and with a wrong label: those
    that arrived first, so that they stay the same while others come; none without labels."""
    if len(set(human["label"].to_pylist())) < 2:
        return SAMPLE.empty_table()
    by_arrival = [("available_from", "ascending"), ("sample_id", "ascending")]
    oldest = human.take(pc.sort_indices(human, sort_keys=by_arrival)[:GOLD_ROWS])
    return gold_rows(oldest, GOLD_ROWS, seed)


def filtered_batch(shop: Workshop, record: GeneratorRecord) -> Outcome:
    """The rows that stay; everything else lies in dropped_batch, each with its reason."""
    judged = _read(shop, record, "judged_batch")
    earlier_drops = _read(shop, record, "dropped_batch")
    drops = [earlier_drops.filter(pc.equal(earlier_drops["stage"], "generate"))]
    kept = SAMPLE.empty_table()
    if judged.num_rows:
        settings, human = pinned_settings(record), shop.human(record)
        bench = shop.bench(record, human)
        filtered = filter_batch(
            judged.filter(judged["accepted"]),
            shop.suites(record),
            _earlier(shop, record, human),
            bench.embedder,
            settings.filter,
            human,
        )
        kept = filtered.kept
        drops += [rejected(judged), filtered.dropped]
        shop.store.replace("minhash_bands", record.corpus, record.generation, filtered.bands)
    dropped = pa.concat_tables(drops)
    shop.store.replace("dropped_batch", record.corpus, record.generation, dropped)
    reasons = {
        f"dropped.{entry['values']}": entry["counts"]
        for entry in dropped["reason"].value_counts().to_pylist()
    }
    return _written(shop, record, "filtered_batch", kept) | {"dropped": dropped.num_rows} | reasons


def training_mix(shop: Workshop, record: GeneratorRecord) -> Outcome:
    """What the next student is trained on."""
    older = [
        shop.store.read("filtered_batch", record.corpus, [generation], version=pin.version)
        for generation, pin in zip(record.line, record.line_pins, strict=True)
    ]
    refused = [from_frozen(rows, record.in_force) for rows in older]
    older = [rows.filter(pc.invert(out)) for rows, out in zip(older, refused, strict=True)]
    mixture = mix(
        shop.human(record),
        [_read(shop, record, "filtered_batch"), *reversed(older)],
        _read(shop, record, "dropped_batch"),
        pinned_settings(record).mix,
        record.generation,
        night_of(record).seed,
    )
    frozen = sum(pc.sum(out).as_py() or 0 for out in refused)
    outcome = _written(shop, record, "training_mix", mixture.samples) | mixture.summary
    return outcome | {"frozen_component_rows": frozen}


def student_model(shop: Workshop, record: GeneratorRecord) -> Outcome:
    """The candidate, trained on the mix, and tonight's human-only baseline."""
    human = shop.human(record)
    baseline = _baseline(shop, record, human)
    candidate = baseline
    if record.ordinal:
        rows = _read(shop, record, "training_mix")
        candidate = _train(shop, record, rows, derived_seed(night_of(record).seed, "train"))
    shop.ledger.append(
        STUDENTS_TRAINED,
        corpus=record.corpus,
        generation=record.generation,
        actor=shop.actor,
        payload={"candidate": candidate, "baseline": baseline, "of": _baseline_key(record)},
        key=f"{record.key}/{STUDENTS_TRAINED}/{candidate}/{baseline}",
    )
    return {"model": candidate, "baseline": baseline, "human_rows": human.num_rows}


def eval_report(shop: Workshop, record: GeneratorRecord) -> Outcome:
    """Every metric on every suite, for the candidate, the releases before it and the baseline."""
    settings = pinned_settings(record)
    hashes, best = models_to_score(shop, record)
    report = evaluation.evaluate(
        {name: shop.student(model, settings) for name, model in hashes.items()},
        best,
        shop.suites(record),
        record.suites,
        _read(shop, record, "synthetic_batch"),
        shop.world_of(record.corpus),
        settings.evaluate,
        derived_seed(night_of(record).seed, "evaluate"),
    )
    table = evaluation.as_table(report, record.corpus, record.generation)
    outcome = _written(shop, record, "eval_report", table)
    _note_evaluated(shop, record)
    return outcome | {
        f"{row['suite']}.{row['metric']}": row["value"]
        for row in report
        if row["model"] == evaluation.CANDIDATE and not row["scope"] and row["metric"] != "rows"
    }


def models_to_score(
    shop: Workshop, record: GeneratorRecord
) -> tuple[dict[str, str], dict[str, str]]:
    """Model hashes by the name they are reported under, and by suite the name of its best.

    A release that is both the incumbent and the best of some suites is scored once.
    """
    trained = last_trained(shop, record)
    hashes = {
        evaluation.CANDIDATE: trained["candidate"],
        evaluation.BASELINE: trained["baseline"],
    }
    if record.incumbent is not None:
        hashes[evaluation.INCUMBENT] = record.incumbent.model
    best: dict[str, str] = {}
    for suite, release in record.best.items():
        same = record.incumbent is not None and release.model == record.incumbent.model
        name = evaluation.INCUMBENT if same else f"release {release.generation}"
        hashes[name] = release.model
        best[suite] = name
    return hashes, best


def last_trained(shop: Workshop, record: GeneratorRecord) -> Mapping[str, str]:
    """Hashes of the candidate and baseline that this attempt trained last."""
    events = shop.ledger.events(
        corpus=record.corpus, kinds=[STUDENTS_TRAINED], generation=record.generation
    )
    trained: Mapping[str, str] = events[-1].payload
    return trained


STAGES: Mapping[str, Callable[[Workshop, GeneratorRecord], Outcome]] = {
    "synthetic_batch": synthetic_batch,
    "judged_batch": judged_batch,
    "filtered_batch": filtered_batch,
    "training_mix": training_mix,
    "student_model": student_model,
    "eval_report": eval_report,
}


def _note_evaluated(shop: Workshop, record: GeneratorRecord) -> None:
    """Writes down that this attempt's report is complete, so that an older attempt's is never
    taken for it."""
    shop.ledger.append(
        EVALUATED,
        corpus=record.corpus,
        generation=record.generation,
        actor=shop.actor,
        payload={"attempt": record.attempt},
        key=f"{record.key}/evaluated",
    )


def _read(shop: Workshop, record: GeneratorRecord, table: str) -> pa.Table:
    return shop.store.read(table, record.corpus, [record.generation])


def _written(shop: Workshop, record: GeneratorRecord, table: str, rows: pa.Table) -> Outcome:
    return _metadata(shop.store.replace(table, record.corpus, record.generation, rows))


def _metadata(pin: TablePin) -> Outcome:
    return {"rows": pin.rows, "table_version": pin.version, "digest": pin.digest}


def _paid(shop: Workshop, record: GeneratorRecord, plan: str) -> TablePin | None:
    """The batch that stands there, if it is the answer to these very requests."""
    events = shop.ledger.events(
        corpus=record.corpus, kinds=[BATCH_WRITTEN], generation=record.generation
    )
    digests = {event.payload["digest"] for event in events if event.payload["plan"] == plan}
    if not digests:
        return None
    pin = shop.store.pin("synthetic_batch", record.corpus, record.generation)
    return pin if pin.digest in digests else None


def _earlier(shop: Workshop, record: GeneratorRecord, human: pa.Table) -> EarlierMatches:
    """Looks a batch's MinHash bands up among human rows that had arrived and kept rows of the
    line; later rows and other lines are not seen."""
    visible = human["sample_id"]

    def matches(bands: pa.Table) -> pa.Table:
        found = shop.store.earlier_matches(record.corpus, ["", *record.line], bands)
        unseen = pc.is_in(found["earlier_id"], _not_arrived(shop, record, visible))
        return found.filter(pc.invert(unseen))

    return matches


def _not_arrived(shop: Workshop, record: GeneratorRecord, visible: pa.ChunkedArray) -> pa.Array:
    anchor = shop.store.read(
        "human_anchor", record.corpus, version=record.anchor.version, columns=["sample_id"]
    )["sample_id"]
    return anchor.filter(pc.invert(pc.is_in(anchor, visible.combine_chunks()))).combine_chunks()


def _baseline_key(record: GeneratorRecord) -> str:
    """Equal for two nights whose human-only baselines are the same model."""
    settings = record.settings
    return content_hash(
        record.anchor.digest,
        str(record.human_rows),
        canonical_json([settings["student"], settings["task"], settings["seed"]]),
        record.vocabulary_model,
        canonical_json(dict(record.packages)),
    )


def _baseline(shop: Workshop, record: GeneratorRecord, human: pa.Table) -> str:
    """The student on human rows only; not trained again while its rows stay the same."""
    key = _baseline_key(record)
    for event in shop.ledger.events(corpus=record.corpus, kinds=[STUDENTS_TRAINED]):
        if event.payload["of"] == key:
            return str(event.payload["baseline"])
    rows = human.select(SAMPLE.names)
    rows = rows.append_column(
        TRAINING_MIX.field("weight"), pa.array([1.0] * rows.num_rows, pa.float64())
    )
    rows = rows.append_column(
        TRAINING_MIX.field("role"), pa.array(["positive"] * rows.num_rows, pa.string())
    )
    return _train(shop, record, rows, derived_seed(record.seed, record.corpus, "baseline"))


def _train(shop: Workshop, record: GeneratorRecord, rows: pa.Table, seed: int) -> str:
    settings = pinned_settings(record)
    shared = record.vocabulary_model
    language = settings.student.train(
        rows, seed, shop.student(shared, settings).language if shared else None
    )
    labelled = len(set(rows["label"].to_pylist()) - {""}) > 1
    task = settings.task.train(rows, seed) if settings.task and labelled else None
    student = Student(language, task)
    kinds: dict[str, str] = {"language": settings.student.kind}
    if task is not None and settings.task is not None:
        kinds["task"] = settings.task.kind
    model = shop.store.save_model(student, kinds)
    shop.keep(model, student)
    return model
