"""What Dagster's pages show of a stage: plain values, a Markdown preview, events beside a run."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.loop.lineage import GeneratorRecord, Happening
from collapse_pipeline.records import TABLES, content_hash

PREVIEW_ROWS = 5
PREVIEW_COLUMNS = (
    "label",
    "prompt",
    "response",
    "origin",
    "depth",
    "score",
    "accepted",
    "reason",
    "model",
    "suite",
    "metric",
    "value",
)
CELL = 120  # characters of a text shown


def readable(values: Mapping[str, Any]) -> dict[str, dg.MetadataValue[Any]]:
    """Metadata that plots where it is a number and reads where it is text; None is left out."""
    shown: dict[str, dg.MetadataValue[Any]] = {}
    for name, value in values.items():
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            continue
        if isinstance(value, bool):
            shown[name] = dg.MetadataValue.bool(value)
        elif isinstance(value, int):
            shown[name] = dg.MetadataValue.int(value)
        elif isinstance(value, float):
            shown[name] = dg.MetadataValue.float(value)
        elif isinstance(value, Mapping | list | tuple):
            shown[name] = dg.MetadataValue.json(value)
        elif "\n" in value or value.startswith("- "):
            shown[name] = dg.MetadataValue.md(value)
        else:
            shown[name] = dg.MetadataValue.text(value)
    return shown


def preview(shop: Workshop, record: GeneratorRecord, table: str) -> dict[str, Any]:
    """The first rows of a stage's table as Markdown, and its columns."""
    if table not in TABLES:
        return {}
    schema = TABLES[table]
    columns = [name for name in PREVIEW_COLUMNS if name in schema.names]
    rows = shop.store.read(table, record.corpus, [record.generation], columns=columns)
    return {
        "preview": dg.MetadataValue.md(markdown(rows.slice(0, PREVIEW_ROWS).to_pylist())),
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    field.name,
                    str(field.type),
                    constraints=dg.TableColumnConstraints(nullable=field.nullable),
                )
                for field in schema
            ]
        ),
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """Rows as a Markdown table; text of samples is cut and cannot break out of its cell."""
    if not rows:
        return "no rows"
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    text = " ".join(text.split())
    text = text if len(text) <= CELL else text[: CELL - 1] + "…"
    for mark, harmless in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("`", "'")):
        text = text.replace(mark, harmless)
    return text


def component_events(shop: Workshop, record: GeneratorRecord) -> Iterator[dg.AssetMaterialization]:
    """A component's asset is materialised when the version that the night pinned is a new one."""
    versions = {
        "human_anchor": record.anchor.digest[:12],
        "eval_suites": record.suites_pin.digest[:12],
        "template_set": " ".join(str(template) for template in record.templates),
        "teacher": str(record.settings["teacher"]),
        "judge": str(record.settings["judge"]),
        "mix_policy": str(record.settings["mix"]),
    }
    for name, version in versions.items():
        key = f"{record.corpus}/{name}/{content_hash(version)}"
        before = shop.ledger.head()[0]
        event = shop.ledger.append(
            "component_in_service",
            corpus=record.corpus,
            actor=shop.actor,
            payload={"component": name, "version": version},
            key=key,
        )
        if event.seq > before:
            yield dg.AssetMaterialization(
                asset_key=[record.corpus, name],
                metadata={"version": version, "first_used_by": record.generation},
            )


def stale_events(shop: Workshop, record: GeneratorRecord) -> Iterator[dg.AssetObservation]:
    """Generations that this attempt made stale, shown on their release."""
    for event in shop.ledger.events(corpus=record.corpus, kinds=[Happening.STALED]):
        if event.payload == {"because": record.generation, "attempt": record.attempt}:
            yield dg.AssetObservation(
                asset_key=[record.corpus, "release"],
                partition=event.generation,
                metadata={"stale": True, "because": f"{record.generation} is done again"},
            )
