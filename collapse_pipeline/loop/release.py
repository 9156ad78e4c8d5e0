"""Release: whether a candidate may replace the release in force. Non-inferiority to the best
release so far on every primary suite, and a model that still knows real text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from pydantic import Field

from collapse_pipeline.loop.evaluate import AUDIT, BASELINE, CANDIDATE
from collapse_pipeline.loop.mix import HUMAN_RED_LINE
from collapse_pipeline.records import Frozen, Verdict


class ReleasePolicy(Frozen):
    """The bounds of a promotion."""

    enforce: bool = True
    point: float = Field(0.98, gt=0)  # candidate over best release
    bound: float = Field(0.96, gt=0)  # the one-sided 97.5% lower bound of that ratio
    perplexity_ratio: float = Field(1.5, gt=1)  # real text, candidate over human-only


@dataclass(frozen=True)
class Decision:
    """What the rule says; `breaches` are named `rule:suite`, each with a sentence."""

    verdict: Verdict
    breaches: Mapping[str, str]
    gain: str


def decide(
    report: Sequence[Mapping[str, Any]], human_share: float, policy: ReleasePolicy
) -> Decision:
    """Applies the promotion rule to a generation's evaluation report.

    A comparison that is missing or NaN where it applies is a breach, never a pass. With
    `policy.enforce` off the breaches are still named, and the verdict is promoted.
    """
    breaches: dict[str, str] = {}
    if human_share < HUMAN_RED_LINE:
        breaches["human_floor"] = (
            f"human text is {human_share:.0%} of the mix; the red line is {HUMAN_RED_LINE:.0%}"
        )
    comparisons = [row for row in report if row["metric"].endswith(".ratio_to_best")]
    for row in comparisons:
        breaches |= _non_inferior(row, policy)
    perplexities = {
        row["suite"]: row["value"]
        for row in report
        if row["metric"] == f"perplexity.ratio_to_{BASELINE}" and row["suite"] != AUDIT
    }
    ratio = perplexities.get("standard", float("nan"))
    if isnan(ratio) or ratio > policy.perplexity_ratio:
        breaches["real_perplexity:standard"] = (
            f"perplexity on real text is {ratio:.2f} times the human-only baseline's; "
            f"at most {policy.perplexity_ratio:g} is allowed"
        )
    if not comparisons:
        breaches["no_primary_suite"] = "no suite is large enough to decide a promotion"
    blocked = bool(breaches) and policy.enforce
    verdict = Verdict.QUARANTINED if blocked else Verdict.PROMOTED
    return Decision(verdict, breaches, gain_against_human_only(report))


def _non_inferior(row: Mapping[str, Any], policy: ReleasePolicy) -> dict[str, str]:
    metric = row["metric"].removesuffix(".ratio_to_best")
    point, low = row["value"], row["low"]
    if isnan(point) or low is None or isnan(low):
        return {f"{metric}:{row['suite']}": f"{metric} on {row['suite']} could not be compared"}
    if point >= policy.point and low >= policy.bound:
        return {}
    return {
        f"{metric}:{row['suite']}": (
            f"{metric} on {row['suite']} is {point:.3f} of the best release's "
            f"(lower bound {low:.3f}); at least {policy.point:g} and {policy.bound:g} are wanted"
        )
    }


def gain_against_human_only(report: Sequence[Mapping[str, Any]]) -> str:
    """Gain or loss against the human-only baseline on every primary suite, in words."""
    parts = []
    for row in report:
        metric, _, reference = row["metric"].partition(".ratio_to_")
        if reference != BASELINE or metric == "perplexity":
            continue
        low, high = row["low"], row["high"]
        if low is not None and low > 1:
            word = "gain"
        elif high is not None and high < 1:
            word = "loss"
        else:
            word = "no clear difference"
        parts.append(f"{row['suite']} {metric} {row['value'] - 1:+.1%} ({word})")
    return "; ".join(parts) or "not compared: no primary suite"


def metrics_of(report: Sequence[Mapping[str, Any]], model: str) -> dict[str, float | None]:
    """One model's figures as `<suite>.<metric>`, with perplexity.real and perplexity.synthetic.

    Not-a-number becomes None, so that the result is valid JSON.
    """
    values: dict[str, float | None] = {}
    for row in report:
        if row["model"] != model or row["scope"] or row["metric"] == "rows":
            continue
        value = None if isnan(row["value"]) else row["value"]
        values[f"{row['suite']}.{row['metric']}"] = value
        if row["metric"] == "perplexity" and row["suite"] in ("standard", "synthetic"):
            name = "real" if row["suite"] == "standard" else "synthetic"
            values[f"perplexity.{name}"] = value
    return values


def primary_points(report: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The candidate's primary metric by `suite@version`, for later nights to find the best."""
    primary = {
        (row["suite"], row["metric"].removesuffix(".ratio_to_best"))
        for row in report
        if row["metric"].endswith(".ratio_to_best")
    }
    return {
        f"{row['suite']}@{row['suite_version']}": row["value"]
        for row in report
        if row["model"] == CANDIDATE
        and (row["suite"], row["metric"]) in primary
        and not row["scope"]
    }
