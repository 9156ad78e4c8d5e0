"""The database under a ledger: what SQLite and PostgreSQL each need for one writer at a time, and
their faults in words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.records import derived_seed

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
WRITERS_LOCK = derived_seed("the ledger's writers")  # the number that PostgreSQL locks

REMEDIES = {
    "is locked": "wait for the process that writes to it, or end it",
    "lock timeout": "wait for the process that writes to it, or end it",
    "full": "free space on its disk and run the same command again",
    "readonly": "give this user the right to write there or choose another home",
    "disk I/O error": "free space on its disk, and see that the disk is well",
    "unable to open": "check that its folder exists and that this user may write there",
    "append-only": "append an event that corrects the earlier one",
    "connection": "see that the server runs and that ledger_url names it",
    "authentication failed": "correct the user and password in ledger_url",
    "permission denied": "give this user the right to write there",
    "does not exist": "make it, or correct ledger_url",
}


def engine_for(url: str, patience: float) -> sa.Engine:
    """An engine whose connections with `writes=True` among their options write one at a time.

    Args:
        url: A SQLAlchemy URL of SQLite or PostgreSQL.
        patience: How long to wait for another writer, seconds.

    Raises:
        BadInputError: The URL cannot be used.
    """
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
        if backend not in (SQLITE, POSTGRESQL):
            raise NoSuchModuleError(backend)
        options: dict[str, Any] = {"timeout": patience}
        if backend == POSTGRESQL:
            waits = f"-c lock_timeout={int(patience * 1000)}"
            options = {"connect_timeout": ceil(patience), "options": waits}
            options = {name: options[name] for name in options.keys() - parsed.query.keys()}
        # A server that was started again since is simply connected to once more.
        engine = sa.create_engine(parsed, connect_args=options, pool_pre_ping=backend == POSTGRESQL)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        # The message of the library may quote the URL, and the URL may hold a password.
        raise BadInputError(
            "a URL like sqlite:////home/ledger.sqlite or postgresql://host/name",
            f"one that SQLAlchemy cannot use ({type(error).__name__})",
            "correct it, or install its driver with: pip install 'collapse-pipeline[postgres]'",
        ) from None
    if backend == SQLITE:
        sa.event.listen(engine, "connect", _leave_transactions_to_us)
        sa.event.listen(engine, "begin", _begin)
    else:
        sa.event.listen(engine, "begin", _wait_for_writers)
    return engine


@contextmanager
def database_faults(engine: sa.Engine) -> Iterator[None]:
    """Turns what SQLAlchemy raises into a `StoreError`."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        got = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
        do = "restore it from a backup: the file is damaged or not a ledger"
        for sign, remedy in REMEDIES.items():
            do = remedy if sign in got else do
        wanted = f"the ledger {engine.url.render_as_string(hide_password=True)}"
        raise StoreError(wanted, got, do) from error


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    # Python's sqlite3 would begin late, after the read that an append builds on.
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _wait_for_writers(connection: sa.Connection) -> None:
    # Freed with the transaction, however it ends; a killed writer's too.
    if _writes(connection):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")


def _writes(connection: sa.Connection) -> bool:
    return bool(connection.get_execution_options().get("writes"))
