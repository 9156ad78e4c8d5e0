"""The commands by which persons govern."""

import csv
import json
import re
import shutil

import pytest
import typer
from typer.testing import CliRunner

from collapse_pipeline.cli_governance import add_to
from collapse_pipeline.errors import CollapsePipelineError
from collapse_pipeline_tests.defs.nights import CORPUS, NIGHTS, night, shop_with, take_in

app = typer.Typer()
add_to(app)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with two nights."""
    home = take_in(tmp_path_factory.mktemp("made"))
    with shop_with(home) as shop:
        for day in NIGHTS[:2]:
            night(shop, day)
    return home


@pytest.fixture
def home(made, tmp_path):
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def run(home):
    """Runs a command: its exit code and the document or the text that it said."""

    def command(*arguments, as_json=True):
        where = ["--home", str(home), *(["--json"] if as_json else [])]
        ended = CliRunner().invoke(app, [*map(str, arguments), *where])
        if isinstance(ended.exception, CollapsePipelineError):
            raise ended.exception
        assert ended.exit_code in (0, 2, 3), ended.output
        ok = as_json and ended.exit_code != 2
        return ended.exit_code, json.loads(ended.stdout) if ok else ended.output

    return command


@pytest.fixture
def plain(home):
    with shop_with(home) as shop:
        return str(shop.line(CORPUS).generations[NIGHTS[0]].record.templates[0])


def test_freeze_list_and_lift(run, plain):
    code, said = run("freeze", plain[:9], "--reason", "rigid", "--by", "ann")
    assert (code, said["version"], said["state"], said["by"]) == (0, plain, "frozen", "ann")
    _, said = run("component", "list", "--corpus", CORPUS)
    (found,) = said["corpora"]
    rows = {row["version"]: row for row in found["components"]}
    assert rows[plain]["state"] == "frozen"
    assert re.fullmatch(r"by ann on \d{4}-\d\d-\d\d \(rigid\)", rows[plain]["why"][0])
    code, said = run("lift", plain, "--reason", "looked at it", "--kind", "template")
    assert (code, said["state"]) == (0, "active")


def test_review_and_retire(run, plain):
    run("freeze", plain, "--reason", "rigid")
    assert run("component", "review", plain, "--reason", "Monday")[1]["state"] == "in_review"
    assert run("component", "retire", plain, "--reason", "replaced")[1]["state"] == "retired"


def test_a_red_line_ends_with_3_and_says_the_checklist(run, plain):
    code, said = run("component", "activate", plain, "--reason", "again")
    assert (code, said["done"]) == (3, False)
    assert len(said["checklist"]) == 7
    assert said["red_lines"]
    code, text = run("component", "activate", plain, "--reason", "again", as_json=False)
    assert code == 3
    assert re.search(r"red\s+sample distribution\s+no evidence", text)
    assert "unchanged: " in text


def test_a_cap_that_nobody_lowered(run):
    with pytest.raises(CollapsePipelineError, match=r"change mix\.synthetic_cap"):
        run("cap", "raise", CORPUS, "0.4", "--reason", "calm")


def test_verdicts_of_a_file(run, home, tmp_path):
    with shop_with(home) as shop:
        (sample, *_) = shop.store.read("synthetic_batch", CORPUS)["sample_id"].to_pylist()
    row = {"sample": sample, "verdict": "accept", "reviewer": "ann", "time": "2026-11-02"}
    with (tmp_path / "verdicts.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    _, said = run("review", "record", tmp_path / "verdicts.csv")
    assert said["reviews"][0]["generations"] == {NIGHTS[1]: 1}
    _, text = run("review", "record", tmp_path / "verdicts.csv", as_json=False)
    assert "1 verdicts recorded before, nothing was added" in text


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("freeze", "plain@zzzz", "--reason", "x"), "component list; there are judge jury@"),
        (("freeze", "nothing", "--reason", "x"), "got 'nothing'"),
        (("freeze", "jury@", "--reason", " "), "--reason TEXT"),
        (("lift", "jury@", "--reason", "x"), "frozen or in review, got judge jury@"),
        (("lift", "jury@", "--reason", "x", "--corpus", "nowhere"), "one of the corpora"),
        (("review", "record", "none.csv"), "nothing there"),
    ],
)
def test_what_cannot_be_is_said_in_the_house_s_words(run, arguments, match):
    with pytest.raises(CollapsePipelineError, match=match):
        run(*arguments)


def test_a_reason_is_wanted(run, plain):
    code, text = run("freeze", plain)
    assert code == 2
    assert "--reason" in text
