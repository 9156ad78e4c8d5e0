"""What a night behind a rollback reads: what the release read, but for what a person changed since.

Of component versions `choosing` decides; this is what lies beside them.
"""

from collections.abc import Mapping
from typing import Any

from collapse_pipeline.defs.choosing import PARTS
from collapse_pipeline.defs.corpora import CORPUS_ADDED, SUITE_ADDED
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.loop.lineage import Line
from collapse_pipeline.records import TablePin
from collapse_pipeline.settings import CorpusSettings

# Parts of the settings that are versions of a component, and who may decide: no part of a release.
ELSEWHERE = {*PARTS.values(), "governance"}


def restored_settings(line: Line, configured: CorpusSettings) -> CorpusSettings:
    """The settings of a night: behind a rollback the release's, part by part, where the
    configuration is the one that it was rolled back under.

    Args:
        line: As the night sees it.
        configured: What the configuration, and the options of this run, give now.
    """
    if line.rollback is None or line.pinned_by_rollback is None:
        return configured
    then, pinned = line.rollback.configured, line.pinned_by_rollback.settings
    now: Mapping[str, Any] = configured.model_dump(mode="json")
    held = {
        part: pinned[part]
        for part, value in now.items()
        if part in pinned and part not in ELSEWHERE and then.get(part) == value
    }
    return CorpusSettings.model_validate({**now, **held})


def pinned_tables(shop: Workshop, line: Line) -> tuple[TablePin, TablePin]:
    """The human anchor and the suites that a night reads: what stands there, or behind a rollback
    what the release read, until rows are taken in again."""
    anchor = shop.store.pin("human_anchor", line.corpus, "")
    suites = shop.store.pin("eval_suites", line.corpus, "")
    pinned = line.pinned_by_rollback
    if line.rollback is None or pinned is None:
        return anchor, suites
    events = shop.ledger.events(
        corpus=line.corpus, kinds=[CORPUS_ADDED, SUITE_ADDED], after=line.rollback.seq
    )
    added = {event.kind for event in events}
    return (
        anchor if CORPUS_ADDED in added else pinned.anchor,
        suites if added else pinned.suites_pin,
    )
