"""How responses behave: whether they refuse, whether what they state is true, whether they are
about the question or merely polite. Rows without a response are left out."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics import performance
from collapse_pipeline.metrics.evidence import BatchEvidence, Metric, Need, Texts
from collapse_pipeline.metrics.manners import empty_politeness, refuses
from collapse_pipeline.metrics.skeleton import FUNCTION_WORDS
from collapse_pipeline.ports import IntVector
from collapse_pipeline.records import derived_seed

CHECKED_ROWS = 5_000  # a world checks so many, drawn by lot where there are more: 0.3 ms a row
Checks = Sequence[Mapping[str, bool]]


def refusal_rate(refused: npt.NDArray[np.bool_]) -> float:
    """Share of responses that refuse, rightly or not.

    Args:
        refused: (n_rows,), what `refuses` says of each response.

    Returns:
        Ratio in [0, 1]; 0 when all are answered. Trap: a fall can be harm too, where dangerous
        questions are no longer refused; and the rate follows the mix of labels.

    Raises:
        TooFewSamplesError: With no row.
    """
    _require(len(refused))
    return float(refused.mean())


def refusals_beyond(
    refused: npt.NDArray[np.bool_],
    labels: Sequence[str],
    human_refused: npt.NDArray[np.bool_],
    human_labels: Sequence[str],
) -> float:
    """Share of the rows that people would answer and that get a refusal.

    Whether a row should be refused is not known; people's rate for its label stands for the chance
    that it should. A label without human rows has the rate of all human rows.

    Args:
        refused: (n_rows,), what `refuses` says of each response.
        labels: (n_rows,), their labels.
        human_refused: (n_human,), the same of human responses.
        human_labels: (n_human,).

    Returns:
        Ratio in [0, 1]; 0 when only rows of labels that people always refuse are refused, NaN
        when people refuse every label here. Trap: where people refuse part of a label, refusals
        that are right count in part (when half of it is refused, by them and here: 0.5), so
        compare with a null or with human rows, never with 0.

    Raises:
        TooFewSamplesError: Without rows or human rows.
    """
    _require(min(len(refused), len(human_refused)))
    rows = Counter(human_labels)
    refusals = Counter(x for x, no in zip(human_labels, human_refused, strict=True) if no)
    overall = refusals.total() / rows.total()
    deserve = np.array([1 - refusals[x] / rows[x] if rows[x] else 1 - overall for x in labels])
    total = deserve.sum()
    return float((deserve * refused).sum() / total) if total else float("nan")


def specificity(
    prompts: Sequence[Sequence[str]],
    responses: Sequence[Sequence[str]],
    human_prompts: Sequence[Sequence[str]],
) -> float:
    """How much of what makes a prompt unlike others its response takes up.

    Numbers, names and rare words count most: each content word of the prompt weighs as much as it
    is rare among human prompts (inverse document frequency), function words nothing.

    Args:
        prompts: (n_rows,), the words of each.
        responses: (n_rows,), the words of each response.
        human_prompts: (n_human,), the words of each, by which rarity is counted.

    Returns:
        Mean over rows in [0, 1]; 0 when no response names anything of its prompt, 1 when every
        response repeats all of it, NaN when no prompt has a content word. Trap: parroting scores
        1, and words count as they are spelt, so a response that paraphrases scores low.

    Raises:
        TooFewSamplesError: Without rows or human rows.
    """
    _require(min(len(prompts), len(human_prompts)))
    seen = Counter(word for words in human_prompts for word in set(words))
    rows = 1 + len(human_prompts)
    shares = []
    for prompt, response in zip(prompts, responses, strict=True):
        asked = sorted(word for word in set(prompt) if _is_content(word))
        weights = [log(rows / (1 + seen[word])) for word in asked]
        total = sum(weights)
        if total > 0:
            taken_up = set(response)
            both = zip(asked, weights, strict=True)
            shares.append(sum(weight for word, weight in both if word in taken_up) / total)
    return float(np.mean(np.sort(shares))) if shares else float("nan")


def _is_content(word: str) -> bool:
    return word[0].isalnum() and word.replace("'", "") not in FUNCTION_WORDS


def _require(rows: int) -> None:
    if not rows:
        raise TooFewSamplesError("rows with a response", "none", "leave out gates on responses")


class _Answered(NamedTuple):
    """Rows that have a response."""

    prompts: Texts
    responses: Texts

    @property
    def refused(self) -> npt.NDArray[np.bool_]:
        return np.array([refuses(text) for text in self.responses.texts], dtype=np.bool_)


def _answered(texts: Texts) -> _Answered:
    filled = [i for i, text in enumerate(texts.of("response").texts) if text.strip()]
    rows = texts if len(filled) == len(texts) else texts.take(np.array(filled, dtype=np.int64))
    return _Answered(rows.of("prompt"), rows.of("response"))


def _refusal_rate(evidence: BatchEvidence) -> float:
    return refusal_rate(_answered(evidence.synthetic).refused)


def _unwarranted_refusal_rate(evidence: BatchEvidence) -> float:
    if evidence.world is not None:
        return performance.unwarranted_refusal_rate(checks(evidence))
    ours, theirs = _answered(evidence.synthetic), _answered(evidence.human)
    return refusals_beyond(
        ours.refused, ours.responses.labels, theirs.refused, theirs.responses.labels
    )


def _empty_politeness(evidence: BatchEvidence) -> float:
    return empty_politeness(_answered(evidence.synthetic).responses.texts)


def _specificity(evidence: BatchEvidence) -> float:
    rows = _answered(evidence.synthetic)
    human = evidence.human.of("prompt")
    return specificity(rows.prompts.words, rows.responses.words, human.words)


def checks(evidence: BatchEvidence) -> Checks:
    """What the world says of the written rows; of `CHECKED_ROWS` drawn by lot where there are more.

    Raises:
        TooFewSamplesError: There is no row.
    """
    rows, world = evidence.synthetic.rows, evidence.world
    _require(rows.num_rows)
    if world is None:
        return []
    if rows.num_rows > CHECKED_ROWS:
        rows = rows.take(_drawn(rows["sample_id"].to_pylist(), evidence.seed))
    columns = (rows[name].to_pylist() for name in ("label", "prompt", "response", "attributes"))
    return [
        world.check(label, prompt, response, dict(attributes))
        for label, prompt, response, attributes in zip(*columns, strict=True)
    ]


def _drawn(ids: Sequence[str], seed: int) -> IntVector:
    """`CHECKED_ROWS` rows by lots that hang on their ids, so that their order changes nothing."""
    lots = np.array([derived_seed(seed, "checked", i) for i in ids])
    return np.argsort(lots, kind="stable")[:CHECKED_ROWS].astype(np.int64)


def _checked(measure: Callable[[Checks], float]) -> Callable[[BatchEvidence], float]:
    return lambda evidence: measure(checks(evidence))


METRICS = (
    Metric(
        name="refusal_rate",
        asset="synthetic_batch",
        compute=_refusal_rate,
        worse="either",
        meaning="Share of the responses that refuse, rightly or not.",
        scale="share",
        needs=(Need.RESPONSES,),
        scopes=("label", "template", "teacher"),
    ),
    Metric(
        name="unwarranted_refusal_rate",
        asset="synthetic_batch",
        compute=_unwarranted_refusal_rate,
        worse="above",
        meaning="Share of the rows that deserve an answer and get a refusal.",
        scale="share",
        needs=(Need.RESPONSES,),
        scopes=("label", "template", "teacher"),
    ),
    Metric(
        name="wrong_fact_rate",
        asset="synthetic_batch",
        compute=_checked(performance.wrong_fact_rate),
        worse="above",
        meaning="Share of the rows with a fact in them whose fact is wrong.",
        scale="share",
        needs=(Need.RESPONSES, Need.WORLD),
        scopes=("label", "template", "teacher"),
    ),
    Metric(
        name="wrong_answer_rate",
        asset="synthetic_batch",
        compute=_checked(performance.wrong_answer_rate),
        worse="above",
        meaning="Share of the rows with a checkable answer whose answer is wrong.",
        scale="share",
        needs=(Need.RESPONSES, Need.WORLD),
        scopes=("label", "template", "teacher"),
    ),
    Metric(
        name="empty_politeness",
        asset="synthetic_batch",
        compute=_empty_politeness,
        worse="above",
        meaning="Share of the responses' words that are thanks, apologies and offers of help.",
        scale="share",
        needs=(Need.RESPONSES,),
        scopes=("label", "template", "teacher"),
    ),
    Metric(
        name="specificity",
        asset="synthetic_batch",
        compute=_specificity,
        worse="below",
        meaning="How much of what makes a prompt unlike others its response takes up.",
        scale="share",
        needs=(Need.RESPONSES,),
        scopes=("label", "template", "teacher"),
    ),
)
