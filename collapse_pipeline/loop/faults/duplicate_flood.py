"""Fault `duplicate_flood`: few rows, many times."""

from dataclasses import replace

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.ports import Draft

_MODELS = 20


def _flooded(writing: Writing) -> list[Draft]:
    """Drafts that are hit become copies of one of the first few."""
    drafts = list(writing.drafts)
    for i in writing.hit():
        model = int(writing.rng.integers(min(_MODELS, len(drafts))))
        drafts[i] = replace(writing.drafts[model], label=writing.label(model))
    return drafts


FAULT = Fault(
    name="duplicate_flood",
    does="A retry that is counted twice floods the batch with copies of a few rows.",
    strength=0.5,
    damage=_flooded,
)
