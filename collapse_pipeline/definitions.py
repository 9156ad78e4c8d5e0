"""Dagster's way in: every corpus of the home as assets, a job and a schedule."""

import dagster as dg

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.defs.in_service import in_service_checks
from collapse_pipeline.defs.resources import HomeResource
from collapse_pipeline.defs.run_records import nights_in_order
from collapse_pipeline.defs.schedules import nightly_definitions
from collapse_pipeline.defs.sensors import gate_sensors
from collapse_pipeline.settings import Settings, load_settings, today_utc


def build_definitions(settings: Settings) -> dg.Definitions:
    """The code location of one home."""
    today = today_utc()
    corpora, gates = served(settings), load_gates(settings.home)
    home = HomeResource(home=str(settings.home), config=str(settings.config or ""))
    return dg.Definitions.merge(
        # A night in one process shares its loaded models; a step's own process costs 2 s each.
        dg.Definitions(
            resources={"home": home},
            executor=dg.in_process_executor,
            asset_checks=[check for name in corpora for check in in_service_checks(name)],
            sensors=[nights_in_order(settings, corpora), *gate_sensors(settings, corpora, gates)],
        ),
        *(
            nightly_definitions(
                name, settings.first_generation(name, today), settings.schedule, gates
            )
            for name in corpora
        ),
    )


def served(settings: Settings) -> list[str]:
    """The corpora of a home, in order of their names.

    The embedded ones are all there until a person adds a corpus, also after the first of them
    was used: a queued night of the second still finds its job.
    """
    added = any(item.world is None for item in settings.corpora.values())
    return sorted(settings.corpora if added else {**settings.embedded, **settings.corpora})


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: the home and configuration that the environment names."""
    return build_definitions(load_settings())
