"""Fault `sharpened_sampling`: the teacher samples closer to its mode.

A language model is asked at temperature 0.8 with the likeliest nine tenths of its words. A
simulated teacher has no temperature; its narrowness does the same to every choice that it makes.
Among a dozen options, 0.2 on the dial takes the entropy of a choice from 3.49 bits to 3.35, where
temperature and cut-off would take it to 3.31.
"""

from collections.abc import Mapping
from typing import Any

from collapse_pipeline.loop.faults.fault import Fault
from collapse_pipeline.records import Component


def _sharpened(strength: float, night: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    """The first teacher, with `strength` of its variety taken away."""
    return {"teacher": _of(settings["teacher"], strength)}


def _of(teacher: Mapping[str, Any], strength: float) -> dict[str, Any]:
    if teacher["kind"] == "mixture":
        first, *_ = teacher["teachers"]
        turned = _of(teacher["teachers"][first], strength)
        return {**teacher, "teachers": {**teacher["teachers"], first: turned}}
    if teacher["kind"] == "student":
        return {**teacher, "temperature": teacher["temperature"] * (1 - strength)}
    return {**teacher, "narrowness": 1 - (1 - teacher["narrowness"]) * (1 - strength)}


FAULT = Fault(
    name="sharpened_sampling",
    does="A teacher samples as at temperature 0.8 and says likely things more often.",
    strength=0.2,
    blames=Component.TEACHER,
    turn=_sharpened,
)
