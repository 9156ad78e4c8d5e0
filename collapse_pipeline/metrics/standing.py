"""Where the candidate stands beside the best release and the human-only baseline, read from the
evaluation report."""

from collections.abc import Mapping

from collapse_pipeline.metrics.evidence import NAN, Metric, Need, ReportEvidence

# Names under which the report has its models; a best release that is neither of the last two is
# `release <date>`.
CANDIDATE, INCUMBENT, BASELINE = "candidate", "incumbent", "baseline"
STANDARD = "standard"  # the suite that others are compared with
SHADOW = "shadow"  # the newest real rows
SYNTHETIC_ROWS = "synthetic"  # what the report calls tonight's batch


def best_of(evidence: ReportEvidence, suite: str) -> str:
    """The name in the report of the best release of a suite.

    Only suites that decide a promotion have one of their own. Others take that of the standard
    suite, and where nothing decides, the incumbent or else the baseline.
    """
    for named in (suite, STANDARD):
        for row in evidence.report:
            if row["suite"] == named and row["metric"].endswith(".ratio_to_best"):
                return str(row["note"])
    reported = {row["model"] for row in evidence.report}
    return INCUMBENT if INCUMBENT in reported else BASELINE


def over(candidate: float, reference: float) -> float:
    """The candidate's figure over another model's on the same rows.

    Args:
        candidate: 0 or more.
        reference: 0 or more.

    Returns:
        Ratio, 0 or more; 1 when both are equal, NaN when either is missing or the reference is 0.
        Trap: it moves by 0.01 by chance where 500 rows at accuracy 0.85 were answered by two
        models that differ on 6% of them.
    """
    return candidate / reference if reference > 0 else NAN


def robustness(
    candidate: tuple[float, float],
    best: tuple[float, float],
) -> float:
    """How much of its standard accuracy the candidate keeps on harder text, beside the best.

    Args:
        candidate: Accuracy on the harder suite, and on the standard one.
        best: The same of the best release.

    Returns:
        Ratio of the two shares kept; 1 when the candidate keeps as much, below when it is more
        fragile, NaN when a figure is missing or 0. Trap: a candidate that is worse on both keeps
        its share, so read it beside the accuracy.
    """
    return over(over(*candidate), over(*best))


def shadow_lag(shadow: float, standard: float) -> float:
    """By how much the candidate's standing on the newest real text differs from its standing on
    the standard suite.

    Args:
        shadow: Accuracy of the candidate on the shadow suite over the best release's.
        standard: The same of the standard suite.

    Returns:
        Difference of the two ratios; 0 when both suites say the same, below 0 when the shadow
        suite falls behind, NaN when a ratio is missing. Trap: a shadow suite is small (300
        rows move its ratio by 0.015 by chance), and a rise on the standard suite alone lags too.
    """
    return shadow - standard


def group_gap(candidate: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    """By how much the candidate widens the gap between groups of people.

    Args:
        candidate: Accuracy by group, written `attribute=value`.
        baseline: The same of the human-only baseline, on the same rows.

    Returns:
        In [-1, 1]: of all attributes the largest difference between the candidate's gap (its best
        group less its worst) and the baseline's. 0 when both treat groups alike, above 0 when
        synthetic rows widened the gap. NaN when no attribute has two groups in both. Trap: a gap
        is a largest less a smallest, and so above 0 by chance: with five groups of 100 rows at
        accuracy 0.85 it is 0.08 for a fair model. The baseline's has the same chance in it, on the
        same rows, so their difference moves by 0.03 only, and by 0.015 with 300 rows a group.
    """
    shared = sorted(candidate.keys() & baseline.keys())
    by_attribute: dict[str, list[str]] = {}
    for group in shared:
        by_attribute.setdefault(group.partition("=")[0], []).append(group)
    widened = [
        _gap(candidate, groups) - _gap(baseline, groups)
        for groups in by_attribute.values()
        if len(groups) > 1
    ]
    return max(widened, default=NAN)


def _gap(accuracy: Mapping[str, float], groups: list[str]) -> float:
    values = [accuracy[group] for group in groups]
    return max(values) - min(values)


def _over_best(evidence: ReportEvidence, metric: str, suite: str) -> float:
    best = best_of(evidence, suite)
    return over(evidence.value(CANDIDATE, metric, suite), evidence.value(best, metric, suite))


def _over_baseline(evidence: ReportEvidence, metric: str, suite: str) -> float:
    ours, theirs = (evidence.value(model, metric, suite) for model in (CANDIDATE, BASELINE))
    return over(ours, theirs)


def _robustness(evidence: ReportEvidence, suite: str) -> float:
    candidate, best = (
        (evidence.value(model, "accuracy", suite), evidence.value(model, "accuracy", STANDARD))
        for model in (CANDIDATE, best_of(evidence, suite))
    )
    return robustness(candidate, best)


def _lag(evidence: ReportEvidence, suite: str) -> float:
    shadow, standard = (_over_best(evidence, "accuracy", name) for name in (suite, STANDARD))
    return shadow_lag(shadow, standard)


def _confidence_rise(evidence: ReportEvidence, suite: str) -> float:
    ours, theirs = (
        evidence.value(model, "mean_confidence", suite) for model in (CANDIDATE, BASELINE)
    )
    return ours - theirs


def _group_gap(evidence: ReportEvidence, suite: str) -> float:
    candidate, baseline = (
        {
            str(row["scope"]): float(row["value"])
            for row in evidence.report
            if row["model"] == model
            and (row["suite"], row["metric"]) == (suite, "accuracy")
            and row["scope"]
        }
        for model in (CANDIDATE, BASELINE)
    )
    return group_gap(candidate, baseline)


METRICS = (
    Metric(
        name="accuracy_over_best",
        asset="eval_report",
        compute=lambda evidence, suite: _over_best(evidence, "accuracy", suite),
        worse="below",
        meaning="Accuracy of the candidate over that of the best release so far.",
        scale="positive",
        needs=(Need.LABELS,),
    ),
    Metric(
        name="accuracy_over_baseline",
        asset="eval_report",
        compute=lambda evidence, suite: _over_baseline(evidence, "accuracy", suite),
        worse="below",
        meaning="Accuracy of the candidate over that of a student of human rows only.",
        scale="positive",
        needs=(Need.LABELS,),
    ),
    Metric(
        name="perplexity_over_best",
        asset="eval_report",
        compute=lambda evidence, suite: _over_best(evidence, "perplexity", suite),
        worse="above",
        meaning="Perplexity of the candidate on real text over that of the best release so far.",
        scale="positive",
    ),
    Metric(
        name="perplexity_over_baseline",
        asset="eval_report",
        compute=lambda evidence, suite: _over_baseline(evidence, "perplexity", suite),
        worse="above",
        meaning="Perplexity of the candidate on real text over that of a student of human rows.",
        scale="positive",
    ),
    Metric(
        name="robustness",
        asset="eval_report",
        compute=_robustness,
        worse="below",
        meaning="How much of its standard accuracy the candidate keeps here, beside the best.",
        scale="positive",
        needs=(Need.LABELS,),
    ),
    Metric(
        name="shadow_lag",
        asset="eval_report",
        compute=_lag,
        worse="below",
        meaning="How the candidate stands on the newest real text, less how it stands on the "
        "standard suite, each beside the best release.",
        needs=(Need.LABELS,),
    ),
    Metric(
        name="out_of_scope_confidence_rise",
        asset="eval_report",
        compute=_confidence_rise,
        worse="above",
        meaning="How much surer the candidate is of text outside its task than the baseline is.",
        needs=(Need.LABELS,),
    ),
    Metric(
        name="ece",
        asset="eval_report",
        compute=lambda evidence, suite: evidence.value(CANDIDATE, "ece", suite),
        worse="above",
        meaning="How far the candidate's confidence lies from how often it is right.",
        scale="share",
        needs=(Need.LABELS,),
    ),
    Metric(
        name="group_gap",
        asset="eval_report",
        compute=_group_gap,
        worse="above",
        meaning="By how much the candidate widens the gap in accuracy between groups of people.",
        needs=(Need.LABELS, Need.GROUPS),
    ),
)
