"""Explaining a generation: what was measured, against what, who was blamed and why, what happens
next. All of it is read from the ledger and the tables; nothing is worked out anew."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.defs.calibrating import in_force
from collapse_pipeline.defs.gating import values_of
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.consequence import sentence
from collapse_pipeline.loop.gate import Outcome
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.lineage import Generation, Status

# What an event means for the nights to come.
NEXT: Mapping[str, str] = {
    Act.FROZEN: "{component} {version} is not used until a person lifts it: collapse-pipeline lift "
    "{version} --kind {component} --corpus {corpus} --reason ...",
    Act.CAP_LOWERED: "the synthetic share stays under {cap:.0%} until a person raises it",
    Act.HUMAN_INFUSED: "human rows of {labels} count more, for two promoted generations",
    Act.REVIEW_RAISED: "{density:.0%} of the kept rows are to be reviewed, for two promoted "
    "generations",
    Act.REVIEW_REQUIRED: "nothing is released before a review is recorded: collapse-pipeline "
    "review record FILE",
    Act.GATE_ESCALATED: "a person has to decide: {why}",
}


def explain(shop: Workshop, corpus: str, generation: str) -> dict[str, Any]:
    """One generation in words.

    Raises:
        BadInputError: There is no such generation.
    """
    known = _generation(shop, corpus, generation)
    whys = {gate.name: gate.why for gate in known.record.gates}
    manifest = known.manifest
    stopped = manifest.blocked_by if manifest else ()
    return {
        "corpus": corpus,
        "generation": generation,
        "status": known.status.value,
        "parent": known.record.parent.generation or "the human-only baseline",
        "reasons": dict(manifest.reasons) if manifest else {},
        "gain": manifest.gain if manifest else "",
        "in_force": [_in_force(brake.model_dump(mode="json")) for brake in known.record.in_force],
        "gates": [
            _said(gate, found, whys) | {"stopped": gate in stopped}
            for gate, found in _by_gate(values_of(shop, known.record))
        ],
        "next": _next(shop, known),
    }


def gates_of(shop: Workshop, corpus: str, generation: str | None) -> dict[str, Any]:
    """Every gate with what it said last, and the calibration that it reads."""
    gated = [g for g in shop.line(corpus).active if g.record.ordinal]
    known = gated[-1] if gated else None
    if generation is not None:
        known = _generation(shop, corpus, generation)
    said = dict(_by_gate(values_of(shop, known.record))) if known else {}
    calibration = in_force(shop, corpus)
    return {
        "corpus": corpus,
        "generation": known.generation if known else "",
        "calibration": {
            "version": calibration.version,
            "source": calibration.source,
            "human_rows": calibration.human_rows,
            "rows": calibration.rows,
            "replicates": calibration.replicates,
            "depths": calibration.depths,
        }
        if calibration
        else None,
        "gates": [
            {
                "gate": gate.name,
                "asset": gate.asset,
                "severity": gate.severity,
                "why": gate.why,
                "outcome": _outcome(said[gate.name]) if gate.name in said else "not measured",
                "figures": [_figure(row) for row in said.get(gate.name, [])],
            }
            for gate in load_gates(shop.settings.home)
        ],
    }


def _generation(shop: Workshop, corpus: str, generation: str) -> Generation:
    shop.settings.item(corpus)
    line = shop.line(corpus).generations
    if generation not in line:
        nights = sorted(line)
        known = f"{nights[0]} to {nights[-1]}" if nights else "none: run it first"
        raise BadInputError(f"a generation of {corpus}", generation, f"there are {known}")
    return line[generation]


def _by_gate(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    return [(gate, list(found)) for gate, found in groupby(rows, key=lambda row: row["gate"])]


def _said(gate: str, rows: list[Mapping[str, Any]], whys: Mapping[str, str]) -> dict[str, Any]:
    breached = [row for row in rows if row["outcome"] == Outcome.BREACH]
    return {
        "gate": gate,
        "asset": rows[0]["asset"],
        "outcome": _outcome(rows),
        "severity": rows[0]["severity"],
        "why": whys.get(gate, ""),
        "found": _idle(rows) or sentence(breached or rows),
        "blamed": sorted({name for row in breached for name in row["blamed"]}),
        "actions": sorted({name for row in breached for name in row["actions"]}),
        "examples": list(breached[0]["examples"]) if breached else [],
        "figures": [_figure(row) for row in rows],
    }


def _outcome(rows: Sequence[Mapping[str, Any]]) -> str:
    """How a gate came out; where it has scopes, one breach is a breach."""
    outcomes = [row["outcome"] for row in rows]
    return Outcome.BREACH.value if Outcome.BREACH in outcomes else str(outcomes[0])


def _idle(rows: list[Mapping[str, Any]]) -> str:
    """Why a gate does not apply, "" where it does."""
    if rows[0]["outcome"] != Outcome.NOT_APPLICABLE:
        return ""
    return "; ".join(dict.fromkeys(row["note"] for row in rows if row["note"]))


def _figure(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("statistic", "scope", "value", "bound", "exceeded", "rows", "note")
    return {name: row[name] for name in names}


def _in_force(brake: Mapping[str, Any]) -> str:
    gate = f", by gate {brake['gate']}" if brake["gate"] else ""
    return f"{brake['what']} {brake['value']} since {brake['since']}{gate}: {brake['why']}"


def _next(shop: Workshop, known: Generation) -> list[str]:
    """What the nights to come do about it."""
    corpus, generation = known.record.corpus, known.generation
    said = []
    events = shop.ledger.events(corpus=corpus, kinds=[*NEXT], generation=generation)
    for event in events:
        values: dict[str, Any] = {"corpus": corpus, **event.payload}
        if isinstance(values.get("labels"), Mapping):
            values["labels"] = ", ".join(values["labels"]) or "no label in particular"
        said.append(NEXT[event.kind].format(**values))
    if known.status is Status.QUARANTINED:
        incumbent = shop.line(corpus).before(generation).incumbent
        serving = incumbent.generation if incumbent else "none yet"
        said.append(f"the release in force stayed {serving}; later nights never build on this one")
    elif known.status is Status.PROMOTED:
        said.append("it is a release; later nights may build on it")
    return said
