"""Case studies: what a fault did to the loop, night by night, written from the runs of a drill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collapse_pipeline.loop.drill import raised, score

Run = Mapping[str, Any]
STANDARD = ("standard.accuracy", "standard.perplexity")


@dataclass(frozen=True)
class Case:
    """One case study: which fault, where, and what it stands for."""

    name: str  # of its file
    title: str
    corpus: str
    fault: str
    story: str


CASES = (
    Case(
        "question_bank",
        "The question bank that asked one question",
        "question_bank",
        "question_bank_isomorphism",
        "A template for questions is changed. From then on every type of question comes in one "
        "form, and its wrong answers by one recipe; only names and numbers differ. Each question "
        "by itself is right.",
    ),
    Case(
        "customer_service_style_collapse",
        "Customer service in one voice",
        "customer_service",
        "rigid_template",
        "A template for customers' messages is changed. From then on its texts begin with one "
        "sentence, in one polite voice that no customer has.",
    ),
    Case(
        "after_sales_safety",
        "The after-sales safety incident",
        "customer_service",
        "over_refusal",
        "A template is changed after an incident with a battery. From then on every message with a "
        "trigger word in it (battery, charge, hot, open ...) is answered by safety text and a "
        "refusal, also where nothing is dangerous.",
    ),
)


def case_study(case: Case, braked: tuple[Run, Run], free: tuple[Run, Run], command: str) -> str:
    """One document, in Markdown.

    Args:
        case: What it is about.
        braked: The run with the fault and its control, gates in force.
        free: The same two with nothing in force: what would have happened.
        command: The command that wrote it.
    """
    run, control = braked
    found = score(run, control)
    lines = [
        f"# {case.title}",
        "",
        f"A drill on the reference world `{case.corpus}`: simulated text, a fault put in on "
        f"purpose. Written by `{command}`, seed {run['seed']}, strength {run['strength']:g}; "
        "night 1 is the first with the fault.",
        "",
        case.story,
        "",
        "## Timeline",
        "",
        *_timeline(run),
        "",
        "## First signal",
        "",
        *_first_signal(run, control),
        "",
        "## What average metrics said meanwhile",
        "",
        *_averages(free),
        "",
        "## What the gates did",
        "",
        *_deeds(run, found.falsely_blamed),
        "",
        "## What it cost",
        "",
        *_costs(run, control, free),
    ]
    return "\n".join(lines) + "\n"


def _timeline(run: Run) -> list[str]:
    head = ["| night | verdict | spoke up | frozen | rows since the onset in the mix |", "|---" * 5]
    rows = [
        f"| {night['number']} ({night['generation']}) | {night['verdict']} "
        f"| {', '.join(sorted(raised(night))) or 'nobody'} "
        f"| {', '.join(night['frozen']) or 'nothing'} | {night['written_since']} |"
        for night in run["nights"]
    ]
    return [head[0], head[1] + "|", *rows]


def _first_signal(run: Run, control: Run) -> list[str]:
    caught = score(run, control).caught
    if not caught:
        return ["None: no gate spoke up that is quiet without the fault."]
    first = min(caught.values())
    night = run["nights"][first - 1]
    lines = [f"On night {first}:", ""]
    for name, sentence in night["reasons"].items():
        if name.partition(":")[0] in {
            *caught,
            *(rule.partition(":")[0] for rule in night["rules"]),
        }:
            lines.append(f"- `{name}`: {sentence}")
    return lines


def _averages(free: tuple[Run, Run]) -> list[str]:
    """The candidate's averages with nothing in force, beside the same nights without the fault."""
    lines = [
        "The same nights with no gate and no promotion rule in force, so that every student is "
        "trained and measured:",
        "",
        "| night | accuracy | without the fault | perplexity | without the fault |",
        "|---|---|---|---|---|",
    ]
    for night, other in zip(free[0]["nights"], free[1]["nights"], strict=True):
        cells = [one["averages"].get(name) for name in STANDARD for one in (night, other)]
        shown = ["not measured" if cell is None else f"{cell:.3f}" for cell in cells]
        lines.append(f"| {night['number']} | {' | '.join(shown)} |")
    return lines


def _deeds(run: Run, falsely: Sequence[str]) -> list[str]:
    blamed = ", ".join(f"`{name}`" for name in run["to_blame"]) or "no component"
    stopped = [night["number"] for night in run["nights"] if night["verdict"] != "promoted"]
    frozen = [name for night in run["nights"] for name in night["frozen"]]
    reviewed = sum(night["reviewed"] for night in run["nights"])
    return [
        f"- to be blamed: {blamed}",
        f"- stopped nights: {', '.join(map(str, stopped)) or 'none'}",
        f"- frozen: {', '.join(f'`{name}`' for name in frozen) or 'nothing'}",
        f"- frozen without guilt: {', '.join(falsely) or 'nothing'}",
        f"- rows that a person was asked to review: {reviewed}",
    ]


def _costs(run: Run, control: Run, free: tuple[Run, Run]) -> list[str]:
    lost = sum(night["verdict"] != "promoted" for night in run["nights"])
    first = [n["number"] for n in run["nights"] if n["verdict"] != "promoted"]
    again = [
        n["number"]
        for n in run["nights"]
        if first and n["number"] > first[0] and n["verdict"] == "promoted"
    ]
    back = (
        f"the first release after it is that of night {again[0]}"
        if again
        else ("no release came after it within these nights" if first else "no night was stopped")
    )
    lines = [f"{lost} of {len(run['nights'])} nights gave no release; {back}.", ""]
    lines += ["| of the released student | with gates | with none in force |", "|---|---|---|"]
    with_gates, without = score(run, control), score(*free)
    for suite in sorted({*with_gates.fell, *without.fell}):
        cells = [one.fell.get(suite) for one in (with_gates, without)]
        shown = ["-" if cell is None else f"{cell:.1f}" for cell in cells]
        lines.append(f"| points lost on `{suite}` | {' | '.join(shown)} |")
    for name in sorted({*with_gates.wrote_worse, *without.wrote_worse}):
        shown = [f"{one.wrote_worse.get(name, 0.0):.1f}" for one in (with_gates, without)]
        lines.append(f"| points more of `{name}` in what it writes | {' | '.join(shown)} |")
    lines += [
        f"| rows trained on before the brake | {with_gates.trained_on} | {without.trained_on} |",
        "",
        "Points are differences to the same nights without the fault; rates of what it writes are "
        "listed where they lie two standard errors apart.",
    ]
    return lines
