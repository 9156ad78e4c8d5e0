from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.ledgers.chain import Noted
from collapse_pipeline.backends.ledgers.sql import SqlLedger
from collapse_pipeline.backends.ledgers.witness import HEADS, HeadFile
from collapse_pipeline_tests.backends.ledgers.conftest import counting_clock, url_of
from collapse_pipeline_tests.backends.ledgers.test_chain import chain_of
from collapse_pipeline_tests.backends.ledgers.test_sql import sqlite

UNLOCK = ("DROP TRIGGER events_refuse_update", "DROP TRIGGER events_refuse_delete")


def write(ledger, count):
    return [ledger.append(f"kind {n}", actor="loop", payload={}) for n in range(count)]


def test_every_event_has_its_line(ledger):
    events = write(ledger, 3)
    assert ledger.noted() == [Noted(e.seq, e.kind, e.hash) for e in events]


def test_a_ledger_from_before_the_file_is_noted_from_its_head_on(ledger, tmp_path):
    old = write(ledger, 3)[-1]
    (tmp_path / HEADS).unlink()
    new = ledger.append("new", actor="loop", payload={})
    assert ledger.noted() == [Noted(3, "", old.hash), Noted(4, "new", new.hash)]


def test_an_event_written_but_not_noted_is_noted_when_it_is_said_again(ledger, tmp_path):
    ledger.append("once", actor="loop", payload={}, key="k")
    (tmp_path / HEADS).write_text("")  # as a kill between the two leaves it
    ledger.append("once", actor="loop", payload={}, key="k")
    assert [head.seq for head in ledger.noted()] == [1]


def test_a_line_broken_off_spoils_no_other(tmp_path):
    links = chain_of(3)
    file = HeadFile(tmp_path / HEADS)
    file.note(links[0])
    with file.path.open("a") as broken:
        broken.write('\n[2, "kin')
    file.note(links[2])
    assert [head.seq for head in file.heads()] == [1, 3]


def test_a_file_that_cannot_be_written_stops_no_event(ledger, tmp_path):
    (tmp_path / HEADS).mkdir()
    assert ledger.append("opened", actor="loop", payload={}).seq == 1


def test_a_tail_cut_off_in_the_database_shows_whoever_writes_next(ledger, tmp_path):
    write(ledger, 4)
    sqlite(tmp_path, *UNLOCK, "DELETE FROM events WHERE seq > 2")
    assert [(f.seq, f.kind, f.fault) for f in ledger.verify()] == [
        (3, "kind 2", "cut_off"),
        (4, "kind 3", "cut_off"),
    ]
    ledger.append("and on", actor="loop", payload={})
    assert [(f.seq, f.fault) for f in ledger.verify()] == [(3, "rewritten"), (4, "cut_off")]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["delete", "edit", "swap"]), min_size=1, max_size=3), st.data())
def test_whatever_is_done_to_the_rows_is_found(tmp_path_factory, deeds, data):
    home = tmp_path_factory.mktemp("home")
    with SqlLedger(url_of(home), clock=counting_clock()) as ledger:
        write(ledger, 6)
        before = list(ledger.links())
        for deed in deeds:
            at = data.draw(st.integers(1, 6))
            change = {
                "delete": [f"DELETE FROM events WHERE seq = {at}"],
                "edit": [f"UPDATE events SET actor = actor || 'x' WHERE seq = {at}"],
                "swap": [
                    f"UPDATE events SET seq = 99 WHERE seq = {at}",
                    f"UPDATE events SET seq = {at} WHERE seq = {at % 6 + 1}",
                    f"UPDATE events SET seq = {at % 6 + 1} WHERE seq = 99",
                ],
            }[deed]
            drop = [f"{line.replace('TRIGGER', 'TRIGGER IF EXISTS')}" for line in UNLOCK]
            sqlite(home, *drop, *change)
        after = list(ledger.links())
        assert bool(ledger.verify()) == (after != before)


def test_lines_come_in_the_order_of_the_events(ledger):
    write(ledger, 5)
    assert all(one.seq < two.seq for one, two in pairwise(ledger.noted()))


@pytest.mark.parametrize("line", ["", "{", "[]", '["1", "k", "h"]', "3", "[1, 2, 3]"])
def test_lines_that_say_nothing_are_left_out(tmp_path, line):
    (tmp_path / HEADS).write_text(f"{line}\n")
    assert HeadFile(tmp_path / HEADS).heads() == []
