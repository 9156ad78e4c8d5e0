"""Whether the gates stop what collapses, and leave healthy nights alone.

Run: python benchmarks/gates.py [regimes|healthy] [--corpora ...] [--students ...] [--seeds 3]
    [--rows N]

`regimes`: per corpus, student and seed the default gates are calibrated on replicate chains, then a
chain of three generations under `replace` and under 20% human text is held against them.
`healthy`: independent calibrations, each followed by governed nights on fresh draws of human rows;
counts the nights on which a blocking gate fires, and gives the 95% lower bound of the average run
length to a false alarm (ARL0) for that count. All in memory, with statistics only: no release, no
incumbent. What is done is kept in `results/gates-*.partial` and not done again.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench import RESULTS, add_banking77, command, report
from scipy import stats

from collapse_pipeline.defs.replicates import Bought, parts_of
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.loop.calibrate import Calibration, bounds, figures, healthy_night
from collapse_pipeline.loop.chain import Parts, turns
from collapse_pipeline.loop.decide import Measured, Past, decide
from collapse_pipeline.loop.gate import Gate
from collapse_pipeline.loop.limits import Allotment, allot, calibrated_conditions
from collapse_pipeline.loop.measure import drawn
from collapse_pipeline.metrics.evidence import Need
from collapse_pipeline.records import days_before, derived_seed
from collapse_pipeline.settings import load_settings, today_utc

CORPORA = ("banking77", "customer_service", "question_bank")
STUDENTS: Mapping[str, Mapping[str, Any]] = {
    "ngram": {"kind": "ngram"},
    "gpt": {"kind": "gpt"},
}
# Small enough for hundreds of chains; a `gpt` student takes ten times as long to train.
HUMAN_ROWS = {"ngram": 2_000, "gpt": 1_000}
WRITTEN = 1.25  # rows asked for, over human rows
DRAWN = 0.5  # rows at which every figure is drawn, over human rows
ONE_CALIBRATION = ("gpt",)  # whose seeds are held to the replicates of the first of them
REPLICATES = 20
BUDGET = 1 / 500
OPEN = {"enforce": False}
REGIMES = {"replace": 1.0, "20% human": 0.8}
NO_PAST = Past({}, {}, {})
Values = Mapping[int, Mapping[str, float]]


def settings_of(student: str, human_rows: int) -> dict[str, Any]:
    """What the chains of a student are run with."""
    return {
        "teacher": {"kind": "student"},
        "student": STUDENTS[student],
        "generate": {"rows": int(WRITTEN * human_rows)},
        "gates": {"rows": int(DRAWN * human_rows)},
    }


@cache
def prepared(folder: str, corpus: str, student: str, human_rows: int) -> Any:
    """A corpus in a home, and what its chains are made of; worked out once a process."""
    home = Path(folder)
    night = days_before(today_utc(), 1)
    settings = load_settings(home)
    chosen = settings.corpus(corpus, settings_of(student, human_rows))
    bought = Bought(home, None, corpus, chosen.model_dump(mode="json"), night)
    with open_workshop(settings) as shop:
        return parts_of(shop, bought)


def ungoverned(parts: Parts, share: float) -> Parts:
    """The same corpus with a mix of fixed size, a share of it synthetic, and nobody watching."""
    mix = parts.mix.model_copy(
        update={
            "regime": "replace",
            "synthetic_cap": share,
            "human_floor": 0.0,
            "depth_limit": 99,
            "balance": 1.0,
            "synthetic_weight": 1.0,
        }
    )
    return replace(
        parts,
        mix=mix,
        judge=parts.judge.model_copy(update=OPEN),
        filter=parts.filter.model_copy(update=OPEN),
        generate=parts.generate.model_copy(update={"balance": 1.0}),
    )


def night_values(
    folder: str,
    corpus: str,
    student: str,
    human_rows: int,
    seed: int,
    share: float,
    replicate: int,
) -> dict[int, dict[str, float]]:
    """The figures of one governed chain."""
    parts, human, gates, applies, suites = prepared(folder, corpus, student, human_rows)
    own = derived_seed("gates", corpus, student, seed, replicate)
    human = drawn(human, human_rows, derived_seed("human", corpus, seed))
    rows = int(DRAWN * human_rows)
    return healthy_night(parts, human, gates, applies, suites, rows, 2, own, share)


def regime_values(
    folder: str, corpus: str, student: str, human_rows: int, seed: int, share: float
) -> list[dict[str, float]]:
    """The figures of three generations that nobody governs."""
    parts, human, gates, applies, suites = prepared(folder, corpus, student, human_rows)
    own = derived_seed("regime", corpus, student, seed, str(share))
    human = drawn(human, human_rows, derived_seed("human", corpus, seed))
    rows = int(DRAWN * human_rows)
    loose = ungoverned(parts, share)
    values, kept = [], []
    for turn in islice(turns(loose, human, own, governed=False), 3):
        there = [need for need in applies if kept or need is not Need.EARLIER]
        values.append(figures(loose, human, turn, kept[-1:], gates, there, suites, rows, own))
        kept.append(turn.kept)
    return values


def calibration_of(human_rows: int, values: Sequence[Values]) -> Calibration:
    """A calibration from the figures of its chains."""
    nulls: dict[str, dict[str, tuple[float, ...]]] = {}
    for depth in (1, 2):
        names = sorted({name for value in values for name in value.get(depth, {})})
        nulls[str(depth)] = {
            name: tuple(value.get(depth, {}).get(name, float("nan")) for value in values)
            for name in names
        }
    return Calibration(
        corpus="",
        source="refits",
        facts={},
        human_rows=human_rows,
        rows=int(DRAWN * human_rows),
        seed=len(values),
        nulls=nulls,
    )


def allotments(calibration: Calibration, gates: Sequence[Gate]) -> dict[int, Allotment]:
    """How the budget is shared out at each depth."""
    return {
        depth: allot(gates, calibration.nulls[str(depth)], calibration.rows, BUDGET, 1)
        for depth in (1, 2)
    }


def fired(
    calibration: Calibration,
    shares: Mapping[int, Allotment],
    gates: Sequence[Gate],
    depth: int,
    values: Mapping[str, float],
) -> dict[str, str]:
    """Blocking gates that fire on these figures, each with its asset."""
    calibrated = [g.model_copy(update={"of": tuple(calibrated_conditions(g))}) for g in gates]
    suite = [g for g in calibrated if len(g.of) >= g.any and g.severity == "block"]
    found = {(name, ""): Measured(value, calibration.rows) for name, value in values.items()}
    for gate in suite:  # a figure that this corpus does not have
        for condition in gate.of:
            found.setdefault((condition.statistic, ""), Measured(float("nan"), applies=False))
    known = bounds(calibration, depth, calibration.rows, "calibrate", lambda _: shares[depth])
    return {f.gate.name: f.gate.asset for f in decide(suite, found, known, NO_PAST) if f.blocks}


def kept_jobs(path: Path) -> dict[str, Any]:
    """Jobs that an earlier run finished."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {line["job"]: line["values"] for line in lines}


def done(path: Path, jobs: Mapping[str, tuple[Any, ...]], workers: int) -> dict[str, Any]:
    """The results of all jobs; those that lie in the file are not done again."""
    results = kept_jobs(path)
    missing = [name for name in jobs if name not in results]
    path.parent.mkdir(exist_ok=True)
    context = get_context("spawn")
    with (
        ProcessPoolExecutor(workers, mp_context=context) as pool,
        path.open("a", encoding="utf-8") as to,
    ):
        running = {name: pool.submit(*jobs[name]) for name in missing}
        for number, (name, job) in enumerate(running.items(), 1):
            results[name] = job.result()
            to.write(json.dumps({"job": name, "values": results[name]}) + "\n")
            to.flush()
            print(f"{number} of {len(missing)}: {name}", flush=True)
    return json.loads(json.dumps(results))  # as from the file: depths are texts


def by_depth(values: Mapping[str, Any]) -> Values:
    return {int(depth): figures for depth, figures in values.items()}


def regimes(folder: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """First generation at which each regime is blocked, by the model's side and by the batch's."""
    cases = [
        (corpus, student, options.rows or HUMAN_ROWS[student], seed)
        for corpus in options.corpora
        for student in options.students
        for seed in range(1, options.seeds + 1)
    ]
    jobs: dict[str, tuple[Any, ...]] = {}
    for corpus, student, human_rows, seed in cases:
        name = f"{corpus} {student} {human_rows} {seed}"
        null = 1 if student in ONE_CALIBRATION else seed
        for number in range(REPLICATES):
            jobs[f"{corpus} {student} {human_rows} {null} null {number}"] = (
                night_values, folder, corpus, student, human_rows, null, 0.8, number,
            )  # fmt: skip
        for regime, share in REGIMES.items():
            jobs[f"{name} {regime}"] = (
                regime_values, folder, corpus, student, human_rows, seed, share,
            )  # fmt: skip
    results = done(RESULTS / "gates-regimes.partial", jobs, options.workers)
    return [row for case in cases for row in _regime_rows(folder, case, results)]


def _regime_rows(
    folder: str, case: tuple[str, str, int, int], results: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    corpus, student, human_rows, seed = case
    name = f"{corpus} {student} {human_rows} {seed}"
    gates = prepared(folder, corpus, student, human_rows)[2]
    null = 1 if student in ONE_CALIBRATION else seed
    chains = [
        by_depth(results[f"{corpus} {student} {human_rows} {null} null {number}"])
        for number in range(REPLICATES)
    ]
    calibration = calibration_of(human_rows, chains)
    shares = allotments(calibration, gates)
    for regime in REGIMES:
        blocked: dict[str, int] = {}
        by: dict[str, list[str]] = {}
        for generation, values in enumerate(results[f"{name} {regime}"], 1):
            # Depth 3 has no null, which alone would block it: the figures are held to depth 2's.
            found = fired(calibration, shares, gates, min(generation, 2), values)
            for gate, asset in found.items():
                side = "model" if asset == "eval_report" else "batch"
                blocked.setdefault(side, generation)
                by.setdefault(side, []).append(f"{generation}:{gate}")
        yield {
            "corpus": corpus,
            "student": student,
            "human_rows": human_rows,
            "seed": seed,
            "regime": regime,
            "model_side": blocked.get("model"),
            "batch": blocked.get("batch"),
            "first": min(blocked.values(), default=None),
            "gates": by,
        }


def healthy(folder: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """False blocks on healthy nights, per corpus and student."""
    rows = []
    for corpus in options.corpora:
        for student in options.students:
            nights = -(-options.nights // (2 * options.calibrations))  # chains; each has two nights
            human_rows = options.rows or HUMAN_ROWS[student]
            what = (folder, corpus, student, human_rows)
            jobs: dict[str, tuple[Any, ...]] = {}
            for number in range(options.calibrations):
                name = f"{corpus} {student} {human_rows} {number}"
                for replicate in range(REPLICATES):
                    jobs[f"{name} null {replicate}"] = (
                        night_values, *what, number, 0.8, replicate,
                    )  # fmt: skip
                for night in range(nights):
                    jobs[f"{name} night {night}"] = (
                        night_values, *what, number, 1.0, 1_000 + night,
                    )  # fmt: skip
            results = done(RESULTS / "gates-healthy.partial", jobs, options.workers)
            rows.append(_healthy_row(what, nights, options, results))
    return rows


def _healthy_row(
    what: tuple[str, str, str, int],
    chains: int,
    options: argparse.Namespace,
    results: Mapping[str, Any],
) -> dict[str, Any]:
    _, corpus, student, human_rows = what
    gates = prepared(*what)[2]
    nights, alarms = 0, []
    for number in range(options.calibrations):
        name = f"{corpus} {student} {human_rows} {number}"
        null = [by_depth(results[f"{name} null {r}"]) for r in range(REPLICATES)]
        calibration = calibration_of(human_rows, null)
        shares = allotments(calibration, gates)
        for chain in range(chains):
            for depth, values in by_depth(results[f"{name} night {chain}"]).items():
                nights += 1
                found = fired(calibration, shares, gates, depth, values)
                if found:
                    alarms.append(f"{number}/{chain}/{depth}: {', '.join(found)}")
    # Poisson: the largest rate at which so few alarms have a chance of 5%.
    rate = stats.chi2.ppf(0.95, 2 * (len(alarms) + 1)) / 2 / nights
    return {
        "corpus": corpus,
        "student": student,
        "human_rows": human_rows,
        "calibrations": options.calibrations,
        "nights": nights,
        "false_blocks": len(alarms),
        "arl0": nights / len(alarms) if alarms else None,
        "arl0_low_95": 1 / rate,
        "alarms": alarms,
    }


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("what", choices=["regimes", "healthy"])
    asked.add_argument("--corpora", nargs="*", default=list(CORPORA))
    asked.add_argument("--students", nargs="*", default=list(STUDENTS))
    asked.add_argument("--seeds", type=int, default=3)
    asked.add_argument("--calibrations", type=int, default=20)
    asked.add_argument("--nights", type=int, default=1_100)
    asked.add_argument("--rows", type=int, help="human rows of a chain; default by student")
    asked.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made_home(Path(folder), options.corpora)
        if options.what == "regimes":
            columns = [
                "corpus",
                "student",
                "human_rows",
                "seed",
                "regime",
                "model_side",
                "batch",
                "first",
            ]
            report("gates-regimes", columns, regimes(folder, options))
        else:
            columns = ["corpus", "student", "human_rows", "calibrations", "nights", "false_blocks"]
            columns += ["arl0", "arl0_low_95"]
            report("gates-healthy", columns, healthy(folder, options))


def made_home(home: Path, corpora: Sequence[str]) -> None:
    """Every corpus taken in; the embedded ones with all their rows there at once."""
    first = days_before(today_utc(), 5)
    if "banking77" in corpora:
        add_banking77(home, first=first)
    arrival = {"arrival": {"initial_rows": 8_000, "nightly_rows": 1}}
    embedded = {name: arrival for name in corpora if name != "banking77"}
    if embedded:
        config = home / "worlds.yaml"
        config.write_text(json.dumps({"corpora": embedded}), "utf-8")
        for name in embedded:
            night = ("--generations", "1", "--set", "gates.enforce=false")
            command("run", "--corpus", name, *night, "--config", str(config), home=home)


if __name__ == "__main__":
    main()
