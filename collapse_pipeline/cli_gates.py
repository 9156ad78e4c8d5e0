"""Commands on gates: calibrating them, what they said, and a generation explained."""

from difflib import get_close_matches
from time import monotonic
from typing import Annotated

import typer

from collapse_pipeline.cli_options import (
    AsJson,
    By,
    Config,
    Home,
    Reason,
    Setting,
    Workers,
    checked_night,
    say,
    telling,
)
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.reporting import gates as tables
from collapse_pipeline.settings import load_settings, parse_overrides, today_utc


def add_to(app: typer.Typer) -> None:
    """Puts these commands into the command line."""
    for command in (calibrate, gates, explain, accept):
        app.command()(command)


def calibrate(
    corpus: Annotated[str, typer.Argument(help="Whose gates.")],
    reason: Annotated[
        str, typer.Option(help="Why; calibrating is a decision on record.")
    ] = "asked for on the command line",
    night: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Whose human rows; default those of the next night."),
    ] = None,
    workers: Workers = None,
    setting: Setting = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Works out what healthy figures are, by replicate chains; what was cut off goes on.

    Example: collapse-pipeline calibrate tickets --reason "new embedder"
    """
    from collapse_pipeline.defs import calibrating
    from collapse_pipeline.defs.workshop import open_workshop

    night = checked_night(night)
    settings = load_settings(home, config)
    chosen = settings.corpus(corpus, parse_overrides(setting or []))
    start = monotonic()
    told = telling(f"calibrating {corpus}", "replicates")
    with open_workshop(settings) as shop:
        shop.hold(corpus)
        tonight = night or today_utc()
        taught = night or calibrating.taught_by(shop.line(corpus), tonight, chosen)
        made = calibrating.calibrate(shop, corpus, taught, chosen, reason, workers, told)
    said = {
        "corpus": corpus,
        "version": made.version,
        "source": made.source,
        "human_rows": made.human_rows,
        "rows": made.rows,
        "replicates": made.replicates,
        "depths": made.depths,
        "figures": {depth: sorted(null) for depth, null in made.nulls.items()},
        "seconds": round(monotonic() - start, 1),
    }
    say(said, as_json, tables.calibration_table)


def gates(
    corpus: Annotated[str, typer.Argument(help="Whose gates.")],
    generation: Annotated[
        str | None, typer.Option(metavar="DATE", help="Which night; default the newest.")
    ] = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Every gate: what it watches, its bound, and what it said.

    Example: collapse-pipeline gates tickets
    """
    from collapse_pipeline.defs.explaining import gates_of
    from collapse_pipeline.defs.workshop import open_workshop

    settings = load_settings(home, config)
    settings.item(corpus)
    with open_workshop(settings) as shop:
        said = gates_of(shop, corpus, generation)
    say(said, as_json, tables.gates_table)


def explain(
    generation: Annotated[str, typer.Argument(metavar="DATE", help="Which generation.")],
    corpus: Annotated[
        list[str] | None, typer.Option(help="Of which corpora; repeatable. Default: all.")
    ] = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What was measured that night, against what, what was blamed and why, what happens next.

    Example: collapse-pipeline explain 2026-11-20 --corpus tickets
    """
    from collapse_pipeline.defs.explaining import explain as explained
    from collapse_pipeline.defs.workshop import open_workshop

    settings = load_settings(home, config)
    with open_workshop(settings) as shop:
        names = corpus or [
            name for name in settings.corpora if generation in shop.line(name).generations
        ]
        names = names or list(settings.corpora)[:1]  # whose error says which nights there are
        said = [explained(shop, name, generation) for name in names]
    say({"generations": said}, as_json, tables.explanation)


def accept(
    gate: Annotated[str, typer.Argument(help="A gate by its name.")],
    corpus: Annotated[str, typer.Option("--corpus", help="Of which corpus.")],
    reason: Reason,
    by: By = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Says that a gate's breach is known and accepted: from now on it only warns.

    Example: collapse-pipeline accept legacy_suites_only --corpus tickets --reason "no shadow yet"
    """
    from collapse_pipeline.backends.gate_files import load_gates
    from collapse_pipeline.defs.governing import accept_gate
    from collapse_pipeline.defs.workshop import open_workshop

    settings = load_settings(home, config)
    names = [known.name for known in load_gates(settings.home)]
    if gate not in names:
        near = ", ".join(get_close_matches(gate, names, 3)) or ", ".join(names)
        raise BadInputError("a gate by its name", repr(gate), f"choose from {near}")
    with open_workshop(settings) as shop:
        said = accept_gate(shop, corpus, gate, reason, by or shop.actor)
    say(said, as_json, tables.accepted)
