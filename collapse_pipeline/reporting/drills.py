"""Drills on a terminal: what was caught, when, by which gate, and what it cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from collapse_pipeline.loop.drill import HURTS

Row = Mapping[str, Any]


def drills_table(said: Mapping[str, Any]) -> None:
    """A table of faults a corpus, one of faults by gate, false alarms and blind spots."""
    console = Console()
    for corpus in dict.fromkeys(row["corpus"] for row in said["rows"]):
        rows = [row for row in said["rows"] if row["corpus"] == corpus]
        console.print(_faults(corpus, rows))
        console.print(_by_gate(rows))
    for one in said["not_applicable"]:
        console.print(f"not applicable: {one['fault']} on {one['corpus']}, {one['why']}")
    for one in said["false_alarms"]:
        console.print(
            f"[yellow]false alarm[/yellow]: {one['gate']} on {one['corpus']}, "
            f"{one['nights']} nights without a fault; it counts for no drill"
        )
    for line in verdict(said["rows"]):
        console.print(escape(line))
    console.print(f"{said['seconds']:.0f} s of processor; runs in {escape(said['folder'])}")


def verdict(rows: Sequence[Row]) -> list[str]:
    """What the drills say together, a sentence each."""
    if not rows:
        return ["no fault was drilled"]
    soon = [row for row in rows if row["soon"] == row["seeds"]]
    lines = [
        f"seen within two nights in every seed: {len(soon)} of {len(rows)} "
        f"({len(soon) / len(rows):.0%})"
    ]
    late = [f"{row['fault']} on {row['corpus']}" for row in rows if row not in soon]
    if late:
        lines.append(f"not so: {', '.join(late)}")
    blind = [
        f"{row['fault']} on {row['corpus']} at {row['strength']:g}"
        for row in rows
        if row["blind_spot"]
    ]
    lines.append(
        f"blind spots, unseen while the released student lost over {HURTS:g} points: "
        f"{', '.join(blind) or 'none'}"
    )
    return lines


def _faults(corpus: str, rows: Sequence[Row]) -> Table:
    table = Table(title=f"{corpus}: faults", title_justify="left", box=None, pad_edge=False)
    table.add_column("fault", max_width=25)
    for name in ("seen", "night", "stopped", "blamed", "false", "rows", "cost"):
        table.add_column(name, justify="right")
    for row in rows:
        of = row["seeds"]
        blamed = "-" if row["blamed_rightly"] is None else f"{row['blamed_rightly']}/{of}"
        table.add_row(
            row["fault"],
            f"{row['detected']}/{of}",
            "-" if row["arl1"] is None else f"{row['arl1']:.1f}",
            f"{row['blocked']}/{of}",
            blamed,
            f"{row['falsely_blamed']}/{of}",
            f"{row['trained_on']:.0f}",
            f"{row['hurt']:.1f}",
        )
    return table


def _by_gate(rows: Sequence[Row]) -> Table:
    table = Table(title="by gate: seeds, first night", title_justify="left", box=None)
    table.add_column("fault", max_width=25)
    table.add_column("gates")
    for row in rows:
        gates = sorted(row["gates"].items(), key=lambda item: (item[1]["first_night"], item[0]))
        found = [f"{name} {g['seeds']}, {g['first_night']:.1f}" for name, g in gates]
        table.add_row(row["fault"], "; ".join(found) or "none")
    return table
