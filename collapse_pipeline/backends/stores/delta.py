"""Tables by corpus and generation in Delta Lake, under one home: a folder or an `s3://` URL.

Every table is partitioned by corpus and generation (three hold rows that belong to no generation
and are partitioned by corpus alone), so one commit swaps one partition and touches no other.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.backends.stores.delta_tables import DeltaTables
from collapse_pipeline.backends.stores.models import ModelFolders
from collapse_pipeline.backends.stores.partitions import (
    fitted_rows,
    predicate_of,
    schema_of,
    stored_rows,
)
from collapse_pipeline.backends.stores.queries import band_matches
from collapse_pipeline.errors import StoreError
from collapse_pipeline.ports import Student
from collapse_pipeline.records import MINHASH_BANDS, SAMPLE, TABLES, TablePin, table_digest

NO_TABLE = -1  # the version of a table that nobody has written yet
ATTEMPTS = 10


class DeltaStore:
    """The `Store` port over Delta tables in `<root>/tables/<name>` and models in `<root>/models`.

    Args:
        root: The home: an existing folder, or a URL such as `s3://bucket/prefix`.
        options: Storage options of the URL (keys, region, endpoint); they appear in no error.
        models: Folder of the models; needed with a URL, since models are read as local files.
    """

    def __init__(
        self,
        root: str,
        options: Mapping[str, str] | None = None,
        models: Path | None = None,
    ) -> None:
        self._tables = DeltaTables(root, options)
        self.root, folder = self._tables.root, self._tables.folder
        self._models = models or (folder / "models" if folder else None)

    def replace(self, table: str, corpus: str, generation: str, rows: pa.Table) -> TablePin:
        """Puts `rows` in place of whatever this generation had, in one commit; no rows is fine.

        Args:
            table: A name of `records.TABLES`.
            corpus: The corpus, which every row must carry.
            generation: Likewise; "" for tables without generations and for the anchor's rows.
            rows: All columns of the table's schema, in any order.

        Raises:
            BadInputError: The rows do not fit the table, the corpus or the generation.
            StoreError: The home is missing, full or read-only, or kept changing under the commit.
        """
        import deltalake
        from deltalake.exceptions import CommitFailedError

        rows = fitted_rows(table, corpus, generation, rows)
        stored = stored_rows(table, rows)
        where = predicate_of(table, corpus, [generation])
        for attempt in range(1, ATTEMPTS + 1):
            with self._tables.faults(table):
                try:
                    handle = self._tables.open(table) or self._tables.create(table)
                    deltalake.write_deltalake(handle, stored, mode="overwrite", predicate=where)
                    version = handle.version()
                    break
                except CommitFailedError:
                    if attempt == ATTEMPTS:
                        raise
            time.sleep(0.02 * attempt)
        return TablePin(table=table, version=version, rows=rows.num_rows, digest=table_digest(rows))

    def read(
        self,
        table: str,
        corpus: str,
        generations: Sequence[str] | None = None,
        version: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """The rows of a corpus, in the order they were written, generations sorted.

        Args:
            table: A name of `records.TABLES`; one that was never written reads as no rows.
            corpus: The corpus.
            generations: Only these; a table without generations holds all its rows under "".
            version: The table's version, as pinned; None for now, `NO_TABLE` for no rows.
            columns: Only these, in this order.

        Raises:
            BadInputError: An unknown table or column.
            StoreError: The home is missing, or the version is not to be had any more.
        """
        schema = schema_of(table, columns)
        if version == NO_TABLE or (generations is not None and not generations):
            return schema.empty_table()
        with self._tables.faults(table):
            handle = self._tables.open(table, version)
            if handle is None and version is not None:
                raise StoreError(
                    f"version {version} of {table}",
                    "no such table",
                    f"check the home {self.root}",
                )
            if handle is None:
                return schema.empty_table()
            return self._rows(handle, table, predicate_of(table, corpus, generations), schema)

    def pin(self, table: str, corpus: str, generation: str) -> TablePin:
        """The pin of what stands there now; of no rows where nothing was ever written."""
        schema = schema_of(table)
        with self._tables.faults(table):
            handle = self._tables.open(table)
            if handle is None:
                rows, version = schema.empty_table(), NO_TABLE
            else:
                where = predicate_of(table, corpus, [generation])
                rows, version = self._rows(handle, table, where, schema), handle.version()
        return TablePin(table=table, version=version, rows=rows.num_rows, digest=table_digest(rows))

    def generations(self, table: str, corpus: str) -> list[str]:
        """The generations of a corpus that have rows in a table, sorted."""
        schema_of(table)
        with self._tables.faults(table):
            handle = self._tables.open(table)
            if handle is None:
                return []
            where = predicate_of(table, corpus, None)
            partitions = handle.partitions(file_pruning_predicate=where)
        return sorted({partition.get("generation") or "" for partition in partitions})

    def dataset(
        self, table: str, predicate: str | None = None, dictionary: Sequence[str] = ()
    ) -> Any:
        """The table's files now as a `pyarrow.dataset.Dataset`; None if never written.

        A generation of "" reads as null here: Delta keeps no empty partition value.
        """
        schema_of(table)
        with self._tables.faults(table):
            handle = self._tables.open(table)
            return (
                None if handle is None else self._tables.files(handle, table, predicate, dictionary)
            )

    def earlier_matches(self, corpus: str, generations: Sequence[str], bands: pa.Table) -> pa.Table:
        """Which rows of a batch share a MinHash band with rows kept in earlier generations.

        Args:
            corpus: The corpus of both.
            generations: Where to look; "" stands for the human anchor.
            bands: `records.MINHASH_BANDS` rows of the batch, of which sample_id, band, key count.

        Returns:
            Distinct pairs, sorted: sample_id, earlier_id, earlier_text (prompt, and the response
            on a line of its own where there is one).
        """
        import pyarrow.dataset as pads

        nothing = band_matches(bands, MINHASH_BANDS.empty_table(), SAMPLE.empty_table())
        if not generations or not bands.num_rows:
            return nothing
        where = predicate_of("minhash_bands", corpus, generations)
        files = self.dataset("minhash_bands", where, dictionary=["sample_id"])
        if files is None:
            return nothing
        with self._tables.faults("minhash_bands"):
            # Arrow drops what no key of the batch hits before DuckDB joins the rest: a scan of
            # the whole dataset by DuckDB takes four times as long.
            found = files.to_table(
                columns=["generation", "sample_id", "band", "key"],
                filter=pads.field("key").isin(bands["key"].unique()),
            )
        hit = set(found["generation"].to_pylist())
        nights = sorted(hit - {None})
        names = ["sample_id", "prompt", "response"]
        texts = [self.read("filtered_batch", corpus, nights, columns=names)]
        if None in hit:
            texts.append(self.read("human_anchor", corpus, columns=names))
        return band_matches(bands, found, pa.concat_tables(texts))

    def vacuum(self, keep: Sequence[TablePin], hours: int = 24, dry_run: bool = False) -> int:
        """Deletes files that neither a table's present nor a pinned version needs.

        Args:
            keep: The pins whose versions stay readable as a whole.
            hours: Files younger than this stay, a running writer may be about to commit them.
            dry_run: Only counts them.

        Returns:
            How many files were deleted, or would be.
        """
        files = 0
        for table in TABLES:
            with self._tables.faults(table):
                handle = self._tables.open(table)
                if handle is not None:
                    versions = {pin.version for pin in keep if pin.table == table} - {NO_TABLE}
                    files += len(
                        handle.vacuum(
                            retention_hours=hours,
                            dry_run=dry_run,
                            enforce_retention_duration=False,
                            full=True,  # also what killed writers left behind
                            keep_versions=sorted(versions),
                        )
                    )
        return files

    def save_model(self, student: Student, kinds: Mapping[str, str]) -> str:
        """Writes a student to a folder named by its content hash; returns the hash."""
        return self._model_folders().save_model(student, kinds)

    def model_folder(self, model: str) -> Path:
        """The folder of a model after its file hashes were checked."""
        return self._model_folders().model_folder(model)

    def _model_folders(self) -> ModelFolders:
        if self._models is None:
            raise StoreError(
                "a local folder for models",
                f"the home {self.root}",
                "name one beside the URL",
            )
        return ModelFolders(self._models)

    def _rows(self, handle: Any, table: str, predicate: str, schema: pa.Schema) -> pa.Table:
        rows = self._tables.files(handle, table, predicate).to_table(columns=schema.names)
        if "generation" in schema.names:
            at = schema.get_field_index("generation")
            rows = rows.set_column(at, "generation", pc.fill_null(rows["generation"], ""))
        return rows.cast(schema)
