"""The command that holds the loop's own parts to laws from the literature."""

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import typer

from collapse_pipeline.cli_options import AsJson, say
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop import laws_of_text
from collapse_pipeline.loop.laws import closed_forms, verdicts
from collapse_pipeline.loop.laws_of_text import Text
from collapse_pipeline.ports import LanguageModelTrainer
from collapse_pipeline.reporting.laws import laws_table

WORLD = "customer_service"
WORLD_TEXTS = 5_000
CLOSED_REPETITIONS = 2_000  # of what needs no text: seconds


class StudentKind(StrEnum):
    """Students that laws on text are tried on."""

    NGRAM = "ngram"
    GPT = "gpt"


def add_to(app: typer.Typer) -> None:
    """Puts this command into the command line."""
    app.command()(verify_laws)


def verify_laws(
    text: Annotated[
        Path | None, typer.Option(help="Real texts; default an embedded world's.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column of that file.")] = None,
    student: Annotated[
        list[StudentKind] | None, typer.Option(help="Repeatable. Default: all.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Texts that a student learns from.")] = 200,
    generations: Annotated[int, typer.Option(min=1, help="That learn from written text.")] = 3,
    repetitions: Annotated[int, typer.Option(min=2, help="Draws of texts, and of all else.")] = 8,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Laws from the literature: expected, found, tolerance, held or not; exit 1 if one is not.

    Example: collapse-pipeline verify-laws --text articles.parquet --column text --student ngram
    """
    start = monotonic()
    texts = _texts(text, column)
    findings, claims = closed_forms(CLOSED_REPETITIONS, seed), []
    for kind in dict.fromkeys(student or StudentKind):

        def told(done: int, kind: str = kind.value) -> None:
            spent = round(monotonic() - start)
            sys.stderr.write(f"laws on text, {kind}: {done} of {repetitions}, {spent} s\n")

        losses = laws_of_text.repeated(
            _trainers()[kind], texts, rows, generations, repetitions, seed, told
        )
        findings += laws_of_text.findings_on(kind.value, losses)
        claims += laws_of_text.claims_on(kind.value, losses)
    judged = verdicts(findings)
    said = {
        "text": str(text) if text else f"the embedded world {WORLD}",
        "texts": len(texts),
        "rows": rows,
        "generations": generations,
        "seed": seed,
        "laws": [verdict._asdict() for verdict in judged],
        "claims": [claim._asdict() for claim in claims],
        "held": all(verdict.held for verdict in judged),
        "seconds": round(monotonic() - start, 1),
    }
    say(said, as_json, laws_table)
    if not said["held"]:
        sys.exit(1)


def _texts(file: Path | None, column: str | None) -> list[Text]:
    if (file is None) != (column is None):
        raise BadInputError("--text with --column", "one of them", "give both or neither")
    if file is None or column is None:
        from collapse_pipeline.worlds.reference import world

        rows: list[dict[str, Any]] = world(WORLD).rows(WORLD_TEXTS, seed=0)
        found = [Text(row["label"], row["prompt"]) for row in rows]
    else:
        from collapse_pipeline.backends.readers.files import Columns, read_batches

        frames = read_batches(file, Columns(prompt=column))
        prompts = [prompt for frame in frames for prompt in frame["prompt"].to_pylist()]
        found = [Text("", prompt) for prompt in prompts if prompt]
    return laws_of_text.distinct_texts(found)


def _trainers() -> Mapping[StudentKind, LanguageModelTrainer]:
    from collapse_pipeline.backends.students.gpt import GptConfig
    from collapse_pipeline.backends.students.ngram import NgramConfig

    # Few tokens, one layer, no dropout: learns from some hundred rows, in a second or two.
    small = GptConfig(
        width=64, layers=1, heads=2, dropout=0.0, vocabulary_size=400, epochs=12, device="cpu"
    )
    return {StudentKind.NGRAM: NgramConfig(), StudentKind.GPT: small}
