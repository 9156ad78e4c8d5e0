"""What a person decides of a corpus: freezing, lifting, reviewing, retiring and activating
component versions, raising a cap, accepting a gate. Each is one event of the ledger.

What is said is what the ledger says afterwards; saying the same thing twice writes it once.
"""

from typing import Any

from collapse_pipeline.defs.checklists import manifest_in_force, newest_manifest, run_checklist
from collapse_pipeline.defs.component_versions import find_version
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.checklist import red_lines
from collapse_pipeline.loop.govern import Act, Governance
from collapse_pipeline.loop.permit import GovernanceSettings, check_component, check_person
from collapse_pipeline.loop.versions import kind_of, named, versions_of
from collapse_pipeline.records import Component, content_hash


def freeze(
    shop: Workshop, corpus: str, component: Component, version: str, reason: str, by: str
) -> dict[str, Any]:
    """Takes a component version out of service from the next night on, until it is lifted.

    Raises:
        BadInputError: It was never seen here, is retired, or this person may not.
    """
    return _decided(shop, corpus, Act.FROZEN, component, version, reason, by)


def lift(
    shop: Workshop, corpus: str, component: Component, version: str, reason: str, by: str
) -> dict[str, Any]:
    """Takes a frozen component version back into service.

    Raises:
        BadInputError: It is not frozen, no reason was given, or this person may not.
    """
    return _decided(shop, corpus, Act.LIFTED, component, version, reason, by)


def open_review(
    shop: Workshop, corpus: str, component: Component, version: str, reason: str, by: str
) -> dict[str, Any]:
    """Says that a person looks into a frozen component version; it stays out of service.

    Raises:
        BadInputError: It is not frozen, or this person may not.
    """
    return _decided(shop, corpus, Act.REVIEW_OPENED, component, version, reason, by)


def retire(
    shop: Workshop, corpus: str, component: Component, version: str, reason: str, by: str
) -> dict[str, Any]:
    """Takes a component version out of service for good; only activating it brings it back.

    Raises:
        BadInputError: It is retired already, or this person may not.
    """
    return _decided(shop, corpus, Act.RETIRED, component, version, reason, by)


def activate(
    shop: Workshop, corpus: str, component: Component, version: str, reason: str, by: str
) -> dict[str, Any]:
    """Lets a component version be used where it is configured, after the release checklist.

    Returns:
        As the others, with `checklist`; a red line leaves everything as it was, and `done` false.

    Raises:
        BadInputError: It is frozen, or this person may not.
    """
    _, _, version = find_version(shop, version, corpus, component)
    name = named(component, version)
    role = check_component(
        shop.governance(corpus), _settings(shop, corpus), Act.ACTIVATED, name, by, reason
    )
    line = shop.line(corpus)
    rows = run_checklist(shop, line, manifest_in_force(line))
    plain = [row.model_dump(mode="json") for row in rows]
    red = red_lines(rows)
    if not red:
        payload = {"component": component.value, "version": version, "checklist": plain}
        _append(shop, corpus, Act.ACTIVATED, payload, by, role, reason, name)
    return _said(shop, corpus, name, by, reason) | {
        "done": not red,
        "checklist": plain,
        "red_lines": red,
    }


def raise_cap(shop: Workshop, corpus: str, cap: float, reason: str, by: str) -> dict[str, Any]:
    """Raises a cap that a gate lowered, after the release checklist of the newest night.

    Returns:
        `done`, the `cap` in force afterwards, the `checklist` and its `red_lines`.

    Raises:
        BadInputError: No cap is lowered, this one is no raise, or this person may not.
    """
    role = check_person(_settings(shop, corpus), Act.CAP_RAISED, by, reason)
    lowered = shop.governance(corpus).cap
    if lowered is None:
        configured = shop.settings.corpus(corpus).mix.synthetic_cap
        raise BadInputError(
            wanted=f"a cap of {corpus} that a gate lowered",
            got=f"none: the configured {configured:g} is in force",
            do="change mix.synthetic_cap in the configuration",
        )
    if not lowered.payload["cap"] < cap <= 1:
        raise BadInputError(
            wanted=f"a share above {lowered.payload['cap']:g}, lowered {lowered.why}, at most 1",
            got=f"{cap:g}",
            do="give a higher --cap",
        )
    line = shop.line(corpus)
    rows = run_checklist(shop, line, newest_manifest(line), share=cap)
    plain = [row.model_dump(mode="json") for row in rows]
    red = red_lines(rows)
    if not red:
        payload = {"cap": cap, "checklist": plain}
        _append(shop, corpus, Act.CAP_RAISED, payload, by, role, reason, f"{cap}/{lowered.seq}")
    now = shop.governance(corpus).cap
    return {
        "corpus": corpus,
        "done": not red,
        "cap": now.payload["cap"] if now else None,
        "by": by,
        "reason": reason,
        "checklist": plain,
        "red_lines": red,
    }


def accept_gate(shop: Workshop, corpus: str, gate: str, reason: str, by: str) -> dict[str, Any]:
    """Says that a gate's breach is known and accepted: it blocks no release of this corpus more.

    Raises:
        BadInputError: This person may not.
    """
    shop.settings.item(corpus)
    role = check_person(_settings(shop, corpus), Act.GATE_ACCEPTED, by, reason)
    _append(shop, corpus, Act.GATE_ACCEPTED, {"gate": gate}, by, role, reason, gate)
    return {"corpus": corpus, "gate": gate, "accepted": True, "by": by, "reason": reason}


def _decided(
    shop: Workshop,
    corpus: str,
    act: Act,
    component: Component,
    version: str,
    reason: str,
    by: str,
) -> dict[str, Any]:
    _, _, version = find_version(shop, version, corpus, component)
    name = named(component, version)
    governance = shop.governance(corpus)
    role = check_component(governance, _settings(shop, corpus), act, name, by, reason)
    payload: dict[str, Any] = {"component": component.value, "version": version}
    if act is Act.FROZEN:
        payload |= {"gate": "", "evidence": {"used_in": _used_in(shop, corpus, name)}}
    _append(shop, corpus, act, payload, by, role, reason, name)
    return _said(shop, corpus, name, by, reason) | {"done": True}


def _append(
    shop: Workshop,
    corpus: str,
    act: Act,
    payload: dict[str, Any],
    by: str,
    role: str,
    reason: str,
    what: str,
) -> None:
    """Writes a decision; until something else is decided of the same, once."""
    epoch = _epoch(shop.governance(corpus), act, what)
    words = content_hash(by, reason)[:12]
    shop.ledger.append(
        act,
        corpus=corpus,
        actor=by,
        role=role,
        reason=reason,
        payload=payload,
        key=f"{corpus}/{act}/{what}/{words}/{epoch}",
    )


def _epoch(governance: Governance, act: Act, what: str) -> int:
    """Number of the last event of another kind that changed this, or of the last rollback."""
    changes = [
        cause.seq
        for cause in governance.causes
        if cause.act is Act.ROLLED_BACK
        or (cause.act is not act and "component" in cause.payload and cause.component == what)
    ]
    return max(changes, default=0)


def _said(shop: Workshop, corpus: str, name: str, by: str, reason: str) -> dict[str, Any]:
    standing = shop.governance(corpus).standing(name)
    return {
        "corpus": corpus,
        "component": kind_of(name).value,
        "version": name.partition(" ")[2],
        "state": standing.state.value,
        "by": by,
        "reason": reason,
        "why": [cause.why for cause in standing.causes],
    }


def _used_in(shop: Workshop, corpus: str, name: str) -> list[str]:
    """The generations that used a version."""
    return [
        generation.generation
        for generation in shop.line(corpus).active
        if any(name in versions for versions in versions_of(generation.record).values())
    ]


def _settings(shop: Workshop, corpus: str) -> GovernanceSettings:
    return shop.settings.corpus(corpus).governance
