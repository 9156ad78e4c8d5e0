"""Linear scores of every label with one temperature: what both task models have in common.

Probabilities are the scores' sigmoids (scorers fitted one against the rest) or exponentials
(scorers fitted together) to the power 1/temperature, made to sum to 1. The temperature is fitted
on scores of rows that the scorers had not seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.ports import FloatMatrix, FloatVector, IntVector, Prediction
from collapse_pipeline.records import HUMAN, derived_seed

Features = Any  # (n_rows, width) float32, a numpy array or a scipy CSR matrix
Marked = npt.NDArray[np.bool_]  # (n_rows,)
Link = Literal["sigmoid", "softmax"]
Encode = Callable[[Marked], Features]
"""Features of all rows, with whatever must be learned (terms, idf) learned from the marked ones."""

FEWEST_HELD_OUT = 20  # fewer scores than this say nothing of a temperature
ENOUGH_HELD_OUT = 5_000  # human rows; with so many, further folds only take time


@dataclass(frozen=True)
class LabelledRows:
    """Labelled training rows as columns, in the order of their ids, so that a table's own order
    changes nothing."""

    prompts: list[str]
    labels: npt.NDArray[np.str_]
    weights: FloatVector
    human: npt.NDArray[np.bool_]
    negative: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, rows: pa.Table) -> Self:
        """The labelled rows of a training mix; without `weight` 1 each, without `role` positive.

        Raises:
            TooFewSamplesError: When the positive rows have fewer than two labels.
        """
        wanted = ["sample_id", "prompt", "label", "origin", "weight", "role"]
        rows = rows.select([name for name in wanted if name in rows.column_names])
        rows = rows.filter(pc.not_equal(rows["label"], "")).sort_by("sample_id")
        labels = np.array(rows["label"].to_pylist(), dtype=np.str_)
        weights, negative = np.ones(len(labels)), np.zeros(len(labels), dtype=np.bool_)
        if "weight" in rows.column_names:
            weights = rows["weight"].to_numpy().astype(np.float64)
        if "role" in rows.column_names:
            negative = np.array(rows["role"].to_pylist(), dtype=np.str_) == "negative"
        distinct = len(set(labels[~negative]))
        if distinct < 2:
            raise TooFewSamplesError(
                "training rows of at least two labels",
                f"{int((~negative).sum())} rows of {distinct}",
                "add labelled rows, or train without a task model",
            )
        return cls(
            prompts=rows["prompt"].to_pylist(),
            labels=labels,
            weights=weights,
            human=np.array(rows["origin"].to_pylist(), dtype=np.str_) == HUMAN,
            negative=negative,
        )


@dataclass(frozen=True)
class LinearHead:
    """Scorers of all labels: from features to calibrated probabilities."""

    labels: tuple[str, ...]  # sorted
    coefficients: FloatMatrix  # (width, n_labels)
    intercepts: npt.NDArray[np.float32]  # (n_labels,)
    link: Link
    temperature: float = 1.0  # > 0; above 1 it flattens, below 1 it sharpens

    def scores(self, features: Features) -> FloatMatrix:
        """What each label has for it, before the temperature, (n_rows, n_labels)."""
        scores: FloatMatrix = np.asarray(features @ self.coefficients + self.intercepts)
        return scores

    def predict(self, features: Features) -> Prediction:
        """Calibrated probabilities of every label."""
        logs = log_probabilities(self.scores(features), self.link, self.temperature)
        return Prediction(self.labels, np.exp(logs).astype(np.float32))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `from_arrays` needs beside the labels."""
        return {
            "coefficients": np.ascontiguousarray(self.coefficients),
            "intercepts": self.intercepts,
            "temperature": np.array([self.temperature], dtype=np.float64),
        }

    @classmethod
    def from_arrays(
        cls, labels: Sequence[str], link: Link, arrays: Mapping[str, npt.NDArray[Any]]
    ) -> Self:
        """The head that gave these arrays."""
        temperature = float(arrays["temperature"][0])
        return cls(tuple(labels), arrays["coefficients"], arrays["intercepts"], link, temperature)


FitScorers = Callable[[LabelledRows, Marked, Features, Sequence[str]], LinearHead]
"""Scorers of these labels fitted on the marked rows, at temperature 1."""


def log_probabilities(
    scores: FloatMatrix, link: Link, temperature: float
) -> npt.NDArray[np.float64]:
    """Logs of link(score)^(1/temperature), normalised a row; (n_rows, n_labels)."""
    wide = scores.astype(np.float64)
    logs = (-np.logaddexp(0.0, -wide) if link == "sigmoid" else wide) / temperature
    logs -= logs.max(axis=1, keepdims=True)
    normalised: npt.NDArray[np.float64] = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
    return normalised


def fit_head(
    rows: LabelledRows, encode: Encode, fit: FitScorers, folds: int, seed: int
) -> LinearHead:
    """Scorers on all rows, with a temperature from cross-fitting; `encode` is called last for all.

    The temperature comes from human rows where there are enough: written rows are easier than
    real ones, and would make the model too sure of itself.
    """
    labels = tuple(sorted(set(rows.labels[~rows.negative].tolist())))
    numbers = fold_numbers(rows, folds, seed)
    everything = np.ones(len(numbers), dtype=np.bool_)
    held_out = np.zeros((len(numbers), len(labels)), dtype=np.float32)
    scored = np.zeros(len(numbers), dtype=np.bool_)
    for fold in range(folds):
        if (scored & rows.human).sum() >= ENOUGH_HELD_OUT:
            break
        features = encode(numbers != fold)
        head = fit(rows, numbers != fold, features, labels)
        held_out[numbers == fold] = head.scores(features[numbers == fold])
        scored |= numbers == fold
    use = scored & rows.human
    if use.sum() < FEWEST_HELD_OUT:
        use = scored
    truth = np.searchsorted(labels, rows.labels[use])
    head = fit(rows, everything, encode(everything), labels)
    temperature = fit_temperature(held_out[use], truth, rows.weights[use], head.link)
    return replace(head, temperature=temperature)


def fold_numbers(rows: LabelledRows, folds: int, seed: int) -> IntVector:
    """Which fold holds out each row, (n_rows,): labels are spread evenly over the folds.

    -1 is held out never: negatives, and the only row of its label, so that every label stands
    in every fold's training rows.
    """
    numbers = np.full(len(rows.labels), -1, dtype=np.int64)
    rng = np.random.default_rng(derived_seed("folds", seed))
    for label in sorted(set(rows.labels[~rows.negative].tolist())):
        mine = np.flatnonzero((rows.labels == label) & ~rows.negative)
        if len(mine) > 1:
            start = rng.integers(folds)  # else the first folds would hold all the small labels
            numbers[rng.permutation(mine)] = (np.arange(len(mine)) + start) % folds
    return numbers


def fit_temperature(
    scores: FloatMatrix, truth: IntVector, weights: FloatVector, link: Link
) -> float:
    """The temperature in [0.05, 20] with the smallest weighted log loss; 1 with too few rows.

    Args:
        scores: (n_rows, n_labels) of rows that the scorers were not fitted on.
        truth: (n_rows,) column of the right label.
        weights: (n_rows,).
        link: Of the scores.
    """
    if len(truth) < FEWEST_HELD_OUT or weights.sum() <= 0:
        return 1.0
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        logs = log_probabilities(scores, link, float(np.exp(log_temperature)))
        return float(-np.average(logs[np.arange(len(truth)), truth], weights=weights))

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))
