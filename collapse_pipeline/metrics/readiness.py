"""Whether a night may be released, besides what its figures say."""

from math import ceil

from collapse_pipeline.metrics.evidence import Metric, ReleaseEvidence


def review_shortfall(evidence: ReleaseEvidence) -> float:
    """How many rows a person should still review before this release.

    A review is wanted where a component is new: its rows are of a kind that nobody has seen.

    Returns:
        0 or more rows: the density's share of the kept rows, rounded up, less those reviewed; 0
        where no component changed or the density is 0.
    """
    if not evidence.changed_components:
        return 0.0
    wanted = ceil(round(evidence.review_density * evidence.kept_rows, 9))
    return float(max(0, wanted - evidence.reviewed_rows))


METRICS = (
    Metric(
        "pin_faults",
        "release",
        lambda e: float(e.pin_faults),
        "above",
        "Pinned tables, models or components that are missing or are not what was pinned.",
    ),
    Metric(
        "outside_suites",
        "release",
        lambda e: float(e.outside_suites),
        "below",
        "Shadow, long-tail and external suites that apply and are recent enough.",
    ),
    Metric(
        "review_shortfall",
        "release",
        review_shortfall,
        "above",
        "Rows that a person should still have reviewed since a component changed.",
    ),
    Metric(
        "nights_alone",
        "release",
        lambda e: float(e.nights_alone),
        "above",
        "Generations in a row that one teacher wrote alone, with no correction from outside.",
    ),
    Metric(
        "calibration_faults",
        "release",
        lambda e: float(e.calibration_faults),
        "above",
        "Reasons why the calibration in force does not fit tonight.",
    ),
)
