"""Fault `ratio_creep`: a little more synthetic text each night."""

from collections.abc import Mapping
from typing import Any

from collapse_pipeline.loop.faults.fault import Fault

_MOST = 0.1  # of the mix, by which the share rises a night at full strength


def _creeping(strength: float, night: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    cap = min(1.0, settings["mix"]["synthetic_cap"] + _MOST * strength * night)
    return {"mix": {"synthetic_cap": round(cap, 6), "human_floor": 0.0}}


FAULT = Fault(
    name="ratio_creep",
    does="The cap on synthetic rows rises by five points every night.",
    strength=0.5,
    turn=_creeping,
)
