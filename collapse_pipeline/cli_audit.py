"""Commands on what was decided and what is kept: audit, rollback, store."""

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from collapse_pipeline.cli_options import BLOCKED, AsJson, By, Config, Home, say
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.reporting import audit as tables
from collapse_pipeline.settings import load_settings

audit_app = typer.Typer(help="The ledger of all decisions.", no_args_is_help=True)
store_app = typer.Typer(help="The tables of a home.", no_args_is_help=True)
STANDARD_OUTPUT = "-"


def add_to(app: typer.Typer) -> None:
    """Puts these commands into the command line."""
    app.command()(rollback)
    app.add_typer(audit_app, name="audit")
    app.add_typer(store_app, name="store")


@audit_app.command("verify")
def audit_verify(home: Home = None, config: Config = None, as_json: AsJson = False) -> None:
    """Looks for events that were edited, removed, moved or cut off; exit code 3 where it finds one.

    Example: collapse-pipeline audit verify
    """
    from collapse_pipeline.defs.auditing import verify
    from collapse_pipeline.defs.workshop import open_workshop

    with open_workshop(load_settings(home, config)) as shop:
        said = verify(shop)
    say(said, as_json, tables.verified)
    if said["faults"]:
        sys.exit(BLOCKED)


@audit_app.command("export")
def audit_export(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Where; - is standard output.")],
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Writes every event with its hashes, one JSON document a line.

    Example: collapse-pipeline audit export events.jsonl
    """
    from collapse_pipeline.defs.auditing import export, export_to
    from collapse_pipeline.defs.workshop import open_workshop

    if file == STANDARD_OUTPUT and as_json:
        raise BadInputError("--json with a FILE", "standard output", "leave one of both out")
    with open_workshop(load_settings(home, config)) as shop:
        if file != STANDARD_OUTPUT:
            count = export_to(shop, Path(file))
            say({"file": file, "events": count}, as_json, tables.exported)
            return
        out = io.TextIOWrapper(sys.stdout.buffer, "utf-8", "backslashreplace")
        try:
            export(shop, out)
            out.flush()
        except BrokenPipeError:  # whoever read it has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        finally:
            out.detach()


def rollback(
    corpus: Annotated[str, typer.Argument(help="The only corpus that moves.")],
    to: Annotated[
        str | None, typer.Option(metavar="RELEASE", help="The release's generation, a date.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger.")] = "",
    by: By = None,
    drill: Annotated[
        bool, typer.Option("--drill", help="Prove in a scratch copy that it could be done.")
    ] = False,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Goes back, or forward, to a release: templates, judge, teacher, policies, tables, student.

    Nights behind it are superseded and can be run again. With --drill nothing moves: every part
    is checked and the student trained again. Exit code 3 where a part is missing or changed.

    Example: collapse-pipeline rollback tickets --to 2026-11-20 --reason "answers turned stiff"
    """
    from collapse_pipeline.defs.rolling_back import drill as prove
    from collapse_pipeline.defs.rolling_back import roll_back
    from collapse_pipeline.defs.workshop import open_workshop

    if to is None and not drill:
        raise BadInputError("--to RELEASE", "none", "choose one: collapse-pipeline status")
    with open_workshop(load_settings(home, config)) as shop:
        if drill:
            proof = prove(shop, corpus, to)
            said = proof.model_dump(mode="json") | {"faults": proof.faults}
        else:
            said = roll_back(shop, corpus, to or "", reason, by or shop.actor)
    say(said, as_json, tables.drilled if drill else tables.rolled_back)
    if said["faults"]:
        sys.exit(BLOCKED)


@store_app.command("vacuum")
def store_vacuum(
    hours: Annotated[
        int, typer.Option(min=1, help="Younger files stay, a run may be about to need them.")
    ] = 24,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete them; otherwise they are only counted.")
    ] = False,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Finds table files that no release, no open night and no table's present needs any more.

    Example: collapse-pipeline store vacuum --delete
    """
    from collapse_pipeline.defs.pins import vacuum
    from collapse_pipeline.defs.workshop import open_workshop

    with open_workshop(load_settings(home, config)) as shop:
        said = vacuum(shop, hours, delete)
    say(said, as_json, tables.vacuumed)
