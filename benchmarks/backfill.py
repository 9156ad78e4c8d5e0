"""Thirty days backfilled for two corpora at once, as from Dagster's pages: in date order, and with
no row lost or doubled.

Run: python benchmarks/backfill.py [--nights 30] [--rows 300]

Dagster's webserver and daemon run on a fresh home with small embedded corpora. Both jobs are
backfilled in one breath; afterwards the ledger, the tables and Dagster's own records are asked.
The same nights are then run from the command line in another home: the tables must be equal.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from bench import command, report

from collapse_pipeline.defs.run_records import LOCATION
from collapse_pipeline.defs.running import instance_of
from collapse_pipeline.settings import load_settings

CORPORA = ("customer_service", "question_bank")
BACKFILL = """mutation($what: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $what) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
PATIENCE = 120.0  # seconds a night


def configuration(folder: Path, rows: int) -> Path:
    """Both embedded corpora at a tenth of their size."""
    arrival = {"rows": 1500, "eval_share": 0.4, "initial_rows": 500, "nightly_rows": 10}
    document = {
        "defaults": {
            "generate": {"rows": rows},
            "evaluate": {"written_rows": 40, "primary_rows": 150, "draws": 300},
        },
        "corpora": {corpus: {"arrival": arrival} for corpus in CORPORA},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(document), "utf-8")
    return path


@contextmanager
def dagster_on(home: Path) -> Iterator[int]:
    """Webserver and daemon on a home; the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    names = {"DAGSTER_HOME": str(home), "COLLAPSE_PIPELINE_HOME": str(home)}
    with (home / "dagster.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-m", LOCATION, "-p", str(port)],
            env=os.environ | names | {"OMP_NUM_THREADS": "1"},
            cwd=home,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield port
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def ask(port: int, query: str, **variables: Any) -> Any:
    """One GraphQL request; waits for a webserver that is still starting."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"}
    )
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["data"]
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def backfill(port: int, corpus: str, nights: Sequence[str]) -> None:
    """Asks for a range of days of one job, as the page of the job does."""
    repository = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}
    partitions = f"refresh_{corpus}_partition_set"
    selector = {"partitionSetName": partitions, "repositorySelector": repository}
    what = {"selector": selector, "partitionNames": list(nights)}
    said = ask(port, BACKFILL, what=what)["launchPartitionBackfill"]
    if said["__typename"] != "LaunchBackfillSuccess":
        raise SystemExit(f"{corpus}: {said}")


def runs_of(instance: dg.DagsterInstance, corpus: str) -> list[dg.RunRecord]:
    """Runs of a corpus's job, in the order they were started."""
    records = instance.get_run_records(dg.RunsFilter(job_name=f"refresh_{corpus}"))
    return sorted(records, key=lambda record: record.start_time or float("inf"))


def finished(instance: dg.DagsterInstance, nights: int) -> None:
    """Waits until every night of both corpora has ended."""
    deadline = time.monotonic() + PATIENCE * nights
    while time.monotonic() < deadline:
        time.sleep(5)
        runs = [record.dagster_run for corpus in CORPORA for record in runs_of(instance, corpus)]
        if len(runs) == len(CORPORA) * nights and all(run.is_finished for run in runs):
            return
    raise SystemExit(f"not done: {Counter(str(run.status) for run in runs)}")


def counts(home: Path, table: str, where: str = "true") -> dict[tuple[str, str], tuple[int, int]]:
    """Rows and distinct rows of a table, by corpus and generation."""
    sql = (
        f"select corpus, generation, count(*) n, count(distinct sample_id) d from {table} "
        f"where {where} group by all"
    )
    rows = command("query", sql, home=home)["rows"]
    return {(row["corpus"], row["generation"]): (row["n"], row["d"]) for row in rows}


def accounts(home: Path, corpus: str, nights: Sequence[str], rows: int) -> tuple[int, int]:
    """Rows lost and rows doubled, summed over the nights of a corpus."""
    arrived = (
        f"(select a.corpus, n.night as generation, a.sample_id from human_anchor a, "
        f"(select unnest({list(nights)!r}) as night) n "
        f"where a.split = 'train' and a.available_from <= n.night)"
    )
    found = {
        "written": counts(home, "synthetic_batch"),
        "faults": counts(home, "dropped_batch", "stage = 'generate'"),
        "judged": counts(home, "judged_batch"),
        "kept": counts(home, "filtered_batch"),
        "dropped": counts(home, "dropped_batch", "stage <> 'generate'"),
        "human": counts(home, "training_mix", "origin = 'human'"),
        "arrived": counts(home, arrived),
    }
    lost = doubled = 0
    for night in nights:
        n = {name: table.get((corpus, night), (0, 0))[0] for name, table in found.items()}
        distinct = {name: table.get((corpus, night), (0, 0))[1] for name, table in found.items()}
        wanted = 0 if night == nights[0] else rows  # the first night trains on human rows only
        lost += abs(wanted - n["written"] - n["faults"])
        lost += abs(n["written"] - n["judged"]) + abs(n["judged"] - n["kept"] - n["dropped"])
        lost += abs(n["arrived"] - n["human"])
        doubled += sum(n.values()) - sum(distinct.values())
    return lost, doubled


def ends(home: Path, corpus: str) -> dict[str, Any]:
    """The generations of a corpus by date."""
    document = command("status", "--corpus", corpus, "--last", "1000", home=home)
    return {end["generation"]: end for end in document["corpora"][0]["generations"]}


def row_of(
    instance: dg.DagsterInstance,
    corpus: str,
    homes: tuple[Path, Path],
    nights: Sequence[str],
    rows: int,
) -> dict[str, Any]:
    """What one corpus's backfill came to."""
    records = runs_of(instance, corpus)
    spans = [(record.start_time or 0.0, record.end_time or 0.0) for record in records]
    overlaps = sum(later[0] < earlier[1] for earlier, later in pairwise(spans))
    started = [record.dagster_run.tags["dagster/partition"] for record in records]
    pages, line = (ends(home, corpus) for home in homes)
    lost, doubled = accounts(homes[0], corpus, nights, rows)
    same = [
        all(pages[night][name] == line[night][name] for name in ("digests", "parent", "verdict"))
        for night in nights
    ]
    return {
        "corpus": corpus,
        "nights": len(pages),
        "failed": sum(record.dagster_run.is_failure for record in records),
        "in_date_order": started == list(nights),
        "overlaps": overlaps,
        "lost": lost,
        "doubled": doubled,
        "as_by_command": sum(same),
        "promoted": sum(end["verdict"] == "promoted" for end in pages.values()),
        "quarantined": sum(end["verdict"] == "quarantined" for end in pages.values()),
        "seconds": spans[-1][1] - spans[0][0],
    }


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--nights", type=int, default=30)
    asked.add_argument("--rows", type=int, default=300)
    options = asked.parse_args()
    today = datetime.now(UTC).date()
    nights = [(today - timedelta(days=days)).isoformat() for days in range(options.nights, 0, -1)]
    with tempfile.TemporaryDirectory() as folder:
        homes = Path(folder) / "pages", Path(folder) / "line"
        os.environ["COLLAPSE_PIPELINE_CONFIG"] = str(configuration(Path(folder), options.rows))
        with instance_of(load_settings(homes[0])) as instance, dagster_on(homes[0]) as port:
            for corpus in CORPORA:
                backfill(port, corpus, nights)
            finished(instance, len(nights))
            night = ("--from", nights[0], "--generations", str(len(nights)))
            command("run", *night, home=homes[1])
            rows = [row_of(instance, corpus, homes, nights, options.rows) for corpus in CORPORA]
    report("backfill", list(rows[0]), rows)
    right = all(
        row["in_date_order"]
        and row["nights"] == row["as_by_command"] == len(nights)
        and not row["failed"] + row["overlaps"] + row["lost"] + row["doubled"]
        for row in rows
    )
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
