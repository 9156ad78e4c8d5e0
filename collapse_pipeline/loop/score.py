"""Score: what one student says of rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from collapse_pipeline.ports import FloatMatrix, FloatVector, IntVector, Student


@dataclass(frozen=True)
class Scored:
    """One student's answers to one set of rows, by position."""

    losses: FloatVector  # summed negative log likelihood of each row, nats
    tokens: IntVector
    predicted: Sequence[str] | None  # None without a task model
    confidence: FloatVector | None
    probabilities: FloatMatrix | None
    classes: tuple[str, ...] = ()

    def take(self, rows: IntVector) -> "Scored":
        """The same for some of the rows."""
        return Scored(
            self.losses[rows],
            self.tokens[rows],
            None if self.predicted is None else [self.predicted[i] for i in rows],
            None if self.confidence is None else self.confidence[rows],
            None if self.probabilities is None else self.probabilities[rows],
            self.classes,
        )


def score(student: Student, rows: pa.Table) -> Scored:
    """A student's language model and task model over the rows, each row once."""
    labels, prompts = rows["label"].to_pylist(), rows["prompt"].to_pylist()
    losses, tokens = student.language.negative_log_likelihood(
        labels, prompts, rows["response"].to_pylist()
    )
    if student.task is None:
        return Scored(losses, tokens, None, None, None)
    prediction = student.task.predict(prompts)
    return Scored(
        losses,
        tokens,
        prediction.best,
        prediction.confidence,
        prediction.probabilities,
        prediction.labels,
    )
