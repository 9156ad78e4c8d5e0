"""The release checklist on a home: its evidence is read here and weighed in `loop/checklist.py`."""

from collections.abc import Sequence
from typing import Any

from collapse_pipeline.defs.pins import Part, pinned_parts
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.loop.checklist import Row, Wanted, checklist
from collapse_pipeline.loop.lineage import Line, Status
from collapse_pipeline.loop.pinned import Manifest
from collapse_pipeline.settings import today_utc

MEASURED = (Status.PROMOTED, Status.QUARANTINED)


def run_checklist(
    shop: Workshop,
    line: Line,
    manifest: Manifest | None,
    share: float | None = None,
    parts: Sequence[Part] | None = None,
) -> list[Row]:
    """The seven rows for a release, or for what is to become one.

    Args:
        shop: The home.
        line: The line that it stands on.
        manifest: What is looked at, decided or not; None where there is nothing yet.
        share: Synthetic share that is asked for, where it is to be raised.
        parts: What it pins, where that was looked at already.
    """
    if parts is None:
        parts = pinned_parts(shop, manifest) if manifest else []
    values: list[dict[str, Any]] = []
    if manifest is not None:
        table = shop.store.read("gate_values", line.corpus, [manifest.generation])
        values = [row for row in table.to_pylist() if row["attempt"] == manifest.attempt]
    settings = shop.settings.corpus(line.corpus).governance
    return checklist(
        manifest,
        values,
        shop.governance(line.corpus),
        {part.name: part.fault for part in parts},
        {
            release.generation: release.manifest.shares.get("synthetic", 0.0)
            for release in line.releases
            if release.manifest is not None
        },
        Wanted(
            share=share,
            as_of=today_utc(),
            review_rows=settings.review_rows,
            experiment_days=settings.experiment_days,
        ),
    )


def manifest_in_force(line: Line) -> Manifest | None:
    """The manifest of the release in force."""
    return line.incumbent.manifest if line.incumbent else None


def newest_manifest(line: Line) -> Manifest | None:
    """The manifest of the newest generation that was evaluated, promoted or not."""
    measured = [g.manifest for g in line.active if g.status in MEASURED]
    return measured[-1] if measured else None
