"""Versions: how the component versions of a night are named, `kind name@version`.

A version goes by settings, not by what is fitted from the night's rows: a judge stays the same
judge while its models learn from new human rows.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from collapse_pipeline.loop.pinned import Brake, GeneratorRecord, InForce
from collapse_pipeline.records import Component, canonical_json, content_hash


def named(kind: str, version: str) -> str:
    """A component version as it is written, `kind name@version`."""
    return f"{kind} {version}"


def kind_of(component: str) -> Component:
    """The kind of a component version that is written `kind name@version`."""
    return Component(component.partition(" ")[0])


def version_of(kind: Component, settings: Mapping[str, Any]) -> str:
    """The version of a judge, teacher or mix policy by its settings: `kind name@version`.

    A student that writes goes by its model instead, see `versions_of`.
    """
    name = {
        Component.JUDGE: lambda: settings["panel"]["kind"],
        Component.TEACHER: lambda: settings["kind"],
        Component.MIX_POLICY: lambda: settings["regime"],
    }[kind]()
    return named(kind, _hashed(name, settings))


def members_of(teacher: Mapping[str, Any]) -> dict[str, str]:
    """The teachers of a mixture by their names, each `name@version`; none for a teacher alone."""
    members = teacher.get("teachers") or {}
    return {name: _hashed(name, settings) for name, settings in members.items()}


def teachers_of(teacher: Mapping[str, Any], in_force: Iterable[InForce]) -> tuple[str, ...]:
    """Who writes under these settings, each `teacher name@version`: of a mixture those that are
    not frozen. A student goes by its model instead, see `versions_of`."""
    frozen = {brake.value for brake in in_force if brake.what is Brake.FROZEN}
    members = [named(Component.TEACHER, version) for version in members_of(teacher).values()]
    alone = version_of(Component.TEACHER, teacher)
    return tuple(member for member in members if member not in frozen) if members else (alone,)


def _hashed(name: str, settings: Mapping[str, Any]) -> str:
    return f"{name}@{content_hash(canonical_json(settings))[:12]}"


def versions_of(record: GeneratorRecord) -> dict[Component, tuple[str, ...]]:
    """The component versions that a night used, each `kind name@version`.

    The teacher is the release that writes, `student@<model hash>`, or goes by its own settings, of
    a mixture each of its teachers that is not frozen; in generation 0 no student writes yet.
    """
    settings = record.settings
    teachers = teachers_of(settings["teacher"], record.in_force)
    if settings["teacher"]["kind"] == "student":
        model = record.parent.model or record.baseline_model
        teachers = (student(model),) if model else ()
    return {
        Component.TEMPLATE: tuple(named(Component.TEMPLATE, str(t)) for t in record.templates),
        Component.TEACHER: teachers,
        Component.JUDGE: (version_of(Component.JUDGE, settings["judge"]),),
        Component.MIX_POLICY: (version_of(Component.MIX_POLICY, settings["mix"]),),
    }


def student(model: str) -> str:
    """The component version of a release as a teacher."""
    return named(Component.TEACHER, f"student@{model}")
