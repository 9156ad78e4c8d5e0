"""The release checklist on a home: its evidence is read here and weighed in `loop/checklist.py`."""

from collapse_pipeline.defs.pins import pinned_parts
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.loop.checklist import Row, Wanted, checklist
from collapse_pipeline.loop.lineage import Generation, Line, Manifest, Status

MEASURED = (Status.PROMOTED, Status.QUARANTINED)


def run_checklist(
    shop: Workshop,
    line: Line,
    subject: Generation | None,
    share: float | None = None,
) -> list[Row]:
    """The seven rows for a generation of a line.

    Args:
        shop: The home.
        line: The line that the generation stands on.
        subject: What is looked at; None where there is nothing yet.
        share: Synthetic share that is asked for, where it is to be raised.
    """
    manifest = subject.manifest if subject else None
    governance = shop.governance(line.corpus)
    settings = shop.settings.corpus(line.corpus).governance
    values = []
    if manifest is not None:
        table = shop.store.read("gate_values", line.corpus, [manifest.generation])
        values = [row for row in table.to_pylist() if row["attempt"] == manifest.attempt]
    return checklist(
        manifest,
        values,
        governance,
        pin_faults(shop, manifest) if manifest else {},
        {
            release.generation: release.manifest.shares.get("synthetic", 0.0)
            for release in line.releases
            if release.manifest is not None
        },
        Wanted(share=share, review_rows=settings.review_rows),
    )


def newest_measured(line: Line) -> Generation | None:
    """The newest generation that was evaluated, promoted or not."""
    measured = [generation for generation in line.active if generation.status in MEASURED]
    return measured[-1] if measured else None


def pin_faults(shop: Workshop, manifest: Manifest) -> dict[str, str]:
    """What a rollback to a release takes, each with what is wrong with it, "" for nothing."""
    return {part.name: part.fault for part in pinned_parts(shop, manifest)}
