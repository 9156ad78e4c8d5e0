"""Gate files: a YAML list of gates, every fault told with its line."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.gate import Gate, check_gates

SHIPPED = Path(__file__).parents[1] / "config" / "gates.yaml"


def load_gates(home: Path) -> tuple[Gate, ...]:
    """The gates of a home: its own `gates.yaml`, else the default suite.

    Raises:
        BadInputError: No list of gates; an unknown metric, asset or name; two gates of one name; a
            gate without a bound.
    """
    own = home / "gates.yaml"
    return read_gates(own if own.exists() else SHIPPED)


def read_gates(path: Path) -> tuple[Gate, ...]:
    """The gates of one file.

    Raises:
        BadInputError: As `load_gates`.
    """
    try:
        text = path.read_text("utf-8")
        node, data = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        said = " ".join(str(fault).split())
        raise BadInputError(f"a list of gates in {path}", said, "mend the file") from fault
    if not isinstance(data, list) or not isinstance(node, yaml.SequenceNode):
        raise BadInputError(
            f"a list of gates in {path}", type(data).__name__, "begin with `- name`"
        )
    gates: list[Gate] = []
    for item, at in zip(data, node.value, strict=True):
        where = f"{path}, line {at.start_mark.line + 1}"
        _once(at, path)
        gate = _gate(item, where)
        try:
            check_gates([*gates, gate])
        except BadInputError as fault:
            raise BadInputError(f"{fault.wanted} ({where})", fault.got, fault.do) from fault
        gates.append(gate)
    return tuple(gates)


def _gate(item: Any, where: str) -> Gate:
    try:
        return Gate.model_validate(item)
    except ValidationError as fault:
        first = fault.errors()[0]
        name = item.get("name", "?") if isinstance(item, dict) else "?"
        place = ".".join(map(str, first["loc"]))
        unknown = first["type"] == "extra_forbidden"
        reason = "unknown name" if unknown else first["msg"].removeprefix("Value error, ")
        got = f"{place}: {reason}" if place else reason
        raise BadInputError(f"a good gate {name} in {where}", got, "mend it") from fault


def _once(node: yaml.Node, path: Path) -> None:
    """Refuses a name that stands twice in one mapping: YAML would take the second in silence."""
    if isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            _once(inner, path)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = f"{path}, line {key.start_mark.line + 1}"
                raise BadInputError("every name once", f"{key.value} again in {line}", "drop one")
            seen.add(key.value)
            _once(value, path)
