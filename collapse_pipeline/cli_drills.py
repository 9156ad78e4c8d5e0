"""Commands on drills: a known fault put into a scratch copy of the loop, and what became of it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from collapse_pipeline.backends.whole_files import write_whole
from collapse_pipeline.cli_options import AsJson, Config, Home, Workers, say, telling
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.faults.catalogue import FAULTS
from collapse_pipeline.reporting.cases import CASES, Case, case_study
from collapse_pipeline.reporting.drills import drills_table
from collapse_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:  # the loop is loaded when a command asks for it
    from collapse_pipeline.defs.drilling import DrillRequest

COMMAND = "collapse-pipeline drill-cases docs/cases"


class DrillStage(StrEnum):
    """How large the scratch homes are."""

    PILOT = "pilot"
    FULL = "full"


Seeds = Annotated[int, typer.Option(min=1, help="How many seeds, each with a home of its own.")]
SizeOfHome = Annotated[DrillStage, typer.Option(help="Size of the scratch homes.")]


def add_to(app: typer.Typer) -> None:
    """Puts these commands into the command line."""
    app.command()(drill)
    app.command()(drill_cases)


def drill(
    fault: Annotated[
        list[str] | None, typer.Argument(help="Which faults; --all for the catalogue.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every fault of the catalogue.")] = False,
    corpus: Annotated[
        list[str] | None,
        typer.Option(help="Which corpora; repeatable. Default: the embedded worlds."),
    ] = None,
    seeds: Seeds = 1,
    strength: Annotated[
        float | None, typer.Option(min=0, max=1, help="The dial; default each fault's own.")
    ] = None,
    stage: SizeOfHome = DrillStage.PILOT,
    workers: Workers = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Puts known faults into a scratch copy of the loop: what caught them, when, at what cost.

    What was cut off goes on.

    Example: collapse-pipeline drill rigid_template over_refusal --corpus customer_service
    """
    from collapse_pipeline.defs.drilling import DrillRequest
    from collapse_pipeline.defs.drilling import drill as run_drill

    names = list(FAULTS) if every else list(dict.fromkeys(fault or ()))
    if not names:
        raise BadInputError(
            "faults to drill", "none", f"name some of {', '.join(FAULTS)}, or --all"
        )
    settings = load_settings(home, config)
    request = DrillRequest(
        faults=tuple(names),
        corpora=tuple(dict.fromkeys(corpus or settings.embedded)),
        seeds=seeds,
        strength=strength,
        stage=stage.value,
    )
    said = run_drill(settings, request, workers, telling("drilling", "runs"))
    say(said, as_json, drills_table)


def drill_cases(
    folder: Annotated[Path, typer.Argument(help="Where the documents are written.")],
    case: Annotated[
        list[str] | None,
        typer.Option(help=f"Repeatable: {', '.join(case.name for case in CASES)}. Default: all."),
    ] = None,
    stage: SizeOfHome = DrillStage.PILOT,
    workers: Workers = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Writes the case studies, one document each, from drills that are run for them.

    Example: collapse-pipeline drill-cases docs/cases
    """
    from collapse_pipeline.defs.drilling import DrillRequest

    settings = load_settings(home, config)
    written = []
    for one in _cases(case):
        request = DrillRequest(faults=(one.fault,), corpora=(one.corpus,), stage=stage.value)
        braked, free = (
            _with_control(settings, request.model_copy(update={"brakes": brakes}), workers)
            for brakes in (True, False)
        )
        file = folder / f"{one.name}.md"
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, case_study(one, braked, free, COMMAND))
        written.append(str(file))
    say({"written": written}, as_json, lambda said: typer.echo("\n".join(said["written"])))


def _cases(names: Sequence[str] | None) -> list[Case]:
    known = {case.name: case for case in CASES}
    if strange := [name for name in names or () if name not in known]:
        raise BadInputError(f"cases of {', '.join(known)}", ", ".join(strange), "mend --case")
    return [known[name] for name in names] if names else list(CASES)


def _with_control(
    settings: Settings, request: "DrillRequest", workers: int | None
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The run of one fault, and its control."""
    from collapse_pipeline.defs.drilling import drill as run_drill

    control, run = run_drill(settings, request, workers, telling("drilling", "runs"))["runs"]
    return run, control
