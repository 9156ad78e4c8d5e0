import pyarrow as pa

from collapse_pipeline.loop.filter_duplicates import (
    BUCKET,
    EARLIER_MATCHES,
    EarlierRows,
    KeptRows,
    shared_buckets,
)
from collapse_pipeline.metrics.minhash import band_keys, signatures

LONG = " ".join(f"w{i}" for i in range(30))  # 28 shingles


def matches(*rows):
    columns = EARLIER_MATCHES.names
    return pa.Table.from_pylist(
        [dict(zip(columns, row, strict=True)) for row in rows], schema=EARLIER_MATCHES
    )


def test_only_shared_buckets_count():
    keys = band_keys(signatures([LONG, "alone here today", LONG.upper()]))
    found = shared_buckets(keys)
    assert found[0] == found[2]
    assert len(found[0]) == 16
    assert found[1] == []


def test_the_nearest_kept_row_is_found():
    kept = KeptRows(0.8)
    kept.add(4, LONG + " a b c", [7])  # 28 of 31
    kept.add(9, LONG + " a", [7, 8])  # 28 of 29
    assert kept.nearest(LONG, [7]) == 9
    assert kept.nearest(LONG, [3]) == -1
    assert kept.nearest("something else entirely", [7]) == -1
    assert KeptRows(None).nearest(LONG, [7]) == -1


def test_a_bucket_stays_small():
    kept = KeptRows(0.8)
    for row in range(BUCKET):
        kept.add(row, f"text number {row}", [1])
    kept.add(BUCKET, LONG, [1, 2])
    assert kept.nearest(LONG, [1]) == -1
    assert kept.nearest(LONG, [2]) == BUCKET


def test_earlier_rows_by_hand():
    rows = matches(
        ("a", "h2", LONG + " x"),  # 28 of 29
        ("a", "h1", LONG + " y"),  # as similar: the smaller id
        ("a", "h0", LONG + " x y z"),  # 28 of 31
        ("a", "a", LONG),  # the row itself
        ("b", "h3", LONG),
    )
    near, equal = EarlierRows(rows, 0.8), EarlierRows(rows, None)
    assert near.repeated("a", LONG) == "h1"
    assert near.repeated("c", LONG) == ""
    assert equal.repeated("a", LONG) == ""
    assert equal.repeated("b", LONG.upper()) == "h3"
