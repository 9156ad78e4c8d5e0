"""Auditing a home's ledger: whether it is whole, and all of it as JSON Lines."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from collapse_pipeline.backends.ledgers.chain import Link, faults_in
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.errors import StoreError


def verify(shop: Workshop) -> dict[str, Any]:
    """Every event that was edited, removed, moved or cut off, by number and kind.

    Returns:
        `events`: how many there are; `head`: number and hash of the last; `noted`: how many of
        them the home's head file knows; `faults`: see `backends.ledgers.chain.Fault`.
    """
    noted = shop.ledger.noted()  # first: whatever is noted was in the ledger before
    there: list[int] = []
    faults = faults_in(_counted(shop.ledger.links(), there), noted)
    seq, digest = shop.ledger.head()
    return {
        "events": len(there),
        "head": {"seq": seq, "hash": digest},
        "noted": len({head.seq for head in noted}.intersection(there)),
        "head_file": str(shop.ledger.head_file),
        "faults": [fault.model_dump() for fault in faults],
    }


def _counted(links: Iterable[Link], there: list[int]) -> Iterator[Link]:
    for link in links:
        there.append(link.seq)
        yield link


def export(shop: Workshop, out: TextIO) -> int:
    """Writes all events, one JSON document a line, as they come; returns how many."""
    count = 0
    for link in shop.ledger.links():
        out.write(f"{link.as_line()}\n")
        count += 1
    return count


def export_to(shop: Workshop, file: Path) -> int:
    """The same into a file, which is there once it is whole.

    Raises:
        StoreError: The file cannot be written.
    """
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        try:
            with temporary.open("w", encoding="utf-8", errors="backslashreplace") as out:
                count = export(shop, out)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as fault:
        raise StoreError(
            wanted=f"to write {file}",
            got=fault.strerror or str(fault),
            do="give a file in a folder that is there, writable and has free space",
        ) from fault
    return count
