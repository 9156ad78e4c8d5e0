"""What the modules of the command line share: options, exit codes, and how a document is said."""

import json
import math
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import typer

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.records import is_day

BAD_INPUT = 2
BLOCKED = 3
INTERRUPTED = 130

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Store, ledger, cache and Dagster's instance in one place."),
]
Config = Annotated[Path | None, typer.Option("--config", help="YAML over the defaults.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Corpus = Annotated[
    str | None, typer.Option("--corpus", help="Which corpus; needed where several could be meant.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger.")]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decides; default: this user.")
]
Setting = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY.PATH=VALUE", help="Repeatable.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default one for every core.")]


def checked_night(night: str | None) -> str | None:
    """What `--night` was given, if anything.

    Raises:
        BadInputError: It is no date.
    """
    if night is not None and not is_day(night):
        raise BadInputError("--night with a date such as 2026-11-20", repr(night), "mend it")
    return night


def telling(what: str, pieces: str) -> Callable[[int, int], None]:
    """Tells on standard error how many pieces of a long piece of work are done, and since when."""
    start = monotonic()

    def told(done: int, wanted: int) -> None:
        spent = timedelta(seconds=round(monotonic() - start))
        sys.stderr.write(f"{what}: {done} of {wanted} {pieces}, {spent}\n")

    return told


def say(document: dict[str, Any], as_json: bool, lines: Callable[[dict[str, Any]], None]) -> None:
    """Says a document: to a person as `lines`, to a program as JSON."""
    if not as_json:
        lines(document)
        return
    text = json.dumps(_sayable(document), ensure_ascii=False, default=str, indent=2) + "\n"
    # JSON is UTF-8 whatever the terminal's own encoding is.
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def _sayable(value: Any) -> Any:
    """What JSON can say: it has no NaN and no infinity."""
    if isinstance(value, dict):
        return {str(key): _sayable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_sayable(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
