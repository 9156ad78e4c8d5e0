"""Consequence: from what gates found to what the ledger is told, one act each.

A breach acts once an attempt: every act has a key, and the ledger writes a key once. The last
version of a component that is in service is never frozen by a machine: it escalates to persons.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from collapse_pipeline.loop.gate import Action, Outcome
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.records import Verdict

CAP_STEP = 0.1  # by which a gate lowers the synthetic cap
INFUSED = 1.5  # weight of human rows that a gate infuses
DENSITY_STEP = 0.02  # of the kept rows, by which a gate raises what persons review
BREACHED = "gate_breached"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class InService:
    """What the night used, from which a machine may take all but the last."""

    components: Mapping[str, Collection[str]]  # versions by kind that could go on without one
    newest_templates: Sequence[str]  # `template name@version`, whose version is newest
    cap: float
    density: float
    rare_labels: Sequence[str]


@dataclass(frozen=True)
class Deed:
    """One event to be written."""

    kind: str
    reason: str
    payload: Mapping[str, Any]
    key: str  # within the attempt


@dataclass(frozen=True)
class Verdicts:
    """What the gates of one attempt say together."""

    blocking: Mapping[str, str]  # gate to sentence
    warning: Mapping[str, str]


def verdicts(rows: Sequence[Row], accepted: Collection[str] = ()) -> Verdicts:
    """Breaches by gate, each with a sentence; those that a person accepted only warn.

    Args:
        rows: GATE_VALUES rows of one attempt.
        accepted: Gates whose breach a person accepted.
    """
    blocking: dict[str, str] = {}
    warning: dict[str, str] = {}
    for gate, scope, found in _breaches(rows):
        name = f"{gate}:{scope}" if scope else gate
        stops = found[0]["severity"] == "block" and gate not in accepted
        (blocking if stops else warning)[name] = sentence(found)
    return Verdicts(blocking, warning)


def sentence(rows: Sequence[Row]) -> str:
    """What one gate found, in words: figures beyond their bounds first."""
    beyond = [row for row in rows if row["exceeded"]] or list(rows)
    parts = []
    for row in beyond:
        figure = "has no value" if row["value"] != row["value"] else f"is {row['value']:.4g}"
        bound = f", wanted {row['bound']}" if row["bound"] else ""
        note = f" ({row['note']})" if row["note"] else ""
        parts.append(f"{row['statistic'].replace('_', ' ')} {figure}{bound}{note}")
    return "; ".join(parts)


def deeds(rows: Sequence[Row], there: InService, verdict: Verdict) -> list[Deed]:
    """What a night's breaches cause, in the order of the gates.

    Args:
        rows: GATE_VALUES rows of one attempt.
        there: What the night used.
        verdict: How the night ends, for the record.
    """
    done: list[Deed] = []
    taken: set[str] = set()
    for gate, scope, found in _breaches(rows):
        why = sentence(found)
        first = found[0]
        evidence = {
            "gate": gate,
            "scope": scope,
            "asset": first["asset"],
            "figures": {row["statistic"]: _plain(row["value"]) for row in found},
            "bounds": {row["statistic"]: row["bound"] for row in found},
            "calibration": first["calibration"],
            "blamed": list(first["blamed"]),
            "examples": list(first["examples"]),
            "actions": list(first["actions"]),
            "verdict": verdict.value,
        }
        name = f"{gate}/{scope}" if scope else gate
        done.append(Deed(BREACHED, why, evidence, f"breach/{name}"))
        for action in dict.fromkeys(first["actions"]):
            done += _act(Action(action), gate, why, evidence, there, taken)
    return done


def _act(
    action: Action,
    gate: str,
    why: str,
    evidence: Mapping[str, Any],
    there: InService,
    taken: set[str],
) -> list[Deed]:
    match action:
        case Action.FREEZE_TEMPLATE | Action.FREEZE_TEACHER | Action.FREEZE_JUDGE:
            return _freezes(evidence["blamed"], action, gate, why, evidence, there, taken)
        case Action.FREEZE_NEWEST_TEMPLATES:
            return _freezes(there.newest_templates, action, gate, why, evidence, there, taken)
        case Action.LOWER_CAP:
            cap = round(max(0.0, there.cap - CAP_STEP), 6)
            return [Deed(Act.CAP_LOWERED, why, {"cap": cap, "gate": gate}, f"cap/{gate}")]
        case Action.INFUSE_HUMAN:
            labels = dict.fromkeys(_aimed(evidence["scope"], there.rare_labels), INFUSED)
            return [
                Deed(Act.HUMAN_INFUSED, why, {"labels": labels, "gate": gate}, f"infuse/{gate}")
            ]
        case Action.RAISE_REVIEW:
            density = round(min(1.0, there.density + DENSITY_STEP), 6)
            return [
                Deed(Act.REVIEW_RAISED, why, {"density": density, "gate": gate}, f"raise/{gate}")
            ]
        case Action.REQUIRE_REVIEW:
            return [Deed(Act.REVIEW_REQUIRED, why, {"gate": gate}, f"require/{gate}")]
        case Action.ROLLBACK:
            return []  # settling rolls back by itself: it needs the line


def _aimed(scope: str, rare_labels: Sequence[str]) -> Sequence[str]:
    """Labels whose human rows are to count more: the gate's own, else the rare ones, else all rows
    of a corpus without labels."""
    label = scope.removeprefix("label=")
    return [label] if label != scope else rare_labels or [""]


def _freezes(
    blamed: Sequence[str],
    action: Action,
    gate: str,
    why: str,
    evidence: Mapping[str, Any],
    there: InService,
    taken: set[str],
) -> list[Deed]:
    """Freezes what is blamed, or tells persons why nothing is; `taken` is what gates froze."""
    found = []
    for component in blamed:
        kind, _, version = component.partition(" ")
        if _spared(component, there.components.get(kind, ()), taken):
            payload = {"component": kind, "version": version, "gate": gate, "evidence": evidence}
            found.append(Deed(Act.FROZEN, why, payload, f"freeze/{component}/{gate}"))
            taken.add(component)
        else:
            told = f"{component} is the last {kind} in service; a person has to decide"
            payload = {"gate": gate, "why": told, "component": component}
            found.append(Deed(Act.GATE_ESCALATED, told, payload, f"escalate/{component}/{gate}"))
    if not found:
        told = f"{action.value.replace('_', ' ')}: nobody stands out among what wrote the batch"
        payload = {"gate": gate, "why": told}
        found.append(Deed(Act.GATE_ESCALATED, told, payload, f"escalate/{action.value}/{gate}"))
    return found


def _spared(component: str, versions: Collection[str], taken: Collection[str]) -> bool:
    """Whether the loop goes on without this version, and without those that were taken before.

    Several versions stand in for each other, so one of them stays; for a single one another
    generation's stands in.
    """
    left = {*versions} - {*taken, component}
    return component in versions and (bool(left) or len(versions) == 1)


def _breaches(rows: Sequence[Row]) -> list[tuple[str, str, list[Row]]]:
    """Breached gates with their rows, in the order of the table."""
    breached = [row for row in rows if row["outcome"] == Outcome.BREACH]
    return [
        (gate, scope, list(found))
        for (gate, scope), found in groupby(breached, key=lambda row: (row["gate"], row["scope"]))
    ]


def _plain(value: float) -> float | None:
    return None if value != value else value
