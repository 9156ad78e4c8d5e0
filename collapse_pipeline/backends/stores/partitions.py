"""How a table's rows lie on disk: which partition, which schema, which predicate picks them."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.records import TABLES

WITHOUT_GENERATION = frozenset({"human_anchor", "eval_suites", "quarantined_rows"})


def partition_columns(table: str) -> list[str]:
    """The columns that a table is partitioned by."""
    return ["corpus"] if table in WITHOUT_GENERATION else ["corpus", "generation"]


def schema_of(table: str, columns: Sequence[str] | None = None) -> pa.Schema:
    """The schema of a table, or of some columns of it."""
    if table not in TABLES:
        raise BadInputError("a table", repr(table), f"choose one of {', '.join(sorted(TABLES))}")
    schema = TABLES[table]
    if columns is None:
        return schema
    unknown = sorted(set(columns) - set(schema.names))
    if unknown:
        raise BadInputError(
            f"columns of {table}", ", ".join(unknown), f"choose from {', '.join(schema.names)}"
        )
    return pa.schema([schema.field(name) for name in columns])


def stored_schema(table: str) -> pa.Schema:
    """The schema on disk: Delta stores an empty partition value as null."""
    schema = TABLES[table]
    if table in WITHOUT_GENERATION:
        return schema
    at = schema.get_field_index("generation")
    return schema.set(at, schema.field(at).with_nullable(True))


def stored_rows(table: str, rows: pa.Table) -> pa.Table:
    """Rows as they go to disk, in one piece: several would be written in any order."""
    if table not in WITHOUT_GENERATION:
        at = rows.schema.get_field_index("generation")
        named = rows["generation"]
        empty = pc.equal(named, "")
        rows = rows.set_column(at, "generation", pc.if_else(empty, None, named))
    return rows.cast(stored_schema(table)).combine_chunks()


def fitted_rows(table: str, corpus: str, generation: str, rows: pa.Table) -> pa.Table:
    """Rows in exactly the table's schema, or an error that says what does not fit."""
    schema = schema_of(table)
    if not corpus or (generation and table in WITHOUT_GENERATION):
        raise BadInputError(
            f"a corpus, and a generation where {table} has any",
            f"corpus {corpus!r}, generation {generation!r}",
            "name the corpus; tables without generations take ''",
        )
    if sorted(rows.column_names) != sorted(schema.names):
        raise BadInputError(
            f"the columns {', '.join(schema.names)} of {table}",
            ", ".join(rows.column_names),
            "add or drop columns",
        )
    try:
        rows = rows.select(schema.names).cast(schema)
        rows.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        raise BadInputError(
            f"rows that fit the schema of {table}", str(error)[:300], "mend the rows"
        ) from error
    for name, value in (("corpus", corpus), ("generation", generation)):
        if name in schema.names:
            others = sorted(set(pc.unique(rows[name]).to_pylist()) - {value})
            if others:
                raise BadInputError(
                    f"rows of {name} {value!r} for {table}", repr(others[:3]), "split the rows"
                )
    return rows


def predicate_of(table: str, corpus: str, generations: Sequence[str] | None) -> str:
    """SQL over the partition columns that picks exactly the files of a corpus's generations."""
    of_corpus = f"corpus = {_quoted(corpus)}"
    if generations is None:
        return of_corpus
    if table in WITHOUT_GENERATION:
        return of_corpus if "" in generations else f"{of_corpus} AND FALSE"
    named = ", ".join(_quoted(generation) for generation in sorted({*generations} - {""}))
    choices = [f"generation IN ({named})"] if named else []
    if "" in generations:
        choices.append("generation IS NULL")
    return f"{of_corpus} AND ({' OR '.join(choices)})"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
