"""Gradient: what the synthetic share does to a student, from chains that differ in it alone.

Where quality begins to fall faster, where rare cases begin to lose before the common ones do, and
the largest share that the release rule, the gates and the red line all let pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import floor, isnan, log, nan
from typing import Any

import numpy as np

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.loop.experiment_bands import (
    Cell,
    Figure,
    band,
    by_variant,
    fired,
    last_figures,
    left_out,
    reached,
)
from collapse_pipeline.loop.mix import HUMAN_RED_LINE
from collapse_pipeline.loop.release import ReleasePolicy
from collapse_pipeline.metrics.comparison import (
    Ratio,
    perplexity_ratio_interval,
    ratio_interval,
)
from collapse_pipeline.metrics.inflection import segmented
from collapse_pipeline.metrics.standing import STANDARD
from collapse_pipeline.records import derived_seed

TAIL = "long_tail"
PERPLEXITY = (STANDARD, "perplexity.ratio_to_baseline")
NEAR = 0.005  # by which a mix may miss its share and count as having it
Document = dict[str, Any]


def gradient(cells: Sequence[Cell], policy: ReleasePolicy, seed: int) -> Document:
    """What the cells of a ratio experiment say.

    Args:
        cells: Every share with every seed; share 0 among them.
        policy: The release rule, with share 0 as what is compared with.
        seed: Of bootstrap and test.

    Returns:
        `shares`, one row each with its ratios to share 0 and what it breaks; `bands` of every
        figure; `inflection` of the main metric and of `perplexity`; `tail`; `cap` with its reason.

    Raises:
        BadInputError: Share 0 is missing, or a share lacks a seed.
    """
    own = by_variant(sorted(cells, key=lambda cell: float(cell["share"])))
    _check(own)
    (_, none), *_ = own.items()
    rows = [_row(found, none, policy, seed) for found in own.values()]
    over = [row for found in own.values() for row in bands(found, none)]
    return {
        "shares": rows,
        "bands": over,
        "inflection": _inflection(cells, (STANDARD, metric_of(cells)), seed),
        "perplexity": _inflection(cells, PERPLEXITY, seed),
        "tail": _tail(rows, over),
        "cap": _cap(rows, policy),
        "left_out": left_out(cells),
    }


def _check(own: Mapping[str, Sequence[Cell]]) -> None:
    seeds = {name: [cell["seed"] for cell in found] for name, found in own.items()}
    if not own or next(iter(own.values()))[0]["share"] != 0:
        raise BadInputError("share 0 among the shares", ", ".join(own) or "none", "add 0")
    if len({tuple(found) for found in seeds.values()}) > 1:
        raise BadInputError("the same seeds of every share", str(seeds), "work the others out")


def _row(cells: Sequence[Cell], none: Sequence[Cell], policy: ReleasePolicy, seed: int) -> Document:
    ratios = _ratios(cells, none, seed)
    perplexity = band(last_figures(cell).get(PERPLEXITY, nan) for cell in cells)
    row = {
        "share": float(cells[0]["share"]),
        "reached": reached(cells),
        "seeds": len(cells),
        "suites": {suite: ratio | {"metric": metric_of(cells)} for suite, ratio in ratios.items()},
        "perplexity_ratio": perplexity.mean if perplexity else nan,
        "fired": fired(cells),
    }
    return row | {"breaks": _breaks(row, policy)}


def metric_of(cells: Sequence[Cell]) -> str:
    """The main metric of an experiment: accuracy, or token likelihood where there are no labels."""
    labelled = any("right" in answers for answers in cells[0]["rows"].values())
    return "accuracy" if labelled else "token_likelihood"


def _ratios(cells: Sequence[Cell], none: Sequence[Cell], seed: int) -> dict[str, dict[str, float]]:
    """Of every primary suite the figure over share 0's, with one-sided 97.5% bounds.

    Rows are drawn again, each with what the students of all seeds made of it.
    """
    found = {}
    for suite in cells[0]["rows"]:
        ours, theirs = ([cell["rows"][suite] for cell in side] for side in (cells, none))
        own = derived_seed(seed, "gradient", suite)
        ratio = _right(ours, theirs, own) if "right" in ours[0] else _likely(ours, theirs, own)
        found[suite] = asdict(ratio)
    return found


def _right(
    ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]], seed: int
) -> Ratio:
    means = [
        np.mean([[mark == "1" for mark in one["right"]] for one in side], axis=0)
        for side in (ours, theirs)
    ]
    return ratio_interval(means[0], means[1], seed)


def _likely(
    ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]], seed: int
) -> Ratio:
    losses = [np.sum([one["losses"] for one in side], axis=0) for side in (ours, theirs)]
    tokens = np.sum([one["tokens"] for one in ours], axis=0)
    ratio = perplexity_ratio_interval(losses[0], losses[1], tokens, seed)
    return Ratio(1 / ratio.point, 1 / ratio.high, 1 / ratio.low)


def _breaks(row: Document, policy: ReleasePolicy) -> list[str]:
    """What stops a loop with this share, each in a sentence."""
    said = []
    if row["reached"] > 1 - HUMAN_RED_LINE + 1e-9:
        human = 1 - row["reached"]
        said.append(f"human text is {human:.0%} of the mix; the red line is {HUMAN_RED_LINE:.0%}")
    if not row["suites"]:
        said.append("no suite is large enough to decide a promotion")
    for suite, ratio in row["suites"].items():
        holds = ratio["point"] >= policy.point and ratio["low"] >= policy.bound
        if not holds and row["share"] > 0:
            unsure = "" if ratio["high"] < 1 else ", no clear loss, but none is ruled out"
            said.append(
                f"{ratio['metric']} on {suite} is {ratio['point']:.3f} of share 0's "
                f"(lower bound {ratio['low']:.3f}{unsure})"
            )
    perplexity = row["perplexity_ratio"]
    if isnan(perplexity) or perplexity > policy.perplexity_ratio:
        said.append(f"perplexity on real text is {perplexity:.2f} times the human-only baseline's")
    for gate, seeds in row["fired"].items():
        if 2 * seeds > row["seeds"]:
            said.append(f"the gate {gate} fires in {seeds} of {row['seeds']} seeds")
    return said


def _cap(rows: Sequence[Document], policy: ReleasePolicy) -> Document:
    """The largest share up to which nothing is broken."""
    rule = (
        f"every primary suite keeps {policy.point:g} of what human text alone gives (lower bound "
        f"{policy.bound:g}), perplexity on real text stays within {policy.perplexity_ratio:g} of "
        "the baseline's, and no gate fires in most seeds"
    )
    good = 0.0
    for row in rows[1:]:
        if row["breaks"]:
            at = f"at {row['share']:.0%} {'; '.join(row['breaks'])}"
            begins = (
                f"{good:.0%} is the largest share" if good else "no share that was tried is one"
            )
            return {"share": good, "reason": f"{begins} up to which {rule}: {at}"}
        near = row["reached"] >= row["share"] - NEAR
        good = max(good, row["share"] if near else floor(100 * row["reached"]) / 100)
    reason = f"up to {good:.0%} {rule}; no larger share was tried"
    return {"share": good, "reason": reason}


def _tail(rows: Sequence[Document], over: Sequence[Document]) -> Document:
    """Where rare cases begin to lose, and whether the common ones do by then.

    A loss is clear when both the rows and the seeds say so: the upper bounds of either lie below 1.
    """
    if not rows[0]["suites"].keys() >= {STANDARD, TAIL}:
        return {"share": None, "reason": f"there is no primary suite {TAIL} beside {STANDARD}"}
    highs = {(band["share"], band["suite"], band["metric"]): band["high"] for band in over}

    def loses(row: Document, suite: str) -> bool:
        ratio = row["suites"][suite]
        of_seeds = highs.get((row["share"], suite, ratio["metric"]))
        return ratio["high"] < 1 and (of_seeds is None or of_seeds < 1)

    shares = {
        suite: [row["share"] for row in rows if loses(row, suite)] for suite in (STANDARD, TAIL)
    }
    alone = [share for share in shares[TAIL] if share not in shares[STANDARD]]
    first = {suite: found[0] if found else None for suite, found in shares.items()}
    if alone:
        reason = f"at {alone[0]:.0%} the {TAIL} suite clearly loses while {STANDARD} does not"
    elif first[TAIL] is not None:
        reason = f"wherever the {TAIL} suite clearly loses, from {first[TAIL]:.0%}, {STANDARD} does"
    else:
        reason = f"the {TAIL} suite clearly loses at no share"
    return {"share": alone[0] if alone else None, "reason": reason, "loses_from": first}


def _inflection(cells: Sequence[Cell], figure: Figure, seed: int) -> Document:
    """Where a figure begins to change at another rate; a perplexity by its logarithm.

    The interval ends at the last share but one, behind which no break can be told.
    """
    suite, metric = figure
    scale = log if figure == PERPLEXITY else float
    points = [
        (float(cell["turns"][-1]["share"]), scale(value), cell["seed"])
        for cell in cells
        if not isnan(value := last_figures(cell).get(figure, nan))
    ]
    told = {"suite": suite, "metric": metric}
    name = f"{'log ' if figure == PERPLEXITY else ''}{metric} on {suite}"
    try:
        x, y, group = zip(*points, strict=True) if points else ((), (), ())
        fit = segmented(x, y, group, derived_seed(seed, "inflection", metric))
    except TooFewSamplesError as fault:
        return told | {"found": False, "reason": f"no inflection of {name} found: {fault}"}
    reason = (
        f"{name} has a slope of {fit.before:+.3f} before and {fit.after:+.3f} behind {fit.at:.0%} "
        f"(95% interval {fit.low:.0%} to {fit.high:.0%})"
    )
    if not fit.found:
        why = f"two pieces are not clearly better than one (p {fit.p:.2f})"
        reason = f"no inflection of {name} found: {why}"
    return told | asdict(fit) | {"reason": reason}


def bands(cells: Sequence[Cell], none: Sequence[Cell]) -> list[Document]:
    """Every figure of the last turn over the seeds of one share, and over share 0's of the same
    seed: what human rows a seed happens to have cancels out there."""
    ours, theirs = ([last_figures(cell) for cell in side] for side in (cells, none))
    place = {"share": float(cells[0]["share"]), "reached": reached(cells), "seeds": len(cells)}
    found = []
    for figure in ours[0]:
        values = [one.get(figure, nan) for one in ours]
        bases = [one.get(figure, nan) for one in theirs]
        ratios = [a / b if b else nan for a, b in zip(values, bases, strict=True)]
        if (mean := band(values)) is None or (over := band(ratios)) is None:
            continue
        found.append(
            place
            | {"suite": figure[0], "metric": figure[1], "mean": mean.mean}
            | {"over_none": over.mean, "low": over.low, "high": over.high, "each": ratios}
        )
    return found
