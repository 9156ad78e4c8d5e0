"""Hedge phrases: vague words that stand where a policy's condition should."""

import re
from collections.abc import Sequence

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.evidence import BatchEvidence, Metric, Texts

# Each can be said without knowing the rule: it admits that there is a condition, and keeps it to
# itself. Words that usually bring the condition along ("depending on the region", "unless") and
# doubts about facts ("might", "could be") are no hedges here.
HEDGES = (
    "generally|in general|usually|typically|normally|for the most part|to some extent"
    "|in (?:some|certain|many|most|special|specific) (?:cases|circumstances|situations|instances)"
    "|under (?:some|certain|special|specific) (?:conditions|circumstances)"
    "|(?:some|certain|other|various|several) (?:conditions|exceptions|restrictions|limitations"
    "|exclusions|factors|criteria|requirements)"
    "|(?:may|might|can|could) (?:vary|differ|apply|not apply|be possible|be eligible|qualify)"
    "|it (?:all )?depends|where (?:possible|applicable|appropriate|necessary)"
    "|(?:if|as) (?:applicable|appropriate|needed|necessary)|within reason"
    "|(?:on a )?case[- ]by[- ]case|at (?:our|their) discretion|not always"
)
_HEDGE = re.compile(rf"\b(?:{HEDGES})\b")


def hedge_rate(texts: Sequence[str]) -> float:
    """Share of texts with at least one hedge phrase.

    Args:
        texts: (n_texts,), answers where there are some.

    Returns:
        Ratio in [0, 1]; 0 when no text hedges.

    Trap:
        Rises with the length of texts, and a hedge may be the truth: some rules do have other
        conditions. English phrases only. Compare with people who answer the same questions.

    Raises:
        TooFewSamplesError: Without any text.

    Source:
        Lakoff 1973 (hedges); Hyland 1998 for lists of them.
    """
    if not texts:
        raise TooFewSamplesError("a text for hedge_rate", "none", "measure a larger batch")
    return sum(_HEDGE.search(text.casefold()) is not None for text in texts) / len(texts)


def answers(texts: Texts) -> list[str]:
    """What each row says for itself: its response, or the measured column where it has none."""
    responses = texts.of("response").texts
    return [response or text for response, text in zip(responses, texts.texts, strict=True)]


def _excess(evidence: BatchEvidence) -> float:
    return hedge_rate(answers(evidence.synthetic)) - hedge_rate(answers(evidence.human))


METRICS = (
    Metric(
        "hedge_rate",
        "synthetic_batch",
        lambda e: hedge_rate(answers(e.synthetic)),
        "above",
        "Answers that say 'in some cases' and the like where a condition should stand.",
        "share",
        scopes=("label", "template", "teacher"),
    ),
    Metric(
        "hedge_excess",
        "synthetic_batch",
        _excess,
        "above",
        "By how much more rows hedge than people do, as a difference of shares.",
        scopes=("label", "template", "teacher"),
    ),
)
