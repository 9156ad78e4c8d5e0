import pytest

from collapse_pipeline.backends.stores.delta import DeltaStore
from collapse_pipeline.backends.stores.queries import query
from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.records import TABLES
from collapse_pipeline_tests.backends.stores.test_delta import NIGHT, bands_of, rows_of


@pytest.fixture
def store(tmp_path):
    store = DeltaStore(str(tmp_path))
    store.replace("synthetic_batch", "bank", NIGHT, rows_of("synthetic_batch", 3, label="fee"))
    store.replace(
        "synthetic_batch", "shop", NIGHT, rows_of("synthetic_batch", 2, corpus="shop", label="fee")
    )
    return store


def test_counts_by_hand(store):
    answer = query(store, "SELECT corpus, count(*) AS n FROM synthetic_batch GROUP BY 1 ORDER BY 1")
    assert answer.to_pylist() == [{"corpus": "bank", "n": 3}, {"corpus": "shop", "n": 2}]


def test_every_table_can_be_asked_even_before_it_was_written(store):
    for table, schema in TABLES.items():
        answer = query(store, f"SELECT * FROM {table} LIMIT 1")
        assert answer.column_names == schema.names
    assert query(store, "SELECT * FROM synthetic_batch", limit=4).num_rows == 4


def test_the_anchor_bands_have_the_generation_they_were_given(store):
    store.replace("minhash_bands", "bank", "", bands_of(("a", 0, 1), generation=""))
    store.replace("minhash_bands", "bank", NIGHT, bands_of(("b", 0, 1), generation=NIGHT))
    answer = query(store, "SELECT generation, sample_id FROM minhash_bands ORDER BY ALL")
    assert answer.to_pylist() == [
        {"generation": "", "sample_id": "a"},
        {"generation": NIGHT, "sample_id": "b"},
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELEC 1",
        "SELECT * FROM syntetic_batch",
        "SELECT 1 / 'x'",
        "",
        "CREATE TABLE t AS SELECT 1",
        "SELECT 1; SELECT 2",
        "DELETE FROM synthetic_batch",
    ],
)
def test_wrong_sql_is_said_with_the_tables_there_are(store, sql):
    with pytest.raises(BadInputError, match=r"synthetic_batch|SELECT"):
        query(store, sql)


def test_a_query_reaches_nothing_but_the_tables(store, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    out = tmp_path / "out.csv"
    for sql in [
        f"SELECT * FROM '{secret}'",
        f"SELECT * FROM read_csv('{secret}')",
        f"SELECT * FROM read_text('{secret}')",
        f"SELECT * FROM glob('{tmp_path}/*')",
        f"COPY synthetic_batch TO '{out}'",
        f"ATTACH '{tmp_path}/other.duckdb'",
        f"SET enable_external_access = true; SELECT * FROM read_text('{secret}')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM files",  # a variable of the function that asks
        "SET threads = 1",
    ]:
        with pytest.raises(BadInputError):
            query(store, sql)
    assert not out.exists()


def test_a_missing_home_is_said_so(tmp_path):
    with pytest.raises(StoreError, match="nowhere"):
        query(DeltaStore(str(tmp_path / "nowhere")), "SELECT 1")
