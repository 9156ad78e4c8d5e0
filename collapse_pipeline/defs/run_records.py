"""Dagster's records of our runs: where a run comes from, so that the pages can run it again, its
end, where its process died without writing one, and the pool that keeps nights in order."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import dagster as dg
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.errors import LeaseHeldError
from collapse_pipeline.settings import Settings

# The name that pyproject.toml and workspace.yaml give, and that `dagster dev -m` would.
LOCATION = "collapse_pipeline.definitions"
# A run takes its lease after it has loaded the code, and gives it back before it writes its end:
# only one that has been silent for so long may be dead.
SILENT_SECONDS = 60.0


@contextmanager
def known_to_the_pages(instance: dg.DagsterInstance, job: str) -> Iterator[None]:
    """Runs created inside carry the origin that a run launched from the pages has.

    `execute_in_process` leaves it out, and without it the pages neither list a run under its job
    nor re-execute it. There is no public way to give one, so the instance's own method is bound
    to it for as long as the context lasts.
    """
    location = RegisteredCodeLocationOrigin(LOCATION)
    origin = RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME).get_job_origin(job)
    name = instance.create_run_for_job.__name__
    vars(instance)[name] = partial(instance.create_run_for_job, remote_job_origin=origin)
    try:
        yield
    finally:
        del vars(instance)[name]


def close_dead_runs(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Marks runs as failed whose process was killed, and gives back their ids.

    A run record that never ends would hold its corpus's pool for good. A living run holds the
    lease of its corpus, so a silent run under way whose lease is free is dead.
    """
    under_way = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    closed = []
    for record in instance.get_run_records(under_way):
        run = record.dagster_run
        corpora = _corpora(run)
        if not corpora or not _silent(instance, run):
            continue
        try:
            with open_workshop(settings) as shop:
                for corpus in sorted(corpora):
                    shop.hold(corpus)
                if not _silent(instance, run):  # it has just ended, and gave its leases back
                    continue
                instance.report_run_failed(
                    run, "The process of this run ended without a word; run the night again."
                )
                closed.append(run.run_id)
        except LeaseHeldError:
            continue
    return closed


def limit_pools(instance: dg.DagsterInstance, corpora: Iterable[str]) -> None:
    """Sets the configured limit on the pool of each corpus.

    Dagster does so when it first sees a pool in its queue, and launches that queue's head before
    the limit holds: several nights of one corpus at once.
    """
    for corpus in corpora:
        instance.event_log_storage.initialize_concurrency_limit_to_default(pool_of(corpus))


def pool_of(corpus: str) -> str:
    """The run pool of a corpus, which holds one generation at a time."""
    return f"generation_{corpus}"


def nights_in_order(settings: Settings, corpora: Sequence[str]) -> dg.SensorDefinition:
    """The sensor that keeps every corpus's pool at work: limited, and not held by dead runs."""

    @dg.sensor(
        name="nights_in_order",
        description="Limits the pool of each corpus to one night at a time, and marks runs as "
        "failed whose process was killed, which would hold it for good.",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        limit_pools(context.instance, corpora)
        closed = close_dead_runs(context.instance, settings)
        return dg.SkipReason(f"closed {', '.join(closed)}" if closed else "all runs are well")

    return sensor


def _silent(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    last = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
    return not last or time.time() - last[0].timestamp >= SILENT_SECONDS


def _corpora(run: dg.DagsterRun) -> set[str]:
    if run.asset_selection:
        return {key.path[0] for key in run.asset_selection}
    return {run.tags["collapse/corpus"]} if "collapse/corpus" in run.tags else set()
