"""YAML files: mappings read with the line of every name, each name once."""

from pathlib import Path
from typing import Any

import yaml

from collapse_pipeline.errors import BadInputError


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], str]]:
    """A YAML mapping, and for each key path where it stands, as `file, line n`."""
    try:
        node = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
        data = yaml.safe_load(path.read_text("utf-8")) or {}
    except FileNotFoundError as fault:
        raise BadInputError("a YAML file", f"no file {path}", "mend the path") from fault
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as fault:
        said = " ".join(str(fault).split())
        raise BadInputError(f"YAML in {path}", said, "mend the file") from fault
    if not isinstance(data, dict):
        raise BadInputError(f"a mapping in {path}", type(data).__name__, "mend the file")
    lines: dict[tuple[str, ...], str] = {}
    _find_lines(node, (), path, lines)
    return data, lines


def _find_lines(
    node: yaml.Node | None, at: tuple[str, ...], path: Path, lines: dict[tuple[str, ...], str]
) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        place = (*at, str(key.value))
        line = f"{path}, line {key.start_mark.line + 1}"
        if place in lines:
            raise BadInputError("every name once", f"{'.'.join(place)} again in {line}", "drop one")
        lines[place] = line
        _find_lines(value, place, path, lines)


def read_label_map(path: Path) -> dict[str, str]:
    """A YAML or JSON mapping of labels to labels; each is taken as it is spelt, so that `yes` and
    `007` stay what they are.

    Raises:
        BadInputError: A missing file, no YAML, or something else than labels in it.
    """
    read_yaml(path)  # for the names that are there twice, and the errors
    labels = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - only texts
    for label, mapped in (labels or {}).items():
        if not isinstance(label, str) or not isinstance(mapped, str):
            raise BadInputError(
                f"one label for each label in {path}", f"{label!r}: {mapped!r:.200}", "mend the map"
            )
    return dict(labels or {})
