"""The ledger in a SQL database: SQLite in WAL mode in the home, or PostgreSQL by its URL."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from collapse_pipeline.backends.ledgers.chain import Event, Fault, Link, Noted, faults_in, linked
from collapse_pipeline.backends.ledgers.engine import SQLITE, database_faults, engine_for
from collapse_pipeline.backends.ledgers.lease import Lease, lease
from collapse_pipeline.backends.ledgers.schema import EVENTS, LEASES, bring_up_to_date
from collapse_pipeline.backends.ledgers.witness import HEADS, HeadFile
from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.records import canonical_json, derived_seed

ATTEMPTS = 50
PAGE = 500  # events


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
        self._engine = engine_for(url, patience)
        place = self._engine.url
        if home is None and (
            place.get_backend_name() != SQLITE or place.database in (None, "", ":memory:")
        ):
            raise BadInputError("a home for the locks", "none", "name one beside the URL")
        self.home = home or Path(place.database or "").parent
        self.clock = clock
        if not self.home.is_dir():
            raise StoreError("a home", f"no folder {self.home}", "make it or check its name")
        self._heads = HeadFile(self.home / HEADS)
        self._writer = self._engine.execution_options(writes=True)
        with ExitStack() as undo:
            undo.callback(self.close)
            bring_up_to_date(self._writer, self.home, patience)
            undo.pop_all()

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
            if "\0" in (text := "".join(fields.values())):
                raise ValueError("a NUL, which PostgreSQL keeps in no text")
            text.encode()
        except (TypeError, ValueError) as error:
            raise BadInputError(
                f"an event {kind!r} in JSON and Unicode", str(error), "mend its payload"
            ) from error
        link = self._appended(fields)
        self._heads.note(link)
        return _event(link)

    def _appended(self, fields: Mapping[str, str]) -> Link:
        with database_faults(self._engine):
            for _ in range(ATTEMPTS):
                # Refused where another process took the number or the key meanwhile.
                with suppress(IntegrityError), self._writer.begin() as connection:
                    return _append(connection, fields)
        raise StoreError("a turn to write", f"{ATTEMPTS} refusals", "run the same command again")

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
        with database_faults(self._engine), self._engine.connect() as connection:
            return [_event(Link(*row)) for row in connection.execute(asked)]

    def head(self) -> tuple[int, str]:
        """Number and hash of the last event; (0, "") where there is none."""
        newest = sa.select(EVENTS.c.seq, EVENTS.c.hash).order_by(EVENTS.c.seq.desc()).limit(1)
        with database_faults(self._engine), self._engine.connect() as connection:
            row = connection.execute(newest).first()
        return (row.seq, row.hash) if row else (0, "")

    def links(self) -> Iterator[Link]:
        """All events as they are stored, in order, and no more of them in memory than a page."""
        asked = sa.select(EVENTS).order_by(EVENTS.c.seq)
        with database_faults(self._engine), self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=PAGE).execute(asked):
                yield Link(*row)

    @property
    def head_file(self) -> Path:
        """Where this home notes the heads."""
        return self._heads.path

    def noted(self) -> list[Noted]:
        """What the home's head file knows of the events."""
        return self._heads.heads()

    def verify(self) -> list[Fault]:
        """What shows that events were edited, removed, moved or cut off; see `faults_in`."""
        noted = self.noted()  # first: whatever is noted was in the ledger before
        return faults_in(self.links(), noted)

    def lease(self, corpus: str, holder: str) -> AbstractContextManager[Lease]:
        """Holds a corpus for one run; see `collapse_pipeline.backends.ledgers.lease.lease`."""
        return lease(self, self.home, corpus, holder)

    def lock_lease(self, corpus: str) -> Callable[[], None] | None:
        """Locks a corpus for all homes of a PostgreSQL server; None where another one has it.

        The server frees the lock with the connection, so with the process. A SQLite file lies
        in one home, whose own lock is enough.

        Returns:
            What gives the lock back.
        """
        if self._engine.dialect.name == SQLITE:
            return lambda: None
        number = sa.literal(derived_seed("lease", corpus), sa.BigInteger)
        with database_faults(self._engine):
            connection = self._engine.execution_options(isolation_level="AUTOCOMMIT").connect()
            connection.detach()  # closed for good at the end: in the pool it would keep the lock
            if connection.execute(sa.select(sa.func.pg_try_advisory_lock(number))).scalar():
                return connection.close
            connection.close()
        return None

    def put_lease(self, corpus: str, holder: str) -> None:
        """Writes a corpus's row, or the heartbeat of the one that is there."""
        now = self.clock()
        beat = sa.update(LEASES).where(LEASES.c.corpus == corpus, LEASES.c.holder == holder)
        new = {"corpus": corpus, "holder": holder, "since": now, "heartbeat": now}
        with database_faults(self._engine), self._writer.begin() as connection:
            if not connection.execute(beat.values(heartbeat=now)).rowcount:
                connection.execute(sa.insert(LEASES), new)

    def drop_lease(self, corpus: str) -> None:
        """Removes a corpus's row."""
        with database_faults(self._engine), self._writer.begin() as connection:
            connection.execute(sa.delete(LEASES).where(LEASES.c.corpus == corpus))

    def lease_of(self, corpus: str) -> tuple[str, str] | None:
        """Who holds a corpus and since when, by the row; None where there is none."""
        asked = sa.select(LEASES.c.holder, LEASES.c.since).where(LEASES.c.corpus == corpus)
        with database_faults(self._engine), self._engine.connect() as connection:
            row = connection.execute(asked).first()
        return (row.holder, row.since) if row else None


def _event(link: Link) -> Event:
    try:
        return Event(**link._asdict() | {"payload": json.loads(link.payload)})
    except ValueError as error:
        raise StoreError(
            f"event {link.seq} as it was written", "a changed payload", "verify the ledger"
        ) from error


def _append(connection: sa.Connection, fields: Mapping[str, str]) -> Link:
    if fields["key"]:
        same = sa.select(EVENTS).where(EVENTS.c.key == fields["key"])
        if row := connection.execute(same).first():
            return Link(*row)
    newest = sa.select(EVENTS).order_by(EVENTS.c.seq.desc()).limit(1)
    row = connection.execute(newest).first()
    link = linked(Link(*row) if row else None, **fields)
    connection.execute(sa.insert(EVENTS), link._asdict())
    return link
