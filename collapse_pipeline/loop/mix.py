"""Mix: human rows and synthetic rows for one student, with an exact account of their shares."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.loop.generate import allocate
from collapse_pipeline.records import SAMPLE, TRAINING_MIX, Frozen, derived_seed

HUMAN_RED_LINE = 0.2  # no release trains on less human text than this, whatever is configured
LARGEST_WEIGHT = 1e6  # of a row; far beyond any use, and far below what learners overflow at


class MixPolicy(Frozen):
    """How the mix is made; a versioned component."""

    regime: Literal["accumulate", "replace", "subsample"] = "accumulate"
    synthetic_cap: float = Field(0.3, ge=0, le=1)  # share of the mix
    human_floor: float = Field(HUMAN_RED_LINE, ge=0, le=1)  # share of the mix
    human_rows: int | None = Field(None, ge=1)  # use this many human rows; all by default
    depth_limit: int = Field(2, ge=1)
    stage: Literal["pilot", "full"] = "full"
    pilot_rows: int = Field(500, ge=1)  # synthetic rows of a pilot
    caps_by_task: Mapping[str, float] = Field(default_factory=dict)  # tighter cap for a task type
    balance: float = Field(0.5, ge=0, le=1)  # as in GeneratePolicy, for which rows are taken
    # What a synthetic row counts where a human row counts 1.
    synthetic_weight: float = Field(0.5, gt=0, le=LARGEST_WEIGHT)
    infusion: Mapping[str, float] = Field(default_factory=dict)  # weight of a label's human rows
    rejected_as: Literal["nothing", "negatives", "hard_cases"] = "nothing"
    rejected_share: float = Field(0.1, ge=0, le=1)  # of the synthetic rows, at most

    @model_validator(mode="after")
    def _shares_fit(self) -> "MixPolicy":
        for task, cap in self.caps_by_task.items():
            if not 0 <= cap <= 1:
                raise ValueError(f"mix.caps_by_task.{task} wants a share in [0, 1], got {cap}")
        for label, weight in self.infusion.items():
            if not 0 < weight <= LARGEST_WEIGHT:
                wanted = f"a weight above 0, at most {LARGEST_WEIGHT:g}"
                raise ValueError(f"mix.infusion.{label} wants {wanted}, got {weight}")
        return self


@dataclass(frozen=True)
class Mixture:
    """The rows and their account."""

    samples: pa.Table
    summary: dict[str, float | int | str]


def mix(
    human: pa.Table,
    synthetic: Sequence[pa.Table],
    rejected: pa.Table,
    policy: MixPolicy,
    generation: str,
    seed: int,
) -> Mixture:
    """Puts a training mix together.

    Args:
        human: The human training rows that tonight uses.
        synthetic: Kept rows by generation, tonight's first; empty in generation 0.
        rejected: Tonight's rejected rows, used only as `policy.rejected_as` says.
        policy: Caps, floor, regime, balance.
        generation: Tonight; every row of the mix carries it, and `written_in` says its own.
        seed: Of tonight's mix.

    Returns:
        Rows with `weight`, `role` and `written_in`. Under `accumulate` every human row is in and
        synthetic rows come on top, tonight's before older ones; under `replace` and `subsample`
        the mix has as many rows as there are human rows. The same seed gives the same rows.

    Raises:
        TooFewSamplesError: With no human row at all.
    """
    if human.num_rows == 0:
        raise TooFewSamplesError("human training rows", "none", "add rows or wait for arrivals")
    pool, too_deep = _pool(synthetic, policy)
    counts = Counter(human["label"].to_pylist())
    cap = min(policy.synthetic_cap, 1 - policy.human_floor)
    if pool.num_rows == 0:
        chosen, people = pool, human
    elif policy.regime == "accumulate":
        budget = pool.num_rows if cap >= 1 else floor(human.num_rows * cap / (1 - cap) + 1e-9)
        chosen, people = _choose(pool, counts, budget, policy, seed), human
    else:
        chosen, people = _fixed_size(human, pool, counts, cap, policy, seed)
    chosen = _cap_tasks(chosen, people, policy)
    # Without human rows there is nothing to count less than.
    weight = policy.synthetic_weight if people.num_rows else 1.0
    negatives = _rejected(rejected, chosen.num_rows, policy, weight, seed)
    chosen = _make_room(chosen, negatives.num_rows, seed)
    rows = pa.concat_tables(
        [
            _with_weight(people, [policy.infusion.get(x, 1.0) for x in _labels(people)]),
            _with_weight(chosen, [weight] * chosen.num_rows),
            negatives,
        ]
    )
    rows = rows.append_column(TRAINING_MIX.field("written_in"), rows["generation"])
    tonight = pa.array([generation] * rows.num_rows, pa.string())
    place = TRAINING_MIX.get_field_index("generation")
    rows = rows.set_column(place, TRAINING_MIX.field(place), tonight)
    return Mixture(rows.combine_chunks(), _account(people, chosen, negatives, too_deep))


def _labels(table: pa.Table) -> list[str]:
    return [str(label) for label in table["label"].to_pylist()]


def chosen_humans(human: pa.Table, rows: int | None) -> pa.Table:
    """The human rows that a night uses: all, or the first `rows` by content hash, so that a larger
    sample holds every smaller one.

    Raises:
        BadInputError: More are wanted than had arrived.
    """
    if rows is None:
        return human
    if rows > human.num_rows:
        raise BadInputError(
            wanted=f"mix.human_rows = {rows} human training rows",
            got=f"{human.num_rows} available tonight",
            do="lower mix.human_rows, or let more rows arrive first",
        )
    order = pc.sort_indices(human, sort_keys=[("sample_id", "ascending")])
    return human.take(order[:rows])


def _pool(synthetic: Sequence[pa.Table], policy: MixPolicy) -> tuple[pa.Table, int]:
    """Synthetic rows that may enter, tonight's first, and how many were too deep."""
    usable = synthetic[:1] if policy.regime == "replace" else synthetic
    tables = [table.select(SAMPLE.names) for table in usable]
    pool = pa.concat_tables([SAMPLE.empty_table(), *tables])
    shallow = pool.filter(pc.less_equal(pool["depth"], policy.depth_limit))
    return shallow, pool.num_rows - shallow.num_rows


def _choose(
    pool: pa.Table, human: Mapping[str, int], budget: int, policy: MixPolicy, seed: int
) -> pa.Table:
    """At most `budget` rows of the pool, by label quota; what a label lacks goes to the others."""
    if policy.stage == "pilot":
        budget = min(budget, policy.pilot_rows)
    if budget >= pool.num_rows:
        return pool
    labels = np.array(_labels(pool), dtype=object)
    order = np.random.default_rng(derived_seed(seed, "choose")).permutation(pool.num_rows)
    if policy.regime == "accumulate":  # newer generations first, in seeded order within each
        days = np.array(pool["generation"].to_pylist(), dtype=object)
        order = order[np.argsort(days[order], kind="stable")][::-1]
    queues = {label: order[labels[order] == label] for label in sorted(set(labels))}
    weights = {label: max(human.get(label, 0), 1) for label in queues}
    taken = dict.fromkeys(queues, 0)
    left = budget
    while left > 0:
        open_labels = {x: weights[x] for x, queue in queues.items() if taken[x] < len(queue)}
        for label, quota in allocate(open_labels, left, policy.balance).items():
            quota = min(quota, len(queues[label]) - taken[label])
            taken[label] += quota
            left -= quota
    picks = np.concatenate([queue[: taken[label]] for label, queue in queues.items()])
    return pool.take(np.sort(picks))


def _fixed_size(
    human: pa.Table,
    pool: pa.Table,
    counts: Mapping[str, int],
    cap: float,
    policy: MixPolicy,
    seed: int,
) -> tuple[pa.Table, pa.Table]:
    """Replace and subsample: as many rows as there are human ones, part of them synthetic."""
    share = cap
    if policy.regime == "subsample":
        share = min(cap, pool.num_rows / (pool.num_rows + human.num_rows))
    chosen = _choose(pool, counts, floor(human.num_rows * share + 1e-9), policy, seed)
    if chosen.num_rows == 0:
        return chosen, human
    # The share holds even when fewer rows were written than it asks for.
    people = min(ceil(chosen.num_rows * (1 - share) / share - 1e-9), human.num_rows)
    rng = np.random.default_rng(derived_seed(seed, "people"))
    return chosen, human.take(np.sort(rng.permutation(human.num_rows)[:people]))


def _cap_tasks(chosen: pa.Table, people: pa.Table, policy: MixPolicy) -> pa.Table:
    """Holds each task type's synthetic share under its own cap."""
    for task, cap in policy.caps_by_task.items():
        of_task = np.array(chosen["task_type"].to_pylist(), dtype=object) == task
        humans = people["task_type"].to_pylist().count(task)
        limit = int(of_task.sum()) if cap >= 1 else floor(humans * cap / (1 - cap) + 1e-9)
        surplus = np.flatnonzero(of_task)[limit:]
        chosen = chosen.take(np.setdiff1d(np.arange(chosen.num_rows), surplus))
    return chosen


def _rejected(
    rejected: pa.Table, chosen: int, policy: MixPolicy, weight: float, seed: int
) -> pa.Table:
    """Rejected rows that serve: as labelled negatives, or as hard cases to be learnt."""
    if policy.rejected_as == "nothing" or rejected.num_rows == 0:
        return _with_weight(SAMPLE.empty_table(), [])
    judged = rejected.filter(pc.equal(rejected["stage"], "judge")).select(SAMPLE.names)
    rng = np.random.default_rng(derived_seed(seed, "rejected"))
    limit = floor(chosen * policy.rejected_share)
    picks = np.sort(rng.permutation(judged.num_rows)[:limit])
    role = "negative" if policy.rejected_as == "negatives" else "positive"
    return _with_weight(judged.take(picks), [weight] * len(picks), role)


def _make_room(chosen: pa.Table, rows: int, seed: int) -> pa.Table:
    """Rejected rows are synthetic too: they take the place of chosen ones, under the same cap."""
    rng = np.random.default_rng(derived_seed(seed, "room"))
    keep = rng.permutation(chosen.num_rows)[: chosen.num_rows - rows]
    return chosen.take(np.sort(keep)) if rows else chosen


def _with_weight(table: pa.Table, weights: Sequence[float], role: str = "positive") -> pa.Table:
    rows = table.select(SAMPLE.names).cast(SAMPLE)
    rows = rows.append_column(TRAINING_MIX.field("weight"), pa.array(weights, pa.float64()))
    return rows.append_column(
        TRAINING_MIX.field("role"), pa.array([role] * table.num_rows, pa.string())
    )


def _account(
    people: pa.Table, chosen: pa.Table, extra: pa.Table, too_deep: int
) -> dict[str, float | int | str]:
    written = chosen.num_rows + extra.num_rows
    total = people.num_rows + written
    depths = [*chosen["depth"].to_pylist(), *extra["depth"].to_pylist()]
    return {
        "rows": total,
        "human_rows": people.num_rows,
        "synthetic_rows": written,
        "rejected_rows": extra.num_rows,
        "human_share": people.num_rows / total,
        "synthetic_share": written / total,
        "depth": max(depths, default=0),
        "too_deep_rows": too_deep,
    }
