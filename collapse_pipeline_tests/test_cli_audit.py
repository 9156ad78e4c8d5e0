"""The commands that audit: what they say, and how they end."""

import json
import sqlite3
import subprocess
import sys

import pytest
import typer

from collapse_pipeline import cli_audit
from collapse_pipeline.backends.ledgers.sql import SqlLedger
from collapse_pipeline.errors import BadInputError, StoreError

KINDS = ("corpus_added", "generation_opened", "component_frozen", "generation_settled")


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with SqlLedger(f"sqlite:///{home}/ledger.sqlite") as ledger:
        for kind in KINDS:
            ledger.append(kind, corpus="bank", actor="Ada", reason="fünf", payload={"n": 1.5})
    return home


@pytest.fixture
def cli(home, invoke):
    app = typer.Typer()
    cli_audit.add_to(app)
    return lambda *arguments: invoke(app, *arguments, "--home", home)


def tamper(home, *statements):
    connection = sqlite3.connect(home / "ledger.sqlite")
    for change in ("update", "delete"):
        connection.execute(f"DROP TRIGGER events_refuse_{change}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_whole_ledger(cli, home):
    said = cli("audit", "verify", "--json")
    assert said.exit_code == 0
    document = json.loads(said.stdout)
    assert (document["events"], document["noted"], document["faults"]) == (4, 4, [])
    assert document["head"]["seq"] == 4
    assert "whole: 4 events" in cli("audit", "verify").stdout


def test_every_fault_is_named_by_number_and_kind(cli, home):
    tamper(
        home,
        "UPDATE events SET actor = 'Bob' WHERE seq = 1",
        "DELETE FROM events WHERE seq IN (2, 4)",
    )
    said = cli("audit", "verify", "--json")
    assert said.exit_code == 3
    assert [(f["seq"], f["kind"], f["fault"]) for f in json.loads(said.stdout)["faults"]] == [
        (1, "corpus_added", "edited"),
        (2, "generation_opened", "removed"),
        (4, "generation_settled", "cut_off"),
    ]
    plain = cli("audit", "verify").stdout
    assert "generation_settled" in plain
    assert "cut off" in plain


def test_events_that_no_head_file_knows_are_counted(cli, home):
    (home / "ledger.heads").unlink()
    assert json.loads(cli("audit", "verify", "--json").stdout)["noted"] == 0
    assert "a cut end would not show" in cli("audit", "verify").stdout


def test_an_export_is_json_lines_that_can_be_verified_elsewhere(cli, home, tmp_path):
    file = tmp_path / "events.jsonl"
    said = json.loads(cli("audit", "export", file, "--json").stdout)
    assert said == {"file": str(file), "events": 4}
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [row["kind"] for row in rows] == list(KINDS)
    assert [row["previous"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
    assert rows[0]["payload"] == {"n": 1.5}
    assert cli("audit", "export", "-").stdout == file.read_text("utf-8")


def test_a_damaged_ledger_can_be_exported(cli, home, tmp_path):
    tamper(home, "UPDATE events SET payload = '{' WHERE seq = 2")
    lines = cli("audit", "export", "-").stdout.splitlines()
    assert json.loads(lines[1])["payload"] == "{"


def test_an_export_that_cannot_be_written_leaves_nothing(cli, tmp_path):
    with pytest.raises(StoreError, match="nowhere"):
        cli("audit", "export", tmp_path / "nowhere" / "events.jsonl")
    (tmp_path / "there").mkdir()
    with pytest.raises(StoreError, match="there"):
        cli("audit", "export", tmp_path / "there")
    assert [path.name for path in tmp_path.glob("*.tmp")] == []
    with pytest.raises(BadInputError, match="standard output"):
        cli("audit", "export", "-", "--json")


def test_a_reader_that_has_read_enough_is_no_fault(home):
    with SqlLedger(f"sqlite:///{home}/ledger.sqlite") as ledger:
        for n in range(60):
            ledger.append("tick", actor="loop", payload={"text": "x" * 10_000, "n": n})
    program = "import typer; from collapse_pipeline import cli_audit; app = typer.Typer(); "
    program += "cli_audit.add_to(app); app()"
    reader = subprocess.Popen(
        [sys.executable, "-c", program, "audit", "export", "-", "--home", str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    reader.stdout.readline()
    reader.stdout.close()
    assert (reader.stderr.read(), reader.wait(timeout=60)) == (b"", 0)
    reader.stderr.close()


def test_a_ledger_that_is_not_whole_lets_no_file_be_deleted(cli, home):
    assert json.loads(cli("store", "vacuum", "--json").stdout) == {
        "files": 0,
        "deleted": False,
        "kept": 0,
        "hours": 24,
    }
    tamper(home, "DELETE FROM events WHERE seq = 4")
    with pytest.raises(StoreError, match="event 4 cut off; see: collapse-pipeline audit verify"):
        cli("store", "vacuum", "--delete")


def test_a_rollback_wants_a_release(cli):
    with pytest.raises(BadInputError, match="--to RELEASE"):
        cli("rollback", "customer_service", "--reason", "why")
