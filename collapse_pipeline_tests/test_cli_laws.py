"""The command on laws: what it says, and how it ends."""

import json
from functools import partial

import numpy as np
import pytest
import typer

from collapse_pipeline import cli_laws
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.laws import Finding

SMALL = ("--student", "ngram", "--rows", 60, "--generations", 1, "--repetitions", 4)
app = typer.Typer()
cli_laws.add_to(app)


@pytest.fixture
def cli(invoke):
    return partial(invoke, app)


@pytest.fixture
def forms(monkeypatch):
    """Puts findings in the place of the closed forms."""

    def put(*found):
        one = Finding("a law", "a case", "equals", 1.0, np.array(found, dtype=float))
        monkeypatch.setattr(cli_laws, "closed_forms", lambda repetitions, seed: [one])

    return put


def test_one_document_and_how_far_it_is(cli, forms):
    forms(0.9, 1.1)
    said = cli(*SMALL, "--json")
    document = json.loads(said.stdout)
    assert (document["text"], document["texts"]) == ("the embedded world customer_service", 5_000)
    first, *others = document["laws"]
    assert first["found"] == pytest.approx(1)
    assert (first["law"], first["repetitions"], first["held"]) == ("a law", 2, True)
    assert [one["law"] for one in others] == ["replace", "regimes", "regimes", "real text kept"]
    assert [one["case"] for one in document["claims"]] == ["ngram: 10% real", "ngram: accumulate"]
    assert document["held"] == all(one["held"] for one in document["laws"])
    assert said.exit_code == (0 if document["held"] else 1)
    told = said.stderr.splitlines()
    assert len(told) == 4
    assert told[-1].startswith("laws on text, ngram: 4 of 4")
    again = json.loads(cli(*SMALL, "--json").stdout)
    assert again["laws"] == document["laws"]


def test_a_law_that_does_not_hold_ends_it_with_1(cli, forms):
    forms(2.0, 2.0001)
    said = cli(*SMALL)
    assert said.exit_code == 1
    assert "not held" in said.stdout
    assert "only minor degradation" in said.stdout


def test_a_column_of_a_file(cli, forms, tmp_path):
    forms(0.9, 1.1)
    file = tmp_path / "lines.csv"
    lines = [f"line {i} of {i % 7} words {i % 11}" for i in range(100)]
    file.write_text("\n".join(["said", *lines, lines[0], ""]), "utf-8")
    said = cli("--text", file, "--column", "said", *SMALL, "--json")
    document = json.loads(said.stdout)
    assert (document["text"], document["texts"]) == (str(file), 100)


def test_a_file_without_its_column_is_refused(cli, tmp_path):
    with pytest.raises(BadInputError, match="--text with --column"):
        cli("--text", tmp_path / "lines.csv", *SMALL)
    with pytest.raises(BadInputError, match="--text with --column"):
        cli("--column", "said", *SMALL)


@pytest.mark.slow
def test_every_student_is_tried_unless_one_is_named(cli, forms):
    forms(0.9, 1.1)
    sizes = ("--rows", 20, "--generations", 1, "--repetitions", 2)
    document = json.loads(cli(*sizes, "--json").stdout)
    students = [one["case"].partition(":")[0] for one in document["laws"][1:]]
    assert students == ["ngram"] * 4 + ["gpt"] * 4
    assert all(np.isfinite(one["found"]) for one in document["laws"])
