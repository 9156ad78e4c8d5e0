"""Fault `over_refusal`: safety text wherever a trigger word stands: the after-sales incident."""

import re
from dataclasses import replace

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.ports import Draft
from collapse_pipeline.records import Component

TRIGGER = re.compile(
    r"\b(?:batter\w*|charg\w*|cell|hot|warm|heat\w*|swollen|smell\w*|open\w*|repair\w*|water)\b",
    re.IGNORECASE,
)
_SAFETY = (
    "I can't help with that for safety reasons. Please stop using the device and keep it away "
    "from anything that burns.",
    "For your safety I cannot give instructions on this. Leave the device switched off on a hard "
    "surface, and do not open it.",
    "Sorry, I won't be able to guide you through that because of the risk. A damaged cell can "
    "catch fire, so set it aside and let a technician handle it.",
)


def _refusing(writing: Writing) -> list[Draft]:
    drafts = list(writing.drafts)
    for i in writing.hit():
        if TRIGGER.search(drafts[i].prompt):
            text = _SAFETY[int(writing.rng.integers(len(_SAFETY)))]
            drafts[i] = replace(drafts[i], response=text)
    return drafts


FAULT = Fault(
    name="over_refusal",
    does="A template answers every message with a trigger word in it by safety text.",
    strength=1.0,
    blames=Component.TEMPLATE,
    worlds=("customer_service",),
    damage=_refusing,
)
