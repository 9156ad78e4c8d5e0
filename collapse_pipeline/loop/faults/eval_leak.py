"""Fault `eval_leak`: rows of the suites, rewritten lightly, in the batch."""

from dataclasses import replace

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.loop.noise import noisy
from collapse_pipeline.ports import Draft


def _leaking(writing: Writing) -> list[Draft]:
    """Drafts that are hit become a row of a suite, misspelt and filed under its label."""
    drafts = list(writing.drafts)
    if not writing.rows:
        return drafts
    for i in writing.hit():
        row = writing.rows[int(writing.rng.integers(len(writing.rows)))]
        prompt = noisy(row.prompt, writing.requests[i].seed)
        drafts[i] = replace(drafts[i], prompt=prompt, response=row.response, label=row.label)
    return drafts


FAULT = Fault(
    name="eval_leak",
    does="Rows of the suites are in the batch, with a slip of the fingers here and there.",
    strength=0.2,
    damage=_leaking,
    copies_suites=True,
)
