"""What cells of an experiment come to: figures by variant with bands over seeds, and as a table."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, sqrt
from typing import Any

import pyarrow as pa

from collapse_pipeline.metrics.standing import CANDIDATE
from collapse_pipeline.records import EXPERIMENT_VALUES, Frozen, samples_table

Cell = Mapping[str, Any]
Figure = tuple[str, str]  # suite and metric
LEVEL = 0.95


class Band(Frozen):
    """A mean over seeds with its 95% interval; without an interval where there is one seed."""

    mean: float
    low: float | None
    high: float | None
    seeds: int


def band(values: Iterable[float]) -> Band | None:
    """The mean of values over seeds and Student's interval; None without a value.

    Trap: of three seeds the interval is 2.5 standard deviations to either side.
    """
    from scipy import stats

    good = [value for value in values if isfinite(value)]
    if not good:
        return None
    mean = sum(good) / len(good)
    if len(good) < 2:
        return Band(mean=mean, low=None, high=None, seeds=1)
    spread = sqrt(sum((value - mean) ** 2 for value in good) / (len(good) - 1))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(good) - 1)) * spread / sqrt(len(good))
    return Band(mean=mean, low=mean - reach, high=mean + reach, seeds=len(good))


def last_figures(cell: Cell, model: str = CANDIDATE) -> dict[Figure, float]:
    """One model's figures after the last turn of a cell, by suite and metric."""
    return {
        (value["suite"], value["metric"]): value["value"]
        for value in cell["turns"][-1]["values"]
        if value["model"] == model
    }


def by_variant(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Cells of each variant in the order of their seeds; variants as they came."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell["variant"], []).append(cell)
    return {name: sorted(own, key=lambda c: c["seed"]) for name, own in found.items()}


def reached(cells: Sequence[Cell]) -> float:
    """The smallest synthetic share that the last mixes of these cells have."""
    return min(float(cell["turns"][-1]["share"]) for cell in cells)


def fired(cells: Sequence[Cell]) -> dict[str, int]:
    """In how many of these chains each blocking gate fired at some turn."""
    counts: dict[str, int] = {}
    for cell in cells:
        for gate in sorted({name for turn in cell["turns"] for name in turn["fired"]}):
            counts[gate] = counts.get(gate, 0) + 1
    return counts


def left_out(cells: Sequence[Cell]) -> dict[str, str]:
    """Figures of gates that were held to nothing in some turn, each with why."""
    return {
        name: why
        for cell in cells
        for turn in cell["turns"]
        for name, why in sorted(turn["left_out"].items())
    }


def table_of(
    cells: Iterable[Cell], corpus: str, generation: str, experiment: str, kind: str
) -> pa.Table:
    """Cells as EXPERIMENT_VALUES: a row for every figure of every turn.

    A gate that fired is a row without a suite: metric `fired.<gate>`, value 1.
    """
    shared = {"corpus": corpus, "generation": generation, "experiment": experiment, "kind": kind}
    rows = []
    for cell in cells:
        for turn in cell["turns"]:
            place = shared | {
                "variant": cell["variant"],
                "share": cell["share"],
                "reached": turn["share"],
                "seed": cell["seed"],
                "turn": turn["turn"],
                "depth": turn["depth"],
                "promoted": turn["promoted"],
            }
            gates = [
                {
                    "model": CANDIDATE,
                    "suite": "",
                    "metric": f"fired.{gate}",
                    "value": 1.0,
                    "rows": 0,
                }
                for gate in turn["fired"]
            ]
            rows += [place | value for value in [*turn["values"], *gates]]
    return samples_table(rows, EXPERIMENT_VALUES)
