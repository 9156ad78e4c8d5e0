"""Measure: the figures that a night's gates want, each worked out once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.loop.decide import Measured, scope_of
from collapse_pipeline.loop.gate import Condition, Gate
from collapse_pipeline.metrics.catalogue import metric_named
from collapse_pipeline.metrics.evidence import (
    BatchEvidence,
    FilteredEvidence,
    JudgedEvidence,
    MixEvidence,
    Need,
    ReleaseEvidence,
    ReportEvidence,
    Texts,
)
from collapse_pipeline.ports import IntVector
from collapse_pipeline.records import SuiteRecord, derived_seed

Evidence = (
    BatchEvidence
    | JudgedEvidence
    | FilteredEvidence
    | MixEvidence
    | ReportEvidence
    | ReleaseEvidence
)
NAN = float("nan")


def drawn(rows: pa.Table, count: int, seed: int) -> pa.Table:
    """At most `count` of the rows, the same whatever order they come in; all if there are fewer."""
    ids = np.array(rows["sample_id"].to_pylist(), dtype=object)
    order = np.argsort(ids, kind="stable")
    picks = np.random.default_rng(derived_seed(seed, "drawn")).permutation(len(order))[:count]
    return rows.take(pa.array(order[np.sort(picks)]))


def measure(
    gates: Sequence[Gate],
    evidence: Evidence,
    applies: Collection[Need],
    suites: Sequence[SuiteRecord] = (),
) -> dict[tuple[str, str], Measured]:
    """Figures by statistic and scope, for all conditions of these gates, each worked out once.

    Args:
        gates: Gates of one asset.
        evidence: Of that asset.
        applies: What the corpus and the night have, as pinned when the night opened.
        suites: The suites of the night; a condition on one that does not apply has no figure.
    """
    figures: dict[tuple[str, str], Measured] = {}
    for gate in gates:
        for scope, part in _scopes(gate, evidence).items():
            for condition in gate.of:
                key = (condition.statistic, scope)
                if key not in figures:
                    why = _why_not(condition, applies, suites)
                    figures[key] = (
                        Measured(NAN, note=why, applies=False) if why else figure(condition, part)
                    )
    return figures


def _why_not(condition: Condition, applies: Collection[Need], suites: Sequence[SuiteRecord]) -> str:
    """Why a condition does not apply, "" where it does."""
    wanted = [*metric_named(condition.measured).needs]
    wanted += [Need.RESPONSES] if condition.column == "response" else []
    lacking = [need.value for need in dict.fromkeys(wanted) if need not in applies]
    reasons = {suite.name: "" if suite.applicable else suite.reason for suite in suites}
    if condition.suite and condition.suite not in reasons:
        lacking.append(f"suite {condition.suite}")
    return f"no {', '.join(lacking)}" if lacking else reasons.get(condition.suite, "")


def rows_of(evidence: Evidence) -> int:
    """How many rows a figure was measured on."""
    match evidence:
        case BatchEvidence():
            return len(evidence.synthetic)
        case JudgedEvidence():
            return len(evidence.judged)
        case FilteredEvidence():
            return evidence.accepted
        case MixEvidence():
            return int(evidence.mix.num_rows)
        case ReleaseEvidence():
            return evidence.kept_rows
        case _:
            return 0


def figure(condition: Condition, evidence: Evidence) -> Measured:
    """The figure that a condition is about; NaN, and why, where there are too few rows."""
    metric = metric_named(condition.measured)
    if isinstance(evidence, BatchEvidence):
        evidence = evidence.of(condition.column)
    arguments: list[Any] = [evidence, condition.suite] if condition.suite else [evidence]
    note = evidence.notes.get(metric.name, "") if isinstance(evidence, ReleaseEvidence) else ""
    try:
        return Measured(float(metric.compute(*arguments)), rows_of(evidence), note)
    except TooFewSamplesError as fault:
        return Measured(NAN, rows_of(evidence), note=str(fault))


def _scopes(gate: Gate, evidence: Evidence) -> Mapping[str, Evidence]:
    """The whole, or the parts with rows enough, by the value of the gate's column."""
    if not gate.per:
        return {"": evidence}
    found: dict[str, Evidence] = {}
    if isinstance(evidence, BatchEvidence):
        for value, part in parts(evidence.synthetic, gate.per, gate.least_rows).items():
            found[scope_of(gate, value)] = evidence.on(part)
    if isinstance(evidence, JudgedEvidence):
        for value, part in parts(evidence.judged, gate.per, gate.least_rows).items():
            found[scope_of(gate, value)] = replace(evidence, judged=part)
    return found


def parts(texts: Texts, column: str, least: int) -> dict[str, Texts]:
    """Rows by their value in a column, for values with `least` rows or more."""
    values = np.array(texts.rows[column].to_pylist(), dtype=object)
    found: dict[str, Texts] = {}
    for value in sorted(set(values)):
        rows: IntVector = np.flatnonzero(values == value).astype(np.int64)
        if len(rows) >= least:
            found[str(value)] = texts.take(rows)
    return found
