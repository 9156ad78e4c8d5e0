"""How often a task model is right, and what a reference world says of written rows."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.ports import FloatVector


def correctness(truth: Sequence[str], predicted: Sequence[str]) -> FloatVector:
    """1 for each row whose predicted label is the true one, else 0; (n_rows,).

    Raises:
        TooFewSamplesError: With no row.
        BadInputError: When the two differ in length.
    """
    true, guess = _pair(truth, predicted)
    right: FloatVector = (true == guess).astype(np.float64)
    return right


def accuracy(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """Share of rows whose predicted label is the true one.

    Args:
        truth: True label of every row.
        predicted: Predicted label of every row, in the same order.

    Returns:
        Ratio in [0, 1]; 1 when all are right. Never NaN. Common labels weigh more than rare ones:
        read it beside `macro_f1`.

    Raises:
        TooFewSamplesError: With no row.
        BadInputError: When the two differ in length.
    """
    return float(correctness(truth, predicted).mean())


def per_label_f1(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """Harmonic mean of precision and recall of every label that occurs in the truth.

    Returns:
        Label to F1 in [0, 1], labels sorted; 0 for a label never predicted rightly. A label that
        is predicted but never true has no entry: it shows as the lost precision, or recall, of
        others. Never NaN. Under about 20 rows of a label its value is mostly chance.

    Raises:
        TooFewSamplesError: With no row.
        BadInputError: When the two differ in length.

    Source:
        van Rijsbergen 1979, chapter 7.
    """
    true, guess = _pair(truth, predicted)
    names, columns = np.unique(np.concatenate([true, guess]), return_inverse=True)
    true_column, guess_column = columns[: len(true)], columns[len(true) :]
    size = len(names)
    support = np.bincount(true_column, minlength=size)
    claimed = np.bincount(guess_column, minlength=size)
    right = np.bincount(true_column[true_column == guess_column], minlength=size)
    return {
        str(names[i]): float(2 * right[i] / (support[i] + claimed[i]))
        for i in np.flatnonzero(support)
    }


def macro_f1(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """Plain mean of `per_label_f1`: every label of the truth counts the same.

    Returns:
        Mean in [0, 1]. Never NaN. It can lie above the accuracy when the common labels are the
        hard ones.

    Raises:
        TooFewSamplesError: With no row.
        BadInputError: When the two differ in length.
    """
    return float(np.mean(list(per_label_f1(truth, predicted).values())))


def wrong_fact_rate(checks: Sequence[Mapping[str, bool]]) -> float:
    """Share of rows with a fact in them whose fact is wrong.

    Args:
        checks: What `World.check` said of every row.

    Returns:
        Ratio in [0, 1]; 0 when all facts are right, NaN when no row states a fact.
    """
    return _share_true([not check["fact_right"] for check in checks if "fact_right" in check])


def unwarranted_refusal_rate(checks: Sequence[Mapping[str, bool]]) -> float:
    """Share of the rows that deserve an answer and get a refusal.

    Args:
        checks: What `World.check` said of every row. Rows whose refusal is warranted, and rows
            that cannot be decided, do not count.

    Returns:
        Ratio in [0, 1]; 0 when every such row is answered, NaN when there is none.
    """
    return _share_true(
        [
            check["refused"]
            for check in checks
            if "refused" in check and not check.get("refusal_warranted", True)
        ]
    )


def wrong_answer_rate(checks: Sequence[Mapping[str, bool]]) -> float:
    """Share of rows with a checkable answer whose answer is wrong.

    Args:
        checks: What `World.check` said of every row.

    Returns:
        Ratio in [0, 1]; 0 when all answers are right, NaN when no answer can be checked.
    """
    return _share_true([not check["answer_right"] for check in checks if "answer_right" in check])


def _share_true(flags: Sequence[bool]) -> float:
    return float(np.mean(flags)) if flags else float("nan")


def _pair(
    truth: Sequence[str], predicted: Sequence[str]
) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    if len(truth) != len(predicted):
        raise BadInputError(
            "one prediction a row",
            f"{len(truth)} rows and {len(predicted)} predictions",
            "pass the two in the same order",
        )
    if not truth:
        raise TooFewSamplesError("at least one row", "none", "leave the suite out")
    return np.array(truth, dtype=np.str_), np.array(predicted, dtype=np.str_)
