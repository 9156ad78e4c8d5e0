"""Versions: how the component versions of a night are named, `kind name@version`.

A version goes by settings, not by what is fitted from the night's rows: a judge stays the same
judge while its models learn from new human rows.
"""

from collections.abc import Mapping
from typing import Any

from collapse_pipeline.loop.lineage import GeneratorRecord
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
    return named(kind, f"{name}@{content_hash(canonical_json(settings))[:12]}")


def versions_of(record: GeneratorRecord) -> dict[Component, tuple[str, ...]]:
    """The component versions that a night used, each `kind name@version`.

    The teacher is the release that writes, `student@<model hash>`, or one of its own settings;
    in generation 0 nobody writes yet.
    """
    settings = record.settings
    teachers = [version_of(Component.TEACHER, settings["teacher"])]
    if settings["teacher"]["kind"] == "student":
        model = record.parent.model or record.baseline_model
        teachers = [student(model)] if model else []
    return {
        Component.TEMPLATE: tuple(named(Component.TEMPLATE, str(t)) for t in record.templates),
        Component.TEACHER: tuple(teachers),
        Component.JUDGE: (version_of(Component.JUDGE, settings["judge"]),),
        Component.MIX_POLICY: (version_of(Component.MIX_POLICY, settings["mix"]),),
    }


def student(model: str) -> str:
    """The component version of a release as a teacher."""
    return named(Component.TEACHER, f"student@{model}")
