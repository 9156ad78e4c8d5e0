"""The tables of a ledger, and how an older one is brought up to date."""

from pathlib import Path

import sqlalchemy as sa

from collapse_pipeline.backends.ledgers.chain import Link
from collapse_pipeline.backends.ledgers.engine import SQLITE, database_faults
from collapse_pipeline.backends.ledgers.lease import home_lock
from collapse_pipeline.errors import StoreError

REVISIONS = (
    "0001",
)  # the schemas of all releases, oldest first; migrations/versions has the steps

METADATA = sa.MetaData()
EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.Text, nullable=False) for name in Link._fields[1:]),
)
LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column("corpus", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("holder", "since", "heartbeat")),
)
VERSION = sa.table("alembic_version", sa.column("version_num", sa.Text))


def bring_up_to_date(engine: sa.Engine, home: Path, patience: float) -> None:
    """Makes or migrates the tables, under the home's lock, all or none.

    Args:
        engine: Of the ledger, one that writes.
        home: The folder of the locks.
        patience: How long to wait for another process that is at it, seconds.

    Raises:
        StoreError: Made by a newer release; or the database or the lock is not to be had.
    """
    if _revision(engine) == REVISIONS[-1]:
        return
    with home_lock(home, patience), database_faults(engine):
        found = _revision(engine)
        if found not in ("", *REVISIONS):
            raise StoreError(
                f"a ledger of schema {REVISIONS[-1]} or older",
                f"{found}, made by a newer release",
                "upgrade collapse-pipeline",
            )
        if found == REVISIONS[-1]:
            return
        if engine.dialect.name == SQLITE:
            _use_wal(engine)
        upgrade(engine)


def upgrade(engine: sa.Engine) -> None:
    """Runs the migrations that are missing, all or none."""
    from alembic import command
    from alembic.config import Config

    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        folder = str(Path(__file__).parent / "migrations")
        config.set_main_option("script_location", folder.replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "head")


def _revision(engine: sa.Engine) -> str:
    """The schema that the database has, "" for none."""
    with database_faults(engine), engine.execution_options(writes=False).connect() as connection:
        if not sa.inspect(connection).has_table(VERSION.name):
            return ""
        return connection.execute(sa.select(VERSION.c.version_num)).scalar() or ""


def _use_wal(engine: sa.Engine) -> None:
    """Sets a mode that stays with the file; SQLite takes it outside a transaction only."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
