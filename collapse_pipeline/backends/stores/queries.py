"""Questions over the tables: DuckDB, in memory, over Arrow data. Nothing here writes."""

from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.records import TABLES

# A query sees the tables and nothing else: no file, no network, no extension, no variable of ours.
SANDBOX = """
SET autoinstall_known_extensions = false;
SET autoload_known_extensions = false;
SET temp_directory = '';
SET enable_external_access = false;
SET lock_configuration = true;
"""


class Tables(Protocol):
    """What a query needs of a store."""

    def dataset(
        self, table: str, predicate: str | None = None, dictionary: Sequence[str] = ()
    ) -> Any:
        """The table's files now as a `pyarrow.dataset.Dataset`, None if never written."""
        ...


def query(store: Tables, sql: str, limit: int | None = None) -> pa.Table:
    """Answers one SQL query over the tables, which stand under their names.

    Args:
        store: Where the tables are; one never written stands there without rows.
        sql: One statement that returns rows, in DuckDB's dialect.
        limit: At most this many rows.

    Raises:
        BadInputError: The SQL is wrong, returns nothing, or reaches outside the tables.
        StoreError: The home cannot be read.
    """
    import duckdb

    with duckdb.connect() as connection:
        for table, schema in TABLES.items():
            files = store.dataset(table)
            if files is None:
                connection.register(table, schema.empty_table())
            elif table == "minhash_bands":  # the one table whose generation may be ""
                connection.register("minhash_bands_files", files)
                connection.execute(
                    "CREATE VIEW minhash_bands AS SELECT * REPLACE "
                    "(coalesce(generation, '') AS generation) FROM minhash_bands_files"
                )
            else:
                connection.register(table, files)
        connection.execute(SANDBOX)
        try:
            statements = connection.extract_statements(sql)
            rows_only = [duckdb.ExpectedResultType.QUERY_RESULT]
            if [one.expected_result_type for one in statements] != [rows_only]:
                raise BadInputError("one SQL statement that reads", repr(sql), "begin with SELECT")
            answer = connection.sql(sql)
            twice = sorted({name for name in answer.columns if answer.columns.count(name) > 1})
            if twice:
                got = f"{', '.join(twice)} more than once"
                raise BadInputError("every column of the answer by its own name", got, "use AS")
            return (answer if limit is None else answer.limit(limit)).to_arrow_table()
        except duckdb.Error as error:
            raise BadInputError(
                "SQL that DuckDB understands, over the tables alone",
                str(error),
                f"the tables are {', '.join(sorted(TABLES))}",
            ) from error


def band_matches(batch: pa.Table, found: pa.Table, texts: pa.Table) -> pa.Table:
    """Pairs of rows that share a MinHash band.

    Args:
        batch: sample_id, band, key of the new rows.
        found: sample_id, band, key of earlier rows.
        texts: sample_id, prompt, response of earlier rows; one without a text is no match.

    Returns:
        Distinct pairs, sorted: sample_id, earlier_id, earlier_text (prompt, and the response on a
        line of its own where there is one).
    """
    import duckdb

    with duckdb.connect() as connection:
        connection.register("batch", batch)
        connection.register("found", found)
        connection.register("texts", texts)
        return connection.sql(
            "SELECT DISTINCT batch.sample_id, texts.sample_id AS earlier_id, prompt || "
            "CASE WHEN response = '' THEN '' ELSE chr(10) || response END AS earlier_text "
            "FROM batch JOIN found USING (band, key) "
            "JOIN texts ON texts.sample_id = found.sample_id ORDER BY ALL"
        ).to_arrow_table()
