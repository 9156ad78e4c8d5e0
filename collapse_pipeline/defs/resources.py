"""What Dagster hands to assets: the home of this code location, opened once a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from collapse_pipeline.defs.workshop import Workshop, open_workshop
from collapse_pipeline.settings import load_settings


class HomeResource(dg.ConfigurableResource[Workshop]):
    """The home (store, ledger, models) that a run works on; its leases last as long as the run."""

    home: str
    config: str = ""

    _workshop: Workshop | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Workshop]:
        """Opens the home for one run and gives every lease back at its end."""
        settings = load_settings(Path(self.home), Path(self.config) if self.config else None)
        run = context.run.run_id[:8] if context.run else "outside of a run"
        with open_workshop(settings, actor=f"dagster run {run}") as workshop:
            yield workshop
