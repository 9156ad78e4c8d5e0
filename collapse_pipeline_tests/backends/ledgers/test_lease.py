import signal
import subprocess
import threading

import pytest

from collapse_pipeline.backends.ledgers.lease import home_lock
from collapse_pipeline.backends.ledgers.sql import SqlLedger
from collapse_pipeline.errors import LeaseHeldError, StoreError
from collapse_pipeline_tests.backends.ledgers.conftest import url_of
from collapse_pipeline_tests.backends.ledgers.test_sql import run_python

HOLDER = """
import sys
from collapse_pipeline.backends.ledgers.sql import SqlLedger
with SqlLedger(sys.argv[1]) as ledger, ledger.lease("bank", "the nightly run"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other(tmp_path, ledger):
    process = run_python(HOLDER, url_of(tmp_path))
    assert process.stdout.readline() == "held\n", process.stderr.read()
    yield process
    process.kill()
    process.communicate(timeout=30)


def test_a_lease_is_noted_and_given_back(ledger):
    with ledger.lease("bank", "run 1") as held:
        assert ledger.lease_of("bank") == ("run 1", "2026-11-20T00:00:00+00:00")
        assert held.taken_from == ""
        held.beat()
        assert ledger.lease_of("bank") == ("run 1", "2026-11-20T00:00:00+00:00")
    assert ledger.lease_of("bank") is None


def test_corpora_do_not_hold_each_other_up(ledger, tmp_path):
    with ledger.lease("bank", "run 1"), ledger.lease("shop/2 ..", "run 2"):
        assert sorted(path.name for path in (tmp_path / "locks").iterdir()) == [
            "bank.lock",
            "shop%2F2%20...lock",
        ]


def test_the_same_holder_may_enter_again_and_another_may_not(ledger, tmp_path):
    with ledger.lease("bank", "run 1"):
        with (
            ledger.lease("bank", "run 1"),
            SqlLedger(url_of(tmp_path)) as same_home,
            pytest.raises(LeaseHeldError, match="run 1 since 2026-11-20"),
        ):
            same_home.lease("bank", "run 2").__enter__()
        assert ledger.lease_of("bank") is not None  # the inner one did not give it back
        with pytest.raises(LeaseHeldError):
            ledger.lease("bank", "run 2").__enter__()
    with ledger.lease("bank", "run 2"):
        pass


def test_a_run_that_fails_gives_the_lease_back(ledger):
    with pytest.raises(ZeroDivisionError), ledger.lease("bank", "run 1"):
        _ = 1 / 0
    assert ledger.lease_of("bank") is None
    with ledger.lease("bank", "run 2"):
        pass


def test_of_many_threads_one_gets_it(ledger):
    outcomes = []
    start, done = threading.Barrier(4), threading.Barrier(4)

    def run(holder):
        start.wait()
        try:
            with ledger.lease("bank", holder):
                outcomes.append("held")
                done.wait()
        except LeaseHeldError:
            outcomes.append("refused")
            done.wait()

    threads = [threading.Thread(target=run, args=(f"run {i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["held", "refused", "refused", "refused"]


@pytest.mark.slow
def test_another_process_is_named_and_its_end_frees_the_lease(ledger, other):
    with pytest.raises(LeaseHeldError, match=r"the nightly run since 20\d\d-"):
        ledger.lease("bank", "run 1").__enter__()
    other.communicate("done\n", timeout=30)
    assert other.returncode == 0
    with ledger.lease("bank", "run 1") as held:
        assert held.taken_from == ""


@pytest.mark.slow
def test_a_killed_process_frees_the_lease_and_is_named(ledger, other):
    other.kill()
    assert other.wait(timeout=30) == -signal.SIGKILL
    assert ledger.lease_of("bank")[0] == "the nightly run"
    with ledger.lease("bank", "run 1") as held:
        assert held.taken_from == "the nightly run"
        assert ledger.lease_of("bank")[0] == "run 1"


def test_a_child_process_does_not_keep_a_dead_run_s_lease(ledger):
    with ledger.lease("bank", "run 1"):
        child = subprocess.Popen(["sleep", "30"])
    try:
        with ledger.lease("bank", "run 2"):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_home_that_cannot_be_locked_is_said_so(ledger, tmp_path):
    with pytest.raises(StoreError, match="nowhere"), home_lock(tmp_path / "nowhere"):
        pass
    (tmp_path / "locks").write_text("a file in the way")
    with pytest.raises(StoreError, match="locks"):
        ledger.lease("bank", "run 1").__enter__()
    with home_lock(tmp_path), pytest.raises(StoreError, match="another process"):
        home_lock(tmp_path, patience=0.1).__enter__()
