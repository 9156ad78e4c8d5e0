"""Three ways to bound the same figures of a written batch: false alarms, and how soon they see.

Run: python benchmarks/calibrated.py [--corpora banking77] [--seeds 3] [--human-rows 2000]

`calibrated`: limits from replicates of a healthy generator, with the suite's false-alarm budget.
`real, 3 sigma`: three standard deviations about the mean of real text against real text.
`fixed`: numbers as they are published or taken by habit, see `FIXED`. All three bound the same
figures of the written batch and vote by the same gates; those of judge, filter and student have no
real-against-real value and are left out. False alarms are counted on governed nights of fresh
chains; the delay is the first of three generations that is stopped under `replace` and under 20%
human text. The first batch is written by the human-only baseline: what stops it is not early but
wrong. All in memory. What is done is kept in `results/calibrated.partial`.
"""

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from bench import RESULTS, report
from gates import (
    BUDGET,
    NO_PAST,
    REGIMES,
    REPLICATES,
    by_depth,
    calibration_of,
    done,
    made_home,
    prepared,
    ungoverned,
)

from collapse_pipeline.loop.calibrate import batch_evidence, bounds, healthy_night
from collapse_pipeline.loop.chain import turns
from collapse_pipeline.loop.decide import Calibrated, Limit, Measured, decide
from collapse_pipeline.loop.gate import Condition, Gate
from collapse_pipeline.loop.limits import allot, calibrated_conditions, side_of
from collapse_pipeline.loop.measure import drawn, measure
from collapse_pipeline.metrics.evidence import Need
from collapse_pipeline.records import derived_seed

STUDENT = "ngram"
REAL_PAIRS = 20
GENERATIONS = 3
SIGMAS = 3.0
# At most, or at least where it says so. Domain classifier .55 and divergences .1 are Evidently's
# defaults for drift; the others are habits: a tenth of a figure lost, a twentieth repeated.
FIXED: Mapping[str, float] = {
    "two_sample_auc_words": 0.55,
    "two_sample_auc_embeddings": 0.55,
    "topic_divergence": 0.1,
    "length_divergence": 0.1,
    "task_type_divergence": 0.1,
    "nearest_neighbour_ratio": 0.05,
    "nearest_neighbour_ratio_across": 0.05,
    "wrong_fact_rate": 0.05,
    "unwarranted_refusal_rate": 0.05,
    "empty_politeness": 0.05,
}
LOST = 0.1  # of what real text has, in figures that must not fall; gained, in those that repeat


def side_gates(gates: Sequence[Gate]) -> list[Gate]:
    """Blocking gates of the written batch, with their calibrated conditions."""
    own = [gate.model_copy(update={"of": tuple(calibrated_conditions(gate))}) for gate in gates]
    return [
        gate
        for gate in own
        if gate.asset == "synthetic_batch" and gate.severity == "block" and len(gate.of) >= gate.any
    ]


def of_batch(
    prepared_corpus: Any, human: Any, batch: Any, earlier: Any, rows: int, seed: int
) -> dict[str, float]:
    """The figures of one written batch."""
    parts, _, gates, applies, suites = prepared_corpus
    there = [need for need in applies if earlier or need is not Need.EARLIER]
    evidence = batch_evidence(parts, human, batch, earlier, rows, seed)
    found = measure(side_gates(gates), evidence, there, suites)
    return {name: one.value for (name, _), one in found.items() if one.applies}


def real_values(folder: str, corpus: str, human_rows: int, seed: int) -> dict[str, float]:
    """Real text held against other real text, as if the first had been written."""
    whole = prepared(folder, corpus, STUDENT, human_rows)
    picks = np.random.default_rng(derived_seed("real", seed)).permutation(whole[1].num_rows)
    parts = [whole[1].take(picks[at::3]) for at in range(3)]
    return of_batch(whole, parts[0], parts[1], parts[2:], human_rows // 2, seed)


def night_values(
    folder: str, corpus: str, human_rows: int, seed: int, share: float, number: int
) -> dict[int, dict[str, float]]:
    """The figures of one governed chain, at both depths."""
    parts, human, gates, applies, suites = prepared(folder, corpus, STUDENT, human_rows)
    own = derived_seed("calibrated", corpus, seed, number)
    human = drawn(human, human_rows, derived_seed("human", corpus, seed))
    rows = human_rows // 2
    return healthy_night(parts, human, side_gates(gates), applies, suites, rows, 2, own, share)


def regime_values(
    folder: str, corpus: str, human_rows: int, seed: int, share: float
) -> list[dict[str, float]]:
    """The figures of generations that nobody governs."""
    whole = prepared(folder, corpus, STUDENT, human_rows)
    own = derived_seed("regime", corpus, seed, str(share))
    human = drawn(whole[1], human_rows, derived_seed("human", corpus, seed))
    loose = ungoverned(whole[0], share)
    values, kept = [], []
    for turn in islice(turns(loose, human, own, governed=False), GENERATIONS):
        values.append(of_batch(whole, human, turn.batch, kept[-1:], human_rows // 2, own))
        kept.append(turn.kept)
    return values


def three_sigma(real: Sequence[Mapping[str, float]]) -> Calibrated:
    """Limits about the mean of real text against real text."""

    def bound(condition: Condition) -> Limit | str:
        values = np.array([one[condition.statistic] for one in real if condition.statistic in one])
        reach = SIGMAS * values.std(ddof=1)
        return limit(side_of(condition), values.mean() - reach, values.mean() + reach)

    return bound


def fixed(real: Sequence[Mapping[str, float]]) -> Calibrated:
    """Limits that hold for every corpus, or a fixed part of what real text has."""

    def bound(condition: Condition) -> Limit | str:
        usual = float(np.mean([one[condition.statistic] for one in real]))
        number = FIXED.get(condition.statistic)
        low, high = usual * (1 - LOST), usual * (1 + LOST) if number is None else number
        return limit(side_of(condition), low, high)

    return bound


def limit(side: str, low: float, high: float) -> Limit:
    return Limit(
        float(low) if side != "above" else None, float(high) if side != "below" else None, ""
    )


def stopped(
    gates: Sequence[Gate], bound: Calibrated, values: Mapping[str, float], rows: int
) -> list[str]:
    """Gates that stop a batch with these figures."""
    found = {(name, ""): Measured(value, rows) for name, value in values.items()}
    for gate in gates:  # a figure that this corpus does not have
        for condition in gate.of:
            found.setdefault((condition.statistic, ""), Measured(float("nan"), applies=False))
    return [one.gate.name for one in decide(gates, found, bound, NO_PAST) if one.blocks]


def null_jobs(folder: str, corpus: str, human_rows: int, seed: int) -> dict[str, tuple[Any, ...]]:
    """The replicates of one calibration, as jobs by name."""
    about = (folder, corpus, human_rows, seed, 0.8)
    return {
        f"{corpus} {seed} {human_rows} null {number}": (night_values, *about, number)
        for number in range(REPLICATES)
    }


def known_bounds(
    gates: Sequence[Gate], case: str, human_rows: int, results: Mapping[str, Any]
) -> dict[int, Calibrated]:
    """Calibrated limits by depth, of a corpus and seed such as `banking77 1`."""
    rows = human_rows // 2
    null = [by_depth(results[f"{case} {human_rows} null {number}"]) for number in range(REPLICATES)]
    calibration = calibration_of(human_rows, null)
    shares = {
        depth: allot(gates, calibration.nulls[str(depth)], rows, BUDGET, 1) for depth in (1, 2)
    }
    return {
        depth: bounds(calibration, depth, rows, "", lambda _, at=depth: shares[at])
        for depth in shares
    }


def case_rows(
    folder: str, corpus: str, seed: int, options: Any, results: Any
) -> list[dict[str, Any]]:
    """False alarms and delays of one corpus and seed, a row for each way."""
    name, rows = f"{corpus} {seed} {options.human_rows}", options.human_rows // 2
    gates = side_gates(prepared(folder, corpus, STUDENT, options.human_rows)[2])
    real = [results[f"{corpus} {options.human_rows} real {number}"] for number in range(REAL_PAIRS)]
    known = known_bounds(gates, f"{corpus} {seed}", options.human_rows, results)
    ways = {
        "calibrated": known,
        "real, 3 sigma": dict.fromkeys((1, 2), three_sigma(real)),
        "fixed": dict.fromkeys((1, 2), fixed(real)),
    }
    made = []
    for way, bound in ways.items():
        alarms = nights = 0
        for number in range(options.nights):
            for depth, values in by_depth(results[f"{name} night {number}"]).items():
                nights += 1
                alarms += bool(stopped(gates, bound[depth], values, rows))
        row = {
            "corpus": corpus,
            "seed": seed,
            "thresholds": way,
            "nights": nights,
            "false_alarms": alarms,
            "rate": alarms / nights,
        }
        for regime in REGIMES:
            fired = {
                generation: by
                for generation, values in enumerate(results[f"{name} {regime}"], 1)
                # Depth 3 has no null of its own: it is held to depth 2's.
                if (by := stopped(gates, bound[min(generation, 2)], values, rows))
            }
            row[regime] = min(fired, default=None)
            row[f"{regime} gates"] = fired
        made.append(row)
    return made


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--corpora", nargs="*", default=["banking77"])
    asked.add_argument("--seeds", type=int, default=3)
    asked.add_argument("--human-rows", type=int, default=2_000)
    asked.add_argument("--nights", type=int, default=10, help="Chains of two nights each.")
    asked.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made_home(Path(folder), options.corpora)
        jobs: dict[str, tuple[Any, ...]] = {}
        cases = [(c, s) for c in options.corpora for s in range(1, options.seeds + 1)]
        size = options.human_rows
        for corpus in options.corpora:
            for number in range(REAL_PAIRS):
                jobs[f"{corpus} {size} real {number}"] = (real_values, folder, corpus, size, number)
        for corpus, seed in cases:
            name, about = f"{corpus} {seed} {size}", (folder, corpus, size, seed)
            jobs |= null_jobs(folder, corpus, size, seed)
            for number in range(options.nights):
                jobs[f"{name} night {number}"] = (night_values, *about, 1.0, 1_000 + number)
            for regime, share in REGIMES.items():
                jobs[f"{name} {regime}"] = (regime_values, *about, share)
        results = done(RESULTS / "calibrated.partial", jobs, options.workers)
        rows = [row for case in cases for row in case_rows(folder, *case, options, results)]
    columns = ["corpus", "seed", "thresholds", "nights", "false_alarms", "rate", *REGIMES]
    report("calibrated", columns, rows)


if __name__ == "__main__":
    main()
