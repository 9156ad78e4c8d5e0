"""Settling a generation: the one writer of what its measurements cause."""

from collections.abc import Sequence

import pyarrow.compute as pc

from collapse_pipeline.defs.checklists import run_checklist
from collapse_pipeline.defs.gating import gate_asset, values_of
from collapse_pipeline.defs.pins import Part, pinned_parts
from collapse_pipeline.defs.readiness import in_service, release_evidence
from collapse_pipeline.defs.rolling_back import roll_back
from collapse_pipeline.defs.stages import EVALUATED, STUDENTS_TRAINED, last_trained
from collapse_pipeline.defs.workshop import Workshop, pinned_settings
from collapse_pipeline.loop.consequence import Deed, deeds, verdicts
from collapse_pipeline.loop.evaluate import CANDIDATE, INCUMBENT
from collapse_pipeline.loop.gate import Action, Outcome
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.lineage import Happening, Status
from collapse_pipeline.loop.pinned import GeneratorRecord, Manifest
from collapse_pipeline.loop.release import Decision, decide, metrics_of, primary_points
from collapse_pipeline.loop.versions import version_of
from collapse_pipeline.records import HUMAN, Component, Verdict

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

    What gates found is acted on here and nowhere else. A night that a gate stopped is quarantined
    with what it had; one that was cut off otherwise fails: neither is ever a parent, and both can
    be done again. A kill between two events is mended by settling again: each has its key.
    """
    known = shop.line(corpus).generations[generation]
    if known.status is not Status.OPEN and known.manifest is not None:
        return known.manifest
    record = known.record
    report = shop.store.read("eval_report", corpus, [generation]).to_pylist()
    if report and _evaluated_this_attempt(shop, record):
        manifest = _decided(shop, record, report)
    else:
        manifest = _unfinished(shop, record)
    for deed in _deeds(shop, record, manifest):
        shop.ledger.append(
            deed.kind,
            corpus=corpus,
            generation=generation,
            actor=shop.actor,
            reason=deed.reason,
            payload={"attempt": record.attempt, **deed.payload},
            key=f"{record.key}/{deed.key}",
        )
    if manifest.verdict is not Verdict.FAILED and pinned_settings(record).gates.enforce:
        for gate in _asking(shop, record, Action.ROLLBACK):
            _roll_back(shop, record, gate)
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


def _asking(shop: Workshop, record: GeneratorRecord, action: Action) -> list[str]:
    """The gates of this attempt whose breach asks for an action."""
    rows = values_of(shop, record)
    asking = [r["gate"] for r in rows if r["outcome"] == Outcome.BREACH and action in r["actions"]]
    return list(dict.fromkeys(asking))


def _roll_back(shop: Workshop, record: GeneratorRecord, gate: str) -> None:
    """Takes the line to the release in force as it was pinned; where that cannot be done a person
    has to decide."""
    why = f"gate {gate} on {record.generation}"
    faults = ["there is no release to roll back to"]
    if record.incumbent is not None:
        to = record.incumbent.generation
        said = roll_back(shop, record.corpus, to, why, gate=gate, record=record)
        faults = said["faults"]
    if faults:
        shop.ledger.append(
            Act.GATE_ESCALATED,
            corpus=record.corpus,
            generation=record.generation,
            actor=shop.actor,
            reason="; ".join(faults),
            payload={"gate": gate, "why": "; ".join(faults)},
            key=f"{record.key}/escalate/rollback/{gate}",
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
    """The manifest of a night that was evaluated, with what its gates and the checklist say."""
    draft = _measured(shop, record, report)
    if record.ordinal == 0:  # the first release is the baseline itself: nothing to be worse than
        return draft
    seen = {row["asset"] for row in values_of(shop, record)}
    for asset in dict.fromkeys(gate.asset for gate in record.gates):
        if asset not in seen and asset != "release":  # its check was cut off
            gate_asset(shop, record, asset)
    parts = pinned_parts(shop, draft, fresh=True)
    gate_asset(shop, record, "release", release_evidence(shop, record, draft, parts))
    return _with_gates(shop, record, draft, parts)


def _with_gates(
    shop: Workshop, record: GeneratorRecord, draft: Manifest, parts: Sequence[Part]
) -> Manifest:
    """The verdict once the gates have spoken too, and the checklist: a red line in a night that
    all else would let pass stops it as well."""
    enforced = pinned_settings(record).gates.enforce
    before = shop.line(record.corpus).before(record.generation)
    said = verdicts(values_of(shop, record), shop.governance(record.corpus).accepted)
    rows = run_checklist(shop, before, draft, parts=parts)
    red = {f"checklist:{row.dimension}": row.evidence for row in rows if row.red}
    stops = {**said.blocking} if enforced else {}
    promoted = draft.verdict is Verdict.PROMOTED
    if enforced and promoted and not stops:
        stops = red
    blocked_by = (*draft.blocked_by, *stops)
    found = (*draft.blocked_by, *draft.would_block, *said.blocking, *said.warning)
    released = before.incumbent.manifest if before.incumbent else None
    return draft.model_copy(
        update={
            "verdict": Verdict.QUARANTINED if stops else draft.verdict,
            "blocked_by": blocked_by,
            "would_block": tuple(name for name in found if name not in blocked_by),
            "reasons": {**draft.reasons, **said.blocking, **said.warning, **stops},
            "released": released.metrics if promoted and stops and released else draft.released,
            "checklist": tuple(row.model_dump(mode="json") for row in rows),
        }
    )


def _measured(shop: Workshop, record: GeneratorRecord, report: list[dict[str, object]]) -> Manifest:
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


def _unfinished(shop: Workshop, record: GeneratorRecord) -> Manifest:
    """The manifest of a night without an evaluation: a gate stopped it, or it was cut off."""
    rows = values_of(shop, record)
    said = verdicts(rows, shop.governance(record.corpus).accepted)
    stopped = bool(said.blocking) and pinned_settings(record).gates.enforce
    events = shop.ledger.events(
        corpus=record.corpus, kinds=[STUDENTS_TRAINED], generation=record.generation
    )
    incumbent = shop.line(record.corpus).before(record.generation).incumbent
    released = incumbent.manifest.metrics if incumbent and incumbent.manifest else {}
    gated = [row["asset"] for row in rows]
    last = max((NIGHT_TABLES.index(a) for a in gated if a in NIGHT_TABLES), default=-1)
    pins = tuple(
        shop.store.pin(table, record.corpus, record.generation)
        for table in NIGHT_TABLES[: last + 1]
        if stopped
    )
    cut_off = {"unfinished": "the night was cut off before its evaluation"}
    return Manifest(
        corpus=record.corpus,
        generation=record.generation,
        attempt=record.attempt,
        verdict=Verdict.QUARANTINED if stopped else Verdict.FAILED,
        blocked_by=tuple(said.blocking) if stopped else tuple(cut_off),
        would_block=tuple(said.warning) if stopped else (),
        reasons={**said.blocking, **said.warning} if stopped else cut_off,
        model="",
        baseline_model=str(events[-1].payload["baseline"]) if events else record.baseline_model,
        parent=record.parent,
        depth=0,
        shares={},
        rows={pin.table: pin.rows for pin in pins},
        metrics={},
        released=released if stopped else {},
        points={},
        gain="not measured",
        components=_components(shop, record) if stopped else {},
        tables=(record.anchor, record.suites_pin, *pins) if stopped else (),
        ledger_head=_head(shop),
    )


def _deeds(shop: Workshop, record: GeneratorRecord, manifest: Manifest) -> list[Deed]:
    """What tonight's breaches cause."""
    settings = pinned_settings(record)
    rows = values_of(shop, record)
    if not rows or not settings.gates.enforce or manifest.verdict is Verdict.FAILED:
        return []
    return deeds(rows, in_service(shop, record), manifest.verdict)


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
        "mix_policy": version_of(Component.MIX_POLICY, record.settings["mix"]).partition(" ")[2],
        "gate_calibration": record.calibration,
        "eval_suites": record.suites_pin.digest[:12],
        "human_anchor": record.anchor.digest[:12],
    }
