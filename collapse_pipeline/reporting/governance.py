"""Governance for a terminal: component versions, decisions with their checklist, reviews."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

COLOURS = {"active": "green", "frozen": "red", "in_review": "yellow", "retired": "yellow"}


def components_table(document: Mapping[str, Any]) -> None:
    """Every component version with where it stands."""
    console = Console(highlight=False)
    for found in document["corpora"]:
        table = Table(title=found["corpus"], title_justify="left", box=None, pad_edge=False)
        for name in ("component", "version", "state", "in use", "why"):
            table.add_column(name, overflow="fold")
        for row in found["components"]:
            table.add_row(
                row["component"],
                escape(row["version"]),
                _state(row["state"]),
                "yes" if row["in_use"] else "",
                escape("; ".join(row["why"])),
            )
        console.print(table)
        console.print()


def decision_lines(document: Mapping[str, Any]) -> None:
    """What a person decided, with the checklist where it was run."""
    console = Console(highlight=False)
    if document.get("checklist"):
        console.print(checklist_table(document["checklist"]))
    corpus = escape(document["corpus"])
    if "component" in document:
        version = f"{document['component']} {escape(document['version'])}"
        what = f"{corpus}: {version} is {_state(document['state'])}"
    else:
        what = f"{corpus}: the cap is {document['cap']:g}"
    by = f"{escape(document['by'])}: {escape(document['reason'])}"
    if document["done"]:
        console.print(f"{what} ({by})", soft_wrap=True)
    else:
        lines = len(document["red_lines"])
        console.print(f"{what}, unchanged: {lines} red lines", soft_wrap=True)


def checklist_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The checklist, a row a dimension."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("dimension")
    table.add_column("evidence", overflow="fold")
    for row in rows:
        mark = "[red]red[/]" if row["red"] else "[green]ok[/]"
        table.add_row(mark, row["dimension"], escape(row["evidence"]))
    return table


def review_lines(document: Mapping[str, Any]) -> None:
    """What a file of verdicts gave."""
    console = Console(highlight=False)
    for review in document["reviews"]:
        verdicts = ", ".join(f"{name} {rows:,}" for name, rows in review["verdicts"].items())
        nights = ", ".join(f"{night} {rows:,}" for night, rows in review["generations"].items())
        new = "recorded" if review["new"] else "recorded before, nothing was added"
        console.print(
            f"{escape(review['corpus'])}: {review['rows']:,} verdicts {new} "
            f"({verdicts}; by {escape(', '.join(review['reviewers']))}; of {nights})",
            soft_wrap=True,
        )


def _state(state: str) -> str:
    return f"[{COLOURS.get(state, 'yellow')}]{state.replace('_', ' ')}[/]"
