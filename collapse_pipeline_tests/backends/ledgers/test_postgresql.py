"""The ledger on a real PostgreSQL server, which the test starts for itself."""

import signal
from itertools import count

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from collapse_pipeline.backends.ledgers import schema
from collapse_pipeline.backends.ledgers.sql import SqlLedger
from collapse_pipeline.errors import LeaseHeldError, StoreError
from collapse_pipeline_tests.backends.ledgers import postgresql
from collapse_pipeline_tests.backends.ledgers.conftest import counting_clock
from collapse_pipeline_tests.backends.ledgers.test_sql import at_once, run_python

DATABASES = count()


@pytest.fixture(scope="module")
def server():
    programs = postgresql.programs()
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine; .ci/postgresql installs one")
    with postgresql.server(programs) as server:
        yield server


@pytest.fixture
def url(server):
    """A database of its own."""
    name = f"ledger{next(DATABASES)}"
    statement(server.url("postgres"), f"CREATE DATABASE {name}")
    return server.url(name)


@pytest.fixture
def ledger(url, tmp_path):
    with SqlLedger(url, tmp_path, clock=counting_clock()) as ledger:
        yield ledger


def statement(url, *texts):
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for text in texts:
                connection.exec_driver_sql(text)
    finally:
        engine.dispose()


def test_events_come_back_as_they_were_written(ledger):
    first = ledger.append("opened", actor="loop", payload={"b": 1, "a": [1.5, None, "é\0"]})
    second = ledger.append("frozen", corpus="bank", actor="Ada", payload={}, reason="zu ähnlich")
    assert ledger.events() == [first, second]
    assert ledger.events(corpus="bank", kinds=["frozen"], after=1) == [second]
    assert ledger.head() == (2, second.hash)
    assert ledger.verify() == []


def test_both_databases_keep_the_same_chain(ledger, tmp_path):
    home = tmp_path / "sqlite"
    home.mkdir()
    with SqlLedger(f"sqlite:///{home}/ledger.sqlite", clock=counting_clock()) as other:
        for one in (ledger, other):
            for kind in ("opened", "frozen"):
                one.append(kind, actor="loop", payload={"z": 1, "a": 0.1}, key=kind)
        assert other.head() == ledger.head()
        assert [link.as_line() for link in other.links()] == [
            link.as_line() for link in ledger.links()
        ]


def test_a_key_writes_once(ledger):
    first = ledger.append("breach", actor="gate", payload={"value": 1}, key="attempt-1/self-bleu")
    again = ledger.append("breach", actor="gate", payload={"value": 2}, key="attempt-1/self-bleu")
    assert again == first
    assert ledger.append("breach", actor="gate", payload={}).seq == 2


def test_the_migrations_make_the_tables_that_the_code_uses(ledger, url):
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), schema.METADATA)
    engine.dispose()
    assert [change for change in found if change[0] != "remove_index"] == []


def test_a_second_opening_needs_no_migration(ledger, url, tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "upgrade", lambda engine: pytest.fail("migrated again"))
    ledger.append("opened", actor="loop", payload={})
    with SqlLedger(url, tmp_path) as again:
        assert again.events() == ledger.events()


def test_a_migration_cut_off_leaves_nothing(url, tmp_path, monkeypatch):
    from alembic import command

    upgrade = command.upgrade

    def dies(config, revision):
        upgrade(config, revision)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "upgrade", dies)
    with pytest.raises(KeyboardInterrupt):
        SqlLedger(url, tmp_path)
    monkeypatch.undo()
    with SqlLedger(url, tmp_path) as ledger:
        assert ledger.append("opened", actor="loop", payload={}).seq == 1


def test_a_ledger_of_a_newer_release_is_refused(ledger, url, tmp_path):
    statement(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="upgrade collapse-pipeline"):
        SqlLedger(url, tmp_path)


def test_the_database_refuses_to_change_events(ledger, url):
    ledger.append("opened", actor="loop", payload={})
    for text in ("UPDATE events SET reason = 'x'", "DELETE FROM events", "TRUNCATE events"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            statement(url, text)
    assert ledger.verify() == []


def test_verify_finds_what_was_done_behind_the_triggers(ledger, url):
    for kind in ("opened", "frozen", "lifted", "closed", "ended"):
        ledger.append(kind, actor="loop", payload={})
    statement(
        url,
        "DROP TRIGGER events_refuse_change ON events",
        "UPDATE events SET payload = '{' WHERE seq = 2",
        "DELETE FROM events WHERE seq IN (3, 5)",
    )
    assert [(f.seq, f.kind, f.fault) for f in ledger.verify()] == [
        (2, "frozen", "edited"),
        (3, "lifted", "removed"),
        (5, "ended", "cut_off"),
    ]


APPENDER = """
import sys
from pathlib import Path
from collapse_pipeline.backends.ledgers.sql import SqlLedger
url, home, name = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
with SqlLedger(url, Path(home)) as ledger:
    for i in range(40):
        ledger.append("tick", actor=name, payload={"i": i}, key=f"shared {i}" if i % 4 == 0 else "")
"""


@pytest.mark.slow
def test_homes_that_start_and_append_at_once_make_one_chain_without_a_gap(url, tmp_path):
    homes = [tmp_path / name for name in ("one", "two", "three")]
    for home in homes:  # they share the server and nothing else, so no lock of a home helps
        home.mkdir()
    at_once([run_python(APPENDER, url, home, home.name) for home in homes])
    with SqlLedger(url, homes[0]) as ledger:
        events = ledger.events()
        assert [event.seq for event in events] == list(range(1, 3 * 30 + 10 + 1))
        assert {event.actor for event in events} == {"one", "two", "three"}
        assert ledger.verify() == []


KILLED = """
import os, signal, sys
from pathlib import Path
import sqlalchemy as sa
from collapse_pipeline.backends.ledgers.sql import SqlLedger
with SqlLedger(sys.argv[1], Path(sys.argv[2])) as ledger:
    ledger.append("whole", actor="loop", payload={})

    @sa.event.listens_for(ledger._writer, "commit")
    def die(connection):
        os.kill(os.getpid(), signal.SIGKILL)

    ledger.append("half", actor="loop", payload={}, key="half")
"""


@pytest.mark.slow
def test_a_writer_killed_before_its_commit_leaves_no_event_and_no_lock(url, tmp_path):
    process = run_python(KILLED, url, tmp_path)
    assert process.wait(timeout=60) == -signal.SIGKILL, process.stderr.read()
    process.communicate()
    with SqlLedger(url, tmp_path, patience=20) as ledger:
        assert [event.kind for event in ledger.events()] == ["whole"]
        assert ledger.append("half", actor="loop", payload={}, key="half").seq == 2
        assert ledger.verify() == []


def test_a_writer_that_holds_on_is_said_so(ledger, url, tmp_path):
    with SqlLedger(url, tmp_path, patience=0.2) as hasty, ledger._writer.begin() as other:
        other.exec_driver_sql("SELECT 1")
        with pytest.raises(StoreError, match=r"lock timeout.*; wait for the process"):
            hasty.append("opened", actor="loop", payload={})
    assert ledger.append("opened", actor="loop", payload={}).seq == 1


HOLDER = """
import sys
from pathlib import Path
from collapse_pipeline.backends.ledgers.sql import SqlLedger
with SqlLedger(sys.argv[1], Path(sys.argv[2])) as ledger, ledger.lease("bank", "the nightly run"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other(url, tmp_path, ledger):
    """Another home of the same server that runs a corpus."""
    (tmp_path / "other").mkdir()
    process = run_python(HOLDER, url, tmp_path / "other")
    assert process.stdout.readline() == "held\n", process.stderr.read()
    yield process
    process.kill()
    process.communicate(timeout=30)


@pytest.mark.slow
def test_a_lease_holds_for_every_home_of_the_server(ledger, other):
    with pytest.raises(LeaseHeldError, match=r"the nightly run since 20\d\d-"):
        ledger.lease("bank", "run 1").__enter__()
    with ledger.lease("shop", "run 1"):  # corpora do not hold each other up
        pass
    other.communicate("done\n", timeout=30)
    with ledger.lease("bank", "run 1") as held:
        assert held.taken_from == ""
    assert ledger.lease_of("bank") is None


@pytest.mark.slow
def test_a_killed_process_frees_the_lease_and_is_named(ledger, other):
    other.kill()
    assert other.wait(timeout=30) == -signal.SIGKILL
    for _ in range(100):  # until the server has seen that its client is gone
        try:
            with ledger.lease("bank", "run 1") as held:
                assert held.taken_from == "the nightly run"
                assert ledger.lease_of("bank")[0] == "run 1"
            return
        except LeaseHeldError:
            signal.sigtimedwait([], 0.05)
    pytest.fail("the lease was not freed")


def test_the_same_holder_may_enter_again(ledger):
    with (
        ledger.lease("bank", "run 1"),
        ledger.lease("bank", "run 1"),
        pytest.raises(LeaseHeldError),
    ):
        ledger.lease("bank", "run 2").__enter__()
    with ledger.lease("bank", "run 2"):
        pass


@pytest.mark.slow
def test_a_server_that_was_started_again_is_connected_to_once_more(ledger, server):
    ledger.append("opened", actor="loop", payload={})
    server.stop("fast")
    with pytest.raises(StoreError, match=r"see that the server runs"):
        ledger.append("closed", actor="loop", payload={})
    server.start()
    assert ledger.append("closed", actor="loop", payload={}).seq == 2
    assert ledger.verify() == []


def test_what_cannot_be_connected_to_is_said_without_its_password(server, tmp_path):
    nowhere = server.url("nowhere").replace(":///", "://me:swordfish@/").replace("&user=ledger", "")
    with pytest.raises(StoreError, match="ledger_url") as error:
        SqlLedger(nowhere, tmp_path)
    assert "swordfish" not in str(error.value)
