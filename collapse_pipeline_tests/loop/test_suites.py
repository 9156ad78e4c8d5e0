import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.readers.files import Columns, read_batches
from collapse_pipeline.backends.shape_check import check_shape
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.arrival import Arrival
from collapse_pipeline.loop.intake import IntakePlan, take_in
from collapse_pipeline.loop.intake_frames import frames_of
from collapse_pipeline.loop.noise import noisy
from collapse_pipeline.loop.suites import SuitePlan, build_suites, freeze
from collapse_pipeline.loop.suites_foreign import SuiteKind, foreign_suite
from collapse_pipeline.loop.suites_hard import certainty
from collapse_pipeline.records import EVAL_SUITES, HUMAN_ANCHOR, content_hash, samples_table

NAMES = [
    "standard",
    "long_tail",
    "hard",
    "noisy",
    "shadow",
    "audit",
    "cross_domain",
    "out_of_scope",
]
SMALL = SuitePlan(minimum_rows=5)


def anchor(train: list[str], held: list[str], days: list[str] | None = None) -> pa.Table:
    """Rows with the given labels, training rows first."""
    split = ["train"] * len(train) + ["eval"] * len(held)
    rng = random.Random(0)
    rows = [
        dict.fromkeys(HUMAN_ANCHOR.names, "")
        | {
            "sample_id": f"{n:032x}",
            "corpus": "c",
            "task_type": "text",
            "origin": "human",
            "label": label,
            "prompt": f"{label} " + " ".join(f"word{rng.randrange(50)}" for _ in range(6)),
            "depth": 0,
            "seed": 0,
            "parent_ids": [],
            "attributes": {},
            "source_row": n,
            "split": split[n],
            "available_from": days[n] if days else "2026-11-01",
        }
        for n, label in enumerate([*train, *held])
    ]
    return samples_table(rows, HUMAN_ANCHOR)


def ids(suites: pa.Table, name: str) -> set[str]:
    return set(suites.filter(pa.array(suites["suite"].to_numpy() == name))["sample_id"].to_pylist())


def reasons(records) -> dict[str, str]:
    return {record.name: record.reason for record in records if not record.applicable}


def test_who_gets_which_rows():
    # 4 labels; c and d are equally rare, c comes first by name: the rarest quarter is c.
    train = ["a"] * 60 + ["b"] * 40 + ["c"] * 10 + ["d"] * 10
    held = ["a"] * 40 + ["b"] * 20 + ["c"] * 20 + ["d"] * 20
    suites, records = build_suites(anchor(train, held), False, 3, SMALL)
    assert suites.schema == EVAL_SUITES
    assert [record.name for record in records] == NAMES
    sizes = {record.name: record.rows for record in records}
    # 100 eval rows: 15 audit, 15 shadow, 70 standard, a quarter of 70 is 17.5, rounded to even 18.
    assert (sizes["audit"], sizes["shadow"], sizes["standard"], sizes["hard"]) == (15, 15, 70, 18)
    standard, audit, shadow = (ids(suites, name) for name in ("standard", "audit", "shadow"))
    assert len(standard | audit | shadow) == 100  # no row is in two of them
    assert ids(suites, "hard") < standard
    assert ids(suites, "long_tail") < standard
    tail = suites.filter(pa.array(suites["suite"].to_numpy() == "long_tail"))
    assert set(tail["label"].to_pylist()) == {"c"}
    assert set(reasons(records)) == {"cross_domain", "out_of_scope"}


def test_noisy_rows_are_new_rows_with_a_parent():
    suites, _ = build_suites(anchor(["a"] * 60, ["a"] * 60), False, 3, SMALL)
    by_id = {row["sample_id"]: row for row in suites.to_pylist() if row["suite"] == "standard"}
    made = [row for row in suites.to_pylist() if row["suite"] == "noisy"]
    assert len(made) == len(by_id)
    for row in made:
        parent = by_id[row["parent_ids"][0]]
        assert row["prompt"] == noisy(parent["prompt"], 3)
        assert (row["label"], row["origin"]) == (parent["label"], "human")


def in_months(**rows: int) -> pa.Table:
    """50 training rows, then eval rows of 2026, as many a month as it is said (`m08=20`)."""
    months = [f"2026-{name[1:]}" for name, count in rows.items() for _ in range(count)]
    days = ["2026-01-01"] * 50 + [f"{month}-{1 + n % 28:02d}" for n, month in enumerate(months)]
    return anchor(["a"] * 50, ["a"] * len(months), days)


def test_where_there_is_a_time_shadow_has_a_version_for_every_window():
    # Of 20 rows in August a shadow would have 3; with September 15% of 40 are 6. November gives
    # 6 again, December 4, too few. Audit has 15% of 110, rounded to even 16.
    suites, records = build_suites(in_months(m08=20, m09=20, m11=40, m12=30), True, 3, SMALL)
    rows = [row for row in suites.to_pylist() if row["suite"] == "shadow"]
    months = {
        window: {row["available_from"][:7] for row in rows if row["window"] == window}
        for window in ("2026-09", "2026-11")
    }
    assert months == {"2026-09": {"2026-08", "2026-09"}, "2026-11": {"2026-11"}}
    assert Counter(row["window"] for row in rows) == {"2026-09": 6, "2026-11": 6}
    shadows = [record for record in records if record.name == "shadow"]
    assert [record.rows for record in shadows] == [6, 6, 0]
    assert shadows[2].reason == "4 rows where 5 are wanted in the window up to 2026-12"
    for record, window in zip(shadows, months, strict=False):
        ids_of = [row["sample_id"] for row in rows if row["window"] == window]
        assert record.version == f"{window}.{content_hash(window, *sorted(ids_of))[:16]}"
        assert {row["suite_version"] for row in rows if row["window"] == window} == {record.version}
    # December's rows are no shadow, so standard has them: 110 - 16 - 12.
    assert len(ids(suites, "standard")) == 82
    assert {row["window"] for row in suites.to_pylist() if row["suite"] != "shadow"} == {""}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 90), min_size=2, max_size=12).filter(lambda counts: sum(counts) > 0),
    st.integers(0, 99),
)
def test_windows_share_no_row_and_never_take_more_than_the_share(counts, seed):
    table = in_months(**{f"m{month:02d}": count for month, count in enumerate(counts, 1)})
    suites, records = build_suites(table, True, seed, SMALL)
    shadow = ids(suites, "shadow")
    assert len(shadow) == sum(record.rows for record in records if record.name == "shadow")
    assert len(shadow) <= SMALL.shadow_share * sum(counts)
    for other in ("standard", "audit", "long_tail", "hard"):
        assert not shadow & ids(suites, other)
    windows: dict[str, list[str]] = {}
    for row in suites.to_pylist():
        if row["suite"] == "shadow":
            windows.setdefault(row["window"], []).append(row["available_from"][:7])
    before = ""
    for window, months in windows.items():  # in the order of time, and none reaches into another
        assert len(months) >= SMALL.minimum_rows
        assert before < min(months)
        assert max(months) <= window
        before = window
    # A window, once frozen, does not change when the corpus is taken in again.
    assert build_suites(table, True, seed, SMALL)[1] == records


def test_what_cannot_be_built_says_why_and_gives_its_rows_back():
    suites, records = build_suites(anchor([""] * 100, [""] * 60), False, 3)
    assert reasons(records) == {
        "long_tail": "the corpus has no labels",
        "hard": "15 rows where 50 are wanted",
        "shadow": "9 rows where 50 are wanted",
        "audit": "9 rows where 50 are wanted",
        "cross_domain": "no file was given for it",
        "out_of_scope": "no file was given for it",
    }
    assert len(ids(suites, "standard")) == 60
    _, records = build_suites(anchor(["a", "b", "c"], ["a", "b", "c"]), False, 3, SMALL)
    assert reasons(records)["long_tail"] == "3 labels where 4 are wanted"


def test_large_suites_are_sampled():
    plan = SuitePlan(minimum_rows=3, maximum_rows=20, hard_rows=3)
    labels = ["a", "b", "c", "d"] * 100
    _, records = build_suites(anchor(labels, labels), False, 3, plan)
    sizes = {record.name: record.rows for record in records if record.applicable}
    assert sizes == {
        "standard": 20,
        "long_tail": 20,
        "hard": 3,
        "noisy": 20,
        "shadow": 20,
        "audit": 20,
    }


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=60), st.integers(0, 99))
def test_suites_hold_eval_rows_only_and_the_same_ones_again(labels, seed):
    table = anchor(labels[::2], labels[1::2])
    suites, records = build_suites(table, False, seed, SMALL)
    trained = set(table["sample_id"].to_pylist()[: len(labels[::2])])
    assert not trained & set(suites["sample_id"].to_pylist())
    assert Counter(suites["suite"].to_pylist()) == {
        record.name: record.rows for record in records if record.applicable
    }
    assert all(record.reason for record in records if not record.applicable)
    again, same = build_suites(table, False, seed, SMALL)
    assert again.equals(suites)
    assert same == records


def test_a_version_is_its_rows():
    table = anchor(["a"], ["a"] * 9)
    one = freeze("x", table.slice(1, 5))
    assert freeze("x", table.slice(1, 5).take([4, 2, 0, 1, 3])).record == one.record
    assert freeze("x", table.slice(2, 5)).record.version != one.record.version
    assert freeze("x", table.slice(1, 5), window="2026-11").record.version[8:] != one.record.version


def test_certainty_by_hand():
    # One held-out row in a fold of its own; training: x has words (p, p), y has (q). With 0.5 added
    # to 2 words: P(p|x) = 2.5/3, P(p|y) = 0.5/2; priors 2 : 1. Odds for p are 2 * .8333 : .25.
    training = [("x", "p"), ("x", "p"), ("y", "q")]
    score = certainty(training, [("x", "p")], 0)
    assert score == pytest.approx([2 * (2.5 / 3) / (2 * (2.5 / 3) + 0.25)])
    # Without labels: P(p) = 2.5/4, P(q) = 1.5/4, their geometric mean.
    bare = [("", "p"), ("", "p"), ("", "q")]
    assert certainty(bare, [("", "p q")], 0) == pytest.approx([np.sqrt(2.5 * 1.5) / 4])


def test_a_row_does_not_vouch_for_itself():
    # The word "odd" is known from the held-out row alone; cross-fitted, it says nothing.
    training = [("x", "p"), ("y", "q")] * 20
    odd, plain = certainty(training, [("x", "odd"), ("x", "p")], 0)
    assert odd == pytest.approx(0.5, abs=0.02)
    assert plain > 0.9


def foreign(rows, table, kind=SuiteKind.CROSS_DOMAIN, label_map=None, plan=SMALL):
    return foreign_suite(kind.value, kind, frames_of(rows), table, label_map, 0, plan)


def test_foreign_rows_are_mapped_dropped_and_counted():
    table = anchor(["a", "b"] * 20, ["a"] * 20)
    rows = [{"prompt": f"other words {n}", "label": "A"} for n in range(6)]
    rows += [
        {"prompt": "no place for this", "label": "C"},
        {"prompt": table["prompt"][0].as_py().upper() + "!", "label": "A"},
        {"prompt": "other words 1", "label": "A"},
    ]
    done = foreign(rows, table, label_map={"A": "a"})
    assert done.counts.model_dump() == {
        "read": 9,
        "accepted": 6,
        "quarantined": 3,
        "reasons": {"exact_duplicate": 1, "in_training": 1, "unmapped_label": 1},
    }
    assert done.rows.schema == EVAL_SUITES
    assert set(done.rows["label"].to_pylist()) == {"a"}
    assert set(done.rows["suite"].to_pylist()) == {"cross_domain"}
    assert done.record.rows == 6
    # Without a map the corpus's own labels count.
    assert foreign(rows, table).record.reason == "0 rows where 5 are wanted"


def test_out_of_scope_rows_have_no_label():
    rows = [{"prompt": f"other words {n}", "label": "A"} for n in range(6)]
    done = foreign(rows, anchor(["a"], ["a"]), SuiteKind.OUT_OF_SCOPE)
    assert set(done.rows["label"].to_pylist()) == {""}
    bare = anchor([""], [""])
    assert foreign(rows, bare, SuiteKind.OUT_OF_SCOPE).record.reason == "the corpus has no labels"
    assert foreign(rows, bare, SuiteKind.EXTERNAL).record.rows == 6


def test_foreign_suites_that_cannot_be_meant():
    table = anchor(["a", "b"], ["a"])
    rows = [{"prompt": f"other words {n}", "label": "A"} for n in range(6)]
    with pytest.raises(BadInputError, match="zz"):
        foreign(rows, table, label_map={"A": "zz"})
    with pytest.raises(BadInputError, match="label column"):
        foreign([{"prompt": "other words"}], table)


@pytest.mark.real_data
def test_hard_noisy_and_cross_domain_are_harder(shared_data):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    columns = Columns(prompt="text", label="label", split="split")
    frames = map(check_shape, read_batches(shared_data / "banking77.parquet", columns))
    arrival = Arrival(first_generation="2026-11-20")
    done = take_in(frames, IntakePlan(corpus="banking77", arrival=arrival))
    label_map = {"pin_change": "change_pin", "report_fraud": "compromised_card"}
    clinc = read_batches(
        shared_data / "clinc150_oos.parquet", Columns(prompt="text", label="label")
    )
    crossed = foreign_suite(
        "cross_domain", SuiteKind.CROSS_DOMAIN, map(check_shape, clinc), done.anchor, label_map
    )
    assert crossed.record.rows > 250
    train = done.anchor.to_pandas().query("split == 'train'").sample(5000, random_state=0)
    student = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2)), SGDClassifier(loss="log_loss", random_state=0)
    )
    student.fit(train["prompt"], train["label"])
    suites = pa.concat_tables([done.suites, crossed.rows]).to_pandas()
    suites["right"] = student.predict(suites["prompt"]) == suites["label"]
    accuracy = suites.groupby("suite")["right"].mean()
    assert accuracy["standard"] > 0.8
    assert accuracy["hard"] < accuracy["standard"] - 0.1
    assert 0.06 < accuracy["standard"] - accuracy["noisy"] < 0.2
    assert accuracy["cross_domain"] < accuracy["standard"]
    wrong = set(suites[(suites["suite"] == "standard") & ~suites["right"]]["sample_id"])
    hard = set(suites[suites["suite"] == "hard"]["sample_id"])
    assert len(hard & wrong) < len(hard) / 2  # not the baseline's own list of errors
