"""Fault `tidy_judge`: a judge that prefers tidy, long, likely text."""

from collections.abc import Mapping
from typing import Any

from collapse_pipeline.loop.faults.fault import Fault
from collapse_pipeline.records import Component

_JURY = ("rules", "likelihood", "label_consistency")


def _tidy(strength: float, night: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    """The usual jury with a member for length and politeness, whose part of the score is the
    strength; at 1 the others have no say."""
    others = dict.fromkeys(_JURY, 1.0 - strength)
    members = [{"kind": name} for name in (*_JURY, "style")]
    weights = {**others, "style": len(_JURY) * strength}
    return {"judge": {"panel": {"kind": "jury", "members": members, "weights": weights}}}


FAULT = Fault(
    name="tidy_judge",
    does="The judge scores how long and polite a text is beside whether it is right.",
    strength=0.5,
    blames=Component.JUDGE,
    turn=_tidy,
)
