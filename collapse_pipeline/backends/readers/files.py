"""A corpus file as frames: Parquet, CSV, TSV, JSON Lines and Arrow, streamed.

A frame is the Arrow table that `collapse_pipeline.loop.intake_frames` describes. Every row of the
source is in exactly one frame; one that could not be read is there with its reason.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from collapse_pipeline.backends.readers import arrow, text
from collapse_pipeline.backends.readers.cells import Cells
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.intake_frames import ATTRIBUTE_PREFIX
from collapse_pipeline.records import Frozen

SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".arrow", ".feather")
DELIMITERS = {".csv": ",", ".tsv": "\t"}


class Columns(Frozen):
    """Which column of a file plays which part; `groups` are kept as attributes."""

    prompt: str
    response: str | None = None
    label: str | None = None
    groups: tuple[str, ...] = ()
    split: str | None = None
    time: str | None = None

    @property
    def by_role(self) -> dict[str, str]:
        """Column of the frame -> column of the file, in the order of the frame."""
        roles = {
            "prompt": self.prompt,
            "response": self.response,
            "label": self.label,
            "split": self.split,
            "time": self.time,
        }
        roles |= {ATTRIBUTE_PREFIX + group: group for group in self.groups}
        return {role: column for role, column in roles.items() if column is not None}


def read_batches(path: Path, columns: Columns, rows: int = 50_000) -> Iterator[pa.Table]:
    """The file's rows as frames of at most `rows` rows, in the order of the file.

    Missing cells are null. Numbers, dates and booleans are written plainly, lists and objects as
    JSON. Blank lines of a text file are no rows. What can be wrong with the file as a whole is
    found before the first frame is asked for.

    Raises:
        BadInputError: A missing file, a folder, an unknown suffix, an empty file, a file that is
            not what its suffix says, a column that is missing or there twice.
    """
    suffix = path.suffix.lower()
    _check_file(path, suffix)
    names = list(dict.fromkeys(columns.by_role.values()))
    if suffix == ".parquet":
        _check_names(path, names, arrow.parquet_names(path))
        cells = arrow.parquet_rows(path, names, rows)
    elif suffix in DELIMITERS:
        delimiter = DELIMITERS[suffix]
        _check_names(path, names, text.csv_header(path, delimiter))
        cells = text.csv_rows(path, names, delimiter, rows)
    elif suffix in (".jsonl", ".ndjson"):
        first = next(text.json_rows(path, names, rows), None)
        if first is not None and first[1]:
            _check_names(path, names, sorted(first[1]))
        cells = (cells for cells, _ in text.json_rows(path, names, rows))
    else:
        _check_names(path, names, arrow.ipc_names(path))
        cells = arrow.ipc_rows(path, names, rows)
    return _frames(cells, names, columns.by_role)


def _frames(cells: Iterator[Cells], names: list[str], roles: dict[str, str]) -> Iterator[pa.Table]:
    start = 0
    for piece in cells:
        filled: dict[str, pa.Array] = {
            "source_row": pa.array(np.arange(start, start + piece.rows, dtype=np.int64))
        }
        for role, column in roles.items():
            filled[role] = piece.columns[names.index(column)]
        for part in ("reason", "detail", "raw"):
            texts = [""] * piece.rows
            for row, fault in piece.faults.items():
                texts[row] = getattr(fault, part)
            filled[part] = pa.array(texts, pa.large_string())
        start += piece.rows
        yield pa.table(filled)


def _check_file(path: Path, suffix: str) -> None:
    if not path.exists():
        raise BadInputError(f"a file at {path}", "nothing there", "check the path")
    if not path.is_file():
        raise BadInputError(f"a file at {path}", "a folder", "name one file")
    if suffix not in SUFFIXES:
        raise BadInputError(
            f"a file that ends in one of {', '.join(SUFFIXES)}", path.name, "convert or rename it"
        )
    with path.open("rb") as handle:
        start = handle.read(4)
    if not start:
        raise BadInputError(f"rows in {path}", "an empty file", "write the rows into it")
    if suffix not in (".parquet", ".arrow", ".feather") and start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadInputError(f"{path} in UTF-8", "UTF-16", "save it as UTF-8")


def _check_names(path: Path, wanted: list[str], there: list[str]) -> None:
    for name in wanted:
        if there.count(name) != 1:
            got = "no such column" if name not in there else f"{there.count(name)} of that name"
            listed = ", ".join(there[:40]) + (", ..." if len(there) > 40 else "")
            raise BadInputError(
                f"one column {name!r} in {path}", f"{got}; it has: {listed}", "name one of these"
            )
