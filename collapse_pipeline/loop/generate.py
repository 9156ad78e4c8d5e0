"""Generate: plan what is asked of the teacher, have it written, and account for every request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jinja2 import TemplateError
from pydantic import Field

from collapse_pipeline.errors import BackendError, BadInputError
from collapse_pipeline.loop.sandbox import Sandbox
from collapse_pipeline.ports import Draft, Night, Request, Teacher
from collapse_pipeline.records import (
    DROPPED_BATCH,
    SYNTHETIC,
    Frozen,
    Template,
    derived_seed,
    samples_table,
    synthetic_sample_id,
)


class GeneratePolicy(Frozen):
    """How much is written, and for which labels."""

    rows: int = Field(8_000, ge=1)
    # How far rare labels are favoured: 1 follows the human rows, 0 asks for every label alike.
    balance: float = Field(0.5, ge=0, le=1)


@dataclass(frozen=True)
class Batch:
    """What came back: written rows, and requests that came to nothing, each with its reason."""

    samples: pa.Table
    dropped: pa.Table


def allocate(counts: Mapping[str, int], rows: int, balance: float) -> dict[str, int]:
    """Shares `rows` out over labels in proportion to count ** balance, by largest remainder.

    Args:
        counts: Human training rows by label; labels with none get nothing.
        rows: How many in all; the result adds up to it exactly.
        balance: 1 is proportional, 0 is uniform.

    Raises:
        BadInputError: With no label that has a row.
    """
    labels = sorted(label for label, count in counts.items() if count > 0)
    if not labels:
        raise BadInputError("human rows to take labels from", "none", "add rows to the corpus")
    weights = np.array([float(counts[label]) ** balance for label in labels])
    exact = rows * weights / weights.sum()
    whole = np.floor(exact).astype(int)
    # Ties go to the label that sorts first, so that the plan has one answer.
    for i in np.argsort(whole - exact, kind="stable")[: rows - int(whole.sum())]:
        whole[i] += 1
    return {label: int(n) for label, n in zip(labels, whole, strict=True)}


# What a template's text can raise, in being read, compiled and rendered.
_TEMPLATE_FAULTS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,  # of Python's own parser, at a text that nests too deep
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)


def render(source: str, template: Template, variables: Mapping[str, Any]) -> str:
    """One Jinja2 text in the sandbox.

    Raises:
        BadInputError: A syntax error, an unknown variable, a reach outside the sandbox, or more
            than `sandbox.BUDGET` of characters, items and steps.
    """
    try:
        return Sandbox().text(source, variables).strip()
    except _TEMPLATE_FAULTS as fault:
        line = getattr(fault, "lineno", None)
        where = f"line {line}: " if line else ""
        said = getattr(fault, "message", None) or str(fault) or type(fault).__name__
        raise BadInputError(
            wanted=f"template {template.name} to render with {', '.join(sorted(variables))}",
            got=f"{where}{said:.300}",
            do="mend the template file",
        ) from fault


def fitting_templates(templates: Sequence[Template], label: str) -> list[Template]:
    """The templates whose scope holds a label.

    Raises:
        BadInputError: There is none.
    """
    fitting = [t for t in templates if not t.labels or label in t.labels]
    if not fitting:
        raise BadInputError(
            wanted=f"a template whose scope holds the label {label!r}",
            got=f"templates {', '.join(str(t) for t in templates) or 'none'}",
            do="widen a template's labels, or add one",
        )
    return fitting


def plan_requests(
    human: pa.Table, templates: Sequence[Template], policy: GeneratePolicy, night: Night
) -> list[Request]:
    """What the teacher is asked for tonight.

    Labels follow the human rows available tonight, templates their weights among those whose
    scope holds the label; every request has a seed of its own.
    """
    counts = {
        entry["values"]: entry["counts"] for entry in human["label"].value_counts().to_pylist()
    }
    quotas = allocate(counts, policy.rows, policy.balance)
    rng = np.random.default_rng(derived_seed(night.seed, "requests", night.ordinal))
    requests: list[Request] = []
    for label, wanted in quotas.items():
        fitting = fitting_templates(templates, label)
        variables = {"label": label, "intent": label.replace("_", " "), "corpus": night.corpus}
        texts = [
            (str(t), render(t.body, t, variables), render(t.opening, t, variables)) for t in fitting
        ]
        weights = np.array([t.weight for t in fitting])
        choices = rng.choice(len(fitting), size=wanted, p=weights / weights.sum())
        seeds = rng.integers(0, 2**62, size=wanted)
        for choice, seed in zip(choices, seeds, strict=True):
            name, instruction, opening = texts[choice]
            requests.append(Request(label, name, instruction, opening, int(seed)))
    return [requests[i] for i in rng.permutation(len(requests))]


def generate(requests: Sequence[Request], teacher: Teacher, night: Night, task_type: str) -> Batch:
    """Has the teacher write every request, and turns drafts into samples.

    Requests = samples + dropped, always.

    Raises:
        BackendError: The teacher gave more or fewer drafts than it was asked for.
    """
    drafts = teacher.write(requests, night)
    if len(drafts) != len(requests):
        raise BackendError(
            wanted=f"{len(requests)} drafts from {teacher.version}",
            got=str(len(drafts)),
            do="mend the teacher: it must answer every request, in order",
        )
    rows: list[dict[str, Any]] = []
    dropped: list[dict[str, Any]] = []
    for request, draft in zip(requests, drafts, strict=True):
        row = _sample(request, draft, teacher, night, task_type)
        fault = draft.fault or ("" if draft.prompt.strip() else "empty_prompt")
        if fault:
            dropped.append(row | {"stage": "generate", "reason": fault, "duplicate_of": ""})
        else:
            rows.append(row)
    return Batch(samples_table(rows), samples_table(dropped, DROPPED_BATCH))


def _sample(
    request: Request, draft: Draft, teacher: Teacher, night: Night, task_type: str
) -> dict[str, Any]:
    label = draft.label or request.label
    prompt, response = draft.prompt.strip(), draft.response.strip()
    return {
        "sample_id": synthetic_sample_id(
            night.corpus, night.generation, request.seed, label, prompt, response
        ),
        "corpus": night.corpus,
        "generation": night.generation,
        "task_type": task_type,
        "label": label,
        "prompt": prompt,
        "response": response,
        "origin": SYNTHETIC,
        "depth": teacher.depth,
        "teacher": draft.teacher or teacher.version,
        "template": request.template,
        "judge": "",
        "parent_ids": list(request.parent_ids),
        "seed": request.seed,
        "available_from": night.generation,
        "attributes": sorted(draft.attributes.items()),
    }
