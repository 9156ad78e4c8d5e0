"""The command line: the same verbs for a person. `--json` prints one document on standard output;
everything else that is said goes to standard error.

Exit codes: 0 promoted, 3 blocked (the newest generation of a corpus was not promoted), 2 what was
given or what the home holds cannot be worked with, 130 interrupted, 1 a fault of ours.
"""

import io
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from collapse_pipeline import (
    cli_audit,
    cli_drills,
    cli_experiments,
    cli_gates,
    cli_governance,
    cli_laws,
)
from collapse_pipeline.cli_options import (
    BAD_INPUT,
    BLOCKED,
    INTERRUPTED,
    AsJson,
    Config,
    Home,
    Setting,
    say,
)
from collapse_pipeline.errors import CollapsePipelineError
from collapse_pipeline.loop.suites_foreign import SuiteKind
from collapse_pipeline.reporting import terminal
from collapse_pipeline.settings import Settings, load_settings, parse_overrides

app = typer.Typer(
    name="collapse-pipeline",
    help="A nightly refresh of synthetic training data that keeps the real world in charge.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
corpus_app = typer.Typer(help="Corpora of a home.", no_args_is_help=True)
suite_app = typer.Typer(help="Suites of a corpus.", no_args_is_help=True)
app.add_typer(corpus_app, name="corpus")
app.add_typer(suite_app, name="suite")


def main() -> None:
    """Runs a command; an error meant for a person is one line, and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a text must not fail for a terminal's encoding
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            sys.stderr.write("interrupted; the same command goes on from where it was\n")
        raise
    except CollapsePipelineError as fault:
        sys.stderr.write(f"error: {fault}\n")
        sys.exit(BAD_INPUT)


@corpus_app.command("add")
def corpus_add(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and _.")],
    file: Annotated[Path, typer.Argument(help="Parquet, CSV, TSV, JSONL or Arrow.")],
    prompt: Annotated[str, typer.Option(help="Column of what users write.")],
    response: Annotated[str | None, typer.Option(help="Column of answers.")] = None,
    label: Annotated[str | None, typer.Option(help="Column of labels.")] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Column kept as an attribute; repeatable.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Column of the corpus's own split.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of when a row arrived.")] = None,
    initial_rows: Annotated[
        int | None, typer.Option(help="Training rows there on the first night.")
    ] = None,
    nightly_rows: Annotated[
        int | None, typer.Option(help="Training rows that arrive each later night.")
    ] = None,
    first_generation: Annotated[
        str | None, typer.Option(metavar="DATE", help="First night; default 30 days ago.")
    ] = None,
    task_type: Annotated[str, typer.Option(help="What the rows are, for caps by task.")] = "text",
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Takes a file in as a corpus. Bad rows go to quarantine with a reason.

    Example: collapse-pipeline corpus add tickets tickets.csv --prompt text --label intent
    """
    from collapse_pipeline.backends.readers.files import Columns
    from collapse_pipeline.defs.corpora import add_corpus, default_first_generation
    from collapse_pipeline.defs.workshop import open_workshop
    from collapse_pipeline.loop.arrival import Arrival

    columns = Columns(
        prompt=prompt,
        response=response,
        label=label,
        groups=tuple(group or ()),
        split=split,
        time=time,
    )
    arrival = Arrival(
        first_generation=first_generation or default_first_generation(),
        initial_rows=initial_rows,
        nightly_rows=nightly_rows,
    )
    with open_workshop(load_settings(home, config)) as shop:
        said = add_corpus(shop, name, file, columns, arrival, {"task_type": task_type})
    say(said, as_json, terminal.intake_table)


@suite_app.command("add")
def suite_add(
    corpus: Annotated[str, typer.Argument(help="The corpus that it measures.")],
    file: Annotated[Path, typer.Argument(help="Parquet, CSV, TSV, JSONL or Arrow.")],
    prompt: Annotated[str, typer.Option(help="Column of what users write.")],
    name: Annotated[str | None, typer.Option(help="Name of the suite; default its kind.")] = None,
    kind: Annotated[SuiteKind, typer.Option(help="What it is for.")] = SuiteKind.EXTERNAL,
    response: Annotated[str | None, typer.Option(help="Column of answers.")] = None,
    label: Annotated[str | None, typer.Option(help="Column of labels.")] = None,
    label_map: Annotated[
        Path | None, typer.Option("--map", help="YAML or JSON: its labels to the corpus's.")
    ] = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Freezes another file's rows as a suite that no generation trains on.

    Example: collapse-pipeline suite add tickets other.csv --kind cross_domain --prompt text
    --label intent --map labels.yaml
    """
    from collapse_pipeline.backends.readers.files import Columns
    from collapse_pipeline.backends.yaml_files import read_label_map
    from collapse_pipeline.defs.corpora import add_suite
    from collapse_pipeline.defs.workshop import open_workshop

    columns = Columns(prompt=prompt, response=response, label=label)
    labels = read_label_map(label_map) if label_map else None
    with open_workshop(load_settings(home, config)) as shop:
        said = add_suite(shop, corpus, name or kind.value, kind, file, columns, labels)
    say(said, as_json, terminal.suites_table)


@app.command()
def run(
    corpus: Annotated[
        list[str] | None, typer.Option(help="Which corpora; repeatable. Default: all.")
    ] = None,
    generations: Annotated[int, typer.Option(help="How many nights.")] = 1,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="The first of these nights, or `first`."),
    ] = None,
    again: Annotated[
        str | None, typer.Option(metavar="DATE", help="Do one past night once more.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Over the configured one.")] = None,
    setting: Setting = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Runs the loop: generate, judge, filter, mix, train, evaluate, decide; one night each.

    Example: collapse-pipeline run --corpus tickets --generations 7 --set mix.synthetic_cap=0.2
    """
    from collapse_pipeline.definitions import build_definitions
    from collapse_pipeline.defs.running import RunRequest, instance_of, run_corpus

    overrides = parse_overrides(setting or [])
    if seed is not None:
        overrides["seed"] = seed
    settings = load_settings(home, config)
    names = list(dict.fromkeys(corpus or settings.corpora))
    for name in names:
        settings.item(name)
        settings.corpus(name, overrides)
    request = RunRequest(generations=generations, start=start, again=again, overrides=overrides)
    results = []
    with instance_of(settings) as instance, terminal.NightProgress(sys.stderr) as progress:

        def job_of(at: Settings, name: str) -> Any:
            return build_definitions(at).resolve_job_def(f"refresh_{name}")

        for name in names:
            results.append(
                run_corpus(settings, job_of, instance, name, request, progress.ended(name))
            )
    say({"corpora": results, "home": str(settings.home)}, as_json, terminal.run_table)
    ends = [result["generations"][-1]["verdict"] for result in results]
    if "failed" in ends:
        sys.exit(1)
    if any(verdict != "promoted" for verdict in ends):
        sys.exit(BLOCKED)


@app.command()
def status(
    corpus: Annotated[list[str] | None, typer.Option(help="Which corpora; repeatable.")] = None,
    last: Annotated[int, typer.Option(min=1, help="How many generations of each.")] = 7,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """The last generations, the release in force, shares and key metrics.

    Example: collapse-pipeline status --corpus tickets
    """
    from collapse_pipeline.defs.reading import status_of
    from collapse_pipeline.defs.workshop import open_workshop

    settings = load_settings(home, config)
    with open_workshop(settings) as shop:
        found = [status_of(shop, name, last) for name in corpus or settings.corpora]
    say({"home": str(settings.home), "corpora": found}, as_json, terminal.status_table)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="DuckDB SQL over the tables by their names.")],
    limit: Annotated[int | None, typer.Option(min=0, help="At most this many rows.")] = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Runs DuckDB over the tables; read-only.

    Example: collapse-pipeline query "select generation, reason, count(*) n from dropped_batch
    group by all order by all"
    """
    from collapse_pipeline.backends.stores.queries import query as run_query
    from collapse_pipeline.defs.workshop import open_workshop

    with open_workshop(load_settings(home, config)) as shop:
        rows = run_query(shop.store, sql, limit)
    say({"rows": rows.to_pylist(), "count": rows.num_rows}, as_json, terminal.rows_table)


@app.command()
def ui(home: Home = None, config: Config = None) -> None:
    """Opens Dagster's pages on a home: http://127.0.0.1:3000."""
    from collapse_pipeline.defs.running import instance_of
    from collapse_pipeline.settings import CONFIG_VARIABLE, HOME_VARIABLE

    settings = load_settings(home, config)
    with instance_of(settings):
        pass
    os.environ |= {"DAGSTER_HOME": str(settings.home), HOME_VARIABLE: str(settings.home)}
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config.absolute())
    command = [sys.executable, "-m", "dagster", "dev", "-m", "collapse_pipeline.definitions"]
    os.execv(command[0], command)  # noqa: S606 - no shell, our own arguments


# Behind the loop's own commands, for `--help` lists them in this order.
for commands in (cli_gates, cli_governance, cli_audit, cli_experiments, cli_drills, cli_laws):
    commands.add_to(app)


if __name__ == "__main__":
    main()
