"""What a question type is: how its numbers are drawn, its worked solution, its usual mistakes."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, TypeVar

SIGNS = {"+": "+", "-": "-", "*": "\N{MULTIPLICATION SIGN}", "/": "\N{DIVISION SIGN}"}
"""Operator to the sign that it is written with."""
Value = int | Fraction
Roles = dict[str, Any]
"""Role of a number in a question to its value: a number, a tuple of numbers, or a unit."""
T = TypeVar("T")


class Pick(Protocol):
    """Draws one element of a sequence."""

    def __call__(self, choices: Sequence[T], /) -> T:
        """One of `choices`."""
        ...


@dataclass(frozen=True)
class Step:
    """One line of a worked solution: `left = result`."""

    reason: str
    left: str
    result: Value


class Worked:
    """A solution being written down: every operation is recorded as it is done."""

    def __init__(self, fractions: bool) -> None:
        self.fractions = fractions
        self.facts: list[str] = []
        self.steps: list[Step] = []

    def __call__(self, reason: str, left: Value, operator: str, right: Value) -> Value:
        """Does one operation, notes it with its reason, returns its result."""
        result = operate(left, operator, right)
        shown = f"{show(left, self.fractions)} {SIGNS[operator]} {show(right, self.fractions)}"
        self.steps.append(Step(reason, shown, result))
        return result

    def add_up(self, reason: str, values: Sequence[Value]) -> Value:
        """Adds several values in one line."""
        result = whole(Fraction(sum(values)))
        self.steps.append(Step(reason, " + ".join(show(value) for value in values), result))
        return result


Mistakes = dict[str, Value]
"""Name of an error recipe to the value it leads to; unusable values are passed over later."""
Solution = tuple[Value, Mistakes]


@dataclass(frozen=True)
class Kind:
    """A question type. `solve(worked, **roles)` returns the answer and the usual mistakes.

    `fractions`: its numbers are written 3/4, not 0.75.
    """

    label: str
    family: str
    draw: Callable[[Pick], Roles]
    solve: Callable[..., Solution]
    roles: frozenset[str]
    fractions: bool


def kind(
    family: str, book: dict[str, Kind], draw: Callable[[Pick], Roles], fractions: bool = False
) -> Callable[[Callable[..., Solution]], Callable[..., Solution]]:
    """Enters the decorated solver into `book` under its own name."""

    def enter(solve: Callable[..., Solution]) -> Callable[..., Solution]:
        roles = frozenset(list(inspect.signature(solve).parameters)[1:])
        book[solve.__name__] = Kind(solve.__name__, family, draw, solve, roles, fractions)
        return solve

    return enter


def whole(value: Fraction) -> Value:
    """The same value, as an int where it is one."""
    return value.numerator if value.denominator == 1 else value


def operate(left: Value, operator: str, right: Value) -> Value:
    """One of + - * /, exactly.

    Raises:
        ZeroDivisionError: On division by zero.
    """
    if operator == "/":
        if isinstance(left, int) and isinstance(right, int) and left % right == 0:
            return left // right
        return whole(Fraction(left, right))
    if operator == "+":
        result = left + right
    elif operator == "-":
        result = left - right
    else:
        result = left * right
    return result if isinstance(result, int) else whole(result)


def show(value: Value, fractions: bool = False) -> str:
    """A value as a person writes it: 12, 3.75, or 2/3 where decimals would not end."""
    if isinstance(value, int):
        return str(value)
    if value.denominator == 1:
        return str(value.numerator)
    if not fractions and 10_000 % value.denominator == 0:
        units, rest = divmod(value.numerator * (10_000 // value.denominator), 10_000)
        return f"{units}.{rest:04d}".rstrip("0")
    return f"{value.numerator}/{value.denominator}"
