"""Gold rows: human rows that a judge is asked about every night, to see whether it still tells
right from wrong, and whether it has moved."""

from collections.abc import Mapping, Sequence
from math import fsum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.evidence import JudgedEvidence, Metric, Need, Texts
from collapse_pipeline.metrics.ranks import ranked_above
from collapse_pipeline.ports import FloatVector
from collapse_pipeline.records import SAMPLE, derived_seed, human_sample_id, samples_table

TRUE_LABEL = "true_label"  # attribute of a gold row that was given a wrong label: its own


def gold_rows(human: pa.Table, count: int, seed: int) -> pa.Table:
    """Rows to ask a judge about: human rows as they are, and the same with a wrong label.

    Args:
        human: SAMPLE columns; best rows that no judge was trained on.
        count: How many human rows to take, by lots that hang on their ids; all where there are
            fewer. As new rows arrive, most of those taken stay the same.
        seed: Of the lots and the wrong labels.

    Returns:
        SAMPLE rows, twice as many. A wrongly labelled one has an id of its own, and its right
        label in the attribute `true_label`; wrong labels are drawn from all others alike.

    Raises:
        TooFewSamplesError: With fewer than two labels.
    """
    labels = sorted(set(human["label"].to_pylist()))
    if len(labels) < 2:
        raise TooFewSamplesError("two labels or more", str(len(labels)), "leave out gold rows")
    ids = human["sample_id"].to_pylist()
    lots = sorted(range(len(ids)), key=lambda i: derived_seed(seed, "gold", ids[i]))
    drawn = human.select(SAMPLE.names).take(pa.array(lots[:count], pa.int64())).cast(SAMPLE)
    wrong = samples_table(_mislabelled(row, labels, seed) for row in drawn.to_pylist())
    return pa.concat_tables([drawn, wrong]).combine_chunks()


def _mislabelled(row: Mapping[str, Any], labels: Sequence[str], seed: int) -> dict[str, Any]:
    others = [label for label in labels if label != row["label"]]
    wrong = others[derived_seed(seed, "wrong label", row["sample_id"]) % len(others)]
    return {
        **row,
        "sample_id": human_sample_id(row["corpus"], wrong, row["prompt"], row["response"]),
        "label": wrong,
        "attributes": [*row["attributes"], (TRUE_LABEL, row["label"])],
    }


def gold_agreement(scores: FloatVector, right: npt.NDArray[np.bool_]) -> float:
    """Chance that the judge scores a rightly labelled human row above a wrongly labelled one.

    Args:
        scores: (n_rows,), what the judge gave.
        right: (n_rows,), true for rows that carry their own label.

    Returns:
        Area under the ROC curve, in [0, 1]; 1 when all right rows stand above all wrong ones, 0.5
        for a judge that cannot tell. Trap: where the line between accepted and rejected is drawn
        does not show, and rows that the judge was trained on flatter it.

    Raises:
        TooFewSamplesError: Without rows of both kinds.

    Source:
        Mann and Whitney 1947.
    """
    return ranked_above(scores, right)


def gold_drift(before: Mapping[str, float], tonight: Mapping[str, float]) -> float:
    """Mean absolute change of the judge's scores of the same human rows.

    Args:
        before: Score by `sample_id`, as an earlier night gave it.
        tonight: The same of tonight. Rows that are not in both are left out.

    Returns:
        In [0, 1] for scores in [0, 1]; 0 for a judge that stands still. Trap: a judge that is
        refitted on tonight's human rows moves a little every night and is healthy; and one that
        moves a little a night moves far in a month, so compare with the night it was approved.

    Raises:
        TooFewSamplesError: When the two have no row in common.
    """
    shared = sorted(before.keys() & tonight.keys())
    if not shared:
        raise TooFewSamplesError("gold rows that both nights judged", "none", "keep the gold rows")
    return fsum(abs(tonight[i] - before[i]) for i in shared) / len(shared)


def _gold(evidence: JudgedEvidence) -> Texts:
    if evidence.gold is None:
        raise TooFewSamplesError("gold rows", "none", "ask the judge about some")
    return evidence.gold


def _agreement(evidence: JudgedEvidence) -> float:
    gold = _gold(evidence)
    own = zip(gold.attribute(TRUE_LABEL), gold.labels, strict=True)
    right = np.array([true in ("", label) for true, label in own], dtype=np.bool_)
    return gold_agreement(gold.rows["score"].to_numpy().astype(np.float64), right)


def _scores(texts: Texts | None) -> dict[str, float]:
    if texts is None:
        return {}
    return dict(
        zip(*(texts.rows[name].to_pylist() for name in ("sample_id", "score")), strict=True)
    )


METRICS = (
    Metric(
        name="gold_agreement",
        asset="judged_batch",
        compute=_agreement,
        worse="below",
        meaning="How often the judge scores a rightly labelled human row above a mislabelled one.",
        scale="share",
        needs=(Need.GOLD, Need.LABELS),
    ),
    Metric(
        name="gold_drift",
        asset="judged_batch",
        compute=lambda evidence: gold_drift(
            _scores(evidence.gold_before), _scores(_gold(evidence))
        ),
        worse="above",
        meaning="How far the judge's scores of the same human rows have moved.",
        scale="share",
        needs=(Need.GOLD, Need.EARLIER),
    ),
)
