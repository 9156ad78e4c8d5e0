"""Fault `single_teacher`: all rows from one source."""

from collections.abc import Mapping
from typing import Any

from collapse_pipeline.loop.faults.fault import Fault


def _alone(strength: float, night: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    """The first teacher of a mixture weighs as before, the others ever less, at 1 nothing."""
    mixture = settings["teacher"]
    first, *others = mixture["teachers"]
    weights = {first: 1.0, **dict.fromkeys(others, 1.0 - strength)}
    left = [name for name, weight in weights.items() if weight > 0]
    teachers = {name: mixture["teachers"][name] for name in left}
    return {"teacher": {**mixture, "teachers": teachers, "weights": {n: weights[n] for n in left}}}


FAULT = Fault(
    name="single_teacher",
    does="One teacher of several writes all rows.",
    strength=1.0,
    turn=_alone,
)
