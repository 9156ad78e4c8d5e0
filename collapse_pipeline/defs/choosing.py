"""Choosing: which component versions a night uses, and what else it is held to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collapse_pipeline.loop.generate import fitting_templates
from collapse_pipeline.loop.govern import Governance
from collapse_pipeline.loop.lineage import Line
from collapse_pipeline.loop.obey import (
    Offer,
    Rule,
    brakes,
    chosen,
    chosen_templates,
    component_of,
    nothing_left,
)
from collapse_pipeline.loop.pinned import Brake, InForce, Parent
from collapse_pipeline.loop.versions import (
    members_of,
    named,
    student,
    version_of,
    versions_of,
)
from collapse_pipeline.records import Component, Template
from collapse_pipeline.settings import CorpusSettings

# Components that are versions of a part of the settings.
PARTS: Mapping[Component, str] = {
    Component.JUDGE: "judge",
    Component.MIX_POLICY: "mix",
    Component.TEACHER: "teacher",
}
# A student that teaches goes by the release that it is; as a setting it needs no activation.
STUDENT = named(Component.TEACHER, "student@")


@dataclass(frozen=True)
class Configured:
    """What a night was asked to use."""

    settings: CorpusSettings  # with the options of this run
    standing: CorpusSettings  # without them
    templates: tuple[Template, ...]


@dataclass(frozen=True)
class Choice:
    """What a night uses, and holds to."""

    settings: CorpusSettings
    templates: tuple[Template, ...]
    in_force: tuple[InForce, ...]
    review_density: float
    activates: tuple[str, ...]  # configured versions that come into service tonight


def choose(configured: Configured, before: Line, governance: Governance, first: bool) -> Choice:
    """Chooses the versions of a night.

    Args:
        configured: What it was asked to use.
        before: The line before it.
        governance: As of that night.
        first: Whether it is generation 0, which activates all that is configured.

    Raises:
        BadInputError: Nothing of a kind is left in service.
    """
    required = configured.settings.governance.activation == "required"
    rule = Rule(governance, required, first)
    records = [generation.record for generation in reversed(before.active)]
    parts = configured.settings.model_dump(mode="json")
    standing = configured.standing.model_dump(mode="json")
    notes: list[InForce] = []
    used: dict[Component, tuple[str, ...]] = {}
    activates = []
    for kind, part in PARTS.items():
        known = {version_of(kind, r.settings[part]): r.settings[part] for r in records}
        asked, usual = version_of(kind, parts[part]), version_of(kind, standing[part])
        explicit = asked != usual or asked.startswith(STUDENT)
        version, why = chosen(Offer(asked, explicit), known, rule)
        if version != asked:
            parts[part] = known[version]
        elif not explicit:
            activates.append(version)
        if first and governance.in_service(usual) and not usual.startswith(STUDENT):
            activates.append(usual)
        notes += why
        used[kind] = (version,)
    used[Component.TEACHER] = _members(parts["teacher"], used[Component.TEACHER], governance)
    last = records[0].templates if records else ()
    templates, why = chosen_templates(configured.templates, last, rule)
    used[Component.TEMPLATE] = tuple(map(component_of, templates))
    activates += [
        component_of(template) for template in templates if template in configured.templates
    ]
    settings = CorpusSettings.model_validate(parts)
    releases = [release.generation for release in before.releases]
    in_force = [*brakes(governance, releases, _teachers(before), settings.governance.review_rows)]
    in_force += [*notes, *why, *_changed(used, before, settings)]
    densities = [b.value for b in in_force if b.what is Brake.REVIEW_DENSITY]
    densities.append(settings.governance.review_density)
    return Choice(
        settings=settings,
        templates=tuple(templates),
        in_force=tuple(in_force),
        review_density=max(d for d in densities if isinstance(d, float)),
        activates=tuple(v for v in dict.fromkeys(activates) if v not in governance.activated),
    )


def choose_parent(
    choice: Choice, before: Line, governance: Governance, baseline_model: str, first: bool
) -> Parent:
    """The release that the night builds on; one that is frozen as a teacher is passed over.

    Raises:
        BadInputError: The student is the teacher, and the baseline's own is frozen too.
    """
    frozen = {s.component.partition(" ")[2] for s in governance.out_of_service(Component.TEACHER)}
    parent = before.parent(choice.settings.mix.depth_limit, frozen)
    writes = choice.settings.teacher.kind == "student" and not first
    if writes and not governance.in_service(student(parent.model or baseline_model)):
        raise nothing_left("a teacher", Component.TEACHER, governance)
    return parent


def check_templates(
    choice: Choice, configured: Configured, governance: Governance, labels: Sequence[str]
) -> None:
    """Looks for a template for every label.

    Raises:
        BadInputError: There is none, or none in service.
    """
    for label in labels:
        fitting_templates(configured.templates, label)
        if not any(not t.labels or label in t.labels for t in choice.templates):
            what = f"a template for the label {label!r}" if label else "a template"
            waiting = [
                str(brake.value)
                for brake in choice.in_force
                if brake.what is Brake.WAITS and str(brake.value).startswith(Component.TEMPLATE)
            ]
            raise nothing_left(what, Component.TEMPLATE, governance, waiting)


def _members(
    teacher: Mapping[str, Any], alone: tuple[str, ...], governance: Governance
) -> tuple[str, ...]:
    """Who writes: of a mixture each teacher in service.

    Raises:
        BadInputError: All teachers of a mixture are frozen.
    """
    members = [named(Component.TEACHER, version) for version in members_of(teacher).values()]
    left = tuple(member for member in members if governance.in_service(member))
    if members and not left:
        raise nothing_left("a teacher", Component.TEACHER, governance)
    return left or alone


def _teachers(before: Line) -> dict[str, str]:
    """Who alone wrote the rows of each release, "" where nobody or several did."""
    found = {}
    for release in before.releases:
        wrote = versions_of(release.record)[Component.TEACHER] if release.record.ordinal else ()
        found[release.generation] = wrote[0] if len(wrote) == 1 else ""
    return found


def _changed(
    used: Mapping[Component, Sequence[str]], before: Line, settings: CorpusSettings
) -> list[InForce]:
    """A higher review density while no release stands on a component's changed version."""
    density = settings.governance.changed_review_density
    if before.incumbent is None or not density:
        return []
    released = before.incumbent.record
    known = {version for versions in versions_of(released).values() for version in versions}
    new = [
        version
        for versions in used.values()
        for version in versions
        if version not in known and not version.startswith(STUDENT)
    ]
    if not new:
        return []
    why = f"{density} of the kept rows are to be reviewed: no release stands on {', '.join(new)}"
    return [InForce(what=Brake.REVIEW_DENSITY, value=density, why=why)]
