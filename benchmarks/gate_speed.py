"""What all gates of one generation cost, and how that grows with the rows.

Run: python benchmarks/gate_speed.py [--rows 5000 10000 100000]

A night of `customer_service` is run without gates in a process of its own; then every gate of every
asset, the release's too, is read, measured, decided and written once more, in a process that has
loaded its libraries. Bounds come from a calibration of eight small replicates: its cost is none of
the gates' own, and its bounds decide nothing here.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import FIRST, command, report

CORPUS = "customer_service"


def settings_of(rows: int) -> dict[str, Any]:
    """As many human rows as written ones, all there on the first night."""
    arrival = {"rows": 2 * rows + 4_000, "eval_share": 0.3, "initial_rows": rows, "nightly_rows": 1}
    return {
        "corpora": {CORPUS: {"world": CORPUS, "arrival": arrival}},
        "defaults": {"generate": {"rows": rows}},
    }


def measured(home: Path) -> dict[str, Any]:
    """Seconds of every asset's gates in this process, once to load and once to measure."""
    from collapse_pipeline.defs.calibrating import keep
    from collapse_pipeline.defs.gating import gate_asset
    from collapse_pipeline.defs.pins import pinned_parts
    from collapse_pipeline.defs.readiness import release_evidence
    from collapse_pipeline.defs.workshop import open_workshop
    from collapse_pipeline.loop.calibrate import Calibration
    from collapse_pipeline.loop.limits import calibrated_conditions
    from collapse_pipeline.settings import load_settings

    with open_workshop(load_settings(home, home / "config.yaml")) as shop:
        known = list(shop.line(CORPUS).generations.values())[-1]
        record, manifest = known.record, known.manifest
        names = {c.statistic for gate in record.gates for c in calibrated_conditions(gate)}
        spread = tuple(0.5 + 0.01 * number for number in range(8))
        calibration = Calibration(
            corpus=CORPUS,
            source="pilot",
            facts={},
            human_rows=record.human_rows,
            rows=record.gate_rows,
            seed=1,
            nulls={"1": dict.fromkeys(sorted(names), spread)},
        )
        keep(shop.settings.home, calibration)
        record = record.model_copy(update={"calibration": calibration.version})
        assets = list(dict.fromkeys(gate.asset for gate in record.gates))
        seconds: dict[str, float] = {}
        processor: dict[str, float] = {}
        for _ in ("load", "measure"):
            for asset in assets:
                start, cpu = time.perf_counter(), time.process_time()
                evidence = None
                if asset == "release" and manifest is not None:
                    parts = pinned_parts(shop, manifest, fresh=True)
                    evidence = release_evidence(shop, record, manifest, parts)
                gate_asset(shop, record, asset, evidence)
                seconds[asset] = time.perf_counter() - start
                processor[asset] = time.process_time() - cpu
        written = manifest.rows["synthetic_batch"] if manifest else 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"written": written, "seconds": seconds, "processor": processor, "peak_mb": round(peak)}


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, nargs="*", default=[5_000, 10_000, 100_000])
    asked.add_argument("--measure", type=Path)
    options = asked.parse_args()
    if options.measure:
        print(json.dumps(measured(options.measure)))
        return
    rows = []
    for count in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            (home / "config.yaml").write_text(json.dumps(settings_of(count)), "utf-8")
            nights = ("--generations", "2", "--from", FIRST, "--set", "gates.enforce=false")
            config = ("--config", str(home / "config.yaml"))
            command("run", "--corpus", CORPUS, *nights, *config, home=home)
            own = [sys.executable, __file__, "--measure", str(home)]
            ended = subprocess.run(own, capture_output=True, text=True, check=True)
        said = json.loads(ended.stdout)
        whole = {f"all_{name}": sum(said[name].values()) for name in ("seconds", "processor")}
        rows.append({"rows": count, **whole, **said})
    for row in rows:
        base = next((r for r in rows if r["rows"] == 10_000), rows[0])
        row["growth"] = row["all_processor"] / base["all_processor"]
    columns = ["rows", "all_seconds", "all_processor", "growth", "peak_mb"]
    report("gate_speed", columns, rows)


if __name__ == "__main__":
    main()
