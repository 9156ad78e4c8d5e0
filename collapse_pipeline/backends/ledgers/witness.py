"""The heads of a ledger noted in a file of its home, since a chain cannot show by itself that its
end was cut off, or that it was written anew as a whole."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from collapse_pipeline.backends.ledgers.chain import Link, Noted

HEADS = "ledger.heads"


class HeadFile:
    """A line for every event that this home appended: its number, kind and hash.

    A home that shares its ledger with others notes its own events only; that is enough, as each
    hash covers all events before it. Nothing but `note` writes here, and nothing is taken away.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, link: Link) -> None:
        """Adds an event that is in the ledger; the first time the head before it as well."""
        heads = [Noted(link.seq, link.kind, link.hash)]
        if link.seq > 1 and not self.path.exists():  # a ledger from before there was this file
            heads.insert(0, Noted(link.seq - 1, "", link.previous))
        # On a line of its own even behind one that a full disk or a kill broke off.
        lines = "".join(f"\n{json.dumps(head, ensure_ascii=False)}" for head in heads)
        # The event stands; `audit verify` says how many of them have no line here.
        with suppress(OSError):
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(file, lines.encode("utf-8", "surrogatepass"))
            finally:
                os.close(file)

    def heads(self) -> list[Noted]:
        """What was noted, in the order it was; lines that were broken off are left out."""
        try:
            lines = self.path.read_text("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return list(_readable(lines))


def _readable(lines: Iterable[str]) -> Iterable[Noted]:
    for line in lines:
        with suppress(ValueError):
            match json.loads(line):
                case [int(seq), str(kind), str(known)]:
                    yield Noted(seq, kind, known)
