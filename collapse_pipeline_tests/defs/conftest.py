"""A small world that a whole generation runs on in seconds; its gates are measured, and stop
nothing: tests of what gates do have settings of their own."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collapse_pipeline.settings import load_settings

SMALL = """
defaults:
  generate: {rows: 300}
  evaluate: {written_rows: 40, primary_rows: 150, draws: 300}
  gates: {enforce: false}
corpora:
  customer_service:
    arrival: {rows: 1500, eval_share: 0.4, initial_rows: 500, nightly_rows: 10}
  question_bank:
    arrival: {rows: 1500, eval_share: 0.4, initial_rows: 500, nightly_rows: 10}
"""


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Path:
    """A configuration of embedded corpora at a tenth of their size."""
    path = tmp_path_factory.mktemp("config") / "small.yaml"
    path.write_text(SMALL, "utf-8")
    return path


@pytest.fixture
def command(small) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line in a process of its own."""

    def run(*arguments: str, home: Path, before: str = "") -> subprocess.CompletedProcess[str]:
        program = f"{before}\nfrom collapse_pipeline.cli import main\nmain()"
        where = ["--home", str(home), "--config", str(small)]
        return subprocess.run(
            [sys.executable, "-c", program, *arguments, *where],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def document(command) -> Callable[..., Any]:
    """The JSON document of a command that is expected to end well."""

    def read(*arguments: str, home: Path, codes: tuple[int, ...] = (0,)) -> Any:
        ended = command(*arguments, "--json", home=home)
        assert ended.returncode in codes, ended.stderr
        return json.loads(ended.stdout)

    return read


@pytest.fixture
def settings_of(small):
    return lambda home: load_settings(home, small)
