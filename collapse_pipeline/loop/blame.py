"""Blame: which template, teacher or judge a breach comes from.

Every version in a batch is looked at by itself, in draws of one size, for most figures move with
the number of rows. One is blamed when its own figures are clearly the worst and the batch without
it is better than the whole. Where none stands out all are alike, and the fault lies above them:
with the teacher, if templates were looked at.
"""

from collections.abc import Mapping, Sequence
from math import isfinite, sqrt
from statistics import fmean, stdev

from collapse_pipeline.loop.decide import Reading
from collapse_pipeline.loop.gate import Condition
from collapse_pipeline.loop.limits import Scale, least_spread, scaled, side_of
from collapse_pipeline.loop.measure import drawn, parts
from collapse_pipeline.metrics.catalogue import metric_named
from collapse_pipeline.metrics.evidence import BatchEvidence, Texts
from collapse_pipeline.records import derived_seed

FEWEST = 200  # rows of a version; with fewer nobody is blamed
STANDS_OUT = 3.0  # spreads of the null by which the worst must lead the next, over all conditions


def to_blame(
    readings: Sequence[Reading],
    evidence: BatchEvidence,
    column: str,
    nulls: Mapping[str, Sequence[float]],
    null_rows: int,
    seed: int,
) -> str | None:
    """The value of `column` (template or teacher) behind these readings, None if none stands out.

    Args:
        readings: What was found; only conditions that were exceeded count.
        evidence: The batch that they were found on.
        column: Whose versions are looked at.
        nulls: Values of the replicates by statistic.
        null_rows: Rows that each of those was measured on.
        seed: Of the draws.
    """
    conditions = [r.condition for r in readings if r.exceeded and not r.missing]
    versions = parts(evidence.synthetic, column, FEWEST)
    if not conditions or len(versions) < 2:
        return None
    size = min(len(texts) for texts in versions.values())
    equal = {name: _draw(texts, size, seed) for name, texts in versions.items()}
    own = {
        name: _harm(conditions, evidence.on(texts), nulls, null_rows)
        for name, texts in equal.items()
    }
    ranked = sorted(own, key=lambda name: own[name], reverse=True)
    worst = ranked[0]
    if own[worst] - own[ranked[1]] < STANDS_OUT:
        return None
    everyone = _pooled(list(equal.values()), size, evidence, seed)
    others = [texts for name, texts in equal.items() if name != worst]
    without = _pooled(others, size, evidence, seed)
    better = _harm(conditions, evidence.on(without), nulls, null_rows) < _harm(
        conditions, evidence.on(everyone), nulls, null_rows
    )
    return worst if better else None


def _draw(texts: Texts, size: int, seed: int) -> Texts:
    return Texts(drawn(texts.rows, size, derived_seed(seed, "blame")), texts.embedder, texts.column)


def _pooled(texts: Sequence[Texts], size: int, evidence: BatchEvidence, seed: int) -> Texts:
    """As many rows as each version has, drawn from all of these versions together."""
    import pyarrow as pa

    rows = pa.concat_tables([part.rows for part in texts])
    first = evidence.synthetic
    return _draw(Texts(rows, first.embedder, first.column), size, seed)


def _harm(
    conditions: Sequence[Condition],
    evidence: BatchEvidence,
    nulls: Mapping[str, Sequence[float]],
    null_rows: int,
) -> float:
    """How far figures lie towards harm, in spreads of their nulls, added up.

    The zero is the null's mean at another number of rows: compare draws of one size only.
    """
    rows = len(evidence.synthetic)
    total = 0.0
    for condition in conditions:
        metric = metric_named(condition.measured)
        value = scaled(float(metric.compute(evidence.of(condition.column))), metric.scale, rows)
        known = _scaled(nulls.get(condition.statistic, ()), metric.scale, null_rows)
        if not isfinite(value) or len(known) < 2:
            continue
        spread = max(stdev(known), least_spread(metric.scale, null_rows)) * sqrt(null_rows / rows)
        distance = (value - fmean(known)) / spread
        side = side_of(condition) if condition.bound.calibrated else metric.worse
        total += {"above": distance, "below": -distance, "either": abs(distance)}[side]
    return total


def _scaled(null: Sequence[float], scale: Scale, rows: int) -> list[float]:
    values = [scaled(value, scale, rows) for value in null]
    return [value for value in values if isfinite(value)]
