"""What the format readers hand to `readers.py`: source columns as text, and what went wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from collapse_pipeline.records import canonical_json

# A record longer than this is a fault by itself: it bounds what a reader ever holds of one row.
MAX_RECORD = 1 << 22
INVALID_UTF8 = "invalid_utf8"
MALFORMED = "malformed_row"


@dataclass(frozen=True)
class Fault:
    """Why a row could not be read, and what stood there where the cells cannot say it."""

    reason: str
    detail: str
    raw: str = ""


@dataclass(frozen=True)
class Cells:
    """Consecutive rows of a source: one text array a wanted column, faults by row in here."""

    columns: list[pa.Array]  # string arrays of equal length; null where the cell is missing
    rows: int
    faults: dict[int, Fault] = field(default_factory=dict)


def escaped(text: str) -> str:
    r"""Text that can be written as UTF-8: bytes and surrogates that cannot become `\xff`."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "surrogatepass")
    return raw.decode("utf-8", "backslashreplace")


def scalar_text(value: object) -> str | None:
    """A value of JSON or Arrow as plain text: 3.0 is `3`, true is `true`, a list is its JSON."""
    if value is None or value != value:  # NaN is how a table says missing
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list | tuple | dict):
        return canonical_json(value)
    return str(value)


def text_cells(
    columns: Sequence[Sequence[str | None]], rows: int, faults: dict[int, Fault]
) -> Cells:
    """Python strings as Arrow text; a row with a cell that is no UTF-8 gets a fault."""
    arrays = []
    for column in columns:
        try:
            arrays.append(pa.array(column, pa.large_string()))
        except UnicodeEncodeError:
            repaired = []
            for row, cell in enumerate(column):
                plain = None if cell is None else escaped(cell)
                if plain != cell:
                    faults.setdefault(row, Fault(INVALID_UTF8, "bytes that are not UTF-8"))
                repaired.append(plain)
            arrays.append(pa.array(repaired, pa.large_string()))
    return Cells(arrays, rows, faults)
