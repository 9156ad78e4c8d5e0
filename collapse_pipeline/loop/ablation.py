"""Ablation: what each link of the governed loop is worth, found by leaving it out alone.

The whole loop judges by quotas, filters, mixes in all human rows and rejected rows as labelled
negatives, and lets gates and the release rule hold turns back. Every other chain lacks one of these
and is the same in all else, seeds included.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from math import nan
from statistics import fmean
from typing import Any

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.chain import Parts
from collapse_pipeline.loop.experiment import MIX, WRITTEN, Variant
from collapse_pipeline.loop.experiment_bands import (
    Cell,
    Figure,
    band,
    by_variant,
    fired,
    last_figures,
    left_out,
)
from collapse_pipeline.loop.experiment_gradient import PERPLEXITY, TAIL
from collapse_pipeline.metrics.standing import CANDIDATE, STANDARD

WHOLE = "whole"
# Figures of which more is better; of all others less is.
RISING = ("accuracy", "macro_f1", "token_likelihood", "distinct_2", "vendi_score")
FALLING = (
    "perplexity.ratio_to_baseline",
    "ece",
    "skeleton_repetition",
    "wrong_fact_rate",
    "unwarranted_refusal_rate",
    "wrong_answer_rate",
)


class Link(StrEnum):
    """A link of the governed loop."""

    JUDGE = "judge"
    TEMPLATE_DIVERSITY = "template_diversity"
    HUMAN_INFUSION = "human_infusion"
    FAILED_SAMPLES = "failed_samples"
    NEAR_DUPLICATE_FILTER = "near_duplicate_filter"
    GATES = "gates"
    QUOTAS = "quotas"


def whole(parts: Parts) -> Variant:
    """The governed loop with all its links."""
    mix = parts.mix
    if mix.rejected_as == "nothing":
        mix = mix.model_copy(update={"rejected_as": "negatives"})
    return Variant(WHOLE, replace(parts, mix=mix), mix.synthetic_cap, gated=True)


def without(link: Link, loop: Variant) -> Variant:
    """The loop without one link, all else equal.

    Without the human rows under the mix, the red line that guards them is left out too: it would
    only hold every turn back.
    """
    changed = replace(loop, name=link.value)
    if link is Link.GATES:
        return replace(changed, gated=False)
    if link is Link.HUMAN_INFUSION:
        bare = replace(loop.parts, people=False)
        return replace(changed, parts=bare, cap=1.0, guarded=False)
    return replace(changed, parts=_LESS[link](loop.parts))


def _less_filter(parts: Parts) -> Parts:
    changes = {"near_duplicate": None, "semantic": None}  # exact repeats still go
    return replace(parts, filter=parts.filter.model_copy(update=changes))


def _less_quotas(parts: Parts) -> Parts:
    loose = parts.filter.model_copy(update={"skeleton_quota_share": 1.0})
    return replace(parts, quotas=False, filter=loose)


_LESS: Mapping[Link, Callable[[Parts], Parts]] = {
    Link.JUDGE: lambda p: replace(p, judge=p.judge.model_copy(update={"enforce": False})),
    Link.TEMPLATE_DIVERSITY: lambda p: replace(p, templates=p.templates[:1]),
    Link.FAILED_SAMPLES: lambda p: replace(
        p, mix=p.mix.model_copy(update={"rejected_as": "nothing"})
    ),
    Link.NEAR_DUPLICATE_FILTER: _less_filter,
    Link.QUOTAS: _less_quotas,
}


def nothing_to_act_on(link: Link, parts: Parts, labelled: bool) -> str:
    """Why a link does nothing in this corpus's loop, as far as the settings tell; "" where it may.

    Args:
        link: Which.
        parts: What the loop is made of.
        labelled: Whether the human rows have labels.
    """
    judging, filtering = parts.judge.enforce, parts.filter.enforce
    near = parts.filter.near_duplicate is not None or parts.filter.semantic is not None
    said = {
        Link.JUDGE: "" if judging else "the judge stops nothing (judge.enforce)",
        Link.TEMPLATE_DIVERSITY: "" if len(parts.templates) > 1 else "there is one template",
        Link.FAILED_SAMPLES: "" if judging else "the judge rejects nothing (judge.enforce)",
        Link.NEAR_DUPLICATE_FILTER: ""
        if filtering and near
        else "no near-duplicate is filtered (filter.enforce)",
        Link.QUOTAS: "" if judging or filtering else "nothing is selected by quota",
    }
    if link is Link.FAILED_SAMPLES and (parts.task is None or not labelled):
        return "labelled negatives teach a task model, and there is none"
    return said.get(link, "")


def links_of(names: Sequence[str]) -> list[Link]:
    """Links by their names.

    Raises:
        BadInputError: A name is unknown, or there is none.
    """
    known = {link.value for link in Link}
    strange = [name for name in names if name not in known]
    if strange or not names:
        raise BadInputError(
            f"links to leave out, of {', '.join(Link)}",
            ", ".join(map(repr, strange)) or "none",
            "mend --without",
        )
    return [Link(name) for name in dict.fromkeys(names)]


def worth(cells: Sequence[Cell], idle: Mapping[str, str]) -> dict[str, Any]:
    """What every link is worth, from chains with and without it.

    Args:
        cells: The whole loop and every other one with the same seeds.
        idle: Links that were not left out, each with why.

    Returns:
        `links`: of each, the differences of every figure of the last candidate, whole against
        without, turned so that above 0 the link helps, with Student's 95% interval over seeds;
        or why it is not applicable. `holds`: which link holds collapse back, in a sentence.

    Raises:
        BadInputError: A chain lacks a seed, or the whole loop is missing.
    """
    own = by_variant(cells)
    seeds = {tuple(cell["seed"] for cell in found) for found in own.values()}
    if WHOLE not in own or len(seeds) > 1:
        got = ", ".join(f"{name}: {len(found)}" for name, found in own.items())
        raise BadInputError("the whole loop and every other with the same seeds", got, "go on")
    links = {name: _not_applicable(why) for name, why in idle.items()}
    for name, found in own.items():
        if name != WHOLE:
            links[name] = _link(own[WHOLE], found)
    ordered = {link.value: links[link.value] for link in Link if link.value in links}
    return {
        "links": {name: link | {"headline": headline(link)} for name, link in ordered.items()},
        "holds": _holds(links) + _standing_still(own[WHOLE]),
        "whole": _state(own[WHOLE]),
        "left_out": left_out(cells),
    }


def _not_applicable(why: str) -> dict[str, Any]:
    return {"applicable": False, "why": why, "worth": []}


def _link(whole_loop: Sequence[Cell], found: Sequence[Cell]) -> dict[str, Any]:
    if [_told(cell) for cell in whole_loop] == [_told(cell) for cell in found]:
        return _not_applicable("nothing to act on: no figure of any chain changed without it")
    rows: list[dict[str, Any]] = []
    for figure in last_figures(whole_loop[0]):
        sign = _sign(figure)
        ours, theirs = ([last_figures(c).get(figure, nan) for c in s] for s in (whole_loop, found))
        difference = band(sign * (a - b) for a, b in zip(ours, theirs, strict=True))
        if sign and difference is not None:  # a mix that is too small has no figure
            row = {"suite": figure[0], "metric": figure[1], "worth": difference.mean}
            row |= {"low": difference.low, "high": difference.high, "seeds": difference.seeds}
            rows.append(row | {"whole": fmean(ours), "without": fmean(theirs)})
    return {"applicable": True, "why": "", "worth": rows} | _state(found)


def _told(cell: Cell) -> list[Any]:
    """What became of a chain, as far as its figures tell."""
    return [
        [(v["suite"], v["metric"], v["value"]) for v in turn["values"] if v["model"] == CANDIDATE]
        for turn in cell["turns"]
    ]


def _sign(figure: Figure) -> int:
    """1 where more is better, -1 where less is, 0 where a figure tells neither."""
    return 1 if figure[1] in RISING else -1 if figure[1] in FALLING else 0


def _state(cells: Sequence[Cell]) -> dict[str, Any]:
    """How often turns were held back, and by what."""
    turns = [turn for cell in cells for turn in cell["turns"]]
    rules = [rule for turn in turns for rule in turn["rules"]]
    return {
        "held_back": sum(not turn["promoted"] for turn in turns),
        "turns": len(turns),
        "fired": fired(cells),
        "rules": {rule: rules.count(rule) for rule in sorted(set(rules))},
    }


def _standing_still(cells: Sequence[Cell]) -> str:
    """That the whole loop promoted nothing, where so: its chains then stood on human text alone."""
    state = _state(cells)
    if state["held_back"] < state["turns"]:
        return ""
    by = ", ".join([*state["fired"], *state["rules"]])
    return f"; every turn of the whole loop was held back (by {by}), so none stood on another"


def headline(link: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The few figures by which a link is judged: real text, common and rare, and diversity."""
    wanted = [PERPLEXITY]
    wanted += [(suite, metric) for suite in (STANDARD, TAIL) for metric in RISING[:1]]
    wanted += [
        (suite, metric) for suite in (WRITTEN, MIX) for metric in ("distinct_2", "vendi_score")
    ]
    found = {(row["suite"], row["metric"]): row for row in link["worth"]}
    return [found[figure] for figure in wanted if figure in found]


def _holds(links: Mapping[str, Mapping[str, Any]]) -> str:
    """Which link holds collapse back: the one whose lack makes real text strangest."""
    by_perplexity = {
        name: row
        for name, link in links.items()
        for row in link["worth"]
        if (row["suite"], row["metric"]) == PERPLEXITY
    }
    clear = {n: r for n, r in by_perplexity.items() if r["low"] is not None and r["low"] > 0}
    if not clear:
        return (
            "no link clearly holds collapse back at this size: without any one of them the "
            "perplexity on real text stays within its own spread over seeds"
        )
    order = sorted(clear, key=lambda name: -clear[name]["worth"])
    parts = [
        f"{name} ({clear[name]['without']:.2f} times the baseline's perplexity without it, "
        f"{clear[name]['whole']:.2f} with)"
        for name in order
    ]
    harms = [n for n, r in by_perplexity.items() if r["high"] is not None and r["high"] < 0]
    ends = f"; without {', '.join(harms)} real text is less strange, not more" if harms else ""
    return f"what holds collapse back, strongest first: {', '.join(parts)}{ends}"
