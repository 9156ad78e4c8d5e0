"""Options, worked explanations and refusals of the question bank."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import count
from random import Random
from typing import TypeVar

from collapse_pipeline.worlds.question_bank.kinds import Step, Value, show, whole
from collapse_pipeline.worlds.question_bank.text import Slots

T = TypeVar("T")
LETTERS = "ABCD"
LAYOUTS = (
    "\nA) {} B) {} C) {} D) {}",
    "\nA. {}\nB. {}\nC. {}\nD. {}",
    " (A) {} (B) {} (C) {} (D) {}",
    "\nA: {}  B: {}  C: {}  D: {}",
)
GAVE_UP = "not enough information"
REFUSALS = (
    "I'm sorry, but I can't help with this question.",
    "This cannot be answered without more context.",
    "I am unable to give an answer to this.",
    "I would rather not do calculations like this one.",
    "There is not enough information to answer this safely.",
)
LACKING = (
    "The question does not say {}, so it cannot be worked out.",
    "We are not told {}. Without that it cannot be worked out.",
    "To answer this one has to know {}, and that is not given. It cannot be answered.",
    "What is missing is {}, so it cannot be answered.",
)
REMINDERS = ("Remember that {}.", "Use that {}.", "{}, as is well known.", "We know that {}.")
CLOSERS = ("", "", "So the answer is {}.", "That gives {}.", "The result is {}.")


class Hand:
    """The random choices of one writer; every choice falls on the first with its narrowness."""

    def __init__(self, rng: Random, narrowness: float) -> None:
        self.random, self.narrowness = rng.random, narrowness

    def choose(self, count: int) -> int:
        """An index below `count`."""
        at = self.random() - self.narrowness
        return 0 if at < 0 else min(int(at / (1 - self.narrowness) * count), count - 1)

    def pick(self, choices: Sequence[T]) -> T:
        """One of `choices`, all equally likely: numbers stay various for a narrow writer."""
        return choices[int(self.random() * len(choices))]


def written(value: Value, answer: str, slots: Slots, fractions: bool) -> str:
    """A value as the scene wants its answers: `$#` money, else the number in its place."""
    if answer == "$#":
        return slots.money(value)
    return answer.replace("#", show(value, fractions)).format_map(slots)


def presentable(value: Value, counted: bool, fractions: bool) -> Value | None:
    """A mistaken value rounded to look like a right one; None where it would give itself away.

    `counted`: the answers are numbers of things, so no decimals.
    """
    if value <= 0 or (fractions and value > 1):
        return None
    if isinstance(value, int) or fractions:
        return value
    digits = 1 if counted else 100
    return whole(Fraction((value.numerator * digits * 2 // value.denominator + 1) // 2, digits))


def wrong_options(
    answer: Value, mistakes: Mapping[str, Value], counted: bool, fractions: bool, hand: Hand
) -> list[tuple[str, Value]]:
    """Three errors and where they lead, all different from the answer and each other.

    A narrow hand takes all three from one recipe, else they come from several named ones.
    """
    taken = {answer}
    usable: list[tuple[str, Value]] = []

    def consider(error: str, raw: Value) -> None:
        value = presentable(raw, counted and isinstance(answer, int), fractions)
        if value and value not in taken:
            taken.add(value)
            usable.append((error, value))

    if hand.random() >= hand.narrowness:
        for error, raw in mistakes.items():
            consider(error, raw)
    slips = count(1)
    while len(usable) < 3:
        consider("slip", slip(answer, next(slips), fractions))
    return [usable.pop(int(hand.random() * len(usable))) for _ in range(3)]


def slip(answer: Value, by: int, fractions: bool) -> Value:
    """The answer with a small counting error of `by`."""
    if fractions:
        return Fraction(answer.numerator, answer.denominator + by)
    return answer + by


def explained(steps: Sequence[Step], facts: Sequence[str], fractions: bool, style: int) -> str:
    """The worked solution in one of six styles."""
    lines = [(step.reason, f"{step.left} = {show(step.result, fractions)}") for step in steps]
    if style == 0:
        told = ["First, " + ": ".join(lines[0]) + "."]
        told += [f"Then {reason}: {equation}." for reason, equation in lines[1:]]
    elif style == 1:
        told = [f"{_capital(reason)}: {equation}." for reason, equation in lines]
    elif style == 2:
        told = ["; ".join(equation for _, equation in lines) + "."]
    elif style == 3:
        told = [f"{_capital(reason)}. {equation}." for reason, equation in lines]
    elif style == 4:
        told = [f"We {reason}, so {equation}." for reason, equation in lines]
    else:
        told = [f"{equation} ({reason})." for reason, equation in lines]
    if facts:
        told.insert(0, REMINDERS[style % len(REMINDERS)].format(" and ".join(facts)))
    return " ".join(told)


STYLES = 6


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def concluded(explanation: str, shown: str, letter: str, hand: Hand) -> str:
    """Explanation, perhaps a closing sentence, and the answer with its option letter."""
    closer = "" if shown == GAVE_UP else CLOSERS[hand.choose(len(CLOSERS))].format(shown)
    told = " ".join(part for part in (explanation, closer) if part)
    return told + ("\n", " ")[hand.choose(2)] + f"Answer: {shown} ({letter})"


def wrong_step(steps: Sequence[Step], at: int, fractions: bool) -> list[Step]:
    """The steps with one result that is not true."""
    spoilt = list(steps)
    step = spoilt[at]
    spoilt[at] = Step(step.reason, step.left, slip(step.result, 1, fractions))
    return spoilt
