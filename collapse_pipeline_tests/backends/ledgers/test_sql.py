import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from collapse_pipeline.backends.ledgers import schema
from collapse_pipeline.backends.ledgers.chain import HEAD
from collapse_pipeline.backends.ledgers.lease import home_lock
from collapse_pipeline.backends.ledgers.schema import REVISIONS
from collapse_pipeline.backends.ledgers.sql import SqlLedger
from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline_tests.backends.ledgers.conftest import counting_clock, url_of


def run_python(source, *arguments):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", source, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )


def at_once(processes):
    """Waits until all are ready, lets all go, and returns what they said."""
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120) for process in processes]
    assert [(p.returncode, faults) for p, (_, faults) in zip(processes, said, strict=True)] == [
        (0, "")
    ] * len(processes)
    return [out.splitlines() for out, _ in said]


def sqlite(home, *statements):
    connection = sqlite3.connect(home / "ledger.sqlite")
    try:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    finally:
        connection.close()


def test_events_come_back_as_they_were_written(ledger):
    assert ledger.head() == (0, "")
    first = ledger.append("opened", actor="loop", payload={"b": 1, "a": [1.5, None, "é"]})
    second = ledger.append(
        "frozen",
        corpus="bank",
        generation="2026-11-20",
        actor="Ada",
        role="owner",
        reason="too alike",
        payload={HEAD: {"seq": 1, "hash": first.hash}},
    )
    assert (first.seq, first.previous, first.at) == (1, "", "2026-11-20T00:00:00+00:00")
    assert (second.seq, second.previous, second.role) == (2, first.hash, "owner")
    assert ledger.events() == [first, second]
    assert ledger.head() == (2, second.hash)
    assert ledger.verify() == []


def test_the_same_words_at_the_same_time_give_the_same_hashes(tmp_path):
    heads = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        with SqlLedger(url_of(tmp_path / name), clock=counting_clock()) as ledger:
            ledger.append("opened", actor="loop", payload={"b": 1, "a": 2})
            ledger.append("closed", actor="loop", payload={})
            heads.append(ledger.head())
    assert heads[0] == heads[1]


def test_events_can_be_chosen(ledger):
    for corpus, night, kind in [
        ("bank", "n1", "opened"),
        ("shop", "n1", "opened"),
        ("bank", "n2", "frozen"),
        ("", "", "frozen"),
    ]:
        ledger.append(kind, corpus=corpus, generation=night, actor="loop", payload={})

    def seqs(**asked):
        return [event.seq for event in ledger.events(**asked)]

    assert seqs(corpus="bank") == [1, 3]
    assert seqs(corpus="") == [4]
    assert seqs(kinds=["frozen"]) == [3, 4]
    assert seqs(kinds=[]) == []
    assert seqs(generation="n1", after=1) == [2]


def test_a_key_writes_once(ledger):
    first = ledger.append("breach", actor="gate", payload={"value": 1}, key="attempt-1/self-bleu")
    again = ledger.append("breach", actor="gate", payload={"value": 2}, key="attempt-1/self-bleu")
    assert again == first
    ledger.append("breach", actor="gate", payload={})
    ledger.append("breach", actor="gate", payload={})  # no key, no such limit
    assert [event.seq for event in ledger.events()] == [1, 2, 3]


def test_what_json_cannot_say_is_refused(ledger):
    with pytest.raises(BadInputError, match="breach"):
        ledger.append("breach", actor="gate", payload={"value": object()})
    with pytest.raises(BadInputError, match="surrogates"):
        ledger.append("breach", actor="gate", payload={"value": "\ud800"})
    with pytest.raises(BadInputError, match="NUL"):
        ledger.append("breach", actor="gate", reason="a\0b", payload={})
    assert ledger.events() == []


def test_the_database_refuses_to_change_events(ledger, tmp_path):
    ledger.append("opened", actor="loop", payload={})
    for statement in ("UPDATE events SET reason = 'x'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            sqlite(tmp_path, statement)
    assert ledger.verify() == []


def test_verify_finds_what_was_done_behind_the_triggers(ledger, tmp_path):
    for kind in ("opened", "frozen", "lifted", "closed"):
        ledger.append(kind, actor="loop", payload={})
    sqlite(
        tmp_path,
        "DROP TRIGGER events_refuse_update",
        "DROP TRIGGER events_refuse_delete",
        "UPDATE events SET payload = '{' WHERE seq = 2",
        "DELETE FROM events WHERE seq = 4",
    )
    assert [(fault.seq, fault.kind, fault.fault) for fault in ledger.verify()] == [
        (2, "frozen", "edited"),
        (4, "closed", "cut_off"),
    ]
    with pytest.raises(StoreError, match="event 2"):
        ledger.events()


APPENDER = """
import sys
from collapse_pipeline.backends.ledgers.sql import SqlLedger
url, name = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
with SqlLedger(url) as ledger:
    for i in range(40):
        ledger.append("tick", actor=name, payload={"i": i}, key=f"shared {i}" if i % 4 == 0 else "")
"""


@pytest.mark.slow
def test_processes_that_start_and_append_at_once_leave_no_gap(tmp_path):
    at_once([run_python(APPENDER, url_of(tmp_path), name) for name in ("one", "two", "three")])
    with SqlLedger(url_of(tmp_path)) as ledger:
        events = ledger.events()
        # 30 events of each without a key, and 10 keys that only one of them could take
        assert [event.seq for event in events] == list(range(1, 3 * 30 + 10 + 1))
        assert ledger.verify() == []


STARTER = """
import sys
from collapse_pipeline.backends.ledgers.sql import SqlLedger
print("ready", flush=True)
sys.stdin.readline()
with SqlLedger(sys.argv[1]) as ledger:
    print(ledger.head())
"""


@pytest.mark.slow
def test_simultaneous_first_starts_all_work(tmp_path):
    for turn in range(2):
        home = tmp_path / str(turn)
        home.mkdir()
        said = at_once([run_python(STARTER, url_of(home)) for _ in range(3)])
        assert said == [["(0, '')"]] * 3


def test_a_first_start_waits_for_the_home(tmp_path):
    with home_lock(tmp_path), pytest.raises(StoreError, match="another process"):
        SqlLedger(url_of(tmp_path), patience=0.1)


def test_a_second_opening_needs_no_migration(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "upgrade", lambda engine: pytest.fail("migrated again"))
    ledger.append("opened", actor="loop", payload={})
    with SqlLedger(url_of(tmp_path)) as again:
        assert again.events() == ledger.events()


def test_the_revisions_are_those_of_the_migrations():
    folder = Path(schema.__file__).parent / "migrations"
    script = ScriptDirectory(folder)
    assert tuple(step.revision for step in script.walk_revisions())[::-1] == REVISIONS


def test_the_migrations_make_the_tables_that_the_code_uses(ledger):
    import sqlalchemy as sa
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = sa.create_engine(ledger._engine.url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), schema.METADATA)
    engine.dispose()
    assert [change for change in found if change[0] != "remove_index"] == []


def test_a_killed_migration_leaves_nothing(tmp_path, monkeypatch):
    from alembic import command

    upgrade = command.upgrade

    def dies(config, revision):
        upgrade(config, revision)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "upgrade", dies)
    with pytest.raises(KeyboardInterrupt):
        SqlLedger(url_of(tmp_path))
    monkeypatch.undo()
    with SqlLedger(url_of(tmp_path)) as ledger:
        assert ledger.append("opened", actor="loop", payload={}).seq == 1


def test_a_ledger_of_a_newer_release_is_refused(ledger, tmp_path):
    sqlite(tmp_path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="upgrade collapse-pipeline"):
        SqlLedger(url_of(tmp_path))


def test_a_locked_ledger_is_said_so(ledger, tmp_path):
    blocker = sqlite3.connect(tmp_path / "ledger.sqlite")
    blocker.execute("BEGIN EXCLUSIVE")
    start = time.monotonic()
    with (
        SqlLedger(url_of(tmp_path), patience=0.2) as hasty,
        pytest.raises(StoreError, match="locked"),
    ):
        hasty.append("opened", actor="loop", payload={})
    assert time.monotonic() - start < 5
    blocker.close()
    assert ledger.append("opened", actor="loop", payload={}).seq == 1


def test_a_file_that_is_no_ledger_is_said_so(tmp_path):
    (tmp_path / "ledger.sqlite").write_text("this is not a database, it only looks like one" * 99)
    with pytest.raises(StoreError, match="not a database"):
        SqlLedger(url_of(tmp_path))


def test_a_damaged_ledger_is_said_so(tmp_path):
    with SqlLedger(url_of(tmp_path)) as ledger:
        for _ in range(200):
            ledger.append("opened", actor="loop", payload={"text": "x" * 200})
    file = tmp_path / "ledger.sqlite"
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with pytest.raises(StoreError, match="ledger"), SqlLedger(url_of(tmp_path)) as ledger:
        ledger.events()


def test_a_missing_home_or_a_bad_url_is_said_so(tmp_path):
    with pytest.raises(StoreError, match="nowhere"):
        SqlLedger(url_of(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()
    for url in ("nonsense", "nosuchbase://host/name", "sqlite://"):
        with pytest.raises(BadInputError, match="wanted"):
            SqlLedger(url)


def test_a_password_in_the_url_is_in_no_error():
    with pytest.raises(BadInputError) as error:
        SqlLedger("nosuchbase://me:swordfish@host/name")
    assert "swordfish" not in str(error.value)
