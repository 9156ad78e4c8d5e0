"""Verdicts of persons, from a file into the ledger: all of it or nothing, and once."""

import csv
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collapse_pipeline.defs.reviewing import record_review
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.govern import Act
from collapse_pipeline_tests.defs.nights import CORPUS, NIGHTS, night, shop_with, take_in


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with three nights, of which the last two wrote eight rows each."""
    home = take_in(tmp_path_factory.mktemp("made"))
    with shop_with(home) as shop:
        for day in NIGHTS[:3]:
            night(shop, day)
    return home


@pytest.fixture
def shop(made, tmp_path):
    shutil.copytree(made, tmp_path / "home")
    with shop_with(tmp_path / "home") as shop:
        yield shop


@pytest.fixture
def samples(shop):
    rows = shop.store.read("synthetic_batch", CORPUS, columns=["sample_id", "generation"])
    return [(row["sample_id"], row["generation"]) for row in rows.to_pylist()]


def verdict(sample, verdict="accept", reviewer="ann", time="2026-11-02T09:30:00"):
    return {"sample": sample, "verdict": verdict, "reviewer": reviewer, "time": time}


def write(path, rows):
    match path.suffix:
        case ".csv":
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def recorded(shop):
    return shop.ledger.events(corpus=CORPUS, kinds=[Act.REVIEW_RECORDED])


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_file_by_hand(shop, samples, tmp_path, suffix):
    rows = [
        verdict(samples[0][0]),
        verdict(samples[1][0], "Reject ", "bob"),
        verdict(samples[8][0], time="2026-11-02 10:00"),
    ]
    said = record_review(shop, write(tmp_path / f"verdicts{suffix}", rows), "carl")
    assert said["rows"] == 3
    (review,) = said["reviews"]
    assert review == {
        "corpus": CORPUS,
        "new": True,
        "rows": 3,
        "verdicts": {"accept": 2, "reject": 1},
        "reviewers": ["ann", "bob"],
        "generations": {NIGHTS[1]: 2, NIGHTS[2]: 1},
    }
    (event,) = recorded(shop)
    assert (event.actor, event.role, event.generation) == ("carl", "monitor", "")
    assert {"sample": samples[1][0], "verdict": "reject"}.items() <= next(
        v for v in event.payload["verdicts"] if v["reviewer"] == "bob"
    ).items()
    assert shop.governance(CORPUS).reviewed == {
        NIGHTS[1]: {samples[0][0], samples[1][0]},
        NIGHTS[2]: {samples[8][0]},
    }


def test_the_same_verdicts_are_recorded_once_from_whatever_file(shop, samples, tmp_path):
    rows = [verdict(sample) for sample, _ in samples[:4]]
    assert record_review(shop, write(tmp_path / "a.csv", rows), "ann")["reviews"][0]["new"]
    again = write(tmp_path / "b.jsonl", rows[::-1])
    assert not record_review(shop, again, "ann")["reviews"][0]["new"]
    assert len(recorded(shop)) == 1
    more = write(tmp_path / "c.csv", [*rows, verdict(samples[5][0])])
    assert record_review(shop, more, "ann")["reviews"][0]["new"]
    assert len(shop.governance(CORPUS).reviewed[NIGHTS[1]]) == 5  # four of them twice


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"sample": "nobody"}, "row 2: sample 'nobody' was not written for customer_service"),
        ({"sample": ""}, "row 2: no sample"),
        ({"verdict": "maybe"}, "row 2: verdict 'maybe' is neither accept nor reject"),
        ({"verdict": ""}, "row 2: no verdict"),
        ({"reviewer": " "}, "row 2: no reviewer"),
        ({"time": "yesterday"}, "row 2: time 'yesterday' is no ISO time"),
        ({"time": ""}, "row 2: no time"),
    ],
)
def test_one_bad_row_refuses_the_file_and_nothing_is_lost(shop, samples, tmp_path, bad, match):
    rows = [verdict(sample) for sample, _ in samples[:3]]
    rows[1] |= bad
    file = write(tmp_path / "verdicts.csv", rows)
    with pytest.raises(BadInputError) as told:
        record_review(shop, file, "ann")
    assert told.value.got == f"1 bad rows of 3: {match}"
    assert "nothing of it was recorded" in told.value.do
    assert recorded(shop) == []
    rows[1] = verdict(samples[1][0])
    record_review(shop, write(file, rows), "ann")
    assert len(recorded(shop)[0].payload["verdicts"]) == 3


def test_many_bad_rows_are_counted_and_some_are_named(shop, tmp_path):
    rows = [verdict(f"nobody {n}") for n in range(9)]
    with pytest.raises(BadInputError, match=r"9 bad rows of 9: row 1: .*row 5: .*; and 4 more"):
        record_review(shop, write(tmp_path / "verdicts.csv", rows), "ann")


def test_a_sample_judged_twice_by_one_person_is_refused_and_by_two_is_not(shop, samples, tmp_path):
    rows = [verdict(samples[0][0]), verdict(samples[0][0], "reject")]
    with pytest.raises(BadInputError, match="row 2: ann judged this sample in row 1 already"):
        record_review(shop, write(tmp_path / "verdicts.csv", rows), "ann")
    rows[1]["reviewer"] = "bob"
    assert record_review(shop, write(tmp_path / "verdicts.csv", rows), "ann")["rows"] == 2


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("none.csv", None, "nothing there"),
        ("empty.csv", "", "an empty file"),
        ("header.csv", "sample,verdict,reviewer,time\n", "no row"),
        ("column.csv", "sample,verdict,reviewer\na,accept,ann\n", "column 'time'"),
        ("kind.xlsx", "x", "a file that ends in one of"),
        ("bytes.csv", b"sample,verdict,reviewer,time\n\xff,accept,ann,2026-11-02\n", "utf8"),
    ],
)
def test_a_file_that_is_no_review(shop, tmp_path, name, text, match):
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadInputError, match=match):
        record_review(shop, path, "ann")
    assert recorded(shop) == []


def test_who_may_record_is_configuration(made, tmp_path, samples):
    shutil.copytree(made, tmp_path / "other")
    roles = {"roles": {"monitor": ["dora"]}}
    with shop_with(tmp_path / "other", governance=roles) as shop:
        file = write(tmp_path / "verdicts.csv", [verdict(samples[0][0])])
        with pytest.raises(BadInputError, match="dora, who may do this as monitor"):
            record_review(shop, file, "ann")
        record_review(shop, file, "dora", CORPUS)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 15), min_size=1, unique=True), st.randoms())
def test_in_any_order_every_verdict_is_there_once(shop, samples, tmp_path, picks, random):
    before = {s for day in shop.governance(CORPUS).reviewed.values() for s in day}
    rows = [verdict(samples[pick][0]) for pick in picks]
    write(tmp_path / "a.csv", rows)
    random.shuffle(rows)
    write(tmp_path / "b.csv", rows)
    record_review(shop, tmp_path / "a.csv", "ann")
    assert not record_review(shop, tmp_path / "b.csv", "ann")["reviews"][0]["new"]
    after = {s for day in shop.governance(CORPUS).reviewed.values() for s in day}
    assert after == before | {samples[pick][0] for pick in picks}
