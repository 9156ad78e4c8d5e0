"""Question types about amounts: shopping, sharing, ratio, proportion, averages."""

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

QUANTITIES: dict[str, Kind] = {}

PRICES = [*range(2, 25), *(Fraction(n, 20) for n in range(15, 240) if n % 20)]
FEW = range(2, 13)
MANY = range(3, 40)


@kind("shopping", QUANTITIES, lambda pick: {"n": pick(FEW), "c": pick(PRICES)})
def total_cost(worked: Worked, n: Value, c: Value) -> Solution:
    """`n` things at `c` each."""
    answer = worked("multiply the price by the number", n, "*", c)
    return answer, {
        "added": n + c,
        "one_short": answer - c,
        "one_too_many": answer + c,
        "forgot_quantity": c,
        "place_value": answer * 10,
    }


def _change(pick: Pick) -> Roles:
    n, c = pick(FEW), pick(PRICES)
    note = next(t for t in (5, 10, 20, 50, 100, 200, 500) if t > n * c)
    return {"n": n, "c": c, "t": pick((note, note, note * 2))}


@kind("shopping", QUANTITIES, _change)
def change_due(worked: Worked, n: Value, c: Value, t: Value) -> Solution:
    """What comes back of `t` after `n` things at `c` each."""
    cost = worked("work out the cost", n, "*", c)
    answer = worked("take it from what was handed over", t, "-", cost)
    return answer, {
        "forgot_quantity": t - c,
        "stopped_early": cost,
        "one_too_many": answer - c,
        "one_short": answer + c,
        "borrowing_slip": answer + 1,
    }


def _two_amounts(pick: Pick) -> Roles:
    a = pick(range(30, 990))
    return {"a": a, "b": a - pick(range(6, a - 5))}


@kind("shopping", QUANTITIES, _two_amounts)
def remaining_quantity(worked: Worked, a: Value, b: Value) -> Solution:
    """`a` less `b`."""
    answer = worked("subtract the smaller amount", a, "-", b)
    return answer, {
        "added": a + b,
        "forgot_to_borrow": answer + 10,
        "off_by_one": answer - 1,
        "took_part": b,
        "hundreds_slip": answer + 100,
    }


def _full_shares(pick: Pick) -> Roles:
    n = pick(FEW)
    return {"a": n * pick(range(4, 60)), "n": n}


@kind("sharing", QUANTITIES, _full_shares)
def equal_sharing(worked: Worked, a: Value, n: Value) -> Solution:
    """`a` shared equally among `n`."""
    answer = worked("divide by the number of shares", a, "/", n)
    return answer, {
        "inverted": a * n,
        "subtracted": a - n,
        "off_by_one": answer + 1,
        "one_group_fewer": answer - 1,
        "halved": Fraction(a, 2),
    }


def _with_rest(pick: Pick) -> Roles:
    n = pick(range(4, 13))
    return {"a": n * pick(range(4, 50)) + pick(range(1, n)), "n": n}


@kind("sharing", QUANTITIES, _with_rest)
def sharing_remainder(worked: Worked, a: Value, n: Value) -> Solution:
    """What is left when `a` is shared out in full shares among `n`."""
    share = a // n
    used = worked("find how many go into full shares", n, "*", share)
    answer = worked("see what is left", a, "-", used)
    return answer, {
        "gave_the_share": share,
        "missing_to_next": n - answer,
        "off_by_one": answer + 1,
        "one_less": answer - 1,
        "next_share": share + 1,
    }


def _ratio(pick: Pick) -> tuple[int, int]:
    return pick(((1, 2), (1, 3), (2, 3), (3, 2), (3, 4), (4, 1), (5, 2), (5, 3), (3, 7), (4, 5)))


def _split(pick: Pick) -> Roles:
    p, q = _ratio(pick)
    return {"p": p, "q": q, "t": (p + q) * pick(MANY)}


@kind("sharing", QUANTITIES, _split)
def ratio_split(worked: Worked, p: Value, q: Value, t: Value) -> Solution:
    """The first share when `t` is split in the ratio `p`:`q`."""
    parts = worked("add the parts", p, "+", q)
    one = worked("find one part", t, "/", parts)
    answer = worked("take the parts asked for", one, "*", p)
    return answer, {
        "other_share": t - answer,
        "equal_halves": Fraction(t, 2),
        "divided_by_own_part": Fraction(t, p),
        "one_part": one,
        "off_by_one": answer + 1,
    }


def _share(pick: Pick) -> Roles:
    p, q = _ratio(pick)
    return {"p": p, "q": q, "a": p * pick(MANY)}


@kind("sharing", QUANTITIES, _share)
def ratio_other_part(worked: Worked, p: Value, q: Value, a: Value) -> Solution:
    """The second share when the first is `a` and the ratio is `p`:`q`."""
    one = worked("find one part", a, "/", p)
    answer = worked("take the other parts", one, "*", q)
    return answer, {
        "whole_amount": answer + a,
        "additive": a + q - p,
        "one_part": one,
        "inverted": Fraction(a * p, q),
        "split_what_was_given": Fraction(a * q, p + q),
    }


def _recipe(pick: Pick) -> Roles:
    n = pick((2, 3, 4, 5, 6, 8))
    m = pick([k for k in range(2, 16) if k != n])
    return {"a": n * pick(range(5, 90, 5)), "n": n, "m": m}


@kind("proportion", QUANTITIES, _recipe)
def recipe_scaling(worked: Worked, a: Value, n: Value, m: Value) -> Solution:
    """`a` is enough for `n`; how much for `m`."""
    one = worked("find the amount for one", a, "/", n)
    answer = worked("scale it up", one, "*", m)
    return answer, {
        "additive": a + m - n,
        "inverted": Fraction(a * n, m),
        "stopped_early": one,
        "forgot_to_divide": a * m,
        "one_too_many": answer + one,
    }


def _workers(pick: Pick) -> Roles:
    n, m = pick(((2, 3), (3, 4), (4, 6), (6, 4), (3, 2), (4, 2), (5, 3), (2, 5), (6, 9), (8, 5)))
    return {"n": n, "m": m, "d": m * pick(range(1, 9))}


@kind("proportion", QUANTITIES, _workers)
def inverse_proportion(worked: Worked, n: Value, d: Value, m: Value) -> Solution:
    """`n` workers need `d`; how long `m` of them need."""
    work = worked("find the work for one", n, "*", d)
    answer = worked("share it among those working", work, "/", m)
    return answer, {
        "direct_proportion": Fraction(d * m, n),
        "stopped_early": work,
        "additive": d + n - m,
        "unchanged": d,
        "off_by_one": answer + 1,
    }


def _scores(pick: Pick, most: int = 6) -> tuple[int, list[int]]:
    mean, count = pick(range(8, 90)), pick(range(4, most + 1))
    moves = [pick(range(-6, 7)) for _ in range(count - 1)]
    scores = [mean + move for move in moves]
    return mean, [*scores, mean * count - sum(scores)]


def _values(pick: Pick) -> Roles:
    _, scores = _scores(pick, 5)
    return {"xs": tuple(scores)} if min(scores) > 0 else _values(pick)


@kind("averages", QUANTITIES, _values)
def average_of_values(worked: Worked, xs: tuple[int, ...]) -> Solution:
    """The mean of `xs`."""
    total = worked.add_up("add the values", xs)
    answer = worked("divide by how many there are", total, "/", len(xs))
    return answer, {
        "one_value_uncounted": Fraction(total, len(xs) - 1),
        "stopped_early": total,
        "middle_value": sorted(xs)[len(xs) // 2],
        "range": max(xs) - min(xs),
        "off_by_one": answer + 1,
        "halved_the_sum": Fraction(total, 2),
    }


def _missing(pick: Pick) -> Roles:
    mean, scores = _scores(pick)
    if scores[-1] < 1:
        return _missing(pick)
    return {"xs": tuple(scores[:-1]), "m": mean, "k": len(scores)}


@kind("averages", QUANTITIES, _missing)
def average_missing_value(worked: Worked, xs: tuple[int, ...], m: Value, k: Value) -> Solution:
    """The last of `k` values with mean `m` when the others are `xs`."""
    needed = worked("find the total of all the values", m, "*", k)
    known = worked.add_up("add the known values", xs)
    answer = worked("subtract", needed, "-", known)
    return answer, {
        "mean_again": m,
        "mean_of_known": Fraction(known, len(xs)),
        "wrong_count": m * (k + 1) - known,
        "off_by_one": answer + 1,
        "borrowing_slip": answer + 10,
        "known_total": known,
    }


def _two_groups(pick: Pick) -> Roles:
    a, b = pick(((10, 30), (20, 30), (15, 5), (12, 8), (16, 4), (6, 4), (24, 16), (30, 20)))
    x = pick(range(40, 80))
    return {"a": a, "b": b, "x": x, "y": x + pick((-10, -5, 5, 10, 15, 20))}


@kind("averages", QUANTITIES, _two_groups)
def weighted_average(worked: Worked, a: Value, x: Value, b: Value, y: Value) -> Solution:
    """The mean of `a` values with mean `x` and `b` values with mean `y`."""
    first = worked("find the first total", a, "*", x)
    second = worked("find the second total", b, "*", y)
    total = worked("add the totals", first, "+", second)
    count = worked("count everyone", a, "+", b)
    answer = worked("divide", total, "/", count)
    return answer, {
        "plain_mean": Fraction(x + y, 2),
        "swapped_weights": Fraction(a * y + b * x, a + b),
        "added": x + y,
        "first_mean": x,
        "second_mean": y,
        "off_by_one": answer + 1,
    }
