"""What a night pins of its gates when it opens: the suite, the calibration, and what applies."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.defs import calibrating
from collapse_pipeline.defs.replicates import applying, rows_drawn
from collapse_pipeline.defs.workshop import Workshop, arrived
from collapse_pipeline.loop.calibrate import Calibration, faults
from collapse_pipeline.loop.lineage import Line
from collapse_pipeline.loop.versions import members_of, version_of, versions_of
from collapse_pipeline.metrics.evidence import Need
from collapse_pipeline.records import Component, Template, labels_of
from collapse_pipeline.settings import CorpusSettings

STAGE_LOG = logging.getLogger("collapse_pipeline.stages")


def gate_pins(
    shop: Workshop,
    line: Line,
    generation: str,
    settings: CorpusSettings,
    templates: Sequence[Template],
    anchor: pa.Table,
) -> dict[str, Any]:
    """The fields of the generator record that gates read.

    A corpus that was never calibrated is calibrated now, unless its gates are not enforced: the
    first calibration takes nobody's decision away. Calibrating again is a person's decision; one
    that came with the package is put in force where it holds.

    Args:
        shop: The home.
        line: The corpus's generations.
        generation: The night that opens.
        settings: Those of the versions in service, without what gates put in force on top.
        templates: Those in service.
        anchor: All rows of the human anchor.
    """
    before = line.before(generation)
    taught_by = calibrating.taught_by(line, generation, settings)
    human = arrived(anchor, taught_by, settings)
    has_world = shop.world_of(line.corpus) is not None
    needs = [
        *applying(anchor, human, settings, has_world),
        *_of_the_line(before, settings, templates),
    ]
    pins: dict[str, Any] = {
        "gates": load_gates(shop.settings.home),
        "applies": tuple(need.value for need in needs),
        "taught_by": taught_by,
    }
    if not before.generations:  # generation 0 writes nothing that a gate could hold back
        return pins
    calibration, why = _calibration(shop, line.corpus, taught_by, settings, human)
    return pins | {
        "calibration": calibration.version if calibration else "",
        "calibration_faults": tuple(why),
        "gate_rows": calibration.rows if calibration else rows_drawn(settings, human.num_rows),
    }


def _of_the_line(
    before: Line, settings: CorpusSettings, templates: Sequence[Template]
) -> Iterator[Need]:
    """What the nights before gave."""
    wrote = [g for g in before.releases if g.manifest and g.manifest.rows.get("filtered_batch")]
    if wrote:
        yield Need.EARLIER
    judge = version_of(Component.JUDGE, settings.judge.model_dump(mode="json"))
    if any(judge in versions_of(g.record)[Component.JUDGE] for g in wrote):
        yield Need.GOLD  # another judge has another scale: it did not change its mind
    teachers = [settings.teacher.model_dump(mode="json")]
    teachers += [g.record.settings["teacher"] for g in wrote]
    if len({name for teacher in teachers for name in members_of(teacher) or [teacher["kind"]]}) > 1:
        yield Need.TEACHERS
    if len(templates) > 1:
        yield Need.TEMPLATES


def _calibration(
    shop: Workshop, corpus: str, taught_by: str, settings: CorpusSettings, human: pa.Table
) -> tuple[Calibration | None, list[str]]:
    """The calibration in force, and why it does not hold for tonight."""
    facts = calibrating.facts_of(settings, labels_of(human))
    current = calibrating.in_force(shop, corpus)
    why = faults(current, facts, human.num_rows) if current else ["there is no calibration"]
    if not why:
        return current, []
    came = calibrating.shipped(corpus, facts, human.num_rows)
    if came is not None:
        calibrating.keep(shop.settings.home, came)
        calibrating.put_in_force(shop, came, "came with the package and holds for these rows")
        return came, []
    if current is None and settings.gates.enforce:
        reason = "the corpus had no calibration yet"

        def told(done: int, wanted: int) -> None:
            stage = f"{done} of {wanted} replicates"
            STAGE_LOG.info("%s %s %s", corpus, "first calibration", stage)

        return calibrating.calibrate(shop, corpus, taught_by, settings, reason, told=told), []
    return current, why
