"""Whether written rows can be told from real ones: by the mean of a kernel, and by a classifier.

A healthy generator can be told from real text too, so neither 0 nor 0.5 is a bound: compare with
the healthy generator's values at the same size.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.draws import Content, content_folds, ordered_draw, ordered_words
from collapse_pipeline.metrics.evidence import Metric, Need
from collapse_pipeline.metrics.grams import Words, grams_up_to
from collapse_pipeline.metrics.ranks import ranked_above
from collapse_pipeline.ports import FloatMatrix
from collapse_pipeline.records import derived_seed

MMD_ROWS = 4096  # a side; above, a seeded draw: all pairs of rows are compared
# Kernel width over the median distance. Vectors of text lie about equally far apart, so that a
# kernel as wide as that distance is nearly flat: half of it sees a collapsing generator at 7 and
# 10 standard deviations where the whole sees it at 3 and 6 (n-gram student, generations 3 and 4).
KERNEL_WIDTH = 0.5
AUC_ROWS = 20_000  # a side; above, a seeded draw: it would hardly know more
FOLDS = 5
RIDGE = 1.0  # against 2,000 unit rows, each with a square of 1
ROUNDING = 1e-5  # of float32 distances: equal rows may lie this far apart

BoolVector = npt.NDArray[np.bool_]


def mmd(synthetic: FloatMatrix, human: FloatMatrix, seed: int = 0, limit: int = MMD_ROWS) -> float:
    """Squared maximum mean discrepancy of two sets of vectors, unbiased, under an RBF kernel.

    The kernel is exp(-d^2 / (2 w^2)) of distance d, w being half the median distance between
    human rows: the batch cannot move the yardstick.

    Args:
        synthetic: (n_synthetic, width), float32, unit rows.
        human: (n_human, width), unit rows.
        seed: Of the draws; the same rows in any order give the same value.
        limit: Rows a side; above, a seeded draw. Time grows with its square.

    Returns:
        At most 2; on average 0 when both sides come from one distribution, so small negative
        values are usual. Never NaN. The mean does not move with the number of rows, its spread
        does: compare equal sizes. Trap: rows that are copied from the human side count as any
        others; a shift of a few rows drowns in the mean (see coverage).

    Raises:
        TooFewSamplesError: With fewer than two rows on a side, or when most pairs of human rows
            are equal, which leaves no distance to measure by.

    Source:
        Gretton et al. 2012, equation 3; Garreau et al. 2017 on the median heuristic.
    """
    _require(
        min(len(synthetic), len(human)) >= 2, "2 rows or more a side for mmd", synthetic, human
    )
    ours = ordered_draw(synthetic, limit, derived_seed("mmd synthetic", seed))
    theirs = ordered_draw(human, limit, derived_seed("mmd human", seed))
    apart = _squared_distances(theirs, theirs)
    median = float(np.median(apart[np.triu(np.ones(apart.shape, dtype=np.bool_), 1)]))
    _require(median > ROUNDING, "human rows that differ", synthetic, human)
    rate = np.float32(-1 / (2 * KERNEL_WIDTH**2 * median))

    def kernel(distances: FloatMatrix) -> float:
        return float(np.exp(np.multiply(distances, rate, out=distances)).sum(dtype=np.float64))

    def within(distances: FloatMatrix) -> float:
        rows = len(distances)
        np.fill_diagonal(distances, 0)
        return (kernel(distances) - rows) / (rows * (rows - 1))  # a row's kernel with itself is 1

    between = kernel(_squared_distances(ours, theirs)) / (len(ours) * len(theirs))
    return within(apart) + within(_squared_distances(ours, ours)) - 2 * between


def two_sample_auc_words(
    synthetic: Words, human: Words, seed: int = 0, limit: int = AUC_ROWS
) -> float:
    """How well a classifier of words tells written rows that it never saw from real ones.

    Ridge regression on TF-IDF of words and word pairs that two rows or more hold, fitted on four
    fifths and tested on the fifth left out, in turn. Naive Bayes sees collapse earlier still, but
    not a template put around human rows: what a row shares with its twin outweighs the template.

    Args:
        synthetic: (n_synthetic,), the words of each, casefolded.
        human: (n_human,) the same.
        seed: Of folds and draws; the same rows in any order give the same value.
        limit: Rows a side; above, a seeded draw.

    Returns:
        Area under the ROC curve, in [0, 1]; 0.5 when they cannot be told apart, 1 when always.
        Never NaN. Rises with the number of rows: compare equal sizes. Rows of equal words share
        a fold, so repetition by itself is not seen. Trap: a small batch that nearly repeats human
        rows goes below 0.5, each row being taken for its twin; an outside model is told at 0.9
        and more by its manner alone, and may write better data than a student at 0.6.

    Raises:
        TooFewSamplesError: With fewer than ten different rows on a side.

    Source:
        Lopez-Paz and Oquab 2017.
    """
    from sklearn.linear_model import Ridge

    ours = ordered_words(synthetic, limit, derived_seed("auc synthetic", seed))
    both = ours + ordered_words(human, limit, derived_seed("auc human", seed))
    said = list(map(" ".join, both))
    written = np.arange(len(both)) < len(ours)
    _require_different("words", said, written)
    terms, fold = _tfidf(both), content_folds(said, FOLDS, seed)
    scores = np.zeros(len(both))
    for one in range(FOLDS):
        model = Ridge(alpha=RIDGE, solver="sparse_cg", tol=1e-3)
        model.fit(terms[fold != one], written[fold != one].astype(np.float64))
        scores[fold == one] = model.predict(terms[fold == one])
    return ranked_above(scores, written)


def two_sample_auc_embeddings(
    synthetic: FloatMatrix, human: FloatMatrix, seed: int = 0, limit: int = AUC_ROWS
) -> float:
    """How well a classifier of vectors tells written rows that it never saw from real ones.

    Ridge regression on the vectors, fitted on four fifths and tested on the fifth left out, in
    turn.

    Args:
        synthetic: (n_synthetic, width), float32, unit rows.
        human: (n_human, width), unit rows.
        seed: Of folds and draws; the same rows in any order give the same value.
        limit: Rows a side; above, a seeded draw.

    Returns:
        Area under the ROC curve, in [0, 1]; 0.5 when they cannot be told apart, 1 when always.
        Never NaN. Rises with the number of rows: compare equal sizes. Rows of equal vectors share
        a fold, so repetition by itself is not seen. Trap: linear, so it sees that the batch
        stands elsewhere and not that it is narrower; random features of a kernel saw less.

    Raises:
        TooFewSamplesError: With fewer than ten different rows on a side.

    Source:
        Lopez-Paz and Oquab 2017; Hoerl and Kennard 1970 (ridge regression).
    """
    ours = ordered_draw(synthetic, limit, derived_seed("auc synthetic", seed))
    theirs = ordered_draw(human, limit, derived_seed("auc human", seed))
    both = np.concatenate([ours, theirs])
    contents = [row.tobytes() for row in both]
    written = np.arange(len(both)) < len(ours)
    _require_different("embeddings", contents, written)
    fold = content_folds(contents, FOLDS, seed)

    rows = both.astype(np.float64) - both.mean(axis=0, dtype=np.float64)
    wanted = written - written.mean()
    # What a fold adds to the normal equations, to be taken out when it is tested.
    squares = [rows[fold == one].T @ rows[fold == one] for one in range(FOLDS)]
    moments = [rows[fold == one].T @ wanted[fold == one] for one in range(FOLDS)]
    ridge = RIDGE * np.eye(rows.shape[1])
    scores = np.zeros(len(rows))
    for one in range(FOLDS):
        left = sum(squares) - squares[one] + ridge
        weights = np.linalg.solve(left, sum(moments) - moments[one])
        scores[fold == one] = rows[fold == one] @ weights
    return ranked_above(scores, written)


def _tfidf(words: Words) -> Any:
    """(n_rows, n_terms) sparse, unit rows; rows without a term that another row holds are zero.

    Terms are words and word pairs; that a row holds one counts, not how often.
    """
    from scipy.sparse import csr_array, diags_array

    rows, columns, terms = [], [], 0
    for grams in grams_up_to(words, 2):
        rows.append(grams.row)
        columns.append(grams.gram + terms)
        terms += int(grams.gram.max(initial=-1)) + 1
    row, column = (np.concatenate(part).astype(np.int32) for part in (rows, columns))
    held = csr_array((np.ones(len(row)), (row, column)), shape=(len(words), terms))
    held.data[:] = 1
    frequency = np.bincount(held.indices, minlength=terms)
    shared = np.flatnonzero(frequency > 1)
    rarity = np.log((1 + len(words)) / (1 + frequency[shared])) + 1
    weighed = held[:, shared] @ diags_array(rarity)
    norms = np.sqrt((weighed * weighed).sum(axis=1))
    return diags_array(1 / np.where(norms > 0, norms, 1)) @ weighed


def _squared_distances(rows: FloatMatrix, others: FloatMatrix) -> FloatMatrix:
    """(n_rows, n_others), 0 or more."""
    lengths = np.einsum("ij,ij->i", rows, rows)[:, None], np.einsum("ij,ij->i", others, others)
    apart = rows @ others.T
    apart *= -2
    apart += lengths[0]
    apart += lengths[1]
    distances: FloatMatrix = np.maximum(apart, 0, out=apart)
    return distances


def _require(held: bool, wanted: str, synthetic: FloatMatrix, human: FloatMatrix) -> None:
    if not held:
        got = f"{len(synthetic)} synthetic and {len(human)} human rows"
        raise TooFewSamplesError(wanted, got, "measure a larger batch")


def _require_different(what: str, contents: Sequence[Content], written: BoolVector) -> None:
    ours = set(contents[: int(written.sum())])
    theirs = set(contents[int(written.sum()) :])
    if min(len(ours), len(theirs)) < 2 * FOLDS:
        raise TooFewSamplesError(
            f"{2 * FOLDS} different rows or more a side for two_sample_auc_{what}",
            f"{len(ours)} synthetic and {len(theirs)} human ones",
            "measure a larger batch",
        )


# Not by label: the human rows beside one label's rows are those of all labels.
SCOPES = ("template", "teacher")
METRICS = (
    Metric(
        "mmd",
        "synthetic_batch",
        lambda e: mmd(e.synthetic.embeddings, e.human.embeddings, e.seed),
        "above",
        "How far apart the batch and real rows lie as clouds of meaning.",
        needs=(Need.EMBEDDINGS,),
        scopes=SCOPES,
    ),
    Metric(
        "two_sample_auc_words",
        "synthetic_batch",
        lambda e: two_sample_auc_words(e.synthetic.words, e.human.words, e.seed),
        "above",
        "How well a classifier tells the batch's rows from real ones by their words.",
        "share",
        scopes=SCOPES,
    ),
    Metric(
        "two_sample_auc_embeddings",
        "synthetic_batch",
        lambda e: two_sample_auc_embeddings(e.synthetic.embeddings, e.human.embeddings, e.seed),
        "above",
        "How well a classifier tells the batch's rows from real ones by their meaning.",
        "share",
        (Need.EMBEDDINGS,),
        SCOPES,
    ),
)
