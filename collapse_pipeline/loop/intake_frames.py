"""The frames that intake takes, and the quarantine for rows that it does not.

A frame is an Arrow table of consecutive source rows that passed, or failed, the shape check:
`source_row` (int64), `prompt` and, where the corpus has them, `response`, `label`, `split`,
`time`, `attribute.<name>` (text, null where missing), then `reason` (empty for a good row),
`detail` and `raw` (the source's own text where the cells cannot say what stood there).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.records import QUARANTINED_ROWS, Frozen, canonical_json

ATTRIBUTE_PREFIX = "attribute."
FAULT_COLUMNS = ("reason", "detail", "raw")
TEXT_COLUMNS = ("prompt", "response", "label", "split", "time")
RAW_CELL = 500  # characters of a quarantined cell that are kept
RAW_RECORD = 2000


class Counts(Frozen):
    """What became of the rows: `read` = `accepted` + `quarantined`, reasons sum to the latter."""

    read: int
    accepted: int
    quarantined: int
    reasons: dict[str, int]


def is_text(column: str) -> bool:
    """Whether a frame's column holds text of the corpus."""
    return column in TEXT_COLUMNS or column.startswith(ATTRIBUTE_PREFIX)


def frames_of(rows: Sequence[Mapping[str, Any]], size: int = 50_000) -> Iterator[pa.Table]:
    """Frames of rows made in memory: label, prompt, response, attributes (str to str).

    A label or response column is there when any row has one.
    """
    columns = ["prompt", *(c for c in ("response", "label") if any(row.get(c) for row in rows))]
    names = sorted({name for row in rows for name in row.get("attributes", {})})
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        filled: dict[str, pa.Array] = {
            "source_row": pa.array(range(start, start + len(part)), pa.int64())
        }
        for column in columns:
            filled[column] = pa.array([row.get(column) for row in part], pa.large_string())
        for name in names:
            values = [row.get("attributes", {}).get(name) for row in part]
            filled[ATTRIBUTE_PREFIX + name] = pa.array(values, pa.large_string())
        for column in FAULT_COLUMNS:
            filled[column] = pa.array([""] * len(part), pa.large_string())
        yield pa.table(filled)


def no_rows() -> pa.Table:
    """A frame without rows, as a source without rows gives none."""
    text = {name: pa.array([], pa.large_string()) for name in ("prompt", *FAULT_COLUMNS)}
    return pa.table({"source_row": pa.array([], pa.int64()), **text})


class Quarantine:
    """Rows that were not taken, each with its reason."""

    def __init__(self, corpus: str) -> None:
        self._corpus = corpus
        self._tables: list[pa.Table] = []
        self.reasons: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(table.num_rows for table in self._tables)

    def put(self, rows: pa.Table) -> None:
        """Takes rows of a frame as they are, reason and detail filled in."""
        if not rows.num_rows:
            return
        cells = rows.select([name for name in rows.column_names if is_text(name)]).to_pylist()
        reasons = rows["reason"].to_pylist()
        self.reasons.update(reasons)
        raws = rows["raw"].to_pylist()
        columns = {
            "corpus": [self._corpus] * rows.num_rows,
            "source_row": rows["source_row"].to_pylist(),
            "reason": reasons,
            "detail": rows["detail"].to_pylist(),
            "raw": [_raw(cell, raw) for cell, raw in zip(cells, raws, strict=True)],
        }
        self._tables.append(pa.table(columns, schema=QUARANTINED_ROWS))

    def table(self) -> pa.Table:
        """All of them in the order of the source."""
        return pa.concat_tables([QUARANTINED_ROWS.empty_table(), *self._tables]).sort_by(
            "source_row"
        )


def split_off(frame: pa.Table, bad: pa.Array, reason: str, details: Iterable[str]) -> pa.Table:
    """The rows of `frame` marked in `bad`, with reason and one detail each."""
    rows = frame.filter(bad)
    told = {"reason": [reason] * rows.num_rows, "detail": list(details)}
    for column, values in told.items():
        place = rows.column_names.index(column)
        rows = rows.set_column(place, column, pa.array(values, pa.large_string()))
    return rows


def trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    r"""Text without outer white space, line ends as `\n`, missing as ""."""
    filled = pc.fill_null(column, "")
    for ending in ("\r\n", "\r"):
        filled = pc.replace_substring(filled, ending, "\n")
    return pc.utf8_trim_whitespace(filled)


def _raw(cells: Mapping[str, str | None], raw: str) -> str:
    if raw:
        return canonical_json(raw[:RAW_RECORD])
    short = {name.removeprefix(ATTRIBUTE_PREFIX): _shortened(cell) for name, cell in cells.items()}
    return canonical_json(short)


def _shortened(cell: str | None) -> str | None:
    if cell is None or len(cell) <= RAW_CELL:
        return cell
    return f"{cell[:RAW_CELL]} ... ({len(cell)} characters)"
