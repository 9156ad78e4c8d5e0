"""Laws on text: what a student's language comes to when its own text replaces, joins or dilutes
the real rows. Nothing judges or filters here: that is what the laws are about.

Source:
    Shumailov et al. 2024 (Nature 631:755) for replace and for 10% real text; Kazdan et al. 2024
    (arXiv:2410.16713) for the order of the regimes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.loop.chain import weighted
from collapse_pipeline.loop.laws import Finding
from collapse_pipeline.loop.mix import MixPolicy, mix
from collapse_pipeline.ports import FloatVector, LanguageModel, LanguageModelTrainer
from collapse_pipeline.records import (
    DROPPED_BATCH,
    HUMAN,
    SYNTHETIC,
    derived_seed,
    human_sample_id,
    samples_table,
    synthetic_sample_id,
)

CORPUS = "laws"
LONGEST = 20  # words of a text; what follows is cut off, so that small students learn whole rows
HELD_OUT = 0.5  # rows that perplexity is measured on, over rows trained on
ORDER = (  # law, the worse regime, the better one
    ("regimes", "replace", "subsample"),
    ("regimes", "subsample", "accumulate"),
    ("real text kept", "replace", "10% real"),
)
_OPEN = {
    "human_floor": 0.0,
    "depth_limit": 99,
    "balance": 1.0,
    "synthetic_weight": 1.0,
}
REGIMES: Mapping[str, MixPolicy] = {
    "replace": MixPolicy(regime="replace", synthetic_cap=1.0, **_OPEN),
    "10% real": MixPolicy(regime="replace", synthetic_cap=0.9, **_OPEN),
    "subsample": MixPolicy(regime="subsample", synthetic_cap=1.0, **_OPEN),
    "accumulate": MixPolicy(regime="accumulate", synthetic_cap=1.0, **_OPEN),
}


class Text(NamedTuple):
    """One real text."""

    label: str  # "" where there is none
    words: str


class Claim(NamedTuple):
    """What a source says without a number that it could be held to: measured, not judged."""

    case: str
    says: str
    found: float  # perplexity of the last generation over the first's


def distinct_texts(texts: Sequence[Text]) -> list[Text]:
    """Each text once, cut to `LONGEST` words, those without any word left out."""
    cut = (Text(label, " ".join(words.split()[:LONGEST])) for label, words in texts)
    return list(dict.fromkeys(text for text in cut if text.words))


def log_perplexities(
    trainer: LanguageModelTrainer,
    human: pa.Table,
    held_out: pa.Table,
    generations: int,
    seed: int,
) -> dict[str, FloatVector]:
    """Loss on held-out real text, generation by generation, under every regime.

    Generation 0 learns from the real rows. Each later one learns from a mix of them and of what
    its forerunners wrote, one row for each real one and of the same label.

    Args:
        trainer: Of a student; its vocabulary is learned in generation 0 and kept.
        human: Real training rows, SAMPLE.
        held_out: Real rows that nothing is trained on, SAMPLE.
        generations: How many learn from written text.
        seed: Of fits, texts and mixes.

    Returns:
        By regime (n_generations + 1,), nats per token: the logarithm of perplexity. The first is
        the same for all.
    """
    first = trainer.train(weighted(human), derived_seed(seed, 0))
    return {
        regime: _chain(trainer, first, human, held_out, policy, generations, seed)
        for regime, policy in REGIMES.items()
    }


def repeated(
    trainer: LanguageModelTrainer,
    texts: Sequence[Text],
    rows: int,
    generations: int,
    repetitions: int,
    seed: int,
    told: Callable[[int], None] = lambda _: None,
) -> dict[str, FloatVector]:
    """`log_perplexities` of repetitions, each on a draw of its own.

    Args:
        trainer: Of a student.
        texts: Real ones, distinct.
        rows: Trained on; half as many more are held out.
        generations: How many learn from written text.
        repetitions: Each draws rows, and everything else, anew.
        seed: Of all that is drawn.
        told: Is told how many repetitions are done.

    Returns:
        By regime (n_repetitions, n_generations + 1), nats per token.

    Raises:
        TooFewSamplesError: With fewer texts than one repetition draws.
    """
    held_out = round(HELD_OUT * rows)
    if len(texts) < rows + held_out:
        raise TooFewSamplesError(
            wanted=f"{rows + held_out} different texts",
            got=str(len(texts)),
            do="give a larger file, or ask for fewer rows",
        )
    found: dict[str, list[FloatVector]] = {regime: [] for regime in REGIMES}
    for repetition in range(repetitions):
        own = derived_seed("laws", trainer.kind, seed, repetition)
        order = np.random.default_rng(own).permutation(len(texts))
        drawn = [texts[place] for place in order[: rows + held_out]]
        sides = _rows(drawn[:rows]), _rows(drawn[rows:])
        for regime, losses in log_perplexities(trainer, *sides, generations, own).items():
            found[regime].append(losses)
        told(repetition + 1)
    return {regime: np.array(losses) for regime, losses in found.items()}


def findings_on(student: str, losses: Mapping[str, FloatVector]) -> list[Finding]:
    """What the laws say of one student, in nats per token.

    Args:
        student: Its name, for the table.
        losses: As `repeated` returns them.
    """
    rises = np.diff(losses["replace"], axis=1)
    weakest = rises[:, rises.mean(axis=0).argmin()]
    findings = [Finding("replace", f"{student}: its smallest rise", "above", 0.0, weakest)]
    for law, worse, better in ORDER:
        apart = losses[worse][:, -1] - losses[better][:, -1]
        findings.append(Finding(law, f"{student}: {worse} over {better}", "above", 0.0, apart))
    return findings


def claims_on(student: str, losses: Mapping[str, FloatVector]) -> list[Claim]:
    """What the sources say of one student without a number that they could be held to."""
    says = {"10% real": "only minor degradation", "accumulate": "no collapse"}
    times = {
        regime: np.exp((losses[regime][:, -1] - losses[regime][:, 0]).mean()) for regime in says
    }
    return [Claim(f"{student}: {regime}", says[regime], float(times[regime])) for regime in says]


def _chain(
    trainer: LanguageModelTrainer,
    first: LanguageModel,
    human: pa.Table,
    held_out: pa.Table,
    policy: MixPolicy,
    generations: int,
    seed: int,
) -> FloatVector:
    student, written = first, list[pa.Table]()
    losses = [_loss(student, held_out)]
    for ordinal in range(1, generations + 1):
        own = derived_seed(seed, ordinal)
        turn = f"turn-{ordinal:03d}"
        written.insert(0, _written(student, human, turn, ordinal, own))
        nothing = DROPPED_BATCH.empty_table()
        mixture = mix(human, written, nothing, policy, turn, own)
        student = trainer.train(mixture.samples, own, first)
        losses.append(_loss(student, held_out))
    return np.array(losses)


def _written(student: LanguageModel, human: pa.Table, turn: str, depth: int, seed: int) -> pa.Table:
    """One written row for each human one."""
    labels = human["label"].to_pylist()
    texts = student.sample(labels, [""] * len(labels), derived_seed(seed, "write"), 1.0)
    return samples_table(
        row
        | {
            "sample_id": synthetic_sample_id(CORPUS, turn, place, row["label"], prompt, response),
            "generation": turn,
            "prompt": prompt,
            "response": response,
            "origin": SYNTHETIC,
            "depth": depth,
        }
        for place, (row, (prompt, response)) in enumerate(
            zip(human.to_pylist(), texts, strict=True)
        )
    )


def _loss(student: LanguageModel, rows: pa.Table) -> float:
    columns = (rows[name].to_pylist() for name in ("label", "prompt", "response"))
    nats, tokens = student.negative_log_likelihood(*columns)
    return float(nats.sum() / tokens.sum())


def _rows(texts: Sequence[Text]) -> pa.Table:
    return samples_table(
        {
            "sample_id": human_sample_id(CORPUS, *text, ""),
            "corpus": CORPUS,
            "generation": "",
            "task_type": "text",
            "label": text.label,
            "prompt": text.words,
            "response": "",
            "origin": HUMAN,
            "depth": 0,
            "teacher": "",
            "template": "",
            "judge": "",
            "parent_ids": [],
            "seed": 0,
            "available_from": "",
            "attributes": [],
        }
        for text in texts
    )
