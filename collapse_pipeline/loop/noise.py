"""What hurried people do to a sentence: named operations, each a function of text and seed alone.

None of them touches digits or empties a text, so that a question keeps its numbers. The same text
and seed give the same noise whatever stands around it, on every machine.
"""

import random
import re
from collections.abc import Callable

from collapse_pipeline.records import derived_seed

Operation = Callable[[str, int], str]

TYPO_RATE = 0.03  # of the letters in words of three letters or more
DROP_RATE = 0.08  # of the words
_WORD = re.compile(r"\S+\s*")
_LONG_WORD = re.compile(r"[^\W\d_]{3,}")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    key: row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
    for row in _ROWS
    for place, key in enumerate(row)
}


def _random(operation: str, text: str, seed: int) -> random.Random:
    # Only random() is drawn from it: that is the method whose values Python promises to keep.
    return random.Random(derived_seed(operation, seed, text))


def typos(text: str, seed: int) -> str:
    """Slips of the fingers in `TYPO_RATE` of the letters: swapped, left out, doubled, next key."""
    draw = _random("typos", text, seed).random

    def slipped(match: re.Match[str]) -> str:
        word = list(match.group())
        place = 0
        while place < len(word):
            if draw() < TYPO_RATE:
                place += _slip(word, place, draw)
            place += 1
        return "".join(word)

    return _LONG_WORD.sub(slipped, text)


def _slip(word: list[str], place: int, draw: Callable[[], float]) -> int:
    """One slip at `place` of a word; how many letters behind it are done with already."""
    kind = int(draw() * 4)
    if kind == 0 and place + 1 < len(word):
        word[place], word[place + 1] = word[place + 1], word[place]
        return 1
    if kind == 1 and len(word) > 2:
        del word[place]
        return -1
    if kind == 2:
        word.insert(place, word[place])
        return 1
    near = _NEIGHBOURS.get(word[place].lower(), "")
    if near:
        key = near[int(draw() * len(near))]
        word[place] = key.upper() if word[place].isupper() else key
    return 0


def dropped_words(text: str, seed: int) -> str:
    """`DROP_RATE` of the words left out, never one with a digit and never the last that is left."""
    draw = _random("dropped_words", text, seed).random
    words = _WORD.findall(text)
    kept = [w for w in words if draw() >= DROP_RATE or any(c.isdigit() for c in w)]
    return "".join(kept or words[:1]).rstrip() if words else text


def colloquial_casing(text: str, seed: int) -> str:
    """Case as people type it in a hurry: seven in ten all small, one in ten all capitals."""
    style = _random("colloquial_casing", text, seed).random()
    if style < 0.7:
        return text.lower()
    return text.upper() if style < 0.8 else text


OPERATIONS: dict[str, Operation] = {
    "dropped_words": dropped_words,
    "typos": typos,
    "colloquial_casing": colloquial_casing,
}


def noisy(text: str, seed: int) -> str:
    """The recipe of the `noisy` suite: every operation once, in the order of `OPERATIONS`."""
    for operation in OPERATIONS.values():
        text = operation(text, seed)
    return text
