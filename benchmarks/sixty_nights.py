"""Sixty governed nights of Banking77 in a row: what is released, what is stopped, and by what.

Run: python benchmarks/sixty_nights.py [--students ngram gpt] [--nights 60]

Everything is as a user has it but for sizes: the whole command, default gates, calibrated when the
first writing night opens, five new human rows a night (so that the human rows grow by less than the
fifth at which a calibration is stale). Nothing is broken on purpose, so that every block by a gate
is a false one; the rule of release holds a candidate to the best release besides.
"""

import argparse
import tempfile
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench import add_banking77, command, report

SUITES = ("standard", "long_tail", "noisy", "cross_domain")
# Rows that are there on the first night; a `gpt` student takes ten times as long to train.
HUMAN_ROWS = {"ngram": 2_000, "gpt": 800}


def settings_of(student: str) -> list[str]:
    rows = HUMAN_ROWS[student]
    chosen = [f"student.kind={student}", f"generate.rows={rows}", f"gates.rows={rows // 2}"]
    return [part for setting in chosen for part in ("--set", setting)]


def sixty(student: str, nights: int) -> dict[str, Any]:
    first = (date.today() - timedelta(days=nights)).isoformat()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        arrival = ("--initial-rows", str(HUMAN_ROWS[student]), "--nightly-rows", "5")
        add_banking77(home, *arrival, first=first)
        asked = ("--corpus", "banking77", "--generations", str(nights), "--from", first)
        said = command("run", *asked, *settings_of(student), home=home)
    ends = said["corpora"][0]["generations"]
    stopped = [end for end in ends if end["verdict"] == "quarantined"]
    by = Counter(name for end in stopped for name in end["blocked_by"])
    by_gates = Counter({name: count for name, count in by.items() if ":" not in name})
    released = [end["released"] for end in ends if end["released"]]
    worst = {
        suite: min(seen) / max(seen[: seen.index(min(seen)) + 1])
        for suite in SUITES
        if (seen := [each[f"{suite}.accuracy"] for each in released])
    }
    ratio = "standard.perplexity.ratio_to_baseline"
    ratios = [end["metrics"][ratio] for end in ends if ratio in end["metrics"]]
    return {
        "student": student,
        "nights": len(ends),
        "promoted": len(ends) - len(stopped),
        "quarantined": len(stopped),
        "blocked_by_gates": dict(by_gates.most_common()),
        "fell_short_of_best": dict((by - by_gates).most_common()),  # the rule of release, by suite
        "worst_released": min(worst.values()),
        "worst_by_suite": worst,
        "largest_perplexity_ratio": max(ratios, default=None),
        "seconds_a_night": sum(end["seconds"] for end in ends) / len(ends),
        "ends": [
            {name: end[name] for name in ("generation", "verdict", "blocked_by", "reasons")}
            for end in ends
        ],
    }


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--students", nargs="*", default=list(HUMAN_ROWS))
    asked.add_argument("--nights", type=int, default=60)
    options = asked.parse_args()
    rows = [sixty(student, options.nights) for student in options.students]
    columns = ["student", "nights", "promoted", "quarantined", "blocked_by_gates", "worst_released"]
    columns += ["largest_perplexity_ratio", "seconds_a_night"]
    report("sixty_nights", columns, rows)


if __name__ == "__main__":
    main()
