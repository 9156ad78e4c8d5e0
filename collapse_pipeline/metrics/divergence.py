"""How far the batch's distribution lies from that of real rows: length, topic, task type, label,
style, difficulty and tool calls.

No divergence of a healthy generator is 0. Real text differs from real text by chance, and what a
generator is asked for is a plan (rare labels are favoured), not a mirror. So 0 is no bound: the
null of each is what the healthy generator gives at the same size under the same plan.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.evidence import BatchEvidence, Metric, Need
from collapse_pipeline.metrics.histograms import jensen_shannon
from collapse_pipeline.metrics.style import style_divergence
from collapse_pipeline.metrics.topics import topic_divergence

QUANTILES = 200

_NEXT_CALL = re.compile(r"[\s,;]+")


def value_divergence(synthetic: Sequence[str], human: Sequence[str]) -> float:
    """Jensen-Shannon divergence of what two sets of rows hold in one column.

    Args:
        synthetic: (n_synthetic,) values such as labels; "" is a value as well.
        human: (n_human,) values.

    Returns:
        In [0, 1], as `jensen_shannon`. Trap, for labels: a batch's labels follow the plan (count
        to the power of the balance), so the null is the healthy generator's value, not 0, and a
        plan that changes moves it; what a filter or judge does to labels comes after the batch.
        Where a generator does not write an attribute at all, the value is 1 every night.

    Raises:
        TooFewSamplesError: Without rows on both sides.
    """
    return jensen_shannon(Counter(synthetic), Counter(human))


def length_divergence(synthetic: Sequence[str], human: Sequence[str]) -> float:
    """By what factor, in natural logarithms, lengths differ on average over all quantiles.

    The Wasserstein distance of log(1 + characters). It has no bins to choose, and unlike a
    histogram's divergence it tells a little longer from much longer.

    Args:
        synthetic: (n_synthetic,) texts.
        human: (n_human,) texts.

    Returns:
        0 or more; 0 when lengths are alike, 0.69 when all texts are twice, or half, as long.
        Never NaN. Trap: says nothing of the direction; and a plan that favours labels with long
        texts moves it.

    Raises:
        TooFewSamplesError: Without texts on both sides.

    Source:
        Vallender 1974 (the distance as an area between quantile functions).
    """
    if not min(len(synthetic), len(human)):
        raise TooFewSamplesError("texts on both sides", "none on one", "measure a larger batch")
    at = (np.arange(QUANTILES) + 0.5) / QUANTILES
    ours, theirs = (
        np.quantile(np.log1p(np.fromiter(map(len, texts), dtype=np.float64)), at)
        for texts in (synthetic, human)
    )
    return float(np.abs(ours - theirs).mean())


def tool_call_divergence(synthetic: Sequence[str], human: Sequence[str]) -> float:
    """Jensen-Shannon divergence of the steps between tool calls.

    A row's steps are its start and first tool, each tool and the next, the last tool and the end;
    without calls it is one step from start to end. Every row weighs the same, shared out over its
    steps. So which tools are called, how many, and in what order all count, and rows with long
    chains of calls still have something in common.

    Args:
        synthetic: (n_synthetic,) names of the tools that a row calls, in order, separated by
            commas or blanks; "" without calls.
        human: (n_human,) the same.

    Returns:
        In [0, 1]; 0 when steps have equal shares, 1 when no step occurs on both sides. Trap:
        arguments of calls do not belong in the attribute, each would be a tool of its own; order
        beyond one step is not seen.

    Raises:
        TooFewSamplesError: Without rows on both sides.
    """
    return jensen_shannon(_step_weights(synthetic), _step_weights(human))


def _step_weights(calls: Sequence[str]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for row, count in sorted(Counter(calls).items()):
        tools = ["", *filter(None, _NEXT_CALL.split(row)), ""]
        steps = [f"{tool} {following}" for tool, following in pairwise(tools)]
        for step in steps:
            weights[step] = weights.get(step, 0.0) + count / len(steps)
    return weights


def _style(evidence: BatchEvidence) -> float:
    ours, theirs = evidence.synthetic, evidence.human
    return style_divergence(ours.texts, ours.words, theirs.texts, theirs.words)


def _topic(evidence: BatchEvidence) -> float:
    return topic_divergence(evidence.synthetic.embeddings, evidence.human.embeddings, evidence.seed)


def _task_type(evidence: BatchEvidence) -> float:
    ours, theirs = (
        side.rows["task_type"].to_pylist() for side in (evidence.synthetic, evidence.human)
    )
    return value_divergence(ours, theirs)


def _difficulty(evidence: BatchEvidence) -> float:
    return value_divergence(
        evidence.synthetic.attribute("difficulty"), evidence.human.attribute("difficulty")
    )


def _tool_calls(evidence: BatchEvidence) -> float:
    return tool_call_divergence(
        evidence.synthetic.attribute("tool_calls"), evidence.human.attribute("tool_calls")
    )


# Not by label: the human rows beside one label's rows are those of all labels.
SCOPES = ("template", "teacher")
METRICS = (
    Metric(
        "length_divergence",
        "synthetic_batch",
        lambda e: length_divergence(e.synthetic.texts, e.human.texts),
        "above",
        "By what factor (in logarithms) the batch's texts are longer or shorter than real ones.",
        scopes=SCOPES,
    ),
    Metric(
        "topic_divergence",
        "synthetic_batch",
        _topic,
        "above",
        "How far the batch's shares of topics lie from those of real rows.",
        "share",
        (Need.EMBEDDINGS,),
        SCOPES,
    ),
    Metric(
        "task_type_divergence",
        "synthetic_batch",
        _task_type,
        "above",
        "How far the batch's shares of task types lie from those of real rows.",
        "share",
        scopes=SCOPES,
    ),
    Metric(
        "label_divergence",
        "synthetic_batch",
        lambda e: value_divergence(e.synthetic.labels, e.human.labels),
        "above",
        "How far the batch's shares of labels lie from those of real rows.",
        "share",
        (Need.LABELS,),
        SCOPES,
    ),
    Metric(
        "style_divergence",
        "synthetic_batch",
        _style,
        "above",
        "How much the batch is punctuated, cased and built unlike real text.",
        scopes=SCOPES,
    ),
    Metric(
        "difficulty_divergence",
        "synthetic_batch",
        _difficulty,
        "above",
        "How far the batch's shares of easy and hard rows lie from those of real rows.",
        "share",
        (Need.DIFFICULTY,),
        SCOPES,
    ),
    Metric(
        "tool_call_divergence",
        "synthetic_batch",
        _tool_calls,
        "above",
        "How far which tools are called, how often and in what order lies from real rows.",
        "share",
        (Need.TOOL_CALLS,),
        SCOPES,
    ),
)
