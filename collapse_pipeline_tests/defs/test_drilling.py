"""Drills in small homes: a fault is caught where it should be, and what was cut off goes on."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from collapse_pipeline import cli_drills
from collapse_pipeline.defs import drill_homes, drilling
from collapse_pipeline.defs.drill_faults import turned
from collapse_pipeline.defs.drilling import DrillRequest, drill
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.faults.catalogue import FAULTS
from collapse_pipeline.settings import CorpusItem, CorpusSettings, WorldArrival, load_settings

CORPUS = "customer_service"
# As in test_blamed_nights: suites of a few hundred rows decide no release.
SMALL = {
    "generate": {"rows": 900},
    "gates": {"rows": 480, "replicates": 8},
    "evaluate": {"written_rows": 20, "draws": 100, "primary_rows": 300},
    "release": {"enforce": False},
}
ARRIVAL = WorldArrival(rows=2_000, eval_share=0.4, initial_rows=700, nightly_rows=10)
ASKED = DrillRequest(faults=("rigid_template", "single_teacher"), corpora=(CORPUS,))


class CutOffError(Exception):
    """A kill, as far as a test can have one."""


@pytest.fixture(scope="module")
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drill_homes, "PILOT", SMALL)
        patch.setattr(drill_homes, "PILOT_ARRIVAL", ARRIVAL)
        yield


@pytest.fixture(scope="module")
def drilled(small, tmp_path_factory):
    """A drill that was cut off after its first run and taken up again: home, what it said, and
    how many runs were done as it went."""
    home = tmp_path_factory.mktemp("home")
    settings = load_settings(home)

    def cut(done, wanted):
        if done == 1:
            raise CutOffError

    with pytest.raises(CutOffError):
        drill(settings, ASKED, 1, cut)
    heard = []
    said = drill(settings, ASKED, 1, lambda done, wanted: heard.append((done, wanted)))
    return home, said, heard


def run_of(said, fault):
    return next(run for run in said["runs"] if run["fault"] == fault)


@pytest.mark.slow
def test_what_was_done_is_not_done_again(drilled):
    home, said, heard = drilled
    assert heard == [(1, 3), (2, 3), (3, 3)]
    told = []
    again = drill(load_settings(home), ASKED, 1, lambda *counts: told.append(counts))
    assert told == [(3, 3)]
    assert again == said


@pytest.mark.slow
def test_the_home_itself_holds_nothing_but_the_drills(drilled):
    home, _, _ = drilled
    assert [path.name for path in home.iterdir()] == [drilling.FOLDER]
    (folder,) = (home / drilling.FOLDER).iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["calibrated", "runs", "seed-1"]


@pytest.mark.slow
def test_a_rigid_template_is_caught_on_the_first_night_and_blamed(drilled):
    _, said, _ = drilled
    run = run_of(said, "rigid_template")
    (guilty,) = run["to_blame"]
    assert guilty.startswith("template upset@")
    first, second, _ = run["nights"]
    assert first["verdict"] == "quarantined"
    assert first["frozen"] == [guilty]
    assert first["written_since"] == 0
    assert run["announced"] == ["teacher"]  # which no gate was shown
    assert "calibration_stale" not in {g["gate"] for n in run["nights"] for g in n["gates"]}
    assert first["reviewed"] == 50  # the gate asks for it, and a person does it
    assert second["verdict"] == "promoted"
    row = next(row for row in said["rows"] if row["fault"] == "rigid_template")
    assert "style_uniform" in row["first_signals"]
    assert (row["detected"], row["arl1"], row["blamed_rightly"]) == (1, 1.0, 1)
    assert row["trained_on"] == 0


@pytest.mark.slow
def test_the_control_is_quiet_and_trains_on_what_was_written(drilled):
    _, said, _ = drilled
    control = run_of(said, "")
    assert [night["verdict"] for night in control["nights"]] == ["promoted"] * 3
    assert 0 < control["nights"][0]["written_since"] < control["nights"][1]["written_since"]
    assert control["released"]["accuracy"]["standard"] > 0.5
    assert control["released"]["written"]["wrong_fact_rate"]["rows"] > 100


@pytest.mark.slow
def test_one_teacher_alone_writes_all_rows_from_the_onset_on(drilled):
    _, said, _ = drilled
    run = run_of(said, "single_teacher")
    assert run["to_blame"] == []  # one source is no component's fault
    assert run["announced"] == ["teacher"]
    assert not any(night["frozen"] for night in run["nights"])


@pytest.mark.slow
def test_the_command_line_says_what_lies_there(drilled, monkeypatch):
    home, said, _ = drilled
    monkeypatch.setenv("COLUMNS", "80")
    app = typer.Typer()
    cli_drills.add_to(app)
    asked = ["drill", *ASKED.faults, "--corpus", CORPUS, "--home", str(home), "--workers", "1"]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0, told.exception
    assert "drilling: 3 of 3 runs" in told.stderr
    assert "style_uniform 1, 1.0" in told.stdout
    document = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert document["rows"] == said["rows"]


def test_a_corpus_whose_truth_is_unknown_is_refused(tmp_path):
    settings = load_settings(tmp_path)
    own = settings.model_copy(update={"corpora": {"tickets": CorpusItem()}})
    asked = ASKED.model_copy(update={"corpora": ("tickets",)})
    with pytest.raises(BadInputError, match="reference world"):
        drill(own, asked, 1, lambda done, wanted: None)


def test_an_unknown_fault_is_refused_before_anything_is_run(tmp_path):
    with pytest.raises(BadInputError, match="a fault of the catalogue"):
        drill(load_settings(tmp_path), DrillRequest(faults=("x",), corpora=(CORPUS,)), 1, print)
    assert not (tmp_path / drilling.FOLDER).exists()


BASE = drill_homes.base_item(load_settings(Path("none")), CORPUS, "pilot").settings


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_gives_settings_that_can_be_pinned(name, tmp_path):
    found = turned(BASE, FAULTS[name], FAULTS[name].strength, 1, tmp_path)
    assert json.dumps(CorpusSettings.model_validate(found).model_dump(mode="json"))
    same = CorpusSettings.model_validate(found) == CorpusSettings.model_validate(BASE)
    assert same == (FAULTS[name].move is not None)


def test_who_is_damaged_follows_from_who_is_to_be_blamed(tmp_path):
    def kinds(name):
        teachers = turned(BASE, FAULTS[name], 0.5, 1, tmp_path)["teacher"]["teachers"]
        return {who: (t["kind"], t.get("templates")) for who, t in teachers.items()}

    template = ("faulty", ["upset"])
    assert kinds("over_refusal") == {"first": template, "second": template}
    assert kinds("label_swap") == {"first": ("faulty", []), "second": ("simulated", None)}
    assert kinds("empty_flood") == {"first": ("faulty", []), "second": ("faulty", [])}
    assert set(kinds("single_teacher")) == {"first", "second"}
    alone = turned(BASE, FAULTS["single_teacher"], 1.0, 1, tmp_path)["teacher"]
    assert set(alone["teachers"]) == {"first"}
