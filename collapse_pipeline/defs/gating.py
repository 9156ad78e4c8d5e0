"""Gating one asset of a night: gather the evidence, measure, hold it against the bounds, say who
is to blame, and write all of it down. What follows from it is written by `settle` alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from collapse_pipeline.defs import calibrating
from collapse_pipeline.defs.gate_evidence import HISTORY, gather
from collapse_pipeline.defs.workshop import Workshop, night_of, pinned_settings
from collapse_pipeline.loop.blame import FEWEST, to_blame
from collapse_pipeline.loop.calibrate import Calibration, bounds
from collapse_pipeline.loop.decide import Figures, Finding, Measured, Past, decide
from collapse_pipeline.loop.gate import Action, Gate, Outcome
from collapse_pipeline.loop.limits import Allotment, allot
from collapse_pipeline.loop.measure import Evidence, measure, rows_of
from collapse_pipeline.loop.pinned import GeneratorRecord
from collapse_pipeline.loop.versions import versions_of
from collapse_pipeline.metrics.evidence import (
    BatchEvidence,
    JudgedEvidence,
    MixEvidence,
    Need,
    Texts,
)
from collapse_pipeline.records import GATE_VALUES, Component, derived_seed, samples_table

EXAMPLES = 5
MEND = "run: collapse-pipeline calibrate {corpus}"


def gate_asset(
    shop: Workshop, record: GeneratorRecord, asset: str, evidence: Evidence | None = None
) -> list[Finding]:
    """Every gate's finding on one asset of an open night, written to the table `gate_values`.

    Generation 0 trains on human rows only: nothing was written that a gate could hold back.
    Measuring again gives the same rows, and puts them in place of the first.

    Args:
        shop: The home.
        record: What the night pinned.
        asset: Which asset.
        evidence: For the release, what only `settle` knows; other assets gather their own.
    """
    gates = [gate for gate in record.gates if gate.asset == asset]
    if record.ordinal == 0 or not gates:
        return []
    seen = evidence or gather(shop, record, asset)
    figures = measure(gates, seen, [Need(need) for need in record.applies], record.suites)
    calibration = _calibration(shop, record)
    if calibration is None and not pinned_settings(record).gates.enforce:
        figures = _uncalibrated(gates, figures)
    depth, budget = _depth(seen, record), record.settings["gates"]["budget"]
    known = bounds(
        calibration,
        depth,
        rows_of(seen),
        MEND.format(corpus=record.corpus),
        lambda c: _allotted(shop.settings.home, c.version, depth, record.gates, budget),
    )
    past = _past(shop, record)
    findings = decide(gates, figures, known, past)
    nulls = _nulls(calibration, depth, past)
    blamed = _together([_blamed(shop, record, finding, seen, nulls) for finding in findings])
    rows = [
        row
        for finding, names in zip(findings, blamed, strict=True)
        for row in _rows(record, finding, seen, depth, names)
    ]
    kept = [r for r in values_of(shop, record) if r["asset"] != asset]
    table = samples_table([*kept, *rows], GATE_VALUES)
    shop.store.replace("gate_values", record.corpus, record.generation, table)
    return findings


def values_of(shop: Workshop, record: GeneratorRecord) -> list[dict[str, Any]]:
    """Rows of `gate_values` of this attempt."""
    rows = shop.store.read("gate_values", record.corpus, [record.generation]).to_pylist()
    return [row for row in rows if row["attempt"] == record.attempt]


def _calibration(shop: Workshop, record: GeneratorRecord) -> Calibration | None:
    if not record.calibration:
        return None
    return calibrating.load(shop.settings.home, record.calibration)


def _uncalibrated(gates: Sequence[Gate], figures: Figures) -> dict[tuple[str, str], Measured]:
    """Where gates are not enforced, and none was calibrated, calibrated conditions do not apply."""
    names = {c.statistic for gate in gates for c in gate.of if c.bound.calibrated is not None}
    why = "not calibrated, and gates are not enforced"
    return {
        key: Measured(m.value, m.rows, why, applies=False) if key[0] in names else m
        for key, m in figures.items()
    }


def _depth(evidence: Evidence, record: GeneratorRecord) -> int:
    """Of what was measured: the batch, or for later assets the depth that it leads to."""
    if isinstance(evidence, BatchEvidence | JudgedEvidence):
        texts = evidence.synthetic if isinstance(evidence, BatchEvidence) else evidence.judged
        return int(pc.max(texts.rows["depth"]).as_py() or 0)
    if isinstance(evidence, MixEvidence):
        return int(pc.max(evidence.mix["depth"]).as_py() or 0)
    return record.parent.depth + 1 if record.settings["teacher"]["kind"] == "student" else 1


@lru_cache(maxsize=32)
def _allotted(
    home: Path, version: str, depth: int, gates: tuple[Gate, ...], budget: float
) -> Allotment:
    """How one calibration's budget is shared out; all assets of a night ask for the same."""
    calibration = calibrating.load(home, version)
    nulls = calibration.nulls[str(depth)]
    return allot(gates, nulls, calibration.rows, budget, calibration.seed)


def _past(shop: Workshop, record: GeneratorRecord) -> Past:
    """What gates said in earlier generations of the line, quarantined included, newest first."""
    before = shop.line(record.corpus).before(record.generation).active
    attempts = {g.generation: g.record.attempt for g in before}
    rows = shop.store.read("gate_values", record.corpus, sorted(attempts)[-HISTORY:]).to_pylist()
    rows = [row for row in rows if row["attempt"] == attempts[row["generation"]]]
    raised: dict[tuple[str, str], list[bool]] = {}
    breached: dict[tuple[str, str], list[bool]] = {}
    values: dict[tuple[str, str], dict[str, float]] = {}
    told: set[tuple[str, str, str]] = set()
    for row in sorted(rows, key=lambda row: str(row["generation"]), reverse=True):
        gate, night = (row["gate"], row["scope"]), row["generation"]
        if (*gate, night) not in told:  # a gate with several conditions has several rows
            told.add((*gate, night))
            raised.setdefault(gate, []).append(row["raised"])
            breached.setdefault(gate, []).append(row["outcome"] == Outcome.BREACH)
        values.setdefault((row["statistic"], row["scope"]), {})[night] = row["value"]
    return Past(raised, breached, {key: list(found.values()) for key, found in values.items()})


def _rows(
    record: GeneratorRecord,
    finding: Finding,
    evidence: Evidence,
    depth: int,
    blamed: Sequence[str],
) -> list[dict[str, object]]:
    shared = {
        "corpus": record.corpus,
        "generation": record.generation,
        "attempt": record.attempt,
        "asset": finding.gate.asset,
        "gate": finding.gate.name,
        "scope": finding.scope,
        "raised": finding.raised,
        "outcome": finding.outcome.value,
        "severity": finding.gate.severity,
        "actions": [action.value for action in finding.actions],
        "blamed": list(blamed),
        "examples": _examples(finding, evidence, blamed),
        "depth": depth,
        "calibration": record.calibration,
    }
    return [
        shared
        | {
            "statistic": reading.condition.statistic,
            "value": reading.measured.value,
            "low": reading.limit.low if reading.limit else None,
            "high": reading.limit.high if reading.limit else None,
            "bound": reading.limit.text if reading.limit else "",
            "exceeded": reading.exceeded,
            "rows": reading.measured.rows,
            "note": reading.note or finding.note,
        }
        for reading in finding.readings
    ]


def _nulls(calibration: Calibration | None, depth: int, past: Past) -> dict[str, Sequence[float]]:
    """What is usual of every statistic: the replicates' values, else those of earlier nights."""
    before = {name: values for (name, scope), values in past.values.items() if not scope}
    return before | dict(calibration.nulls.get(str(depth), {}) if calibration else {})


def _blamed(
    shop: Workshop,
    record: GeneratorRecord,
    finding: Finding,
    evidence: Evidence,
    nulls: Mapping[str, Sequence[float]],
) -> list[str]:
    """Components behind a breach, `kind name@version`, as far as its actions ask for one."""
    actions, versions = set(finding.actions), versions_of(record)
    if Action.FREEZE_JUDGE in actions:
        return list(versions[Component.JUDGE])
    if not isinstance(evidence, BatchEvidence) or not actions & {
        Action.FREEZE_TEMPLATE,
        Action.FREEZE_TEACHER,
    }:
        return []
    found = []
    # All rows of the batch, so that a version with a small share has enough of them.
    batch = shop.store.read("synthetic_batch", record.corpus, [record.generation])
    everything = evidence.on(Texts(batch, evidence.synthetic.embedder))
    rows, seed = record.gate_rows, derived_seed(night_of(record).seed, "blame")
    if Action.FREEZE_TEMPLATE in actions:
        template = to_blame(finding.readings, everything, "template", nulls, rows, seed)
        if template is not None:
            found.append(f"template {template}")
    # A teacher answers where its templates were looked at, or no template was asked for.
    column = "template" if Action.FREEZE_TEMPLATE in actions else "teacher"
    looked_at = min(Counter(batch[column].to_pylist()).values(), default=0) >= FEWEST
    if not found and looked_at:
        written_by = set(batch["teacher"].to_pylist())
        teacher = to_blame(finding.readings, everything, "teacher", nulls, rows, seed)
        if len(written_by) == 1:
            found += versions[Component.TEACHER]
        elif teacher is not None:
            found.append(f"teacher {teacher}")
    return found


def _together(blamed: Sequence[Sequence[str]]) -> list[list[str]]:
    """What all gates of one batch blame; no teacher where one of them blames a template, for the
    next night without that template will tell whether its teacher is at fault too."""
    template, teacher = (f"{kind} " for kind in (Component.TEMPLATE, Component.TEACHER))
    spared = any(name.startswith(template) for names in blamed for name in names)
    return [[n for n in names if not (spared and n.startswith(teacher))] for names in blamed]


def _examples(finding: Finding, evidence: Evidence, blamed: Sequence[str]) -> list[str]:
    """Ids of rows to look at: of what is blamed, those in its commonest moulds first."""
    if finding.outcome is not Outcome.BREACH or not isinstance(
        evidence, BatchEvidence | JudgedEvidence
    ):
        return []
    texts = evidence.synthetic if isinstance(evidence, BatchEvidence) else evidence.judged
    for component in blamed:
        kind, _, version = component.partition(" ")
        if kind == "template":
            texts = texts.where("template", version)
    counts = Counter(texts.skeletons)
    ids = texts.rows["sample_id"].to_pylist()
    order = sorted(range(len(ids)), key=lambda i: (-counts[texts.skeletons[i]], ids[i]))
    return [ids[i] for i in order[:EXAMPLES]]
