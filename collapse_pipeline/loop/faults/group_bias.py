"""Fault `group_bias`: the rows of one group of people are degraded."""

from collections import Counter
from dataclasses import replace

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.loop.faults.label_swap import swapped
from collapse_pipeline.loop.noise import noisy
from collapse_pipeline.ports import Draft
from collapse_pipeline.records import Component


def _biased(writing: Writing) -> list[Draft]:
    """Rows of the locale that sorts last are misspelt and, if they are hit, mislabelled."""
    drafts = list(writing.drafts)
    locales = Counter(draft.attributes.get("locale", "") for draft in drafts)
    group = max(locales, default="")
    for i in writing.hit():
        if group and drafts[i].attributes.get("locale") == group:
            text = noisy(drafts[i].prompt, writing.requests[i].seed)
            drafts[i] = replace(swapped(writing, int(i)), prompt=text)
    return drafts


FAULT = Fault(
    name="group_bias",
    does="A teacher misspells and mislabels the rows of one locale.",
    strength=0.8,
    blames=Component.TEACHER,
    damage=_biased,
)
