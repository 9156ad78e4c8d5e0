"""Replicates: what one is made of, and that what was cut off goes on."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from collapse_pipeline.defs import replicates
from collapse_pipeline.defs.calibrating import FOLDER, calibrate, in_force
from collapse_pipeline.defs.corpora import ensure_corpus
from collapse_pipeline.defs.replicates import Bought, applying, rows_drawn
from collapse_pipeline.errors import StoreError
from collapse_pipeline.metrics.evidence import Need
from collapse_pipeline.records import human_sample_id, samples_table
from collapse_pipeline.settings import CorpusSettings
from collapse_pipeline_tests.defs.gated import (
    CORPUS,
    NIGHTS,
    TEMPLATES,
    gate,
    shop_in,
    write_gates,
    write_templates,
)
from collapse_pipeline_tests.samples import human_row

NIGHT = NIGHTS[1]
ENTROPY = gate("entropy", 0) | {
    "metric": "unigram_entropy",
    "bound": {"calibrated": "below"},
}
QUICK = {"task": None, "teacher": {"kind": "student"}, "generate": {"rows": 120}}
# So many that a busy machine gets round to the interruption before the last of them.
MANY = 30
LONG = QUICK | {"gates": {"rows": 100, "replicates": MANY}}


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    write_templates(home, TEMPLATES)
    write_gates(home, [ENTROPY])
    with shop_in(home, **QUICK) as shop:
        ensure_corpus(shop, CORPUS, NIGHTS[0])
    return home


def bought(home, **settings):
    with shop_in(home, **QUICK, **settings) as shop:
        chosen = shop.settings.corpus(CORPUS)
    return Bought(home, None, CORPUS, chosen.model_dump(mode="json"), NIGHT)


def test_only_missing_replicates_are_worked_out(tmp_path, monkeypatch):
    worked, heard = [], []

    def replicate(bought, folder, number):
        worked.append(number)
        (folder / f"{number}.json").write_text(json.dumps({1: {"figure": number}}))

    monkeypatch.setattr(replicates, "_replicate", replicate)
    for number in (0, 2):
        replicate(None, tmp_path, number)
    worked.clear()
    found = replicates.replicates(None, tmp_path, 4, 1, lambda *told: heard.append(told))
    assert worked == [1, 3]
    assert heard == [(2, 4), (3, 4), (4, 4)]
    assert found == [{1: {"figure": number}} for number in range(4)]


def test_the_same_seed_gives_the_same_figures_in_whatever_process(home, tmp_path):
    folders = [tmp_path / name for name in ("here", "there")]
    here, there = (
        replicates.replicates(bought(home), folder, 2, workers, lambda *told: None)
        for workers, folder in enumerate(folders, 1)
    )
    assert here == there
    assert here[0] != here[1]  # each has human rows of its own
    assert {*here[0]} == {1, 2}  # depths, up to the limit
    assert {*here[0][1]} == {"unigram_entropy"}
    other = replicates.replicates(bought(home, seed=18), tmp_path / "o", 1, 1, lambda *told: None)
    assert other[0] != here[0]


def test_a_teacher_that_is_not_refitted_gives_pilot_batches_of_depth_1(home, tmp_path):
    with shop_in(home, **QUICK | {"teacher": {"kind": "simulated"}}) as shop:
        chosen = shop.settings.corpus(CORPUS).model_dump(mode="json")
    outside = Bought(home, None, CORPUS, chosen, NIGHT)
    (found,) = replicates.replicates(outside, tmp_path / "out", 1, 1, lambda *told: None)
    assert {*found} == {1}


def test_a_fault_of_another_process_keeps_its_words(home, tmp_path):
    strange = bought(home)
    strange = Bought(home, home / "none.yaml", CORPUS, strange.settings, NIGHT)
    with pytest.raises(Exception, match=r"no file .*none\.yaml") as fault:
        replicates.replicates(strange, tmp_path / "out", 2, 2, lambda *told: None)
    assert fault.value.wanted


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Not a directory"):
        replicates.replicates(None, tmp_path / "file" / "below", 1, 1, lambda *told: None)


def test_no_more_rows_are_drawn_than_a_batch_or_a_subsample_has():
    def drawn(human, **settings):
        return rows_drawn(CorpusSettings.model_validate(settings), human)

    assert drawn(10_000, gates={"rows": 300}, generate={"rows": 400}) == 300
    assert drawn(10_000, gates={"rows": 300}, generate={"rows": 200}) == 200
    assert drawn(100, gates={"rows": 300}, generate={"rows": 400}) == 80  # four fifths


CHOOSE = "Which gas do we breathe?\nA. Oxygen\nB. Helium"


@pytest.mark.parametrize(
    ("rows", "settings", "has", "lacks"),
    [
        ([{"label": "a"}], {}, {Need.LABELS, Need.EMBEDDINGS}, {Need.RESPONSES, Need.WORLD}),
        ([{"response": "yes"}], {}, {Need.RESPONSES}, {Need.LABELS}),
        ([{}], {"filter": {"embedder": None}}, set(), {Need.EMBEDDINGS, Need.CHOICES}),
        ([{"prompt": CHOOSE}], {}, {Need.CHOICES}, set()),
        ([{"prompt": CHOOSE}, {}], {}, set(), {Need.CHOICES}),  # no more than half
        ([{"attributes": [("difficulty", "easy")]}], {}, {Need.DIFFICULTY}, {Need.TOOL_CALLS}),
        ([{"attributes": [("tool_calls", "find")]}], {}, {Need.TOOL_CALLS}, {Need.DIFFICULTY}),
    ],
)
def test_what_applies_to_a_corpus(rows, settings, has, lacks):
    human = samples_table(human_row(**{"prompt": "hello"} | row) for row in rows)
    human = human.append_column("split", pa.array(["train"] * len(rows)))
    found = {*applying(human, human, CorpusSettings.model_validate(settings), has_world=False)}
    assert has <= found
    assert lacks.isdisjoint(found)


@pytest.mark.parametrize(("rows", "applies"), [(100, True), (99, False)])
def test_groups_of_people_want_a_hundred_measured_rows_each(rows, applies):
    people = ["de"] * 100 + ["fr"] * rows
    table = samples_table(
        human_row(
            str(n), sample_id=human_sample_id("toy", "", str(n), ""), attributes=[("locale", p)]
        )
        for n, p in enumerate(people)
    )
    anchor = table.append_column("split", pa.array(["eval"] * len(people)))
    settings = CorpusSettings.model_validate({"evaluate": {"groups": ["locale"]}})
    assert (Need.GROUPS in applying(anchor, table, settings, has_world=False)) == applies


# A shell that starts the tests in the background has them, and what they start, ignore Ctrl-C.
PROGRAM = """
import signal
from collapse_pipeline.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


class Command:
    """The command `calibrate` in a process of its own, with two more that work for it."""

    def __init__(self, home):
        asked = ["calibrate", CORPUS, "--night", NIGHT, "--workers", "2", "--home", str(home)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *asked, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.heard = []

    def end(self, how, done):
        """Ends it as soon as it tells of so many replicates."""
        while f"{done} of {MANY} replicates" not in "".join(self.heard[-1:]):
            line = self.process.stderr.readline()
            assert line, self.heard
            self.heard.append(line)
        below = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        workers = [int(pid) for pid in below.read_text("utf-8").split()]
        assert len(workers) >= 2
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=60)
        deadline = time.monotonic() + 60
        while any(map(runs, workers)):
            assert time.monotonic() < deadline, "a process went on without the command"
            time.sleep(0.05)
        return self.process.returncode, out, err


def runs(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="wants Linux's list of processes")
def test_a_calibration_that_is_cut_off_goes_on_and_comes_to_the_same(home):
    shop_in(home, **LONG).close()
    code, out, err = Command(home).end(signal.SIGINT, 2)
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    code, _, _ = Command(home).end(signal.SIGKILL, 5)
    assert code == -signal.SIGKILL
    (folder,) = (home / FOLDER).glob("unfinished-*")
    (folder / "7.1.tmp").write_text("half of")  # as a kill in the middle of a line leaves it
    there = len([*folder.glob("*.json")])
    assert there >= 5
    heard = []
    with shop_in(home, **LONG) as shop:
        shop.hold(CORPUS)
        chosen = shop.settings.corpus(CORPUS)

        def resumed(workers):
            return calibrate(
                shop, CORPUS, NIGHT, chosen, "why", workers, lambda *told: heard.append(told)
            )

        made = resumed(1)
        assert heard[0] == (there, MANY)  # what lay there was not worked out again
        assert (made.replicates, made.depths, made.source) == (MANY, [1, 2], "refits")
        assert in_force(shop, CORPUS) == made
        assert [*(home / FOLDER).iterdir()] == [home / FOLDER / f"{made.version}.json"]
        heard.clear()
        assert resumed(2).version == made.version  # never cut off, by two processes
        assert heard[0] == (0, MANY)
