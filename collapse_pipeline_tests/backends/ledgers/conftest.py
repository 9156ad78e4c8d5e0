"""Ledgers with a clock that counts."""

from itertools import count

import pytest

from collapse_pipeline.backends.ledgers.sql import SqlLedger


def url_of(home):
    return f"sqlite:///{home}/ledger.sqlite"


def counting_clock():
    ticks = count()
    return lambda: f"2026-11-20T00:00:{next(ticks):02d}+00:00"


@pytest.fixture
def ledger(tmp_path):
    with SqlLedger(url_of(tmp_path), clock=counting_clock()) as ledger:
        yield ledger
