"""Recognising the question bank's own sentences in a text, and the numbers in them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from collapse_pipeline.worlds.question_bank.kinds import Roles, Value, whole
from collapse_pipeline.worlds.question_bank.text import Scene, Slots, scenes
from collapse_pipeline.worlds.question_bank.words import slot_words, unit_words

NUMBER = r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:/[0-9]+)?"
LONGEST = 30  # characters of a number; what is longer was not written by a person
_TOKEN = re.compile(rf"{NUMBER}|[a-z]+(?:['-][a-z]+)*(?:/[a-z]+)?|_+|[%:+=-]")
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")
_OPTION = re.compile(r"(?<=\s)\(?([a-d])[).:](?=\s)", re.IGNORECASE)


def number(text: str) -> Value | None:
    """A number as written, exactly; None for one that divides by zero or is absurdly long."""
    if len(text) > LONGEST:
        return None
    top, _, bottom = text.replace(",", "").partition("/")
    if bottom and int(bottom) == 0:
        return None
    return whole(Fraction(top) / int(bottom or 1))


def first_number(text: str) -> Value | None:
    """The first number in a text."""
    found = re.search(NUMBER, text)
    return number(found[0]) if found else None


@cache
def _starts() -> dict[str, tuple[tuple[str, ...], ...]]:
    """First word of every slot filling to its words, the longest first."""
    starts: dict[str, list[tuple[str, ...]]] = {}
    for words in sorted((tuple(phrase.split()) for phrase in slot_words()), key=len, reverse=True):
        starts.setdefault(words[0], []).append(words)
    return {first: tuple(phrases) for first, phrases in starts.items()}


@cache
def _units() -> dict[str, str]:
    return unit_words()


def skeleton(sentence: str) -> tuple[str, tuple[Any, ...]]:
    """A sentence without its particulars, and the numbers, number lists and units it held."""
    tokens = _TOKEN.findall(sentence.lower())
    shape: list[str] = []
    values: list[Any] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token[0].isdigit():
            run = [number(token)]
            while at < len(tokens) and tokens[at][0].isdigit():
                run.append(number(tokens[at]))
                at += 1
            if len(run) > 1 and tokens[at : at + 1] == ["and"] and at + 1 < len(tokens):
                run.append(number(tokens[at + 1]) if tokens[at + 1][0].isdigit() else None)
                at += 2
            values.append(run[0] if len(run) == 1 else tuple(run))
            shape.append("#" if len(run) == 1 else "##")
        elif token in _units():
            values.append(_units()[token])
            shape.append("@")
        else:
            for words in _starts().get(token, ()):
                if tuple(tokens[at - 1 : at - 1 + len(words)]) == words:
                    at += len(words) - 1
                    token = "~"  # noqa: S105
                    break
            shape.append({"an": "a"}.get(token, token) if token[0] != "_" else "_")
    return " ".join(shape), tuple(values)


Shape = tuple[str, tuple[Any, ...]]
"""A sentence without its particulars, and the numbers, number lists and units that it held."""


def shapes(text: str) -> list[Shape]:
    """The skeletons of all sentences of a text."""
    return [skeleton(sentence) for sentence in _SENTENCE_END.split(text.strip())]


def split_prompt(prompt: str) -> tuple[str, dict[str, str]]:
    """The question, and its options by letter; none where they cannot be told apart."""
    marks = list(_OPTION.finditer(prompt))[-4:]
    if "".join(mark[1] for mark in marks).upper() != "ABCD":
        return prompt, {}
    ends = [mark.start() for mark in marks[1:]] + [len(prompt)]
    return prompt[: marks[0].start()], {
        mark[1].upper(): prompt[mark.end() : end].strip()
        for mark, end in zip(marks, ends, strict=True)
    }


@dataclass(frozen=True)
class Known:
    """A sentence that a type may hold: the role of each value in it, and whether it asks.

    A role `=km/h` is a speed that the sentence spells out; an empty one may be anything.
    """

    roles: tuple[str, ...]
    asks: bool


def _variants(scene: Scene) -> Iterator[tuple[str, bool]]:
    """Every sentence that a scene can hold, as a template, and whether it ends a question."""
    open_ends = {""}
    for part in scene.parts:
        grown: dict[str, None] = {}
        for end in sorted(open_ends):
            for choice in part:
                *done, rest = _SENTENCE_END.split(end + choice)
                yield from ((sentence, False) for sentence in done)
                grown[rest] = None
        open_ends = set(grown)
    yield from ((sentence, True) for sentence in sorted(open_ends))


# Units that no scene spells out mark the slots for units while the index is made.
_ROLE_UNITS = {"u": "mg", "v": "cl"}
_FREE_UNITS = {"km": "weeks", "kmh": "tonnes"}


@cache
def index(label: str) -> dict[str, Known]:
    """Skeleton to what is known of it, for one type.

    Raises:
        ValueError: When two sentences of a type look alike and mean different roles.
    """
    known: dict[str, Known] = {}
    for scene in scenes()[label]:
        for template, asks in _variants(scene):
            names = sorted({slot.lstrip("$") for slot in re.findall(r"\{([^}]+)\}", template)})
            marks: dict[Any, str] = {
                1001 + at: name for at, name in enumerate(names) if len(name) == 1 or name == "xs"
            }
            roles: Roles = {role: mark for mark, role in marks.items()}
            roles |= {"xs": (roles["xs"],) * 3} if "xs" in roles else {}
            slots = Slots(roles | _ROLE_UNITS, lambda _: 0)
            slots |= _FREE_UNITS
            key, values = skeleton(template.format_map(slots))
            marks |= {unit: role for role, unit in _ROLE_UNITS.items()}
            marks |= dict.fromkeys(_FREE_UNITS.values(), "")
            firsts = [value[0] if isinstance(value, tuple) else value for value in values]
            spelt = {unit: f"={unit}" for unit in ("km/h", "m/s")}
            found = Known(tuple((spelt | marks).get(first, "") for first in firsts), asks)
            before = known.setdefault(key, found)
            if before.roles != found.roles:
                raise ValueError(f"{label}: {template!r} is {found.roles} and {before.roles}")
            if asks:
                known[key] = found
    return known


def read_question(label: str, question: Sequence[Shape]) -> Roles | None:
    """The numbers of a question by role, as far as it gives them.

    None when it is not wholly made of sentences of this type, asks nothing, or contradicts itself.
    """
    known, roles, asked = index(label), Roles(), False
    for key, values in question:
        entry = known.get(key)
        if entry is None:
            return None
        asked |= entry.asks
        for role, value in zip(entry.roles, values, strict=True):
            if value is None or (isinstance(value, tuple) and None in value):
                return None
            fixed = role[:1] == "="
            if role and value != (role[1:] if fixed else roles.setdefault(role, value)):
                return None
    return roles if asked else None
