"""Laws on a terminal: which held, and what was measured without a number to hold it to."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table


def laws_table(said: Mapping[str, Any]) -> None:
    """Every law with what was expected, found and tolerated; then what is not judged."""
    console = Console(highlight=False)
    table = Table("law", "", "expected", "found", "tolerance", "", box=None, pad_edge=False)
    for law, cases in groupby(said["laws"], key=lambda one: one["law"]):
        table.add_row(f"[bold]{law}[/]")
        for case in cases:
            mark = "[green]held[/]" if case["held"] else "[red]not held[/]"
            figures = (f"{case[name]:.4f}" for name in ("expected", "found", "tolerance"))
            table.add_row(f"  {case['case']}", case["relation"], *figures, mark)
    console.print(table)
    console.print(
        f"text: {said['text']}, {said['texts']:,} texts; {said['rows']} a student, "
        f"{said['generations']} generations, {said['seconds']} s. On text: nats per token.",
        soft_wrap=True,
    )
    if said["claims"]:
        console.print("not judged, for its source gives no number:")
    for claim in said["claims"]:
        console.print(
            f"- {claim['case']}, said of it: {claim['says']}; "
            f"perplexity came to {claim['found']:.2f} times generation 0's",
            soft_wrap=True,
        )
