"""Tables and progress for a terminal: 80 columns, quiet when piped, plain without colour."""

import logging
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

STAGE_LOGGER = "collapse_pipeline.stages"
# The stages of one night, for the bar; a name that is not here does not move it.
STAGES_A_NIGHT = 14  # eight assets, and the gates of six


class NightProgress(logging.Handler):
    """Shows on standard error which stage runs; one line an ended generation."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(logging.INFO)
        self._console = Console(file=stream, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[stage]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=STAGES_A_NIGHT, stage="")

    def __enter__(self) -> Self:
        logger = logging.getLogger(STAGE_LOGGER)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(self)
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        logging.getLogger(STAGE_LOGGER).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """A stage began: `corpus generation stage` in the record's arguments."""
        corpus, generation, stage = (str(part) for part in record.args or ("", "", ""))
        night = f"{corpus} {generation}"
        if self._bar.tasks[0].description != night:
            self._bar.reset(self._task, description=night)
        self._bar.update(self._task, advance=1, stage=stage)

    def ended(self, corpus: str) -> Callable[[dict[str, Any]], None]:
        """Says how a generation ended, for one corpus."""

        def say(end: dict[str, Any]) -> None:
            seconds = end.get("seconds")
            took = f" in {seconds:.1f} s" if seconds is not None else ""
            why = "; ".join(end.get("reasons", {}).values())
            mark = _mark(end["verdict"])
            line = f"{escape(corpus)} {end['generation']} {mark}{took}"
            self._console.print(f"{line}: {escape(why)}" if why else line, soft_wrap=True)

        return say


def run_table(document: Mapping[str, Any]) -> None:
    """What happened per generation, and where the store is."""
    console = Console(highlight=False)
    for result in document["corpora"]:
        console.print(_generations(result["corpus"], result["generations"]))
        last = result["generations"][-1]
        console.print(f"against human-only: {escape(last.get('gain', ''))}", soft_wrap=True)
        console.print()
    console.print(f"store: {document['home']}", soft_wrap=True)


def status_table(document: Mapping[str, Any]) -> None:
    """The last generations of each corpus, and the release in force."""
    console = Console(highlight=False)
    for found in document["corpora"]:
        if found["generations"]:
            console.print(_generations(found["corpus"], found["generations"]))
        else:
            console.print(f"{found['corpus']}: no generation yet")
        console.print(
            f"release in force: {found['incumbent'] or 'none'}; "
            f"human rows: {found['human_rows'] or 'not taken in yet'}; "
            f"next night: {found['next_night'] or 'none left before tomorrow'}",
            soft_wrap=True,
        )
        if back := found.get("rollback"):
            when, why = back["at"][:10], escape(back["reason"])
            console.print(
                f"rolled back to {back['to']} by {escape(back['by'])} on {when}: {why}",
                soft_wrap=True,
            )
        console.print()


def intake_table(said: Mapping[str, Any]) -> None:
    """What a file gave."""
    console = Console(highlight=False)
    console.print(
        f"{said['corpus']}: read {said['read']:,} rows, accepted {said['accepted']:,}, "
        f"quarantined {said['quarantined']:,}"
    )
    for reason, rows in said["reasons"].items():
        console.print(f"  {rows:>8,}  {reason}")
    splits = ", ".join(f"{side} {rows:,}" for side, rows in said["splits"].items())
    console.print(f"splits: {splits}; first generation: {said['first_generation']}")
    suites_table(said)
    for warning in said["warnings"]:
        console.print(f"warning: {escape(warning)}", soft_wrap=True)


def suites_table(said: Mapping[str, Any]) -> None:
    """The suites that were frozen, or why not."""
    table = Table("suite", "rows", "note", box=None, pad_edge=False)
    for suite in said["suites"]:
        why = f"not applicable: {suite['reason']}"
        why = f"not applicable: {suite['reason']}"
        note = suite["version"][:12] if suite["applicable"] else why
        table.add_row(suite["name"], f"{suite['rows']:,}", escape(note))
    Console(highlight=False).print(table)


def rows_table(document: Mapping[str, Any]) -> None:
    """The rows of a query."""
    console = Console(highlight=False)
    rows: Sequence[Mapping[str, Any]] = document["rows"]
    if not rows:
        console.print("no rows")
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(escape(name), overflow="fold")
    for row in rows:
        table.add_row(*(_plain(value) for value in row.values()))
    console.print(table)


def _generations(corpus: str, generations: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=corpus, title_justify="left", box=None, pad_edge=False)
    table.add_column("generation")
    table.add_column("verdict")
    for name in ("synth", "ppl", "standard", "tail", "noisy", "human", "s"):
        table.add_column(name, justify="right")
    for end in generations:
        metrics = end.get("metrics", {})
        share = end.get("shares", {}).get("synthetic")
        table.add_row(
            end["generation"],
            _mark(end["verdict"]),
            "" if share is None else f"{share:.0%}",
            _figure(metrics.get("perplexity.real"), 1),
            _figure(metrics.get("standard.accuracy")),
            _figure(metrics.get("long_tail.accuracy")),
            _figure(metrics.get("noisy.accuracy")),
            f"{end.get('rows', {}).get('human_anchor', 0):,}",
            _figure(end.get("seconds"), 1),
        )
    return table


def _figure(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _mark(verdict: str) -> str:
    colour = {"promoted": "green", "quarantined": "red", "failed": "red"}.get(verdict, "yellow")
    return f"[{colour}]{verdict}[/]"


def _plain(value: Any) -> str:
    """A cell: control characters of samples shown as such, so that they move no cursor."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return escape("".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text))
