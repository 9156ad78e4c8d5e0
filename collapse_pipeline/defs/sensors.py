"""Sensors: what a failed gate causes is written, and both it and its end are shown on the pages.

Nothing here decides anything: `settle` is the one writer of consequences, and the ledger's events
are all that is shown. A tick can be killed anywhere and done again.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby

import dagster as dg

from collapse_pipeline.defs.check_history import Unpassed, newest_ids, unpassed_since
from collapse_pipeline.defs.gating import values_of
from collapse_pipeline.defs.in_service import show_changes
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.workshop import Workshop, open_workshop, pinned_settings
from collapse_pipeline.errors import CollapsePipelineError, LeaseHeldError
from collapse_pipeline.loop.consequence import verdicts
from collapse_pipeline.loop.gate import Gate
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.lineage import Happening, Status
from collapse_pipeline.loop.pinned import GeneratorRecord
from collapse_pipeline.records import Frozen
from collapse_pipeline.settings import Settings

FREEZE = "freeze_after_failed_check"
RESUME = "resume_after_lifted_freeze"
SECONDS = 30
TAKEN_OUT = (Act.FROZEN, Act.REVIEW_OPENED)
BROUGHT_ON = (Act.LIFTED, Act.RETIRED, Act.ACTIVATED)
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
Night = tuple[str, str]  # corpus, generation


class Seen(Frozen):
    """How far a sensor has looked, its cursor."""

    checks: Mapping[str, int] = {}  # by check, the last execution that is done with
    events: Mapping[str, int] = {}  # by corpus, the last event that is shown


def gate_sensors(
    settings: Settings, corpora: Sequence[str], gates: Sequence[Gate]
) -> list[dg.SensorDefinition]:
    """The sensors that go with the gates of a home."""
    checks = [
        dg.AssetCheckKey(dg.AssetKey([corpus, gate.asset]), gate.name)
        for corpus in corpora
        for gate in gates
    ]

    @dg.sensor(
        name=FREEZE,
        description="Settles every night that a gate stopped, and shows what was frozen.",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def freeze_after_failed_check(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen = _seen(context)
        done, settled = settle_stopped(context, settings, checks, seen.checks)
        return _shown(context, settings, corpora, TAKEN_OUT, Seen(checks=done), settled)

    @dg.sensor(
        name=RESUME,
        description="Shows what persons took back into service, or retired.",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def resume_after_lifted_freeze(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _shown(context, settings, corpora, BROUGHT_ON, Seen(), [])

    return [freeze_after_failed_check, resume_after_lifted_freeze]


def settle_stopped(
    context: dg.SensorEvaluationContext,
    settings: Settings,
    checks: Sequence[dg.AssetCheckKey],
    seen: Mapping[str, int],
) -> tuple[dict[str, int], list[str]]:
    """Settles the nights of failed and crashed checks that nobody has looked at yet.

    Gates that only warn fail inside successful runs, and one that raises has no result at all: so
    it is the checks that are watched, whatever became of their runs.

    Returns:
        By check, the last execution that is done with, and what was done in words.
    """
    done = dict(seen)
    newest = newest_ids(context.instance, checks)
    found: list[Unpassed] = []
    for check, last in newest.items():
        name = check.to_user_string()
        if last > seen.get(name, 0):
            found += unpassed_since(context.instance, check, seen.get(name, 0))
            done[name] = last
    waiting, said = _settled(context, settings, found)
    # From the newest to the oldest: what waits is looked at again, and what lies behind it too.
    for one in sorted(found, key=lambda one: -one.id):
        if _night(one) in waiting:
            done[one.check.to_user_string()] = one.id - 1
    return done, said


def _settled(
    context: dg.SensorEvaluationContext, settings: Settings, found: Sequence[Unpassed]
) -> tuple[set[Night], list[str]]:
    """The nights that have to wait for the next tick, and what was done of the others."""
    waiting: set[Night] = set()
    said: list[str] = []
    if not found:
        return waiting, said
    with open_workshop(settings, actor=FREEZE) as shop:
        for night, own in groupby(sorted(found, key=_night), key=_night):
            try:
                ended = _ended(context.instance, shop, night, list(own))
            except CollapsePipelineError as fault:  # of one corpus: the others go on
                context.log.error(f"{' '.join(night)} could not be settled: {fault}")
                ended = None
            if ended is None:
                waiting.add(night)
            elif ended:
                said.append(ended)
    return waiting, said


def _ended(
    instance: dg.DagsterInstance, shop: Workshop, night: Night, own: Sequence[Unpassed]
) -> str | None:
    """Settles a night if one of its gates stopped it: what was done, None if it has to wait."""
    corpus, generation = night
    runs = [instance.get_run_by_id(run_id) for run_id in {one.run_id for one in own}]
    if any(run is not None and not run.is_finished for run in runs):
        return None
    if _open(shop, night) is None:
        return ""
    # The next run settles what lies open before it, and must not find its corpus held.
    tagged = dg.RunsFilter(statuses=UNDER_WAY, tags={"collapse/corpus": corpus})
    if instance.get_runs(tagged, limit=1):
        return None
    try:
        with open_workshop(shop.settings, actor=FREEZE) as holding:  # given back with the night
            holding.hold(corpus)
            record = _open(holding, night)
            if record is None or not _stopped(instance, holding, record, own):
                return ""
            return f"{corpus} {generation} {settle(holding, corpus, generation).verdict}"
    except LeaseHeldError:
        return None


def _open(shop: Workshop, night: Night) -> GeneratorRecord | None:
    corpus, generation = night
    known = shop.line(corpus).generations.get(generation)
    return known.record if known is not None and known.status is Status.OPEN else None


def _stopped(
    instance: dg.DagsterInstance, shop: Workshop, record: GeneratorRecord, own: Sequence[Unpassed]
) -> bool:
    """Whether a gate ended this attempt: it blocks, or raised and so has no result. An attempt
    that something else cut off can be taken up again, and is left open."""
    said = verdicts(values_of(shop, record), shop.governance(record.corpus).accepted)
    blocked = bool(said.blocking) and pinned_settings(record).gates.enforce
    return blocked or _raised(instance, shop, record, own)


def _raised(
    instance: dg.DagsterInstance, shop: Workshop, record: GeneratorRecord, own: Sequence[Unpassed]
) -> bool:
    """Whether a check of this attempt raised. Where a run ended before a check was reached, its
    step never failed, and nothing was evaluated."""
    opened = shop.ledger.events(
        corpus=record.corpus, kinds=[Happening.OPENED], generation=record.generation
    )[-1]
    since = datetime.fromisoformat(opened.at).timestamp()
    steps = {(one.run_id, one.step) for one in own if one.step}
    failures = [
        record.event_log_entry
        for run_id in {run_id for run_id, _ in steps}
        for record in instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.STEP_FAILURE
        ).records
    ]
    return any(
        (entry.run_id, entry.step_key) in steps and entry.timestamp >= since for entry in failures
    )


def _shown(
    context: dg.SensorEvaluationContext,
    settings: Settings,
    corpora: Sequence[str],
    acts: Collection[Act],
    seen: Seen,
    said: Sequence[str],
) -> dg.SensorResult:
    """Shows what the ledger says of every corpus, and ends the tick."""
    events = dict(_seen(context).events)
    shown: list[str] = []
    with open_workshop(settings) as shop:
        for corpus in corpora:
            events[corpus], own = show_changes(
                context.instance, shop, corpus, acts, events.get(corpus, 0)
            )
            shown += own
    told = "; ".join([*said, *shown]) or "nothing new"
    cursor = seen.model_copy(update={"events": events}).model_dump_json()
    return dg.SensorResult(skip_reason=told, cursor=cursor)


def _seen(context: dg.SensorEvaluationContext) -> Seen:
    return Seen.model_validate_json(context.cursor) if context.cursor else Seen()


def _night(one: Unpassed) -> Night:
    return one.check.asset_key.path[0], one.night
