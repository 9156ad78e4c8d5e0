"""Commands by which persons govern: freeze, lift, component, cap, review."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from collapse_pipeline.cli_options import BLOCKED, AsJson, By, Config, Corpus, Home, Reason, say
from collapse_pipeline.records import Component
from collapse_pipeline.reporting import governance as tables
from collapse_pipeline.settings import load_settings

component_app = typer.Typer(help="Component versions of a corpus.", no_args_is_help=True)
cap_app = typer.Typer(help="The synthetic share.", no_args_is_help=True)
review_app = typer.Typer(help="What persons said of written rows.", no_args_is_help=True)

Version = Annotated[
    str, typer.Argument(metavar="NAME@VERSION", help="The version, or how it begins.")
]
Kind = Annotated[
    Component | None, typer.Option("--kind", help="Needed where versions of two kinds are alike.")
]


def add_to(app: typer.Typer) -> None:
    """Puts these commands into the command line."""
    app.command()(freeze)
    app.command()(lift)
    app.add_typer(component_app, name="component")
    app.add_typer(cap_app, name="cap")
    app.add_typer(review_app, name="review")


def freeze(
    version: Version,
    reason: Reason,
    corpus: Corpus = None,
    kind: Kind = None,
    by: By = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Takes a template, teacher, judge or mix policy out of service from the next night on.

    Example: collapse-pipeline freeze plain@3fa2 --reason "rigid since May"
    """
    from collapse_pipeline.defs.governing import freeze as decide

    _decide(decide, version, corpus, kind, reason, by, (home, config, as_json))


def lift(
    version: Version,
    reason: Reason,
    corpus: Corpus = None,
    kind: Kind = None,
    by: By = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Takes a frozen component version back into service.

    Example: collapse-pipeline lift plain@3fa2 --reason "looked at 50 rows, all fine"
    """
    from collapse_pipeline.defs.governing import lift as decide

    _decide(decide, version, corpus, kind, reason, by, (home, config, as_json))


@component_app.command("list")
def component_list(
    corpus: Annotated[
        list[str] | None, typer.Option(help="Which corpora; repeatable. Default: all.")
    ] = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Every component version that was seen, where it stands, and why.

    Example: collapse-pipeline component list --corpus tickets
    """
    from collapse_pipeline.defs.component_versions import components
    from collapse_pipeline.defs.workshop import open_workshop

    settings = load_settings(home, config)
    with open_workshop(settings) as shop:
        found = [
            {"corpus": name, "components": components(shop, name)}
            for name in corpus or settings.corpora
        ]
    say({"corpora": found}, as_json, tables.components_table)


@component_app.command("activate")
def component_activate(
    version: Version,
    reason: Reason,
    corpus: Corpus = None,
    kind: Kind = None,
    by: By = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Lets a version be used where it is configured, if the release checklist has no red line.

    Example: collapse-pipeline component activate plain@3fa2 --reason "asks for short answers"
    """
    from collapse_pipeline.defs.governing import activate as decide

    _decide(decide, version, corpus, kind, reason, by, (home, config, as_json))


@component_app.command("review")
def component_review(
    version: Version,
    reason: Reason,
    corpus: Corpus = None,
    kind: Kind = None,
    by: By = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Says that a person looks into a frozen version; it stays out of service.

    Example: collapse-pipeline component review plain@3fa2 --reason "post-mortem on Monday"
    """
    from collapse_pipeline.defs.governing import open_review as decide

    _decide(decide, version, corpus, kind, reason, by, (home, config, as_json))


@component_app.command("retire")
def component_retire(
    version: Version,
    reason: Reason,
    corpus: Corpus = None,
    kind: Kind = None,
    by: By = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Takes a version out of service for good; only activating it brings it back.

    Example: collapse-pipeline component retire plain@3fa2 --reason "replaced"
    """
    from collapse_pipeline.defs.governing import retire as decide

    _decide(decide, version, corpus, kind, reason, by, (home, config, as_json))


@cap_app.command("raise")
def cap_raise(
    corpus: Annotated[str, typer.Argument(help="Whose cap.")],
    share: Annotated[float, typer.Argument(help="Synthetic share of the mix, 0 to 1.")],
    reason: Reason,
    by: By = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Raises a cap that a gate lowered, if the release checklist has no red line.

    Example: collapse-pipeline cap raise tickets 0.3 --reason "three good nights at 0.2"
    """
    from collapse_pipeline.defs.governing import raise_cap
    from collapse_pipeline.defs.workshop import open_workshop

    with open_workshop(load_settings(home, config)) as shop:
        said = raise_cap(shop, corpus, share, reason, by or shop.actor)
    _end(said, as_json)


@review_app.command("record")
def review_record(
    file: Annotated[Path, typer.Argument(help="CSV, JSON Lines or Parquet.")],
    corpus: Corpus = None,
    by: By = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Records verdicts on written rows: columns sample, verdict (accept or reject), reviewer, time.

    Example: collapse-pipeline review record verdicts.csv
    """
    from collapse_pipeline.defs.reviewing import record_review
    from collapse_pipeline.defs.workshop import open_workshop

    with open_workshop(load_settings(home, config)) as shop:
        said = record_review(shop, file, by or shop.actor, corpus)
    say(said, as_json, tables.review_lines)


def _decide(
    decide: Callable[..., dict[str, Any]],
    text: str,
    corpus: str | None,
    kind: Component | None,
    reason: str,
    by: str | None,
    where: tuple[Path | None, Path | None, bool],
) -> None:
    from collapse_pipeline.defs.component_versions import find_version
    from collapse_pipeline.defs.workshop import open_workshop

    home, config, as_json = where
    with open_workshop(load_settings(home, config)) as shop:
        name, component, version = find_version(shop, text, corpus, kind)
        said = decide(shop, name, component, version, reason, by or shop.actor)
    _end(said, as_json)


def _end(said: dict[str, Any], as_json: bool) -> None:
    say(said, as_json, tables.decision_lines)
    if not said["done"]:
        sys.exit(BLOCKED)
