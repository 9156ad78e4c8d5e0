"""Experiment: chains of the loop in memory that differ in one thing, and what each turn came to.

A cell is one variant with one seed. Cells of one seed have the same human rows, the same baseline
and the same seeds of everything that is drawn, so that their differences are the variant's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.chain import Parts, Turn, turns
from collapse_pipeline.loop.evaluate import (
    BASELINE,
    CANDIDATE,
    EvaluatePolicy,
    evaluate,
    primary_metric,
)
from collapse_pipeline.loop.experiment_gates import Held, Watch, hold
from collapse_pipeline.loop.measure import drawn
from collapse_pipeline.loop.release import ReleasePolicy, decide
from collapse_pipeline.loop.score import score
from collapse_pipeline.metrics.evidence import Texts
from collapse_pipeline.metrics.phrases import distinct_n
from collapse_pipeline.metrics.skeleton import skeleton_repetition
from collapse_pipeline.metrics.spread import vendi_score
from collapse_pipeline.ports import Student
from collapse_pipeline.records import SYNTHETIC, SuiteRecord, derived_seed

RELEASED = "released"  # the student in force after a turn: the last promoted, else the baseline
WRITTEN, MIX = "written", "mix"  # what a student writes; the synthetic rows that it learnt from
DIVERSITY_ROWS = 300  # texts that diversity is measured on; it moves with their number
MOST = 0.9  # of a mix that can still have all human rows under it in reasonable time
PASSES = 0.9  # of the rows that a judge accepts, about as many as a filter lets pass
Way = Literal["on_top", "fixed"]


@dataclass(frozen=True)
class Lab:
    """What all cells of an experiment share."""

    parts: Parts
    human: pa.Table  # all training rows
    human_rows: int  # of them, drawn for every seed; all where there are no more
    suites: Sequence[SuiteRecord]
    watch: Watch
    evaluate: EvaluatePolicy
    release: ReleasePolicy
    seed: int  # of the corpus

    def humans(self, seed: int) -> pa.Table:
        """The human rows of one seed: the same in every variant."""
        if self.human_rows >= self.human.num_rows:
            return self.human
        return drawn(self.human, self.human_rows, self.chain_seed(seed))

    def chain_seed(self, seed: int) -> int:
        """The seed of a chain: the same in every variant."""
        return derived_seed(self.seed, self.parts.corpus, "experiment", seed)


@dataclass(frozen=True)
class Variant:
    """What one thing is changed to."""

    name: str
    parts: Parts
    cap: float  # the largest synthetic share that its mix may have
    gated: bool = False  # whether a turn that a gate or the release rule stops is held back
    guarded: bool = True  # whether the human floor is one of the things that stop it


def at_share(parts: Parts, human_rows: int, share: float, way: Way) -> Variant:
    """The loop with that share of synthetic rows in its mix.

    On top: all human rows and as many synthetic ones as make the share, so that 90% is nine times
    as many; at 100% those nine without the human rows. Fixed: as many rows as there are human ones,
    the share of them synthetic and of tonight. The batch is as large as the share wants, since a
    judge keeps the same part of it then; it is never smaller than the corpus's own.

    Raises:
        BadInputError: The share lies outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise BadInputError("a share in [0, 1]", f"{share:g}", "mend --shares")
    on_top = way == "on_top"
    cap = MOST if on_top and share == 1 else share
    wanted = human_rows * (cap / (1 - cap) if on_top else cap)
    kept = (parts.judge.keep_share if parts.judge.enforce else 1.0) * PASSES
    changes: dict[str, Any] = {
        "regime": "accumulate" if on_top else "replace",
        "synthetic_cap": cap,
        "human_floor": 0.0,
        "human_rows": None,
        "stage": "full",
        "caps_by_task": {},
    }
    rows = max(parts.generate.rows, ceil(round(wanted / kept, 6)))
    changed = replace(
        parts,
        mix=parts.mix.model_copy(update=changes),
        generate=parts.generate.model_copy(update={"rows": rows}),
        people=not (on_top and share == 1),
    )
    return Variant(f"{round(100 * share, 6):g}%", changed, share)


def cell(lab: Lab, variant: Variant, seed: int, generations: int) -> dict[str, Any]:
    """Works one cell out, as one JSON document.

    Returns:
        `turns`, each with its share and depth, whether it was `promoted`, the gates that `fired`
        and the figures in `values`; and `rows`, what the last candidate made of each row of every
        primary suite: 1 where it was right, or its loss and tokens where there are no labels.
    """
    human, own = lab.humans(seed), lab.chain_seed(seed)
    held_back: set[int] = set()
    chain = turns(variant.parts, human, own, promoted=lambda turn: turn.ordinal not in held_back)
    story = _Story(lab, variant, human, own)
    told = []
    for turn in islice(chain, generations):
        told.append(story.tell(turn))
        if not told[-1]["promoted"]:
            held_back.add(turn.ordinal)
    return {
        "variant": variant.name,
        "share": variant.cap,
        "seed": seed,
        "human_rows": human.num_rows,
        "turns": told,
        "rows": _answers(lab, turn.candidate),
    }


class _Story:
    """What became of a chain so far."""

    def __init__(self, lab: Lab, variant: Variant, human: pa.Table, seed: int) -> None:
        self.lab, self.variant, self.human, self.seed = lab, variant, human, seed
        self.line: list[Turn] = []  # promoted ones
        self.held: list[Held] = []
        self.best: dict[str, tuple[float, str]] = {}  # by primary suite: its value, and whose
        self.students: dict[str, Student] = {}
        self.released: list[dict[str, Any]] = []

    def tell(self, turn: Turn) -> dict[str, Any]:
        lab, seed = self.lab, derived_seed(self.seed, turn.ordinal, "told")
        names = {suite: name for suite, (_, name) in self.best.items() if name}
        models = {CANDIDATE: turn.candidate, BASELINE: turn.baseline}
        models |= {name: self.students[name] for name in names.values()}
        nothing = turn.batch.slice(0, 0)  # how likely the batch is tells of no rows that are real
        report = evaluate(
            models,
            names,
            lab.parts.suites,
            lab.suites,
            nothing,
            lab.parts.world,
            lab.evaluate,
            seed,
        )
        parts, cap = self.variant.parts, self.variant.cap
        held = hold(lab.watch, parts, self.human, turn, report, self.line, self.held, cap, seed)
        rules = self._rules(report, turn)
        promoted = not self.variant.gated or not (held.fired or rules)
        self.held.append(held)
        values = _figures(report) + _diversity(lab, turn, seed)
        if promoted:
            self.line.append(turn)
            self._note_best(report, turn)
        if promoted or not self.released:
            model = CANDIDATE if promoted else BASELINE
            self.released = [v | {"model": RELEASED} for v in values if v["model"] == model]
        return {
            "turn": turn.ordinal,
            "depth": turn.depth,
            **{name: turn.mixture.summary[name] for name in ("human_rows", "synthetic_rows")},
            "share": turn.mixture.summary["synthetic_share"],
            "promoted": promoted,
            "fired": held.fired,
            "rules": rules,
            "left_out": dict(held.left_out),
            "values": values + self.released,
        }

    def _rules(self, report: list[dict[str, Any]], turn: Turn) -> dict[str, str]:
        """Release rules that the turn breaks."""
        human = float(turn.mixture.summary["human_share"])
        breaches = decide(report, human if self.variant.guarded else 1.0, self.lab.release).breaches
        return dict(breaches)

    def _note_best(self, report: list[dict[str, Any]], turn: Turn) -> None:
        primary = {
            (row["suite"], row["metric"].removesuffix(".ratio_to_best"))
            for row in report
            if row["metric"].endswith(".ratio_to_best")
        }
        figures = {
            (r["model"], r["suite"], r["metric"]): r["value"] for r in report if not r["scope"]
        }
        for suite, metric in primary:
            ours = figures[CANDIDATE, suite, metric]
            best, _ = self.best.get(suite, (figures[BASELINE, suite, metric], ""))
            self.best.setdefault(suite, (best, ""))
            if ours > best:
                self.best[suite] = ours, f"turn {turn.ordinal}"
                self.students[f"turn {turn.ordinal}"] = turn.candidate


def _figures(report: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The figures of candidate and baseline on whole suites."""
    names = ("model", "suite", "metric", "value", "rows")
    return [
        {name: row[name] for name in names}
        for row in report
        if row["model"] in (CANDIDATE, BASELINE)
        and not row["scope"]
        and row["metric"] != "rows"
        and not row["metric"].endswith(".ratio_to_best")
    ]


def _diversity(lab: Lab, turn: Turn, seed: int) -> list[dict[str, Any]]:
    """How varied candidate and baseline write, and how varied the synthetic rows of the mix are."""
    rng = np.random.default_rng(derived_seed(seed, "labels"))
    labels = turn.batch["label"].to_pylist()  # as they were asked for; the same for both students
    picks = [str(labels[i]) for i in rng.integers(0, len(labels), DIVERSITY_ROWS)]
    found = []
    for model, student in ((CANDIDATE, turn.candidate), (BASELINE, turn.baseline)):
        texts = student.language.sample(picks, [""] * len(picks), derived_seed(seed, "texts"), 1.0)
        written = pa.table({"prompt": [prompt for prompt, _ in texts]})
        found += _varied(model, WRITTEN, Texts(written, lab.parts.embedder))
    rows = turn.mixture.samples
    synthetic = rows.filter(pc.equal(rows["origin"], SYNTHETIC))
    if synthetic.num_rows >= DIVERSITY_ROWS:
        draw = drawn(synthetic, DIVERSITY_ROWS, seed)
        found += _varied(CANDIDATE, MIX, Texts(draw, lab.parts.embedder))
    return found


def _varied(model: str, suite: str, texts: Texts) -> list[dict[str, Any]]:
    figures = {
        "distinct_2": distinct_n(texts.words, 2),
        "skeleton_repetition": skeleton_repetition(texts.skeletons),
    }
    if texts.embedder is not None:
        figures["vendi_score"] = vendi_score(texts.embeddings)
    return [
        {"model": model, "suite": suite, "metric": name, "value": value, "rows": len(texts)}
        for name, value in figures.items()
    ]


def _answers(lab: Lab, student: Student) -> dict[str, Any]:
    """What a student makes of each row of every primary suite, in the order of the suite."""
    found: dict[str, Any] = {}
    for suite in lab.suites:
        if primary_metric(suite, True, lab.evaluate) is None:
            continue
        rows = lab.parts.suites.filter(pc.equal(lab.parts.suites["suite"], suite.name))
        scored = score(student, rows)
        if scored.predicted is not None:
            pairs = zip(scored.predicted, rows["label"].to_pylist(), strict=True)
            found[suite.name] = {"right": "".join("01"[ours == truth] for ours, truth in pairs)}
        else:
            losses = [float(f"{loss:.6g}") for loss in scored.losses]
            found[suite.name] = {"losses": losses, "tokens": [int(n) for n in scored.tokens]}
    return found
