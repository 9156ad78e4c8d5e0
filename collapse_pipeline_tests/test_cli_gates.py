"""The commands on gates: what they say, and how they end."""

import json
from functools import partial

import pytest
import typer

from collapse_pipeline.cli_gates import add_to
from collapse_pipeline.defs import replicates
from collapse_pipeline.defs.calibrating import FOLDER
from collapse_pipeline.defs.corpora import ensure_corpus
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.errors import BadInputError
from collapse_pipeline_tests.defs.gated import (
    CORPUS,
    FIRES,
    NIGHTS,
    calibrate_by_hand,
    shop_in,
    work,
    write_gates,
)

NIGHT = NIGHTS[1]
app = typer.Typer()
add_to(app)


@pytest.fixture
def cli(invoke):
    return partial(invoke, app)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A corpus before its first night, whose replicates are made by hand."""
    write_gates(tmp_path, [FIRES])
    with shop_in(tmp_path) as shop:
        ensure_corpus(shop, CORPUS, NIGHTS[0])

    def replicate(bought, folder, number):
        figures = {"1": {"unigram_entropy": bought.settings["seed"] + number}}
        (folder / f"{number}.json").write_text(json.dumps(figures))

    monkeypatch.setattr(replicates, "_replicate", replicate)
    return tmp_path


def test_calibrating_says_one_document_and_tells_how_far_it_is(cli, home):
    asked = ("calibrate", CORPUS, "--night", NIGHT, "--workers", 1, "--home", home, "--json")
    said = cli(*asked, "--reason", "new embedder")
    document = json.loads(said.stdout)
    assert (document["corpus"], document["replicates"], document["depths"]) == (CORPUS, 8, [1])
    assert document["figures"] == {"1": ["unigram_entropy"]}
    assert (home / FOLDER / f"{document['version']}.json").exists()
    told = said.stderr.splitlines()
    assert len(told) == 9
    assert told[0].startswith(f"calibrating {CORPUS}: 0 of 8 replicates, 0:00:0")
    assert told[-1].startswith(f"calibrating {CORPUS}: 8 of 8 replicates")
    with shop_in(home) as shop:
        (event,) = shop.ledger.events(corpus=CORPUS, kinds=["gates_calibrated"])
    assert (event.reason, event.payload["version"]) == ("new embedder", document["version"])
    assert "8 pilot batches, 100 rows drawn of each batch" in cli(*asked[:-1]).stdout


def test_calibrating_again_gives_the_same_version_and_another_seed_another(cli, home):
    def version(*more):
        asked = ("calibrate", CORPUS, "--night", NIGHT, "--workers", 1, "--home", home, "--json")
        return json.loads(cli(*asked, *more).stdout)["version"]

    assert version() == version()
    assert version("--set", "seed=18") != version()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((CORPUS, "--night", "soon"), "--night with a date such as 2026-11-20, got 'soon'"),
        ((CORPUS, "--night", "2001-01-01"), "take a later night"),
        ((CORPUS, "--set", "gates.replicates=7"), "greater than or equal to 8"),
        (("nobody",), "one of the corpora"),
    ],
)
def test_a_calibration_that_cannot_be(cli, home, arguments, match):
    with pytest.raises(BadInputError, match=match):
        cli("calibrate", *arguments, "--home", home)
    assert not (home / FOLDER).exists()


def test_gates_and_what_they_said(cli, stopped):
    home, _ = stopped
    said = json.loads(cli("gates", CORPUS, "--home", home, "--json").stdout)
    assert (said["corpus"], said["generation"]) == (CORPUS, NIGHT)
    outcomes = {one["gate"]: one["outcome"] for one in said["gates"]}
    assert outcomes["entropy"] == "pass"
    assert outcomes["warns"] == "breach"
    text = cli("gates", CORPUS, "--home", home).stdout
    assert "synthetic_batch" in text
    assert "warns: breach, only warns" in text
    before = cli("gates", CORPUS, "--generation", NIGHTS[0], "--home", home, "--json").stdout
    assert {one["outcome"] for one in json.loads(before)["gates"]} == {"not measured"}
    with pytest.raises(BadInputError, match="one of the corpora"):
        cli("gates", "nobody", "--home", home)


def test_explaining_a_night_of_every_corpus_or_of_one(cli, stopped):
    home, _ = stopped
    said = json.loads(cli("explain", NIGHT, "--home", home, "--json").stdout)["generations"]
    assert [(one["corpus"], one["status"]) for one in said] == [
        ("customer_service", "promoted"),
        ("question_bank", "quarantined"),
    ]
    text = cli("explain", NIGHT, "--corpus", "question_bank", "--home", home).stdout
    assert f"question_bank {NIGHT} is quarantined; it stood on {NIGHTS[0]}" in text
    assert "questions_fire stopped it: It fires wherever there are questions." in text
    assert "customer_service" not in text
    with pytest.raises(BadInputError, match="there are"):
        cli("explain", "2001-01-01", "--home", home)


def test_a_figure_without_a_value_is_null_in_json(cli, gated_home):
    nothing = {"metric": "distinct_2", "bound": {"at_least": 0}}
    write_gates(gated_home, [FIRES | nothing | {"per": "template", "severity": "warn"}])
    with shop_in(gated_home) as shop:
        calibrate_by_hand(shop, {"1": {}})
        work(shop, open_generation(shop, CORPUS, NIGHT), until="synthetic_batch")
    for asked in (("gates", CORPUS), ("explain", NIGHT)):
        text = cli(*asked, "--home", gated_home, "--json").stdout
        assert json.loads(text, parse_constant=lambda name: pytest.fail(f"no JSON: {name}"))
