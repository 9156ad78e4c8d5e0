"""Fault `label_swap`: a share of the labels is wrong."""

from dataclasses import replace

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.ports import Draft
from collapse_pipeline.records import Component


def swapped(writing: Writing, place: int) -> Draft:
    """A draft under the label of another draft, if the two differ."""
    other = int(writing.rng.integers(len(writing.drafts)))
    return replace(writing.drafts[place], label=writing.label(other))


def _swapping(writing: Writing) -> list[Draft]:
    drafts = list(writing.drafts)
    for i in writing.hit():
        drafts[i] = swapped(writing, int(i))
    return drafts


FAULT = Fault(
    name="label_swap",
    does="A teacher files a share of its rows under labels of other rows.",
    strength=0.5,
    blames=Component.TEACHER,
    damage=_swapping,
)
