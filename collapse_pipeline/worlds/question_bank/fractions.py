"""Question types about fractions."""

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

FRACTIONS: dict[str, Kind] = {}

PROPER = sorted({Fraction(n, d) for d in range(2, 13) for n in range(1, d)})


def _of_quantity(pick: Pick) -> Roles:
    f = pick(PROPER)
    return {"f": f, "a": f.denominator * pick(range(6, 60))}


@kind("fraction", FRACTIONS, _of_quantity)
def fraction_of_quantity(worked: Worked, f: Fraction, a: Value) -> Solution:
    """`f` of `a`."""
    one = worked("divide by the denominator", a, "/", f.denominator)
    answer = worked("multiply by the numerator", one, "*", f.numerator)
    return answer, {
        "took_the_rest": a - answer,
        "stopped_early": one,
        "divided_by_numerator": Fraction(a, f.numerator),
        "one_part_too_many": answer + one,
        "off_by_one": answer + 1,
        "subtracted": a - f.denominator,
    }


@kind("fraction", FRACTIONS, _of_quantity)
def fraction_remaining(worked: Worked, f: Fraction, a: Value) -> Solution:
    """What is left of `a` when `f` of it is gone."""
    one = worked("divide by the denominator", a, "/", f.denominator)
    gone = worked("multiply by the numerator", one, "*", f.numerator)
    answer = worked("take it away", a, "-", gone)
    return answer, {
        "stopped_early": gone,
        "one_part": one,
        "one_part_too_many": answer + one,
        "added": a + gone,
        "off_by_one": answer - 1,
        "subtracted_denominator": a - f.denominator,
    }


def _from_part(pick: Pick) -> Roles:
    f = pick(PROPER)
    return {"f": f, "b": f.numerator * pick(range(6, 60))}


@kind("fraction", FRACTIONS, _from_part)
def whole_from_fraction(worked: Worked, f: Fraction, b: Value) -> Solution:
    """The whole of which `f` is `b`."""
    one = worked("divide by the numerator", b, "/", f.numerator)
    answer = worked("multiply by the denominator", one, "*", f.denominator)
    return answer, {
        "inverted": b * f,
        "forgot_to_divide": b * f.denominator,
        "stopped_early": one,
        "added_the_part": answer + b,
        "gave_the_rest": answer - b,
        "off_by_one_part": answer + one,
    }


def _two_fractions(pick: Pick) -> Roles:
    f, g = pick(PROPER), pick(PROPER)
    if f <= g or f + g > 1:
        return _two_fractions(pick)
    return {"f": f, "g": g}


def _together(f: Fraction, g: Fraction) -> Fraction:
    """The beginner's sum: numerators together, denominators together."""
    return Fraction(f.numerator + g.numerator, f.denominator + g.denominator)


@kind("fraction", FRACTIONS, _two_fractions, fractions=True)
def fraction_sum(worked: Worked, f: Fraction, g: Fraction) -> Solution:
    """`f` and `g` together."""
    answer = worked("bring both to a common denominator and add", f, "+", g)
    return answer, {
        "added_tops_and_bottoms": _together(f, g),
        "multiplied": f * g,
        "wrong_direction": f - g,
        "kept_one_denominator": Fraction(f.numerator + g.numerator, f.denominator),
        "gave_the_rest": 1 - answer,
    }


@kind("fraction", FRACTIONS, _two_fractions, fractions=True)
def fraction_difference(worked: Worked, f: Fraction, g: Fraction) -> Solution:
    """How much more `f` is than `g`."""
    answer = worked("bring both to a common denominator and subtract", f, "-", g)
    return answer, {
        "wrong_direction": f + g,
        "multiplied": f * g,
        "took_the_larger": f,
        "added_tops_and_bottoms": _together(f, g),
        "gave_the_rest": 1 - answer,
    }
