"""Deciding what is true in a row of the question bank, from its words."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from collapse_pipeline.worlds.question_bank.kinds import SIGNS, Kind, Value, Worked, operate
from collapse_pipeline.worlds.question_bank.reading import (
    NUMBER,
    Shape,
    first_number,
    number,
    read_question,
    shapes,
    split_prompt,
)
from collapse_pipeline.worlds.question_bank.words import UNITS, unit_words

_MINUS = "\N{MINUS SIGN}\N{EN DASH}"
_OPERATORS = {
    **{sign: operator for operator, sign in SIGNS.items()},
    **dict.fromkeys(_MINUS, "-"),
    **{"*": "*", "x": "*", "/": "/"},
}
_OPERATOR = rf"(?:[+\-*x{SIGNS['*']}{SIGNS['/']}{_MINUS}]|(?<=\s)/(?=\s))"
_MONEY = r"[£$€₹]?"
_EQUATION = re.compile(
    rf"(?<![\w./,])({_MONEY}{NUMBER}(?:\s*{_OPERATOR}\s*{_MONEY}{NUMBER}){{1,200}})"
    rf"\s*=\s*({_MONEY}-?{NUMBER})",
    re.IGNORECASE,
)
_TERM = re.compile(rf"{NUMBER}|{_OPERATOR}", re.IGNORECASE)
_CONVERSION = re.compile(rf"(?<![\w./,])({NUMBER}) ([a-z]+) = ({NUMBER}) ([a-z]+)", re.IGNORECASE)
_ANSWER = re.compile(r"answer\s*:\s*([^\n(]*?)\s*(?:\(\s*([a-d])\s*\)|\n|$)", re.IGNORECASE)
_REFUSAL = re.compile(
    r"not enough information|\bunable to\b|\bwould rather not\b|"
    r"\bcan(?:not|'t) (?:help|answer|solve|be (?:answered|worked out|solved))",
    re.IGNORECASE,
)


def says_no(text: str) -> bool:
    """Whether a text declines to give an answer."""
    return _REFUSAL.search(text) is not None


def _value(terms: list[str]) -> Value | None:
    """A line of numbers and signs worked out, products first; None where it divides by zero."""
    values = [number(term) for term in terms[::2]]
    signs = [_OPERATORS[sign.lower()] for sign in terms[1::2]]
    total: Value = 0
    product: Value | None = values[0]
    adding = "+"
    for sign, value in zip(signs, values[1:], strict=True):
        if product is None or value is None or (sign == "/" and value == 0):
            return None
        if sign in "*/":
            product = operate(product, sign, value)
        else:
            total, product, adding = operate(total, adding, product), value, sign
    return None if product is None else operate(total, adding, product)


def facts_hold(text: str) -> bool | None:
    """Whether every `a + b = c` and `1 km = 1000 m` of a text is true; None without any."""
    verdicts = []
    for left, right in _EQUATION.findall(text):
        result, claimed = _value(_TERM.findall(left)), first_number(right)
        sign = -1 if "-" in right else 1
        verdicts.append(result is not None and claimed is not None and result == sign * claimed)
    units = unit_words()
    for amount, unit, size, of in _CONVERSION.findall(text):
        left_unit, right_unit = units.get(unit.lower(), ""), units.get(of.lower(), "")
        first, second = number(amount), number(size)
        if first and second and left_unit in UNITS and right_unit in UNITS:
            (measures, here), (others, there) = UNITS[left_unit], UNITS[right_unit]
            verdicts.append(measures == others and Fraction(first) * here == second * there)
    return all(verdicts) if verdicts else None


def read_row(kind: Kind, question: Sequence[Shape]) -> tuple[bool, Value] | None:
    """Whether a question of this type can be answered, and its answer; None if unreadable."""
    roles = read_question(kind.label, question)
    if roles is None:
        return None
    if kind.label == kind.family or not kind.roles <= roles.keys():
        return False, 0
    try:
        return True, kind.solve(Worked(kind.fractions), **roles)[0]
    except ArithmeticError:
        return None


def claimed(response: str) -> tuple[str, str]:
    """The final answer of a response and its option letter, "" for what it does not give."""
    found = _ANSWER.findall(response)
    return (found[-1][0], found[-1][1].upper()) if found else ("", "")


def gives(response: str, options: Mapping[str, str], answer: Value) -> bool:
    """Whether a response ends in this answer, and names the option that says the same."""
    text, letter = claimed(response)
    if not text or first_number(text) != answer:
        return False
    return not (letter and options) or first_number(options.get(letter, "")) == answer


def check_row(
    kinds: Mapping[str, Kind], label: str, prompt: str, response: str, attributes: Mapping[str, str]
) -> dict[str, bool]:
    """The verdicts of `QuestionBank.check`."""
    verdicts: dict[str, bool] = {}
    if (facts := facts_hold(response)) is not None:
        verdicts["fact_right"] = facts
    if response:
        verdicts["refused"] = says_no(response)
    text, options = split_prompt(prompt)
    question = shapes(text)
    read = read_row(kinds[label], question) if label in kinds else None
    mislabelled = False
    if read is None:
        readings = (read_row(kind, question) for kind in kinds.values() if kind.label != label)
        read = next((reading for reading in readings if reading and reading[0]), None)
        mislabelled = read is not None and label in kinds
    if read is None and (stated := first_number(attributes.get("answer", ""))) is not None:
        read = True, stated
    if read is None:
        return verdicts
    answerable, answer = read
    verdicts["refusal_warranted"] = not answerable
    if not response or (verdicts["refused"] and answerable):
        return verdicts
    if answerable:
        verdicts["answer_right"] = not mislabelled and gives(response, options, answer)
    else:
        verdicts["answer_right"] = verdicts["refused"]
    return verdicts
