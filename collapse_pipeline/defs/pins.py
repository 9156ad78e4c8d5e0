"""What releases pin: whether it is all there and unchanged, and what nothing pins any more."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from collapse_pipeline.backends.stores.partitions import WITHOUT_GENERATION
from collapse_pipeline.defs import calibrating
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.errors import StoreError
from collapse_pipeline.loop.lineage import Happening, Status
from collapse_pipeline.loop.pinned import GeneratorRecord, Manifest
from collapse_pipeline.records import Frozen, TablePin, table_digest

# Of these nothing is left to go back to.
GONE = (Status.STALE, Status.FAILED)


class Part(Frozen):
    """One part that a release pinned."""

    name: str
    fault: str = ""  # "" where it is there as it was pinned


def pinned_parts(
    shop: Workshop, manifest: Manifest, whole: bool = False, fresh: bool = False
) -> list[Part]:
    """Every part that a rollback to a release needs, and what is wrong with it.

    Its own tables by their digest, models by their files' hashes, the calibration by its content;
    the kept rows of earlier releases by their number only, since each was looked at in its night.

    Args:
        shop: The home.
        manifest: Of the release, or of a night that is not decided yet.
        whole: Earlier releases' rows by their digest too.
        fresh: The manifest was made just now, and its own tables' digests with it: their rows are
            only counted.
    """
    return list(_parts(shop, manifest, whole, fresh))


def check_pins(shop: Workshop, manifest: Manifest, whole: bool = False) -> list[Part]:
    """The parts that are missing or changed; as `pinned_parts`."""
    return [part for part in pinned_parts(shop, manifest, whole) if part.fault]


def vacuum(shop: Workshop, hours: int, delete: bool) -> dict[str, Any]:
    """Finds the files that neither the tables' present nor any pinned version needs.

    Args:
        shop: The home; the pins of every corpus of its ledger count.
        hours: Files younger than this stay: a running night may be about to commit them.
        delete: Deletes them; otherwise they are only counted.

    Returns:
        How many `files`, whether they were `deleted`, and how many versions are `kept`.

    Raises:
        StoreError: The ledger is not whole, so that it may have lost pins.
    """
    faults = shop.ledger.verify()
    if faults:
        raise StoreError(
            wanted="a whole ledger, which says what is pinned",
            got=f"event {faults[0].seq} {faults[0].fault.replace('_', ' ')}",
            do="see: collapse-pipeline audit verify",
        )
    kept = kept_pins(shop)
    files = shop.store.vacuum(kept, hours, dry_run=not delete)
    return {"files": files, "deleted": delete, "kept": len(kept), "hours": hours}


def kept_pins(shop: Workshop) -> list[TablePin]:
    """Every pin of a release, superseded ones too, of a quarantined night and of an open one."""
    opened = shop.ledger.events(kinds=[Happening.OPENED])
    pins: dict[tuple[str, int], TablePin] = {}
    for corpus in sorted({event.corpus for event in opened}):
        for known in shop.line(corpus).generations.values():
            if known.status in GONE:
                continue
            tables = known.manifest.tables if known.manifest else ()
            record = known.record
            for pin in (*tables, record.anchor, record.suites_pin, *record.line_pins):
                pins[pin.table, pin.version] = pin
    return list(pins.values())


def _parts(shop: Workshop, manifest: Manifest, whole: bool, fresh: bool) -> Iterator[Part]:
    corpus, night = manifest.corpus, manifest.generation
    for pin in manifest.tables:
        of = "" if pin.table in WITHOUT_GENERATION else night
        yield _table(shop, corpus, of, pin, not fresh or of == "")
    known = shop.line(corpus).generations.get(night)
    record = known.record if known and known.record.attempt == manifest.attempt else None
    if record is not None:
        for earlier, pin in zip(record.line, record.line_pins, strict=True):
            yield _table(shop, corpus, earlier, pin, whole)
    for model, name in _models(manifest, record).items():
        yield _part(f"{name} {model[:12]}", partial(_read, shop.store.model_folder, model))
    if record is not None and record.calibration:
        version = record.calibration
        load = partial(calibrating.load, shop.settings.home)
        yield _part(f"calibration {version[:12]}", partial(_read, load, version))


def _table(shop: Workshop, corpus: str, generation: str, pin: TablePin, digest: bool) -> Part:
    """Rows of a table; their number shows as well whether the files can be read."""

    def check() -> str:
        columns = None if digest else ["corpus"]
        rows = shop.store.read(pin.table, corpus, [generation], pin.version, columns)
        if rows.num_rows != pin.rows:
            return f"{rows.num_rows} rows, pinned {pin.rows}"
        found = table_digest(rows) if digest else pin.digest
        return "" if found == pin.digest else f"rows of digest {found}, pinned {pin.digest}"

    of = f" of {generation}" if generation else ""
    return _part(f"{pin.table}{of} at version {pin.version}", check)


def _models(manifest: Manifest, record: GeneratorRecord | None) -> dict[str, str]:
    """Names by hash of the models that the nights behind a release read."""
    models = [(manifest.model, "student"), (manifest.baseline_model, "baseline")]
    models.append((manifest.parent.model, "parent"))
    if record is not None:
        models.append((record.vocabulary_model, "vocabulary"))
        models += [(best.model, f"best of {suite}") for suite, best in record.best.items()]
    return {model: name for model, name in reversed(models) if model}


def _read(load: Callable[[str], object], name: str) -> str:
    """Nothing to say of what can be loaded by its hash: loading checks it."""
    load(name)
    return ""


def _part(name: str, check: Callable[[], str]) -> Part:
    try:
        return Part(name=name, fault=check())
    except StoreError as fault:
        return Part(name=name, fault=fault.got)
