"""What the commands on the ledger, rollbacks and the store say to a person."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def verified(document: Mapping[str, Any]) -> None:
    """Whether the ledger is whole, or every event that is not as it was written."""
    console = Console(highlight=False)
    head = document["head"]
    if not document["faults"]:
        console.print(
            f"[green]whole[/]: {document['events']:,} events, head {head['hash'] or 'none'}"
        )
    else:
        table = Table("event", "kind", "fault", "detail", box=None, pad_edge=False)
        for fault in document["faults"]:
            first, last = fault["seq"], fault["last"]
            seqs = f"{first}" if first == last else f"{first}-{last}"
            kind, detail = escape(fault["kind"] or "unknown"), escape(fault["detail"])
            table.add_row(seqs, kind, f"[red]{fault['fault'].replace('_', ' ')}[/]", detail)
        console.print(table)
    if document["noted"] < document["events"]:
        console.print(
            f"{document['noted']:,} of {document['events']:,} events are noted in "
            f"{document['head_file']}: of the others a cut end would not show",
            soft_wrap=True,
        )


def exported(document: Mapping[str, Any]) -> None:
    """How much was written."""
    console = Console(highlight=False)
    console.print(f"{document['events']:,} events in {escape(document['file'])}", soft_wrap=True)


def rolled_back(document: Mapping[str, Any]) -> None:
    """Where the line stands now, or what keeps it from going there."""
    console = Console(highlight=False)
    corpus, to = escape(document["corpus"]), document["to"]
    if not document["done"]:
        console.print(f"[red]not rolled back[/]: {corpus} to {to}", soft_wrap=True)
        _list(console, document["faults"])
        return
    console.print(f"{corpus} stands at {to}", soft_wrap=True)
    for name in ("superseded", "restored"):
        if document[name]:
            console.print(f"{name}: {', '.join(document[name])}", soft_wrap=True)


def drilled(document: Mapping[str, Any]) -> None:
    """What a drill proved."""
    console = Console(highlight=False)
    mark = "[green]proven[/]" if document["proven"] else "[red]not proven[/]"
    console.print(
        f"{mark}: {escape(document['corpus'])} could be rolled back to {document['release']} "
        f"({len(document['parts'])} parts, {document['seconds']:.1f} s)",
        soft_wrap=True,
    )
    _list(console, document["faults"])
    for name, versions in document["packages"].items():
        console.print(f"  {name} was {versions}")


def vacuumed(document: Mapping[str, Any]) -> None:
    """What was, or would be, deleted."""
    console = Console(highlight=False)
    done = "deleted" if document["deleted"] else "could be deleted: run it with --delete"
    console.print(
        f"{document['files']:,} files that nothing pins, older than {document['hours']} hours, "
        f"{done}; {document['kept']:,} versions are kept",
        soft_wrap=True,
    )


def _list(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(f"- {escape(line)}", soft_wrap=True)
