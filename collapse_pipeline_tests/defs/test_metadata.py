import math
import re

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.defs.metadata import (
    COLUMNS,
    PREVIEW_ROWS,
    column_schema,
    key_metrics,
    markdown,
    preview,
    previewed,
    readable,
    scores,
)
from collapse_pipeline.records import TABLES


def test_numbers_stay_numbers_and_what_says_nothing_is_left_out():
    shown = readable(
        {
            "rows": np.int64(300),
            "share": 0.7302231237322515,
            "reused": True,
            "best": math.nan,
            "worst": math.inf,
            "incumbent": None,
            "blocked_by": [],
            "why": "",
            "model": "ab12",
        }
    )
    assert {name: value.value for name, value in shown.items()} == {
        "rows": 300,
        "share": 0.730223,  # six significant digits
        "reused": True,
        "model": "ab12",
    }
    assert isinstance(shown["rows"], dg.IntMetadataValue)
    assert isinstance(shown["share"], dg.FloatMetadataValue)
    assert isinstance(shown["reused"], dg.BoolMetadataValue)


def test_lists_of_sentences_are_markdown_and_records_are_json():
    shown = readable({"why": "- one\n- two", "single": "- one", "manifest": {"depth": 1}})
    assert isinstance(shown["why"], dg.MarkdownMetadataValue)
    assert isinstance(shown["single"], dg.MarkdownMetadataValue)
    assert isinstance(shown["manifest"], dg.JsonMetadataValue)


def test_a_table_by_hand():
    rows = [{"label": "a|b", "score": 0.123456, "reasons": ["x", "y"]}, {"label": None}]
    rows[1] |= {"score": 1.0, "reasons": []}
    assert markdown(rows) == (
        "| label | score | reasons |\n|---|---|---|\n| a&#124;b | 0.1235 | x, y |\n|  | 1 |  |"
    )
    assert markdown([]) == "no rows"


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "![x](http://evil)", "[x](javascript:x)", "`a`", "*a*", "a\n\nb"],
)
def test_text_of_samples_is_only_text(text):
    cell = markdown([{"prompt": text}]).splitlines()[2]
    assert not re.search(r"(?<!\\)[<>`*_\[\]()!]|https?:", cell[2:-2])


@given(st.text(), st.text())
def test_any_text_stays_in_its_cell(prompt, response):
    lines = markdown([{"prompt": prompt, "response": response}]).split("\n")
    assert len(lines) == 3
    assert lines[2].count("|") == 3
    assert len(lines[2].splitlines()) == 1


def test_a_preview_is_spread_over_the_table():
    rows = pa.table({"label": [str(n) for n in range(60)]})
    shown = preview(rows).value.splitlines()[2:]
    assert shown == [f"| {n} |" for n in (0, 10, 20, 30, 40, 50)]
    assert len(shown) == PREVIEW_ROWS
    assert preview(rows.slice(0, 2)).value.splitlines()[2:] == ["| 0 |", "| 1 |"]
    assert preview(rows.slice(0, 0)).value == "no rows"


def test_key_metrics_keep_what_plots():
    said = {"rows": 9, "standard.accuracy": 0.8, "standard.accuracy.ratio_to_best": 1.0}
    said |= {"standard.brier": 0.3, "noisy.perplexity": 6.0}
    assert list(key_metrics(said)) == ["rows", "standard.accuracy", "noisy.perplexity"]


def test_scores_are_a_line_a_metric_and_a_column_a_model():
    def row(model, value, scope="", metric="accuracy"):
        return {
            "model": model,
            "suite": "standard",
            "metric": metric,
            "scope": scope,
            "value": value,
        }

    report = [row("candidate", 0.5), row("baseline", 0.25), row("candidate", 0.1, scope="refund")]
    report += [row("release 2026-11-01", 0.4), row("candidate", 90.0, metric="rows")]
    assert scores(report).value == (
        "| suite | metric | candidate | incumbent | baseline |\n|---|---|---|---|---|\n"
        "| standard | accuracy | 0.5 |  | 0.25 |"
    )


def test_every_column_of_a_table_is_described():
    missing = {name for schema in TABLES.values() for name in schema.names} - set(COLUMNS)
    assert missing <= {"detail", "raw", "band", "key"}  # tables without an asset
    for name in ("training_mix", "eval_report", "human_anchor"):
        schema = column_schema(name)["dagster/column_schema"]
        assert [column.name for column in schema.columns] == TABLES[name].names
        assert all(column.description for column in schema.columns)


def test_a_preview_names_columns_of_its_table():
    assert previewed("synthetic_batch") == ["label", "prompt", "response", "origin", "depth"]
    assert "score" in previewed("judged_batch")
    assert "reason" in previewed("dropped_batch")
