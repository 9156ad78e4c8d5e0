"""The gradient of synthetic shares as assets: a partition a share, worked out and resumed from the
pages, and the share that all of them together support."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from collapse_pipeline.defs.assets import OWNERS, clear_failures
from collapse_pipeline.defs.metadata import markdown, readable
from collapse_pipeline.defs.run_records import pool_of
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.settings import today_utc

SHARES = dg.StaticPartitionsDefinition(["0", "10", "30", "50", "70", "90", "100"])
GROUP = "5_experiments"


class ExperimentConfig(dg.Config):
    """How large the experiment is; every share, and what is made of them, with the same sizes."""

    seeds: int = Field(default=3, description="Chains of every share, with other seeds.")
    generations: int = Field(default=4, description="Turns of every chain.")
    stage: str = Field(default="pilot", description="pilot: 500 human rows; full: all there are.")
    night: str = Field(default="", description="Whose human rows; default those of today.")


def experiment_assets(corpus: str) -> list[dg.AssetsDefinition]:
    """`<corpus>/ratio_gradient`, and `<corpus>/supported_share` behind it."""

    @_asset(
        corpus,
        "ratio_gradient",
        ("human_anchor", "eval_suites", "template_set"),
        "Chains of the loop whose mix has this share of synthetic rows, in percent.",
        SHARES,
    )
    def ratio_gradient(
        context: dg.AssetExecutionContext,
        config: ExperimentConfig,
        home: dg.ResourceParam[Workshop],
    ) -> dg.MaterializeResult[None]:
        # Here, for a code location that only lists the assets loads faster without.
        from collapse_pipeline.defs import experiment_evidence
        from collapse_pipeline.defs.experimenting import asked_of

        with clear_failures(context, corpus):
            home.hold(corpus)
            said = experiment_evidence.one_share(
                home,
                corpus,
                context.partition_key,
                config.night or today_utc(),
                asked_of(config.seeds, config.generations, config.stage),
                lambda done, wanted: context.log.info(f"{done} of {wanted} chains"),
            )
        return dg.MaterializeResult(metadata=readable(said))

    @_asset(
        corpus,
        "supported_share",
        ("ratio_gradient",),
        "What the gradient supports: fitted, drawn, and put on record.",
    )
    def supported_share(
        context: dg.AssetExecutionContext,
        config: ExperimentConfig,
        home: dg.ResourceParam[Workshop],
    ) -> dg.MaterializeResult[None]:
        from collapse_pipeline.defs import experiment_evidence
        from collapse_pipeline.defs.experimenting import asked_of

        with clear_failures(context, corpus):
            home.hold(corpus)
            said = experiment_evidence.of_shares(
                home,
                corpus,
                [float(share) for share in SHARES.get_partition_keys()],
                config.night or today_utc(),
                asked_of(config.seeds, config.generations, config.stage),
            )
        return dg.MaterializeResult(metadata=readable(_page(said)))

    return [ratio_gradient, supported_share]


def _asset(
    corpus: str,
    name: str,
    below: Sequence[str],
    description: str,
    partitions: dg.StaticPartitionsDefinition | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    return dg.asset(
        name=name,
        key_prefix=[corpus],
        partitions_def=partitions,
        deps=[dg.AssetKey([corpus, one]) for one in below],
        pool=pool_of(corpus),
        description=description,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"python"},
        tags={"corpus": corpus},
    )


def _page(said: Mapping[str, Any]) -> dict[str, Any]:
    """A gradient as its page has it."""
    names = ("experiment", "night", "stage", "human_rows", "seeds", "generations", "recorded")
    return {name: said[name] for name in names} | {
        "supported_share": said["cap"]["share"],
        **{name: said[name]["reason"] for name in ("cap", "inflection", "perplexity", "tail")},
        "shares": dg.MetadataValue.md(
            markdown(
                [
                    {
                        "share": row["share"],
                        "reached": row["reached"],
                        **{suite: ratio["point"] for suite, ratio in row["suites"].items()},
                        "perplexity": row["perplexity_ratio"],
                        "gates": ", ".join(row["fired"]),
                    }
                    for row in said["shares"]
                ]
            )
        ),
        "table_version": said["table"]["version"],
        "digest": said["digest"],
        "files": "\n".join(f"- {file}" for file in said["files"]),
    }
