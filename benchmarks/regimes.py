"""What the loop does to Banking77 under replace, accumulate and the governed default.

Run: python benchmarks/regimes.py [--seeds 3] [--generations 7]
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from bench import FIRST, add_banking77, command, report

OPEN = ("judge.enforce", "filter.enforce", "gates.enforce", "release.enforce")
UNGOVERNED = [f"{key}=false" for key in OPEN] + [
    "mix.human_rows=5000",
    "mix.human_floor=0",
    "mix.synthetic_cap=1",
    "mix.depth_limit=99",
    "generate.rows=5000",
    "generate.balance=1",
    "mix.balance=1",
    "mix.synthetic_weight=1",
]
REGIMES = {
    "replace": [*UNGOVERNED, "mix.regime=replace"],
    "accumulate": [*UNGOVERNED, "mix.regime=accumulate"],
    "governed": [],
}


def run_regime(regime: str, seed: int, generations: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        arrival = ("--initial-rows", "2000", "--nightly-rows", "300")
        add_banking77(home, *(arrival if regime == "governed" else ()))
        settings = [part for pair in REGIMES[regime] for part in ("--set", pair)]
        nights = ("--generations", str(generations), "--from", FIRST, "--seed", str(seed))
        said = command("run", "--corpus", "banking77", *nights, *settings, home=home)
    rows = []
    for number, end in enumerate(said["corpora"][0]["generations"]):
        metrics = end["metrics"]
        rows.append(
            {
                "regime": regime,
                "seed": seed,
                "generation": number,
                "verdict": end["verdict"],
                "synthetic": end["shares"]["synthetic"],
                "human_rows": end["rows"]["human_anchor"],
                "perplexity": metrics["perplexity.real"],
                "standard": metrics["standard.accuracy"],
                "long_tail": metrics["long_tail.accuracy"],
                "hard": metrics["hard.accuracy"],
                "noisy": metrics["noisy.accuracy"],
                "cross_domain": metrics["cross_domain.accuracy"],
                "released": {
                    name: value
                    for name, value in end["released"].items()
                    if name.endswith(".accuracy")
                },
                "blocked_by": end["blocked_by"],
                "gain": end["gain"],
                "seconds": end["seconds"],
            }
        )
    return rows


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--seeds", type=int, default=3)
    asked.add_argument("--generations", type=int, default=7)
    asked.add_argument("--regimes", nargs="*", default=list(REGIMES))
    options = asked.parse_args()
    rows: list[dict[str, Any]] = []
    for regime in options.regimes:
        for seed in range(1, options.seeds + 1):
            rows += run_regime(regime, seed, options.generations)
    columns = ["regime", "seed", "generation", "verdict", "synthetic", "human_rows", "perplexity"]
    columns += ["standard", "long_tail", "hard", "noisy", "cross_domain", "seconds"]
    report("regimes", columns, rows)


if __name__ == "__main__":
    main()
