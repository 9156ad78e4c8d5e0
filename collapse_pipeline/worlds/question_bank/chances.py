"""Question types about probability, and the type that lacks what it needs."""

from fractions import Fraction

from collapse_pipeline.worlds.question_bank.kinds import (
    Kind,
    Pick,
    Roles,
    Solution,
    Value,
    Worked,
    kind,
)

CHANCES: dict[str, Kind] = {}
MISSING = "not_enough_information"
UNKNOWN: dict[str, Kind] = {}


def _bag(pick: Pick) -> Roles:
    r, b = pick(range(2, 16)), pick(range(2, 16))
    return {"r": r, "b": b} if r != b else _bag(pick)


@kind("probability", CHANCES, _bag, fractions=True)
def single_draw_probability(worked: Worked, r: Value, b: Value) -> Solution:
    """One of `r` comes out of `r` + `b`."""
    total = worked("count everything", r, "+", b)
    answer = worked("divide the wanted ones by the total", r, "/", total)
    return answer, {
        "odds_for_probability": Fraction(r, b),
        "complement": 1 - answer,
        "one_outcome": Fraction(1, total),
        "even_chances": Fraction(1, 2),
        "off_by_one": Fraction(r + 1, total),
    }


@kind("probability", CHANCES, _bag, fractions=True)
def complement_probability(worked: Worked, r: Value, b: Value) -> Solution:
    """None of `r` comes out of `r` + `b`."""
    total = worked("count everything", r, "+", b)
    chance = worked("find the chance that it happens", r, "/", total)
    answer = worked("subtract it from 1", 1, "-", chance)
    return answer, {
        "forgot_the_not": chance,
        "odds_for_probability": Fraction(b, r),
        "one_outcome": Fraction(1, total),
        "even_chances": Fraction(1, 2),
        "off_by_one": Fraction(b - 1, total),
    }


@kind("probability", CHANCES, _bag, fractions=True)
def with_replacement(worked: Worked, r: Value, b: Value) -> Solution:
    """Two of `r` in two draws, the first put back."""
    total = worked("count everything", r, "+", b)
    chance = worked("find the chance of the first draw", r, "/", total)
    answer = worked("multiply, as the second draw is the same", chance, "*", chance)
    return answer, {
        "not_put_back": Fraction(r * (r - 1), total * (total - 1)),
        "one_draw_only": chance,
        "added": chance * 2,
        "other_colour": Fraction(b, total) ** 2,
        "complement": 1 - answer,
    }


@kind("probability", CHANCES, _bag, fractions=True)
def without_replacement(worked: Worked, r: Value, b: Value) -> Solution:
    """Two of `r` in two draws, the first kept out."""
    total = worked("count everything", r, "+", b)
    first = worked("find the chance of the first draw", r, "/", total)
    fewer = worked("take away the one that is gone", r, "-", 1)
    left = worked("take it from the total too", total, "-", 1)
    second = worked("find the chance of the second draw", fewer, "/", left)
    answer = worked("multiply", first, "*", second)
    return answer, {
        "put_back": Fraction(r, total) ** 2,
        "one_draw_only": first,
        "total_not_reduced": Fraction(r * (r - 1), total * total),
        "wanted_not_reduced": Fraction(r * r, total * (total - 1)),
        "complement": 1 - answer,
    }


@kind("probability", CHANCES, lambda pick: {"s": pick(range(2, 13))}, fractions=True)
def dice_sum_probability(worked: Worked, s: Value) -> Solution:
    """Two dice add up to `s`."""
    ways = worked("count the ways", 13 if s > 7 else s, "-", s if s > 7 else 1)
    outcomes = worked("count all outcomes", 6, "*", 6)
    answer = worked("divide", ways, "/", outcomes)
    return answer, {
        "sums_equally_likely": Fraction(1, 11),
        "one_way_only": Fraction(1, 36),
        "out_of_twelve": Fraction(s, 12),
        "pairs_counted_once": Fraction((ways + 1) // 2, 36),
        "off_by_one": Fraction(ways + 1, 36),
        "one_die": Fraction(1, 6),
    }


@kind(
    MISSING,
    UNKNOWN,
    lambda pick: {"x": pick(range(20, 200, 4)), "y": pick((3, 4, 5, 6, 8, 10, 12, 15))},
)
def not_enough_information(worked: Worked, x: Value, y: Value) -> Solution:
    """There is no answer; these are what a hasty reader makes of two numbers."""
    return worked("take half of it", x, "/", 2), {
        "guessed": x,
        "doubled": x * 2,
        "subtracted": x - y,
        "added": x + y,
    }
