"""Columns of Parquet and Arrow files as text, batch by batch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collapse_pipeline.backends.readers.cells import (
    INVALID_UTF8,
    Cells,
    Fault,
    scalar_text,
)
from collapse_pipeline.errors import BadInputError


def parquet_names(path: Path) -> list[str]:
    """Top-level column names of a Parquet file."""
    with _parquet(path) as file:
        return list(file.schema_arrow.names)


def parquet_rows(path: Path, names: Sequence[str], rows: int) -> Iterator[Cells]:
    """The named columns of a Parquet file, at most `rows` rows at a time."""
    with _parquet(path) as file:
        batches = file.iter_batches(batch_size=rows, columns=list(names), use_threads=False)
        try:
            for batch in batches:
                yield _cells(batch, names)
        except (pa.ArrowInvalid, OSError) as error:
            raise _broken(path, "Parquet", error) from error


def ipc_names(path: Path) -> list[str]:
    """Column names of an Arrow file or stream."""
    with pa.memory_map(str(path)) as source:
        return list(_ipc(path, source).schema.names)


def ipc_rows(path: Path, names: Sequence[str], rows: int) -> Iterator[Cells]:
    """The named columns of an Arrow file or stream, at most `rows` rows at a time."""
    with pa.memory_map(str(path)) as source:
        reader = _ipc(path, source)
        try:
            for batch in _ipc_batches(reader):
                wanted = batch.select(list(names))
                for start in range(0, wanted.num_rows, rows):
                    yield _cells(wanted.slice(start, rows), names)
        except (pa.ArrowInvalid, OSError) as error:
            raise _broken(path, "Arrow", error) from error


def _ipc_batches(
    reader: pa.RecordBatchFileReader | pa.RecordBatchStreamReader,
) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.RecordBatchFileReader):
        return (reader.get_batch(i) for i in range(reader.num_record_batches))
    return iter(reader)


def _ipc(
    path: Path, source: pa.NativeFile
) -> pa.RecordBatchFileReader | pa.RecordBatchStreamReader:
    try:
        return pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
    try:
        return pa.ipc.open_stream(source)
    except (pa.ArrowInvalid, OSError) as error:
        raise _broken(path, "Arrow", error) from error


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise _broken(path, "Parquet", error) from error


def _broken(path: Path, kind: str, error: Exception) -> BadInputError:
    return BadInputError(
        f"{path} as a {kind} file",
        f"a file that cannot be read as one ({str(error).splitlines()[0][:200]})",
        "write it again or give it the suffix of what it is",
    )


def _cells(batch: pa.RecordBatch, names: Sequence[str]) -> Cells:
    faults: dict[int, Fault] = {}
    columns = [_as_text(batch.column(name), faults) for name in names]
    return Cells(columns, batch.num_rows, faults)


def _as_text(column: pa.Array, faults: dict[int, Fault]) -> pa.Array:
    """Any Arrow column as text; rows whose bytes are no UTF-8 get a fault and escaped text."""
    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        column, kind = column.storage, column.storage.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_nested(kind):
        return pa.array(map(scalar_text, column.to_pylist()), pa.large_string())
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    if not _holds_bytes(kind):
        try:
            return column.cast(pa.large_string())
        except pa.ArrowNotImplementedError:  # intervals and the like
            return pa.array(map(scalar_text, column.to_pylist()), pa.large_string())
    try:
        # Through binary, because a cast from text to text trusts bytes that nobody has checked.
        return column.cast(pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        return _decoded(column.cast(pa.large_binary()), faults)


def _holds_bytes(kind: pa.DataType) -> bool:
    checks = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(check(kind) for check in checks)


def _decoded(column: pa.Array, faults: dict[int, Fault]) -> pa.Array:
    texts: list[str | None] = []
    for row, raw in enumerate(column.to_pylist()):
        text = None if raw is None else raw.decode("utf-8", "backslashreplace")
        if text is not None and text.encode() != raw:
            faults.setdefault(row, Fault(INVALID_UTF8, "bytes that are not UTF-8"))
        texts.append(text)
    return pa.array(texts, pa.large_string())
