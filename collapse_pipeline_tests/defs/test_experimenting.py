"""Experiments on a small home: what a cell is made of, and that what was cut off goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collapse_pipeline.defs import experimenting
from collapse_pipeline.defs.corpora import ensure_corpus
from collapse_pipeline.defs.experiment_evidence import ratio
from collapse_pipeline.defs.experimenting import (
    Asked,
    asked_of,
    calibration_for,
    cells,
    lab_of,
    lacking,
    plan,
    variant_of,
)
from collapse_pipeline.defs.replicates import Bought
from collapse_pipeline.defs.workshop import arrived
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.ablation import WHOLE
from collapse_pipeline_tests.defs.gated import (
    CORPUS,
    NIGHTS,
    TEMPLATES,
    calibrate_by_hand,
    gate,
    shop_in,
    write_gates,
    write_templates,
)

NIGHT = NIGHTS[1]
QUICK = {"teacher": {"kind": "student"}}
ONCE = Asked(seeds=1, generations=1)
SILENT = lambda done, wanted: None  # noqa: E731


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """A home with its corpus taken in and nothing run; to be copied."""
    home = tmp_path_factory.mktemp("lab")
    write_templates(home, TEMPLATES)
    write_gates(home, [gate("fires", -1)])
    with shop_in(home, **QUICK) as shop:
        ensure_corpus(shop, CORPUS, NIGHTS[0])
    return home


@pytest.fixture
def home(once, tmp_path):
    import shutil

    return Path(shutil.copytree(once, tmp_path / "home"))


def planned(home, kind="ratio", asked=ONCE, overrides=None, night=NIGHT, **settings):
    with shop_in(home, **QUICK | settings) as shop:
        return plan(shop, CORPUS, kind, night, asked, overrides)


def test_what_is_asked_for():
    assert asked_of(3, 4, "full", "fixed") == Asked(3, 4, "full", "fixed")
    assert asked_of(1, 1, "pilot").way is None
    for wrong in ((0, 1, "pilot"), (1, 0, "pilot"), (1, 1, "half"), (1, 1, "pilot", "beside")):
        with pytest.raises(BadInputError):
            asked_of(*wrong)


def test_a_plan_is_named_by_all_that_its_cells_are_made_of(home):
    first = planned(home)
    assert planned(home).key == first.key
    assert planned(home, asked=Asked(9, 1)).key == first.key  # more seeds of the same
    others = [
        planned(home, asked=Asked(1, 2)),
        planned(home, asked=Asked(1, 1, "full")),
        planned(home, asked=Asked(1, 1, way="fixed")),
        planned(home, kind="ablation"),
        planned(home, night=NIGHTS[2]),  # ten human rows more
        planned(home, overrides={"mix": {"synthetic_weight": 0.7}}),
    ]
    write_gates(home, [gate("fires", -1), gate("more", 1)])
    others.append(planned(home))
    assert len({first.key, *(other.key for other in others)}) == 8
    assert first.folder.name == f"{CORPUS}-ratio-{first.key}"


def test_which_loop_is_the_corpus_s_own(home):
    assert planned(home).own_loop
    assert planned(home, asked=Asked(1, 1, way="on_top")).own_loop
    assert not planned(home, asked=Asked(1, 1, way="fixed")).own_loop
    assert not planned(home, overrides={"judge": {"enforce": False}}).own_loop
    assert planned(home, mix={"regime": "replace"}).way == "fixed"


def test_no_human_row_before_the_first_night(home):
    with pytest.raises(BadInputError, match="take a later night"):
        planned(home, night="2001-01-01")


def test_a_pilot_is_small_and_a_full_stage_is_not(home, monkeypatch):
    monkeypatch.setattr(experimenting, "PILOT_ROWS", 100)
    monkeypatch.setattr(experimenting, "PILOT_SUITE_ROWS", 50)
    pilot, full = (lab_of(planned(home, asked=Asked(1, 1, stage))) for stage in ("pilot", "full"))
    assert (pilot.human_rows, full.human_rows) == (100, 410)
    assert (pilot.parts.generate.rows, full.parts.generate.rows) == (125, 240)
    assert max(suite.rows for suite in pilot.suites) == 50
    assert max(suite.rows for suite in full.suites) > 50
    counts = pilot.parts.suites["suite"].value_counts().to_pylist()
    assert max(entry["counts"] for entry in counts) == 50
    assert pilot.parts.classify


def test_a_calibration_of_another_size_is_not_used_and_says_so(home):
    with shop_in(home, **QUICK) as shop:
        settings = shop.settings.corpus(CORPUS)
        human = arrived(shop.store.read("human_anchor", CORPUS), NIGHT, settings)
        bought = Bought(home, None, CORPUS, settings.model_dump(mode="json"), NIGHT)

        def known(chosen=settings):
            return calibration_for(shop, bought, chosen, human, "full")

        assert known()[1] == "there is no calibration of this corpus that holds at this size"
        made = calibrate_by_hand(shop, {"1": {}})
        assert known() == (made, "")
        batch = settings.generate.model_copy(update={"rows": 999})
        found, why = known(settings.model_copy(update={"generate": batch}))
        assert found is None
        assert f"calibration {made.version} does not hold at this size: the batch plan" in why


def test_only_missing_cells_are_worked_out_and_large_shares_first(home, monkeypatch):
    worked, heard = [], []

    def work(plan, what, seed):
        worked.append((what, seed))
        experimenting._file(plan, what, seed).write_text(json.dumps([what, seed]))

    monkeypatch.setattr(experimenting, "_cell", work)
    made = planned(home)
    made.folder.mkdir(parents=True)
    work(made, "0", 2)
    worked.clear()
    told = lambda *how: heard.append(how)  # noqa: E731
    assert lacking(made, ["0", "30"], 2) == ["0", "30"]
    found = cells(made, ["0", "30"], 2, 1, told)
    assert found == [["0", 1], ["0", 2], ["30", 1], ["30", 2]]
    assert worked == [("30", 2), ("30", 1), ("0", 1)]
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert lacking(made, ["0", "30"], 2) == []
    assert lacking(made, ["30"], 3) == ["30"]


def test_cells_of_two_shares(home):
    made = planned(home)
    found = cells(made, ["0", "30"], 1, 1, SILENT)
    assert [cell["variant"] for cell in found] == ["0%", "30%"]
    assert found[1]["turns"][0]["share"] == pytest.approx(0.3, abs=0.02)
    assert "exact_duplicates" in found[0]["turns"][0]["fired"]["fires"]


def test_variants_of_an_ablation(home):
    made = planned(home, kind="ablation")
    assert variant_of(made, WHOLE).gated
    assert not variant_of(made, "gates").gated
    assert variant_of(made, "template_diversity").parts.templates[1:] == ()
    assert len(variant_of(made, WHOLE).parts.templates) == 2


PROGRAM = "from collapse_pipeline.cli import main; main()"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="wants Linux's list of processes")
def test_an_experiment_that_is_killed_goes_on_and_comes_to_the_same(home, tmp_path):
    asked = ["experiment", "ratio", CORPUS, "--shares", "0,30", "--seeds", "2"]
    asked += ["--generations", "1", "--night", NIGHT, "--workers", "2", "--json", "--home"]

    def started(where):
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *asked, str(where)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    shop_in(home, **QUICK).close()
    killed = started(home)
    while "2 of 4 chains" not in (line := killed.stderr.readline()):
        assert line
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    time.sleep(0.2)
    there = [*(home / "experiments").glob("*/*.json")]
    assert 2 <= len(there) < 4
    stamps = {file: file.stat().st_mtime_ns for file in there}
    ended = started(home)
    out, err = ended.communicate(timeout=300)
    assert ended.returncode == 0, err
    assert f"{len(there)} of 4 chains" in err.splitlines()[0]
    assert {file: file.stat().st_mtime_ns for file in there} == stamps
    first = json.loads(out)
    for file in (home / "experiments").glob("*/*.json"):
        file.unlink()
    with shop_in(home, **QUICK) as shop:  # never cut off, and in this process
        second = ratio(shop, CORPUS, [30], NIGHT, Asked(2, 1), {}, shop.actor, 1, SILENT)
    for name in ("digest", "digest_of_document", "rows", "cap"):
        assert first[name] == second[name]
    assert second["recorded"].startswith("on record as event")
