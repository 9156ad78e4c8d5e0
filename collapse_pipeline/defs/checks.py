"""Gates as asset checks: one step an asset measures all its gates and reports each."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any
from warnings import catch_warnings, simplefilter

import dagster as dg

from collapse_pipeline.defs.assets import STAGE_LOG, clear_failures
from collapse_pipeline.defs.gating import gate_asset, values_of
from collapse_pipeline.defs.metadata import markdown, readable
from collapse_pipeline.defs.run_records import pool_of
from collapse_pipeline.defs.workshop import Workshop, pinned_settings
from collapse_pipeline.loop.consequence import sentence
from collapse_pipeline.loop.gate import Gate, Outcome
from collapse_pipeline.loop.pinned import GeneratorRecord

SETTLED_WITH_THE_NIGHT = "release"  # its gates are read by `settle`, and only shown here
HUMAN_ONLY = "generation 0 trains on human rows only"
TOO_LATE = "the night had no such gate when it opened"


def gate_checks(
    corpus: str, generations: dg.DailyPartitionsDefinition, gates: Sequence[Gate]
) -> list[dg.AssetChecksDefinition]:
    """A check for every gate; those that block stop the rest of this corpus's night."""
    ordered = sorted(gates, key=lambda gate: gate.asset)
    return [
        _checks_of(corpus, generations, asset, list(of_asset))
        for asset, of_asset in groupby(ordered, key=lambda gate: gate.asset)
    ]


def _checks_of(
    corpus: str, generations: dg.DailyPartitionsDefinition, asset: str, gates: Sequence[Gate]
) -> dg.AssetChecksDefinition:
    key = dg.AssetKey([corpus, asset])
    with catch_warnings():
        # Without it an evaluation would not say which night it is of; tried on Dagster 1.13.
        simplefilter("ignore", dg.PreviewWarning)
        specs = [
            dg.AssetCheckSpec(
                gate.name,
                asset=key,
                description=gate.why,
                blocking=gate.severity == "block" and asset != SETTLED_WITH_THE_NIGHT,
                metadata={"gate": gate.model_dump_json(exclude_defaults=True, by_alias=True)},
                partitions_def=generations,
            )
            for gate in gates
        ]

    @dg.multi_asset_check(name=f"{corpus}__{asset}__gates", specs=specs, pool=pool_of(corpus))
    def gates_of_asset(
        context: dg.AssetCheckExecutionContext, home: dg.ResourceParam[Workshop]
    ) -> Iterator[dg.AssetCheckResult]:
        night = context.partition_key
        with clear_failures(context, corpus):
            STAGE_LOG.info("%s %s %s", corpus, night, f"gates of {asset}")
            record = home.line(corpus).generations[night].record
            if asset != SETTLED_WITH_THE_NIGHT:
                gate_asset(home, home.record(corpus, night), asset)
            rows = [row for row in values_of(home, record) if row["asset"] == asset]
            shown = {gate.name: _result(home, record, gate, rows) for gate in gates}
        for gate in gates:
            yield dg.AssetCheckResult(check_name=gate.name, asset_key=key, **shown[gate.name])

    return gates_of_asset


def _result(
    shop: Workshop, record: GeneratorRecord, gate: Gate, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    own = [row for row in rows if row["gate"] == gate.name]
    breached = [row for row in own if row["outcome"] == Outcome.BREACH]
    accepted = gate.name in shop.governance(record.corpus).accepted
    blocks = gate.severity == "block" and not accepted
    enforced = blocks and pinned_settings(record).gates.enforce
    severity = dg.AssetCheckSeverity.ERROR if enforced else dg.AssetCheckSeverity.WARN
    said: dict[str, Any] = {
        "generation": record.generation,
        "attempt": str(record.attempt),  # a number would be plotted
        "outcome": own[0]["outcome"] if own else Outcome.NOT_APPLICABLE.value,
        "why_not": "" if own else TOO_LATE if record.ordinal else HUMAN_ONLY,
        "calibration": record.calibration,
    }
    telling = [row for row in breached if row["exceeded"]] or own
    if len(own) == 1 or breached:  # of several that passed none stands for the others
        said |= {"figure": telling[0]["statistic"], "bound": telling[0]["bound"]}
        said["value"] = f"{telling[0]['value']:.6g}"
    if own:
        # Numbers, for a page plots them over the nights.
        said |= {row["statistic"]: row["value"] for row in own if not row["scope"]}
        said["figures"] = dg.MetadataValue.md(markdown([_figure(row) for row in own]))
    if breached:
        first = breached[0]
        said["blamed"] = ", ".join(first["blamed"])
        said["actions"] = ", ".join(first["actions"])
        said["examples"] = _examples(shop, record, first["examples"])
    return {
        "passed": not breached,
        "severity": severity,
        "description": sentence(breached) if breached else None,
        "metadata": readable(said),
    }


def _figure(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "figure": row["statistic"] + (f" ({row['scope']})" if row["scope"] else ""),
        "value": row["value"],
        "bound": row["bound"],
        "beyond": "yes" if row["exceeded"] else "",
        "rows": row["rows"],
        "note": row["note"],
    }


def _examples(shop: Workshop, record: GeneratorRecord, ids: Sequence[str]) -> Any:
    """The rows to look at, with where they came from."""
    if not ids:
        return ""
    columns = ["sample_id", "label", "template", "prompt", "response"]
    batch = shop.store.read(
        "synthetic_batch", record.corpus, [record.generation], columns=columns
    ).to_pylist()
    wanted = {str(sample): row for row in batch if (sample := row.pop("sample_id")) in set(ids)}
    return dg.MetadataValue.md(markdown([wanted[i] for i in ids if i in wanted]))
