"""Laws on text: what a chain trains on, and that students obey."""

from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from collapse_pipeline.backends.students.ngram import NgramConfig
from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.loop.laws import verdicts
from collapse_pipeline.loop.laws_of_text import (
    LONGEST,
    REGIMES,
    Text,
    claims_on,
    distinct_texts,
    findings_on,
    repeated,
)
from collapse_pipeline.worlds.reference import world


class Counting:
    """A trainer whose student writes its own number, and that keeps what it was given."""

    kind = "counting"

    def __init__(self):
        self.seen = []
        self.scored = set()
        self.vocabularies = []

    def train(self, rows, seed, vocabulary_of=None):
        self.seen.append(rows)
        self.vocabularies.append(vocabulary_of and vocabulary_of.number)
        return Numbered(len(self.seen), self.scored)


class Numbered:
    def __init__(self, number, scored):
        self.number, self.scored = number, scored

    def sample(self, labels, openings, seed, temperature):
        assert temperature == 1
        return [(f"student {self.number} wrote {label}", "") for label in labels]

    def negative_log_likelihood(self, labels, prompts, responses):
        self.scored |= {*prompts}
        return np.full(len(labels), float(self.number)), np.full(len(labels), 2)


TEXTS = [Text("ab"[i % 2], f"text {i}") for i in range(30)]


def test_what_every_regime_learns_from():
    """Of 20 texts: students 2-3 replace, 4-5 keep a tenth, 6-7 subsample, 8-9 accumulate."""
    trainer = Counting()
    losses = repeated(trainer, TEXTS, rows=20, generations=2, repetitions=1, seed=0)
    assert [rows.num_rows for rows in trainer.seen] == [20] * 7 + [40, 60]
    written = [Counter(rows["written_in"].to_pylist()) for rows in trainer.seen[1:]]
    assert written[0] == {"turn-001": 20}
    assert written[1] == {"turn-002": 20}
    assert written[2] == {"turn-001": 18, "": 2}
    assert written[3] == {"turn-002": 18, "": 2}
    assert written[4] == {"turn-001": 10, "": 10}
    assert sum(written[5].values()) == 20
    assert written[5][""] == 7  # a third, as of the pool: floor(20 * 2 / 3) = 13 are written
    assert written[6] == {"turn-001": 20, "": 20}
    assert written[7] == {"turn-001": 20, "turn-002": 20, "": 20}
    # Each learns from what its own forerunner wrote, as many of a label as there are real ones.
    assert {*trainer.seen[2]["prompt"].to_pylist()} == {"student 2 wrote a", "student 2 wrote b"}
    assert {*trainer.seen[8]["prompt"].to_pylist()} >= {"student 1 wrote a", "student 8 wrote a"}
    assert Counter(trainer.seen[1]["label"]) == Counter(trainer.seen[0]["label"])
    assert {rows["weight"].to_pylist()[-1] for rows in trainer.seen} == {1.0}
    assert trainer.vocabularies == [None, *[1] * 8]  # of the student that real text made
    # The loss is that of tokens: two each, at the student's own number.
    assert {regime: found.tolist() for regime, found in losses.items()} == {
        "replace": [[0.5, 1.0, 1.5]],
        "10% real": [[0.5, 2.0, 2.5]],
        "subsample": [[0.5, 3.0, 3.5]],
        "accumulate": [[0.5, 4.0, 4.5]],
    }


def test_repetitions_draw_anew_and_never_train_on_what_is_held_out():
    trainer, told = Counting(), []
    repeated(trainer, TEXTS, 20, 1, 2, seed=0, told=told.append)
    first, second = (set(trainer.seen[at]["prompt"].to_pylist()) for at in (0, 5))
    assert first != second
    once = Counting()
    repeated(once, TEXTS, 20, 1, 1, seed=0)
    assert once.scored == {text.words for text in TEXTS} - first
    assert told == [1, 2]
    with pytest.raises(TooFewSamplesError, match="31 different texts, got 30"):
        repeated(trainer, TEXTS, 21, 1, 2, seed=0)


def test_the_same_seed_gives_the_same_losses_and_another_does_not():
    texts = [Text("", f"{a} {b} {c}") for a in "pqrs" for b in "tuv" for c in "wxyz"]

    def losses(seed):
        return repeated(NgramConfig(vocabulary_size=258), texts, 20, 1, 1, seed)["replace"]

    assert (losses(1) == losses(1)).all()
    assert (losses(1) != losses(2)).all()


def test_texts_are_distinct_cut_and_never_empty():
    long = " ".join(map(str, range(LONGEST + 5)))
    texts = [
        Text("a", "one  two"),
        Text("a", "one two"),
        Text("a", " "),
        Text("b", long),
    ]
    assert distinct_texts(texts) == [
        Text("a", "one two"),
        Text("b", long[: long.index(f" {LONGEST}")]),
    ]


def test_findings_by_hand():
    """Nats by generation: replace rises by 1, then by 2; its end lies 2 over subsample's."""
    ends = {
        "replace": [1, 2, 4],
        "10% real": [1, 2, 3.5],
        "subsample": [1, 2, 2],
        "accumulate": [1, 1, 1],
    }
    losses = {regime: np.array([row, row], dtype=float) for regime, row in ends.items()}
    found = {one.case: one.found.tolist() for one in findings_on("toy", losses)}
    assert found == {
        "toy: its smallest rise": [1, 1],
        "toy: replace over subsample": [2, 2],
        "toy: subsample over accumulate": [1, 1],
        "toy: replace over 10% real": [0.5, 0.5],
    }
    assert {claim.case: claim.found for claim in claims_on("toy", losses)} == pytest.approx(
        {"toy: 10% real": np.exp(2.5), "toy: accumulate": 1.0}
    )


def test_a_student_that_does_not_obey_is_seen():
    """The regimes' order turned round: none of the directions is shown."""
    noise = np.random.default_rng(0).normal(0, 0.01, (8, 3))
    losses = {regime: noise + place for place, regime in enumerate(REGIMES)}
    losses["replace"] = losses["replace"] + [0, 1, 0.9]
    assert [verdict.held for verdict in verdicts(findings_on("toy", losses))] == [
        False,  # falls from generation 1 to 2
        False,
        False,
        False,
    ]


def held(texts, trainer, **sizes):
    losses = repeated(trainer, distinct_texts(texts), **sizes, seed=1)
    return {verdict.case: verdict.held for verdict in verdicts(findings_on("it", losses))}


@pytest.mark.laws
def test_an_ngram_obeys_on_an_embedded_world():
    rows = world("customer_service").rows(2_000, seed=1)
    texts = [Text(row["label"], row["prompt"]) for row in rows]
    found = held(texts, NgramConfig(), rows=150, generations=2, repetitions=6)
    assert found == dict.fromkeys(found, True)


@pytest.mark.laws
@pytest.mark.real_data
@pytest.mark.parametrize("name", ["banking77", "wikitext2_valid_test"])
def test_an_ngram_obeys_on_real_text(shared_data, name):
    column = pq.read_table(shared_data / f"{name}.parquet", columns=["text"])["text"]
    texts = [Text("", text) for text in column.to_pylist()]
    found = held(texts, NgramConfig(), rows=200, generations=3, repetitions=6)
    assert found == dict.fromkeys(found, True)
