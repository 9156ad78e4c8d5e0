"""Gates on a terminal: their tables, a calibration, and a generation explained."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.markup import escape

COLOURS: Mapping[str, str] = {
    "pass": "green",
    "breach": "red",
    "not_applicable": "dim",
    "not measured": "dim",
}


def calibration_table(said: Mapping[str, Any]) -> None:
    """What a calibration holds."""
    console = Console()
    depths = ", ".join(map(str, said["depths"]))
    console.print(
        f"{said['corpus']}: calibration [bold]{said['version']}[/bold] of {said['replicates']} "
        f"{'chains' if said['source'] == 'refits' else 'pilot batches'}, {said['rows']} rows drawn "
        f"of each batch, {said['human_rows']} human rows, depth {depths}, {said['seconds']} s"
    )
    for depth, figures in said["figures"].items():
        console.print(f"  depth {depth}: {', '.join(figures)}")


def accepted(said: Mapping[str, Any]) -> None:
    """That a gate's breach was accepted."""
    console = Console()
    console.print(
        f"{said['corpus']}: {said['gate']} only warns from now on, accepted by {said['by']}"
    )


def gates_table(said: Mapping[str, Any]) -> None:
    """Every gate under the asset that it guards, a line a figure."""
    console = Console()
    known = said["calibration"]
    calibration = f"calibration {known['version']}" if known else "not calibrated yet"
    night = said["generation"] or "no night was gated yet"
    console.print(f"[bold]{said['corpus']}[/bold] {night}, {calibration}")
    for asset, gates in groupby(said["gates"], key=lambda gate: gate["asset"]):
        console.print(f"\n{asset}")
        for gate in gates:
            colour = COLOURS.get(gate["outcome"], "")
            outcome = gate["outcome"].replace("_", " ")
            warns = "" if gate["severity"] == "block" else ", only warns"
            console.print(f"  {gate['gate']}: [{colour}]{outcome}[/{colour}]{warns}")
            for figure in gate["figures"]:
                value = _value(figure) or "no value"
                wanted = figure["bound"] or figure["note"]
                console.print(f"    {escape(_name(figure))} {value}; {escape(wanted)}")


def explanation(said: Mapping[str, Any]) -> None:
    """Generations in words."""
    console = Console()
    for one in said["generations"]:
        console.print(
            f"[bold]{one['corpus']} {one['generation']}[/bold] is {one['status']}; "
            f"it stood on {one['parent']}"
        )
        for brake in one["in_force"]:
            console.print(f"  in force: {escape(brake)}")
        breached = [gate for gate in one["gates"] if gate["outcome"] == "breach"]
        passed = [gate for gate in one["gates"] if gate["outcome"] == "pass"]
        idle = [gate for gate in one["gates"] if gate["outcome"] == "not_applicable"]
        for gate in breached:
            would = "would have stopped it" if gate["severity"] == "block" else "warned"
            stops = "stopped it" if gate["stopped"] else would
            console.print(f"  [red]{gate['gate']}[/red] {stops}: {escape(gate['why'])}")
            console.print(f"    measured: {escape(gate['found'])}")
            if gate["blamed"]:
                console.print(f"    blamed: {escape(', '.join(gate['blamed']))}")
        own = {gate["gate"] for gate in one["gates"]}
        for rule, why in one["reasons"].items():
            if rule not in own:
                console.print(f"  [red]{escape(rule)}[/red]: {escape(why)}")
        if passed:
            console.print(f"  passed: {', '.join(gate['gate'] for gate in passed)}")
        for gate in idle:
            console.print(f"  not applicable: {gate['gate']} ({escape(gate['found'])})")
        if one["gain"]:
            console.print(f"  against human-only: {escape(one['gain'])}")
        for step in one["next"]:
            console.print(f"  next: {escape(step)}")


def _name(figure: Mapping[str, Any]) -> str:
    scope = f" ({figure['scope']})" if figure["scope"] else ""
    return str(figure["statistic"]) + scope


def _value(figure: Mapping[str, Any]) -> str:
    value = figure["value"]
    if value is None or value != value:
        return ""
    return f"[red]{value:.4g}[/red]" if figure.get("exceeded") else f"{value:.4g}"
