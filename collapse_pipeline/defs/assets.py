"""The assets of one corpus: load, call, return. One factory, so that every corpus has the same."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import Field

from collapse_pipeline.defs.lineage_events import (
    carried_tags,
    report_components,
    report_stale,
    run_tags,
)
from collapse_pipeline.defs.metadata import (
    column_schema,
    key_metrics,
    outcome,
    preview,
    previewed,
    readable,
    scores,
)
from collapse_pipeline.defs.run_records import pool_of
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.stages import STAGES, Outcome
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.errors import (
    CollapsePipelineError,
    LeaseHeldError,
    OutOfOrderError,
    TransientError,
)
from collapse_pipeline.loop.pinned import GeneratorRecord
from collapse_pipeline.records import TABLES

STAGE_LOG = logging.getLogger("collapse_pipeline.stages")
OWNERS = ["team:data"]
GROUPS: Mapping[str, str] = {
    "human_anchor": "1_world",
    "eval_suites": "1_world",
    "template_set": "2_components",
    "teacher": "2_components",
    "judge": "2_components",
    "mix_policy": "2_components",
}
# What each asset stands on, in the order of the sentence that the lineage reads as.
SENTENCE: Mapping[str, Sequence[str]] = {
    "generator": (
        "human_anchor",
        "eval_suites",
        "template_set",
        "teacher",
        "judge",
        "mix_policy",
        "gate_calibration",
    ),
    "synthetic_batch": ("generator",),
    "judged_batch": ("synthetic_batch",),
    "filtered_batch": ("judged_batch",),
    "training_mix": ("filtered_batch", "human_anchor"),
    "student_model": ("training_mix",),
    "eval_report": ("student_model", "eval_suites"),
    "release": ("eval_report",),
}
DESCRIPTIONS: Mapping[str, str] = {
    "human_anchor": "Real rows that passed intake, each with its split and the night it arrived.",
    "eval_suites": "Real rows that no generation trains on, by suite.",
    "template_set": "What teachers are asked for; the versions in service.",
    "teacher": "Who writes samples; the version in service.",
    "judge": "Who scores samples; the version in service.",
    "mix_policy": "Regime, caps and floor of the training mix; the version in service.",
    "generator": "Opens the generation and pins everything that the night reads.",
    "synthetic_batch": "What the teacher wrote.",
    "judged_batch": "The batch with scores and reasons.",
    "filtered_batch": "Rows that stay; the others lie in dropped_batch, each with its reason.",
    "training_mix": "Human and synthetic rows for the next student, with their shares.",
    "student_model": "The candidate student and tonight's human-only baseline.",
    "eval_report": "Every metric on every suite, for candidate, releases and baseline.",
    "release": "Promoted or quarantined, and why.",
}


RETRIES = 2  # of a stage, after a fault that may pass by itself
RETRY_SECONDS = 5
ANOTHER_ATTEMPT = (
    "a settled night is done once more by its whole job: launch refresh_{corpus} for that day, a "
    "past one with `again: true` in the configuration of its generator"
)


class GeneratorConfig(dg.Config):
    """What a person may say when opening a night."""

    overrides: dict[str, Any | None] = Field(
        default={}, description="Settings for this night alone, such as {mix: {regime: replace}}."
    )
    again: bool = Field(
        default=False,
        description="Do a past night once more; generations that stand on it become stale.",
    )


def corpus_assets(
    corpus: str, generations: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """All assets of one corpus, `<corpus>/<name>`."""
    specs = [
        dg.AssetSpec(
            [corpus, name],
            description=DESCRIPTIONS[name],
            group_name=group,
            owners=OWNERS,
            kinds={"deltalake"} if group == "1_world" else {"yaml"},
            tags={"corpus": corpus},
            metadata=column_schema(name) if name in TABLES else {},
        )
        for name, group in GROUPS.items()
    ]
    stages = [_stage(corpus, generations, name) for name in STAGES]
    return [
        *specs,
        _generator(corpus, generations),
        *stages,
        _release(corpus, generations),
    ]


def _generator(corpus: str, generations: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    @_night_asset(corpus, generations, "generator", {"python"})
    def generator(
        context: dg.AssetExecutionContext,
        config: GeneratorConfig,
        home: dg.ResourceParam[Workshop],
    ) -> dg.MaterializeResult[None]:
        # Here, for a code location that only lists the assets loads faster without.
        from collapse_pipeline.defs.opening import open_generation

        with _at_work(context, corpus):
            record = open_generation(
                home, corpus, context.partition_key, config.overrides, config.again
            )
        report_components(context.instance, home, record)
        report_stale(context.instance, home, record)
        _tag(context, corpus, generation=record.generation)
        return dg.MaterializeResult(metadata=readable(_pinned(record)))

    return generator


def _stage(
    corpus: str, generations: dg.DailyPartitionsDefinition, name: str
) -> dg.AssetsDefinition:
    stage: Callable[[Workshop, GeneratorRecord], Outcome] = STAGES[name]
    kinds = {"python"} if name == "student_model" else {"deltalake"}

    @_night_asset(corpus, generations, name, kinds)
    def asset(
        context: dg.AssetExecutionContext, home: dg.ResourceParam[Workshop]
    ) -> dg.MaterializeResult[None]:
        with _at_work(context, corpus):
            record = home.record(corpus, context.partition_key)
            said = stage(home, record)
            shown = _shown(home, record, name, said)
        return dg.MaterializeResult(metadata=readable(shown))

    return asset


def _release(corpus: str, generations: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    @_night_asset(corpus, generations, "release", {"python"})
    def release(
        context: dg.AssetExecutionContext, home: dg.ResourceParam[Workshop]
    ) -> dg.MaterializeResult[None]:
        with _at_work(context, corpus):
            home.record(corpus, context.partition_key)
            manifest = settle(home, corpus, context.partition_key)
        tags = {"depth": manifest.depth, "verdict": manifest.verdict.value}
        if manifest.blocked_by:
            tags["blocked_by"] = ", ".join(manifest.blocked_by)
        _tag(context, corpus, **tags)
        head = {"ledger_head": home.ledger.head()[1]}
        return dg.MaterializeResult(metadata=readable(outcome(manifest) | head))

    return release


def _night_asset(
    corpus: str, generations: dg.DailyPartitionsDefinition, name: str, kinds: set[str]
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    return dg.asset(
        name=name,
        key_prefix=[corpus],
        partitions_def=generations,
        deps=[dg.AssetKey([corpus, below]) for below in SENTENCE[name]],
        pool=pool_of(corpus),
        description=DESCRIPTIONS[name],
        group_name="3_generation" if name != "release" else "4_release",
        owners=OWNERS,
        kinds=kinds,
        tags={"corpus": corpus},
        metadata=column_schema(name) if name in TABLES else {},
    )


def _shown(shop: Workshop, record: GeneratorRecord, name: str, said: Outcome) -> Outcome:
    """What a page shows of a stage: what it said, and tables of what it wrote."""
    if name not in TABLES:
        return said
    if name == "eval_report":
        report = shop.store.read(name, record.corpus, [record.generation])
        return {"scores": scores(report.to_pylist())} | key_metrics(said)
    tables = {"preview": name}
    if name == "filtered_batch":
        tables["dropped_preview"] = "dropped_batch"
    return said | {
        title: preview(
            shop.store.read(table, record.corpus, [record.generation], columns=previewed(table))
        )
        for title, table in tables.items()
    }


def _tag(context: dg.AssetExecutionContext, corpus: str, **values: object) -> None:
    """Tags the run with what it made."""
    tags = run_tags(corpus, _alone(context, corpus), **values)
    context.instance.add_run_tags(context.run.run_id, tags)


def _alone(context: dg.AssetExecutionContext, corpus: str) -> bool:
    """Whether the run works on this corpus alone."""
    return {key.path[0] for key in context.run.asset_selection or ()} <= {corpus}


def _pinned(record: GeneratorRecord) -> Outcome:
    line = record.line
    return {
        "ordinal": record.ordinal,
        "attempt": record.attempt,
        "parent": record.parent.generation or "human-only baseline",
        "incumbent": record.incumbent.generation if record.incumbent else "none yet",
        "parent_depth": record.parent.depth,
        "human_rows": record.human_rows,
        "line": f"{len(line)} releases, {line[0]} to {line[-1]}" if line[2:] else ", ".join(line),
        "not_applicable": "\n".join(
            f"- {suite.name}: {suite.reason}" for suite in record.suites if not suite.applicable
        ),
        "in_force": "\n".join(f"- {brake.why}" for brake in record.in_force),
        "review_density": record.review_density,
        "record": record.model_dump(mode="json"),
    }


@contextmanager
def _at_work(context: dg.AssetExecutionContext, corpus: str) -> Iterator[None]:
    """One asset of a night: said in the log, and its failures in their own words."""
    STAGE_LOG.info("%s %s %s", corpus, context.partition_key, context.asset_key.path[-1])
    carried = carried_tags(context.run, corpus, _alone(context, corpus))
    if carried:
        context.instance.add_run_tags(context.run.run_id, carried)
    with clear_failures(context, corpus):
        yield


@contextmanager
def clear_failures(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, corpus: str
) -> Iterator[None]:
    """Errors of this package end the run with their own words; only passing faults are retried."""
    try:
        yield
    except CollapsePipelineError as fault:
        # A sensor that settles a night holds its corpus for a moment.
        passing = isinstance(fault, TransientError | LeaseHeldError)
        if passing and context.retry_number < RETRIES:
            context.log.warning(f"trying again in {RETRY_SECONDS} seconds: {fault}")
            raise dg.RetryRequested(RETRIES, RETRY_SECONDS) from fault
        said = {"wanted": fault.wanted, "got": fault.got, "do": fault.do}
        if isinstance(fault, OutOfOrderError):
            said["do_here"] = ANOTHER_ATTEMPT.format(corpus=corpus)
        raise dg.Failure(str(fault), metadata=said, allow_retries=False) from fault
