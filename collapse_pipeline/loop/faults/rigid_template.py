"""Fault `rigid_template`: one skeleton for all texts of a template."""

from dataclasses import replace

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.ports import Draft
from collapse_pipeline.records import Component

_MOULD = "Hello support team, I am writing to you today about the following {} matter:"


def _poured(writing: Writing) -> list[Draft]:
    """Drafts whose prompts begin with one and the same sentence."""
    drafts = list(writing.drafts)
    for i in writing.hit():
        opening = _MOULD.format(writing.label(i).replace("_", " "))
        drafts[i] = replace(drafts[i], prompt=f"{opening} {drafts[i].prompt}")
    return drafts


FAULT = Fault(
    name="rigid_template",
    does="A template's texts all begin with one sentence, whatever they are about.",
    strength=1.0,
    blames=Component.TEMPLATE,
    damage=_poured,
)
