"""How certain a simple generative model is of held-out rows: the ranking behind the `hard` suite.

Multinomial naive Bayes over words: another family than the discriminative baseline, so that its
doubts are not the baseline's own list of errors, and exact to cross-fit, because a fold's words
can be subtracted from the counts.
"""

import numpy as np

from collapse_pipeline.metrics.minhash import normalise
from collapse_pipeline.ports import FloatVector, IntVector

FOLDS = 5
SMOOTHING = 0.5
COUNTED = 20_000_000  # cells of a table of labels by words; beyond it words share a column


def certainty(
    training: list[tuple[str, str]], held_out: list[tuple[str, str]], seed: int
) -> FloatVector:
    """Cross-fitted certainty of held-out rows, low for a hard row.

    Args:
        training: (label, text) of rows to learn from; label "" throughout where there is none.
        held_out: (label, text) of the rows to score; each is scored by a model of the training
            rows and the other folds of these.
        seed: Draws the folds.

    Returns:
        (n_held_out,): with labels the probability of the most likely one, in (0, 1]; without, the
        geometric mean of the words' probabilities, in (0, 1).
    """
    rows = [*training, *held_out]
    labels = sorted({label for label, _ in rows})
    numbers = {label: number for number, label in enumerate(labels)}
    label = np.array([numbers[name] for name, _ in rows], dtype=np.int64)
    words, starts, width = _words([text for _, text in rows])
    fold = np.full(len(rows), -1)
    order = np.random.default_rng(seed).permutation(len(held_out))
    fold[len(training) + order] = np.arange(len(held_out)) % FOLDS
    word_label, word_fold = np.repeat([label, fold], np.diff(starts), axis=1)
    width = min(width, max(COUNTED // len(labels), 1))
    words %= width
    shape = (len(labels), width)
    all_counts = _counts(words, word_label, shape)
    score = np.empty(len(rows))
    for number in range(FOLDS):
        mine = word_fold == number
        counts = all_counts - _counts(words[mine], word_label[mine], shape)
        rows_seen = np.bincount(label[fold != number], minlength=len(labels))
        likelihood = np.log(counts + SMOOTHING)
        likelihood -= np.log(counts.sum(axis=1, keepdims=True) + SMOOTHING * width)
        # A label that only this fold has is never seen, and so never predicted.
        prior = np.log(np.where(rows_seen > 0, rows_seen, 1e-300))
        for row in np.flatnonzero(fold == number):
            mine_words = words[starts[row] : starts[row + 1]]
            logs = likelihood[:, mine_words].sum(axis=1)
            score[row] = _top(logs + prior) if len(labels) > 1 else logs[0] / len(mine_words)
    held = score[len(training) :]
    return held if len(labels) > 1 else np.exp(held)


def _words(texts: list[str]) -> tuple[IntVector, IntVector, int]:
    """Word numbers of all texts in a row, where each text starts (n + 1), and how many words."""
    numbers: dict[str, int] = {}
    found: list[int] = []
    starts = [0]
    for text in texts:
        # A text without any word gives one empty word, so that no row is without evidence.
        words = normalise(text).split(" ")
        found.extend(numbers.setdefault(word, len(numbers)) for word in words)
        starts.append(len(found))
    return np.array(found, dtype=np.int64), np.array(starts, dtype=np.int64), len(numbers)


def _counts(words: IntVector, labels: IntVector, shape: tuple[int, int]) -> FloatVector:
    flat = np.bincount(labels * shape[1] + words, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float64)


def _top(logs: FloatVector) -> float:
    return float(1 / np.exp(logs - logs.max()).sum())
