"""Whether a night may be released, besides its figures: what `settle` alone knows."""

from collections import Counter
from collections.abc import Sequence

import pyarrow.compute as pc

from collapse_pipeline.defs.choosing import STUDENT
from collapse_pipeline.defs.corpora import SUITE_ADDED
from collapse_pipeline.defs.gating import MEND
from collapse_pipeline.defs.pins import Part
from collapse_pipeline.defs.workshop import Workshop, pinned_settings
from collapse_pipeline.loop.consequence import InService
from collapse_pipeline.loop.pinned import GeneratorRecord, Manifest
from collapse_pipeline.loop.suites_foreign import SuiteKind
from collapse_pipeline.loop.versions import versions_of
from collapse_pipeline.metrics.evidence import ReleaseEvidence
from collapse_pipeline.records import SYNTHETIC, Component, days_before

OUTSIDE = ("shadow", "long_tail")


def release_evidence(
    shop: Workshop, record: GeneratorRecord, manifest: Manifest, parts: Sequence[Part]
) -> ReleaseEvidence:
    """The evidence of the gates on the release, for a manifest that is not decided yet and the
    parts that it pins."""
    kept = manifest.rows.get("filtered_batch", 0)
    since = changed_since(shop, record)
    governance = shop.governance(record.corpus)
    reviewed = {night: len(rows) for night, rows in governance.reviewed.items()}
    settings = pinned_settings(record).governance
    faults = {part.name: part.fault for part in parts if part.fault}
    mend = MEND.format(corpus=record.corpus)
    return ReleaseEvidence(
        pin_faults=len(faults),
        outside_suites=outside_suites(shop, record),
        changed_components=int(since is not None),
        reviewed_rows=sum(count for night, count in reviewed.items() if night >= (since or "")),
        review_density=max(record.review_density, settings.changed_review_density),
        kept_rows=kept,
        nights_alone=nights_alone(shop, record),
        calibration_faults=len(record.calibration_faults),
        notes={
            "pin_faults": "; ".join(f"{part}: {fault}" for part, fault in faults.items()),
            "calibration_faults": "; ".join((*record.calibration_faults, mend))
            if record.calibration_faults
            else "",
        },
    )


def outside_suites(shop: Workshop, record: GeneratorRecord) -> int:
    """Shadow, long-tail and external suites that apply tonight and are recent enough.

    A window is as old as its month, what was added the day that it was, and what was frozen with
    the corpus as old as its first night.
    """
    added = {
        (suite["name"], suite["version"]): event.at[:10]
        for event in shop.ledger.events(corpus=record.corpus, kinds=[SUITE_ADDED])
        for suite in event.payload["suites"]
        if suite["name"] not in (SuiteKind.CROSS_DOMAIN, SuiteKind.OUT_OF_SCOPE)
    }
    oldest = days_before(record.generation, pinned_settings(record).gates.suite_days)
    nights = sorted(shop.line(record.corpus).generations)
    first = nights[0] if nights else record.generation
    count = 0
    for suite in record.suites:
        window, dot, _ = suite.version.partition(".")
        external = added.get((suite.name, suite.version))
        born = f"{window}-28" if dot else external or first
        outside = suite.name in OUTSIDE or external is not None
        count += suite.applicable and outside and born >= oldest
    return count


def changed_since(shop: Workshop, record: GeneratorRecord) -> str | None:
    """The generation that first used the newest of tonight's templates, judge and teacher; None
    where all of them are as old as the first batch.

    What is not in use tonight wants no review: a frozen template wrote none of its rows. A student
    that writes is new every night and does not count.
    """
    line = shop.line(record.corpus).before(record.generation).active
    records = [g.record for g in line if g.record.ordinal] + [record]
    first: dict[str, str] = {}
    for one in records:
        for version in _reviewed(one):
            first.setdefault(version, one.generation)
    newest = max((first[version] for version in _reviewed(record)), default="")
    return newest if newest > records[0].generation else None


def _reviewed(record: GeneratorRecord) -> list[str]:
    """The versions of a night whose rows a person should have seen."""
    versions = versions_of(record)
    kinds = (Component.TEMPLATE, Component.JUDGE, Component.TEACHER)
    return [v for kind in kinds for v in versions[kind] if not v.startswith(STUDENT)]


def nights_alone(shop: Workshop, record: GeneratorRecord) -> int:
    """Generations in a row, tonight's included, that one teacher wrote alone while no human row
    arrived, no review was recorded and no experiment made."""
    governance = shop.governance(record.corpus)
    corrected = {*governance.reviewed, *(cause.since for cause in governance.experiments)}
    line = [g.record for g in shop.line(record.corpus).before(record.generation).active]
    count = 0
    for earlier, later in zip(reversed(line), reversed([*line[1:], record]), strict=True):
        writers = _writers(shop, later)
        grown = later.human_rows > earlier.human_rows
        if grown or len(writers) > 1 or any(c >= later.generation for c in corrected):
            break
        count += len(writers)  # a night that a gate stopped before its mix corrects nothing
    return count


def _writers(shop: Workshop, record: GeneratorRecord) -> set[str]:
    """Teachers of the rows that a night was trained on, whatever their versions."""
    rows = shop.store.read(
        "training_mix", record.corpus, [record.generation], columns=["origin", "teacher"]
    )
    written = rows.filter(pc.equal(rows["origin"], SYNTHETIC))["teacher"].to_pylist()
    return {str(teacher).partition("@")[0] for teacher in written}


def in_service(shop: Workshop, record: GeneratorRecord) -> InService:
    """What the night used, and what of it could be taken away without the loop standing still."""
    versions = versions_of(record)
    line = shop.line(record.corpus)
    governance = shop.governance(record.corpus)
    earlier = [g.record for g in line.before(record.generation).active]
    other_judges = {v for r in earlier for v in versions_of(r)[Component.JUDGE]}
    other_judges = {
        v for v in other_judges - {*versions[Component.JUDGE]} if governance.in_service(v)
    }
    templates = versions[Component.TEMPLATE]
    settings = pinned_settings(record)
    # Without a release as its parent the human-only baseline writes, and nothing lies below that.
    teachers = versions[Component.TEACHER]
    released = settings.teacher.kind == "student" and bool(record.parent.model)
    used = [set(versions_of(r)[Component.TEMPLATE]) for r in earlier if r.ordinal]
    # Those that came last, however many nights ago.
    fresh = ([t for t in templates if t not in night] for night in reversed(used))
    newest = next((found for found in fresh if found), [])
    human = Counter(shop.human(record)["label"].to_pylist())
    rare = [label for label, _ in human.most_common()[len(human) * 3 // 4 :] if label]
    return InService(
        components={
            Component.TEMPLATE: templates if len(templates) > 1 else (),
            Component.TEACHER: teachers if released or len(teachers) > 1 else (),
            Component.JUDGE: versions[Component.JUDGE] if other_judges else (),
        },
        newest_templates=newest,
        cap=settings.mix.synthetic_cap,
        density=record.review_density,
        rare_labels=rare,
    )
