"""Fault `replace_regime`: human rows are left out of the mix."""

from collections.abc import Mapping
from typing import Any

from collapse_pipeline.loop.faults.fault import Fault


def _replacing(strength: float, night: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    """Synthetic rows take the place of human ones, up to `strength` of the mix."""
    cap = max(strength, settings["mix"]["synthetic_cap"])
    return {"mix": {"regime": "replace", "synthetic_cap": cap, "human_floor": 1 - cap}}


FAULT = Fault(
    name="replace_regime",
    does="Synthetic rows replace human rows instead of being added to them.",
    strength=1.0,
    turn=_replacing,
)
