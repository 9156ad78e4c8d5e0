"""Template files: front matter in YAML between two `---` lines, then the text to render."""

import re
from math import inf
from pathlib import Path

import yaml
from pydantic import ValidationError

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.generate import render
from collapse_pipeline.records import Template, content_hash

SHIPPED = Path(__file__).parents[1] / "config" / "templates"


def load_templates(corpus: str, home: Path) -> tuple[Template, ...]:
    """The templates of a corpus: the home's own, else those shipped for it, else the plain one.

    Raises:
        BadInputError: Bad front matter, two templates of one name, a syntax error, or a text
            that reaches outside its sandbox.
    """
    folders = (home / "templates" / corpus, SHIPPED / corpus)
    fallback = SHIPPED / "default"
    folder = next((f for f in folders if any(f.glob("*.j2"))), fallback)
    templates = [_template(path) for path in sorted(folder.glob("*.j2"))]
    names = [template.name for template in templates]
    for name in names:
        if names.count(name) > 1:
            raise BadInputError("one template a name", f"{name} twice in {folder}", "rename one")
    for template in templates:
        for label in template.labels or ("",):
            variables = {"label": label, "intent": label, "corpus": corpus}
            render(template.body, template, variables)
            render(template.opening, template, variables)
    return tuple(templates)


def _template(path: Path) -> Template:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInputError(f"a template in UTF-8 in {path}", str(fault), "mend it") from fault
    parts = text.split("---\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise BadInputError(
            "a template with front matter between two --- lines", str(path), "add it"
        )
    try:
        front = yaml.safe_load(parts[1]) or {}
        if own := {"body", "version"} & {*front}:
            raise TypeError(f"{', '.join(sorted(own))}, which follow from the rest of the file")
        template = Template.model_validate(
            {"name": path.stem, **front, "body": parts[2], "version": content_hash(text)[:12]}
        )
    except (yaml.YAMLError, ValidationError, TypeError) as fault:
        raise BadInputError(
            wanted=f"front matter with name, labels, weight, opening in {path}",
            got=_first_fault(fault),
            do="mend the template file",
        ) from fault
    # A version is written `name@version`, and several are kept apart by spaces.
    if not re.fullmatch(r"[\w.-]+", template.name) or not 0 < template.weight < inf:
        raise BadInputError(
            wanted=f"a name of letters, digits, _, - and ., and a weight above 0 in {path}",
            got=f"name {template.name!r}, weight {template.weight:g}",
            do="mend the template file",
        )
    return template


def _first_fault(fault: Exception) -> str:
    """What is wrong, in one line."""
    if isinstance(fault, ValidationError):
        first = fault.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(fault).split())
