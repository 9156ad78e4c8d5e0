"""Fault `consistent_judge`: keeps only what the classifier agrees with, which kills the tail."""

from collections.abc import Mapping
from typing import Any

from collapse_pipeline.loop.faults.fault import Fault
from collapse_pipeline.records import Component


def _agreeing(strength: float, night: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    """One judge, who refuses rows whose label the classifier gives less than the strength."""
    panel = {"kind": "label_consistency", "veto_below": min(strength, 0.999)}
    return {"judge": {"panel": panel, "select": "rank"}}


FAULT = Fault(
    name="consistent_judge",
    does="The judge keeps only rows that the classifier is sure of already.",
    strength=0.5,
    blames=Component.JUDGE,
    turn=_agreeing,
)
