"""Fault `polite_emptiness`: buffer phrases instead of specifics."""

from dataclasses import replace

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.ports import Draft
from collapse_pipeline.records import Component

_OPENINGS = (
    "Thank you so much for reaching out.",
    "Many thanks for your message.",
    "We truly appreciate your patience.",
)
_MIDDLES = (
    "I completely understand your frustration and I am sorry for the inconvenience.",
    "I am so sorry to hear about this, and we value your feedback.",
    "Rest assured, I am more than happy to help you with this.",
)
_ENDINGS = (
    "Please do not hesitate to contact us if you have any further questions. Have a great day.",
    "Please let me know if you need any other assistance. Have a wonderful day.",
    "I hope this helps. Is there anything else I can help you with?",
)


def _polite(writing: Writing) -> list[Draft]:
    drafts = list(writing.drafts)
    for i in writing.hit():
        parts = [
            bank[int(writing.rng.integers(len(bank)))] for bank in (_OPENINGS, _MIDDLES, _ENDINGS)
        ]
        drafts[i] = replace(drafts[i], response=" ".join(parts))
    return drafts


FAULT = Fault(
    name="polite_emptiness",
    does="A template's answers are thanks, apologies and offers of help that say nothing.",
    strength=0.5,
    blames=Component.TEMPLATE,
    damage=_polite,
)
