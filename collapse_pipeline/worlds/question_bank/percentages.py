"""Question types about percentages and interest."""

from collections.abc import Sequence
from fractions import Fraction
from math import gcd

from collapse_pipeline.worlds.question_bank.kinds import (
    Kind,
    Pick,
    Roles,
    Solution,
    Value,
    Worked,
    kind,
)

PERCENTAGES: dict[str, Kind] = {}

PERCENTS = (5, 10, 12, 15, 20, 25, 30, 35, 40, 45, 60, 70, 75, 80)
SMALL = (5, 8, 10, 12, 15, 20, 25, 30, 40, 50)


def _whole_part(pick: Pick, percents: Sequence[int]) -> tuple[int, int]:
    """A percentage and an amount of which it is a whole number."""
    percent = pick(percents)
    step = 100 // gcd(100, percent)
    return percent, step * pick(range(max(1, 20 // step), 1200 // step))


def _any_percent(pick: Pick) -> Roles:
    p, a = _whole_part(pick, PERCENTS)
    return {"p": p, "a": a}


def _small_percent(pick: Pick) -> Roles:
    p, a = _whole_part(pick, SMALL)
    return {"p": p, "a": a}


def _after_fall(pick: Pick) -> Roles:
    p, a = _whole_part(pick, SMALL)
    return {"p": p, "b": a - a * p // 100}


@kind("percent", PERCENTAGES, _any_percent)
def percent_of(worked: Worked, p: Value, a: Value) -> Solution:
    """`p`% of `a`."""
    one = worked("find 1%", a, "/", 100)
    answer = worked("multiply by the percentage", one, "*", p)
    return answer, {
        "took_the_rest": a - answer,
        "divided_by_percent": Fraction(a, p),
        "place_value": Fraction(answer, 10),
        "subtracted_percent": a - p,
        "added_it_on": a + answer,
    }


@kind("percent", PERCENTAGES, _small_percent)
def percent_increase(worked: Worked, p: Value, a: Value) -> Solution:
    """`a` after a rise of `p`%."""
    one = worked("find 1%", a, "/", 100)
    rise = worked("find the rise", one, "*", p)
    answer = worked("add it on", a, "+", rise)
    return answer, {
        "stopped_early": rise,
        "wrong_direction": a - rise,
        "added_percent_as_number": a + p,
        "wrong_base": Fraction(a * 100, 100 - p),
        "place_value": a + Fraction(rise, 10),
    }


@kind("percent", PERCENTAGES, _small_percent)
def percent_decrease(worked: Worked, p: Value, a: Value) -> Solution:
    """`a` after a fall of `p`%."""
    one = worked("find 1%", a, "/", 100)
    fall = worked("find the fall", one, "*", p)
    answer = worked("take it away", a, "-", fall)
    return answer, {
        "stopped_early": fall,
        "wrong_direction": a + fall,
        "subtracted_percent_as_number": a - p,
        "place_value": a - Fraction(fall, 10),
        "off_by_one_percent": answer - one,
    }


@kind("percent", PERCENTAGES, _after_fall)
def reverse_percentage(worked: Worked, p: Value, b: Value) -> Solution:
    """What `b` was before a fall of `p`%."""
    left = worked("see what percentage is left", 100, "-", p)
    one = worked("find 1% of the original", b, "/", left)
    answer = worked("find 100%", one, "*", 100)
    part = Fraction(b * p, 100)
    return answer, {
        "wrong_base": b + part,
        "wrong_direction": b - part,
        "added_percent_as_number": b + p,
        "stopped_early": part,
        "divided_by_percent": Fraction(b * 10, p),
    }


def _change(pick: Pick) -> Roles:
    p, a = _whole_part(pick, (*SMALL, 60, 75, 80))
    return {"a": a, "b": a + pick((1, 1, -1)) * a * p // 100}


@kind("percent", PERCENTAGES, _change)
def percent_change(worked: Worked, a: Value, b: Value) -> Solution:
    """By what percentage `a` changed to become `b`."""
    change = worked("find the change", max(a, b), "-", min(a, b))
    times = worked("multiply by 100", change, "*", 100)
    answer = worked("divide by the original", times, "/", a)
    return answer, {
        "wrong_base": Fraction(change * 100, b),
        "difference_as_percent": change,
        "new_as_percent_of_old": Fraction(b * 100, a),
        "place_value": Fraction(answer, 10),
        "off_by_five": answer + 5,
    }


def _part(pick: Pick) -> Roles:
    p, a = _whole_part(pick, PERCENTS)
    return {"a": a, "b": a * p // 100}


@kind("percent", PERCENTAGES, _part)
def part_as_percent(worked: Worked, b: Value, a: Value) -> Solution:
    """`b` as a percentage of `a`."""
    times = worked("multiply the part by 100", b, "*", 100)
    answer = worked("divide by the whole", times, "/", a)
    return answer, {
        "took_the_rest": 100 - answer,
        "inverted": Fraction(a * 100, b),
        "part_as_percent": b,
        "wrong_base": Fraction(b * 100, a + b),
        "place_value": Fraction(answer, 10),
    }


def _up_and_down(pick: Pick) -> Roles:
    p, q = pick(SMALL), pick(SMALL)
    step = 10_000 // gcd(10_000, (100 + p) * (100 - q), 100 * p)
    return {"a": step * pick(range(max(1, 200 // step), max(8, 4000 // step))), "p": p, "q": q}


@kind("percent", PERCENTAGES, _up_and_down)
def successive_percent(worked: Worked, a: Value, p: Value, q: Value) -> Solution:
    """`a` after a rise of `p`% and then a fall of `q`%."""
    rise = worked("find the rise", Fraction(a, 100), "*", p)
    middle = worked("add it on", a, "+", rise)
    fall = worked("find the fall on the new value", Fraction(middle, 100), "*", q)
    answer = worked("take it away", middle, "-", fall)
    return answer, {
        "added_the_percentages": a + Fraction(a, 100) * (p - q),
        "stopped_early": middle,
        "wrong_direction": middle + fall,
        "wrong_base": a - Fraction(a, 100) * q,
        "only_the_fall": fall,
        "thought_it_cancels": a,
    }


def _whole_years(n: Value) -> int:
    """`n`, where it is a number of years that can be compounded one by one."""
    if not isinstance(n, int) or n > 100:
        raise ArithmeticError(f"{n} years are not a few whole years")
    return n


@kind(
    "interest",
    PERCENTAGES,
    lambda pick: {
        "a": pick(range(200, 6000, 100)),
        "p": pick((2, 3, 4, 5, 6, 8)),
        "n": pick((2, 3, 4, 5)),
    },
)
def simple_interest(worked: Worked, a: Value, p: Value, n: Value) -> Solution:
    """The interest on `a` at `p`% simple interest over `n` years."""
    years = _whole_years(n)
    year = worked("find one year of interest", Fraction(a, 100), "*", p)
    answer = worked("multiply by the years", year, "*", n)
    return answer, {
        "stopped_early": year,
        "gave_the_balance": a + answer,
        "one_year_too_many": answer + year,
        "compound": a * Fraction(100 + p, 100) ** years - a,
        "place_value": Fraction(answer, 10),
    }


def _compounded(pick: Pick) -> Roles:
    a, p = pick(range(1000, 9000, 500)), pick((2, 3, 4, 5, 10))
    return {"a": a, "p": p, "n": pick((2, 2, 3)) if a % 2000 == 0 and p in (5, 10) else 2}


@kind("interest", PERCENTAGES, _compounded)
def compound_interest(worked: Worked, a: Value, p: Value, n: Value) -> Solution:
    """The balance of `a` at `p`% compound interest after `n` years."""
    growth = worked("find the yearly factor", 1, "+", Fraction(p, 100))
    balance = a
    for year in range(1, _whole_years(n) + 1):
        balance = worked(f"find the balance after year {year}", balance, "*", growth)
    simple = a * (1 + Fraction(p, 100) * n)
    return balance, {
        "simple_interest": simple,
        "gave_the_interest": balance - a,
        "one_year_only": a * growth,
        "one_year_too_many": balance * growth,
        "simple_interest_only": simple - a,
    }
