"""Whether a task model's probabilities mean what they say."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.ports import FloatMatrix, FloatVector


def expected_calibration_error(
    confidence: FloatVector, right: npt.NDArray[np.bool_], bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy over bins of equally many rows.

    Args:
        confidence: (n_rows,) probability of the most likely label.
        right: (n_rows,) whether that label is the true one.
        bins: Number of bins; fewer when there are fewer rows.

    Returns:
        Gap in [0, 1]; 0 when the model is right as often as it says. Never NaN. Chance alone
        gives about 0.8 * sqrt(bins * p * (1 - p) / n_rows) where the model is right with
        probability p: compare equal sizes. A model that collapses can get better here while it
        gets worse at its task: read it beside accuracy, and `mean_confidence` on other text.

    Raises:
        TooFewSamplesError: With no row.
        BadInputError: When lengths differ, or `bins` is under 1.

    Source:
        Naeini et al. 2015, with the equal-mass bins of Nguyen and O'Connor 2015.
    """
    if bins < 1:
        raise BadInputError("at least 1 bin", str(bins), "raise bins")
    _check(len(confidence), len(right))
    values, group = np.unique(confidence, return_inverse=True)
    # Rows of equal confidence share their mean, so the order of the rows changes nothing.
    shared = np.bincount(group, weights=right) / np.bincount(group)
    group.sort()
    gaps = values[group] - shared[group]
    parts = np.array_split(gaps, min(bins, len(gaps)))
    return float(sum(abs(part.sum()) for part in parts) / len(gaps))


def brier(probabilities: FloatMatrix, labels: Sequence[str], truth: Sequence[str]) -> float:
    """Mean squared distance between the probabilities and the truth, over all labels.

    Args:
        probabilities: (n_rows, n_labels), rows sum to 1.
        labels: The n_labels columns.
        truth: The n_rows true labels. A label without a column counts as one given 0.

    Returns:
        Score in [0, 2]; 0 when the model is sure and right, 2 when it is sure and wrong,
        1 - 1/n_labels when it finds all labels equally likely. Never NaN.

    Raises:
        TooFewSamplesError: With no row.
        BadInputError: When lengths differ.

    Source:
        Brier 1950.
    """
    _check(len(probabilities), len(truth))
    column = {label: i for i, label in enumerate(labels)}
    place = np.array([column.get(label, -1) for label in truth])
    wide = probabilities.astype(np.float64)
    given = np.where(place >= 0, wide[np.arange(len(place)), place], 0.0)
    return float(((wide**2).sum(axis=1) - 2 * given + 1).mean())


def mean_confidence(confidence: FloatVector) -> float:
    """Mean probability of the most likely label.

    Args:
        confidence: (n_rows,) that probability.

    Returns:
        Mean in [1/n_labels, 1]; never NaN. On text outside the task it should stay low: it rises
        as a self-consuming model forgets what lies outside.

    Raises:
        TooFewSamplesError: With no row.
    """
    _check(len(confidence), len(confidence))
    return float(confidence.mean())


def _check(predictions: int, truths: int) -> None:
    if predictions != truths:
        raise BadInputError(
            "one true label a prediction",
            f"{predictions} predictions and {truths} labels",
            "pass the two in the same order",
        )
    if not predictions:
        raise TooFewSamplesError("at least one row", "none", "leave the suite out")
