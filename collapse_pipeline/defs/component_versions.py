"""Component versions of a corpus: which were seen, where each stands, which one is meant."""

from typing import Any

from collapse_pipeline.backends.template_files import load_templates
from collapse_pipeline.defs.choosing import PARTS, STUDENT
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.pinned import Brake
from collapse_pipeline.loop.versions import kind_of, named, student, version_of, versions_of
from collapse_pipeline.records import Component

SHOWN = 12  # versions that an error lists


def components(shop: Workshop, corpus: str) -> list[dict[str, Any]]:
    """Every component version that this corpus has seen, with where it stands."""
    governance = shop.governance(corpus)
    line = shop.line(corpus)
    newest = line.active[-1].record if line.active else None
    used = {v for versions in versions_of(newest).values() for v in versions} if newest else set()
    brakes = newest.in_force if newest else ()
    waits = {str(b.value): [b.why] for b in brakes if b.what is Brake.WAITS}
    return [
        {
            "component": kind_of(name).value,
            "version": name.partition(" ")[2],
            "state": governance.standing(name).state.value,
            "in_use": name in used,
            "why": [c.why for c in governance.standing(name).causes] or waits.get(name, []),
        }
        for name in seen(shop, corpus)
    ]


def seen(shop: Workshop, corpus: str) -> list[str]:
    """Every component version of a corpus, `kind name@version`: used, configured or governed."""
    settings = shop.settings.corpus(corpus)
    parts = settings.model_dump(mode="json")
    found = [named(Component.TEMPLATE, str(t)) for t in load_templates(corpus, shop.settings.home)]
    found += [version_of(kind, parts[part]) for kind, part in PARTS.items()]
    for generation in shop.line(corpus).generations.values():
        for versions in versions_of(generation.record).values():
            found += versions
        if generation.manifest is not None and generation.manifest.model:
            found.append(student(generation.manifest.model))
    found += shop.governance(corpus).standings
    # As a setting the student that teaches is no version: its releases are.
    usual = version_of(Component.TEACHER, parts["teacher"])
    return sorted({*found} - ({usual} if usual.startswith(STUDENT) else set()))


def find_version(
    shop: Workshop, text: str, corpus: str | None = None, kind: Component | None = None
) -> tuple[str, Component, str]:
    """The corpus, kind and full version that a person means by `name@version` or its beginning.

    Raises:
        BadInputError: Nothing that was seen here begins so, or several versions do.
    """
    corpora = [corpus] if corpus else sorted(shop.settings.corpora)
    known = [(name, one) for name in corpora for one in seen(shop, name)]
    fitting = [
        (name, kind_of(one), one.partition(" ")[2])
        for name, one in known
        if "@" in text and one.partition(" ")[2].startswith(text) and kind in (None, kind_of(one))
    ]
    exact = [found for found in fitting if found[2] == text]
    if len(exact or fitting) == 1:
        return (exact or fitting)[0]
    if fitting:
        said = ", ".join(f"{k} {v} of {c}" for c, k, v in fitting[:SHOWN])
        raise BadInputError(
            "one component version", f"{text!r}, which is {said}", "write more of it, or --corpus"
        )
    listed = ", ".join(dict.fromkeys(one for _, one in known[:SHOWN]))
    more = ", ..." if len(known) > SHOWN else ""
    raise BadInputError(
        wanted=f"a component version of {', '.join(corpora)}, name@version",
        got=repr(text),
        do=f"see collapse-pipeline component list; there are {listed}{more}",
    )
