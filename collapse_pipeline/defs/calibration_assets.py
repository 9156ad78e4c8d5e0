"""The gate calibration of a corpus as an asset: a component with versions, made when asked for."""

import dagster as dg
from pydantic import Field

from collapse_pipeline.defs import calibrating
from collapse_pipeline.defs.assets import OWNERS, clear_failures
from collapse_pipeline.defs.lineage_events import calibration_page
from collapse_pipeline.defs.metadata import readable
from collapse_pipeline.defs.run_records import pool_of
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.settings import today_utc

NAME = "gate_calibration"


class CalibrationConfig(dg.Config):
    """What a person says when calibrating."""

    reason: str = Field(
        default="materialised in Dagster",
        description="Why the gates are calibrated again; it goes on record.",
    )


def calibration_asset(corpus: str) -> dg.AssetsDefinition:
    """The asset `<corpus>/gate_calibration`; materialising it is the decision to use it."""

    @dg.asset(
        name=NAME,
        key_prefix=[corpus],
        deps=[[corpus, "human_anchor"], [corpus, "template_set"]],
        pool=pool_of(corpus),
        description="What healthy figures are, by replicate chains; bounds come from it.",
        group_name="2_components",
        owners=OWNERS,
        kinds={"python"},
        tags={"corpus": corpus},
    )
    def gate_calibration(
        context: dg.AssetExecutionContext,
        config: CalibrationConfig,
        home: dg.ResourceParam[Workshop],
    ) -> dg.MaterializeResult[None]:
        with clear_failures(context, corpus):
            home.hold(corpus)
            settings = home.settings.corpus(corpus)
            night = calibrating.taught_by(home.line(corpus), today_utc(), settings)
            made = calibrating.calibrate(
                home,
                corpus,
                night,
                settings,
                config.reason,
                told=lambda done, wanted: context.log.info(f"{done} of {wanted} replicates"),
            )
        return dg.MaterializeResult(metadata=readable(calibration_page(made)))

    return gate_calibration
