"""What a person asks a home: reads only."""

from typing import Any

import pyarrow.compute as pc

from collapse_pipeline.defs.rolling_back import rollback_of
from collapse_pipeline.defs.running import describe
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.lineage import Generation, Status
from collapse_pipeline.loop.nights import plan_nights
from collapse_pipeline.settings import today_utc


def status_of(shop: Workshop, corpus: str, last: int) -> dict[str, Any]:
    """The newest generations of a corpus, its release in force and what comes next."""
    shop.settings.item(corpus)
    line = shop.line(corpus)
    newest = [line.generations[day] for day in sorted(line.generations)[-last:]]
    incumbent = line.incumbent
    anchor = shop.store.read("human_anchor", corpus, columns=["split"])
    today = today_utc()
    try:
        first = shop.settings.first_generation(corpus, today)
        next_night = plan_nights(line, first, today, 1)[0]
    except BadInputError:
        next_night = None
    return {
        "corpus": corpus,
        "generations": [_described(shop, generation) for generation in newest],
        "incumbent": incumbent.generation if incumbent else None,
        "released": dict(incumbent.manifest.metrics) if incumbent and incumbent.manifest else {},
        "human_rows": pc.sum(pc.equal(anchor["split"], "train")).as_py() or 0,
        "next_night": next_night,
        "rollback": rollback_of(line),
    }


def _described(shop: Workshop, generation: Generation) -> dict[str, Any]:
    superseded = generation.status is Status.SUPERSEDED
    return describe(shop, generation) | ({"verdict": "superseded"} if superseded else {})
