"""Blame: which template, teacher or judge a breach comes from.

Every version in a batch is looked at by itself, in draws of one size, for most figures move with
the number of rows. The one whose own figures are the worst is blamed where the batch is healed
without it: a template may be unlike the others and harm nobody, and where its teacher is at fault
the batch without it is as bad. Two versions at fault hide each other, so as many of the worst are
left out as heal the batch, as long as a gap lies between them and the rest. Where no such gap
stands out all are alike, and the fault lies above them: with the teacher, if templates were
looked at.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite, sqrt
from statistics import fmean, stdev

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.loop.decide import Reading
from collapse_pipeline.loop.gate import Condition
from collapse_pipeline.loop.limits import Scale, least_spread, scaled, side_of
from collapse_pipeline.loop.measure import drawn, figure, parts
from collapse_pipeline.metrics.catalogue import metric_named
from collapse_pipeline.metrics.evidence import BatchEvidence, Texts
from collapse_pipeline.records import derived_seed

FEWEST = 200  # rows of a version; with fewer nobody is blamed
# Spreads of the null by which the worst must lead the rest: two of many that are alike differ by
# three by chance.
STANDS_OUT = 4.0
HEALED = 0.5  # of the batch's harm; what is left without the worst must be less


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
        evidence: Of the batch that they were found on, best with all its rows.
        column: Whose versions are looked at.
        nulls: Values of the replicates by statistic; of a figure without replicates those of
            earlier nights.
        null_rows: Rows that each of those was measured on.
        seed: Of the draws.
    """
    conditions = [r.condition for r in readings if r.exceeded and not r.missing]
    versions = parts(evidence.synthetic, column, FEWEST)
    if not conditions or len(versions) < 2:
        return None

    def harm(texts: Texts, rows: int) -> float:
        some = drawn(texts.rows, rows, derived_seed(seed, "blame"))
        beside = evidence.on(Texts(some, texts.embedder, texts.column))
        return _harm(conditions, beside, nulls, null_rows)

    size = min(null_rows, *map(len, versions.values()))
    own = {name: harm(texts, size) for name, texts in versions.items()}
    ranked = sorted(own, key=lambda name: own[name], reverse=True)
    for place, (last, following) in enumerate(pairwise(ranked), 1):
        if own[last] - own[following] < STANDS_OUT:
            continue
        rest = _without(evidence.synthetic, column, ranked[:place])
        rows = min(null_rows, len(rest))
        whole = harm(evidence.synthetic, rows)
        if whole > 0 and harm(rest, rows) < HEALED * whole:
            return ranked[0]
    return None


def _without(texts: Texts, column: str, versions: Sequence[str]) -> Texts:
    out = pc.is_in(texts.rows[column], pa.array(versions, pa.string())).to_numpy()
    return texts.take(np.flatnonzero(~out).astype(np.int64))


def _harm(
    conditions: Sequence[Condition],
    evidence: BatchEvidence,
    nulls: Mapping[str, Sequence[float]],
    null_rows: int,
) -> float:
    """How far figures lie towards harm, in spreads of their nulls; the mean over conditions.

    The zero is the null's mean at another number of rows: compare draws of one size only.
    """
    rows = len(evidence.synthetic)
    distances = []
    for condition in conditions:
        metric = metric_named(condition.measured)
        found = figure(condition, evidence)  # NaN for a version whose rows state no fact
        value = scaled(found.value, metric.scale, rows)
        known = _scaled(nulls.get(condition.statistic, ()), metric.scale, null_rows)
        if not isfinite(value) or len(known) < 2:
            continue
        centre = fmean(known)
        spread = max(stdev(known), least_spread(metric.scale, null_rows, centre))
        distance = (value - centre) / (spread * sqrt(null_rows / rows))
        side = side_of(condition) if condition.bound.calibrated else metric.worse
        distances.append({"above": distance, "below": -distance, "either": abs(distance)}[side])
    return fmean(distances) if distances else 0.0


def _scaled(null: Sequence[float], scale: Scale, rows: int) -> list[float]:
    values = [scaled(value, scale, rows) for value in null]
    return [value for value in values if isfinite(value)]
