"""Trends: what moves from one generation to the next, where no single night looks wrong."""

from collections.abc import Sequence
from math import log

import numpy as np

from collapse_pipeline.metrics.evidence import NAN, Metric, Need, ReportEvidence
from collapse_pipeline.metrics.standing import CANDIDATE, SYNTHETIC_ROWS

WINDOW = 12  # generations that a trend is sought over
FALL = 0.05  # of a log perplexity, one night to the next: chance alone moves it by 0.03
REAL_SUITES = ("standard", "long_tail")
GAIN = 0.01  # a smaller gain is none: chance alone moves real text by 0.004


def trend_z(values: Sequence[float], window: int = WINDOW) -> float:
    """How steadily a figure rises or falls over the newest generations of one lineage.

    The statistic of Mann and Kendall, corrected for ties and continuity: of all pairs of nights,
    how many rise and how many fall. Only the order of the values counts, not their size.

    Args:
        values: One figure a generation, oldest first, quarantined generations included. NaN is
            left out.
        window: How many of the newest values count, so that a rise that is over, or the gains of
            the first weeks, do not hide what is going on now.

    Returns:
        About standard normal where nothing moves; above 0 when values rise, below when they fall;
        0 where fewer than three values differ. Few values cannot be far out: three give at most
        1.04, five 2.20, six 2.63, seven 3.00 (and only when all seven rise), twelve 4.46.

        Chance of 3 or more on one night where nothing moves: exactly 0 up to six values, 1 in
        5,040 with seven, 0.0004 with twelve (the normal's 0.0013 is never passed). Looked at every
        night, a window of twelve gives a first false alarm after 2,900 nights on average where
        nights are independent, 530 where neighbouring nights correlate by 0.3, and 200 by 0.5; at
        3.5 after 70,000, 5,800 and 1,400. Nights of one lineage share rows, so use 3.5 where much
        hangs on it. A rise of half a standard deviation a generation takes 10 nights to reach 3
        and 17 to reach 3.5; one of a whole standard deviation 8 and 10.

        Trap: a healthy line that is still learning has trends too. A trend that stops is
        forgotten after `window` nights, whatever harm it did.

    Source:
        Mann 1945; Kendall 1975, chapter 4.
    """
    recent = np.array([value for value in values if value == value][-window:], dtype=np.float64)
    count = len(recent)
    later, earlier = np.tril_indices(count, -1)
    # Compared, not subtracted: infinite values have a place in the order too.
    rises = int((recent[later] > recent[earlier]).sum())
    score = rises - int((recent[later] < recent[earlier]).sum())
    _, ties = np.unique(recent, return_counts=True)
    variance = _spread(count) - float(sum(map(_spread, ties)))
    if abs(score) <= 1 or variance <= 0:
        return 0.0
    return float((score - np.sign(score)) / np.sqrt(variance))


def _spread(count: int) -> float:
    """Variance of rises minus falls among so many untied values in random order."""
    return count * (count - 1) * (2 * count + 5) / 18


def perplexity_gap(real: float, synthetic: float) -> float:
    """How much more surprised a model is by real text than by what was written for it.

    Args:
        real: The candidate's perplexity on real text that it was not trained on, 1 or more.
        synthetic: Its perplexity on tonight's synthetic batch.

    Returns:
        Difference of their logarithms, in nats a token; 0 when both are equally likely, NaN when
        either is. Trap: rows of the batch that were kept are in the training mix, so the gap is
        above 0 in every healthy night (1.9 to 2.2 for n-grams of Banking77), and its size says
        nothing without a null. Collapse from real text alone shows more clearly in the
        perplexity against the baseline's: read the gap for its trend.
    """
    if not (real >= 1 and synthetic >= 1):  # NaN is in no order
        return NAN
    return float(np.subtract(log(real), log(synthetic)))


def smoother_but_worse(
    synthetic: tuple[float, float],
    real: tuple[float, float],
    fall: float = FALL,
    gain: float = GAIN,
) -> float:
    """Whether written text became easier to predict while real text did not.

    Args:
        synthetic: Perplexity of the candidate on its own night's batch: earlier, tonight.
        real: Perplexity on the same real rows: earlier, tonight.
        fall: Least fall of the log of the first that counts.
        gain: Least fall of the log of the second that counts as a gain.

    Returns:
        1 when the first fell and the second gained nothing, else 0; NaN when a perplexity is
        missing. Trap: one night is a sign and no proof. The first night at a greater depth falls
        by 0.1 to 0.2 and is healthy; under `replace` n-grams fall by 0.07 in every generation. So
        ask for two nights in a row.
    """
    values = np.array([*synthetic, *real])
    if not (values >= 1).all():
        return NAN
    (before, tonight), (real_before, real_tonight) = np.log(values).reshape(2, 2)
    smoother = tonight <= before - fall
    gained = real_tonight <= real_before - gain
    return float(smoother and not gained)


def _perplexity(evidence: ReportEvidence, suite: str) -> float:
    return evidence.value(CANDIDATE, "perplexity", suite)


def _gap(evidence: ReportEvidence, suite: str) -> float:
    return perplexity_gap(_perplexity(evidence, suite), _perplexity(evidence, SYNTHETIC_ROWS))


def _version(evidence: ReportEvidence, suite: str) -> str:
    """Which version of a suite a report is about, "" where it has none."""
    return next((str(r["suite_version"]) for r in evidence.report if r["suite"] == suite), "")


def _smoother(evidence: ReportEvidence) -> float:
    # NaN on one of them is NaN: what cannot be had is never good news.
    return float(np.max([_smoother_on(evidence, suite) for suite in REAL_SUITES]))


def _smoother_on(evidence: ReportEvidence, suite: str) -> float:
    """Against the newest earlier report on the same rows; 0 where there is none."""
    for rows in evidence.history:
        earlier = ReportEvidence(rows)
        if _version(earlier, suite) == _version(evidence, suite) != "":
            return smoother_but_worse(
                (_perplexity(earlier, SYNTHETIC_ROWS), _perplexity(evidence, SYNTHETIC_ROWS)),
                (_perplexity(earlier, suite), _perplexity(evidence, suite)),
            )
    return 0.0


METRICS = (
    Metric(
        name="perplexity_gap",
        asset="eval_report",
        compute=_gap,
        worse="above",
        meaning="How much more the candidate is surprised by real text than by written text.",
    ),
    Metric(
        name="smoother_but_worse",
        asset="eval_report",
        compute=_smoother,
        worse="above",
        meaning="Whether written text became easier to predict while real or rare text did not.",
        scale="share",
        needs=(Need.EARLIER,),
        per_suite=False,
    ),
)
