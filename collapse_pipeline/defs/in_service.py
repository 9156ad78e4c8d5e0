"""Freezes on Dagster's pages: the check `in_service` of templates, teacher and judge, red while a
version of them is frozen, and an observation for every event that changed where one stands.

Dagster's own records say what was shown: each carries the number of its ledger event. So a kill
at any point loses nothing and shows nothing twice.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from collapse_pipeline.backends.ledgers.lease import home_lock
from collapse_pipeline.defs.check_history import last_result
from collapse_pipeline.defs.metadata import markdown, readable
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.loop.govern import TRANSITIONS, Act, Cause, Governance, Standing, State
from collapse_pipeline.loop.versions import kind_of
from collapse_pipeline.records import Component

NAME = "in_service"
LEDGER_EVENT = "ledger_event"  # metadata: number of the newest event that it speaks of
PAGE = 200  # observations
ASSETS: Mapping[Component, str] = {
    Component.TEMPLATE: "template_set",
    Component.TEACHER: "teacher",
    Component.JUDGE: "judge",
}


@dataclass(frozen=True)
class Change:
    """An event that changed where a component version stands, or why it stands there."""

    cause: Cause
    after: Standing


def in_service_checks(corpus: str) -> list[dg.AssetChecksDefinition]:
    """The check of each component asset of a corpus; by hand it says what the ledger says now."""
    return [_check(corpus, kind) for kind in ASSETS]


def _check(corpus: str, kind: Component) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_of(corpus, kind),
        name=NAME,
        description=f"No {kind} of this corpus is frozen.",
    )
    def in_service(home: dg.ResourceParam[Workshop]) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(**finding(home.governance(corpus), kind))

    return in_service


def asset_of(corpus: str, kind: Component) -> dg.AssetKey:
    """The asset that shows the versions of a kind."""
    return dg.AssetKey([corpus, ASSETS[kind]])


def finding(governance: Governance, kind: Component) -> dict[str, Any]:
    """What `in_service` says of a kind: red while a version is frozen or in review.

    A retired version is out of service by a person's decision, which is nothing to act on.
    """
    changed = [c for c in changes(governance) if kind_of(c.cause.component) is kind]
    frozen = [s for s in governance.out_of_service(kind) if s.state is not State.RETIRED]
    said: dict[str, Any] = {LEDGER_EVENT: changed[-1].cause.seq if changed else 0}
    if frozen:
        causes = [cause for standing in frozen for cause in standing.causes]
        said |= {
            "gate": _listed(cause.gate for cause in causes),
            "generation": _listed(cause.generation for cause in causes),
            "frozen": dg.MetadataValue.md(markdown([_row(standing) for standing in frozen])),
            "lift": "\n".join(f"- {_lift(governance.corpus, s.component)}" for s in frozen),
            "evidence": {s.component: [_evidence(cause) for cause in s.causes] for s in frozen},
        }
    return {
        "passed": not frozen,
        "severity": dg.AssetCheckSeverity.ERROR,
        "description": "; ".join(map(str, frozen)) or f"no {kind} is frozen",
        "metadata": readable(said),
    }


def changes(governance: Governance) -> list[Change]:
    """What changed of the components that have a check, oldest first.

    Bringing into service what was never out of it changes nothing.
    """
    found = []
    known: dict[str, Standing] = {}
    for cause in governance.of(*{act for _, act in TRANSITIONS}):
        before = known.get(cause.component, Standing(cause.component))
        after = known[cause.component] = before.after(cause)
        stays = before.state is after.state is State.ACTIVE
        if after is not before and not stays and kind_of(cause.component) in ASSETS:
            found.append(Change(cause, after))
    return found


def show_changes(
    instance: dg.DagsterInstance, shop: Workshop, corpus: str, acts: Collection[Act], after: int
) -> tuple[int, list[str]]:
    """Shows what the ledger says of components and the pages do not show yet.

    Args:
        instance: Whose pages.
        shop: The home.
        corpus: Whose components.
        acts: The kinds of events to show. The check is told anew, of all kinds of events, where
            there is one of these to show.
        after: The event up to which everything was shown.

    Returns:
        The event up to which everything is shown now, and the component versions spoken of.
    """
    if not shop.ledger.events(corpus=corpus, kinds=list(acts), after=after):
        return after, []
    # A tick that a person asks for on the pages runs beside the daemon's.
    with home_lock(shop.settings.home):
        governance = shop.governance(corpus)
        changed = changes(governance)
        new = [c for c in changed if c.cause.act in acts and c.cause.seq > after]
        shown = []
        for kind in dict.fromkeys(kind_of(c.cause.component) for c in new):
            of_kind = [c for c in new if kind_of(c.cause.component) is kind]
            shown += _observe(instance, corpus, kind, of_kind)
            newest = [c for c in changed if kind_of(c.cause.component) is kind][-1]
            _tell(instance, governance, kind, newest.cause.seq)
    return max(cause.seq for cause in governance.of(*acts)), shown


def _observe(
    instance: dg.DagsterInstance, corpus: str, kind: Component, new: Sequence[Change]
) -> list[str]:
    key = asset_of(corpus, kind)
    known = _observed(instance, key)
    told = [change for change in new if change.cause.seq not in known]
    for change in told:
        instance.report_runless_asset_event(
            dg.AssetObservation(
                asset_key=key,
                description=f"{change.after.component} {_words(change.after.state)} "
                f"{change.cause.why}",
                metadata=readable(_metadata(corpus, change)),
            )
        )
    return [f"{change.after.component} {_words(change.after.state)}" for change in told]


def _observed(instance: dg.DagsterInstance, key: dg.AssetKey) -> set[int]:
    """Numbers of the ledger events that observations of an asset speak of."""
    found: set[int] = set()
    cursor: str | None = None
    while True:
        page = instance.fetch_observations(key, limit=PAGE, cursor=cursor)
        for record in page.records:
            observation = record.asset_observation
            if observation is not None and LEDGER_EVENT in observation.metadata:
                found.add(_number(observation.metadata))
        if not page.has_more:
            return found
        cursor = page.cursor


def _tell(instance: dg.DagsterInstance, governance: Governance, kind: Component, seq: int) -> None:
    """Reports what `in_service` says, where it last spoke of an older event."""
    key = asset_of(governance.corpus, kind)
    last = last_result(instance, dg.AssetCheckKey(key, NAME))
    if last is None or _number(last.metadata) < seq:
        said = finding(governance, kind)
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=key, check_name=NAME, **said)
        )


def _number(metadata: Mapping[str, dg.MetadataValue[Any]]) -> int:
    return int(metadata[LEDGER_EVENT].value)


def _metadata(corpus: str, change: Change) -> dict[str, Any]:
    cause = change.cause
    frozen = change.after.state in (State.FROZEN, State.IN_REVIEW)
    return {
        "component": change.after.component,
        "state": change.after.state.value,
        "gate": cause.gate,
        "generation": cause.generation,
        "by": cause.actor,
        "why": cause.reason,
        "lift": _lift(corpus, change.after.component) if frozen else "",
        "evidence": _evidence(cause),
        LEDGER_EVENT: cause.seq,
    }


def _row(standing: Standing) -> dict[str, Any]:
    causes = standing.causes
    return {
        "version": standing.component,
        "state": _words(standing.state),
        "gate": _listed(cause.gate for cause in causes),
        "since": causes[0].since,
        "why": _listed(cause.reason for cause in causes),
    }


def _evidence(cause: Cause) -> Any:
    return cause.payload.get("evidence", {})


def _lift(corpus: str, component: str) -> str:
    kind, _, version = component.partition(" ")
    return (
        f"collapse-pipeline lift {version} --kind {kind} --corpus {corpus} --reason TEXT, "
        "or component retire"
    )


def _words(state: State) -> str:
    return state.value.replace("_", " ")


def _listed(values: Any) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))
