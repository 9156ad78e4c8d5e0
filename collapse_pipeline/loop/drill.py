"""Drill: what a fault's nights show beside the same nights without it.

A run is what `defs.drilling` wrote down of one corpus, seed and fault; the control is the run
without a fault. Gates that breach in the control say nothing about a fault and count nowhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean
from typing import Any

HURTS = 2.0  # points by which a released student may fall unseen
SOON = 2  # nights within which a fault is to be seen
SURE = 2.0  # standard errors
PROMOTION = "promotion"  # the rule of release.py, shown beside the gates
Run = Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """One run beside its control."""

    caught: Mapping[str, int]  # gate to its first night, 1 at the onset
    blocked: int | None  # the first night that did not become a release, for a gate of `caught`
    blamed_rightly: bool | None  # None where no component is to be blamed
    falsely_blamed: tuple[str, ...]  # frozen, and not where the fault lies
    trained_on: int  # rows written since the onset that a release was trained on before the brake
    fell: Mapping[str, float]  # points that the released student lost, by suite
    wrote_worse: Mapping[str, float]  # the same of the rates of what it writes, where it is sure

    @property
    def first(self) -> int | None:
        """The night on which the fault was first seen."""
        return min(self.caught.values(), default=None)


def raised(night: Mapping[str, Any]) -> set[str]:
    """What spoke up on a night: gates that breached, warned or blocked, and the promotion rule."""
    gates = {gate["gate"] for gate in night["gates"]}
    return gates | ({PROMOTION} if night["rules"] else set())


def score(run: Run, control: Run) -> Score:
    """What a run shows beside its control, of the same corpus, seed, stage and nights."""
    loud = {name for night in control["nights"] for name in raised(night)}
    caught: dict[str, int] = {}
    for night in run["nights"]:
        for name in sorted(raised(night) - loud):
            caught.setdefault(name, night["number"])
    stopped = [
        night["number"]
        for night in run["nights"]
        if night["verdict"] != "promoted" and raised(night) - loud
    ]
    blocked = min(stopped, default=None)
    before = [n for n in run["nights"] if blocked is None or n["number"] < blocked]
    trained = [night["written_since"] for night in before if night["verdict"] == "promoted"]
    right = set(run["to_blame"])
    accused = {name for night in run["nights"] for name in night["frozen"]}
    named = {name for night in run["nights"] for gate in night["gates"] for name in gate["blamed"]}
    ours, theirs = run["released"], control["released"]
    return Score(
        caught=caught,
        blocked=blocked,
        blamed_rightly=bool(right & (accused | named)) if right else None,
        falsely_blamed=tuple(sorted(accused - right)),
        trained_on=max(trained, default=0),
        fell={
            suite: 100 * (theirs["accuracy"][suite] - value)
            for suite, value in ours["accuracy"].items()
            if suite in theirs["accuracy"]
        },
        wrote_worse=_worse(ours, theirs),
    )


def _worse(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, float]:
    """Points by which rates of what a student writes rose, where two standard errors say so."""
    found = {}
    for name in sorted(ours["written"].keys() & theirs["written"].keys()):
        here, there = ours["written"][name], theirs["written"][name]
        error = sqrt(sum(_variance(one["rate"], one["rows"]) for one in (here, there)))
        rise = here["rate"] - there["rate"]  # NaN without a row that can be checked
        if rise > SURE * error:
            found[name] = 100 * rise
    return found


def _variance(rate: float, rows: float) -> float:
    return rate * (1 - rate) / max(1.0, rows)


def hurt(scores: Sequence[Score]) -> float:
    """Points that released students lost on the suite, or in the rate of what they write, that
    lost most; means over seeds first, for the worst of many suites is always worse by chance.

    Returns:
        0 or more; 0 without scores.
    """
    means = _means(s.fell for s in scores) | _means(s.wrote_worse for s in scores)
    return max(0.0, *means.values()) if means else 0.0


def summed(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A row a corpus and fault, over seeds; faults that a corpus cannot have say why.

    Args:
        runs: Of one stage, with the control of every corpus and seed (`fault` "").
    """
    controls = {(r["corpus"], r["seed"]): r for r in runs if not r["fault"]}
    rows = []
    for corpus, fault in dict.fromkeys((r["corpus"], r["fault"]) for r in runs if r["fault"]):
        own = [r for r in runs if (r["corpus"], r["fault"]) == (corpus, fault)]
        scores = [score(r, controls[r["corpus"], r["seed"]]) for r in own]
        rows.append({"corpus": corpus, "fault": fault, **_told(own, scores)})
    return rows


def _told(runs: Sequence[Run], scores: Sequence[Score]) -> dict[str, Any]:
    seen = [s.first for s in scores if s.first is not None]
    blocked = [s.blocked for s in scores if s.blocked is not None]
    gates = sorted({name for s in scores for name in s.caught})
    blamed = [s.blamed_rightly for s in scores if s.blamed_rightly is not None]
    return {
        "strength": runs[0]["strength"],
        "seeds": len(runs),
        "detected": len(seen),
        "arl1": fmean(seen) if seen else None,
        "blocked": len(blocked),
        "blocked_on": fmean(blocked) if blocked else None,
        "gates": {
            gate: {
                "seeds": sum(gate in s.caught for s in scores),
                "first_night": fmean(s.caught[gate] for s in scores if gate in s.caught),
            }
            for gate in gates
        },
        "first_signals": sorted(
            {name for s in scores for name, night in s.caught.items() if night == s.first}
        ),
        "blamed_rightly": sum(blamed) if blamed else None,
        "falsely_blamed": sum(bool(s.falsely_blamed) for s in scores),
        "false_names": sorted({name for s in scores for name in s.falsely_blamed}),
        "trained_on": fmean(s.trained_on for s in scores),
        "soon": sum(night <= SOON for night in seen),  # seeds in which it was seen in time
        "hurt": hurt(scores),
        "fell": _means(s.fell for s in scores),
        "wrote_worse": _means(s.wrote_worse for s in scores),
        "blind_spot": hurt([s for s in scores if s.first is None]) > HURTS,
    }


def _means(scores: Iterable[Mapping[str, float]]) -> dict[str, float]:
    every = list(scores)
    names = dict.fromkeys(name for one in every for name in one)
    return {name: sum(one.get(name, 0.0) for one in every) / len(every) for name in names}


def false_alarms(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """What spoke up in the controls, where nothing was wrong: a row a corpus and name."""
    found: dict[tuple[str, str], int] = {}
    for run in runs:
        for night in run["nights"] if not run["fault"] else ():
            for name in raised(night):
                key = (run["corpus"], name)
                found[key] = found.get(key, 0) + 1
    return [{"corpus": c, "gate": name, "nights": n} for (c, name), n in sorted(found.items())]
