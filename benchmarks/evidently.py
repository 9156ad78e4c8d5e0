"""Our gates of the written batch against Evidently's drift and text presets, on the same batches.

Run: python benchmarks/evidently.py --peer-python PATH [--corpora banking77] [--human-rows 1000]

PATH is the Python of an environment with Evidently and pyarrow: it does not import beside pandas 3,
so it reads the batches from Parquet files in a process of its own (`pip install evidently
"pandas<3" pyarrow`). Both see the same rows: as many written ones as real ones. Ours are the
blocking gates of the written batch, calibrated as in `calibrated.py`, whose replicates are taken
over. Evidently has `DataDriftPreset` and `TextEvals` with its defaults, on the text and on length,
words, sentences and share of non-letters; descriptors that need a download are left out. Its
`dataset` verdict is half of the columns drifted, `any` is one of them. Processor time, of figures
and verdict, with the texts in memory; embedding is in ours.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

ROUNDS = 2  # of Evidently on each batch; the first loads what it needs
GENERATIONS = 3
DRIFTED = "DriftedColumnsCount"


def peer(folder: Path) -> None:
    """Evidently on every pair of files in a folder; one document on standard output.

    To be run with `-P`: beside this file, `evidently` would be this file.
    """
    import warnings

    import evidently
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.descriptors import (
        NonLetterCharacterPercentage,
        SentenceCount,
        TextLength,
        WordCount,
    )
    from evidently.presets import DataDriftPreset, TextEvals

    warnings.simplefilter("ignore")

    def described(frame: Any) -> Any:
        return Dataset.from_pandas(
            frame,
            data_definition=DataDefinition(text_columns=["text"]),
            descriptors=[
                TextLength("text", alias="length"),
                WordCount("text", alias="words"),
                SentenceCount("text", alias="sentences"),
                NonLetterCharacterPercentage("text", alias="non-letters"),
            ],
        )

    said: dict[str, Any] = {"version": evidently.__version__, "pandas": pd.__version__}
    for file in sorted(folder.glob("*.written.parquet")):
        written = pd.read_parquet(file)
        real = pd.read_parquet(file.with_name(file.name.replace("written", "real")))
        for _ in range(ROUNDS):
            began = time.process_time()
            report = Report([DataDriftPreset(), TextEvals()]).run(
                described(written), described(real)
            )
            metrics = report.dict()["metrics"]
            seconds = time.process_time() - began
        drifted = next(one["value"] for one in metrics if one["metric_name"].startswith(DRIFTED))
        said[file.name.partition(".")[0]] = {
            "seconds": seconds,
            "dataset": drifted["share"] >= 0.5,
            "any": drifted["count"] >= 1,
        }
    print(json.dumps(said))


def batches(folder: str, corpus: str, options: Any) -> Iterator[tuple[str, int, Any, Any, Any]]:
    """Chain, depth, human rows, written batch and rows kept before, of every batch."""
    from calibrated import STUDENT
    from gates import REGIMES, prepared, ungoverned

    from collapse_pipeline.loop.chain import turns
    from collapse_pipeline.loop.measure import drawn
    from collapse_pipeline.records import derived_seed

    parts, anchor, *_ = prepared(folder, corpus, STUDENT, options.human_rows)
    human = drawn(anchor, options.human_rows, derived_seed("human", corpus, 1))
    chains = {f"healthy {number}": (parts, True, 2) for number in range(options.nights)}
    chains |= {
        regime: (ungoverned(parts, share), False, GENERATIONS) for regime, share in REGIMES.items()
    }
    for name, (of, governed, length) in chains.items():
        earlier: list[Any] = []
        seed = derived_seed("evidently", corpus, name)
        for turn in islice(turns(of, human, seed, governed=governed), length):
            yield f"{name} {turn.ordinal}", turn.depth, human, turn.batch, earlier[-1:]
            earlier.append(turn.kept)


def compared(folder: str, corpus: str, options: Any, results: Any) -> list[dict[str, Any]]:
    """A row for each batch."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from calibrated import STUDENT, known_bounds, of_batch, side_gates, stopped
    from gates import prepared

    from collapse_pipeline.loop.measure import drawn

    whole = prepared(folder, corpus, STUDENT, options.human_rows)
    gates, rows = side_gates(whole[2]), options.human_rows // 2
    known = known_bounds(gates, f"{corpus} 1", options.human_rows, results)
    made: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as pairs:
        for name, depth, human, batch, earlier in batches(folder, corpus, options):
            began = time.process_time()
            values = of_batch(whole, human, batch, earlier, rows, 1)
            fired = stopped(gates, known[min(depth, 2)], values, rows)
            seconds = time.process_time() - began
            for side, of in (("written", batch), ("real", human)):
                some = drawn(of, rows, 1)
                texts = [
                    f"{prompt} {response}".strip()
                    for prompt, response in zip(
                        some["prompt"].to_pylist(), some["response"].to_pylist(), strict=True
                    )
                ]
                pq.write_table(pa.table({"text": texts}), f"{pairs}/{name}.{side}.parquet")
            made.append({"corpus": corpus, "batch": name, "ours": fired, "ours_seconds": seconds})
        command = [options.peer_python, "-P", __file__, "--peer", pairs]
        ended = subprocess.run(command, check=True, capture_output=True, text=True)
    said = json.loads(ended.stdout.splitlines()[-1])
    for row in made:
        theirs: Mapping[str, Any] = said[row["batch"]]
        row |= {
            "rows": rows,
            "dataset": theirs["dataset"],
            "any": theirs["any"],
            "evidently_seconds": theirs["seconds"],
            "times_ours": theirs["seconds"] / row["ours_seconds"],
            "evidently": said["version"],
            "pandas": said["pandas"],
        }
    return made


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--peer-python", help="With Evidently.")
    asked.add_argument("--corpora", nargs="*", default=["banking77"])
    asked.add_argument("--human-rows", type=int, default=1_000)
    asked.add_argument("--nights", type=int, default=4, help="Healthy chains of two nights each.")
    asked.add_argument("--workers", type=int, default=1)
    asked.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.peer:
        peer(options.peer)
        return
    if not options.peer_python:
        sys.exit("--peer-python: the Python of an environment with Evidently is wanted")
    from bench import RESULTS, report
    from calibrated import null_jobs
    from gates import done, made_home

    with tempfile.TemporaryDirectory() as folder:
        made_home(Path(folder), options.corpora)
        jobs: dict[str, tuple[Any, ...]] = {}
        for corpus in options.corpora:
            jobs |= null_jobs(folder, corpus, options.human_rows, 1)
        results = done(RESULTS / "calibrated.partial", jobs, options.workers)
        rows = [
            row for corpus in options.corpora for row in compared(folder, corpus, options, results)
        ]
    columns = ["corpus", "batch", "ours", "dataset", "any", "ours_seconds", "evidently_seconds"]
    report("evidently", [*columns, "times_ours", "evidently", "pandas"], rows)


if __name__ == "__main__":
    main()
