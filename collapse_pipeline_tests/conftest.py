"""Fixtures shared by all tests."""

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner


@pytest.fixture
def invoke(monkeypatch):
    """Runs a command of an app in this process; errors are raised as they are."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(app, *arguments):
        said = CliRunner().invoke(app, [*map(str, arguments)])
        if said.exception is not None and not isinstance(said.exception, SystemExit):
            raise said.exception
        return said

    return run


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public corpora that lies beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.fail(f"wanted public corpora in {folder}; or run pytest -m 'not real_data'")
    return folder


@pytest.fixture(scope="session")
def gated_first(tmp_path_factory) -> Path:
    """A home whose generation 0 is done; copied for every test that needs one."""
    from collapse_pipeline_tests.defs.gated import first_night

    return first_night(tmp_path_factory.mktemp("first"))


@pytest.fixture
def gated_home(gated_first, tmp_path) -> Path:
    """The same for one test."""
    return Path(shutil.copytree(gated_first, tmp_path / "home"))


@pytest.fixture(scope="session")
def stopped(gated_first, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A home with two corpora, of which a gate stopped one; and how the command ended. To be read
    only."""
    from collapse_pipeline_tests.defs.gated import stopped_night

    home = tmp_path_factory.mktemp("stopped") / "home"
    shutil.copytree(gated_first, home)
    return home, stopped_night(home)
