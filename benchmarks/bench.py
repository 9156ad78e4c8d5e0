"""What every benchmark shares: the command line as a user runs it, a table, and a JSON file."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
RESULTS = Path(__file__).parent / "results"
FIRST = (date.today() - timedelta(days=30)).isoformat()


def command(*arguments: str, home: Path, codes: Sequence[int] = (0, 3)) -> Any:
    """One command of the product in a process of its own; its JSON document."""
    program = str(Path(sys.executable).parent / "collapse-pipeline")
    ended = subprocess.run(
        [program, *arguments, "--json", "--home", str(home)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    if ended.returncode not in codes:
        raise SystemExit(f"{' '.join(arguments)}: exit {ended.returncode}\n{ended.stderr}")
    return json.loads(ended.stdout)


def add_banking77(home: Path, *options: str, first: str = FIRST) -> None:
    """Banking77 with its own split, and CLINC's banking intents as cross-domain suite."""
    columns = ("--prompt", "text", "--label", "label")
    file = str(DATA / "banking77.parquet")
    split = ("--split", "split", "--first-generation", first)
    command("corpus", "add", "banking77", file, *columns, *split, *options, home=home)
    mapped = ("--map", str(Path(__file__).parent / "clinc_to_banking77.yaml"))
    clinc = str(DATA / "clinc150_oos.parquet")
    command(
        "suite", "add", "banking77", clinc, "--kind", "cross_domain", *columns, *mapped, home=home
    )


def report(name: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints a table and writes `results/<name>.json` with machine and date."""
    table = Table(*columns, title=name, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_shown(row.get(column)) for column in columns))
    Console(width=160).print(table)
    RESULTS.mkdir(exist_ok=True)
    document = {
        "benchmark": name,
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "rows": list(rows),
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    Console(width=160).print(f"written: benchmarks/results/{path.name}")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
    return "-" if value is None else str(value)
