"""What a night may be measured on, and what intake leaves in a home."""

import csv
import random

import pyarrow.compute as pc
import pytest

from collapse_pipeline.backends.readers.files import Columns
from collapse_pipeline.backends.stores.queries import query
from collapse_pipeline.defs import corpora
from collapse_pipeline.defs.corpora import add_corpus, add_suite, suites_in_force
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.loop.arrival import Arrival
from collapse_pipeline.loop.suites_foreign import SuiteKind
from collapse_pipeline.settings import load_settings

LABELS = ("refund", "order", "card", "ship")
WORDS = [f"{first}{last}" for first in "bdfgklmnprst" for last in ("ada", "olo", "umi", "eri")]
COLUMNS = Columns(prompt="text", label="intent")
TIMED = Columns(prompt="text", label="intent", time="day")
FIRST = Arrival(first_generation="2026-08-15")


def rows(count, months=(), seed=1):
    """Rows of four labels, spread evenly over the months of 2026 where any are given."""
    rng = random.Random(seed)
    made = []
    for n in range(count):
        row = {"text": " ".join(rng.choices(WORDS, k=9)), "intent": LABELS[n % len(LABELS)]}
        if months:
            row["day"] = f"2026-{months[n * len(months) // count]:02d}-{1 + n % 28:02d}"
        made.append(row)
    return made


@pytest.fixture
def write(tmp_path):
    def to_file(name, made):
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(made[0]))
            writer.writeheader()
            writer.writerows(made)
        return path

    return to_file


@pytest.fixture
def shop(tmp_path):
    with open_workshop(load_settings(tmp_path / "home")) as opened:
        yield opened


def shadow_of(shop, night):
    return next(s for s in suites_in_force(shop, "tickets", night) if s.name == "shadow")


def test_a_night_reads_the_shadow_of_the_month_before_it(shop, write):
    # 4,800 rows, a quarter to evaluate on: 400 a month, of which a shadow has 60 or so.
    file = write("tickets.csv", rows(4_800, months=(8, 9, 10)))
    said = add_corpus(shop, "tickets", file, TIMED, FIRST)
    assert [s["name"] for s in said["suites"]].count("shadow") == 3
    assert not shadow_of(shop, "2026-08-30").applicable
    read = [shadow_of(shop, f"2026-{day}").version[:7] for day in ("08-31", "09-29", "10-01")]
    assert read == ["2026-08", "2026-08", "2026-09"]
    assert shadow_of(shop, None).version[:7] <= "2026-10"  # as of today
    for night in ("2026-08-31", "2026-10-31"):
        record = shadow_of(shop, night)
        kept = query(
            shop.store,
            "SELECT count(*) n, min(available_from) a, max(available_from) z FROM eval_suites "
            f"WHERE suite = 'shadow' AND suite_version = '{record.version}'",
        ).to_pylist()[0]
        assert kept["n"] == record.rows
        assert f"{record.version[:7]}-01" <= kept["a"] <= kept["z"] <= night


@pytest.mark.parametrize(
    ("night", "window"), [("2026-08-31", "2026-08"), ("2026-09-30", "2026-09")]
)
def test_a_night_pins_the_shadow_that_was_over_by_then(shop, write, night, window):
    file = write("tickets.csv", rows(4_800, months=(8, 9, 10)))
    add_corpus(shop, "tickets", file, TIMED, FIRST)
    record = open_generation(shop, "tickets", night)
    pinned = next(suite for suite in record.suites if suite.name == "shadow")
    assert pinned.version.startswith(f"{window}.")
    read = shop.suites(record).filter(pc.field("suite") == "shadow")
    assert set(read["window"].to_pylist()) == {window}
    assert max(read["available_from"].to_pylist()) <= night


def test_an_intake_that_is_done_again_leaves_no_suite_of_the_one_before(shop, write, monkeypatch):
    def cut_off(*_):
        raise KeyboardInterrupt

    many = write("many.csv", rows(4_800, months=(8, 9, 10)))
    with monkeypatch.context() as patch:
        patch.setattr(corpora, "write_corpus", cut_off)
        with pytest.raises(KeyboardInterrupt):
            add_corpus(shop, "tickets", many, TIMED, FIRST)
    add_corpus(shop, "tickets", write("few.csv", rows(420, months=(8, 9))), TIMED, FIRST)
    in_force = {s.name: s for s in suites_in_force(shop, "tickets", "2026-12-01")}
    kept = set(shop.store.read("eval_suites", "tickets")["suite_version"].to_pylist())
    assert {s.version for s in in_force.values() if s.applicable} == kept
    assert in_force["shadow"].reason == "15 rows where 50 are wanted in the window up to 2026-09"


def test_what_a_suite_leaves_out_stands_beside_what_the_corpus_left_out(shop, write):
    add_corpus(shop, "tickets", write("tickets.csv", [*rows(420), *rows(5)]), COLUMNS, FIRST)
    other = [{"text": " ", "intent": "card"}, *rows(60, seed=2), {"text": "a", "intent": "none"}]
    file = write("other.csv", other)
    external = SuiteKind.EXTERNAL
    for _ in range(2):  # what is added again stands there once
        said = add_suite(shop, "tickets", "one", external, file, COLUMNS, None)
    nothing_bad = write("two.csv", rows(70, seed=3))
    add_suite(shop, "tickets", "two", external, nothing_bad, COLUMNS, None)
    assert (said["read"], said["accepted"], said["quarantined"]) == (62, 60, 2)
    found = query(
        shop.store,
        "SELECT corpus, source_row, reason, detail FROM quarantined_rows ORDER BY 1, 2",
    ).to_pylist()
    assert [(row["corpus"], row["source_row"], row["reason"]) for row in found] == [
        *(("tickets", 420 + n, "exact_duplicate") for n in range(5)),
        ("tickets.one", 0, "empty_prompt"),
        ("tickets.one", 61, "unmapped_label"),
    ]
    assert found[-1]["detail"] == "no label of the corpus for none"
