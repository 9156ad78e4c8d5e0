"""A small bench to build judges on, with models that are made up."""

from dataclasses import dataclass

import numpy as np
import pytest

from collapse_pipeline.ports import Bench, Prediction, Student
from collapse_pipeline.records import SAMPLE, samples_table


@dataclass
class FakeLanguage:
    """The loss of a text is its number of exclamation marks, plus one; one token a letter."""

    scale: float = 1.0

    def sample(self, labels, openings, seed, temperature):
        return [(opening, "") for opening in openings]

    def negative_log_likelihood(self, labels, prompts, responses):
        tokens = np.array([len(prompt) for prompt in prompts], dtype=np.int64)
        per_token = np.array([1.0 + prompt.count("!") for prompt in prompts])
        return self.scale * per_token * tokens, tokens

    def save(self, folder):
        raise NotImplementedError


@dataclass
class FakeTask:
    """Sure of the label whose name stands in the prompt, else undecided."""

    labels: tuple[str, ...] = ("card", "loan")
    sure: float = 0.999

    def predict(self, prompts):
        rows = [
            [self.sure if label in prompt else 1 - self.sure for label in self.labels]
            if any(label in prompt for label in self.labels)
            else [1 / len(self.labels)] * len(self.labels)
            for prompt in prompts
        ]
        return Prediction(self.labels, np.array(rows, dtype=np.float32).reshape(-1, 2))

    def save(self, folder):
        raise NotImplementedError


def table(*texts, label="card", response=""):
    empty = dict.fromkeys(SAMPLE.names, "")
    numbers = {"depth": 0, "seed": 0, "parent_ids": [], "attributes": []}
    return samples_table(
        empty
        | numbers
        | {"sample_id": f"s{i:04d}", "label": label, "prompt": text, "response": response}
        for i, text in enumerate(texts)
    )


@pytest.fixture
def rows():
    """Makes a table of sample rows from texts."""
    return table


@pytest.fixture
def bench():
    """Makes a bench: human rows, and a baseline of made-up models where wanted."""

    def make(human, baseline=True, scale=1.0, sure=0.999, parent_version="", seed=1):
        student = Student(FakeLanguage(scale), FakeTask(sure=sure)) if baseline else None
        return Bench(
            human=human,
            baseline=student,
            parent=None,
            parent_version=parent_version,
            parent_depth=0,
            embedder=None,
            world=None,
            seed=seed,
        )

    return make
