"""What the filter left out: figures that rise before the rows that are left look any different."""

from collapse_pipeline.metrics.evidence import FilteredEvidence, Metric

NEAR = ("exact_duplicate", "near_duplicate", "semantic_duplicate")


def drop_share(evidence: FilteredEvidence, reasons: tuple[str, ...]) -> float:
    """Share of the accepted rows that the filter left out for one of these reasons.

    Args:
        evidence: Accepted rows, and dropped ones by reason.
        reasons: The filter's own names, such as `near_duplicate`.

    Returns:
        Ratio in [0, 1]; 0 when none was left out, NaN when no row had been accepted. Rises with
        the size of the batch: compare equal sizes only. A row is counted under the first reason
        that holds, in the filter's order, so a share may fall because an earlier one rose.
    """
    if not evidence.accepted:
        return float("nan")
    return sum(evidence.dropped.get(reason, 0) for reason in reasons) / evidence.accepted


METRICS = (
    Metric(
        "dropped_duplicates",
        "filtered_batch",
        lambda e: drop_share(e, NEAR),
        "above",
        "Rows that repeat other rows of the same batch, as the filter found them.",
        "share",
    ),
    Metric(
        "dropped_earlier_duplicates",
        "filtered_batch",
        lambda e: drop_share(e, ("earlier_duplicate",)),
        "above",
        "Rows that repeat human rows or rows of earlier generations.",
        "share",
    ),
    Metric(
        "dropped_skeletons",
        "filtered_batch",
        lambda e: drop_share(e, ("skeleton_quota",)),
        "above",
        "Rows beyond the quota of their sentence mould.",
        "share",
    ),
    Metric(
        "eval_overlap",
        "filtered_batch",
        lambda e: drop_share(e, ("eval_overlap",)),
        "above",
        "Rows of the batch that give away a row that the students are measured on.",
        "share",
    ),
)
