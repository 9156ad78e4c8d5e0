"""Fault `encoding_damage`: letters are broken on the way."""

from dataclasses import replace

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.ports import Draft

_RATE = 0.05  # of the letters of a broken text


def _broken(writing: Writing) -> list[Draft]:
    """UTF-8 read as Latin-1, and letters that no decoder could read."""
    drafts = list(writing.drafts)
    for i in writing.hit():
        texts = []
        for text in (drafts[i].prompt, drafts[i].response):
            letters = list(text.encode("utf-8").decode("latin-1"))
            lost = writing.rng.random(len(letters)) < _RATE
            texts.append(
                "".join(
                    "\N{REPLACEMENT CHARACTER}" if gone else letter
                    for letter, gone in zip(letters, lost, strict=True)
                )
            )
        drafts[i] = replace(drafts[i], prompt=texts[0], response=texts[1])
    return drafts


FAULT = Fault(
    name="encoding_damage",
    does="Texts are decoded wrongly and lose letters.",
    strength=0.5,
    damage=_broken,
)
