"""Whether the judge judges what it should: whom it accepts, and which style it likes."""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics import gold
from collapse_pipeline.metrics.evidence import JudgedEvidence, Metric, Need, Texts
from collapse_pipeline.metrics.manners import politeness
from collapse_pipeline.metrics.ranks import rank_correlation
from collapse_pipeline.ports import FloatVector

LEAST_ROWS = 20  # of a label; with fewer its acceptance rate is mostly chance
_LIST_MARK = re.compile(
    r"^\s*(?:[-*\u2022\u2013]|\(?(?:\d{1,2}|[a-h])[.)])\s|(?<=\s)\(?(?:\d{1,2}|[a-h])\)\s",
    re.MULTILINE | re.IGNORECASE,
)
Flags = npt.NDArray[np.bool_]


def acceptance_rate(accepted: Flags) -> float:
    """Share of rows that the judge accepted.

    Args:
        accepted: (n_rows,), true for each row that was kept.

    Returns:
        Ratio in [0, 1]. Trap: with quotas the rate is the policy's and only vetoes move it; a
        judge that accepts the wrong rows at the right rate does not show here.

    Raises:
        TooFewSamplesError: With no row.
    """
    _require(len(accepted), 1)
    return float(accepted.mean())


def acceptance_shift(labels: Sequence[str], accepted: Flags, before: Mapping[str, float]) -> float:
    """Largest change of an acceptance rate, over all rows and within each label.

    Args:
        labels: (n_rows,), "" where there is none.
        accepted: (n_rows,), true for each row that was kept.
        before: Acceptance rate of earlier nights by label, "" for all rows.

    Returns:
        Absolute difference in [0, 1]; 0 when nothing changed. Labels with fewer than `LEAST_ROWS`
        rows tonight are left out. Trap: a largest rises with the number of labels and as their
        rows get fewer: of 20 labels of 50 rows, accepted at 0.8, one is 0.12 off by chance.

    Raises:
        TooFewSamplesError: With no row, or no rate of an earlier night.
    """
    _require(len(accepted), 1)
    groups = {"": accepted}
    names = np.array(labels, dtype=object)
    for label in set(labels) - {""}:
        of_label = accepted[names == label]
        if len(of_label) >= LEAST_ROWS:
            groups[label] = of_label
    shifts = [abs(float(groups[x].mean()) - before[x]) for x in groups.keys() & before.keys()]
    if not shifts:
        raise TooFewSamplesError("acceptance rates of earlier nights", "none", "judge a night more")
    return max(shifts)


def acceptance_skew(groups: Sequence[str], accepted: Flags) -> float:
    """How far acceptance differs between groups, beyond what chance makes of equal treatment.

    Pearson's chi-square of the table of groups by acceptance over the number of rows, less its
    expectation. Its root is the correlation of group and acceptance (Cramer's V, corrected).

    Args:
        groups: (n_rows,), such as labels or templates.
        accepted: (n_rows,), true for each row that was kept.

    Returns:
        About 0 when groups are treated alike, 1 when some are always accepted and the others
        never; 0.04 where rates of 0.7 and 0.87 stand side by side. Down to -(k - 1)/(n - 1) with
        k groups, when they are accepted more evenly than by chance: quotas do that. Exactly 0
        with one group, or when all rows or none are accepted. Trap: labels differ in difficulty,
        so a fair judge has a skew too.

    Raises:
        TooFewSamplesError: With fewer than two rows.

    Source:
        Cramer 1946, section 21.9; the correction of Bergsma 2013, without its cut at 0.
    """
    _require(len(accepted), 2)
    rate = float(accepted.mean())
    names, group = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
    if len(names) == 1 or rate in (0, 1):
        return 0.0
    sizes = np.bincount(group)
    rates = np.bincount(group, weights=accepted) / sizes
    chi_square = float((sizes * (rates - rate) ** 2).sum()) / (rate * (1 - rate))
    return chi_square / len(accepted) - (len(names) - 1) / (len(accepted) - 1)


def style_correlation(
    scores: FloatVector, style: FloatVector, correctness: Sequence[Hashable]
) -> float:
    """Correlation of the judge's score with a mark of style, at equal correctness.

    Args:
        scores: (n_rows,), what the judge gave.
        style: (n_rows,), such as the length of the text.
        correctness: (n_rows,), rows that share a value are equally right as far as is known.

    Returns:
        Signed, in [-1, 1]; above 0 when the judge likes more of it, 0 when it does not care or
        gives all rows one score. Trap: style can go with quality, as longer questions can be
        clearer, and then a good judge leans too: compare with a null. Where acceptance stands for
        correctness and the best rows are accepted, each stratum has part of the range only, so
        the leaning looks smaller than it is.

    Raises:
        TooFewSamplesError: With fewer than two rows.

    Source:
        `rank_correlation`; for the leanings of judges, Dubois et al. 2024, arXiv:2404.04475.
    """
    return rank_correlation(scores, style, correctness)


def judge_style_bias(*correlations: float) -> float:
    """The strongest leaning of a judge towards or away from a style.

    Args:
        correlations: Signed, each in [-1, 1], one for each mark of style.

    Returns:
        The largest in absolute value, in [0, 1]; 0 when the judge cares for none. Trap: marks go
        together (long texts have more lists), so it does not say which one the judge looks at.
    """
    return max(map(abs, correlations))


def list_marks(text: str) -> int:
    """How many items of lists a text has: bullets and numbers that begin a line, `(1)` or `b)`
    within one."""
    return len(_LIST_MARK.findall(text))


def _require(rows: int, least: int) -> None:
    if rows < least:
        raise TooFewSamplesError(f"{least} judged rows or more", str(rows), "judge a larger batch")


def _accepted(evidence: JudgedEvidence) -> Flags:
    flags: Flags = evidence.judged.rows["accepted"].to_numpy().astype(np.bool_)
    return flags


def _shift(evidence: JudgedEvidence) -> float:
    before = evidence.acceptance_before
    return acceptance_shift(evidence.judged.labels, _accepted(evidence), before)


def _skew(evidence: JudgedEvidence, column: str) -> float:
    return acceptance_skew(evidence.judged.rows[column].to_pylist(), _accepted(evidence))


def _length(texts: Texts) -> FloatVector:
    return np.array([len(text.split()) for text in texts.texts], dtype=np.float64)


def _politeness(texts: Texts) -> FloatVector:
    return politeness(texts.texts)


def _lists(texts: Texts) -> FloatVector:
    return np.array([list_marks(text) for text in texts.texts], dtype=np.float64)


def _leaning(evidence: JudgedEvidence, style: Callable[[Texts], FloatVector]) -> float:
    """Towards a style of responses, or of prompts where no row has a response.

    Rows of one label that came out the same (accepted or not) count as equally right.
    """
    judged, responses = evidence.judged, evidence.judged.of("response")
    correctness = list(zip(judged.labels, _accepted(evidence).tolist(), strict=True))
    scores = judged.rows["score"].to_numpy().astype(np.float64)
    written = responses if any(responses.texts) else judged.of("prompt")
    return style_correlation(scores, style(written), correctness)


METRICS = (
    Metric(
        name="acceptance_rate",
        asset="judged_batch",
        compute=lambda evidence: acceptance_rate(_accepted(evidence)),
        worse="either",
        meaning="Share of the written rows that the judge accepted.",
        scale="share",
        scopes=("label", "template", "teacher"),
    ),
    Metric(
        name="acceptance_shift",
        asset="judged_batch",
        compute=_shift,
        worse="above",
        meaning="Largest change of acceptance since earlier nights, of all rows or of a label.",
        scale="share",
        needs=(Need.EARLIER,),
    ),
    Metric(
        name="acceptance_skew",
        asset="judged_batch",
        compute=lambda evidence: _skew(evidence, "label"),
        worse="above",
        meaning="How far acceptance differs between labels, beyond chance.",
        needs=(Need.LABELS,),
        scopes=("template", "teacher"),
    ),
    Metric(
        name="acceptance_skew_by_template",
        asset="judged_batch",
        compute=lambda evidence: _skew(evidence, "template"),
        worse="above",
        meaning="How far acceptance differs between templates, beyond chance.",
        scopes=("label", "teacher"),
    ),
    Metric(
        name="score_length_correlation",
        asset="judged_batch",
        compute=lambda evidence: _leaning(evidence, _length),
        worse="either",
        meaning="Whether the judge scores long texts higher than short ones that are as right.",
        scopes=("label", "template", "teacher"),
    ),
    Metric(
        name="score_politeness_correlation",
        asset="judged_batch",
        compute=lambda evidence: _leaning(evidence, _politeness),
        worse="either",
        meaning="Whether the judge scores polite texts higher than others that are as right.",
        scopes=("label", "template", "teacher"),
    ),
    Metric(
        name="score_list_correlation",
        asset="judged_batch",
        compute=lambda evidence: _leaning(evidence, _lists),
        worse="either",
        meaning="Whether the judge scores lists higher than running text that is as right.",
        scopes=("label", "template", "teacher"),
    ),
    Metric(
        name="judge_style_bias",
        asset="judged_batch",
        compute=lambda evidence: judge_style_bias(
            *(_leaning(evidence, style) for style in (_length, _politeness, _lists))
        ),
        worse="above",
        meaning="The judge's strongest leaning towards or away from length, politeness or lists.",
        scale="share",
        scopes=("label", "template", "teacher"),
    ),
    *gold.METRICS,
)
