"""Measure: the figures that a night's gates want, each worked out once."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.loop.gate import Condition, Gate, Measured
from collapse_pipeline.metrics.catalogue import metric_named
from collapse_pipeline.metrics.evidence import (
    BatchEvidence,
    FilteredEvidence,
    JudgedEvidence,
    Metric,
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
    """Figures by statistic and scope, for all conditions of these gates.

    Args:
        gates: Gates of one asset.
        evidence: Of that asset.
        applies: What the corpus and the night have, as pinned when the night opened.
        suites: The suites of the night; a condition on one that does not apply has no figure.
    """
    whys = {suite.name: suite.reason for suite in suites if not suite.applicable}
    there = {suite.name for suite in suites}
    figures: dict[tuple[str, str], Measured] = {}
    for gate in gates:
        for condition in gate.of:
            metric = metric_named(condition.measured)
            lacking = [need.value for need in metric.needs if need not in applies]
            if condition.suite and condition.suite not in there:
                lacking.append(f"suite {condition.suite}")
            if condition.column == "response" and Need.RESPONSES not in applies:
                lacking.append(Need.RESPONSES.value)
            scopes = _scopes(gate, evidence)
            for scope, part in scopes.items():
                key = (condition.statistic, scope)
                if key in figures:
                    continue
                if lacking or condition.suite in whys:
                    why = f"no {', '.join(lacking)}" if lacking else whys[condition.suite]
                    figures[key] = Measured(NAN, note=why, applies=False)
                else:
                    figures[key] = _figure(metric, condition, part)
    return figures


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


def _figure(metric: Metric, condition: Condition, evidence: Evidence) -> Measured:
    if isinstance(evidence, BatchEvidence):
        evidence = evidence.of(condition.column)
    arguments: list[Any] = [evidence]
    if condition.suite:
        arguments.append(condition.suite)
    try:
        return Measured(float(metric.compute(*arguments)), rows_of(evidence))
    except TooFewSamplesError as fault:
        return Measured(NAN, rows_of(evidence), note=str(fault))


def _scopes(gate: Gate, evidence: Evidence) -> Mapping[str, Evidence]:
    """The whole, or the parts with rows enough, by the value of the gate's column."""
    if not gate.per:
        return {"": evidence}
    if isinstance(evidence, BatchEvidence):
        texts = evidence.synthetic
        return {v: evidence.on(part) for v, part in parts(texts, gate.per, gate.least_rows).items()}
    if isinstance(evidence, JudgedEvidence):
        return {
            value: JudgedEvidence(part, evidence.gold, evidence.gold_before)
            for value, part in parts(evidence.judged, gate.per, gate.least_rows).items()
        }
    return {"": evidence}


def parts(texts: Texts, column: str, least: int) -> dict[str, Texts]:
    """Rows by their value in a column, for values with `least` rows or more."""
    values = np.array(texts.rows[column].to_pylist(), dtype=object)
    found: dict[str, Texts] = {}
    for value in sorted(set(values)):
        rows: IntVector = np.flatnonzero(values == value).astype(np.int64)
        if len(rows) >= least:
            found[str(value)] = texts.take(rows)
    return found
