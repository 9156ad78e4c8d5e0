"""Rows of CSV, TSV and JSON Lines, record by record; blank lines are no rows.

A record that cannot be read becomes a fault of one row and reading goes on behind it. Bytes that
are not UTF-8 travel as surrogates until `text_cells` finds and escapes them.
"""

import csv
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TextIO

from collapse_pipeline.backends.readers.cells import (
    INVALID_UTF8,
    MALFORMED,
    MAX_RECORD,
    Cells,
    Fault,
    escaped,
    scalar_text,
    text_cells,
)
from collapse_pipeline.errors import BadInputError

RAW_KEPT = 2000  # characters of an unreadable record that are worth keeping


class _RecordTooLongError(Exception):
    """A record grew past MAX_RECORD, most often for want of a closing quote."""


class _Lines:
    """Physical lines of a text file, those of the present record remembered."""

    def __init__(self, handle: TextIO) -> None:
        self._handle = handle
        self._again: deque[str] = deque()
        self.record: list[str] = []
        self._characters = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._handle.readline(MAX_RECORD)
        if not line:
            raise StopIteration
        self.record.append(line)
        self._characters += len(line)
        if self._characters >= MAX_RECORD:
            raise _RecordTooLongError(f"a record of over {MAX_RECORD} characters")
        return line

    def begin(self) -> None:
        """The next line starts a record."""
        self.record, self._characters = [], 0

    def give_up(self) -> str:
        """Returns the record's first line; the others are read again, as records of their own.

        A quote that is never closed would otherwise take every row behind it along.
        """
        first, *others = self.record
        self._again.extendleft(reversed(others))
        rest = first
        while not self._again and len(rest) >= MAX_RECORD and not rest.endswith(("\n", "\r")):
            rest = self._handle.readline(MAX_RECORD)
            if not rest:
                break
        return first


def _open(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def csv_header(path: Path, delimiter: str) -> list[str]:
    """The column names of a CSV file.

    Raises:
        BadInputError: When there is no line that could name columns.
    """
    with _open(path) as handle:
        try:
            for cells in csv.reader(handle, delimiter=delimiter, strict=True):
                if cells:
                    return [escaped(cell.strip()) for cell in cells]
        except csv.Error as error:
            raise BadInputError(
                f"a header line in {path}", str(error), "quote its cells as CSV asks"
            ) from error
    raise BadInputError(f"a header line in {path}", "nothing but blank lines", "name the columns")


def csv_rows(path: Path, names: Sequence[str], delimiter: str, rows: int) -> Iterator[Cells]:
    """The named columns of a CSV file, `rows` rows at a time."""
    header = csv_header(path, delimiter)
    pick = itemgetter(*(header.index(name) for name in names), 0)  # the 0 makes it a tuple always
    nothing = (None,) * (len(names) + 1)
    # The limit is the process's own; it is only ever raised, and MAX_RECORD stands behind it.
    csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_RECORD))
    batch: list[tuple[str | None, ...]] = []
    faults: dict[int, Fault] = {}
    with _open(path) as handle:
        for cells, fault in _csv_records(handle, delimiter):
            if fault is None and len(cells) != len(header):
                got = f"{len(cells)} cells where the header has {len(header)}"
                fault = Fault(MALFORMED, got, escaped(delimiter.join(cells))[:RAW_KEPT])
            if fault is not None:
                faults[len(batch)] = fault
                batch.append(nothing)
            else:
                batch.append(pick(cells))
            if len(batch) == rows:
                yield text_cells(list(zip(*batch, strict=True))[:-1], rows, faults)
                batch, faults = [], {}
    if batch:
        yield text_cells(list(zip(*batch, strict=True))[:-1], len(batch), faults)


def _csv_records(handle: TextIO, delimiter: str) -> Iterator[tuple[list[str], Fault | None]]:
    """Every record behind the header: its cells, or why there are none."""
    lines = _Lines(handle)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header_seen = False
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _RecordTooLongError) as error:
            first = lines.give_up()
            yield [], Fault(MALFORMED, str(error), escaped(first[:RAW_KEPT]))
            continue
        if not cells:
            continue
        if header_seen:
            yield cells, None
        header_seen = True


def json_rows(path: Path, names: Sequence[str], rows: int) -> Iterator[tuple[Cells, set[str]]]:
    """The named fields of a JSON Lines file, and every field name that the batch has."""
    batch: list[list[str | None]] = []
    faults: dict[int, Fault] = {}
    seen: set[str] = set()
    nothing: list[str | None] = [None] * len(names)
    with path.open("rb") as handle:
        for line in _json_lines(handle.readline):
            record = _json_object(line)
            if isinstance(record, Fault):
                faults[len(batch)] = record
                batch.append(nothing)
            else:
                seen.update(record)
                batch.append([scalar_text(record.get(name)) for name in names])
            if len(batch) == rows:
                yield text_cells(list(zip(*batch, strict=True)), rows, faults), seen
                batch, faults, seen = [], {}, set()
    if batch:
        yield text_cells(list(zip(*batch, strict=True)), len(batch), faults), seen


def _json_lines(readline: Callable[[int], bytes]) -> Iterator[bytes]:
    """Lines that are not blank; of one that is too long only the beginning."""
    limit, first = 4 * MAX_RECORD, True
    while line := readline(limit):
        if first:
            line, first = line.removeprefix(b"\xef\xbb\xbf"), False
        rest = line
        while len(rest) >= limit and not rest.endswith(b"\n"):
            rest = readline(limit)
        if not line.isspace() and line:
            yield line


def _json_object(line: bytes) -> dict[str, object] | Fault:
    raw = line[:RAW_KEPT].decode("utf-8", "backslashreplace").rstrip("\r\n")
    if len(line) >= 4 * MAX_RECORD:
        return Fault(MALFORMED, f"a line of over {len(line)} bytes", raw)
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Fault(INVALID_UTF8, f"bytes that are not UTF-8 at byte {error.start}", raw)
    except (ValueError, RecursionError) as error:
        return Fault(MALFORMED, f"not JSON: {error}"[:200], raw)
    if not isinstance(value, dict):
        return Fault(MALFORMED, f"{type(value).__name__} where a JSON object is wanted", raw)
    return value
