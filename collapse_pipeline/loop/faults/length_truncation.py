"""Fault `length_truncation`: texts are cut off."""

from dataclasses import replace

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.ports import Draft


def _cut(writing: Writing) -> list[Draft]:
    """All texts lose the last `strength` of their characters, but for the first."""
    left = 1 - writing.strength
    return [
        replace(
            draft,
            prompt=draft.prompt[: max(1, round(left * len(draft.prompt)))],
            response=draft.response[: round(left * len(draft.response))],
        )
        for draft in writing.drafts
    ]


FAULT = Fault(
    name="length_truncation",
    does="Texts lose their ends on the way, as behind a limit of tokens.",
    strength=0.5,
    damage=_cut,
)
