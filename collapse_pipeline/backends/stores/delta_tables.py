"""Delta tables of a home as the library has them: opened, made, listed, and their faults said."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from collapse_pipeline.backends.stores.partitions import partition_columns, stored_schema
from collapse_pipeline.errors import StoreError

# Log files stay, so that a version pinned long ago can still be opened; vacuum bounds the data.
# Without column statistics no text of a row is copied into the log.
CONFIGURATION: dict[str, str | None] = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.dataSkippingNumIndexedCols": "0",
}
REMEDIES = {
    "no space left": "free space on its disk and run the same command again",
    "read-only": "the disk is read-only: make it writable or choose another home",
    "permission denied": "give this user the right to write there or choose another home",
}


class DeltaTables:
    """Tables in `<root>/tables/<name>`, by name.

    Args:
        root: The home: an existing folder, or a URL such as `s3://bucket/prefix`.
        options: Storage options of the URL (keys, region, endpoint); they appear in no error.
    """

    def __init__(self, root: str, options: Mapping[str, str] | None = None) -> None:
        self.root = root.rstrip("/") or "/"
        self.folder = None if "://" in root else Path(root).resolve()
        self._options = dict(options or {})

    def open(self, table: str, version: int | None = None) -> Any:
        """The table's handle, now or at a version; None where there is no such table yet."""
        import deltalake
        from deltalake.exceptions import TableNotFoundError

        if self.folder is not None and not self.folder.is_dir():
            raise StoreError("a home", f"no folder {self.folder}", "make it or check its name")
        place = (self._url(table), version, self._options or None)
        try:
            return deltalake.DeltaTable(*place)
        except TableNotFoundError:
            # The library says the same of a table that was damaged or that this user may not
            # read, and of one that another process is making at this moment: so look again.
            log = self._path(table) / "_delta_log"
            if self.folder and log.exists() and any(f.suffix == ".json" for f in log.iterdir()):
                return deltalake.DeltaTable(*place)
            return None

    def create(self, table: str) -> Any:
        """Makes the table, empty; the handle of the one that stands there already."""
        import deltalake

        return deltalake.DeltaTable.create(
            self._url(table),
            stored_schema(table),
            mode="ignore",
            partition_by=partition_columns(table),
            configuration=CONFIGURATION,
            storage_options=self._options or None,
        )

    def files(
        self, handle: Any, table: str, predicate: str | None, dictionary: Sequence[str] = ()
    ) -> Any:
        """The files of a handle as a `pyarrow.dataset.Dataset`, sorted by partition and number.

        Args:
            handle: An open table.
            table: Its name.
            predicate: Which partitions; None for all.
            dictionary: Columns to read as dictionaries.
        """
        import pyarrow.dataset as pads  # brings pandas along
        import pyarrow.fs as pafs

        # Arrow's own file system reads local files several times faster than the library's.
        local = (
            pafs.SubTreeFileSystem(str(self._path(table)), pafs.LocalFileSystem())
            if self.folder
            else None
        )
        files = handle.to_pyarrow_dataset(
            filesystem=local,
            file_pruning_predicate=predicate,
            parquet_read_options=pads.ParquetReadOptions(dictionary_columns=set(dictionary)),
        )
        # The log lists files in no fixed order; their names begin with partition and number.
        fragments = sorted(files.get_fragments(), key=lambda fragment: str(fragment.path))
        return pads.FileSystemDataset(fragments, files.schema, files.format, files.filesystem)

    @contextmanager
    def faults(self, table: str) -> Iterator[None]:
        """Turns what the libraries raise into a `StoreError`."""
        from deltalake.exceptions import DeltaError

        try:
            yield
        except (OSError, DeltaError, pa.ArrowException) as error:
            text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
            for secret in self._options.values():
                text = text.replace(secret, "***") if len(secret) > 3 else text
            do = "look at that folder; if it is damaged, restore it from a backup"
            for sign, remedy in REMEDIES.items():
                do = remedy if sign in text.lower() else do
            wanted = f"the table {table} in {self.root}"
            raise StoreError(wanted, text[:300], do) from error

    def _url(self, table: str) -> str:
        return f"{self.root}/tables/{table}" if self.folder is None else str(self._path(table))

    def _path(self, table: str) -> Path:
        return (self.folder or Path()) / "tables" / table
