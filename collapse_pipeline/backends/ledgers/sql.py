"""The ledger in a SQL database: SQLite in WAL mode in the home, or PostgreSQL by its URL."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from collapse_pipeline.backends.ledgers.chain import Event, Fault, Link, faults_in, linked
from collapse_pipeline.backends.ledgers.lease import Lease, home_lock, lease
from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.records import canonical_json

REVISIONS = (
    "0001",
)  # the schemas of all releases, oldest first; migrations/versions has the steps
ATTEMPTS = 50

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

REMEDIES = {
    "is locked": "wait for the process that writes to it, or end it",
    "full": "free space on its disk and run the same command again",
    "readonly": "give this user the right to write there or choose another home",
    "disk I/O error": "free space on its disk, and see that the disk is well",
    "unable to open": "check that its folder exists and that this user may write there",
    "append-only": "append an event that corrects the earlier one",
}


def utc_now() -> str:
    """The time in UTC, ISO 8601 to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class SqlLedger:
    """Events, append-only and chained by hashes, and the leases of the corpora.

    Opening brings the schema up to date, under the home's lock. Close it, or use it in `with`.

    Args:
        url: A SQLAlchemy URL, such as `sqlite:////home/ledger.sqlite`.
        home: The folder of the locks; by default the one that the SQLite file lies in.
        clock: Tells the time as UTC, ISO 8601.
        patience: How long to wait for another writer, seconds.

    Raises:
        BadInputError: The URL cannot be used.
        StoreError: The home or the database is missing, locked, read-only or damaged, or was
            made by a newer release.
    """

    def __init__(
        self,
        url: str,
        home: Path | None = None,
        clock: Callable[[], str] = utc_now,
        patience: float = 30.0,
    ) -> None:
        try:
            parsed = sa.make_url(url)
            sqlite = parsed.get_backend_name() == "sqlite"
            self._engine = sa.create_engine(
                parsed, connect_args={"timeout": patience} if sqlite else {}
            )
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            # The message of the library may quote the URL, and the URL may hold a password.
            raise BadInputError(
                "a URL like sqlite:////home/ledger.sqlite or postgresql+psycopg2://host/name",
                f"one that SQLAlchemy cannot use ({type(error).__name__})",
                "correct it, or install its driver",
            ) from None
        if home is None and (not sqlite or parsed.database in (None, "", ":memory:")):
            raise BadInputError("a home for the locks", "none", "name one beside the URL")
        self.home = home or Path(parsed.database or "").parent
        self.clock = clock
        if not self.home.is_dir():
            raise StoreError("a home", f"no folder {self.home}", "make it or check its name")
        if sqlite:
            sa.event.listen(self._engine, "connect", _leave_transactions_to_us)
            sa.event.listen(self._engine, "begin", _begin)
        self._writer = self._engine.execution_options(writes=True)
        self._bring_up_to_date(sqlite, patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections to the database."""
        self._engine.dispose()

    def append(
        self,
        kind: str,
        *,
        corpus: str = "",
        generation: str = "",
        actor: str,
        role: str = "machine",
        reason: str = "",
        payload: Mapping[str, Any],
        key: str = "",
    ) -> Event:
        """Writes one event behind the last one, and returns it.

        Args:
            kind: What happened.
            corpus: Where; "" for all corpora.
            generation: When in the loop; "" where it belongs to none.
            actor: Who did it.
            role: As what.
            reason: Why, in words.
            payload: The evidence, anything that JSON can say.
            key: Where not empty, the event of this key is written but once: again, the first one
                is returned, whatever else was said.

        Raises:
            BadInputError: The payload is not JSON, or a text is not Unicode.
            StoreError: The database is locked, full, read-only or damaged.
        """
        fields = {
            "at": self.clock(),
            "corpus": corpus,
            "generation": generation,
            "kind": kind,
            "actor": actor,
            "role": role,
            "reason": reason,
            "key": key,
        }
        try:
            fields["payload"] = canonical_json(dict(payload))
            "".join(fields.values()).encode()
        except (TypeError, ValueError) as error:
            raise BadInputError(
                f"an event {kind!r} in JSON and Unicode", str(error), "mend its payload"
            ) from error
        with self._faults():
            for _ in range(ATTEMPTS):
                # Refused where another process took the number or the key meanwhile.
                with suppress(IntegrityError), self._writer.begin() as connection:
                    return self._appended(connection, fields)
        raise StoreError("a turn to write", f"{ATTEMPTS} refusals", "run the same command again")

    def _appended(self, connection: sa.Connection, fields: Mapping[str, str]) -> Event:
        if fields["key"]:
            same = sa.select(EVENTS).where(EVENTS.c.key == fields["key"])
            if row := connection.execute(same).first():
                return _event(Link(*row))
        newest = sa.select(EVENTS).order_by(EVENTS.c.seq.desc()).limit(1)
        row = connection.execute(newest).first()
        link = linked(Link(*row) if row else None, **fields)
        connection.execute(sa.insert(EVENTS), link._asdict())
        return _event(link)

    def events(
        self,
        corpus: str | None = None,
        kinds: Sequence[str] | None = None,
        after: int = 0,
        generation: str | None = None,
    ) -> list[Event]:
        """The events behind number `after`, in order; None takes every corpus, kind, generation."""
        asked = sa.select(EVENTS).where(EVENTS.c.seq > after).order_by(EVENTS.c.seq)
        if corpus is not None:
            asked = asked.where(EVENTS.c.corpus == corpus)
        if generation is not None:
            asked = asked.where(EVENTS.c.generation == generation)
        if kinds is not None:
            asked = asked.where(EVENTS.c.kind.in_(list(kinds)))
        with self._faults(), self._engine.connect() as connection:
            return [_event(Link(*row)) for row in connection.execute(asked)]

    def head(self) -> tuple[int, str]:
        """Number and hash of the last event; (0, "") where there is none."""
        newest = sa.select(EVENTS.c.seq, EVENTS.c.hash).order_by(EVENTS.c.seq.desc()).limit(1)
        with self._faults(), self._engine.connect() as connection:
            row = connection.execute(newest).first()
        return (row.seq, row.hash) if row else (0, "")

    def verify(self, expected_head: tuple[int, str] | None = None) -> list[Fault]:
        """What shows that events were edited, removed, moved or cut off; see `faults_in`."""
        with self._faults(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(EVENTS).order_by(EVENTS.c.seq)).all()
        return faults_in([Link(*row) for row in rows], expected_head)

    def lease(self, corpus: str, holder: str) -> AbstractContextManager[Lease]:
        """Holds a corpus for one run; see `collapse_pipeline.backends.ledgers.lease.lease`."""
        return lease(self, self.home, corpus, holder)

    def put_lease(self, corpus: str, holder: str) -> None:
        """Writes a corpus's row, or the heartbeat of the one that is there."""
        now = self.clock()
        beat = sa.update(LEASES).where(LEASES.c.corpus == corpus, LEASES.c.holder == holder)
        new = {"corpus": corpus, "holder": holder, "since": now, "heartbeat": now}
        with self._faults(), self._writer.begin() as connection:
            if not connection.execute(beat.values(heartbeat=now)).rowcount:
                connection.execute(sa.insert(LEASES), new)

    def drop_lease(self, corpus: str) -> None:
        """Removes a corpus's row."""
        with self._faults(), self._writer.begin() as connection:
            connection.execute(sa.delete(LEASES).where(LEASES.c.corpus == corpus))

    def lease_of(self, corpus: str) -> tuple[str, str] | None:
        """Who holds a corpus and since when, by the row; None where there is none."""
        asked = sa.select(LEASES.c.holder, LEASES.c.since).where(LEASES.c.corpus == corpus)
        with self._faults(), self._engine.connect() as connection:
            row = connection.execute(asked).first()
        return (row.holder, row.since) if row else None

    def _revision(self) -> str:
        """The schema that the database has, "" for none."""
        with self._faults(), self._engine.connect() as connection:
            if not sa.inspect(connection).has_table(VERSION.name):
                return ""
            return connection.execute(sa.select(VERSION.c.version_num)).scalar() or ""

    def _bring_up_to_date(self, sqlite: bool, patience: float) -> None:
        if self._revision() == REVISIONS[-1]:
            return
        with home_lock(self.home, patience), self._faults():
            found = self._revision()
            if found not in ("", *REVISIONS):
                raise StoreError(
                    f"a ledger of schema {REVISIONS[-1]} or older",
                    f"{found}, made by a newer release",
                    "upgrade collapse-pipeline",
                )
            if found == REVISIONS[-1]:
                return
            if sqlite:
                _use_wal(self._engine)
            _upgrade(self._writer)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turns what SQLAlchemy raises into a `StoreError`."""
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            got = str(error.orig if isinstance(error, DBAPIError) else error)
            do = "restore it from a backup: the file is damaged or not a ledger"
            for sign, remedy in REMEDIES.items():
                do = remedy if sign in got else do
            wanted = f"the ledger {self._engine.url.render_as_string(hide_password=True)}"
            raise StoreError(wanted, got, do) from error


def _event(link: Link) -> Event:
    try:
        return Event(**link._asdict() | {"payload": json.loads(link.payload)})
    except ValueError as error:
        raise StoreError(
            f"event {link.seq} as it was written", "a changed payload", "verify the ledger"
        ) from error


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    # Python's sqlite3 would begin late, after the read that an append builds on.
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _use_wal(engine: sa.Engine) -> None:
    """Sets a mode that stays with the file; SQLite takes it outside a transaction only."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _upgrade(engine: sa.Engine) -> None:
    """Runs the migrations that are missing, all or none."""
    from alembic import command
    from alembic.config import Config

    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        folder = str(Path(__file__).parent / "migrations")
        config.set_main_option("script_location", folder.replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "head")
