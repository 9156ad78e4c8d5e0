"""`kill -9` anywhere, then the same command: the same tables."""

import os
import signal
import subprocess
import sys
import time

import pytest

from collapse_pipeline.defs.stages import STAGES

RUN = ("run", "--corpus", "customer_service", "--generations", "2", "--seed", "3")
# Replaces one function by one that kills its own process, before or after its work.
KILL = """
import os, signal
from collapse_pipeline.defs import assets, checks, stages
def killed(work, after):
    def run(*given, **named):
        if given[1] != "customer_service" and getattr(given[1], "ordinal", 1) == 0:
            return work(*given, **named)
        if after:
            work(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    return run
name, after = {name!r}, {after!r}
if name in stages.STAGES:
    stages.STAGES[name] = killed(stages.STAGES[name], after)
else:
    place = checks if name == "gate_asset" else assets
    setattr(place, name, killed(getattr(place, name), after))
"""
POINTS = [(name, after) for name in (*STAGES, "gate_asset", "settle") for after in (False, True)]


def digests(document, home):
    ends = document(*RUN, home=home, codes=(0, 3))["corpora"][0]["generations"]
    return {end["generation"]: (end["digests"], end["model"], end["verdict"]) for end in ends}


@pytest.mark.slow
def test_killed_at_every_stage_and_resumed(command, document, tmp_path):
    never_killed = digests(document, tmp_path / "whole")
    home = tmp_path / "killed"
    for name, after in POINTS:
        ended = command(*RUN, home=home, before=KILL.format(name=name, after=after))
        assert ended.returncode == -signal.SIGKILL, (name, after, ended.stderr)
    assert digests(document, home) == never_killed
    rows = document(
        "query",
        "select count(*) - count(distinct sample_id) doubled from synthetic_batch",
        home=home,
    )["rows"]
    assert rows == [{"doubled": 0}]


@pytest.mark.slow
def test_of_two_commands_at_once_one_says_who_holds_the_lease(small, tmp_path):
    home = tmp_path / "home"
    program = "from collapse_pipeline.cli import main; main()"
    command = [sys.executable, "-c", program, *RUN, "--home", str(home), "--config", str(small)]
    both = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300) for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes[0] in (0, 3) or codes[1] in (0, 3), said
    refused = next(i for i, process in enumerate(both) if process.returncode not in (0, 3))
    assert both[refused].returncode == 2
    assert f"pid {both[1 - refused].pid}" in said[refused][1]


@pytest.mark.slow
def test_two_corpora_at_once_on_a_fresh_home(small, tmp_path):
    home = tmp_path / "home"
    program = "from collapse_pipeline.cli import main; main()"
    started = time.monotonic()
    where = ["--generations", "2", "--home", str(home), "--config", str(small)]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program, "run", "--corpus", corpus, *where],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for corpus in ("customer_service", "question_bank")
    ]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode in (0, 3) for process in both] == [True, True], said
    assert time.monotonic() - started < 300
