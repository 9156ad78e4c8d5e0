"""Two models on the same rows: how much better is one, and how sure is that."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.ports import FloatVector, IntVector
from collapse_pipeline.records import derived_seed


@dataclass(frozen=True)
class Ratio:
    """Candidate over reference. `low` and `high` are one-sided bounds: each alone holds with the
    level asked for, so at 97.5% the two together make a 95% interval."""

    point: float
    low: float
    high: float


def ratio_interval(
    candidate: FloatVector,
    reference: FloatVector,
    seed: int,
    draws: int = 2000,
    level: float = 0.975,
) -> Ratio:
    """Ratio of the candidate's mean to the reference's, with paired bootstrap bounds.

    Rows are drawn together for both, so what is hard for both cancels out.

    Args:
        candidate: (n_rows,) score of each row, 0 or more, such as 1 where right and 0 where not.
        reference: (n_rows,) the other model's scores of the same rows in the same order.
        seed: Of the draws; the same seed gives the same bounds.
        draws: Resamples; the bounds' own noise falls with its square root.
        level: One-sided confidence of each bound, in (0.5, 1).

    Returns:
        point, low, high, 0 or more; 1 when the two are equally good. All NaN when the
        reference's mean is 0; NaN bounds when it is 0 in some resample: too little to compare.
        Macro-F1 is no mean over rows: do not compare it with this.

    Raises:
        TooFewSamplesError: With fewer than two rows.
        BadInputError: When lengths differ, or draws or level make no bound.

    Source:
        Efron and Tibshirani 1993, chapter 13 (percentile bounds).
    """
    columns = np.column_stack(_same_length(candidate, reference))
    top, bottom = _bootstrap_sums(columns, seed, draws, level).T
    if columns[:, 1].sum() == 0:
        return Ratio(np.nan, np.nan, np.nan)
    point = columns[:, 0].sum() / columns[:, 1].sum()
    safe = np.where(bottom == 0, np.nan, bottom)
    return _bounds(float(point), top / safe, level)


def perplexity_ratio_interval(
    candidate_nll: FloatVector,
    reference_nll: FloatVector,
    tokens: IntVector,
    seed: int,
    draws: int = 2000,
    level: float = 0.975,
    reference_tokens: IntVector | None = None,
) -> Ratio:
    """Ratio of the candidate's perplexity to the reference's, with paired bootstrap bounds.

    A perplexity is exp(sum of losses / sum of tokens), so long rows weigh more.

    Args:
        candidate_nll: (n_rows,) summed natural-log loss of each row.
        reference_nll: (n_rows,) the other model's, same rows, same order.
        tokens: (n_rows,) how many tokens each loss is summed over, by the candidate's tokenizer.
        seed: Of the draws.
        draws: Resamples.
        level: One-sided confidence of each bound, in (0.5, 1).
        reference_tokens: (n_rows,) the reference's, where its tokenizer is another.

    Returns:
        point, low, high, above 0; 1 when the two are equally good, above 1 when the candidate is
        worse. All NaN when there is no token, NaN bounds when a resample has none.

    Raises:
        TooFewSamplesError: With fewer than two rows.
        BadInputError: When lengths differ, or draws or level make no bound.

    Source:
        Efron and Tibshirani 1993, chapter 13 (percentile bounds).
    """
    other = tokens if reference_tokens is None else reference_tokens
    columns = np.column_stack(_same_length(candidate_nll, tokens, reference_nll, other))
    sums = _bootstrap_sums(columns, seed, draws, level)
    point = _perplexity_ratio(columns.sum(axis=0)[np.newaxis])
    return _bounds(float(point[0]), _perplexity_ratio(sums), level)


def _perplexity_ratio(sums: npt.NDArray[np.float64]) -> FloatVector:
    """(n,) ratios of (n, 4) sums: candidate's loss and tokens, reference's loss and tokens."""
    sums = np.where(sums[:, [1, 3]].min(axis=1, keepdims=True) > 0, sums, np.nan)
    ratios: FloatVector = np.exp(sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3])
    return ratios


def _bootstrap_sums(
    columns: npt.NDArray[np.float64], seed: int, draws: int, level: float
) -> npt.NDArray[np.float64]:
    """(draws, n_columns) sums over rows drawn with replacement; memory for one draw at a time."""
    if draws < 100 or not 0.5 < level < 1:
        raise BadInputError(
            "100 draws or more and a level in (0.5, 1)",
            f"{draws} draws at level {level}",
            "use the defaults, 2000 draws at 0.975",
        )
    rng = np.random.default_rng(derived_seed("bootstrap", seed))
    rows = len(columns)
    sums = np.empty((draws, columns.shape[1]))
    for draw in range(draws):
        times = np.bincount(rng.integers(rows, size=rows), minlength=rows)
        sums[draw] = times @ columns
    return sums


def _bounds(point: float, ratios: FloatVector, level: float) -> Ratio:
    # A quantile of values with a NaN among them is NaN, on purpose.
    low, high = np.quantile(ratios, [1 - level, level])
    return Ratio(point, float(low), float(high))


def _same_length(*columns: npt.NDArray[np.generic]) -> list[FloatVector]:
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise BadInputError(
            "scores of the same rows", f"columns of {lengths} rows", "score both on one suite"
        )
    if lengths[0] < 2:
        raise TooFewSamplesError("at least two rows", str(lengths[0]), "compare on a larger suite")
    return [np.asarray(column, dtype=np.float64) for column in columns]
