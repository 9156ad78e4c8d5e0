import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.stores.delta import NO_TABLE, DeltaStore
from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.records import (
    EVAL_REPORT,
    MINHASH_BANDS,
    SAMPLE,
    TABLES,
    TablePin,
    content_hash,
    samples_table,
    table_digest,
)

NIGHT = "2026-11-20"
EMPTY = {pa.string(): "", pa.int32(): 0, pa.int64(): 0, pa.float64(): 0.0, pa.bool_(): False}


@pytest.fixture
def store(tmp_path):
    return DeltaStore(str(tmp_path))


def rows_of(table, count=3, corpus="bank", generation=NIGHT, **values):
    schema = TABLES[table]
    rows = []
    for i in range(count):
        row = {f.name: EMPTY.get(f.type, []) for f in schema}
        row |= {"corpus": corpus, "generation": generation, "sample_id": f"{generation}-{i}"}
        row |= {"prompt": f"prompt {i}", **values}
        rows.append({name: value for name, value in row.items() if name in schema.names})
    return samples_table(rows, schema)


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_table_comes_back_with_its_schema_and_digest(store, table):
    generation = "" if table in {"human_anchor", "eval_suites", "quarantined_rows"} else NIGHT
    rows = rows_of(table, generation=generation)
    pin = store.replace(table, "bank", generation, rows)
    back = store.read(table, "bank", [generation])
    assert back.schema.equals(TABLES[table], check_metadata=True)
    assert back.equals(rows)
    assert pin.digest == table_digest(back) == table_digest(rows)
    assert (pin.rows, pin.version) == (3, 1)  # version 0 made the table
    assert store.pin(table, "bank", generation) == pin


words = st.text(max_size=8)
VALUES = {
    pa.string(): words,
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(),
    pa.bool_(): st.booleans(),
    pa.list_(pa.string()): st.lists(words, max_size=3),
    pa.map_(pa.string(), pa.string()): st.dictionaries(words, st.none() | words, max_size=3),
    pa.map_(pa.string(), pa.float64()): st.dictionaries(words, st.floats(), max_size=3),
}
samples = st.fixed_dictionaries({f.name: VALUES[f.type] for f in TABLES["judged_batch"]})


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(samples, max_size=4),
    st.text(min_size=1, max_size=8),
    st.sampled_from(["", NIGHT, "a'b/c=d"]),
)
def test_any_rows_come_back_equal(store, rows, corpus, generation):
    for row in rows:
        row.update(corpus=corpus, generation=generation)
    table = samples_table(rows, TABLES["judged_batch"])
    pin = store.replace("judged_batch", corpus, generation, table)
    back = store.read("judged_batch", corpus, [generation], version=pin.version)
    assert table_digest(back) == pin.digest == table_digest(table)
    assert back.schema.equals(table.schema)


def test_floats_keep_their_bits(store):
    values = [math.nan, -0.0, math.inf, 5e-324, 0.1 + 0.2]
    rows = rows_of("eval_report", len(values))
    at = EVAL_REPORT.get_field_index("value")
    rows = rows.set_column(at, EVAL_REPORT.field("value"), pa.array(values))
    pin = store.replace("eval_report", "bank", NIGHT, rows)
    back = store.read("eval_report", "bank")
    assert back["value"].to_numpy().tobytes() == np.array(values).tobytes()
    assert table_digest(back) == pin.digest


def test_one_partition_is_replaced_and_no_other_touched(store):
    first = store.replace(
        "synthetic_batch",
        "bank",
        "2026-11-19",
        rows_of("synthetic_batch", 4, generation="2026-11-19"),
    )
    store.replace("synthetic_batch", "shop", NIGHT, rows_of("synthetic_batch", 5, corpus="shop"))
    store.replace("synthetic_batch", "bank", NIGHT, rows_of("synthetic_batch", 6))
    pin = store.replace("synthetic_batch", "bank", NIGHT, rows_of("synthetic_batch", 2))
    assert store.read("synthetic_batch", "bank").num_rows == 4 + 2
    assert store.read("synthetic_batch", "shop").num_rows == 5
    assert store.read("synthetic_batch", "bank", [NIGHT], version=pin.version - 1).num_rows == 6
    assert store.pin("synthetic_batch", "bank", "2026-11-19").digest == first.digest
    assert store.generations("synthetic_batch", "bank") == ["2026-11-19", NIGHT]
    assert store.generations("synthetic_batch", "shop") == [NIGHT]


def test_an_empty_generation_replaces_the_old_rows(store):
    store.replace("filtered_batch", "bank", NIGHT, rows_of("filtered_batch", 5))
    pin = store.replace("filtered_batch", "bank", NIGHT, SAMPLE.empty_table())
    assert pin == TablePin(
        table="filtered_batch", version=2, rows=0, digest=table_digest(SAMPLE.empty_table())
    )
    assert store.read("filtered_batch", "bank").equals(SAMPLE.empty_table())
    assert store.pin("filtered_batch", "bank", NIGHT) == pin
    assert store.read("filtered_batch", "bank", version=1).num_rows == 5


def test_rows_keep_their_order_and_generations_are_sorted(store):
    for night in ("2026-11-21", "2026-11-19", "2026-11-20"):
        store.replace(
            "synthetic_batch", "bank", night, rows_of("synthetic_batch", 50, generation=night)
        )
    back = store.read("synthetic_batch", "bank")["sample_id"].to_pylist()
    assert back == [f"2026-11-{d}-{i}" for d in (19, 20, 21) for i in range(50)]


def test_rows_in_several_pieces_keep_their_order(store):
    rows = rows_of("synthetic_batch", count=40)
    pieces = pa.concat_tables([rows.slice(start, 5) for start in range(0, 40, 5)])
    store.replace("synthetic_batch", "bank", NIGHT, pieces)
    assert store.read("synthetic_batch", "bank", [NIGHT]).equals(rows)


def test_columns_versions_and_generations_can_be_chosen(store):
    assert store.read("synthetic_batch", "bank", columns=["label", "seed"]).column_names == [
        "label",
        "seed",
    ]
    assert store.pin("synthetic_batch", "bank", NIGHT).version == NO_TABLE
    assert store.read("synthetic_batch", "bank", version=NO_TABLE).num_rows == 0
    store.replace("synthetic_batch", "bank", NIGHT, rows_of("synthetic_batch"))
    store.replace("human_anchor", "bank", "", rows_of("human_anchor", generation=""))
    assert store.read("synthetic_batch", "bank", columns=["seed", "label"]).column_names == [
        "seed",
        "label",
    ]
    assert store.read("synthetic_batch", "bank", [], columns=["seed"]).num_rows == 0
    assert store.read("synthetic_batch", "bank", [""]).num_rows == 0
    assert store.read("human_anchor", "bank", [NIGHT]).num_rows == 0
    assert store.read("human_anchor", "bank", ["", NIGHT]).num_rows == 3
    assert store.generations("human_anchor", "bank") == [""]
    assert store.generations("eval_report", "bank") == []
    with pytest.raises(StoreError, match="wanted"):
        store.read("synthetic_batch", "bank", version=99)
    with pytest.raises(StoreError, match="version 3 of eval_report"):
        store.read("eval_report", "bank", version=3)


def test_what_does_not_fit_is_refused_and_nothing_written(store, tmp_path):
    rows = rows_of("synthetic_batch")
    nulls = rows.set_column(0, "sample_id", pa.nulls(3, pa.string()))
    for table, corpus, generation, bad in [
        ("nonsense", "bank", NIGHT, rows),
        ("synthetic_batch", "", NIGHT, rows),
        ("synthetic_batch", "shop", NIGHT, rows),
        ("synthetic_batch", "bank", "2026-11-19", rows),
        ("synthetic_batch", "bank", NIGHT, rows.drop_columns(["seed"])),
        ("synthetic_batch", "bank", NIGHT, nulls),
        ("human_anchor", "bank", NIGHT, rows_of("human_anchor", generation=NIGHT)),
    ]:
        with pytest.raises(BadInputError, match="wanted"):
            store.replace(table, corpus, generation, bad)
    with pytest.raises(BadInputError, match="sampel_id"):
        store.read("synthetic_batch", "bank", columns=["sampel_id"])
    with pytest.raises(BadInputError, match="eval_report"):
        store.read("nonsense", "bank")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_home_is_not_an_empty_one(tmp_path):
    store = DeltaStore(str(tmp_path / "nowhere"))
    with pytest.raises(StoreError, match="nowhere"):
        store.read("synthetic_batch", "bank")
    with pytest.raises(StoreError, match="nowhere"):
        store.replace("synthetic_batch", "bank", NIGHT, rows_of("synthetic_batch"))
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_table_is_an_error(store, tmp_path):
    store.replace("synthetic_batch", "bank", NIGHT, rows_of("synthetic_batch"))
    for file in (tmp_path / "tables/synthetic_batch").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(StoreError, match="synthetic_batch"):
        store.read("synthetic_batch", "bank")
    log = tmp_path / "tables/synthetic_batch/_delta_log"
    (log / "00000000000000000000.json").write_text("not JSON")
    with pytest.raises(StoreError, match="synthetic_batch"):
        store.read("synthetic_batch", "bank")
    (log / "00000000000000000000.json").unlink()
    with pytest.raises(StoreError, match="synthetic_batch"):
        store.replace("synthetic_batch", "bank", NIGHT, rows_of("synthetic_batch"))
    (log / "00000000000000000001.json").rename(log / "00000000000000000000.json.json")
    with pytest.raises(StoreError, match="synthetic_batch"):
        store.read("synthetic_batch", "bank")


def run_python(source, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", source, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        **options,
    )


FULL = """
import resource, sys
from collapse_pipeline.backends.stores.delta import DeltaStore
from collapse_pipeline.errors import StoreError
from collapse_pipeline_tests.backends.stores.test_delta import NIGHT, rows_of
store = DeltaStore(sys.argv[1])
store.replace("synthetic_batch", "bank", NIGHT, rows_of("synthetic_batch", 3))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    store.replace("synthetic_batch", "bank", NIGHT, rows_of("synthetic_batch", 50_000))
except StoreError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_write_that_the_disk_refuses_leaves_the_old_rows(store, tmp_path):
    process = run_python(FULL, tmp_path)
    said, _ = process.communicate(timeout=60)
    assert "wanted the table synthetic_batch" in said
    assert "os error 27" in said  # file too large: the limit that stands in for a full disk
    assert store.read("synthetic_batch", "bank").num_rows == 3
    assert store.pin("synthetic_batch", "bank", NIGHT).version == 1


WRITER = """
import sys
from collapse_pipeline.backends.stores.delta import DeltaStore
from collapse_pipeline_tests.backends.stores.test_delta import rows_of
home, corpus = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
store = DeltaStore(home)
for day in range(1, 11):
    night = f"2026-11-{day:02d}"
    rows = rows_of("synthetic_batch", 20 + day, corpus=corpus, generation=night)
    pin = store.replace("synthetic_batch", corpus, night, rows)
    print(night, pin.version, pin.digest, flush=True)
"""


@pytest.mark.slow
def test_three_processes_replace_different_partitions_at_once(store, tmp_path):
    corpora = ["bank", "shop", "quiz"]
    writers = [run_python(WRITER, tmp_path, corpus, stdin=subprocess.PIPE) for corpus in corpora]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    versions = []
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for corpus, writer in zip(corpora, writers, strict=True):
        said, faults = writer.communicate(timeout=120)
        assert (writer.returncode, faults) == (0, "")
        for line in said.splitlines():
            night, version, digest = line.split()
            versions.append(int(version))
            for at in (int(version), None):
                back = store.read("synthetic_batch", corpus, [night], version=at)
                assert table_digest(back) == digest
        assert store.generations("synthetic_batch", corpus) == [
            f"2026-11-{day:02d}" for day in range(1, 11)
        ]
    assert len(set(versions)) == 30


@pytest.mark.slow
def test_processes_that_fight_over_one_partition_all_get_through(store, tmp_path):
    writers = [run_python(WRITER, tmp_path, "bank", stdin=subprocess.PIPE) for _ in range(3)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, faults = writer.communicate(timeout=120)
        assert (writer.returncode, faults) == (0, "")
    assert store.read("synthetic_batch", "bank").num_rows == sum(range(21, 31))


def test_vacuum_keeps_pinned_versions_and_drops_the_rest(store, tmp_path):
    pins = [
        store.replace("synthetic_batch", "bank", NIGHT, rows_of("synthetic_batch", n, label=str(n)))
        for n in (1, 2, 3)
    ]
    orphan = tmp_path / "tables/synthetic_batch/corpus=bank/generation=2026-11-20/part-x.parquet"
    orphan.write_bytes(b"half a file")
    assert store.vacuum(pins[:1]) == 0  # all younger than a day
    assert store.vacuum(pins[:1], hours=0) == 2  # the rows of pin 2 and the orphan
    assert not orphan.exists()
    for pin in (pins[0], pins[2]):
        back = store.read("synthetic_batch", "bank", version=pin.version)
        assert table_digest(back) == pin.digest
    with pytest.raises(StoreError):
        store.read("synthetic_batch", "bank", version=pins[1].version)


def bands_of(*triples, generation=NIGHT):
    rows = [
        {"corpus": "bank", "generation": generation, "sample_id": i, "band": b, "key": k}
        for i, b, k in triples
    ]
    return samples_table(rows, MINHASH_BANDS)


def test_earlier_matches_by_hand(store):
    empty = store.earlier_matches("bank", ["", NIGHT], bands_of(("new", 0, 1)))
    assert empty.num_rows == 0
    kept = [
        ("2026-11-19", "kept", "hello", "there"),
        ("2026-11-18", "other line", "hello", ""),
    ]
    for night, name, prompt, response in kept:
        rows = rows_of(
            "filtered_batch", 1, generation=night, sample_id=name, prompt=prompt, response=response
        )
        store.replace("filtered_batch", "bank", night, rows)
        store.replace(
            "minhash_bands", "bank", night, bands_of((name, 0, 7), (name, 1, 8), generation=night)
        )
    human = rows_of("human_anchor", 1, generation="", sample_id="real", prompt="hi", response="")
    store.replace("human_anchor", "bank", "", human)
    store.replace(
        "minhash_bands", "bank", "", bands_of(("real", 0, -9), ("gone", 0, 7), generation="")
    )
    batch = bands_of(("a", 0, 7), ("a", 1, 8), ("b", 0, 8), ("c", 0, -9), ("c", 0, 7))
    pairs = store.earlier_matches("bank", ["", "2026-11-19"], batch)
    # a meets "kept" in both bands (one pair), b has key 8 in the wrong band, c meets two rows;
    # "gone" has bands but was dropped since, and "other line" was not asked for.
    assert pairs.to_pylist() == [
        {"sample_id": "a", "earlier_id": "kept", "earlier_text": "hello\nthere"},
        {"sample_id": "c", "earlier_id": "kept", "earlier_text": "hello\nthere"},
        {"sample_id": "c", "earlier_id": "real", "earlier_text": "hi"},
    ]
    assert pairs.schema.equals(empty.schema)
    assert store.earlier_matches("bank", [], batch).num_rows == 0
    assert store.earlier_matches("shop", ["2026-11-19"], batch).num_rows == 0


@pytest.mark.slow
def test_a_month_of_bands_is_searched_in_well_under_a_second(store):
    rng = np.random.default_rng(0)
    rows, width = 5_000, 16
    nights = [f"2026-11-{day:02d}" for day in range(1, 31)]
    for night in nights:
        ids = np.array([content_hash(night, str(i)) for i in range(rows)])
        bands = pa.table(
            {
                "corpus": np.full(rows * width, "bank"),
                "generation": np.full(rows * width, night),
                "sample_id": np.repeat(ids, width),
                "band": np.tile(np.arange(width, dtype=np.int32), rows),
                "key": rng.integers(-(2**63), 2**63 - 1, rows * width),
            }
        )
        store.replace("minhash_bands", "bank", night, bands.cast(MINHASH_BANDS))
    kept = rows_of("filtered_batch", rows, generation=nights[-1])
    kept = kept.set_column(0, SAMPLE.field("sample_id"), pa.array(ids))
    store.replace("filtered_batch", "bank", nights[-1], kept)
    start = time.perf_counter()
    pairs = store.earlier_matches("bank", nights, bands)
    seconds = time.perf_counter() - start
    assert pairs.num_rows == rows
    assert seconds < 3  # 0.2 on an idle machine; wide, for a busy one


@pytest.mark.real_data
def test_banking77_comes_back_equal(store, shared_data):
    real = pq.read_table(shared_data / "banking77.parquet").slice(0, 5_000)
    prompts = real["text"].to_pylist()
    rows = [
        row | {"prompt": prompt, "sample_id": content_hash(prompt)}
        for row, prompt in zip(
            rows_of("human_anchor", len(prompts), generation="").to_pylist(), prompts, strict=True
        )
    ]
    table = samples_table(rows, TABLES["human_anchor"])
    pin = store.replace("human_anchor", "bank", "", table)
    back = store.read("human_anchor", "bank")
    assert back["prompt"].to_pylist() == prompts
    assert table_digest(back) == pin.digest
