import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.judges.label_consistency import LabelConsistencyJudge
from collapse_pipeline.backends.students.task import TfidfTaskConfig
from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.loop.judge import JudgePolicy, judge_batch
from collapse_pipeline.metrics.evidence import JudgedEvidence, Texts
from collapse_pipeline.metrics.gold import (
    METRICS,
    TRUE_LABEL,
    gold_agreement,
    gold_drift,
    gold_rows,
)
from collapse_pipeline.ports import Judgement
from collapse_pipeline.records import human_sample_id, samples_table, table_digest
from collapse_pipeline_tests.samples import human_row, human_table, written_table

COMPUTE = {metric.name: metric.compute for metric in METRICS}


class Oracle:
    """Sure of rows that say their label, less sure of others."""

    version = "oracle@1"

    def __init__(self, doubt=0.1):
        self.doubt = doubt

    def judge(self, rows):
        stated = zip(rows["prompt"].to_pylist(), rows["label"].to_pylist(), strict=True)
        return [Judgement(1.0 if p.endswith(x) else self.doubt) for p, x in stated]


def judged(rows, judge):
    return Texts(judge_batch(rows, judge, None, JudgePolicy(), 1))


def test_three_of_four_pairs_stand_in_order():
    # .9 above .5 and .1; .4 above .1 only
    scores, right = np.array([0.9, 0.5, 0.4, 0.1]), np.array([True, False, True, False])
    assert gold_agreement(scores, right) == 3 / 4


def test_drift_counts_the_rows_that_both_nights_have():
    assert gold_drift({"a": 0.5, "b": 1.0, "c": 0.0}, {"a": 0.75, "b": 0.75, "d": 1.0}) == 0.25


def test_gold_rows_are_human_rows_and_the_same_under_a_wrong_label():
    human = human_table(30, labels=("a", "b", "c"))
    rows = gold_rows(human, 10, 1).to_pylist()
    right, wrong = rows[:10], rows[10:]
    assert len({row["sample_id"] for row in rows}) == 20
    for own, other in zip(right, wrong, strict=True):
        assert own in human.to_pylist()
        assert other["prompt"] == own["prompt"]
        assert other["label"] in {"a", "b", "c"} - {own["label"]}
        assert other["attributes"] == [(TRUE_LABEL, own["label"])]
        assert other["sample_id"] == human_sample_id("toy", other["label"], own["prompt"], "")
    with pytest.raises(TooFewSamplesError, match="two labels"):
        gold_rows(human_table(3, labels=("a",)), 2, 1)


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(12)), st.integers(1, 20), st.integers(0, 5))
def test_gold_rows_depend_on_no_order_and_stay_as_rows_arrive(order, count, seed):
    human = human_table(12, labels=("a", "b", "c"))
    assert table_digest(gold_rows(human.take(order), count, seed)) == table_digest(
        gold_rows(human, count, seed)
    )
    before = set(gold_rows(human.slice(0, 11), 6, seed)["sample_id"].to_pylist())
    after = set(gold_rows(human, 6, seed)["sample_id"].to_pylist())
    assert len(before - after) <= 2  # a row that arrives takes one place, of its two


def test_a_judge_is_asked_about_gold():
    # Labels are single letters, so that "human text 3 a" ends with its own.
    texts = samples_table(human_row(f"text {i} {'ab'[i % 2]}", "ab"[i % 2]) for i in range(20))
    gold = gold_rows(texts, 20, 1)
    written = Texts(written_table(3))
    good = JudgedEvidence(written, judged(gold, Oracle()), judged(gold, Oracle(doubt=0.3)))
    assert COMPUTE["gold_agreement"](good) == 1
    assert COMPUTE["gold_drift"](good) == pytest.approx(0.1)  # half of the rows moved by 0.2
    blind = JudgedEvidence(written, judged(gold, Oracle(doubt=1.0)))
    assert COMPUTE["gold_agreement"](blind) == 0.5


@pytest.mark.parametrize("name", sorted(COMPUTE))
def test_without_gold_rows_there_is_no_figure(name):
    with pytest.raises(TooFewSamplesError, match="gold rows"):
        COMPUTE[name](JudgedEvidence(Texts(written_table(3))))


def test_without_an_earlier_night_there_is_no_drift():
    gold = judged(gold_rows(human_table(4), 4, 1), Oracle())
    with pytest.raises(TooFewSamplesError, match="both nights"):
        COMPUTE["gold_drift"](JudgedEvidence(Texts(written_table(3)), gold))


@pytest.mark.real_data
def test_on_adversarial_answers_one_published_judge_agrees_and_the_other_does_not(shared_data):
    """LLMBar: which of two answers follows the instruction, where the worse looks the better."""
    votes = pq.read_table(
        shared_data / "llmbar_judge_votes.parquet", filters=[("strategy", "=", "Rating")]
    ).to_pandas()
    votes = votes.dropna(subset=["score_1", "score_2"])
    agreement = {}
    for judge, of_judge in votes.groupby("judge"):
        scores = np.concatenate([of_judge["score_1"], of_judge["score_2"]])
        right = np.concatenate([of_judge["gold"] == 1, of_judge["gold"] == 2])
        agreement[judge] = gold_agreement(scores, right)
    assert agreement["GPT-4"] > 0.75  # measured .813
    assert agreement["ChatGPT"] < 0.55  # measured .480


@pytest.mark.real_data
def test_a_judge_of_labels_knows_banking77(shared_data):
    table = pq.read_table(shared_data / "banking77.parquet").to_pandas()
    train, test = table[table["split"] == "train"][::4], table[table["split"] == "test"][::10]

    def rows(part):
        return samples_table(
            human_row(text, label) for text, label in zip(part["text"], part["label"], strict=True)
        )

    gold = gold_rows(rows(test), 300, 1)
    tasks = [TfidfTaskConfig().train(rows(part), 1) for part in (train, train[::4])]
    sure, unsure = (
        judged(gold, LabelConsistencyJudge(f"j@{i}", t, 0.0)) for i, t in enumerate(tasks)
    )
    evidence = JudgedEvidence(sure, sure, unsure)
    assert COMPUTE["gold_agreement"](evidence) > 0.95
    assert COMPUTE["gold_drift"](evidence) > 0.02
    assert COMPUTE["gold_drift"](JudgedEvidence(sure, sure, sure)) == 0
