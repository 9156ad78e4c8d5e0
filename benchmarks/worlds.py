"""Synthetic data that helps: the embedded worlds with the simulated teacher at its default dials.

Run: python benchmarks/worlds.py [--seeds 3] [--generations 5]
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from bench import command, report

WORLDS = ("customer_service", "question_bank")
SUITES = ("long_tail", "standard", "hard", "noisy")


def run_world(world: str, seed: int, generations: int) -> dict[str, Any]:
    """The newest promoted student against human-only on the same night's human rows."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        nights = ("--from", "first", "--generations", str(generations), "--seed", str(seed))
        said = command("run", "--corpus", world, *nights, home=home)
        ends = said["corpora"][0]["generations"]
        promoted = [end for end in ends if end["verdict"] == "promoted"]
        night = promoted[-1]["generation"]
        found = command(
            "query",
            "select suite, value, low, high from eval_report where scope = '' and model = "
            f"'candidate' and metric = 'accuracy.ratio_to_baseline' and generation = '{night}'",
            home=home,
        )["rows"]
    row: dict[str, Any] = {
        "world": world,
        "seed": seed,
        "promoted": f"{len(promoted)} of {len(ends)}",
        "synthetic": promoted[-1]["shares"]["synthetic"],
    }
    for ratio in found:
        if ratio["suite"] in SUITES:
            row[ratio["suite"]] = ratio["value"]
            row[f"{ratio['suite']} low"] = ratio["low"]
    return row


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--seeds", type=int, default=3)
    asked.add_argument("--generations", type=int, default=5)
    options = asked.parse_args()
    rows = [
        run_world(world, seed, options.generations)
        for world in WORLDS
        for seed in range(1, options.seeds + 1)
    ]
    columns = ["world", "seed", "promoted", "synthetic", "long_tail", "long_tail low"]
    report("worlds", [*columns, "standard", "hard", "noisy"], rows)


if __name__ == "__main__":
    main()
