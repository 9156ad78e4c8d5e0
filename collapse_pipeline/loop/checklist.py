"""Checklist: the seven dimensions of red lines, each with its evidence.

It runs at release, before every raised synthetic share and before every activation of a component
version. What nothing vouches for is a red line too.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from collapse_pipeline.loop.govern import Cause, Governance
from collapse_pipeline.loop.mix import HUMAN_RED_LINE
from collapse_pipeline.loop.pinned import Manifest
from collapse_pipeline.records import Frozen

NO_EVIDENCE = "no evidence"


class Dimension(StrEnum):
    """What a release is looked at for."""

    DATA_SOURCE = "data source"
    SAMPLE_DISTRIBUTION = "sample distribution"
    REPETITION = "repetition and similarity"
    EVALUATION_SYSTEM = "evaluation system"
    RATIO_CONTROL = "ratio control"
    MANUAL_REVIEW = "manual review"
    ROLLBACK = "rollback"


# What a gate's figures vouch for: by what they are measured on, but for these metrics.
OF_ASSET: Mapping[str, Dimension] = {
    "synthetic_batch": Dimension.SAMPLE_DISTRIBUTION,
    "judged_batch": Dimension.EVALUATION_SYSTEM,
    "filtered_batch": Dimension.REPETITION,
    "training_mix": Dimension.RATIO_CONTROL,
    "eval_report": Dimension.EVALUATION_SYSTEM,
    "release": Dimension.EVALUATION_SYSTEM,
}
_METRICS: Mapping[Dimension, tuple[str, ...]] = {
    Dimension.DATA_SOURCE: (
        "dominant_teacher_share",
        "dominant_template_share",
        "teacher_hhi",
        "template_hhi",
        "nights_alone",
    ),
    Dimension.REPETITION: (
        "exact_duplicates",
        "exact_duplicates_across",
        "near_duplicates",
        "near_duplicates_across",
        "skeleton_repetition",
        "top_skeleton_share",
        "repeated_4grams",
        "repeated_4grams_across",
        "distinct_1",
        "distinct_2",
        "distinct_3",
        "unigram_entropy",
        "self_bleu",
        "nearest_neighbour_ratio",
        "nearest_neighbour_ratio_across",
        "cluster_share",
        "vendi_score",
        "question_form_diversity",
        "distractor_diversity",
    ),
    Dimension.EVALUATION_SYSTEM: ("eval_overlap", "leaked_rows"),
    Dimension.MANUAL_REVIEW: ("review_shortfall",),
    Dimension.ROLLBACK: ("pin_faults",),
}
OF_METRIC: Mapping[str, Dimension] = {
    metric: dimension for dimension, metrics in _METRICS.items() for metric in metrics
}


class Row(Frozen):
    """One dimension of the checklist."""

    dimension: Dimension
    evidence: str
    red: bool  # whether this stops a release, a raise or an activation


class Wanted(Frozen):
    """What the checklist is run for."""

    as_of: str  # the day
    review_rows: int  # what a required review takes
    experiment_days: int  # an older experiment is no evidence
    share: float | None = None  # synthetic share that is asked for, where it is to be raised


def checklist(
    manifest: Manifest | None,
    values: Sequence[Mapping[str, Any]],
    governance: Governance,
    pins: Mapping[str, str],
    shares: Mapping[str, float],
    wanted: Wanted,
) -> list[Row]:
    """The seven rows, in the order of `Dimension`.

    Args:
        manifest: What is released, or is in force; None where there is nothing yet.
        values: Its rows of the table `gate_values`.
        governance: Of its corpus.
        pins: What a rollback to it takes, each with what is wrong with it, "" for nothing.
        shares: Synthetic share of every release of the line, by generation.
        wanted: What it is run for.
    """
    facts = {
        Dimension.DATA_SOURCE: _source(manifest),
        Dimension.SAMPLE_DISTRIBUTION: ([], []),
        Dimension.REPETITION: ([], []),
        Dimension.EVALUATION_SYSTEM: _evaluation(manifest),
        Dimension.RATIO_CONTROL: _ratio(manifest, governance, shares, wanted),
        Dimension.MANUAL_REVIEW: _review(manifest, governance, wanted),
        Dimension.ROLLBACK: _rollback(pins),
    }
    rows = []
    for dimension, (good, bad) in facts.items():
        passed, breached = _gates([v for v in values if dimension_of(v) is dimension], governance)
        faults = bad + breached
        said = "; ".join(faults + good + passed) or NO_EVIDENCE
        red = bool(faults) or said == NO_EVIDENCE
        rows.append(Row(dimension=dimension, evidence=said, red=red))
    return rows


def red_lines(rows: Sequence[Row]) -> list[str]:
    """Each red line in a sentence."""
    return [f"{row.dimension}: {row.evidence}" for row in rows if row.red]


def dimension_of(value: Mapping[str, Any]) -> Dimension:
    """The dimension that a row of `gate_values` vouches for."""
    metric = value["statistic"].partition("@")[0].partition(".")[0]
    return OF_METRIC.get(metric, OF_ASSET[value["asset"]])


_Facts = tuple[list[str], list[str]]  # what speaks for it, what against


def _gates(values: Sequence[Mapping[str, Any]], governance: Governance) -> _Facts:
    """What the gates of a dimension say; a breach that a person accepted stops nothing."""
    outcomes = {value["gate"]: value for value in values}
    # One figure of several may tell; the worst outcome of a gate stands for it.
    for value in values:
        if value["outcome"] == "breach":
            outcomes[value["gate"]] = value
    said: dict[str, list[str]] = {}
    bad = []
    for gate, value in outcomes.items():
        accepted = governance.accepted.get(gate)
        if value["outcome"] != "breach":
            said.setdefault(value["outcome"].replace("_", " "), []).append(gate)
        elif accepted is not None:
            said.setdefault(f"accepted {accepted.why}", []).append(gate)
        elif value["severity"] != "block":
            said.setdefault("warns", []).append(gate)
        else:
            bad.append(f"{gate} breached: {value['statistic']} {value['value']:.4g}")
    return [f"{outcome}: {', '.join(sorted(gates))}" for outcome, gates in said.items()], bad


def _source(manifest: Manifest | None) -> _Facts:
    if manifest is None:
        return [], []
    anchor = next((pin for pin in manifest.tables if pin.table == "human_anchor"), None)
    if anchor is None or not anchor.rows:
        return [], ["no human anchor is pinned"]
    parts = ", ".join(f"{name} {version}" for name, version in manifest.components.items())
    return [f"{anchor.rows:,} human rows pinned as {anchor.digest[:12]}", parts], []


def _evaluation(manifest: Manifest | None) -> _Facts:
    if manifest is None:
        return [], []
    points = [f"{suite.partition('@')[0]} {value:.3f}" for suite, value in manifest.points.items()]
    if not points:
        return [], ["no suite is large enough to decide a promotion"]
    return [f"measured on {', '.join(points)}"], []


def _ratio(
    manifest: Manifest | None,
    governance: Governance,
    shares: Mapping[str, float],
    wanted: Wanted,
) -> _Facts:
    if manifest is None or "human" not in manifest.shares:
        return [], []
    human, synthetic = manifest.shares["human"], manifest.shares["synthetic"]
    good, bad = [f"synthetic {synthetic:.1%}, depth {manifest.depth}"], []
    if human < HUMAN_RED_LINE:
        bad.append(f"human text is {human:.1%} of the mix, under {HUMAN_RED_LINE:.0%}")
    if wanted.share is not None:
        experiment = governance.experiment(wanted.as_of, wanted.experiment_days)
        proof = _proof(wanted.share, experiment, shares)
        (good if proof else bad).append(
            proof
            or f"{NO_EVIDENCE} for a synthetic share of {wanted.share:.1%}: "
            f"no experiment of the last {wanted.experiment_days} days supports so much, and no "
            "release stands on it"
        )
    return good, bad


def _proof(share: float, experiment: Cause | None, shares: Mapping[str, float]) -> str:
    """What supports a synthetic share: the experiment that counts, else a release that stood."""
    if experiment and experiment.payload["share"] >= share:
        return f"an experiment of {experiment.since} supports {experiment.payload['share']:.1%}"
    stood = [generation for generation, had in shares.items() if had >= share]
    return f"release {stood[-1]} stands on {shares[stood[-1]]:.1%}" if stood else ""


def _review(manifest: Manifest | None, governance: Governance, wanted: Wanted) -> _Facts:
    if manifest is None:
        return [], []
    due = governance.reviews_due(wanted.review_rows)
    if due:
        return [], [f"a review of {wanted.review_rows} rows is required {c.why}" for c in due]
    rows = len(governance.reviewed.get(manifest.generation, ()))
    return [f"{rows} of its rows are reviewed" if rows else "no gate requires a review"], []


def _rollback(pins: Mapping[str, str]) -> _Facts:
    bad = [f"{part}: {fault}" for part, fault in pins.items() if fault]
    good = sum(not fault for fault in pins.values())
    return [f"{good} pinned parts are there and hash right"] if good else [], bad
