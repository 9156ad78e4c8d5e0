"""Who runs a corpus: locks that the system frees with their process, and a row that says who.

The locks are the truth: whoever has them is alive, and whoever gets them may take over the row of
the one before. One is a file of the home; where homes share a server, it has the other one. The
row is for people, who ask who holds a corpus since when.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from filelock import FileLock, Timeout

from collapse_pipeline.errors import LeaseHeldError, StoreError


class LeaseRows(Protocol):
    """The rows of the leases, one a corpus."""

    def lock_lease(self, corpus: str) -> Callable[[], None] | None:
        """Locks a corpus beyond this home; what frees it, or None where another has it."""
        ...

    def put_lease(self, corpus: str, holder: str) -> None:
        """Writes the row, in place of any other; again for a heartbeat."""
        ...

    def drop_lease(self, corpus: str) -> None:
        """Removes the row."""
        ...

    def lease_of(self, corpus: str) -> tuple[str, str] | None:
        """Holder and the time it took the lease, None where there is no row."""
        ...


@dataclass(frozen=True)
class Lease:
    """A corpus held by one run."""

    corpus: str
    holder: str
    taken_from: str  # the holder that died without giving it back, "" as a rule
    rows: LeaseRows

    def beat(self) -> None:
        """Notes that the holder is still at work."""
        self.rows.put_lease(self.corpus, self.holder)


@dataclass
class Held:
    """What this process holds of one corpus."""

    lease: Lease
    locks: ExitStack
    process: int
    times: int = 1


_held: dict[Path, Held] = {}
_guard = threading.Lock()


@contextmanager
def lease(rows: LeaseRows, home: Path, corpus: str, holder: str) -> Iterator[Lease]:
    """Holds a corpus for one run; the same holder may take it again within its process.

    Args:
        rows: Where the row goes.
        home: The folder whose `locks/<corpus>.lock` is held.
        corpus: The corpus.
        holder: Who: a text for people, a different one for every run.

    Raises:
        LeaseHeldError: Another run holds it; says which and since when.
        StoreError: The lock file cannot be written.
    """
    path = home.resolve() / "locks" / f"{quote(corpus, safe='')}.lock"
    with _guard:
        taken = _entered(rows, path, corpus, holder)
    try:
        yield taken
    finally:
        with _guard:
            _left(path)


def _entered(rows: LeaseRows, path: Path, corpus: str, holder: str) -> Lease:
    held = _held.get(path)
    if held and held.process == os.getpid():  # a forked child holds nothing of its parent's
        if held.lease.holder != holder:
            raise _refused(corpus, rows.lease_of(corpus))
        held.times += 1
        return held.lease
    lock = _locked(path, 0)
    if lock is None:
        raise _refused(corpus, rows.lease_of(corpus))
    with ExitStack() as undo:
        undo.callback(lock.release)
        unlock = rows.lock_lease(corpus)
        if unlock is None:
            raise _refused(corpus, rows.lease_of(corpus))
        undo.callback(unlock)
        dead = rows.lease_of(corpus)
        taken = Lease(corpus, holder, dead[0] if dead else "", rows)
        rows.drop_lease(corpus)
        rows.put_lease(corpus, holder)
        _held[path] = Held(taken, undo.pop_all(), os.getpid())
    return taken


def _left(path: Path) -> None:
    held = _held[path]
    held.times -= 1
    if held.times == 0:
        del _held[path]
        try:
            held.lease.rows.drop_lease(held.lease.corpus)
        finally:
            held.locks.close()


def _refused(corpus: str, row: tuple[str, str] | None) -> LeaseHeldError:
    holder, since = row or ("a run that has not given its name yet", "just now")
    return LeaseHeldError(
        f"the lease of {corpus}",
        f"it held by {holder} since {since}",
        "wait until that run has ended, or end it",
    )


@contextmanager
def home_lock(home: Path, patience: float = 60.0) -> Iterator[None]:
    """Lets one process at a time set up a home; waits up to `patience` seconds for it.

    Raises:
        StoreError: The home is missing or read-only, or its lock stays taken.
    """
    lock = _locked(home / "home.lock", patience)
    if lock is None:
        raise StoreError(
            f"the home {home} to set up",
            f"another process at it for {patience:g} seconds",
            "wait for it, or end it",
        )
    try:
        yield
    finally:
        lock.release()


def _locked(path: Path, patience: float) -> FileLock | None:
    """The lock file, locked; None where another process has it."""
    home = path.parent.parent if path.parent.name == "locks" else path.parent
    try:
        if not home.is_dir():
            raise FileNotFoundError(f"no folder {home}")
        path.parent.mkdir(exist_ok=True)
        # Without flock a killed holder's lock would never be free: rather fail than pretend.
        lock = FileLock(path, thread_local=False, fallback_to_soft=False)
        lock.acquire(timeout=patience)
    except Timeout:
        return None
    except (OSError, NotImplementedError) as error:
        raise StoreError(
            f"the lock {path}", str(error), "make its folder there and writable"
        ) from error
    return lock
