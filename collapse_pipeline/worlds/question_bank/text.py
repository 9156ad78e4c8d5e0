"""The scenes of the question bank: read from their file, and filled with words."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from collapse_pipeline.worlds.question_bank.kinds import Roles, Value, show
from collapse_pipeline.worlds.question_bank.words import (
    LOCALES,
    LONG,
    NAMES,
    NOUNS,
    PHRASES,
    american,
    plural,
    with_article,
)

SCENES = Path(__file__).with_name("scenes.txt")
_SENTENCE_START = re.compile(r"(?:^|(?<=[.?!] ))[a-z]")


@dataclass(frozen=True)
class Scene:
    """One way to ask: alternatives in order, and how the answer is written (`# {km}`)."""

    setting: str
    form: str
    answer: str
    parts: tuple[tuple[str, ...], ...]
    missing: str = ""


@cache
def scenes() -> dict[str, tuple[Scene, ...]]:
    """Every question type and its scenes, in the order of the file."""
    found: dict[str, list[Scene]] = {}
    shared: dict[str, str] = {}
    for line in SCENES.read_text("utf-8").splitlines():
        if line.startswith("= "):
            found[line[2:]] = []
        elif line.startswith("@"):
            name, text = line.split(" ", 1)
            shared[name] = text
        elif line and not line.startswith("#"):
            head, text, *missing = line.split(" :: ")
            setting, form, answer = head.split(" ", 2)
            text = re.sub(r"@[A-Z]+", lambda match: shared[match[0]], text)
            scene = Scene(setting, form, answer, _parts(text), *missing)
            found[list(found)[-1]].append(scene)
    return {label: tuple(of) for label, of in found.items()}


def _parts(text: str) -> tuple[tuple[str, ...], ...]:
    pieces = re.split(r"\[([^\]]*)\]", text)
    return tuple(
        tuple(piece.split("|")) if at % 2 else (piece,) for at, piece in enumerate(pieces) if piece
    )


@cache
def _nouns() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Slot to the noun behind it (`gadget` for `a gadget`) and the forms to choose from."""
    forms: dict[str, tuple[str, tuple[str, ...]]] = {}
    for noun, words in NOUNS.items():
        forms[noun] = noun, words
        forms[f"{noun}s"] = noun, tuple(map(plural, words))
        forms[f"a {noun}"] = noun, tuple(map(with_article, words))
    return forms | {phrase: (phrase, words) for phrase, words in PHRASES.items()}


class Slots(dict[str, str]):
    """What stands in the braces of one question, drawn when first asked for."""

    def __init__(self, roles: Roles, choose: Callable[[int], int]) -> None:
        super().__init__()
        self.roles, self.choose = roles, choose
        self.locale, self.currency, self["km"], self["kmh"] = LOCALES[choose(len(LOCALES))]
        self.long = choose(2) == 1
        self.drawn: dict[str, int] = {}

    def __missing__(self, slot: str) -> str:
        self[slot] = text = self._draw(slot)
        return text

    def _draw(self, slot: str) -> str:
        if slot in self.roles:
            return self._role(slot)
        if slot[0] == "$":
            return self.money(self.roles[slot[1:]])
        if slot in ("name", "he", "his"):
            self["name"], self["he"], self["his"] = NAMES[self.choose(len(NAMES))]
            return self[slot]
        if slot == "name2":
            names = [name[0] for name in NAMES if name[0] != self["name"]]
            return names[self.choose(len(names))]
        noun, forms = _nouns()[slot]
        if noun not in self.drawn:
            self.drawn[noun] = self.choose(len(forms))
        return forms[self.drawn[noun]]

    def _role(self, role: str) -> str:
        value = self.roles[role]
        if isinstance(value, tuple):
            return ", ".join(map(str, value[:-1])) + f" and {value[-1]}"
        if isinstance(value, str):
            word = LONG.get(value, value) if self.long else value
            return american(word) if self.locale == "en-US" else word
        if isinstance(value, int) and value >= 10_000:
            return f"{value:,}"
        return show(value, fractions=role in ("f", "g"))

    def money(self, value: Value) -> str:
        """An amount of money, with two decimals where it is not whole."""
        if isinstance(value, int):
            return f"{self.currency}{value}"
        return f"{self.currency}{float(value):.2f}"


def fill(template: str, slots: Slots) -> str:
    """The template with its braces filled and its sentences capitalised."""
    text = template.format_map(slots)
    return _SENTENCE_START.sub(lambda match: match[0].upper(), text)
