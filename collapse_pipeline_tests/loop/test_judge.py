import time
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BackendError, BadInputError
from collapse_pipeline.loop.judge import JudgePolicy, judge_batch
from collapse_pipeline.ports import Judgement
from collapse_pipeline.records import JUDGED_BATCH, SAMPLE, samples_table

RANK = JudgePolicy(select="rank")


@dataclass
class FixedJudge:
    """Says what it was told, by sample id."""

    said: dict[str, Judgement]
    version: str = "fixed@1"

    def judge(self, rows):
        return [self.said[i] for i in rows["sample_id"].to_pylist()]


@dataclass
class TwoJudges:
    """A panel whose first member decides."""

    first: FixedJudge
    second: FixedJudge
    version: str = "two@1"
    asked: list[str] = field(default_factory=list)

    def judge(self, rows):
        raise AssertionError("a panel is asked once, by judge_each")

    def judge_each(self, rows):
        self.asked.append("each")
        return {"first": self.first.judge(rows), "second": self.second.judge(rows)}

    def combine(self, each):
        return each["first"]


def batch(labels):
    empty = dict.fromkeys(SAMPLE.names, "")
    numbers = {"depth": 1, "seed": 0, "parent_ids": [], "attributes": []}
    return samples_table(
        empty | numbers | {"sample_id": f"s{i}", "label": label, "prompt": f"text {i}"}
        for i, label in enumerate(labels)
    )


def kept(judged):
    return [row["sample_id"] for row in judged.to_pylist() if row["accepted"]]


def test_two_of_five_by_rank_within_each_label():
    said = {f"s{i}": Judgement(score) for i, score in enumerate([0.9, 0.8, 0.7, 0.6, 0.5, 0.1])}
    said["s0"] = Judgement(0.9, ("forbidden",), veto=True)
    policy = JudgePolicy(select="rank", keep_share=0.4)
    judged = judge_batch(batch(["a"] * 5 + ["b"]), FixedJudge(said), None, policy, seed=1)
    # a: .4 of 5 rows is 2, the best two without a veto; b: .4 of 1 row is .4, rounded up 1
    assert kept(judged) == ["s1", "s2", "s5"]
    assert judged["reasons"].to_pylist() == [
        ["forbidden"], [], [], ["below quota for label a"], ["below quota for label a"], [],
    ]  # fmt: skip
    assert judged.schema == JUDGED_BATCH
    assert judged["judge"].to_pylist() == ["fixed@1"] * 6
    assert judged["scores"].to_pylist()[0] == [("fixed", 0.9)]


def test_wanted_numbers_go_before_the_share():
    said = {f"s{i}": Judgement(1 - i / 10) for i in range(8)}
    rows = batch(["a"] * 4 + ["b"] * 4)
    judged = judge_batch(rows, FixedJudge(said), {"a": 1}, RANK, seed=1)
    assert kept(judged) == ["s0", "s4", "s5", "s6", "s7"]  # one a; .8 of 4 b, rounded up 4
    assert kept(judge_batch(rows, FixedJudge(said), {"a": 0, "b": 9}, RANK, seed=1)) == [
        "s4", "s5", "s6", "s7",
    ]  # fmt: skip


judgements = st.builds(
    Judgement,
    score=st.floats(0, 1),
    reasons=st.sampled_from([(), ("so so",)]),
    veto=st.booleans(),
)
batches = st.lists(st.tuples(st.sampled_from(["a", "b", "c", ""]), judgements), max_size=40)
policies = st.builds(
    JudgePolicy, keep_share=st.floats(0.05, 1), select=st.sampled_from(["lottery", "rank"])
)


@settings(deadline=None)
@given(batches, policies, st.integers(0, 2**60), st.randoms(use_true_random=False))
def test_every_label_keeps_its_quota_and_every_drop_has_a_reason(rows, policy, seed, random):
    table = batch([label for label, _ in rows])
    judge = FixedJudge({f"s{i}": said for i, (_, said) in enumerate(rows)})
    judged = judge_batch(table, judge, None, policy, seed)
    assert judged.select(["sample_id", "prompt"]).equals(table.select(["sample_id", "prompt"]))
    fit = Counter(label for label, said in rows if not said.veto)
    of_label = Counter(row["label"] for row in judged.to_pylist() if row["accepted"])
    for label, count in Counter(label for label, _ in rows).items():
        assert of_label[label] == min(fit[label], int(np.ceil(policy.keep_share * count - 1e-9)))
    for row, (_, said) in zip(judged.to_pylist(), rows, strict=True):
        assert not (row["accepted"] and said.veto)
        assert row["accepted"] or row["reasons"]
    # the order of the rows decides nothing
    order = random.sample(range(len(rows)), len(rows))
    again = judge_batch(table.take(np.array(order, dtype=np.int64)), judge, None, policy, seed)
    assert sorted(kept(again)) == sorted(kept(judged))


@settings(deadline=None)
@given(batches, st.integers(0, 2**60))
def test_not_enforced_keeps_everything_and_still_scores(rows, seed):
    judge = FixedJudge({f"s{i}": said for i, (_, said) in enumerate(rows)})
    policy = JudgePolicy(enforce=False)
    judged = judge_batch(batch([label for label, _ in rows]), judge, None, policy, seed)
    assert all(judged["accepted"].to_pylist())
    assert judged["score"].to_pylist() == [said.score for _, said in rows]
    assert judged["reasons"].to_pylist() == [list(said.reasons) for _, said in rows]


@pytest.mark.parametrize("select", ["lottery", "rank"])
@pytest.mark.parametrize("keep_share", [0.2, 0.5, 0.8])
def test_a_judge_that_dislikes_the_tail_does_not_shrink_it(select, keep_share):
    labels = ["head"] * 900 + ["tail"] * 60 + ["rare"] * 3
    taste = {"head": 0.9, "tail": 0.1, "rare": 0.0}
    rng = np.random.default_rng(2)
    judge = FixedJudge(
        {f"s{i}": Judgement(taste[label] + 0.1 * rng.random()) for i, label in enumerate(labels)}
    )
    policy = JudgePolicy(select=select, keep_share=keep_share)
    judged = judge_batch(batch(labels), judge, None, policy, seed=3)
    accepted = [row["label"] for row in judged.to_pylist() if row["accepted"]]
    for label in ("tail", "rare"):
        kept_share = accepted.count(label) / accepted.count("head")
        assert kept_share >= labels.count(label) / labels.count("head")


def test_the_lottery_leans_to_the_score_and_leaves_a_chance():
    good = {f"s{i}": Judgement(0.9) for i in range(500)}
    poor = {f"s{i}": Judgement(0.3) for i in range(500, 1000)}
    rows, judge = batch(["a"] * 1000), FixedJudge(good | poor)
    policy = JudgePolicy(keep_share=0.1)
    drawn = kept(judge_batch(rows, judge, None, policy, seed=4))
    share = sum(i in good for i in drawn) / len(drawn)
    assert 0.6 < share < 0.9  # chances 3 to 1: about .74 of 100
    assert drawn != kept(judge_batch(rows, judge, None, policy, seed=5))
    assert drawn == kept(judge_batch(rows, judge, None, policy, seed=4))


def test_a_panel_is_asked_once_and_shows_every_member():
    first = FixedJudge({"s0": Judgement(0.25), "s1": Judgement(0.75)})
    second = FixedJudge({"s0": Judgement(1.0), "s1": Judgement(0.5)})
    panel = TwoJudges(first, second)
    judged = judge_batch(batch(["a", "b"]), panel, None, JudgePolicy(), seed=1)
    assert judged["score"].to_pylist() == [0.25, 0.75]
    assert judged["scores"].to_pylist()[1] == [("first", 0.75), ("second", 0.5)]
    assert panel.asked == ["each"]


@pytest.mark.parametrize("score", [float("nan"), -0.1, 1.1])
def test_a_score_that_is_none_is_the_judges_fault(score):
    with pytest.raises(BackendError, match="mend or freeze this judge"):
        judge_batch(batch(["a"]), FixedJudge({"s0": Judgement(score)}), None, RANK, seed=1)


def test_missing_judgements_and_negative_numbers_are_refused():
    silent = replace(FixedJudge({}))
    silent.judge = lambda rows: []
    with pytest.raises(BackendError, match="wanted 1 judgements"):
        judge_batch(batch(["a"]), silent, None, RANK, seed=1)
    with pytest.raises(BadInputError, match="-1"):
        judge_batch(batch(["a"]), FixedJudge({}), {"a": -1}, RANK, seed=1)


def test_an_empty_batch_stays_empty():
    judged = judge_batch(batch([]), FixedJudge({}), None, JudgePolicy(), seed=1)
    assert judged.equals(JUDGED_BATCH.empty_table())


def test_five_thousand_rows_take_less_than_two_seconds():
    rows = batch([f"label {i % 77}" for i in range(5000)])
    judge = FixedJudge({f"s{i}": Judgement((i % 97) / 97, ("so so",)) for i in range(5000)})
    started = time.process_time()
    judged = judge_batch(rows, judge, None, JudgePolicy(), seed=1)
    assert time.process_time() - started < 2
    assert isinstance(judged, pa.Table)
