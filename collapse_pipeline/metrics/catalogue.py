"""Every metric by its name. A metric is a function and its row in the same file's `METRICS`."""

from collections import Counter
from collections.abc import Mapping

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.metrics import (
    bleu,
    coverage,
    divergence,
    drops,
    hedges,
    judging,
    phrases,
    questions,
    readiness,
    repetition,
    responses,
    similarity,
    sources,
    spread,
    standing,
    trends,
    two_sample,
)
from collapse_pipeline.metrics.evidence import Metric

FAMILIES = (
    divergence,
    two_sample,
    coverage,
    repetition,
    phrases,
    bleu,
    similarity,
    spread,
    questions,
    hedges,
    responses,
    judging,
    drops,
    sources,
    standing,
    trends,
    readiness,
)


def _catalogue() -> dict[str, Metric]:
    rows = [row for family in FAMILIES for row in family.METRICS]
    twice = [name for name, count in Counter(row.name for row in rows).items() if count > 1]
    if twice:
        raise BadInputError("one metric a name", f"two named {', '.join(twice)}", "rename one")
    return {row.name: row for row in rows}


CATALOGUE: Mapping[str, Metric] = _catalogue()


def metric_named(name: str) -> Metric:
    """The metric of that name.

    Raises:
        BadInputError: There is none; the nearest names are said.
    """
    if name not in CATALOGUE:
        from difflib import get_close_matches

        near = get_close_matches(name, CATALOGUE, 3)
        hint = f"perhaps {', '.join(near)}" if near else f"choose from {', '.join(CATALOGUE)}"
        raise BadInputError("a metric of the catalogue", repr(name), hint)
    return CATALOGUE[name]
