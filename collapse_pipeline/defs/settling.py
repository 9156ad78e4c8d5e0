"""Settling a generation: the one writer of what its measurements cause."""

import pyarrow.compute as pc

from collapse_pipeline.defs.stages import STUDENTS_TRAINED, last_trained
from collapse_pipeline.defs.workshop import Workshop, pinned_settings
from collapse_pipeline.loop.evaluate import CANDIDATE, INCUMBENT
from collapse_pipeline.loop.lineage import GeneratorRecord, Happening, Manifest, Status
from collapse_pipeline.loop.release import Decision, decide, metrics_of, primary_points
from collapse_pipeline.records import HUMAN, TablePin, Verdict, content_hash

# Tables of a night, in the order of the sentence.
NIGHT_TABLES = (
    "synthetic_batch",
    "judged_batch",
    "filtered_batch",
    "dropped_batch",
    "training_mix",
    "eval_report",
)


def settle(shop: Workshop, corpus: str, generation: str) -> Manifest:
    """Decides an open generation and writes the decision; a settled one is only read.

    A night that was cut off before its evaluation fails: it is never a parent, and can be
    done again.
    """
    known = shop.line(corpus).generations[generation]
    if known.status is not Status.OPEN and known.manifest is not None:
        return known.manifest
    record = known.record
    report = shop.store.read("eval_report", corpus, [generation]).to_pylist()
    done = report and _evaluated_this_attempt(shop, record)
    manifest = _decided(shop, record, report) if done else _failed(shop, record)
    shop.ledger.append(
        Happening.SETTLED,
        corpus=corpus,
        generation=generation,
        actor=shop.actor,
        reason="; ".join(manifest.reasons.values()) or manifest.gain,
        payload=manifest.model_dump(mode="json"),
        key=f"{record.key}/settled",
    )
    return manifest


EVALUATED = "generation_evaluated"


def note_evaluated(shop: Workshop, record: GeneratorRecord) -> None:
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


def _head(shop: Workshop) -> dict[str, int | str]:
    seq, digest = shop.ledger.head()
    return {"seq": seq, "hash": digest}


def _evaluated_this_attempt(shop: Workshop, record: GeneratorRecord) -> bool:
    events = shop.ledger.events(
        corpus=record.corpus, kinds=[EVALUATED], generation=record.generation
    )
    return any(event.payload["attempt"] == record.attempt for event in events)


def _decided(shop: Workshop, record: GeneratorRecord, report: list[dict[str, object]]) -> Manifest:
    settings = pinned_settings(record)
    mixture = shop.store.read("training_mix", record.corpus, [record.generation])
    human = pc.sum(pc.equal(mixture["origin"], HUMAN)).as_py() or 0
    shares = {
        "human": human / mixture.num_rows,
        "synthetic": 1 - human / mixture.num_rows,
    }
    decision = decide(report, shares["human"], settings.release)
    if record.ordinal == 0:  # the first release is the baseline itself: nothing to be worse than
        decision = Decision(Verdict.PROMOTED, {}, "this is the human-only baseline")
    promoted = decision.verdict is Verdict.PROMOTED
    trained = last_trained(shop, record)
    candidate, incumbent = metrics_of(report, CANDIDATE), metrics_of(report, INCUMBENT)
    pins = tuple(shop.store.pin(table, record.corpus, record.generation) for table in NIGHT_TABLES)
    breaches = tuple(decision.breaches)
    return Manifest(
        corpus=record.corpus,
        generation=record.generation,
        attempt=record.attempt,
        verdict=decision.verdict,
        blocked_by=() if promoted else breaches,
        would_block=breaches if promoted else (),
        reasons=decision.breaches,
        model=trained["candidate"],
        baseline_model=trained["baseline"],
        parent=record.parent,
        depth=pc.max(mixture["depth"]).as_py(),
        shares=shares,
        rows={"human_anchor": record.human_rows, **{pin.table: pin.rows for pin in pins}},
        metrics=candidate,
        released=candidate if promoted else incumbent,
        points=primary_points(report),
        gain=decision.gain,
        components=_components(shop, record),
        tables=(record.anchor, record.suites_pin, *pins),
        ledger_head=_head(shop),
    )


def _failed(shop: Workshop, record: GeneratorRecord) -> Manifest:
    events = shop.ledger.events(
        corpus=record.corpus, kinds=[STUDENTS_TRAINED], generation=record.generation
    )
    return Manifest(
        corpus=record.corpus,
        generation=record.generation,
        attempt=record.attempt,
        verdict=Verdict.FAILED,
        blocked_by=("unfinished",),
        reasons={"unfinished": "the night was cut off before its evaluation"},
        model="",
        baseline_model=str(events[-1].payload["baseline"]) if events else record.baseline_model,
        parent=record.parent,
        depth=0,
        shares={},
        rows={},
        metrics={},
        released={},
        points={},
        gain="not measured",
        components={},
        tables=(),
        ledger_head=_head(shop),
    )


def _components(shop: Workshop, record: GeneratorRecord) -> dict[str, str]:
    """Versions of everything that shaped the release."""
    judged = shop.store.read(
        "judged_batch", record.corpus, [record.generation], columns=["teacher", "judge"]
    )
    teachers = sorted(set(judged["teacher"].to_pylist()))
    judges = sorted(set(judged["judge"].to_pylist()))
    return {
        "template_set": " ".join(str(template) for template in record.templates),
        "teacher": " ".join(teachers),
        "judge": " ".join(judges),
        "mix_policy": content_hash(str(record.settings["mix"]))[:12],
        "eval_suites": record.suites_pin.digest[:12],
        "human_anchor": record.anchor.digest[:12],
    }


def pins_of(manifest: Manifest) -> dict[str, TablePin]:
    """A manifest's pins by table."""
    return {pin.table: pin for pin in manifest.tables}
