"""Question types about units and speed."""

from collections.abc import Callable
from fractions import Fraction

from collapse_pipeline.worlds.question_bank.kinds import (
    Kind,
    Pick,
    Roles,
    Solution,
    Value,
    Worked,
    kind,
    whole,
)
from collapse_pipeline.worlds.question_bank.words import UNITS

MEASURES: dict[str, Kind] = {}

TIMES: tuple[Value, ...] = (
    2,
    3,
    4,
    5,
    6,
    Fraction(3, 2),
    Fraction(5, 2),
    Fraction(7, 2),
    Fraction(9, 2),
)


def _conversion(*pairs: tuple[str, str]) -> Callable[[Pick], Roles]:
    """Draws an amount and two units, the larger to the smaller or back."""

    def draw(pick: Pick) -> Roles:
        large, small = pick(pairs)
        size = UNITS[large][1] // UNITS[small][1]
        if pick((True, False)):
            decimal = size % 10 == 0 and large not in ("hours", "minutes")
            amount = Fraction(pick(range(11, 240)) if decimal else 10 * pick(range(2, 40)), 10)
            return {"a": whole(amount), "u": large, "v": small}
        step = max(size // 4, 1) if size <= 100 else size // 20
        return {"a": step * pick(range(5, 120)), "u": small, "v": large}

    return draw


def _convert(worked: Worked, measure: str, a: Value, u: str, v: str) -> Solution:
    (of, here), (to, there) = UNITS.get(u, ("", 0)), UNITS.get(v, ("", 0))
    if of != measure or to != measure:
        raise ArithmeticError(f"{u} to {v} is no conversion of {measure}")
    if here >= there:
        size = here // there
        worked.facts.append(f"1 {u.removesuffix('s') if len(u) > 2 else u} = {size} {v}")
        answer, inverted = worked("multiply, as the new unit is smaller", a, "*", size), "/"
    else:
        size = there // here
        worked.facts.append(f"1 {v.removesuffix('s') if len(v) > 2 else v} = {size} {u}")
        answer, inverted = worked("divide, as the new unit is larger", a, "/", size), "*"
    return answer, {
        "place_value": answer * 10,
        "forgot_to_convert": a,
        "inverted": Fraction(a, size) if inverted == "/" else a * size,
        "wrong_base": Fraction(a * 100, size),
        "place_value_down": Fraction(answer, 10),
        "off_by_one": answer + 1,
    }


@kind("units", MEASURES, _conversion(("km", "m"), ("m", "cm"), ("cm", "mm"), ("m", "mm")))
def unit_length_convert(worked: Worked, a: Value, u: str, v: str) -> Solution:
    """`a` of the length `u` in `v`."""
    return _convert(worked, "length", a, u, v)


@kind("units", MEASURES, _conversion(("kg", "g"), ("tonnes", "kg"), ("g", "mg")))
def unit_mass_convert(worked: Worked, a: Value, u: str, v: str) -> Solution:
    """`a` of the mass `u` in `v`."""
    return _convert(worked, "mass", a, u, v)


@kind("units", MEASURES, _conversion(("litres", "ml"), ("litres", "cl"), ("cl", "ml")))
def unit_volume_convert(worked: Worked, a: Value, u: str, v: str) -> Solution:
    """`a` of the volume `u` in `v`."""
    return _convert(worked, "volume", a, u, v)


_TIME = _conversion(
    ("hours", "minutes"), ("minutes", "seconds"), ("days", "hours"), ("weeks", "days")
)


def _time(pick: Pick) -> Roles:
    roles = _TIME(pick)
    share = Fraction(roles["a"] * UNITS[roles["u"]][1], UNITS[roles["v"]][1])
    return roles if 100 % share.denominator == 0 else _time(pick)


@kind("units", MEASURES, _time)
def unit_time_convert(worked: Worked, a: Value, u: str, v: str) -> Solution:
    """`a` of the time `u` in `v`."""
    return _convert(worked, "time", a, u, v)


def _trip(pick: Pick) -> tuple[Value, Value, Value]:
    """Distance, speed, time; all exact."""
    speed, time = pick(range(20, 112, 2)), pick(TIMES)
    return whole(Fraction(speed * time)), speed, time


def _distance_and_time(pick: Pick) -> Roles:
    distance, _, time = _trip(pick)
    return {"d": distance, "t": time}


def _distance_and_speed(pick: Pick) -> Roles:
    distance, speed, _ = _trip(pick)
    return {"d": distance, "s": speed}


def _speed_and_time(pick: Pick) -> Roles:
    _, speed, time = _trip(pick)
    return {"s": speed, "t": time}


@kind("speed", MEASURES, _distance_and_time)
def average_speed(worked: Worked, d: Value, t: Value) -> Solution:
    """The speed that covers `d` in `t` hours."""
    answer = worked("divide the distance by the time", d, "/", t)
    return answer, {
        "inverted": d * t,
        "subtracted": d - t,
        "one_hour_too_many": Fraction(d, t + 1),
        "whole_distance": d,
        "off_by_ten": answer + 10,
    }


@kind("speed", MEASURES, _distance_and_speed)
def travel_time(worked: Worked, d: Value, s: Value) -> Solution:
    """The hours that `d` takes at speed `s`."""
    answer = worked("divide the distance by the speed", d, "/", s)
    return answer, {
        "inverted": Fraction(s, d),
        "off_by_one": answer + 1,
        "half_hour_slip": answer + Fraction(1, 2),
        "doubled": answer * 2,
        "subtracted": d - s,
    }


@kind("speed", MEASURES, _speed_and_time)
def distance_travelled(worked: Worked, s: Value, t: Value) -> Solution:
    """What is covered at speed `s` in `t` hours."""
    answer = worked("multiply the speed by the time", s, "*", t)
    return answer, {
        "inverted": Fraction(s, t),
        "added": s + t,
        "one_hour_short": s * (t - 1),
        "one_hour_too_many": s * (t + 1),
        "place_value": answer * 10,
    }


@kind("speed", MEASURES, lambda pick: {"s": 9 * pick(range(2, 22))})
def unit_speed_convert(worked: Worked, s: Value) -> Solution:
    """`s` km/h in metres a second."""
    worked.facts += ["1 km = 1000 m", "1 hour = 3600 seconds"]
    metres = worked("find the metres in an hour", s, "*", 1000)
    answer = worked("find the metres in a second", metres, "/", 3600)
    return answer, {
        "minutes_for_seconds": Fraction(metres, 60),
        "forgot_to_convert": s,
        "inverted": s * Fraction(18, 5),
        "place_value": answer * 10,
        "one_step_only": metres,
        "off_by_one": answer + 1,
    }
