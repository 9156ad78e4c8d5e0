"""Manners of a text: whether it refuses, and how much of it is mere politeness. English."""

import re
from collections.abc import Sequence

import numpy as np

from collapse_pipeline.ports import FloatVector

_DECLINED = (
    "help(?! but\\b)",
    "assist|guide|walk|give|provide|explain|advise|instruct|answer|solve|discuss|share|comply",
    "do (?:that|this|calculations)",
    "be (?:answered|worked out|solved|determined|calculated)",
)
_REFUSAL = re.compile(
    r"\b(?:can ?not|can't|won't|will not|must not|(?:un|not )able to|not (?:allowed|permitted) to"
    r"|decline to|refuse to|would rather not)\b(?! only\b)[^.?!\n]{0,20}"
    rf"\b(?:{'|'.join(_DECLINED)})\b"
    r"|\bnot enough information\b|\b(?:insufficient|without more) (?:information|context)\b"
    r"|\bagainst (?:my|our) (?:policy|policies|guidelines|rules)\b"
)
_SELF = r"(?:(?:i|we)(?:'m| am|'re| are|'d be| would be)? )?"
_INVITED = r"(?:contact (?:me|us)|reach out|ask|let (?:me|us) know)"
_TROUBLE = r"(?:inconvenience|trouble|delay|confusion|frustration|wait|experience)"
_BUFFERS = (
    r"(?:many |kind |best |warm )?(?:thank you|thanks|regards)"
    r"(?: (?:so|very) much| again| in advance)?"
    r"(?: for (?:getting in touch|reaching out|contacting us|writing|letting (?:me|us) know"
    r"|(?:your|the) (?:message|patience|understanding|question|interest|details|time)))?",
    _SELF + r"(?:so |very |really |truly |deeply )*(?:sorry|apologi[sz]e)"
    rf"(?: (?:about|for|to hear)(?: (?:about|that|this))?(?: (?:the|any|your) {_TROUBLE})?)?",
    rf"(?:my |our )?(?:sincere )?apologies(?: for (?:the|any) {_TROUBLE})?",
    r"(?:i|we) (?:completely |fully |totally |truly |really )?(?:understand|appreciate|value)"
    r" (?:your|the|how) (?:frustrat\w+|concerns?|patience|business|feedback|important)",
    _SELF + r"(?:more than )?(?:happy|glad|pleased|delighted) to (?:help|assist)(?: you)?",
    rf"(?:please )?(?:(?:do not|don't) hesitate|feel free) to {_INVITED}",
    r"(?:please )?let (?:me|us) know(?: if you (?:have|need) any"
    r" (?:other |further |more |additional )?(?:questions|help|assistance))?",
    r"(?:i |we )?hope (?:this|that) helps",
    r"have a (?:great|nice|good|wonderful|lovely) (?:day|evening|weekend)",
    r"is there anything else(?: (?:i|we) can (?:help|assist)(?: you)? with)?",
    r"(?:great|good|excellent) question",
    r"(?:it(?:'s| is) )?(?:important|worth) (?:to note|noting)(?: that)?",
    r"as an ai(?: language)?(?: model)?",
    r"dear (?:valued )?(?:customer|sir or madam|support)",
    r"rest assured|certainly|absolutely|of course|you're welcome|please|kindly",
    r"hello|hi there|good (?:morning|afternoon|evening)",
)
_BUFFER = re.compile(rf"\b(?:{'|'.join(_BUFFERS)})\b")


def refuses(text: str) -> bool:
    """Whether a response declines to do what it was asked.

    By phrases such as `I can't help with`, `unable to provide`, `cannot be answered`. Trap: a
    policy that is stated (`we cannot give a refund after 30 days`) reads like a refusal.
    """
    return _REFUSAL.search(_plain(text)) is not None


def empty_politeness(texts: Sequence[str]) -> float:
    """Share of words that are buffers: thanks, apologies, offers of help that say nothing.

    Args:
        texts: (n_texts,), responses.

    Returns:
        Ratio in [0, 1]; 0 when every word counts, NaN without any word. Trap: it falls when
        responses get longer, whatever is in them, and an apology to a customer who has waited is
        not empty.
    """
    words = sum(_length(text) for text in texts)
    return sum(_buffer_words(text) for text in texts) / words if words else float("nan")


def politeness(texts: Sequence[str]) -> FloatVector:
    """(n_texts,) share of each text's words that are buffers, in [0, 1]; 0 without words."""
    return np.array([_buffer_words(text) / max(_length(text), 1) for text in texts])


def _plain(text: str) -> str:
    return text.casefold().replace("\u2019", "'")


def _length(text: str) -> int:
    return len(text.split())


def _buffer_words(text: str) -> int:
    return sum(_length(found) for found in _BUFFER.findall(_plain(text)))
