import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from collapse_pipeline.backends.judges.jury import Jury, JuryConfig
from collapse_pipeline.backends.judges.label_consistency import LabelConsistencyConfig
from collapse_pipeline.backends.judges.likelihood import LikelihoodConfig
from collapse_pipeline.backends.judges.rules import RulesConfig
from collapse_pipeline.backends.students.ngram import NgramConfig
from collapse_pipeline.backends.students.task import TfidfTaskConfig
from collapse_pipeline.loop.judge import JudgePolicy, Panel, judge_batch
from collapse_pipeline.ports import Bench, Judgement, Student
from collapse_pipeline.records import SAMPLE

HUMAN = [f"please tell me where my card number {i} is now" for i in range(40)]


def test_weighted_mean_any_veto_and_reasons_by_member():
    jury = Jury("jury@0", {}, {"rules": 1.0, "likelihood": 3.0})
    each = {
        "rules": [Judgement(0.0, ("empty",), veto=True), Judgement(1.0)],
        "likelihood": [Judgement(0.8), Judgement(0.4, ("unlikely",))],
    }
    # (1 * 0 + 3 * .8) / 4 = .6;  (1 * 1 + 3 * .4) / 4 = .55
    first, second = jury.combine(each)
    assert (first.score, first.reasons, first.veto) == (
        pytest.approx(0.6), ("rules: empty",), True,
    )  # fmt: skip
    assert (second.score, second.reasons, second.veto) == (
        pytest.approx(0.55), ("likelihood: unlikely",), False,
    )  # fmt: skip


one_judgement = st.builds(Judgement, st.floats(0, 1), st.just(()), st.booleans())


@settings(deadline=None)
@given(
    st.lists(st.tuples(one_judgement, one_judgement), max_size=8),
    st.floats(0, 10),
    st.floats(0.001, 10),
)
def test_a_jury_lies_between_its_members(rows, first, second):
    jury = Jury("jury@0", {}, {"a": first, "b": second})
    said = jury.combine({"a": [row[0] for row in rows], "b": [row[1] for row in rows]})
    for judgement, (a, b) in zip(said, rows, strict=True):
        assert min(a.score, b.score) - 1e-9 <= judgement.score <= max(a.score, b.score) + 1e-9
        assert judgement.score <= 1
        assert judgement.veto == (a.veto or b.veto)


def test_the_default_jury_hears_all_three(rows, bench):
    jury = JuryConfig().build(bench(rows(*HUMAN)))
    assert isinstance(jury, Panel)
    written = rows(*HUMAN[:5], "", label="card")
    each = jury.judge_each(written)
    assert list(each) == ["rules", "likelihood", "label_consistency"]
    assert jury.judge(written) == jury.combine(each)
    assert [said.veto for said in jury.judge(written)] == [False] * 5 + [True]
    assert jury.judge(rows()) == []


def test_the_version_follows_members_and_weights(rows, bench):
    night = bench(rows(*HUMAN))
    configs = [
        JuryConfig(),
        JuryConfig(weights={"rules": 2}),
        JuryConfig(members=(RulesConfig(), LikelihoodConfig())),
        JuryConfig(members=(RulesConfig(forbidden=()), LikelihoodConfig())),
    ]
    versions = [config.build(night).version for config in configs]
    assert len(set(versions)) == 4
    assert versions[0] == JuryConfig().build(night).version
    assert versions[0].startswith("jury@")


def test_a_member_is_chosen_by_kind():
    config = JuryConfig.model_validate(
        {"kind": "jury", "members": [{"kind": "label_consistency", "veto_below": 0.1}]}
    )
    assert config.members == (LabelConsistencyConfig(veto_below=0.1),)


@pytest.mark.parametrize(
    ("settings_", "fault"),
    [
        ({"members": []}, "has members"),
        ({"members": [{"kind": "rules"}, {"kind": "rules"}]}, "each kind once"),
        ({"members": [{"kind": "rules"}], "weights": {"likelihood": 1}}, "of no member"),
        ({"members": [{"kind": "rules"}], "weights": {"rules": 0}}, "weight above 0"),
        ({"members": [{"kind": "oracle"}]}, "oracle"),
    ],
)
def test_a_jury_that_makes_no_sense_is_refused(settings_, fault):
    with pytest.raises(ValidationError, match=fault):
        JuryConfig.model_validate(settings_)


@pytest.mark.real_data
@pytest.mark.slow
def test_banking77_keeps_its_tail(shared_data, rows):
    data = pd.read_parquet(shared_data / "banking77.parquet")
    train = data[data["split"] == "train"].sample(5000, random_state=0)
    place = SAMPLE.get_field_index("label")
    human = rows(*train["text"]).set_column(place, "label", [train["label"].tolist()])
    student = Student(NgramConfig().train(human, 1), TfidfTaskConfig().train(human, 1))
    texts = student.language.sample(train["label"].tolist(), [""] * 5000, 2, 1.0)
    written = rows(*(prompt for prompt, _ in texts))
    written = written.set_column(place, "label", [train["label"].tolist()])
    night = Bench(human, student, None, "", 0, None, None, seed=1)
    jury = JuryConfig().build(night)
    tail = set(train["label"].value_counts().index[-19:])

    def share_of_tail(accepted):
        return np.mean([label in tail for label in accepted["label"].to_pylist()])

    before = share_of_tail(written)
    for select in ("lottery", "rank"):
        for keep_share, least in ((0.6, 0.99), (0.8, 0.95)):
            policy = JudgePolicy(select=select, keep_share=keep_share)
            started = time.process_time()
            judged = judge_batch(written, jury, None, policy, seed=1)
            assert time.process_time() - started < 2
            accepted = judged.filter(judged["accepted"])
            assert accepted.num_rows > 0.95 * keep_share * 5000
            assert share_of_tail(accepted) >= least * before
