"""The command line as a person meets it: what is said where, and what bad input leaves behind."""

import csv
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from typing import Any, NamedTuple

import pytest

from collapse_pipeline import cli as command_line
from collapse_pipeline.backends.ledgers import sql as ledgers
from collapse_pipeline.defs import workshop
from collapse_pipeline.settings import load_settings

LABELS = ("refund", "order", "card", "ship", "lost")
WORDS = [f"{first}{last}" for first in "bdfgklmnprst" for last in ("ada", "olo", "umi", "eri")]
TICKETS = ("--prompt", "text", "--label", "intent")
SMALL = (
    *("--set", "generate.rows=60"),
    *("--set", "evaluate.written_rows=0"),
    *("--set", "evaluate.draws=100"),
    *("--set", "gates.enforce=false"),
)


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document."""
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"no JSON: {name}"))


@pytest.fixture
def cli(monkeypatch, capsys):
    """Runs a command in this process."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["collapse-pipeline", *map(str, arguments)])
        try:
            command_line.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def refused(cli):
    """Runs a command that must be refused in the house's words: wanted, got, what to do."""

    def run(*arguments, match):
        said = cli(*arguments, "--json")
        assert said.code == 2, said
        assert said.out == ""
        assert re.search(r"^error: wanted .+, got .+; .+", said.err, re.DOTALL | re.MULTILINE), said
        assert re.search(match, said.err), said.err
        return said

    return run


def write_rows(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def tickets(count, labels=LABELS, seed=1):
    rng = random.Random(seed)
    return [
        {
            "text": f"please {labels[n % len(labels)][:9]} " + " ".join(rng.choices(WORDS, k=9)),
            "intent": labels[n % len(labels)],
        }
        for n in range(count)
    ]


@pytest.fixture
def file(tmp_path):
    """A file that is good."""
    return write_rows(tmp_path / "tickets.csv", tickets(420))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def home(cli, file, made, tmp_path):
    """A home of its own with the corpus `tickets`."""
    if not (made / "corpora.yaml").exists():
        assert cli("corpus", "add", "tickets", file, *TICKETS, "--home", made).code == 0
        assert cli("run", "--generations", 0, "--home", made).code == 2  # makes Dagster's records
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def two_nights(cli, home, made):
    """The same with two generations, run once for this module."""
    there = made / "two_nights"
    if not there.exists():
        asked = ("run", "--from", "first", "--generations", 2, *SMALL, "--home", home, "--json")
        (home / "said.json").write_text(json.dumps(cli(*asked)))
        shutil.copytree(home, there)
    shutil.rmtree(home)
    shutil.copytree(there, home)
    return home


def left_in(home):
    """Everything in a home that a command could leave half-written."""
    files = {
        str(path.relative_to(home)): path.read_bytes()
        for place in ("tables", "models")
        for path in sorted((home / place).rglob("*"))
        if path.is_file()
    }
    names = sorted(path.name for path in home.glob("*.tmp"))
    items = home / "corpora.yaml"
    ledger = home / "ledger.sqlite"
    events = []
    if ledger.exists():
        connection = sqlite3.connect(ledger)
        events = connection.execute("SELECT seq, kind FROM events").fetchall()
        connection.close()
    return files, names, items.read_text() if items.exists() else "", events


NOTHING: tuple[dict[str, bytes], list[str], str, list[Any]] = ({}, [], "", [])


# Every command: one document on standard output, the rest on standard error.


def test_taking_in_says_read_accepted_quarantined_and_why(cli, tmp_path):
    rows = [*tickets(420), *tickets(5), {"text": " ", "intent": "card"}]
    file = write_rows(tmp_path / "tickets.csv", rows)
    said = cli("corpus", "add", "tickets", file, *TICKETS, "--home", tmp_path / "h", "--json")
    assert said.code == 0
    assert said.err == ""
    assert said.document["read"] == 426
    assert said.document["accepted"] == 420
    assert said.document["quarantined"] == 6
    assert said.document["reasons"] == {"empty_prompt": 1, "exact_duplicate": 5}
    assert "decide a promotion" in said.document["warnings"][-1]  # 105 rows are no primary suite


def test_status_and_query_say_one_document(cli, home):
    status = cli("status", "--home", home, "--json")
    assert (status.code, status.err) == (0, "")
    (corpus,) = status.document["corpora"]
    assert (corpus["corpus"], corpus["generations"], corpus["incumbent"]) == ("tickets", [], None)
    sql = "SELECT label, count(*) n, 'nan'::DOUBLE odd FROM human_anchor GROUP BY ALL ORDER BY 1"
    query = cli("query", sql, "--home", home, "--json")
    assert (query.code, query.err) == (0, "")
    assert query.document["rows"][0] == {"label": "card", "n": 84, "odd": None}


def test_a_suite_is_said_in_one_document(cli, home, tmp_path):
    other = write_rows(tmp_path / "other.csv", tickets(100, ("Refund", "Cards"), seed=2))
    labels = tmp_path / "labels.yaml"
    labels.write_text("Refund: refund\nCards: card\n")
    kind = ("--kind", "cross_domain", "--map", labels)
    said = cli("suite", "add", "tickets", other, *TICKETS, *kind, "--home", home, "--json")
    assert (said.code, said.err) == (0, "")
    (suite,) = said.document["suites"]
    assert (suite["name"], suite["rows"], suite["applicable"]) == ("cross_domain", 100, True)


def test_the_same_rows_under_two_names_are_two_suites(cli, home, tmp_path):
    other = write_rows(tmp_path / "other.csv", tickets(100, seed=2))
    for name in ("one", "two"):
        said = cli("suite", "add", "tickets", other, *TICKETS, "--name", name, "--home", home)
        assert said.code == 0, said
    sql = "SELECT suite, count(*) n FROM eval_suites WHERE suite IN ('one', 'two') GROUP BY ALL"
    rows = cli("query", sql, "--home", home, "--json").document["rows"]
    assert sorted((row["suite"], row["n"]) for row in rows) == [("one", 100), ("two", 100)]


def test_a_terminal_that_knows_no_such_letter(cli, home, monkeypatch):
    query = ("query", "SELECT 'ярлык' AS label", "--home", home)
    assert cli(*query, "--json").document["rows"] == [{"label": "ярлык"}]
    sys.stdout.reconfigure(encoding="ascii")
    assert cli(*query).code == 0
    assert cli(*query, "--json").document["rows"] == [{"label": "ярлык"}]


@pytest.mark.slow
def test_a_run_says_one_document_and_tells_the_nights_beside_it(two_nights):
    said = Said(*json.loads((two_nights / "said.json").read_text()))
    assert said.code == 3  # no suite of this corpus can decide a promotion
    nights = said.document["corpora"][0]["generations"]
    assert [night["verdict"] for night in nights] == ["promoted", "quarantined"]
    assert [night["generation"] in said.err for night in nights] == [True, True]
    assert "no suite is large enough" in said.err


# Bad options.


@pytest.mark.parametrize(
    "arguments",
    [
        ("bogus",),
        ("run", "--bogus"),
        ("run", "--generations", "x"),
        ("run", "--seed", "x"),
        ("status", "--last", "0"),
        ("query",),
        ("query", "SELECT 1", "--limit", "-1"),
        ("corpus", "add", "tickets"),
        ("corpus", "add", "tickets", "tickets.csv"),
        ("suite", "add", "tickets", "tickets.csv", "--prompt", "text", "--kind", "bogus"),
    ],
)
def test_a_usage_error(cli, tmp_path, arguments):
    said = cli(*arguments, "--home", tmp_path / "home", "--json")
    assert said.code == 2
    assert said.out == ""
    assert "Usage:" in said.err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--corpus", "nobody"), r"one of the corpora .*tickets.*got 'nobody'"),
        (("--generations", 0), r"--generations of 1 or more"),
        (("--generations", 31), r"31 nights .* 30 left"),
        (("--generations", 10**9), r"30 left, .*--from DATE.*--again DATE.*another --home"),
        (("--from", "2026-1-1"), r"--from with a date .*'2026-1-1'"),
        (("--from", "2001-01-01"), r"1 night of tickets from 2001-01-01"),
        (("--from", "9999-12-31", "--generations", 2), r"2 nights"),
        (("--again", "2001-01-01"), r"that was run"),
        (("--again", "yesterday"), r"--again with a date"),
        (("--again", "2001-01-01", "--from", "2001-01-01"), r"--again by itself"),
        (("--corpus", "tickets", "--corpus", "tickets", "--generations", 0), r"1 or more"),
        (("--set", "mix.regime"), r"--set key\.path=value"),
        (("--set", "mix.regime=["), r"a YAML value"),
        (("--set", "mix.regim=replace"), r"in --set mix\.regim, got mix\.regim: unknown name"),
        (("--set", "mix.regime=bogus"), r"'accumulate', 'replace' or 'subsample'"),
        (("--set", "mix=3"), r"in --set mix, got mix"),
        (("--set", "mix.infusion.lost=-1"), r"mix\.infusion\.lost wants a weight above 0"),
        (("--set", "generate.rows=0"), r"generate\.rows"),
        (("--set", "evaluate.draws=1"), r"evaluate\.draws"),
        (("--set", "student.length_factor=.inf"), r"length_factor wants a finite number"),
        (("--set", "student.kind=oracle"), r"'ngram', 'gpt'"),
        (("--set", "teacher.kind=oracle"), r"'student', 'simulated', 'replay'"),
        (("--set", "teacher.kind=simulated"), r"a reference world to write from"),
        (("--set", "teacher.kind=replay"), r"teacher\.replay\.file"),
    ],
)
def test_a_run_that_cannot_be(refused, home, options, match):
    before = left_in(home)
    refused("run", *options, "--home", home, match=match)
    assert left_in(home) == before


@pytest.mark.parametrize(
    ("source", "column", "match"),
    [
        ("nofile.csv", "text", "got nothing there"),
        ("tickets.csv", "txet", "one column 'txet'.*it has: text, intent"),
    ],
)
def test_a_replay_of_nothing(refused, home, file, source, column, match):
    before = left_in(home)
    teacher = {"kind": "replay", "file": file.parent / source, "prompt": column}
    options = [part for key in teacher for part in ("--set", f"teacher.{key}={teacher[key]}")]
    refused("run", *options, "--home", home, match=match)
    assert left_in(home) == before


def test_unknown_corpora(refused, home, file):
    before = left_in(home)
    known = r"one of the corpora customer_service, question_bank, tickets"
    refused("status", "--corpus", "nobody", "--home", home, match=known)
    refused("suite", "add", "nobody", file, *TICKETS, "--home", home, match=known)
    assert left_in(home) == before


@pytest.mark.parametrize(
    ("sql", "match"),
    [
        ("SELECT", r"SQL that DuckDB understands.*the tables are"),
        ("SELECT * FROM nothing", r"SQL that DuckDB understands"),
        ("SELECT 1; SELECT 2", r"one SQL statement that reads"),
        ("DROP TABLE human_anchor", r"one SQL statement that reads"),
        ("SELECT * FROM read_csv('/etc/passwd')", r"disabled"),
        ("SELECT 1 AS a, 2 AS a", r"a more than once"),
    ],
)
def test_a_question_that_cannot_be(refused, home, sql, match):
    refused("query", sql, "--home", home, match=f"(?s){match}")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (None, "no file"),
        ("a: [", "YAML in"),
        ("- 1", "a mapping"),
        ("surprise: 1", r"line 1, got surprise: unknown name"),
        ("defaults: {mix: {synthetic_cap: 2}}", r"line 1, got mix\.synthetic_cap"),
        ("defaults: {}\ndefaults: {}", r"defaults again in .*line 2"),
        ("ledger_url: 'nonsense:'", r"a URL like sqlite"),
        ("store_options: {key: 12345}", r"store_options\.key: Input should be a valid string;"),
    ],
)
def test_a_bad_configuration(refused, tmp_path, text, match):
    config = tmp_path / "config.yaml"
    if text is not None:
        config.write_text(text)
    where = ("--home", tmp_path / "home", "--config", config)
    said = refused("status", *where, match=match)
    assert "12345" not in said.err  # it could be a password


# Bad files: nothing is left of them.


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("Tickets", (), "a corpus name of lower-case letters"),
        ("../tickets", (), "a corpus name of lower-case letters"),
        ("new", ("--label", "none"), "one column 'none'.*it has: text, intent"),
        ("new", ("--split", "intent"), "split values among train, .*eval.*got 'card'"),
        ("new", ("--time", "intent"), "420 bad_time"),
        ("new", ("--first-generation", "2026-13-01"), "a first generation such as"),
        ("new", ("--initial-rows", 5), "initial rows and nightly rows together"),
        ("new", ("--initial-rows", 0, "--nightly-rows", 1), "at least one initial"),
    ],
)
def test_a_corpus_that_cannot_be_added(refused, file, tmp_path, name, options, match):
    home = tmp_path / "home"
    given = ("--prompt", "text", "--label", "intent", *options)
    refused("corpus", "add", name, file, *given, "--home", home, match=match)
    assert left_in(home) == NOTHING


FEW_WANTED = "200 good rows or more"
FILES: dict[str, tuple[str, bytes | list[dict[str, str]] | None, str]] = {
    "a missing file": ("none.csv", None, "got nothing there"),
    "an empty file": ("empty.csv", b"", "an empty file"),
    "a header alone": ("header.csv", b"text,intent\n", f"{FEW_WANTED}, got 0 of 0"),
    "one row": ("one.csv", b"text,intent\nhi,card\n", f"{FEW_WANTED}, got 1 of 1"),
    "no valid row": ("bad.csv", [{"text": " ", "intent": "a"}] * 300, "got 0 of 300.*300 empty_pr"),
    "no valid label": ("lines.csv", tickets(300, ("two\nlines",)), "300 control_characters"),
    "too long a label": ("long.csv", tickets(300, ("x" * 201,)), "300 too_long"),
    "too few rows": ("few.csv", tickets(199), f"{FEW_WANTED}, got 199"),
    "a label a row": (
        "labels.csv",
        tickets(300, [f"label {n}" for n in range(300)]),
        "50 eval rows or more, got 0 of 300",
    ),
    "another format": ("tickets.parquet", b"text,intent\nhi,card\n", "as a Parquet file"),
    "an unknown format": ("tickets.xls", b"text", "a file that ends in one of"),
    "UTF-16": ("tickets.csv", "text,intent\n".encode("utf-16"), "got UTF-16"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_corpus(refused, tmp_path, case):
    name, content, match = FILES[case]
    file = tmp_path / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        write_rows(file, content)
    home = tmp_path / "home"
    said = refused("corpus", "add", "new", file, *TICKETS, "--home", home, match=match)
    assert said.err.count("\n") == 1  # nothing else is said: no notes of Great Expectations'
    assert left_in(home) == NOTHING


def test_a_test_row_that_is_also_trained_on_leaves_too_few(refused, tmp_path):
    rows = [row | {"split": side} for row in tickets(300) for side in ("test", "train")]
    file = write_rows(tmp_path / "leak.csv", rows)
    given = (*TICKETS, "--split", "split", "--home", tmp_path / "home")
    refused("corpus", "add", "leak", file, *given, match="100 train rows or more, got 0")
    assert left_in(tmp_path / "home") == NOTHING


def test_a_name_that_is_taken(refused, home, file):
    before = left_in(home)
    given = (file, *TICKETS, "--home", home)
    refused("corpus", "add", "tickets", *given, match="a new corpus name, got tickets")
    assert left_in(home) == before


def test_an_intake_that_was_cut_off_before_its_item_is_done_again(cli, home, file):
    (home / "corpora.yaml").unlink()
    assert cli("corpus", "add", "tickets", file, *TICKETS, "--home", home).code == 0
    status = cli("status", "--home", home, "--json").document
    assert [corpus["corpus"] for corpus in status["corpora"]] == ["tickets"]


def test_responses_of_some_rows_only(cli, tmp_path):
    rows = [row | {"answer": "" if n % 3 else "yes"} for n, row in enumerate(tickets(900))]
    file = write_rows(tmp_path / "some.csv", rows)
    given = (*TICKETS, "--response", "answer", "--home", tmp_path / "home", "--json")
    said = cli("corpus", "add", "some", file, *given).document
    assert said["accepted"] == 300
    assert said["reasons"] == {"missing_response": 600}


ODD = ('with "quotes"', "it's; DROP TABLE x", "новый ярлык", "{{ 7*7 }}", "a/b|c", "x" * 200)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [ODD, ("refund",)], ids=["odd", "only one"])
def test_labels_that_are_only_data(cli, tmp_path, labels):
    file = write_rows(tmp_path / "odd.csv", tickets(480, labels))
    home = tmp_path / "home"
    assert cli("corpus", "add", "odd", file, *TICKETS, "--home", home).code == 0
    said = cli("run", "--generations", 2, *SMALL, "--home", home, "--json")
    assert said.code == 3
    sql = "SELECT DISTINCT label FROM filtered_batch ORDER BY 1"
    rows = cli("query", sql, "--home", home, "--json").document["rows"]
    assert {row["label"] for row in rows} <= set(labels)
    assert cli("status", "--home", home).code == 0


# Bad suites.


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ("Refund: nowhere", "labels that the corpus trains on, got nowhere"),
        ("Refund: 1", "got 1"),
        ("Refund: [refund, card]", r"one label for each label"),
        ("Refund: {a: b}", r"one label for each label"),
        ("Other: refund", r"0 rows where 50 are wanted .*'unmapped_label': 100"),
        ("- Refund", "a mapping"),
        ("Refund: refund\nRefund: card", "Refund again in .*line 2"),
        ("a: [", "YAML in"),
        ("", r"unmapped_label"),
    ],
)
def test_a_label_map_that_cannot_be(refused, home, tmp_path, labels, match):
    before = left_in(home)
    file = write_rows(tmp_path / "other.csv", tickets(100, ("Refund",), seed=2))
    path = tmp_path / "labels.yaml"
    path.write_text(labels)
    given = (*TICKETS, "--kind", "cross_domain", "--map", path, "--home", home)
    refused("suite", "add", "tickets", file, *given, match=match)
    assert left_in(home) == before


def test_labels_of_a_map_are_taken_as_they_are_spelt(cli, home, tmp_path):
    file = write_rows(tmp_path / "other.csv", tickets(120, ("yes", "007"), seed=2))
    path = tmp_path / "labels.yaml"
    path.write_text("yes: refund\n007: card\n")  # to YAML these are a truth and a seven
    given = (*TICKETS, "--kind", "cross_domain", "--map", path, "--home", home, "--json")
    assert cli("suite", "add", "tickets", file, *given).document["accepted"] == 120


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--name", "standard"), "a new suite name"),
        (("--name", "audit"), "a new suite name"),
        (("--name", "cross_domain"), "a new suite name"),
        (("--name", "a.b@c"), "a new suite name"),
        (("--name", "other", "--kind", "out_of_scope"), "leave --name out"),
        (("--map", "none.yaml"), "no file none.yaml"),
        (("--label", "none"), "one column 'none'"),
    ],
)
def test_a_suite_that_cannot_be(refused, home, file, options, match):
    before = left_in(home)
    given = (*TICKETS, *options, "--home", home)
    refused("suite", "add", "tickets", file, *given, match=match)
    assert left_in(home) == before


def test_a_suite_without_labels_or_without_new_rows(refused, home, file):
    before = left_in(home)
    given = (file, "--prompt", "text", "--home", home)
    refused("suite", "add", "tickets", *given, match="name the label column")
    few = write_rows(file.parent / "few.csv", tickets(40, seed=3))
    refused("suite", "add", "tickets", few, *TICKETS, "--home", home, match="40 rows where 50")
    assert left_in(home) == before


def test_a_bad_suite_takes_no_reference_corpus_in(refused, tmp_path):
    home = tmp_path / "home"
    given = (tmp_path / "none.csv", *TICKETS, "--home", home)
    refused("suite", "add", "customer_service", *given, match="got nothing there")
    assert left_in(home) == NOTHING


# Bad templates.


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("---\nname: a\n---\n{% for %}", r"template a .*line 1"),
        ("---\nname: a\n---\n{{ cycler.__init__.__globals__ }}", "unsafe"),
        ("---\nname: a\n---\n{% include '/etc/passwd' %}", "Include is not for templates"),
        ("---\nname: a\n---\n{% for i in range(10 ** 9) %}{% endfor %}", "Range too big"),
        ("---\nname: a\n---\n{{ nobody }}", "'nobody' is undefined"),
        ("---\nname: a\nweight: 0\n---\nhello", "a weight above 0"),
        ("---\nname: a b@c\n---\nhello", "a name of letters"),
        ("---\nname: a\nversion: 3\n---\nhello", "version, which follow"),
        ("hello", "front matter"),
        (b"---\nname: a\n---\n\xff", "in UTF-8"),
    ],
)
def test_a_bad_template_opens_no_night(refused, home, text, match):
    before = left_in(home)
    folder = home / "templates" / "tickets"
    folder.mkdir(parents=True)
    (folder / "one.j2").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused("run", "--home", home, match=match)
    assert left_in(home) == before


def test_a_bad_template_takes_no_reference_corpus_in(refused, tmp_path):
    folder = tmp_path / "templates" / "question_bank"
    folder.mkdir(parents=True)
    (folder / "one.j2").write_text("---\nname: a\n---\n{% for %}")
    refused("run", "--corpus", "question_bank", "--home", tmp_path, match="template a .*line 1")
    assert left_in(tmp_path) == NOTHING


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--set", "mix.infusion.nowhere=2"), "labels of tickets in mix.infusion, got 'nowhere'"),
        ((), "whose scope holds the label 'card'"),
        (("--set", "mix.human_rows=1000000"), "got 315 available tonight"),
    ],
)
def test_what_shows_only_with_the_rows_opens_no_night(refused, home, options, match):
    tables = left_in(home)[0]
    folder = home / "templates" / "tickets"
    folder.mkdir(parents=True)
    if not options:
        (folder / "one.j2").write_text("---\nname: a\nlabels: [refund]\n---\nhello")
    refused("run", "--corpus", "tickets", *options, "--home", home, match=match)
    assert left_in(home)[0] == tables
    assert "generation_opened" not in [kind for _, kind in left_in(home)[3]]


# Homes that cannot be worked with.


def test_a_home_that_is_a_file_or_lies_below_one(refused, tmp_path):
    (tmp_path / "file").write_text("")
    refused("status", "--home", tmp_path / "file", match="a folder as home, got the file")
    refused("run", "--home", tmp_path / "file" / "below", match="Not a directory.*another --home")
    refused("status", "--home", tmp_path / ("long" * 100), match="File name too long")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a: [", "YAML in .*corpora.yaml"),
        ("- tickets", "a mapping"),
        ("tickets: 3", r"line 1, got corpora\.tickets"),
        ("tickets: {wold: customer_service}", r"corpora\.tickets\.wold: unknown name"),
        ("tickets: {world: atlantis}", r"no reference world .*customer_service"),
        ("Tickets: {}", "a corpus name of lower-case letters"),
        ("tickets: {first_generation: soon}", "no date such as 2026-11-20"),
        ("tickets: {settings: {mix: {cap: 1}}}", r"line 1, got mix\.cap: unknown name"),
    ],
)
def test_a_damaged_list_of_corpora(refused, home, text, match):
    (home / "corpora.yaml").write_text(text)
    for command in ("status", "run"):
        refused(command, "--home", home, match=match)


def test_a_date_without_quotes_is_a_date(cli, home):
    (home / "corpora.yaml").write_text("tickets: {first_generation: 2001-01-01}")
    assert cli("status", "--home", home, "--json").code == 0


def test_an_item_whose_rows_nobody_added(refused, home):
    (home / "corpora.yaml").write_text("strange: {}")
    refused("run", "--home", home, match="the rows of strange.*corpus add")


def test_a_corpus_whose_tables_are_gone(refused, home, file):
    shutil.rmtree(home / "tables")
    gone = "the rows of tickets.*got none in the table human_anchor.*backup"
    refused("run", "--home", home, match=gone)
    refused("suite", "add", "tickets", file, *TICKETS, "--home", home, match=gone)


@pytest.mark.parametrize("damage", ["garbage", "cut"])
def test_a_damaged_ledger(refused, home, damage):
    path = home / "ledger.sqlite"
    whole = path.read_bytes()
    for extra in home.glob("ledger.sqlite-*"):
        extra.unlink()
    path.write_bytes(b"garbage" if damage == "garbage" else whole[: len(whole) // 2])
    refused("run", "--home", home, match="the ledger .*restore it from a backup")


def test_records_of_dagster_that_are_damaged(refused, home):
    before = left_in(home)
    for path in (home / "history").glob("runs.db*"):
        path.write_text("garbage " * 100)
    refused("run", "--home", home, match="Dagster's records .*not a database.*move history/")
    assert left_in(home) == before


def test_a_store_that_another_process_writes_to(refused, home, monkeypatch):
    monkeypatch.setattr(ledgers, "SqlLedger", partial(ledgers.SqlLedger, patience=0.1))
    writer = sqlite3.connect(home / "ledger.sqlite", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    refused("run", "--home", home, match="database is locked; wait for the process")
    writer.rollback()
    writer.close()


def test_a_corpus_that_another_run_holds(refused, home, file):
    before = left_in(home)
    with workshop.open_workshop(load_settings(home), actor="Ada") as shop:
        shop.hold("tickets")
        shop.hold("new")
        held = "held by Ada, pid [0-9]+ on .* since 20"
        refused("run", "--home", home, match=f"the lease of tickets, got it {held}")
        refused("suite", "add", "tickets", file, *TICKETS, "--home", home, match=held)
        refused("corpus", "add", "new", file, *TICKETS, "--home", home, match=held)
    assert left_in(home) == before


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_model_that_was_tampered_with(refused, two_nights, damage):
    released = left_in(two_nights)[0]
    for path in (two_nights / "models").glob("*/language/*"):
        if damage == "changed":
            path.write_bytes(path.read_bytes() + b" ")
        else:
            path.unlink()
    match = "a changed file language/" if damage == "changed" else "no file language/"
    refused("run", "--from", _next(two_nights), *SMALL, "--home", two_nights, match=match)
    tables = {name: held for name, held in released.items() if name.startswith("tables/")}
    assert tables.items() <= left_in(two_nights)[0].items()


@pytest.mark.slow
def test_a_night_before_the_line_or_never_run(refused, two_nights):
    before = left_in(two_nights)
    first = load_settings(two_nights).item("tickets").first_generation
    refused("run", "--from", first, "--home", two_nights, match="28 left, .*--again DATE")
    refused("run", "--again", "2001-01-01", "--home", two_nights, match="choose one of")
    taken = ("--set", "mix.regime=bogus", "--again", first)
    refused("run", *taken, "--home", two_nights, match="mix.regime")
    assert left_in(two_nights) == before


def test_a_first_generation_still_to_come(cli, refused, file, tmp_path):
    home = tmp_path / "home"
    given = (*TICKETS, "--first-generation", "2999-01-01", "--home", home)
    assert cli("corpus", "add", "later", file, *given).code == 0
    refused("run", "--home", home, match="none left: the next is 2999-01-01, which is not over")


def _next(home):
    ledger = sqlite3.connect(home / "ledger.sqlite")
    asked = "SELECT date(max(generation), '+1 day') FROM events WHERE kind = 'generation_opened'"
    (night,) = ledger.execute(asked).fetchone()
    ledger.close()
    return night


# Disks, in a process and a mount of their own.

PROGRAM = "from collapse_pipeline.cli import main; main()"
# A disk of the given size that nobody else sees and that goes with the process.
ON_A_SMALL_DISK = """
mount -t tmpfs -o size={size} tmpfs "{disk}" && {prepare}
{command}
code=$?
mount -o remount,rw,size=60m "{disk}"
test -z "$(ls "{disk}/home/"*.tmp 2>/dev/null)" || exit 9
{again} >/dev/null 2>&1
echo "again $?" >&2
exit $code
"""


@pytest.fixture
def on_a_disk(tmp_path):
    """Runs a command on a disk that is full or read-only, then again when it is not."""
    can = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
    if shutil.which("unshare") is None or subprocess.run(can, check=False).returncode:
        pytest.skip("wants a Linux that lets a user mount a disk of their own")

    def run(*arguments, size="60m", prepare="true", again=True):
        words = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
        words += ["--home", str(tmp_path / "disk" / "home"), "--json"]
        command = " ".join(f"'{word}'" for word in words)
        (tmp_path / "disk").mkdir(exist_ok=True)
        script = ON_A_SMALL_DISK.format(
            size=size,
            disk=tmp_path / "disk",
            prepare=prepare,
            command=command,
            again=command if again else "true",
        )
        ended = subprocess.run(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Said(ended.returncode, ended.stdout, ended.stderr)

    return run


def complains(said, match):
    assert said.code == 2, said
    assert said.out == ""
    (line,) = re.findall(r"^error: wanted .+, got .+; .+", said.err, re.MULTILINE)
    assert re.search(match, line), line
    assert "Traceback" not in said.err


@pytest.mark.slow
def test_a_full_disk_and_then_room(on_a_disk, file):
    said = on_a_disk("corpus", "add", "tickets", file, *TICKETS, size="200k")
    complains(said, "free space")
    assert "again 0" in said.err  # so nothing of the first try was in the way


@pytest.mark.slow
@pytest.mark.parametrize("size", ["300k", "3m"])
def test_a_disk_that_fills_up_during_a_run(on_a_disk, file, size):
    """Once before the first night, once in the middle of it."""
    corpus = ("customer_service", "--generations", 1, "--set", "generate.rows=50")
    config = file.parent / "config.yaml"
    rows = "{rows: 1000, initial_rows: 300, nightly_rows: 10}"
    config.write_text(f"corpora: {{customer_service: {{arrival: {rows}}}}}")
    said = on_a_disk("run", "--corpus", *corpus, "--config", config, size=size)
    complains(said, "free space")
    assert "again 0" in said.err


@pytest.mark.slow
def test_a_read_only_disk(on_a_disk, file):
    disk = file.parent / "disk"
    locked = f'mkdir "{disk}/home" && mount -o remount,ro "{disk}"'
    given = ("corpus", "add", "tickets", file, *TICKETS)
    complains(on_a_disk(*given, prepare=locked, again=False), "may write|writable")
    locked = f'mount -o remount,ro "{disk}"'
    complains(on_a_disk("run", prepare=locked, again=False), "Read-only file system")


# Ctrl-C.


@pytest.mark.slow
def test_an_interrupted_run_ends_at_once_and_is_gone_on_with(cli, home):
    asked = ("run", "--from", "first", "--generations", "3", *SMALL, "--home", str(home), "--json")
    words = [sys.executable, "-c", PROGRAM, *asked]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stderr is not None
        told = process.stderr.readline()  # the first night has ended
        while process.poll() is None and _opened(home) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == ""
    assert err == "interrupted; the same command goes on from where it was\n"
    resumed = cli(*asked)
    nights = resumed.document["corpora"][0]["generations"]
    assert len(nights) == 3
    assert nights[0]["generation"] in told
    assert _opened(home) == 3  # the night that was cut off went on, it did not begin anew


def _opened(home):
    return [kind for _, kind in left_in(home)[3]].count("generation_opened")
