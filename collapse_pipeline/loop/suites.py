"""The suites that no generation may train on, frozen at intake.

`standard` is what is left of the eval rows when `audit` and `shadow` are taken out; `long_tail`
comes from the same rows, `hard` and `noisy` from `standard` itself, so that they can be compared
with it. A suite that cannot be built is recorded with the reason, it is never silently empty.

Where rows arrive by a time of their own, `shadow` moves: it has a version for every window of
time, all frozen at intake, and a night reads the newest window that is over (`suites_in_force`).
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from collapse_pipeline.loop.noise import noisy
from collapse_pipeline.loop.split import EVAL, TRAIN
from collapse_pipeline.loop.suites_hard import certainty
from collapse_pipeline.ports import IntVector
from collapse_pipeline.records import (
    EVAL_SUITES,
    SAMPLE,
    Frozen,
    SuiteRecord,
    content_hash,
    derived_seed,
    human_sample_id,
    labels_of,
)

NO_LABELS = "the corpus has no labels"
NOT_GIVEN = "no file was given for it"
CROSS_FIT_ROWS = 20_000  # training rows that the cross-fit learns from
FEWEST_LABELS = 4  # below it a quarter of the labels is none


class SuitePlan(Frozen):
    """How large the suites are."""

    audit_share: float = 0.15  # of the eval rows
    shadow_share: float = 0.15  # of the eval rows; of a moving shadow in every window
    tail_share: float = 0.25  # of the labels
    hard_share: float = 0.25  # of the standard rows
    hard_rows: int = 1000
    minimum_rows: int = 50
    maximum_rows: int = 5000


DEFAULT_PLAN = SuitePlan()


class Suite(NamedTuple):
    """One suite: its EVAL_SUITES rows, none where it does not apply, and its record."""

    rows: pa.Table
    record: SuiteRecord


def freeze(name: str, rows: pa.Table, window: str = "", least: int = 0, why_not: str = "") -> Suite:
    """A suite of sample rows; its version is the hash of their ids and the window.

    Args:
        name: Name of the suite.
        rows: At least the columns of SAMPLE.
        window: Last month of a moving suite's window, which its version then begins with
            (`2026-11.4be1...`), else "".
        least: With fewer rows than this the suite is not applicable.
        why_not: A reason to have no such suite whatever the rows.
    """
    if not why_not and rows.num_rows < max(least, 1):
        why_not = f"{rows.num_rows} rows where {max(least, 1)} are wanted"
        why_not += f" in the window up to {window}" if window else ""
    if why_not:
        record = SuiteRecord(name=name, applicable=False, reason=why_not)
        return Suite(EVAL_SUITES.empty_table(), record)
    version = content_hash(window, *sorted(rows["sample_id"].to_pylist()))[:16]
    version = f"{window}.{version}" if window else version
    columns = [rows[column] for column in SAMPLE.names]
    columns += [pa.repeat(value, rows.num_rows) for value in (name, version, window)]
    frozen = pa.table(columns, schema=EVAL_SUITES)
    return Suite(frozen, SuiteRecord(name=name, version=version, rows=rows.num_rows))


def build_suites(
    anchor: pa.Table, has_time: bool, seed: int, plan: SuitePlan = DEFAULT_PLAN
) -> tuple[pa.Table, list[SuiteRecord]]:
    """Every suite that the eval rows of an anchor can give.

    `audit` is a seeded sample; `shadow` another one, and where rows have a time one of every
    window; `long_tail` the rows of the rarest quarter of the labels, by training rows; `hard`
    those that a cross-fitted model is least certain of (without labels: whose words it expects
    least); `noisy` the standard rows misspelt.

    A window is a calendar month of the eval rows' `available_from`. One that gives too few rows
    is joined to the month after it, so that no window waits for what came before it and none
    changes with what comes after it; when the newest gives too few there is no version of it,
    a record says so, and its rows stay with the other suites.

    Args:
        anchor: HUMAN_ANCHOR, with split and available_from.
        has_time: Whether rows arrived by a time of their own.
        seed: Decides samples and noise.
        plan: Sizes.

    Returns:
        EVAL_SUITES, and one record a suite and window, in a fixed order, applicable or not.
    """
    split = anchor["split"].to_numpy()
    pool, training = (anchor.filter(pa.array(split == side)) for side in (EVAL, TRAIN))
    rest, cap = np.arange(pool.num_rows), plan.maximum_rows

    count = min(round(plan.audit_share * len(pool)), cap)
    audit_rows = _sampled(rest, count, derived_seed("audit", seed))
    audit = freeze("audit", pool.take(audit_rows), least=plan.minimum_rows)
    if audit.record.applicable:
        rest = np.setdiff1d(rest, audit_rows)

    shadows = []
    for window, rows in _shadows(pool, rest, has_time, seed, plan):
        shadow = freeze("shadow", pool.take(rows), window, plan.minimum_rows)
        shadows.append(shadow)
        if shadow.record.applicable:
            rest = np.setdiff1d(rest, rows)

    standard_rows = pool.take(_sampled(rest, cap, derived_seed("standard", seed)))
    standard = freeze("standard", standard_rows, least=plan.minimum_rows)
    tail, why_not = _rare_labels(training, pool.take(rest), plan.tail_share)
    in_tail = rest[np.isin(pool["label"].to_numpy()[rest], tail)]
    tail_rows = pool.take(_sampled(in_tail, cap, derived_seed("long_tail", seed)))
    hard_rows = standard_rows.take(_least_certain(training, standard_rows, seed, plan))
    suites = [
        standard,
        freeze("long_tail", tail_rows, "", plan.minimum_rows, why_not),
        freeze("hard", hard_rows, least=plan.minimum_rows),
        freeze("noisy", misspelt(standard_rows, seed), least=plan.minimum_rows),
        *shadows,
        audit,
    ]
    records = [suite.record for suite in suites]
    for name in ("cross_domain", "out_of_scope"):
        records.append(SuiteRecord(name=name, applicable=False, reason=NOT_GIVEN))
    return pa.concat_tables([suite.rows for suite in suites]), records


def misspelt(rows: pa.Table, seed: int) -> pa.Table:
    """Sample rows with noisy prompts, new ids, and the rows that they came from as parents."""
    prompts = [noisy(prompt, seed) for prompt in rows["prompt"].to_pylist()]
    others = [rows[name].to_pylist() for name in ("corpus", "label", "response")]
    ids = [
        human_sample_id(corpus, label, prompt, response)
        for corpus, label, response, prompt in zip(*others, prompts, strict=True)
    ]
    parents = [[parent] for parent in rows["sample_id"].to_pylist()]
    for name, values in (("prompt", prompts), ("parent_ids", parents), ("sample_id", ids)):
        place = rows.column_names.index(name)
        rows = rows.set_column(place, rows.field(place), pa.array(values, rows.field(place).type))
    return rows


def _sampled(rows: IntVector, count: int, seed: int) -> IntVector:
    """At most `count` of the row numbers, in their order."""
    if len(rows) <= count:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, size=count, replace=False))


def _shadows(
    pool: pa.Table, rest: IntVector, has_time: bool, seed: int, plan: SuitePlan
) -> list[tuple[str, IntVector]]:
    """Every window, oldest first, and the row numbers drawn from it; the last may be too few."""
    if not has_time:
        count = min(round(plan.shadow_share * len(pool)), plan.maximum_rows)
        return [("", _sampled(rest, count, derived_seed("shadow", seed)))]
    months, month = np.unique(
        [day[:7] for day in pool["available_from"].to_pylist()], return_inverse=True
    )
    found: list[tuple[str, IntVector]] = []
    first = 0
    for last, name in enumerate(months.tolist()):
        inside = (first <= month) & (month <= last)
        # Rounded down, so that all windows together never take more than the share.
        count = min(int(plan.shadow_share * inside.sum()), plan.maximum_rows)
        rows = _sampled(rest[inside[rest]], count, derived_seed("shadow", name, seed))
        if len(rows) >= max(plan.minimum_rows, 1) or last == len(months) - 1:
            found.append((name, rows))
            first = last + 1
    return found or [("", rest)]  # no row, no window: the suite says so


def _rare_labels(training: pa.Table, pool: pa.Table, share: float) -> tuple[list[str], str]:
    """The rarest `share` of the labels by training rows, ties by name, or why there are none.

    Of labels that are both trained on and left to evaluate on: the others cannot tell anything.
    """
    counts = Counter(training["label"].to_pylist())
    if not counts.keys() - {""}:
        return [], NO_LABELS
    labels = sorted(set(labels_of(pool)) & counts.keys(), key=lambda name: (counts[name], name))
    if len(labels) < FEWEST_LABELS:
        return [], f"{len(labels)} labels where {FEWEST_LABELS} are wanted"
    return labels[: int(share * len(labels))], ""


def _least_certain(training: pa.Table, standard: pa.Table, seed: int, plan: SuitePlan) -> IntVector:
    """Row numbers of `standard`, in order."""
    if not standard.num_rows:
        return np.empty(0, dtype=np.int64)
    some = _sampled(np.arange(len(training)), CROSS_FIT_ROWS, derived_seed("cross-fit", seed))
    scores = certainty(_evidence(training.take(some)), _evidence(standard), seed)
    count = min(round(plan.hard_share * len(scores)), plan.hard_rows)
    return np.sort(np.argsort(scores, kind="stable")[:count])


def _evidence(rows: pa.Table) -> list[tuple[str, str]]:
    """(label, text): the prompt tells the label; without labels all of the text counts."""
    columns = [rows[name].to_pylist() for name in ("label", "prompt", "response")]
    return [
        (label, prompt if label else f"{prompt}\n{response}")
        for label, prompt, response in zip(*columns, strict=True)
    ]
