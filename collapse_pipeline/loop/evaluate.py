"""Evaluate: every metric on every suite, for the candidate, the releases before it and the
human-only baseline, and how the candidate compares with them on the same rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from collapse_pipeline.loop.score import Scored, score
from collapse_pipeline.metrics import calibration, comparison, fluency, performance, standing
from collapse_pipeline.ports import FloatVector, IntVector, Student, World
from collapse_pipeline.records import EVAL_REPORT, Frozen, SuiteRecord, derived_seed, samples_table

CANDIDATE, INCUMBENT, BASELINE = standing.CANDIDATE, standing.INCUMBENT, standing.BASELINE
OUT_OF_SCOPE = "out_of_scope"
AUDIT = "audit"  # measured, and read by no decision
SYNTHETIC_ROWS = standing.SYNTHETIC_ROWS
GROUP_ROWS = 30  # of a suite; the accuracy of fewer is mostly chance


class EvaluatePolicy(Frozen):
    """What is measured each night."""

    written_rows: int = Field(500, ge=0)  # rows each student writes for the world to check
    draws: int = Field(2_000, ge=100)  # of the paired bootstrap
    primary_rows: int = Field(500, ge=1)  # a suite with fewer rows informs, and decides nothing
    groups: tuple[str, ...] = ("locale", "group", "channel")  # attributes that divide people


def primary_metric(suite: SuiteRecord, labelled: bool, policy: EvaluatePolicy) -> str | None:
    """The one metric by which a suite decides a promotion, or None when it decides nothing.

    Labelled suites decide by accuracy. Text without labels has only its likelihood: the inverse
    of perplexity, so that higher is better in both cases.
    """
    if not suite.applicable or suite.rows < policy.primary_rows:
        return None
    if suite.name in (AUDIT, OUT_OF_SCOPE):
        return None
    return "accuracy" if labelled else "token_likelihood"


def evaluate(
    models: Mapping[str, Student],
    best: Mapping[str, str],
    suites: pa.Table,
    records: Sequence[SuiteRecord],
    batch: pa.Table,
    world: World | None,
    policy: EvaluatePolicy,
    seed: int,
) -> list[dict[str, Any]]:
    """Rows of the evaluation report, without corpus and generation.

    Args:
        models: Students by the name they are reported under; `candidate` and `baseline` always.
        best: By primary suite, the name in `models` of its best release so far.
        suites: EVAL_SUITES rows of all suites in force tonight.
        records: What those suites are.
        batch: Tonight's synthetic batch, for the perplexity of what was written.
        world: Checks what students write, where the corpus has a reference world.
        policy: Sizes.
        seed: Of bootstrap and sampling.
    """
    unique, positions = _unique_rows(suites)
    scored = {name: score(student, unique) for name, student in models.items()}
    classifies = all(student.task is not None for student in models.values())
    labelled = classifies and any(suites["label"].to_pylist())
    report: list[dict[str, Any]] = []
    for suite in records:
        if not suite.applicable:
            report.append(_row(CANDIDATE, suite, "rows", 0.0, 0, note=suite.reason))
            continue
        rows = positions[suite.name]
        truth = unique["label"].take(rows).to_pylist()
        groups = groups_of(unique["attributes"].take(rows).to_pylist(), policy.groups)
        parts = {name: whole.take(rows) for name, whole in scored.items()}
        for name, part in parts.items():
            report += _measure(name, suite, part, truth, groups)
        metric = primary_metric(suite, labelled, policy)
        if metric:
            references = {"best": best.get(suite.name, BASELINE), BASELINE: BASELINE}
            for reference, against in references.items():
                report.append(
                    _compare(reference, suite, metric, parts, against, truth, policy, seed)
                )
        report.append(_compare(BASELINE, suite, "perplexity", parts, BASELINE, truth, policy, seed))
    report += _synthetic(models, batch)
    if world is not None:
        report += _written(models, suites, world, policy, seed)
    return report


def as_table(report: Sequence[Mapping[str, Any]], corpus: str, generation: str) -> pa.Table:
    """The report as it is stored."""
    night = {"corpus": corpus, "generation": generation}
    return samples_table([{**night, **row} for row in report], EVAL_REPORT)


def groups_of(
    attributes: Sequence[Sequence[tuple[str, str]]], names: Sequence[str]
) -> dict[str, IntVector]:
    """Where the rows of every group lie, by `attribute=value`; small groups are left out.

    Args:
        attributes: (n_rows,), the attributes of every row as pairs.
        names: Of the attributes whose values are groups.
    """
    found: dict[str, list[int]] = {}
    for row, pairs in enumerate(attributes):
        for name, value in pairs:
            if name in names and value:
                found.setdefault(f"{name}={value}", []).append(row)
    return {
        group: np.array(rows) for group, rows in sorted(found.items()) if len(rows) >= GROUP_ROWS
    }


def _unique_rows(suites: pa.Table) -> tuple[pa.Table, dict[str, IntVector]]:
    """Every row once, and where each suite's rows lie: slices share their predictions."""
    ids = np.array(suites["sample_id"].to_pylist(), dtype=object)
    _, first, place = np.unique(ids, return_index=True, return_inverse=True)
    names = np.array(suites["suite"].to_pylist(), dtype=object)
    return suites.take(first), {name: place[names == name] for name in sorted(set(names))}


def _measure(
    model: str,
    suite: SuiteRecord,
    part: Scored,
    truth: Sequence[str],
    groups: Mapping[str, IntVector],
) -> list[dict[str, Any]]:
    values = {"perplexity": fluency.perplexity(part.losses, part.tokens)}
    values["token_likelihood"] = 1 / values["perplexity"]
    scoped: list[dict[str, Any]] = []
    if (
        part.predicted is not None
        and part.confidence is not None
        and part.probabilities is not None
    ):
        values["mean_confidence"] = calibration.mean_confidence(part.confidence)
        if suite.name != OUT_OF_SCOPE and any(truth):
            right = np.array([p == t for p, t in zip(part.predicted, truth, strict=True)])
            values["accuracy"] = performance.accuracy(truth, part.predicted)
            values["macro_f1"] = performance.macro_f1(truth, part.predicted)
            values["ece"] = calibration.expected_calibration_error(part.confidence, right)
            values["brier"] = calibration.brier(part.probabilities, part.classes, truth)
            scoped = [
                _row(model, suite, "f1", value, truth.count(label), scope=label)
                for label, value in performance.per_label_f1(truth, part.predicted).items()
            ] + [
                _row(model, suite, "accuracy", right[at].mean(), len(at), scope=group)
                for group, at in groups.items()
            ]
    rows = len(truth)
    return [_row(model, suite, name, value, rows) for name, value in values.items()] + scoped


def _compare(
    reference: str,
    suite: SuiteRecord,
    metric: str,
    parts: Mapping[str, Scored],
    against: str,
    truth: Sequence[str],
    policy: EvaluatePolicy,
    seed: int,
) -> dict[str, Any]:
    """The candidate over another model on the same rows, with its paired bootstrap bounds."""
    ours, theirs = parts[CANDIDATE], parts[against]
    seed = derived_seed(seed, suite.name, metric)
    if metric == "accuracy":
        ratio = comparison.ratio_interval(
            _right(ours, truth), _right(theirs, truth), seed, policy.draws
        )
        point, low, high = ratio.point, ratio.low, ratio.high
    else:
        ratio = comparison.perplexity_ratio_interval(
            ours.losses, theirs.losses, ours.tokens, seed, policy.draws
        )
        point, low, high = ratio.point, ratio.low, ratio.high
        if metric == "token_likelihood":
            point, low, high = 1 / point, 1 / high, 1 / low
    name = f"{metric}.ratio_to_{reference}"
    return _row(CANDIDATE, suite, name, point, len(truth), low=low, high=high, note=against)


def _right(part: Scored, truth: Sequence[str]) -> FloatVector:
    if part.predicted is None:
        return np.zeros(len(truth))
    return np.array([p == t for p, t in zip(part.predicted, truth, strict=True)], dtype=float)


def _synthetic(models: Mapping[str, Student], batch: pa.Table) -> list[dict[str, Any]]:
    """How surprised each student is by tonight's batch; nothing to say where there is none."""
    if batch.num_rows == 0:
        return []
    columns = [batch[name].to_pylist() for name in ("label", "prompt", "response")]
    suite = SuiteRecord(name=SYNTHETIC_ROWS)
    report = []
    for name, student in models.items():
        losses, tokens = student.language.negative_log_likelihood(*columns)
        value = fluency.perplexity(losses, tokens)
        report.append(_row(name, suite, "perplexity", value, batch.num_rows))
    return report


def _written(
    models: Mapping[str, Student],
    suites: pa.Table,
    world: World,
    policy: EvaluatePolicy,
    seed: int,
) -> list[dict[str, Any]]:
    """What each student writes of its own, checked by the world: wrong facts, unwarranted
    refusals, wrong answers. Labels follow the standard suite."""
    standard = suites.filter(pc.equal(suites["suite"], "standard"))["label"].to_pylist()
    if not standard:
        return []
    rng = np.random.default_rng(derived_seed(seed, "written"))
    labels = [standard[i] for i in rng.integers(0, len(standard), policy.written_rows)]
    suite = SuiteRecord(name="written")
    report = []
    for name, student in models.items():
        texts = student.language.sample(
            labels, [""] * len(labels), derived_seed(seed, "written", "texts"), 1.0
        )
        checks = [
            world.check(label, prompt, response, {})
            for label, (prompt, response) in zip(labels, texts, strict=True)
        ]
        for metric, value in (
            ("wrong_fact_rate", performance.wrong_fact_rate(checks)),
            ("unwarranted_refusal_rate", performance.unwarranted_refusal_rate(checks)),
            ("wrong_answer_rate", performance.wrong_answer_rate(checks)),
        ):
            report.append(_row(name, suite, metric, value, len(checks)))
    return report


def _row(
    model: str,
    suite: SuiteRecord,
    metric: str,
    value: float,
    rows: int,
    scope: str = "",
    low: float | None = None,
    high: float | None = None,
    note: str = "",
) -> dict[str, Any]:
    return {
        "model": model,
        "suite": suite.name,
        "suite_version": suite.version,
        "metric": metric,
        "scope": scope,
        "value": float(value),
        "low": low,
        "high": high,
        "rows": rows,
        "note": note,
    }
