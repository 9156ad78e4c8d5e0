"""Fault `empty_flood`: answers without anything in them."""

from dataclasses import replace

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.ports import Draft


def _emptied(writing: Writing) -> list[Draft]:
    """Drafts that are hit have no text, half of them a prompt without a response."""
    drafts = list(writing.drafts)
    for i in writing.hit():
        prompt = drafts[i].prompt if writing.rng.random() < 0.5 else ""
        drafts[i] = replace(drafts[i], prompt=prompt, response="")
    return drafts


FAULT = Fault(
    name="empty_flood",
    does="A share of the rows comes back empty, or without its answer.",
    strength=0.5,
    damage=_emptied,
)
