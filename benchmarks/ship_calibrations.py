"""Makes the calibrations that come with the package for the embedded corpora.

Run: python benchmarks/ship_calibrations.py [--corpora ...] [--nights 2 7 14 24]

One file for each size of the human anchor that a month of nights goes through: a calibration holds
for a fifth more rows or fewer. Seeds and settings are the defaults, so the same packages make the
same files again.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from bench import command, report

from collapse_pipeline.defs.calibrating import SHIPPED
from collapse_pipeline.records import days_before
from collapse_pipeline.settings import load_settings, today_utc

NIGHTS = (2, 7, 14, 24, 34)  # after the first; 200 human rows arrive each night


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--corpora", nargs="*", default=["customer_service", "question_bank"])
    asked.add_argument("--nights", type=int, nargs="*", default=list(NIGHTS))
    options = asked.parse_args()
    SHIPPED.mkdir(exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for corpus in options.corpora:
            first = load_settings(home).first_generation(corpus, today_utc())
            for number in options.nights:
                night = ("--night", days_before(first, -number))
                said = command("calibrate", corpus, *night, home=home)
                made = home / "calibrations" / f"{said['version']}.json"
                shutil.copy(made, SHIPPED / f"{corpus}-{said['human_rows']}.json")
                names = ("corpus", "human_rows", "rows", "replicates", "version", "seconds")
                rows.append({name: said[name] for name in names})
    report("ship_calibrations", list(rows[0]), rows)


if __name__ == "__main__":
    main()
