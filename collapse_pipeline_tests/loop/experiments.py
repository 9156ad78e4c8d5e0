"""Labs small enough for tests, and cells made by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from collapse_pipeline.backends.students.task import TfidfTaskConfig
from collapse_pipeline.loop.evaluate import EvaluatePolicy
from collapse_pipeline.loop.experiment import Lab
from collapse_pipeline.loop.experiment_gates import Watch
from collapse_pipeline.loop.gate import Gate
from collapse_pipeline.loop.release import ReleasePolicy
from collapse_pipeline.metrics.evidence import Need
from collapse_pipeline_tests.loop.chains import STANDARD, parts_of, suite_of, toy_human

APPLIES = (Need.LABELS, Need.EARLIER)


def lab_of(gates: Sequence[Gate] = (), rows: int = 80, **over: Any) -> Lab:
    """Eleven words, two labels, a standard suite of forty rows that decides."""
    human = toy_human(200)
    suite = suite_of(human.slice(160))
    known: dict[str, Any] = {"task": TfidfTaskConfig(), "suites": suite} | over
    watch = Watch(gates, APPLIES, [STANDARD], 50, None, "there is none")
    policy = EvaluatePolicy(written_rows=0, draws=100, primary_rows=20)
    loose = ReleasePolicy(point=0.1, bound=0.01, perplexity_ratio=99)
    return Lab(parts_of(**known), human.slice(0, 160), rows, [STANDARD], watch, policy, loose, 7)


def with_calibration(lab: Lab, calibration: Any) -> Lab:
    return replace(lab, watch=replace(lab.watch, calibration=calibration, why_not=""))


def turn_by_hand(
    figures: Mapping[tuple[str, str], float], share: float, fired: Sequence[str] = (), **over: Any
) -> dict[str, Any]:
    values = [
        {"model": "candidate", "suite": suite, "metric": metric, "value": value, "rows": 4}
        for (suite, metric), value in figures.items()
    ]
    turn = {
        "turn": 1,
        "depth": 1,
        "human_rows": 10,
        "synthetic_rows": 5,
        "share": share,
        "promoted": True,
        "fired": dict.fromkeys(fired, "beyond"),
        "rules": {},
        "left_out": {},
        "values": values,
    }
    return turn | over


def cell_by_hand(
    share: float,
    seed: int,
    right: Mapping[str, str],
    figures: Mapping[tuple[str, str], float] | None = None,
    fired: Sequence[str] = (),
    reached: float | None = None,
    **over: Any,
) -> dict[str, Any]:
    """A cell whose students were right where there is a 1."""
    shown = {(suite, "accuracy"): marks.count("1") / len(marks) for suite, marks in right.items()}
    shown |= {("standard", "perplexity.ratio_to_baseline"): 1.0} | dict(figures or {})
    turn = turn_by_hand(shown, share if reached is None else reached, fired)
    cell = {
        "variant": f"{100 * share:g}%",
        "share": share,
        "seed": seed,
        "human_rows": 10,
        "turns": [turn],
        "rows": {suite: {"right": marks} for suite, marks in right.items()},
    }
    return cell | over


def rows_of(table: pa.Table, **wanted: Any) -> list[dict[str, Any]]:
    return [r for r in table.to_pylist() if all(r[name] == v for name, v in wanted.items())]
