"""Question banks: how various the questions' forms are, and the wrong answers beside the right one.

A prompt offers choices where marks A, B, ... follow each other: "A) 12 B) 14", "(a) yes (b) no", a
line "A. Paris" each. Which choice is right is not asked: a bank of wrong answers would hide there.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.evidence import BatchEvidence, Metric, Need
from collapse_pipeline.metrics.grams import entropy_bits
from collapse_pipeline.metrics.skeleton import skeleton

_MARK = re.compile(r"(?<!\S)\(?([A-Za-z])[).:](?=\s)")
_NUMBER = re.compile(r"[^\w\s-]{0,3}(-?\d[\d,]*(?:\.\d+)?)(?:/(\d+))?")
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")


class Question(NamedTuple):
    """A prompt taken apart."""

    stem: str  # what is asked
    choices: tuple[str, ...]  # two or more, in their order; none where none can be told


def read_question(prompt: str) -> Question:
    """The stem of a prompt and its choices: the last run of marks from A on."""
    marks = list(_MARK.finditer(prompt))
    for first in reversed(range(len(marks))):
        if marks[first][1] in "Aa" and len(run := _run(marks[first:])) > 1:
            ends = [mark.start() for mark in run[1:]] + [len(prompt)]
            choices = (prompt[mark.end() : end] for mark, end in zip(run, ends, strict=True))
            return Question(prompt[: run[0].start()].strip(), tuple(map(str.strip, choices)))
    return Question(prompt.strip(), ())


def _run(marks: Sequence[re.Match[str]]) -> list[re.Match[str]]:
    """The first mark and those behind it that go on with the alphabet."""
    run = [marks[0]]
    for mark in marks[1:]:
        if ord(mark[1]) == ord(run[-1][1]) + 1:
            run.append(mark)
    return run


def distractor_diversity(questions: Sequence[Question]) -> float:
    """How various the choices are: their effective number of kinds, over what was counted.

    Choices in words each count as themselves. Choices that are numbers count once a question, by
    the gaps between them when sorted, the smallest gap being 1: 129, 130, 131, 132 are "1 1 1"
    wherever they lie, which is how one recipe for wrong answers shows. Two numbers have but one
    gap, so they do not count.

    Args:
        questions: (n_questions,); those without choices are left out.

    Returns:
        In (0, 1]: exp of the entropy over the count; 1 when no kind comes twice, near 0 when all
        questions offer the same kind.

    Trap:
        Falls with the number of questions. A stock choice ("none of these") lowers it, in people's
        questions too. Marks out of order hide choices: garbled prompts are left out.

    Raises:
        TooFewSamplesError: When there are fewer than two kinds to count.

    Source:
        Effective number: Hill 1973, order 1; Jost 2006.
    """
    kinds = [kind for question in questions for kind in _kinds(question.choices)]
    return _diversity(kinds, "distractor_diversity")


def _kinds(choices: Sequence[str]) -> Iterator[str]:
    numbers = []
    for choice in choices:
        number = _NUMBER.match(choice)
        if number is None:
            yield choice.casefold()
        else:
            numbers.append(float(number[1].replace(",", "")) / (float(number[2] or 1) or 1.0))
    gaps = np.diff(np.unique(numbers))
    if len(gaps) > 1:
        yield " ".join(f"{gap:.1f}" for gap in gaps / gaps.min())


def question_form_diversity(questions: Sequence[Question]) -> float:
    """How various the forms are in which questions are asked: effective number over their count.

    A form is the skeleton of the stem's last sentence (the one that asks), whether it leaves a gap
    to fill in, and whether sentences that tell a situation stand before it.

    Args:
        questions: (n_questions,); those without choices are left out.

    Returns:
        In (0, 1]: exp of the entropy over the count; 1 when no form comes twice, near 0 when all
        questions have one form.

    Trap:
        Falls with the number of questions, and for short ones. Sees form, not matter: the same
        question with other numbers is the same form. Nonsense has new forms all the time.

    Raises:
        TooFewSamplesError: With fewer than two questions that offer choices.

    Source:
        Effective number: Hill 1973, order 1; Jost 2006.
    """
    forms = [question_form(question.stem) for question in questions if question.choices]
    return _diversity(forms, "question_form_diversity")


def question_form(stem: str) -> str:
    """The form of a stem, such as `told: what is the _ of _ ?` in signs that compare equal."""
    *told, asks = _SENTENCE_END.split(stem.strip())
    gap = " (gap)" if "__" in asks or "..." in asks else ""
    return f"{'told: ' if told else ''}{skeleton(asks)}{gap}"


def _diversity(kinds: Iterable[str], name: str) -> float:
    counts = np.array(list(Counter(kinds).values()), dtype=np.int64)
    if counts.sum() < 2:
        raise TooFewSamplesError(
            f"2 questions that offer choices or more for {name}",
            str(counts.sum()),
            "measure a larger batch, or one whose prompts offer choices",
        )
    return float(2.0 ** entropy_bits(counts) / counts.sum())


def _questions(evidence: BatchEvidence) -> list[Question]:
    return [read_question(prompt) for prompt in evidence.synthetic.texts]


METRICS = (
    Metric(
        "distractor_diversity",
        "synthetic_batch",
        lambda e: distractor_diversity(_questions(e)),
        "below",
        "How various the choices are that questions offer.",
        "share",
        (Need.CHOICES,),
        ("label", "template", "teacher"),
    ),
    Metric(
        "question_form_diversity",
        "synthetic_batch",
        lambda e: question_form_diversity(_questions(e)),
        "below",
        "How various the forms are in which questions are asked.",
        "share",
        (Need.CHOICES,),
        ("label", "template", "teacher"),
    ),
)
