"""Gate files: a YAML list of gates, every fault told with its line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.gate import Gate, check_condition

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
    gates: dict[str, Gate] = {}
    for item, at in zip(data, node.value, strict=True):
        _once(at, path)
        gate = _gate(item, at, path)
        if gate.name in gates:
            where = _where(at, ["name"], path)
            raise BadInputError("one gate a name", f"{gate.name} again in {where}", "rename one")
        gates[gate.name] = gate
    return tuple(gates.values())


def _gate(item: Any, at: yaml.Node, path: Path) -> Gate:
    name = item.get("name", "?") if isinstance(item, dict) else "?"
    try:
        gate = Gate.model_validate(item)
    except ValidationError as fault:
        first = fault.errors()[0]
        place = ".".join(map(str, first["loc"]))
        unknown = first["type"] == "extra_forbidden"
        reason = "unknown name" if unknown else first["msg"].removeprefix("Value error, ")
        got = f"{place}: {reason}" if place else reason
        where = _where(at, first["loc"], path)
        raise BadInputError(f"a good gate {name} in {where}", got, "mend it") from fault
    for number, condition in enumerate(gate.of):
        try:
            check_condition(gate, condition)
        except BadInputError as fault:
            where = _where(at, ["of", number, "metric"], path)
            raise BadInputError(f"{fault.wanted} ({where})", fault.got, fault.do) from fault
    return gate


def _where(node: yaml.Node, place: Sequence[int | str], path: Path) -> str:
    """File and line of the deepest part of a place that is written there: a gate with one metric
    has no `of`."""
    line = node.start_mark.line
    for part in place:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    line, node = key.start_mark.line, value
                    break
    return f"{path}, line {line + 1}"


def _once(node: yaml.Node, path: Path) -> None:
    """Refuses a name that stands twice in one mapping: YAML would take the second in silence."""
    if isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            _once(inner, path)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                where = f"{path}, line {key.start_mark.line + 1}"
                raise BadInputError("every name once", f"{key.value} again in {where}", "drop one")
            seen.add(key.value)
            _once(value, path)
