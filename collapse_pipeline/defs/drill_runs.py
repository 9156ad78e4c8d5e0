"""One run of a drill: the nights from the onset on in a copy of a healthy home, and what each of
them did and said."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from collapse_pipeline.defs.component_versions import components
from collapse_pipeline.defs.drill_faults import approve, prepare, to_blame, turned
from collapse_pipeline.defs.drill_homes import ACTOR, HEALTHY, nights_of, run_night
from collapse_pipeline.defs.gating import values_of
from collapse_pipeline.defs.reviewing import record_review
from collapse_pipeline.defs.workshop import Workshop, open_workshop, pinned_settings
from collapse_pipeline.errors import CollapsePipelineError
from collapse_pipeline.loop.faults.fault import Fault
from collapse_pipeline.loop.gate import Outcome
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.pinned import Manifest
from collapse_pipeline.metrics import performance
from collapse_pipeline.ports import Student, World
from collapse_pipeline.records import SYNTHETIC, Verdict, derived_seed
from collapse_pipeline.settings import load_settings, merge, write_corpus

NIGHT_FAILED = "night_failed"  # shown beside the gates
REVIEWER = "reviewer"
NO_BRAKES = {"gates": {"enforce": False}, "release": {"enforce": False}}
SUITE_ROWS = 300  # a suite with fewer moves by two points by chance
WRITTEN_ROWS = 1_500  # by each released student, so that two points of a rate show


def drilled_nights(
    home: Path, corpus: str, fault: Fault | None, strength: float, count: int, brakes: bool = True
) -> dict[str, Any]:
    """Runs the nights of a drill, without a fault those of its control.

    Args:
        home: A copy of a healthy home, which is changed.
        corpus: Whose nights.
        fault: What is wrong from the first of these nights on.
        strength: Its dial.
        count: How many nights.
        brakes: Whether gates and the promotion rule stop anything.

    Returns:
        `nights`, each with what gates said; `to_blame`, the component versions that the fault
        lies in; `announced`, the facts of the calibration that changed and were approved;
        `released`, what the release in force at the end can do.
    """
    if fault is not None:
        prepare(home, corpus, fault, strength)
    item = load_settings(home).item(corpus)
    base = item.settings if brakes else merge(item.settings, NO_BRAKES)
    nights: list[dict[str, Any]] = []
    blame: list[str] = []
    announced: list[str] = []
    frozen: list[str] = []
    released: dict[str, Any] = {}
    for number, day in enumerate(nights_of(HEALTHY, count), 1):
        settings = turned(base, fault, strength, number, home) if fault else base
        write_corpus(home, corpus, item.model_copy(update={"settings": settings}))
        with open_workshop(load_settings(home), actor=ACTOR) as shop:
            if fault is not None:
                blame += to_blame(shop, corpus, fault)
                announced += approve(shop, corpus, day)
            try:
                manifest = run_night(shop, corpus, day)
                said = _night(shop, manifest, number)
                said["reviewed"] = _review(shop, manifest, home / "review.jsonl")
            except CollapsePipelineError as error:  # nothing is left in service, or to train on
                said = _failed(day, number, error)
            now = _frozen(shop, corpus)
            nights.append(said | {"frozen": [name for name in now if name not in frozen]})
            frozen = now
            if number == count:
                released = _released(shop, corpus)
    return {
        "to_blame": sorted(set(blame)),
        "announced": sorted(set(announced)),  # facts that `calibration_stale` would have named
        "nights": nights,
        "released": released,
    }


def _frozen(shop: Workshop, corpus: str) -> list[str]:
    rows = components(shop, corpus)
    return [f"{r['component']} {r['version']}" for r in rows if r["state"] == "frozen"]


def _review(shop: Workshop, manifest: Manifest, file: Path) -> int:
    """A person looks at rows of a night whose gates ask for it, and says what the world says.

    Returns:
        How many rows: what recovery costs a person.
    """
    corpus, generation = manifest.corpus, manifest.generation
    asked = shop.ledger.events(
        corpus=corpus, kinds=[Act.REVIEW_RAISED, Act.REVIEW_REQUIRED], generation=generation
    )
    world = shop.world_of(corpus)
    if not asked or world is None:
        return 0
    count = shop.settings.corpus(corpus).governance.review_rows
    rows = shop.store.read("synthetic_batch", corpus, [generation]).slice(0, count).to_pylist()
    verdicts = []
    for row in rows:
        texts = (row["label"], row["prompt"], row["response"])
        right = world.check(*texts, dict(row["attributes"])).get("answer_right", True)
        said = {"sample": row["sample_id"], "verdict": "accept" if right else "reject"}
        verdicts.append(said | {"reviewer": REVIEWER, "time": f"{generation}T08:00:00"})
    file.write_text("".join(json.dumps(verdict) + "\n" for verdict in verdicts), "utf-8")
    record_review(shop, file, REVIEWER, corpus)
    return len(verdicts)


def _night(shop: Workshop, manifest: Manifest, number: int) -> dict[str, Any]:
    """What a night did and said, for the report."""
    corpus, generation = manifest.corpus, manifest.generation
    record = shop.line(corpus).generations[generation].record
    values = values_of(shop, record)
    names = {row["gate"] for row in values}
    breached = [row for row in values if row["outcome"] == Outcome.BREACH]
    spoken = (*manifest.blocked_by, *manifest.would_block)
    rules = [r for r in spoken if r.partition(":")[0] not in {*names, "checklist", "unfinished"}]
    since = nights_of(HEALTHY, 1)[0]
    mixed = shop.store.read("training_mix", corpus, [generation], columns=["origin", "written_in"])
    wrote = pc.and_(
        pc.equal(mixed["origin"], SYNTHETIC), pc.greater_equal(mixed["written_in"], since)
    )
    return {
        "number": number,
        "generation": generation,
        "verdict": manifest.verdict.value,
        "rules": rules,
        "reasons": dict(manifest.reasons),
        "gates": [
            {
                "gate": gate,
                "severity": rows[0]["severity"],
                "figures": {r["statistic"]: r["value"] for r in rows if r["exceeded"]},
                "blamed": sorted({name for row in rows for name in row["blamed"]}),
            }
            for gate in dict.fromkeys(row["gate"] for row in breached)
            if (rows := [row for row in breached if row["gate"] == gate])
        ],
        "written_since": pc.sum(wrote).as_py() or 0,
        "rows": dict(manifest.rows),
        "shares": dict(manifest.shares),
        # What averages said: the candidate's, where the night got as far as measuring it.
        "averages": {
            name: value
            for name, value in manifest.metrics.items()
            if name.endswith((".accuracy", ".perplexity"))
        },
    }


def _failed(day: str, number: int, error: CollapsePipelineError) -> dict[str, Any]:
    """A night that could not be run: nobody can miss it."""
    return {
        "number": number,
        "generation": day,
        "verdict": Verdict.FAILED.value,
        "rules": [],
        "reasons": {NIGHT_FAILED: str(error)},
        "gates": [{"gate": NIGHT_FAILED, "severity": "block", "figures": {}, "blamed": []}],
        "written_since": 0,
        "rows": {},
        "shares": {},
        "averages": {},
        "reviewed": 0,
    }


def _released(shop: Workshop, corpus: str) -> dict[str, Any]:
    """The release in force at the end: its accuracy by suite, and what it writes of its own."""
    line = shop.line(corpus)
    incumbent, last = line.incumbent, line.active[-1].record
    if incumbent is None or incumbent.manifest is None:
        return {"generation": "", "accuracy": {}, "written": {}}
    settings = pinned_settings(last)
    student = shop.student(incumbent.manifest.model, settings)
    suites = shop.suites(last)
    accuracy = {}
    for suite in last.suites:
        rows = suites.filter(pc.equal(suites["suite"], suite.name))
        labels = rows["label"].to_pylist()
        if student.task is not None and len(labels) >= SUITE_ROWS and any(labels):
            said = student.task.predict(rows["prompt"].to_pylist()).best
            accuracy[suite.name] = performance.accuracy(labels, said)
    standard = suites.filter(pc.equal(suites["suite"], "standard"))["label"].to_pylist()
    written = _written(shop.world_of(corpus), student, standard, derived_seed(last.seed, "drill"))
    return {"generation": incumbent.generation, "accuracy": accuracy, "written": written}


def _written(
    world: World | None, student: Student, standard: Sequence[str], seed: int
) -> dict[str, dict[str, float]]:
    """Rates of what a student writes of its own, checked by the world, each with its rows."""
    if world is None:
        return {}
    labels = [standard[i % len(standard)] for i in range(WRITTEN_ROWS)]
    texts = student.language.sample(labels, [""] * len(labels), seed, 1.0)
    checks = [
        world.check(label, prompt, response, {})
        for label, (prompt, response) in zip(labels, texts, strict=True)
    ]
    return {
        "wrong_fact_rate": _rate(checks, "fact_right", performance.wrong_fact_rate(checks)),
        "unwarranted_refusal_rate": _rate(
            checks, "refused", performance.unwarranted_refusal_rate(checks)
        ),
        "wrong_answer_rate": _rate(checks, "answer_right", performance.wrong_answer_rate(checks)),
    }


def _rate(checks: Sequence[Mapping[str, bool]], verdict: str, rate: float) -> dict[str, float]:
    return {"rate": rate, "rows": sum(verdict in check for check in checks)}
