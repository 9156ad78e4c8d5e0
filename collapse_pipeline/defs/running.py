"""Running nights from the command line: the same job on the same instance as Dagster's own runs."""

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError

from collapse_pipeline.backends.ledgers.lease import home_lock
from collapse_pipeline.defs.corpora import ensure_corpus
from collapse_pipeline.defs.opening import checked_parts
from collapse_pipeline.defs.run_records import known_to_the_pages, limit_pools
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.workshop import Workshop, make_home, open_workshop
from collapse_pipeline.errors import BackendError, CollapsePipelineError, StoreError
from collapse_pipeline.loop.lineage import Generation, Happening
from collapse_pipeline.loop.nights import plan_nights
from collapse_pipeline.records import Frozen, Verdict
from collapse_pipeline.settings import PACKAGE, PROJECT, Settings, today_utc

# What a disk says that is full or may not be written: no fault of the program.
DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
DISK_FAULTS |= {errno.EISDIR, errno.ENOTDIR, errno.EEXIST}  # a folder where a file is wanted
RUN_OPENED = "run_opened"
RUN_CLOSED = "run_closed"
FIRST = "first"  # said for the first generation, whatever its date


class RunRequest(Frozen):
    """What a person asked for; the same request finishes a run of it that was cut off."""

    generations: int = 1
    start: str | None = None
    again: str | None = None
    overrides: Mapping[str, Any] = {}


@contextmanager
def instance_of(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance in the home, configured by the project's one dagster.yaml."""
    source = next(
        path
        for path in (PROJECT / "dagster.yaml", PACKAGE / "config" / "dagster.yaml")
        if path.exists()
    )
    here = settings.home / "dagster.yaml"
    make_home(settings.home)
    # Two first starts at once would both create the schema, and one would fail.
    with home_lock(settings.home), _records_kept(settings):
        if not here.exists() or here.read_bytes() != source.read_bytes():
            here.write_bytes(source.read_bytes())
        instance = dg.DagsterInstance.from_config(str(settings.home))
        instance.get_run_records(limit=1)
        limit_pools(instance, settings.corpora)
    with instance:
        yield instance


@contextmanager
def _records_kept(settings: Settings) -> Iterator[None]:
    """Turns what Dagster says of a disk that does not take its records into a `StoreError`."""
    from sqlalchemy.exc import DBAPIError  # an eighth of a second that loading the assets spares

    try:
        yield
    except (DBAPIError, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno not in DISK_FAULTS:
            raise
        raise StoreError(
            wanted=f"Dagster's records in {settings.home} to be read and written",
            got=str(fault.orig if isinstance(fault, DBAPIError) else fault),
            do="free space on its disk and make it writable, then run the same command again; "
            "if a file is damaged, move history/ and schedules/ away: the pages lose their runs, "
            "the tables and the ledger lose nothing",
        ) from fault


def run_corpus(
    settings: Settings,
    job_of: Callable[[Settings, str], dg.JobDefinition],
    instance: dg.DagsterInstance,
    corpus: str,
    request: RunRequest,
    told: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Runs the nights of one corpus; `told` hears of each generation as it ends.

    Returns:
        The corpus's part of the JSON contract of `run`.

    Raises:
        BadInputError: No night is left, or the request does not fit the line.
        LeaseHeldError: Another process runs this corpus.
    """
    ends: list[dict[str, Any]] = []
    with open_workshop(settings) as shop:
        shop.hold(corpus)
        nights, first_event = _plan(shop, corpus, request)
        job = job_of(shop.settings, corpus)
        for night in nights:
            if not _settled_since(shop, corpus, night, first_event):
                try:
                    _run_night(shop, job, instance, corpus, night, request)
                except BackendError as fault:
                    # A teacher or judge that failed stops this corpus; the night stays open, and
                    # the same command takes it up again.
                    ends.append(failed(night, fault))
                    told(ends[-1])
                    return {"corpus": corpus, "generations": ends}
            ends.append(describe(shop, shop.line(corpus).generations[night]))
            told(ends[-1])
        shop.ledger.append(
            RUN_CLOSED, corpus=corpus, actor=shop.actor, payload={"opened": first_event}
        )
    return {"corpus": corpus, "generations": ends}


def failed(night: str, fault: BackendError) -> dict[str, Any]:
    """A night that an edge brought to a halt, as the JSON contract has it."""
    return {
        "generation": night,
        "verdict": Verdict.FAILED.value,
        "blocked_by": [],
        "reasons": {"fault": str(fault)},
        "shares": {},
        "rows": {},
        "metrics": {},
        "released": {},
        "seconds": None,
    }


def describe(shop: Workshop, generation: Generation) -> dict[str, Any]:
    """One settled generation as the JSON contract has it."""
    manifest = generation.manifest
    if manifest is None:
        return {"generation": generation.generation, "verdict": "open"}
    verdict = generation.status if generation.status == "stale" else manifest.verdict
    return {
        "generation": generation.generation,
        "verdict": str(verdict),
        "blocked_by": list(manifest.blocked_by),
        "would_block": list(manifest.would_block),
        "reasons": dict(manifest.reasons),
        "shares": dict(manifest.shares),
        "rows": dict(manifest.rows),
        "depth": manifest.depth,
        "parent": manifest.parent.generation or "baseline",
        "metrics": dict(manifest.metrics),
        "released": dict(manifest.released),
        "gain": manifest.gain,
        "digests": {pin.table: pin.digest for pin in manifest.tables},
        "model": manifest.model,
        "seconds": _seconds(shop, generation),
    }


def _plan(shop: Workshop, corpus: str, request: RunRequest) -> tuple[list[str], int]:
    """Tonight's nights: those of a run of the same request that was cut off, else new ones."""
    asked = request.model_dump(mode="json")
    events = shop.ledger.events(corpus=corpus, kinds=[RUN_OPENED, RUN_CLOSED])
    if events and events[-1].kind == RUN_OPENED and events[-1].payload["request"] == asked:
        return list(events[-1].payload["nights"]), events[-1].seq
    today = today_utc()
    first = shop.settings.first_generation(corpus, today)
    start = first if request.start == FIRST else request.start
    nights = plan_nights(shop.line(corpus), first, today, request.generations, start, request.again)
    checked_parts(shop, corpus, shop.settings.corpus(corpus, request.overrides))
    ensure_corpus(shop, corpus, nights[0])
    event = shop.ledger.append(
        RUN_OPENED, corpus=corpus, actor=shop.actor, payload={"request": asked, "nights": nights}
    )
    return nights, event.seq


def _settled_since(shop: Workshop, corpus: str, night: str, since: int) -> bool:
    settled = shop.ledger.events(
        corpus=corpus, kinds=[Happening.SETTLED], after=since, generation=night
    )
    return any(event.payload["verdict"] != Verdict.FAILED for event in settled)


def _run_night(
    shop: Workshop,
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    corpus: str,
    night: str,
    request: RunRequest,
) -> None:
    """One run of the job, and what follows from it. Dagster wraps what a stage refused; here it is
    itself again."""
    generator = {"overrides": dict(request.overrides), "again": request.again is not None}
    try:
        with _records_kept(shop.settings), known_to_the_pages(instance, job.name):
            job.execute_in_process(
                instance=instance,
                partition_key=night,
                resources={"home": shop},
                run_config={
                    "ops": {f"{corpus}__generator": {"config": generator}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
    except dg.DagsterExecutionInterruptedError:  # what Dagster makes of Ctrl-C
        raise KeyboardInterrupt from None
    except DagsterAssetCheckFailedError:
        pass  # a gate stopped the night, which is an end like another
    except dg.Failure as failure:
        if isinstance(failure.__cause__, CollapsePipelineError):
            raise failure.__cause__ from None
        raise
    settle(shop, corpus, night)


def _seconds(shop: Workshop, generation: Generation) -> float | None:
    """From the opening of the attempt to its decision."""
    times = {
        event.kind: datetime.fromisoformat(event.at)
        for event in shop.ledger.events(
            corpus=generation.record.corpus,
            kinds=[Happening.OPENED, Happening.SETTLED],
            generation=generation.generation,
        )
    }
    if Happening.SETTLED not in times:
        return None
    return (times[Happening.SETTLED] - times[Happening.OPENED]).total_seconds()
