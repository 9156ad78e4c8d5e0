import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.loop.score import score
from collapse_pipeline.ports import Prediction, Student
from collapse_pipeline_tests.samples import human_table


class Letters:
    """A token a letter, each at the cost of a coin; the label is the last letter's parity."""

    def negative_log_likelihood(self, labels, prompts, responses):
        tokens = np.array([len(prompt) for prompt in prompts])
        return tokens * math.log(2), tokens

    def predict(self, prompts):
        even = np.array([ord(prompt[-1]) % 2 == 0 for prompt in prompts])
        return Prediction(("a", "b"), np.where(even[:, None], [[0.9, 0.1]], [[0.2, 0.8]]))


STUDENT = Student(Letters(), Letters())


def test_each_row_has_its_loss_and_its_prediction():
    found = score(STUDENT, human_table(2))  # "human text 0", "human text 1"
    assert found.losses.tolist() == pytest.approx([12 * math.log(2)] * 2)
    assert found.predicted == ["a", "b"]
    assert found.confidence.tolist() == [0.9, 0.8]
    assert found.classes == ("a", "b")


def test_without_a_task_model_there_is_no_prediction():
    found = score(Student(Letters(), None), human_table(2))
    assert found.predicted is found.confidence is found.probabilities is None
    assert found.take(np.array([1])).predicted is None


@given(st.lists(st.integers(0, 4), max_size=8))
def test_taking_rows_is_scoring_those_rows(picks):
    rows = human_table(5)
    part = score(STUDENT, rows).take(np.array(picks, dtype=np.int64))
    if picks:
        alone = score(STUDENT, rows.take(pa.array(picks)))
        assert part.losses.tolist() == alone.losses.tolist()
        assert part.predicted == alone.predicted
        assert part.probabilities.tolist() == alone.probabilities.tolist()
    else:
        assert part.predicted == []
