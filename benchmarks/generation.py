"""What one generation costs: seconds and memory, Dagster's share of it, and how it grows.

Run: python benchmarks/generation.py [--sizes 5000 50000] [--repeats 3]

The same night of the same home is run bare (the stage functions, called one after the other) and
as Dagster's job, in turn, in one process; loading (imports, opening the home) is not counted.
"""

import argparse
import logging
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from bench import report

from collapse_pipeline.definitions import build_definitions
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.running import RunRequest, instance_of, run_corpus
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.stages import STAGES
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.records import days_before
from collapse_pipeline.settings import load_settings, today_utc

CORPUS = "customer_service"
LAST = days_before(today_utc(), 1)
BEFORE = days_before(LAST, 1)


def config(folder: Path, rows: int) -> Path:
    """The embedded corpus with `rows` human training rows and `rows` written ones a night."""
    path = folder / "config.yaml"
    arrival = {
        "rows": rows + 10_000,
        "eval_share": 9_000 / (rows + 10_000),
        "initial_rows": rows,
        "nightly_rows": 1,
    }
    settings = {"generate": {"rows": rows}, "mix": {"human_rows": rows}}
    document = {"defaults": settings, "corpora": {CORPUS: {"arrival": arrival}}}
    path.write_text(yaml.safe_dump(document), "utf-8")
    return path


def bare(home: Path, configuration: Path) -> tuple[float, dict[str, float]]:
    """Seconds of one night without Dagster, in all and by stage."""
    with open_workshop(load_settings(home, configuration)) as shop:
        parts = {}
        start = last = time.perf_counter()
        record = open_generation(shop, CORPUS, LAST)
        for name, stage in {"generator": None, **STAGES}.items():
            if stage is not None:
                stage(shop, record)
            now = time.perf_counter()
            parts[name], last = now - last, now
        settle(shop, CORPUS, LAST)
        parts["release"] = time.perf_counter() - last
        return time.perf_counter() - start, parts


def with_dagster(home: Path, configuration: Path) -> float:
    """Seconds of the same night as a run of the job."""
    settings = load_settings(home, configuration)
    with instance_of(settings) as instance, open_workshop(settings) as shop:
        job = build_definitions(settings).resolve_job_def(f"refresh_{CORPUS}")
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        start = time.perf_counter()
        job.execute_in_process(
            instance=instance, partition_key=LAST, resources={"home": shop}, run_config=quiet
        )
        return time.perf_counter() - start


def measure(rows: int, repeats: int) -> dict[str, Any]:
    """One size: medians over interleaved repeats, after one of each that is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        configuration = config(root, rows)
        settings = load_settings(root / "home", configuration)
        request = RunRequest(generations=2, start=days_before(BEFORE, 1))

        def job_of(at: Any, name: str) -> Any:
            return build_definitions(at).resolve_job_def(f"refresh_{name}")

        with instance_of(settings) as instance:
            run_corpus(settings, job_of, instance, CORPUS, request, lambda _: None)
        times: dict[str, list[float]] = {"bare": [], "dagster": []}
        busy: dict[str, list[float]] = {"bare": [], "dagster": []}
        parts: dict[str, float] = {}
        for repeat in range(repeats + 1):
            for name in times:
                home = root / f"{name}{repeat}"
                shutil.copytree(root / "home", home)
                worked = time.process_time()
                if name == "bare":
                    seconds, parts = bare(home, configuration)
                else:
                    seconds = with_dagster(home, configuration)
                times[name] += [seconds] if repeat else []
                busy[name] += [time.process_time() - worked] if repeat else []
                shutil.rmtree(home)
    ratios = [d / b for d, b in zip(times["dagster"], times["bare"], strict=True)]
    return {
        "rows": rows,
        "bare_seconds": statistics.median(times["bare"]),
        "dagster_seconds": statistics.median(times["dagster"]),
        "dagster_over_bare": statistics.median(ratios),
        "bare_cpu": statistics.median(busy["bare"]),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "stages": {name: round(seconds, 2) for name, seconds in parts.items()},
    }


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--sizes", type=int, nargs="+", default=[5_000, 50_000])
    asked.add_argument("--repeats", type=int, default=3)
    options = asked.parse_args()
    logging.disable(logging.CRITICAL)
    rows = [measure(size, options.repeats) for size in options.sizes]
    for row in rows:
        row["growth"] = row["bare_seconds"] / rows[0]["bare_seconds"]
        row["cpu_growth"] = row["bare_cpu"] / rows[0]["bare_cpu"]
    columns = ["rows", "bare_seconds", "bare_cpu", "dagster_seconds", "dagster_over_bare"]
    columns += ["peak_mb", "growth", "cpu_growth"]
    report("generation", columns, rows)
    for row in rows:
        print(row["rows"], row["stages"])


if __name__ == "__main__":
    main()
