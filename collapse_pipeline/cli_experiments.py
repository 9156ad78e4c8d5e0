"""Commands on experiments: a gradient of synthetic shares, and what links of the loop are worth."""

from time import monotonic
from typing import Annotated

import typer

from collapse_pipeline.cli_options import (
    AsJson,
    By,
    Config,
    Home,
    Setting,
    Workers,
    checked_night,
    say,
    telling,
)
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.reporting import experiments as tables
from collapse_pipeline.settings import load_settings, parse_overrides, today_utc

ALL_LINKS = (
    "judge,template_diversity,human_infusion,failed_samples,near_duplicate_filter,gates,quotas"
)
Seeds = Annotated[int, typer.Option(min=1, help="Chains of each, with other seeds.")]
Generations = Annotated[int, typer.Option(min=1, help="Turns of every chain.")]
StageName = Annotated[str, typer.Option(help="pilot: 500 human rows; full: all there are.")]
Night = Annotated[
    str | None, typer.Option(metavar="DATE", help="Whose human rows; default those of today.")
]


def add_to(app: typer.Typer) -> None:
    """Puts these commands into the command line."""
    experiment_app = typer.Typer(help="Experiments on the loop, in memory.", no_args_is_help=True)
    for command in (ratio, ablate):
        experiment_app.command()(command)
    app.add_typer(experiment_app, name="experiment")


def ratio(
    corpus: Annotated[str, typer.Argument(help="Whose loop.")],
    shares: Annotated[
        str, typer.Option(metavar="PERCENT,...", help="Synthetic shares of the mix.")
    ] = "0,10,30,50,70,90,100",
    seeds: Seeds = 3,
    generations: Generations = 4,
    stage: StageName = "pilot",
    mix: Annotated[
        str | None,
        typer.Option(
            help="on_top: synthetic rows beside all human ones; fixed: in their place. "
            "Default: as the corpus does."
        ),
    ] = None,
    night: Night = None,
    workers: Workers = None,
    setting: Setting = None,
    by: By = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Finds how much synthetic text the loop bears; what was cut off goes on.

    The result goes on record: the share it supports is what a raised cap can stand on.

    Example: collapse-pipeline experiment ratio tickets --shares 0,10,30,50 --seeds 3
    """
    from collapse_pipeline.defs import experiment_evidence
    from collapse_pipeline.defs.experimenting import asked_of
    from collapse_pipeline.defs.workshop import open_workshop

    wanted = _shares(shares)
    asked = asked_of(seeds, generations, stage, mix)
    overrides = parse_overrides(setting or [])
    settings = load_settings(home, config)
    settings.corpus(corpus, overrides)
    start = monotonic()
    with open_workshop(settings) as shop:
        shop.hold(corpus)
        said = experiment_evidence.ratio(
            shop,
            corpus,
            wanted,
            checked_night(night) or today_utc(),
            asked,
            overrides,
            by or shop.actor,
            workers,
            telling(f"experimenting on {corpus}", "chains"),
        )
    say(said | {"seconds": round(monotonic() - start, 1)}, as_json, tables.ratio_table)


def ablate(
    corpus: Annotated[str, typer.Argument(help="Whose loop.")],
    without: Annotated[
        str, typer.Option(metavar="LINK,...", help="Links, each left out alone.")
    ] = ALL_LINKS,
    seeds: Seeds = 3,
    generations: Generations = 4,
    stage: StageName = "pilot",
    night: Night = None,
    workers: Workers = None,
    setting: Setting = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Finds what each link of the governed loop is worth, by leaving it out alone.

    Example: collapse-pipeline experiment ablate tickets --without judge,gates --seeds 5
    """
    from collapse_pipeline.defs import experiment_evidence
    from collapse_pipeline.defs.experimenting import asked_of
    from collapse_pipeline.defs.workshop import open_workshop
    from collapse_pipeline.loop.ablation import links_of

    links = links_of([name.strip() for name in without.split(",") if name.strip()])
    asked = asked_of(seeds, generations, stage)
    overrides = parse_overrides(setting or [])
    settings = load_settings(home, config)
    settings.corpus(corpus, overrides)
    start = monotonic()
    with open_workshop(settings) as shop:
        shop.hold(corpus)
        said = experiment_evidence.ablate(
            shop,
            corpus,
            links,
            checked_night(night) or today_utc(),
            asked,
            overrides,
            workers,
            telling(f"experimenting on {corpus}", "chains"),
        )
    say(said | {"seconds": round(monotonic() - start, 1)}, as_json, tables.ablation_table)


def _shares(text: str) -> list[float]:
    try:
        shares = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        shares = []
    if not shares or not all(0 <= share <= 100 for share in shares):
        raise BadInputError("--shares in percent, such as 0,10,30", repr(text), "mend it")
    return shares
