"""How the customer service world writes: templates with alternations, and the pen that picks.

A template is text with alternations `(first|second|)`, commonest first and possibly nested, and
slots `{name}` that are filled afterwards.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TypeVar

T = TypeVar("T")

# Above 1 the first spellings of an alternation are the commonest, as in real text.
SKEW = 1.3


@dataclass(frozen=True)
class Choice:
    """An alternation: one of several sequences of text and further alternations."""

    options: tuple[tuple["str | Choice", ...], ...]


@dataclass(frozen=True)
class Intent:
    """What a user can want, and how it is said and answered.

    Attributes:
        name: The label.
        products: Which products it can concern, commonest first.
        says: Templates of the user's message, commonest first.
        thing: Template of a noun phrase for it, without an article.
        cue: Pattern that every answer to it matches, matched without regard to case.
        answers: Templates of answers of its own; empty where the policy itself is the answer.
        fact: The policy condition that an answer may state.
        needs_fact: Whether an answer must state it, unless it asks back.
        fault: Whether something is broken, rather than asked for.
        danger: Whether every answer must carry safety advice.
        tail: Template of what an answer adds to the stated policy, "" for nothing.
    """

    name: str
    products: tuple[str, ...]
    says: tuple[str, ...]
    thing: str
    cue: str
    answers: tuple[str, ...] = ()
    fact: str = "warranty_months"
    needs_fact: bool = False
    fault: bool = False
    danger: bool = False
    tail: str = ""


@cache
def parse(template: str) -> tuple[str | Choice, ...]:
    """A template as a sequence of text and alternations.

    Raises:
        ValueError: When brackets do not match.
    """
    stack: list[list[list[str | Choice]]] = [[[]]]
    start = 0
    for place, mark in enumerate(template):
        if mark not in "(|)" or (mark == "|" and len(stack) == 1):
            continue
        if text := template[start:place]:
            stack[-1][-1].append(text)
        start = place + 1
        if mark == "(":
            stack.append([[]])
        elif mark == "|":
            stack[-1].append([])
        else:
            options = stack.pop()
            if not stack:
                raise ValueError(f"a bracket closes that was never opened: {template!r}")
            stack[-1][-1].append(Choice(tuple(map(tuple, options))))
    if len(stack) > 1:
        raise ValueError(f"a bracket stays open: {template!r}")
    if text := template[start:]:
        stack[-1][-1].append(text)
    return tuple(stack[0][0])


class Slots(dict[str, str]):
    """Slot values; what is missing is made when a template first asks for it."""

    def __init__(self, values: Mapping[str, str], make: Callable[[str], str]) -> None:
        super().__init__(values)
        self._make = make

    def __missing__(self, name: str) -> str:
        value = self[name] = self._make(name)
        return value


class Pen:
    """Seeded choices of style. Narrowness 0 is full variety, 1 always takes the first option."""

    def __init__(self, random: Random, narrowness: float = 0.0) -> None:
        self.random = random.random
        self._keep = 1.0 - narrowness
        self._even = 1.0 / self._keep if self._keep > 0 else math.inf
        self._power = SKEW * self._even

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`, the first the likeliest."""
        return options[int(len(options) * self.random() ** self._power)]

    def draw(self, options: Sequence[T]) -> T:
        """One of `options`, each as likely unless the pen is narrow."""
        return options[int(len(options) * self.random() ** self._even)]

    def chance(self, probability: float) -> bool:
        """True with `probability`, less often by a narrow pen."""
        return self.random() < probability * self._keep

    def render(self, template: str) -> str:
        """The template with every alternation decided; slots stay as they are."""
        out: list[str] = []
        self._write(parse(template), out)
        return "".join(out)

    def _write(self, parts: tuple[str | Choice, ...], out: list[str]) -> None:
        for part in parts:
            if type(part) is str:
                out.append(part)
            elif isinstance(part, Choice):
                self._write(self.pick(part.options), out)
