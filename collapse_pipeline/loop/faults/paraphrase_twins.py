"""Fault `paraphrase_twins`: the same thought, again, in other words.

Words and turns of phrase are replaced by others of the same meaning, and the whole is put into
another frame, so that neither equal words nor n-grams give a twin away.
"""

import re
from dataclasses import replace

import numpy as np

from collapse_pipeline.loop.faults.fault import Fault, Writing
from collapse_pipeline.ports import Draft
from collapse_pipeline.records import Component

# What may be said for what; a choice where there are several.
WORDS = {
    "bought": ("purchased", "got"),
    "purchased": ("bought",),
    "buys": ("picks up", "gets"),
    "costs": ("is priced at",),
    "cost": ("come to",),
    "how much": ("what amount",),
    "how many": ("what number of",),
    "what is": ("tell me",),
    "in total": ("altogether",),
    "altogether": ("in all",),
    "each": ("apiece",),
    "does not": ("refuses to",),
    "will not": ("refuses to",),
    "won't": ("refuses to",),
    "can't": ("am unable to",),
    "stopped": ("quit", "ceased"),
    "started": ("began",),
    "began": ("started",),
    "my": ("our", "the"),
    "phone": ("mobile", "handset"),
    "works": ("functions",),
    "broken": ("damaged", "defective"),
    "dead": ("lifeless",),
    "new": ("fresh",),
    "order": ("purchase",),
    "send": ("ship", "mail"),
    "return": ("hand back",),
    "refund": ("money back",),
    "help": ("assist",),
    "please": ("kindly",),
    "also": ("as well",),
    "about": ("regarding", "concerning"),
    "because": ("since",),
    "since": ("ever since",),
    "want": ("would like", "need"),
    "every": ("each",),
    "again": ("once more",),
    "several times": ("over and over",),
    "already": ("by now",),
    "sold": ("handed over",),
    "makes": ("produces",),
    "takes": ("needs",),
    "left": ("remaining",),
    "per": ("for every",),
    "days": ("full days",),
    "shop": ("store",),
    "store": ("shop",),
}
FRAMES = (
    "{}",
    "Quick one: {}",
    "I was wondering. {}",
    "Put differently: {}",
    "{} That is all.",
    "So here it is. {}",
)
_THOUGHTS = 3  # a label, said over and over
_KNOWN = re.compile(
    rf"\b(?:{'|'.join(sorted(map(re.escape, WORDS), key=len, reverse=True))})\b", re.IGNORECASE
)


def other_words(text: str, rng: np.random.Generator) -> str:
    """The same thought in other words; numbers, names and options stay as they are."""

    def said(found: re.Match[str]) -> str:
        options = WORDS[found[0].lower()]
        word = options[int(rng.integers(len(options)))]
        return word[0].upper() + word[1:] if found[0][0].isupper() else word

    return _KNOWN.sub(said, text)


def _twins(writing: Writing) -> list[Draft]:
    """Drafts that are hit become twins of the first few of their label."""
    drafts = list(writing.drafts)
    thoughts: dict[str, list[int]] = {}
    for i in range(len(drafts)):
        of_label = thoughts.setdefault(writing.label(i), [])
        if len(of_label) < _THOUGHTS:
            of_label.append(i)
    for i in writing.hit():
        of_label = thoughts[writing.label(i)]
        if i in of_label:
            continue
        model = writing.drafts[of_label[int(writing.rng.integers(len(of_label)))]]
        frame = FRAMES[int(writing.rng.integers(len(FRAMES)))]
        drafts[i] = replace(model, prompt=frame.format(other_words(model.prompt, writing.rng)))
    return drafts


FAULT = Fault(
    name="paraphrase_twins",
    does="A teacher says a few thoughts a label again and again in other words.",
    strength=0.6,
    blames=Component.TEACHER,
    damage=_twins,
)
