"""Real rows come in: what is bad goes to quarantine with a reason, the rest becomes the anchor.

Frames (see `intake_frames`) are read once. Text is kept as it was written but for outer white
space and line ends: how people type is data, so nothing is case-folded or normalised here. What
is held per row, besides its text, is an id and a few Arrow columns; nothing leaves this module
before everything was read and found to be enough.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.loop.accept import accept, sample_columns
from collapse_pipeline.loop.arrival import Arrival, arrivals
from collapse_pipeline.loop.intake_frames import Counts
from collapse_pipeline.loop.split import EVAL, TRAIN, WITHHELD, assign_splits
from collapse_pipeline.loop.suites import DEFAULT_PLAN, SuitePlan, build_suites
from collapse_pipeline.records import HUMAN_ANCHOR, Frozen, SuiteRecord, derived_seed

MANY_CONFLICTS = 0.05  # of the rows read


class IntakePlan(Frozen):
    """What is decided about a corpus before its first row is read."""

    corpus: str
    arrival: Arrival
    task_type: str = "text"
    eval_share: float = 0.25
    minimum_rows: int = 200
    suites: SuitePlan = DEFAULT_PLAN
    seed: int = 0


@dataclass(frozen=True)
class IntakeResult:
    """Everything that `corpus add` writes and says."""

    anchor: pa.Table  # HUMAN_ANCHOR
    suites: pa.Table  # EVAL_SUITES
    quarantined: pa.Table  # QUARANTINED_ROWS
    records: list[SuiteRecord]
    counts: Counts
    splits: dict[str, int]  # rows of the anchor that train, evaluate, are withheld
    warnings: list[str]


def take_in(frames: Iterable[pa.Table], plan: IntakePlan) -> IntakeResult:
    """Runs shape-checked frames through quarantine, split, arrival and suites.

    Raises:
        BadInputError: When rows have a time of their own and a nightly order as well, or the
            corpus's own split has values that mean neither side.
        TooFewSamplesError: When too few rows are good, or too few are left to train or to
            evaluate on.
    """
    accepted = accept(frames, plan.corpus)
    rows, counts = accepted.rows, accepted.counts
    _check_enough(counts, plan.minimum_rows)
    own_time = "time" in rows.column_names
    if own_time and plan.arrival.initial_rows is not None:
        raise BadInputError(
            "a time column, or initial and nightly rows", "both", "leave one of them out"
        )
    own_split = rows["split"].to_pylist() if "split" in rows.column_names else None
    seeds = [derived_seed("intake", plan.corpus, step, plan.seed) for step in ("split", "arrive")]
    split, near_group, warnings = assign_splits(rows, own_split, plan.eval_share, seeds[0])
    splits = {side: int((split == side).sum()) for side in (TRAIN, EVAL, WITHHELD)}
    wanted = {TRAIN: plan.minimum_rows // 2, EVAL: plan.suites.minimum_rows}
    for side, least in wanted.items():
        if splits[side] < least:
            raise TooFewSamplesError(
                f"{least} {side} rows or more",
                f"{splits[side]} of {counts.accepted} good rows",
                "add rows" if own_split is None else "add rows, or leave the split column out",
            )
    clashing = counts.reasons.get("conflicting_label", 0)
    if clashing > MANY_CONFLICTS * counts.read:
        warnings.append(
            f"{clashing} of {counts.read} rows have a prompt that also has another label: "
            "perhaps the label depends on more than the prompt"
        )
    days = rows["time"].to_numpy() if own_time else None
    days = arrivals(split, days, plan.arrival, seeds[1])
    there = int(((split == TRAIN) & (days <= plan.arrival.first_generation)).sum())
    if there < wanted[TRAIN]:
        warnings.append(
            f"{there} training rows are there on the first generation, "
            f"{plan.arrival.first_generation}; a later one would start with more"
        )
    columns = sample_columns(rows, plan.corpus, plan.task_type, days) | {
        "split": pa.array(split, pa.string()),
        "near_group": pa.array(near_group, pa.string()),
        "source_row": rows["source_row"],
    }
    anchor = pa.table([columns[name] for name in HUMAN_ANCHOR.names], schema=HUMAN_ANCHOR)
    suites, records = build_suites(anchor, own_time, plan.seed, plan.suites)
    return IntakeResult(
        anchor, suites, accepted.quarantine.table(), records, counts, splits, warnings
    )


def _check_enough(counts: Counts, least: int) -> None:
    if counts.accepted >= least:
        return
    why = ", ".join(f"{n} {reason}" for reason, n in counts.reasons.items())
    raise TooFewSamplesError(
        f"{least} good rows or more",
        f"{counts.accepted} of {counts.read} rows read" + (f" (quarantined: {why})" if why else ""),
        "check the column options, or bring more rows",
    )
