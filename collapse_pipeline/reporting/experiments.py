"""Experiments on a terminal: a gradient of synthetic shares, and what links are worth."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

RATIO_SUITES = ("standard", "long_tail", "noisy", "cross_domain")


def ratio_table(said: Mapping[str, Any]) -> None:
    """A line a share: every primary suite over share 0, perplexity, gates; then what follows."""
    console = Console(highlight=False)
    _head(console, said)
    suites = [s for s in RATIO_SUITES if s in said["shares"][0]["suites"]]
    table = Table("share", "reached", *suites, "PPL", box=None, pad_edge=False)
    for row in said["shares"]:
        broken = "red" if row["breaks"] else "green"
        table.add_row(
            f"[{broken}]{row['share']:.0%}[/]",
            f"{row['reached']:.1%}",
            *(_ratio(row["suites"][suite]) for suite in suites),
            _number(row["perplexity_ratio"], 2),
        )
    console.print(table)
    gates = sorted({gate for row in said["shares"] for gate in row["fired"]})
    for gate in gates:
        hit = [row for row in said["shares"] if gate in row["fired"]]
        at = ", ".join(f"{r['share']:.0%} ({r['fired'][gate]} of {r['seeds']})" for r in hit)
        console.print(f"gate {escape(gate)} fires at {at} seeds", soft_wrap=True)
    metric = said["inflection"]["metric"].replace("_", " ")
    console.print(
        f"Suites: {metric} over share 0's, with the lower of its bounds; PPL: perplexity on real "
        "text over the human-only baseline's.",
        soft_wrap=True,
    )
    for name in ("inflection", "perplexity", "tail", "cap"):
        console.print(f"{name}: {escape(said[name]['reason'])}", soft_wrap=True)
    console.print(f"ledger: {escape(said['recorded'])}", soft_wrap=True)
    _tail(console, said)


def ablation_table(said: Mapping[str, Any]) -> None:
    """A line a link with a few figures; then which link holds collapse back."""
    console = Console(highlight=False)
    _head(console, said)
    first = next((link for link in said["links"].values() if link["applicable"]), None)
    names = [(row["suite"], row["metric"]) for row in first["headline"]] if first else []
    titles = [f"{suite} {metric.partition('.')[0]}" for suite, metric in names]
    table = Table("without", *titles, "held", box=None, pad_edge=False)
    for name, link in said["links"].items():
        found = {(row["suite"], row["metric"]): row for row in link["headline"]}
        if link["applicable"]:
            held = f"{link['held_back']}/{link['turns']}"
            table.add_row(name, *(_worth(found.get(one)) for one in names), held)
    console.print(table)
    whole = said["whole"]
    console.print(
        "Worth of each link: the whole loop less the loop without it, turned so that above 0 it "
        "helps; in red and green where the 95% interval over seeds leaves 0 out. held: turns that "
        f"gates or the release rule held back, {whole['held_back']}/{whole['turns']} in the whole "
        "loop.",
        soft_wrap=True,
    )
    if whole["rules"] or whole["fired"]:
        counts = [f"{rule} {count}" for rule, count in whole["rules"].items()]
        counts += [f"gate {gate} in {seeds} seeds" for gate, seeds in whole["fired"].items()]
        console.print(
            f"The whole loop was held back by {escape(', '.join(counts))}.", soft_wrap=True
        )
    for name, link in said["links"].items():
        if not link["applicable"]:
            console.print(f"{name}: not applicable, {escape(link['why'])}", soft_wrap=True)
    console.print(escape(said["holds"]), soft_wrap=True)
    _tail(console, said)


def _head(console: Console, said: Mapping[str, Any]) -> None:
    console.print(
        f"[bold]{said['corpus']}[/] {said['kind']} {said['experiment']}, {said['stage']} size: "
        f"{said['human_rows']} human rows of {said['night']}, {said['seeds']} seeds, "
        f"{said['generations']} generations, teacher {said['teacher']}, student "
        f"{said['student']}, mix {said['mix'].replace('_', ' ')}",
        soft_wrap=True,
    )


def _tail(console: Console, said: Mapping[str, Any]) -> None:
    if said["not_calibrated"]:
        count = len(said["left_out"])
        why = escape(said["not_calibrated"])
        console.print(f"{count} figures of gates were held to nothing: {why}", soft_wrap=True)
    console.print(f"table experiment_values: {said['rows']} rows, digest {said['digest'][:12]}")
    for file in said["files"]:
        console.print(f"written: {escape(file)}", soft_wrap=True)


def _ratio(ratio: Mapping[str, Any]) -> str:
    return f"{_number(ratio['point'])} ({_number(ratio['low'])})"


def _worth(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "-"
    text = f"{row['worth']:+.3f}"
    if row["low"] is None:
        return text
    reach = f"{text} ±{(row['high'] - row['low']) / 2:.3f}"
    colour = "green" if row["low"] > 0 else "red" if row["high"] < 0 else ""
    return f"[{colour}]{reach}[/]" if colour else reach


def _number(value: float | None, places: int = 3) -> str:
    return "-" if value is None or value != value else f"{value:.{places}f}"
