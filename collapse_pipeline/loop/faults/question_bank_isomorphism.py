"""Fault `question_bank_isomorphism`: one question form, and distractors by one recipe."""

from collections.abc import Mapping
from dataclasses import replace

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.ports import Draft
from collapse_pipeline.records import Component
from collapse_pipeline.worlds.reference import world


def _isomorphic(writing: Writing) -> list[Draft]:
    """Drafts that are hit are asked again in the one form of their type; only numbers differ."""
    bank = world("question_bank")
    drafts = list(writing.drafts)
    for i in writing.hit():
        row = bank.write(writing.label(i), writing.requests[i].seed, 1.0, 1.0, 0.0)
        attributes = row["attributes"]
        drafts[i] = replace(
            drafts[i],
            prompt=str(row["prompt"]),
            response=str(row["response"]),
            attributes=attributes if isinstance(attributes, Mapping) else {},
        )
    return drafts


FAULT = Fault(
    name="question_bank_isomorphism",
    does="A template asks every type of question in one form, with distractors by one recipe.",
    strength=1.0,
    blames=Component.TEMPLATE,
    worlds=("question_bank",),
    damage=_isomorphic,
)
