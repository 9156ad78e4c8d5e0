"""The commands on drills: what they refuse. What they run is tested with the drills themselves."""

import pytest
import typer
from typer.testing import CliRunner

from collapse_pipeline.cli_drills import add_to
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.faults.catalogue import FAULTS

app = typer.Typer()
add_to(app)


def refused(*arguments):
    said = CliRunner().invoke(app, ["drill", *arguments])
    assert isinstance(said.exception, BadInputError)
    return str(said.exception)


def test_without_a_fault_it_says_which_there_are(tmp_path):
    told = refused("--home", str(tmp_path))
    assert all(name in told for name in FAULTS)
    assert "--all" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gremlin"], "'gremlin'"),
        (["label_swap", "--corpus", "tickets"], "'tickets'"),
    ],
)
def test_an_unknown_name_is_refused_before_anything_is_made(arguments, said, tmp_path):
    assert said in refused(*arguments, "--home", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("strength", ["-0.1", "1.1", "much"])
def test_a_strength_lies_between_0_and_1(strength):
    asked = ["drill", "label_swap", f"--strength={strength}"]
    assert CliRunner().invoke(app, asked).exit_code == 2
