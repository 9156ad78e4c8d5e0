"""What Dagster's pages show of a stage: plain values, key metrics that plot, Markdown tables, and
what the columns mean."""

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import dagster as dg
import pyarrow as pa

from collapse_pipeline.loop.evaluate import BASELINE, CANDIDATE, INCUMBENT
from collapse_pipeline.loop.pinned import Manifest
from collapse_pipeline.records import TABLES

PREVIEW_ROWS = 6
PREVIEW_COLUMNS = (
    "label",
    "prompt",
    "response",
    "origin",
    "depth",
    "score",
    "accepted",
    "reasons",
    "stage",
    "reason",
    "suite",
    "split",
    "written_in",
)
CELL = 120  # characters of a text shown
# Metrics that a page lists and plots one by one; the tables beside them have every one.
KEY_METRICS = ("accuracy", "macro_f1", "perplexity")
COLUMNS: Mapping[str, str] = {
    "sample_id": "Hash of what the row says and where it came from.",
    "corpus": "The corpus.",
    "generation": "The night that the row belongs to; empty for human rows.",
    "task_type": "What the row is, for caps by task.",
    "label": "Label; empty where the corpus has none.",
    "prompt": "What a user writes.",
    "response": "The answer; empty where there is none.",
    "origin": "human or synthetic.",
    "depth": "Synthetic hops since human text; 0 for human rows.",
    "teacher": "Who wrote it, name@version.",
    "template": "What was asked for, name@version.",
    "judge": "Who scored it, name@version.",
    "parent_ids": "Rows that it was written from.",
    "seed": "Seed of its request.",
    "available_from": "The first night that may use it.",
    "attributes": "Channel, locale, group and the like.",
    "split": "train, eval or withheld.",
    "near_group": "Rows that nearly repeat each other share it, and a split.",
    "source_row": "Row of the source file, from 0.",
    "suite": "The suite.",
    "suite_version": "Content hash of the suite's rows.",
    "window": "Month of a moving suite.",
    "score": "Of the jury, 0 to 1; higher is better.",
    "scores": "By member of the jury.",
    "accepted": "Whether the judge lets it through.",
    "reasons": "Why not, or what was noted.",
    "stage": "Where it was dropped: generate, judge or filter.",
    "reason": "Why it was dropped.",
    "duplicate_of": "The row that it repeats.",
    "weight": "Weight in training.",
    "role": "positive or negative.",
    "written_in": "The night that wrote it; empty for human rows.",
    "model": "candidate, incumbent, best release or human-only baseline.",
    "metric": "The metric.",
    "scope": "A label; empty for the whole suite.",
    "value": "NaN where it could not be computed.",
    "low": "One-sided 97.5% lower bound, where there is one.",
    "high": "One-sided 97.5% upper bound, where there is one.",
    "rows": "Rows that it was measured on.",
    "note": "Why a value is missing.",
    "attempt": "Which attempt at its night, from 1.",
    "asset": "What the gate guards.",
    "gate": "The gate.",
    "statistic": "What was measured: metric, metric.column or metric@suite.",
    "bound": "What it is held against, in words.",
    "exceeded": "Whether this figure is beyond its bound.",
    "raised": "Whether the gate as a whole is, tonight.",
    "outcome": "Of the gate: pass, breach or not applicable.",
    "severity": "warn or block.",
    "actions": "What a breach does.",
    "blamed": "Versions that the breach is laid to.",
    "examples": "Rows that show it.",
    "calibration": "The calibration that set the bound.",
    "experiment": "Hash of all that an experiment was made of.",
    "kind": "ratio or ablation.",
    "variant": "The share, or the link that was left out.",
    "share": "Synthetic share that was asked for.",
    "reached": "Synthetic share that the mix of this turn has.",
    "turn": "Of a chain in memory, from 1.",
    "promoted": "Whether the turn was; what was not is no parent.",
}


def readable(values: Mapping[str, Any]) -> dict[str, dg.MetadataValue[Any]]:
    """Metadata that plots where it is a number and reads where it is text.

    What says nothing (None, NaN, infinity, an empty text or list) is left out.
    """
    shown: dict[str, dg.MetadataValue[Any]] = {}
    for name, value in values.items():
        if isinstance(value, dg.MetadataValue):
            shown[name] = value
        elif isinstance(value, bool):
            shown[name] = dg.MetadataValue.bool(value)
        elif isinstance(value, Integral):
            shown[name] = dg.MetadataValue.int(int(value))
        elif isinstance(value, Real):
            if math.isfinite(value):
                shown[name] = dg.MetadataValue.float(float(f"{float(value):.6g}"))
        elif not value:
            continue
        elif isinstance(value, Mapping | list | tuple):
            shown[name] = dg.MetadataValue.json(value)
        elif "\n" in value or value.startswith("- "):
            shown[name] = dg.MetadataValue.md(value)
        else:
            shown[name] = dg.MetadataValue.text(value)
    return shown


def key_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Of `<suite>.<metric>` those that a page lists one by one; other names stay."""
    return {
        name: value
        for name, value in metrics.items()
        if "." not in name or name.partition(".")[2] in KEY_METRICS
    }


def column_schema(table: str) -> dict[str, Any]:
    """The columns of a table and what they mean, for an asset's definition."""
    return {
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(field.name, str(field.type), COLUMNS.get(field.name))
                for field in TABLES[table]
            ]
        )
    }


def previewed(table: str) -> list[str]:
    """The columns of a table that its preview shows."""
    return [name for name in PREVIEW_COLUMNS if name in TABLES[table].names]


def preview(rows: pa.Table) -> dg.MetadataValue[Any]:
    """A few rows, spread evenly over a table, as Markdown."""
    count = min(PREVIEW_ROWS, rows.num_rows)
    spread = pa.array([index * rows.num_rows // count for index in range(count)], pa.int64())
    return dg.MetadataValue.md(markdown(rows.take(spread).to_pylist()))


def scores(report: Sequence[Mapping[str, Any]]) -> dg.MetadataValue[Any]:
    """An evaluation report as Markdown: a line a metric, a column a model."""
    models = (CANDIDATE, INCUMBENT, BASELINE)
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for row in report:
        if row["scope"] or row["metric"] == "rows" or row["model"] not in models:
            continue
        line = lines.setdefault((row["suite"], row["metric"]), dict.fromkeys(models, ""))
        line[row["model"]] = row["value"]
    return dg.MetadataValue.md(
        markdown(
            [
                {"suite": suite, "metric": metric, **values}
                for (suite, metric), values in lines.items()
            ]
        )
    )


def outcome(manifest: Manifest) -> dict[str, Any]:
    """What a release says of its night: the verdict and why first, the whole manifest last."""
    metrics = [
        {"metric": name, "candidate": value, "release in force": manifest.released.get(name)}
        for name, value in manifest.metrics.items()
    ]
    rows = [{"table": name, "rows": count} for name, count in manifest.rows.items()]
    return {
        "verdict": manifest.verdict.value,
        "blocked_by": ", ".join(manifest.blocked_by),
        "would_block": ", ".join(manifest.would_block),
        "why": "\n".join(f"- {why}" for why in manifest.reasons.values()),
        "gain_against_human_only": manifest.gain,
        "parent": manifest.parent.generation or "human-only baseline",
        "depth": manifest.depth,
        "human_share": manifest.shares.get("human"),
        "synthetic_share": manifest.shares.get("synthetic"),
        "rows": dg.MetadataValue.md(markdown(rows)),
        "model": manifest.model,
        **{
            name: value
            for name, value in manifest.metrics.items()
            if name.startswith("perplexity.") or name.endswith((".accuracy", ".macro_f1"))
        },
        "metrics": dg.MetadataValue.md(markdown(metrics)),
        "manifest": manifest.model_dump(mode="json"),
    }


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table; text of samples is cut and cannot break out of its cell."""
    if not rows:
        return "no rows"
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = "" if value is None else str(value)
    if isinstance(value, list):
        text = ", ".join(map(str, value))
    text = " ".join(text.split())
    text = text if len(text) <= CELL else text[: CELL - 1] + "…"
    return "".join(HARMLESS.get(mark, mark) for mark in text)


# Text of samples stands in a table of Markdown: nothing in it may end its cell or become a link,
# an image, HTML or emphasis.
HARMLESS: Mapping[str, str] = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "|": "&#124;",
    ":": "&#58;",
    "@": "&#64;",
    **{mark: "\\" + mark for mark in "\\`*_[]()!~#$"},
}
