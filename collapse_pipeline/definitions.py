"""Dagster's way in: every corpus of the home as assets, a job and a schedule."""

import dagster as dg

from collapse_pipeline.defs.resources import HomeResource
from collapse_pipeline.defs.schedules import nightly_definitions
from collapse_pipeline.settings import Settings, load_settings, today_utc


def build_definitions(settings: Settings) -> dg.Definitions:
    """The code location of one home."""
    today = today_utc()
    home = HomeResource(home=str(settings.home), config=str(settings.config or ""))
    return dg.Definitions.merge(
        dg.Definitions(resources={"home": home}),
        *(
            nightly_definitions(name, settings.first_generation(name, today), settings.schedule)
            for name in settings.corpora
        ),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: the home and configuration that the environment names."""
    return build_definitions(load_settings())
