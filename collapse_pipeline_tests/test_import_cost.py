"""What it costs to load the assets, in processes of their own, in turn."""

import json
import statistics
import subprocess
import sys

HEAVY = [
    "torch",
    "transformers",
    "sentence_transformers",
    "great_expectations",
    "sklearn",
    "deltalake",
    "duckdb",
]
PROGRAM = """
import json, sys, time
import {module}
print(json.dumps([time.process_time(), sorted(set({heavy!r}) & set(sys.modules))]))
"""


def loaded(module):
    program = PROGRAM.format(module=module, heavy=HEAVY)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    seconds, heavy = json.loads(ended.stdout)
    return seconds, heavy


def test_loading_the_assets_costs_at_most_twice_importing_dagster():
    loaded("collapse_pipeline.definitions")  # compiles what was never compiled
    ratios = []
    for _ in range(5):
        theirs, _ = loaded("dagster")
        ours, heavy = loaded("collapse_pipeline.definitions")
        assert heavy == []
        ratios.append(ours / theirs)
    assert statistics.median(ratios) <= 2
