"""Limits: from the nulls of a calibration to where tonight's figures may lie.

All blocking gates share one false-alarm budget. Their figures are correlated, so the share of each
is found by drawing nights from the null's own correlations: every gate gets the same chance of a
false alarm, as large as the whole suite's budget allows. A gate that votes gets its chance through
its conditions, whose limits are set so that the vote, not each of them, has it. The limits
themselves are t prediction limits, which know how few replicates there were.

Correlations of so few replicates are guesses, and both errors cost false alarms. Where one figure
is enough, figures that seem to move together would get too large a share, so correlations are
shrunk towards none. Where several must agree, it is those that seem to move apart: there they are
taken as they are, and never below none. Simulated with 20 replicates, the default suite spent 0.7
to 1.0 of a budget of 1 in 500 at correlations of 0 to 0.9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, nan, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt

from collapse_pipeline.loop.decide import Limit
from collapse_pipeline.loop.gate import Condition, Gate, metric_of
from collapse_pipeline.metrics.catalogue import metric_named
from collapse_pipeline.ports import FloatVector
from collapse_pipeline.records import derived_seed

FEWEST = 8  # replicates; fewer values of a figure make no limit
DRAWS = 200_000  # nights drawn from the null: 400 false alarms at a budget of 1 in 500
SHRINKAGE = 0.2  # of the correlations towards none: there are about as many figures as replicates
Side = Literal["above", "below", "either"]
Scale = Literal["share", "positive", "plain"]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Allotment:
    """How the budget was shared out."""

    chances: Mapping[tuple[str, Side], float]  # of one figure beyond its limit on a healthy night
    per_gate: float  # chance of a false alarm of every blocking gate
    whole: float  # of the suite, as drawn; the budget or less


def scaled(value: float, scale: Scale, rows: int) -> float:
    """A figure on a scale on which a null is nearly normal and its spread nearly constant.

    Shares by the arcsine of their root (Anscombe 1948, for counts out of `rows`), what is above 0
    by its logarithm.
    """
    if scale == "share":
        share = min(max(value, 0.0), 1.0)
        return float(np.arcsin(sqrt((share * rows + 3 / 8) / (rows + 3 / 4))))
    if scale == "positive":
        return log(value) if value > 0 else nan
    return value


def unscaled(value: float, scale: Scale, rows: int) -> float:
    """Back from `scaled`, within the figure's range."""
    if scale == "share":
        angle = min(max(value, 0.0), np.pi / 2)
        share = (float(np.sin(angle)) ** 2 * (rows + 3 / 4) - 3 / 8) / rows
        return min(max(share, 0.0), 1.0)
    return float(np.exp(value)) if scale == "positive" else value


def least_spread(scale: Scale, rows: int, centre: float) -> float:
    """No null is narrower than this: replicates that all agree are not certainty.

    Shares have the spread that counting has, on their scale; of anything else it is a thousandth.
    """
    if scale == "share":
        return 0.5 / sqrt(rows)
    return 1e-3 * (abs(centre) or 1.0) if scale == "plain" else 1e-3


def prediction_limit(
    null: Sequence[float], chance: float, side: Side, scale: Scale, rows: int
) -> Limit | str:
    """Where the next healthy value may lie: mean and t quantile of the scaled null.

    Args:
        null: Values of the replicates; those that are NaN are left out.
        chance: Of a healthy value beyond the limit, both sides together.
        side: Where harm lies.
        scale: How the values spread.
        rows: That each value was measured on.

    Returns:
        The limit, or why there is none.

    Source:
        Hahn and Meeker 1991, prediction limits for one further observation of a normal sample.
    """
    from scipy import stats

    values = np.array([scaled(value, scale, rows) for value in null], dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) < FEWEST:
        return f"only {len(values)} replicates have a value; {FEWEST} are wanted"
    centre = float(values.mean())
    spread = max(float(values.std(ddof=1)), least_spread(scale, rows, centre))
    one_sided = chance / 2 if side == "either" else chance
    reach = float(stats.t.isf(one_sided, len(values) - 1)) * spread * sqrt(1 + 1 / len(values))
    low = unscaled(centre - reach, scale, rows) if side != "above" else None
    high = unscaled(centre + reach, scale, rows) if side != "below" else None
    middle = unscaled(centre, scale, rows)
    parts = [f"at least {low:.4g}"] if low is not None else []
    parts += [f"at most {high:.4g}"] if high is not None else []
    return Limit(low, high, f"{' and '.join(parts)} (healthy: {round(middle, 9):.4g})")


def allot(
    gates: Sequence[Gate], nulls: Mapping[str, Sequence[float]], rows: int, budget: float, seed: int
) -> Allotment:
    """Shares the false-alarm budget out over the calibrated blocking gates.

    Gates that only warn get the same chance, beside the budget.

    Args:
        gates: The whole suite.
        nulls: (n_replicates,) values by statistic; the same place is the same replicate.
        rows: That each value was measured on.
        budget: Chance that any blocking gate fires on a healthy night.
        seed: Of the drawn nights.
    """
    wanted = {c.statistic for gate in gates for c in calibrated_conditions(gate)}
    names = sorted(wanted & set(nulls))
    matrix = correlations(nulls, names, rows)
    nights = dict(zip(names, _drawn_nights(_shrunk(matrix), seed).T, strict=True))
    votes = {gate.name: vote for gate in gates if (vote := _vote(gate, nights)) is not None}
    blocking = [votes[g.name] for g in gates if g.severity == "block" and g.name in votes]
    # A night raises a false alarm when its rarest vote is rarer than the chance of every gate.
    rarest = np.min([_rarity(vote) for vote in blocking], axis=0) if blocking else np.ones(1)
    per_gate = min(budget, float(np.quantile(rarest, budget)))
    chances: dict[tuple[str, Side], float] = {}
    for gate in gates:
        own = [c for c in calibrated_conditions(gate) if c.statistic in nights]
        at = [names.index(condition.statistic) for condition in own]
        sides = [side_of(condition) for condition in own]
        of_gate = _chances(sides, gate.any, matrix[np.ix_(at, at)], per_gate, seed)
        for condition, side, chance in zip(own, sides, of_gate, strict=True):
            # A figure that two gates read keeps the wider limit, so that neither overspends.
            key = condition.statistic, side
            chances[key] = min(chance, chances.get(key, 1.0))
    return Allotment(chances, per_gate, float((rarest <= per_gate).mean()))


def calibrated_conditions(gate: Gate) -> list[Condition]:
    """The conditions of a gate whose bound comes from a calibration."""
    return [condition for condition in gate.of if condition.bound.calibrated is not None]


def side_of(condition: Condition) -> Side:
    """Where harm lies for a calibrated condition."""
    return condition.bound.calibrated or metric_named(condition.measured).worse


def correlations(nulls: Mapping[str, Sequence[float]], names: Sequence[str], rows: int) -> Matrix:
    """(n, n) correlations of figures over replicates, on the scales of the figures.

    A replicate without a figure counts as the mean; a figure that never varies goes with none.
    """
    columns = np.zeros((len(names), max((len(nulls[name]) for name in names), default=0)))
    for row, name in zip(columns, names, strict=True):
        scale = metric_of(name).scale
        values = np.array([scaled(value, scale, rows) for value in nulls[name]], dtype=np.float64)
        good = np.isfinite(values)
        known = values[good]
        if len(known) and known.min() < known.max():
            row[good] = known - known.mean()
    norms = np.linalg.norm(columns, axis=1, keepdims=True)
    unit = columns / np.where(norms > 0, norms, 1.0)
    matrix: Matrix = unit @ unit.T
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _shrunk(matrix: Matrix) -> Matrix:
    return (1 - SHRINKAGE) * matrix + SHRINKAGE * np.eye(len(matrix))


def _drawn_nights(matrix: Matrix, seed: int) -> Matrix:
    """(DRAWS, n) standard normal figures of healthy nights with these correlations, or with the
    nearest that there can be."""
    values, vectors = np.linalg.eigh(matrix)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    root /= np.sqrt((root**2).sum(axis=1, keepdims=True))
    rng = np.random.default_rng(derived_seed("allot", seed))
    nights: Matrix = rng.standard_normal((DRAWS, len(matrix))) @ root.T
    return nights


def _vote(gate: Gate, nights: Mapping[str, FloatVector]) -> FloatVector | None:
    """(DRAWS,) what the gate turns on: of its calibrated figures the `any`-th furthest towards
    harm. Its other conditions are taken as quiet. None where it has no calibrated figure."""
    harm = [
        _harm(nights[condition.statistic], side_of(condition))
        for condition in calibrated_conditions(gate)
        if condition.statistic in nights
    ]
    return _decisive(np.array(harm), gate.any) if harm else None


def _decisive(harm: Matrix, votes: int) -> FloatVector:
    """(DRAWS,) of figures (n, DRAWS) the `votes`-th furthest towards harm."""
    found: FloatVector = np.sort(harm, axis=0)[-min(votes, len(harm))]
    return found


def _harm(figures: FloatVector, side: Side) -> FloatVector:
    return {"above": figures, "below": -figures, "either": np.abs(figures)}[side]


def _rarity(vote: FloatVector) -> FloatVector:
    """(DRAWS,) share of nights on which the vote lies at least as far towards harm."""
    rarity = np.empty(len(vote))
    rarity[np.argsort(-vote, kind="stable")] = np.arange(1, len(vote) + 1) / len(vote)
    return rarity


def _chances(
    sides: Sequence[Side], votes: int, matrix: Matrix, chance: float, seed: int
) -> list[float]:
    """The chance of every figure of a gate when the gate as a whole has this one.

    Args:
        sides: (n_figures,), where harm lies for each.
        votes: How many figures make a breach.
        matrix: (n_figures, n_figures), their correlations.
        chance: Of the gate on a healthy night.
        seed: Of the drawn nights.
    """
    from scipy import stats

    if len(sides) < 2:
        return [chance for _ in sides]
    signs = np.array([-1.0 if side == "below" else 1.0 for side in sides])
    either = np.array([side == "either" for side in sides])
    towards = matrix * np.outer(signs, signs)
    if votes > 1:
        both_ways = either[:, None] | either
        matrix = np.where(both_ways, np.abs(towards), np.maximum(towards, 0.0))
    else:
        matrix = _shrunk(towards)
    nights = _drawn_nights(matrix, seed).T
    decisive = _decisive(np.where(either[:, None], np.abs(nights), nights), votes)
    tail = float(stats.norm.sf(np.quantile(decisive, 1 - chance)))
    return [2 * tail if side == "either" else tail for side in sides]
