import csv
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.readers import text
from collapse_pipeline.backends.readers.files import Columns, read_batches
from collapse_pipeline.errors import BadInputError

PLAIN = Columns(prompt="text", label="label")


def read(path: Path, columns: Columns = PLAIN, rows: int = 50_000) -> list[dict[str, object]]:
    return [row for frame in read_batches(path, columns, rows) for row in frame.to_pylist()]


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def reasons(rows: list[dict[str, object]]) -> list[object]:
    return [row["reason"] for row in rows]


def test_every_format_reads_the_same(tmp_path):
    table = pa.table({"text": ["a, b", 'say "hi"\nyou'], "label": ["x", "y"], "other": [1, 2]})
    pq.write_table(table, tmp_path / "t.parquet")
    for name, options in (("t.arrow", pa.ipc.new_file), ("t.feather", pa.ipc.new_stream)):
        with options(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
    lines = "".join(json.dumps(row) + "\n" for row in table.to_pylist())
    (tmp_path / "t.jsonl").write_text(lines)
    (tmp_path / "t.ndjson").write_text(lines)
    for name, delimiter in (("t.csv", ","), ("t.tsv", "\t")):
        with (tmp_path / name).open("w", newline="") as handle:
            writer = csv.DictWriter(handle, table.column_names, delimiter=delimiter)
            writer.writeheader()
            writer.writerows(table.to_pylist())
    for path in sorted(tmp_path.iterdir()):
        rows = read(path)
        assert [(r["source_row"], r["prompt"], r["label"], r["reason"]) for r in rows] == [
            (0, "a, b", "x", ""),
            (1, 'say "hi"\nyou', "y", ""),
        ], path.name


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=12), st.integers(1, 5))
def test_any_text_comes_back_as_it_was_written(pairs, size):
    with tempfile.TemporaryDirectory() as folder:
        table = pa.table({"text": [p for p, _ in pairs], "label": [label for _, label in pairs]})
        pq.write_table(table, Path(folder) / "t.parquet")
        with (Path(folder) / "t.csv").open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([("text", "label"), *pairs])
        lines = "".join(json.dumps(row) + "\n" for row in table.to_pylist())
        (Path(folder) / "t.jsonl").write_text(lines)
        for path in Path(folder).iterdir():
            rows = read(path, rows=size)
            assert [(row["prompt"], row["label"]) for row in rows] == pairs
            assert [row["source_row"] for row in rows] == list(range(len(pairs)))
            assert set(reasons(rows)) == {""}


def test_columns_play_several_parts_and_missing_cells_are_null(tmp_path):
    path = written(tmp_path, "t.jsonl", b'{"q":"one","a":null,"w":3.0}\n{"q":true,"w":[1,"x"]}\n')
    columns = Columns(prompt="q", response="a", label="w", groups=("w", "q"))
    first, second = read(path, columns)
    assert (first["response"], first["label"], first["attribute.w"]) == (None, "3", "3")
    assert (second["prompt"], second["response"], second["label"]) == ("true", None, '[1,"x"]')
    assert second["attribute.q"] == "true"


def test_bad_csv_rows_are_told_and_reading_goes_on(tmp_path):
    path = written(
        tmp_path,
        "t.csv",
        b"\xef\xbb\xbftext,label\r\n"  # a byte order mark, CRLF
        b"good,x\r\n"
        b"three,cells,here\r\n"
        b"bad \xff byte,x\r\n"
        b"\r\n"  # no row
        b'"two\r\nlines, and a ""quote""",x\r\n'
        b"nul\x00byte,x\r\n"
        b"alone\r\n"
        b"last,x",
    )
    rows = read(path, rows=2)
    assert [row["source_row"] for row in rows] == list(range(7))
    assert reasons(rows) == ["", "malformed_row", "invalid_utf8", "", "", "malformed_row", ""]
    assert rows[1]["detail"] == "3 cells where the header has 2"
    assert rows[1]["raw"] == "three,cells,here"
    assert rows[2]["prompt"] == "bad \\xff byte"
    assert rows[3]["prompt"] == 'two\r\nlines, and a "quote"'
    assert rows[4]["prompt"] == "nul\x00byte"


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path):
    lines = ["text,label", "one,x", '"two,x', *(f"row {i},x" for i in range(50))]
    rows = read(written(tmp_path, "t.csv", "\n".join(lines).encode()))
    assert reasons(rows) == ["", "malformed_row"] + [""] * 50
    assert rows[1]["raw"] == '"two,x\n'
    # Closed by the quote of a later row, it must not take that row along either.
    rows = read(written(tmp_path, "u.csv", b'text,label\n"one,x\ntwo,x\n"three",x\nfour,x\n'))
    assert reasons(rows) == ["malformed_row", "", "", ""]
    assert [row["prompt"] for row in rows[1:]] == ["two", "three", "four"]


def test_long_cells_and_endless_records(tmp_path, monkeypatch):
    path = written(tmp_path, "t.csv", b"text,label\n" + b"a" * 1_000_000 + b",x\nshort,x\n")
    rows = read(path)
    assert [len(str(row["prompt"])) for row in rows] == [1_000_000, 5]
    monkeypatch.setattr(text, "MAX_RECORD", 1000)
    rows = read(path)  # the rest of the endless line is no row of its own
    assert reasons(rows) == ["malformed_row", ""]
    lines = b'{"text":"' + b"a" * 5000 + b'","label":"x"}\n{"text":"short","label":"x"}\n'
    rows = read(written(tmp_path, "t.jsonl", lines))
    assert reasons(rows) == ["malformed_row", ""]
    assert len(str(rows[0]["raw"])) == text.RAW_KEPT


def test_bad_json_lines_are_told_and_reading_goes_on(tmp_path):
    path = written(
        tmp_path,
        "t.jsonl",
        b'\xef\xbb\xbf{"text":"good","label":"x"}\r\n'
        b'["an","array"]\n'
        b"\n   \n"  # no rows
        b'{"text": broken}\n'
        b'{"text":"bad \xff","label":"x"}\n'
        b'{"text":"half \\ud800","label":"x"}\n' + b"[" * 100_000 + b"\n"
        b'{"label":"no text"}',
    )
    rows = read(path)
    assert [row["source_row"] for row in rows] == list(range(7))
    bad = ["malformed_row", "malformed_row", "invalid_utf8", "invalid_utf8", "malformed_row"]
    assert reasons(rows) == ["", *bad, ""]
    assert rows[0]["prompt"] == "good"
    assert rows[1]["detail"] == "list where a JSON object is wanted"
    assert rows[3]["raw"] == '{"text":"bad \\xff","label":"x"}'
    assert rows[6]["prompt"] is None


def test_arrow_columns_of_any_type_are_text(tmp_path):
    raw = pa.array([b"fine", b"\xff", None])
    unchecked = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    columns = {
        "text": unchecked,
        "category": pa.array(["a", "b", "a"]).dictionary_encode(),
        "nothing": pa.nulls(3),
        "number": pa.array([1.0, 2.5, float("nan")]),
        "yes": pa.array([True, False, None]),
        "day": pa.array([20_000, 1, None], pa.date32()),
        "list": pa.array([["a"], [], None]),
        "view": pa.array(["v", "w", None], pa.string_view()),
        "bytes": raw,
        "interval": pa.array([(1, 2, 3), None, None], pa.month_day_nano_interval()),
    }
    table = pa.table(columns)
    with pa.ipc.new_file(tmp_path / "t.arrow", table.schema) as writer:
        writer.write_table(table)
    wanted = Columns(prompt="text", groups=tuple(columns)[1:])
    rows = read(tmp_path / "t.arrow", wanted, rows=2)
    got = {name: [row[f"attribute.{name}"] for row in rows] for name in wanted.groups}
    assert [row["prompt"] for row in rows] == ["fine", "\\xff", None]
    assert reasons(rows) == ["", "invalid_utf8", ""]
    assert got["category"] == ["a", "b", "a"]
    assert got["nothing"] == [None, None, None]
    assert got["number"] == ["1", "2.5", None]
    assert got["yes"] == ["true", "false", None]
    assert got["day"] == ["2024-10-04", "1970-01-02", None]
    assert got["list"] == ['["a"]', "[]", None]
    assert got["view"] == ["v", "w", None]
    assert got["bytes"] == ["fine", "\\xff", None]
    assert got["interval"][1:] == [None, None]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.csv", b"", "empty file"),
        ("t.csv", b"\n\n", "blank lines"),
        ("t.csv", b"words,label\na,b\n", "it has: words, label"),
        ("t.csv", b"text,label,text\na,b,c\n", "2 of that name"),
        ("t.csv", "text,label\na,b\n".encode("utf-16"), "UTF-16"),
        ("t.jsonl", b'{"words":"a","label":"x"}\n', "it has: label, words"),
        ("t.parquet", b"PAR1 is not enough", "cannot be read as one"),
        ("t.arrow", b"nothing of the kind", "cannot be read as one"),
        ("t.xlsx", b"PK", "t.xlsx"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, told):
    with pytest.raises(BadInputError, match=told):
        read_batches(written(tmp_path, name, content), PLAIN)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(BadInputError, match="nothing there"):
        read_batches(tmp_path / "absent.csv", PLAIN)
    with pytest.raises(BadInputError, match="a folder"):
        read_batches(tmp_path, PLAIN)


def test_duplicate_columns_elsewhere_do_no_harm(tmp_path):
    table = pa.Table.from_arrays(
        [pa.array(["a"]), pa.array(["x"]), pa.array([1]), pa.array([2])],
        names=["text", "label", "twice", "twice"],
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert [row["prompt"] for row in read(tmp_path / "t.parquet")] == ["a"]
    with pytest.raises(BadInputError, match="2 of that name"):
        read_batches(tmp_path / "t.parquet", Columns(prompt="twice"))


def test_a_header_alone_has_no_rows(tmp_path):
    assert read(written(tmp_path, "t.csv", b"text,label\n")) == []


def test_a_file_that_breaks_off_is_an_error_not_a_short_corpus(tmp_path):
    table = pa.table({"text": [f"row {i}" for i in range(5000)], "label": ["x"] * 5000})
    pq.write_table(table, tmp_path / "whole.parquet", compression="none", row_group_size=500)
    whole = (tmp_path / "whole.parquet").read_bytes()
    damaged = whole[:3000] + b"\x00" * 3000 + whole[6000:]
    with pytest.raises(BadInputError, match="cannot be read as one"):
        read(written(tmp_path, "damaged.parquet", damaged))


@pytest.mark.real_data
def test_banking77_in_batches(shared_data):
    columns = Columns(prompt="text", label="label", split="split")
    frames = list(read_batches(shared_data / "banking77.parquet", columns, rows=5000))
    assert [frame.num_rows for frame in frames] == [5000, 5000, 3083]
    assert frames[-1]["source_row"][-1].as_py() == 13_082
    assert set(frames[0]["reason"].to_pylist()) == {""}
    assert len(set(pa.concat_tables(frames)["label"].to_pylist())) == 77
