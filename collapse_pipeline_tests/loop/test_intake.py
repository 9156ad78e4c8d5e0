import json
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.readers.files import Columns, read_batches
from collapse_pipeline.backends.shape_check import check_shape
from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.loop.accept import accept
from collapse_pipeline.loop.arrival import Arrival
from collapse_pipeline.loop.intake import IntakePlan, take_in
from collapse_pipeline.loop.intake_frames import RAW_CELL, frames_of
from collapse_pipeline.records import (
    EVAL_SUITES,
    HUMAN_ANCHOR,
    QUARANTINED_ROWS,
    human_sample_id,
    table_digest,
)

FIRST = "2026-11-20"


def plan(**changes) -> IntakePlan:
    return IntakePlan(**{"corpus": "c", "arrival": Arrival(first_generation=FIRST)} | changes)


def many(count: int) -> list[dict[str, object]]:
    """Rows that resemble each other too little to be near-duplicates."""
    return [
        {
            "prompt": f"w{n} x{n * 7} y{n * 13} z{n * 29} end",
            "label": f"label{n % 8}",
            "response": "",
            "attributes": {"locale": "en" if n % 2 else "de"},
        }
        for n in range(count)
    ]


def test_each_row_is_accepted_or_has_its_reason():
    labelled = [
        ("  hello\r\nthere ", "greet"),  # 0 trimmed, line end unified
        ("hello\nthere", "greet"),  # 1 the same again
        ("what?", "ask"),  # 2 and 3: nobody knows which is right
        ("what?", "tell"),
        ("what?", "ask"),  # 4 a repetition, but of a row that is doubtful itself
        ("bye", "greet"),  # 5
    ]
    rows = [{"prompt": prompt, "label": label} for prompt, label in labelled]
    done = accept(frames_of(rows, size=4), "c")
    assert done.rows["source_row"].to_pylist() == [0, 5]
    assert done.rows["prompt"].to_pylist() == ["hello\nthere", "bye"]
    assert done.rows["sample_id"][0].as_py() == human_sample_id("c", "greet", "hello\nthere", "")
    told = done.quarantine.table().to_pylist()
    assert [(row["source_row"], row["reason"], row["detail"]) for row in told] == [
        (1, "exact_duplicate", "repeats row 0"),
        (2, "conflicting_label", "labelled ask, tell"),
        (3, "conflicting_label", "labelled ask, tell"),
        (4, "conflicting_label", "labelled ask, tell"),
    ]
    assert done.counts.model_dump() == {
        "read": 6,
        "accepted": 2,
        "quarantined": 4,
        "reasons": {"conflicting_label": 3, "exact_duplicate": 1},
    }


def test_one_prompt_may_have_several_responses():
    rows = [{"prompt": "q", "response": response} for response in ("a", "b", "a")]
    done = accept(frames_of(rows), "c")
    assert done.counts.reasons == {"exact_duplicate": 1}


texts = st.sampled_from(["a", "b", " b", "c", "", "d\n"])
sources = st.lists(st.fixed_dictionaries({"prompt": texts, "label": texts}), max_size=30)


def shaped(frame: pa.Table) -> pa.Table:
    """A shape check in one line, for a law that is tried many times."""
    found = ["" if prompt else "empty_prompt" for prompt in frame["prompt"].to_pylist()]
    place = frame.column_names.index("reason")
    return frame.set_column(place, "reason", pa.array(found, pa.large_string()))


@settings(max_examples=60, deadline=None)
@given(sources, st.integers(1, 7))
def test_read_is_accepted_and_quarantined(rows, size):
    done = accept(map(shaped, frames_of(rows, size)), "c")
    quarantined = done.quarantine.table()
    assert quarantined.schema == QUARANTINED_ROWS
    places = done.rows["source_row"].to_pylist() + quarantined["source_row"].to_pylist()
    assert sorted(places) == list(range(len(rows)))
    assert done.counts.read == len(rows) == done.counts.accepted + done.counts.quarantined
    assert done.counts.reasons == dict(Counter(quarantined["reason"].to_pylist()))
    assert len(set(done.rows["sample_id"].to_pylist())) == done.rows.num_rows
    whole = accept(map(shaped, frames_of(rows)), "c")  # batches make no difference
    assert table_digest(whole.rows) == table_digest(done.rows)
    assert table_digest(whole.quarantine.table()) == table_digest(quarantined)


def test_quarantine_keeps_what_stood_there_but_not_all_of_it(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"q,l\nbad \xff,x\n" + b"a" * 1_000_000 + b",x\nragged\n,\n")
    frames = map(check_shape, read_batches(path, Columns(prompt="q", label="l")))
    rows = accept(frames, "c").quarantine.table().to_pylist()
    raws = [json.loads(row["raw"]) for row in rows]
    assert [row["reason"] for row in rows] == [
        "invalid_utf8",
        "too_long",
        "malformed_row",
        "empty_prompt",
    ]
    assert raws[0] == {"prompt": "bad \\xff", "label": "x"}
    assert raws[1]["prompt"] == "a" * RAW_CELL + " ... (1000000 characters)"
    assert raws[2] == "ragged"
    assert raws[3] == {"prompt": "", "label": ""}


def test_everything_fits_together():
    done = take_in(frames_of(many(600)), plan())
    assert done.anchor.schema == HUMAN_ANCHOR
    assert done.suites.schema == EVAL_SUITES
    assert done.counts.accepted == done.anchor.num_rows == 600
    assert done.splits == {"train": 448, "eval": 152, "withheld": 0}  # 8 labels of 75: 19 each
    row = done.anchor.slice(3, 1).to_pylist()[0]
    assert row["attributes"] == [("locale", "en")]
    assert (row["origin"], row["depth"], row["generation"], row["parent_ids"]) == (
        "human",
        0,
        "",
        [],
    )
    assert set(done.anchor["available_from"].to_pylist()) == {FIRST}
    trained = done.anchor.filter(pa.array(done.anchor["split"].to_numpy() == "train"))
    assert not set(trained["sample_id"].to_pylist()) & set(done.suites["sample_id"].to_pylist())
    again = take_in(frames_of(many(600), size=70), plan())
    for name in ("anchor", "suites", "quarantined"):
        assert table_digest(getattr(again, name)) == table_digest(getattr(done, name))
    assert again.records == done.records
    other = take_in(frames_of(many(600)), plan(seed=1))
    assert table_digest(other.anchor) != table_digest(done.anchor)


def test_rows_arrive_some_a_night():
    arrival = Arrival(first_generation="2026-12-30", initial_rows=200, nightly_rows=100)
    done = take_in(frames_of(many(600)), plan(arrival=arrival))
    split = done.anchor["split"].to_pylist()
    days = done.anchor["available_from"].to_pylist()
    arrived = Counter(day for day, side in zip(days, split, strict=True) if side == "train")
    # 448 training rows: 200, then 100 a night, then what is left.
    assert arrived == {"2026-12-30": 200, "2026-12-31": 100, "2027-01-01": 100, "2027-01-02": 48}
    assert {day for day, side in zip(days, split, strict=True) if side == "eval"} == {"2026-12-30"}


def with_column(name: str, values: list[str], rows=None) -> pa.Table:
    frame = pa.concat_tables(frames_of(rows or many(len(values))))
    return frame.append_column(name, pa.array(values, pa.large_string()))


def test_rows_arrive_by_their_own_time():
    times = [f"2026-11-{10 + n % 12:02d}T23:30:00-05:00" for n in range(600)]
    times[:3] = ["soon", "11/20/2026", "2026-11-09 08:00"]
    done = take_in([with_column("time", times)], plan())
    assert done.counts.reasons == {"bad_time": 2}
    assert (done.counts.read, done.counts.accepted, done.anchor.num_rows) == (600, 598, 598)
    assert done.quarantined["detail"][0].as_py() == "'soon' is no ISO 8601 time"
    days = dict(
        zip(
            done.anchor["source_row"].to_pylist(),
            done.anchor["available_from"].to_pylist(),
            strict=True,
        )
    )
    assert days[2] == "2026-11-09"
    assert days[12] == "2026-11-11"  # late evening in New York is the next day in UTC
    assert max(days.values()) == "2026-11-22"
    arrival = Arrival(first_generation=FIRST, initial_rows=5, nightly_rows=5)
    with pytest.raises(BadInputError, match="both"):
        take_in([with_column("time", times)], plan(arrival=arrival))


def test_too_late_for_the_first_generation_is_a_warning():
    done = take_in([with_column("time", ["2026-12-01"] * 600)], plan())
    assert any("0 training rows are there" in warning for warning in done.warnings)


def test_labels_that_clash_throughout_are_a_warning():
    rows = many(600) + [{"prompt": f"same{n % 40}", "label": f"label{n}"} for n in range(100)]
    done = take_in(frames_of(rows), plan())
    assert done.counts.reasons == {"conflicting_label": 100}
    assert any("depends on more than the prompt" in warning for warning in done.warnings)


def test_own_split_is_believed():
    values = ["train"] * 450 + ["test"] * 150
    done = take_in([with_column("split", values)], plan())
    assert done.anchor["split"].to_pylist() == ["train"] * 450 + ["eval"] * 150


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        ([], "got 0 of 0 rows read"),
        (frames_of([]), "got 0 of 0 rows read"),
        (frames_of(many(199)), "got 199 of 199 rows read"),
        ([check_shape(next(frames_of([{"prompt": " "}] * 300)))], "quarantined: 300 empty_prompt"),
        ([with_column("split", ["train"] * 300)], "50 eval rows or more, got 0 of 300"),
        ([with_column("split", ["test"] * 300)], "100 train rows or more, got 0 of 300"),
    ],
)
def test_too_few_rows(frames, told):
    with pytest.raises(TooFewSamplesError, match=told):
        take_in(frames, plan())


@pytest.mark.parametrize(
    "options",
    [
        {"first_generation": "20.11.2026"},
        {"first_generation": "20261120"},
        {"first_generation": FIRST, "initial_rows": 5},
        {"first_generation": FIRST, "initial_rows": 5, "nightly_rows": 0},
    ],
)
def test_arrivals_that_make_no_sense(options):
    with pytest.raises(BadInputError):
        Arrival(**options)


def real(path, columns, **changes):
    return take_in(map(check_shape, read_batches(path, columns)), plan(**changes))


@pytest.mark.real_data
def test_banking77(shared_data):
    columns = Columns(prompt="text", label="label", split="split")
    arrival = Arrival(first_generation=FIRST, initial_rows=2000, nightly_rows=300)
    done = real(shared_data / "banking77.parquet", columns, arrival=arrival)
    assert done.counts.model_dump() == {
        "read": 13_083,
        "accepted": 13_072,
        "quarantined": 11,
        "reasons": {"exact_duplicate": 11},
    }
    sizes = {record.name: record.rows for record in done.records}
    assert sizes["standard"] > 2000
    assert sizes["long_tail"] >= 500  # primary suites have 500 rows or more
    assert sizes["hard"] >= 500
    assert sizes["noisy"] == sizes["standard"]


@pytest.mark.real_data
def test_banking77_over_half_a_year(shared_data):
    columns = Columns(prompt="text", label="label", split="split")
    frames = []
    for frame in map(check_shape, read_batches(shared_data / "banking77.parquet", columns)):
        # The corpus has no times: its rows are given days of 2026, one after the other.
        days = [f"2026-{1 + n // 28:02d}-{1 + n % 28:02d}" for n in range(168)]
        times = [days[n % 168] for n in frame["source_row"].to_pylist()]
        frames.append(frame.append_column("time", pa.array(times, pa.large_string())))
    done = take_in(frames, plan(arrival=Arrival(first_generation="2026-02-01")))
    shadows = [record for record in done.records if record.name == "shadow"]
    assert [record.version[:7] for record in shadows] == [f"2026-{m:02d}" for m in range(1, 7)]
    held = done.anchor.filter(pa.array(done.anchor["split"].to_numpy() == "eval"))
    months = Counter(day[:7] for day in held["available_from"].to_pylist())
    assert [r.rows for r in shadows] == [int(0.15 * months[month]) for month in sorted(months)]
    assert min(r.rows for r in shadows) >= 75
    standard = next(record.rows for record in done.records if record.name == "standard")
    audit = next(record.rows for record in done.records if record.name == "audit")
    assert standard + audit + sum(r.rows for r in shadows) == done.splits["eval"]
    assert standard > 0.69 * done.splits["eval"]


@pytest.mark.real_data
def test_gsm8k_has_responses_and_no_labels(shared_data):
    columns = Columns(prompt="text", response="answer", split="split")
    done = real(shared_data / "gsm8k.parquet", columns)
    assert done.splits == {"train": 7473, "eval": 1319, "withheld": 0}
    records = {record.name: record for record in done.records}
    assert records["long_tail"].reason == "the corpus has no labels"
    assert records["hard"].rows == round(records["standard"].rows / 4)
    assert all(done.anchor["response"].to_pylist())


@pytest.mark.real_data
def test_bitext_and_multidogo(shared_data):
    columns = Columns(prompt="text", label="label", groups=("category", "tags"), split="split")
    bitext = real(shared_data / "bitext_cs_intents.parquet", columns)
    assert bitext.counts.accepted == 8100
    assert 50 < bitext.splits["withheld"] < 250
    columns = Columns(prompt="text", label="label", groups=("domain",))
    multidogo = real(shared_data / "multidogo_customer_turns.parquet", columns)
    assert multidogo.counts.read == 116_597
    assert multidogo.counts.accepted + multidogo.counts.quarantined == 116_597
    assert multidogo.counts.reasons["conflicting_label"] > 40_000  # "yes" means many things there
    assert any("depends on more" in warning for warning in multidogo.warnings)
