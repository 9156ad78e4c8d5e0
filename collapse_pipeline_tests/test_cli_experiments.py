"""The commands on experiments: what they say, and how they end."""

import json

import pytest
import typer

from collapse_pipeline.cli_experiments import ALL_LINKS, add_to
from collapse_pipeline.defs import experimenting
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.ablation import Link
from collapse_pipeline.loop.experiment_gradient import PERPLEXITY
from collapse_pipeline_tests.defs.gated import CORPUS, NIGHTS, shop_in
from collapse_pipeline_tests.loop.experiments import cell_by_hand

app = typer.Typer()
add_to(app)


@pytest.fixture
def home(gated_home, monkeypatch):
    """Cells are made by hand here."""

    def work(plan, what, seed):
        share = float(what) / 100 if plan.kind == "ratio" else 0.3
        suites = {"standard": "1" * (800 - seed) + "0" * (200 + seed)}
        figures = {PERPLEXITY: 1 + share + (what == "judge") + seed / 100}
        made = cell_by_hand(share, seed, suites, figures)
        named = made if plan.kind == "ratio" else made | {"variant": what}
        experimenting._file(plan, what, seed).write_text(json.dumps(named))

    monkeypatch.setattr(experimenting, "_cell", work)
    shop_in(gated_home).close()
    return gated_home


@pytest.fixture
def cli(home, invoke):
    """Runs an experiment of a home on one night, in this process."""
    night = ("--night", NIGHTS[1], "--workers", 1, "--home", home)

    def run(command, corpus, *more):
        return invoke(app, "experiment", command, corpus, *night, *more)

    return run


def test_a_gradient_says_one_document_and_tells_how_far_it_is(cli):
    asked = ("ratio", CORPUS, "--shares", "0,30,70", "--seeds", 2, "--generations", 1)
    said = cli(*asked, "--by", "anna", "--json")
    document = json.loads(said.stdout)
    assert document["cap"]["share"] == 0.3  # perplexity is 1.7 at 70%
    assert [row["share"] for row in document["shares"]] == [0, 0.3, 0.7]
    assert (document["stage"], document["mix"], document["seeds"]) == ("pilot", "on_top", 2)
    told = said.stderr.splitlines()
    assert told[0].startswith(f"experimenting on {CORPUS}: 0 of 6 chains, 0:00:0")
    assert told[-1].startswith(f"experimenting on {CORPUS}: 6 of 6 chains")
    again = cli(*asked)
    assert again.stderr.startswith(f"experimenting on {CORPUS}: 6 of 6 chains")
    assert "cap: 30% is the largest share" in again.stdout
    assert "on record as event" in again.stdout


def test_an_ablation_says_what_each_link_is_worth(cli):
    asked = ("ablate", CORPUS, "--without", "judge, quotas", "--seeds", 2, "--generations", 1)
    document = json.loads(cli(*asked, "--json").stdout)
    assert [*document["links"]] == ["judge", "quotas"]
    (row,) = [
        row
        for row in document["links"]["judge"]["worth"]
        if (row["suite"], row["metric"]) == PERPLEXITY
    ]
    assert row["worth"] == pytest.approx(1)
    text = cli(*asked).stdout
    assert "strongest first: judge" in text
    assert "quotas: not applicable, nothing to act on" in text


def test_the_links_that_are_left_out_by_default_are_all_of_them():
    assert ALL_LINKS.split(",") == [link.value for link in Link]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("ratio", CORPUS, "--shares", "0,110"), "--shares in percent"),
        (("ratio", CORPUS, "--shares", "few"), "--shares in percent"),
        (("ratio", CORPUS, "--shares", ""), "--shares in percent"),
        (("ratio", CORPUS, "--mix", "beside"), "mix on_top or fixed"),
        (("ratio", CORPUS, "--stage", "half"), "stage pilot or full"),
        (("ratio", "nobody"), "one of the corpora"),
        (("ratio", CORPUS, "--night", "soon"), "--night with a date"),
        (("ablate", CORPUS, "--without", "luck"), "--without"),
        (("ablate", CORPUS, "--set", "judge.keep_share=7"), "keep_share"),
    ],
)
def test_an_experiment_that_cannot_be(cli, home, arguments, match):
    with pytest.raises(BadInputError, match=match):
        cli(*arguments)
    assert not (home / "experiments").exists()
