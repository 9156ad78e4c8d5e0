"""Events beside a run: a component's new version in service, a generation that became stale."""

from statistics import fmean
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow.compute as pc

from collapse_pipeline.defs.metadata import markdown, preview, previewed, readable
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.loop.lineage import Happening
from collapse_pipeline.loop.pinned import GeneratorRecord
from collapse_pipeline.loop.versions import version_of, versions_of
from collapse_pipeline.records import Component, SuiteRecord, TablePin, Template, content_hash

if TYPE_CHECKING:
    from collapse_pipeline.loop.calibrate import Calibration

IN_SERVICE = "component_in_service"
# Tags of how a night ended. A run that is executed again starts with the tags of the run before
# it, and Dagster removes none: they say nothing until it has found its own.
ENDINGS = ("depth", "verdict", "blocked_by", "stale")
NOTHING = "-"


def report_components(
    instance: dg.DagsterInstance, shop: Workshop, record: GeneratorRecord
) -> list[str]:
    """Materialises the asset of each component whose version is another than the night before's.

    The page is told before the ledger is, so that a kill between the two shows a version twice
    rather than never.
    """
    events = shop.ledger.events(corpus=record.corpus, kinds=[IN_SERVICE])
    last = {event.payload["component"]: event.payload["version"] for event in events}
    changed = []
    for name, version in _versions(record).items():
        if last.get(name) == version:
            continue
        shown = {"version": version, "first_used_by": record.generation}
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset_key=[record.corpus, name],
                metadata=readable(shown | _described(shop, record, name)),
            )
        )
        shop.ledger.append(
            IN_SERVICE,
            corpus=record.corpus,
            generation=record.generation,
            actor=shop.actor,
            payload={"component": name, "version": version},
            key=f"{record.key}/{name}/{content_hash(version)}",
        )
        changed.append(name)
    return changed


def report_stale(
    instance: dg.DagsterInstance, shop: Workshop, record: GeneratorRecord
) -> list[str]:
    """Shows the generations that this attempt made stale, on their release and their runs."""
    stale = [
        event.generation
        for event in shop.ledger.events(corpus=record.corpus, kinds=[Happening.STALED])
        if event.payload == {"because": record.generation, "attempt": record.attempt}
    ]
    because = f"{record.generation} is done again"
    for generation in stale:
        instance.report_runless_asset_event(
            dg.AssetObservation(
                asset_key=[record.corpus, "release"],
                partition=generation,
                metadata={"stale": True, "because": because},
            )
        )
        for alone in (True, False):
            made_it = run_tags(record.corpus, alone, generation=generation)
            for run in instance.get_runs(dg.RunsFilter(tags=made_it)):
                tags = run_tags(record.corpus, alone, stale=because)
                instance.add_run_tags(run.run_id, tags)
    return stale


def run_tags(corpus: str, alone: bool, **values: object) -> dict[str, str]:
    """Tags of a run, to find it by; one that works on several corpora says of which it speaks."""
    if alone:
        values = {"corpus": corpus, **values}
    prefix = "collapse" if alone else f"collapse/{corpus}"
    return {f"{prefix}/{name}": str(value) for name, value in values.items()}


def carried_tags(run: dg.DagsterRun, corpus: str, alone: bool) -> dict[str, str]:
    """Tags that say nothing, in place of the endings that a run carries from the one before it."""
    said = run_tags(corpus, alone, **dict.fromkeys(ENDINGS, NOTHING))
    return {name: value for name, value in said.items() if value == NOTHING and name in run.tags}


def calibration_page(calibration: "Calibration") -> dict[str, object]:
    """A calibration as its page has it: what it holds for, and every null's middle and spread."""
    rows = [
        {
            "depth": depth,
            "figure": name,
            "healthy mean": fmean(good) if (good := _good(null)) else float("nan"),
            "lowest": min(good, default=float("nan")),
            "highest": max(good, default=float("nan")),
            "replicates": len(good),
        }
        for depth, nulls in calibration.nulls.items()
        for name, null in nulls.items()
    ]
    return {
        "version": calibration.version,
        "source": calibration.source,
        "human_rows": calibration.human_rows,
        "rows_of_each_batch": calibration.rows,
        "replicates": calibration.replicates,
        "seed": calibration.seed,
        "nulls": dg.MetadataValue.md(markdown(rows)),
        "holds_for": dict(calibration.facts),
    }


def _good(null: tuple[float, ...]) -> list[float]:
    return [value for value in null if value == value]


def _versions(record: GeneratorRecord) -> dict[str, str]:
    calibration = {"gate_calibration": record.calibration} if record.calibration else {}
    used = versions_of(record)
    of_settings = {
        Component.TEACHER: record.settings["teacher"],
        Component.JUDGE: record.settings["judge"],
        Component.MIX_POLICY: record.settings["mix"],
    }
    named = {
        # In generation 0 nobody writes yet: a student that will goes by its settings until then.
        kind.value: (used[kind][0] if used[kind] else version_of(kind, part)).partition(" ")[2]
        for kind, part in of_settings.items()
    }
    return calibration | {
        "human_anchor": record.anchor.digest[:12],
        "eval_suites": record.suites_pin.digest[:12],
        "template_set": " ".join(str(template) for template in record.templates),
        **named,
    }


def _described(shop: Workshop, record: GeneratorRecord, name: str) -> dict[str, Any]:
    match name:
        case "human_anchor":
            columns = previewed(name)
            rows = shop.store.read(
                name, record.corpus, columns=columns, version=record.anchor.version
            )
            splits = {e["values"]: e["counts"] for e in rows["split"].value_counts().to_pylist()}
            training = rows.filter(pc.equal(rows["split"], "train"))
            return {**_table(record.anchor), "splits": splits, "preview": preview(training)}
        case "eval_suites":
            columns = previewed(name)
            rows = shop.store.read(
                name, record.corpus, columns=columns, version=record.suites_pin.version
            )
            return {
                **_table(record.suites_pin),
                "suites": dg.MetadataValue.md(markdown([_suite(s) for s in record.suites])),
                "preview": preview(rows),
            }
        case "template_set":
            templates = markdown([_template(template) for template in record.templates])
            bodies = {f"body.{t.name}": dg.MetadataValue.text(t.body) for t in record.templates}
            return {"templates": dg.MetadataValue.md(templates), **bodies}
        case "mix_policy":
            return {"settings": record.settings["mix"]}
        case "gate_calibration":
            # Here, for a code location that only lists the assets loads faster without.
            from collapse_pipeline.defs.calibrating import load

            return calibration_page(load(shop.settings.home, record.calibration))
        case _:
            return {"settings": record.settings[name]}


def _table(pin: TablePin) -> dict[str, Any]:
    return {"rows": pin.rows, "table_version": pin.version, "digest": pin.digest}


def _suite(suite: SuiteRecord) -> dict[str, Any]:
    return {
        "suite": suite.name,
        "version": suite.version[:12],
        "rows": suite.rows,
        "not applicable": suite.reason,
    }


def _template(template: Template) -> dict[str, Any]:
    return {
        "name": template.name,
        "version": template.version,
        "weight": template.weight,
        "labels": ", ".join(template.labels) or "every label",
    }
