import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.judges.label_consistency import LabelConsistencyConfig
from collapse_pipeline.backends.students.task import TfidfTaskConfig
from collapse_pipeline.ports import Bench, Judgement, Student


def test_the_stated_labels_probability_is_the_score(rows, bench):
    judge = LabelConsistencyConfig().build(bench(rows("card", "loan")))
    right, wrong, unsure = judge.judge(rows("my card", "my loan", "hello", label="card"))
    assert right.score == pytest.approx(0.999)
    assert not right.reasons
    assert wrong.score == pytest.approx(0.001, abs=1e-6)  # below .002
    assert wrong.veto
    assert wrong.reasons == ("reads as loan (1.00), not card (0.001)",)
    assert unsure == Judgement(0.5)


def test_nothing_to_ask_is_nothing_to_say(rows, bench):
    human = rows("card", "loan")
    without = LabelConsistencyConfig().build(bench(human, baseline=False))
    assert without.judge(rows("my loan")) == [Judgement(1.0)]
    judge = LabelConsistencyConfig().build(bench(human))
    assert judge.judge(rows("my loan", label="")) == [Judgement(1.0)]
    assert judge.judge(rows("my loan", label="never seen")) == [Judgement(1.0)]
    assert judge.judge(rows()) == []


def test_the_version_follows_what_the_judge_would_say(rows, bench):
    human = rows("card", "loan")
    version = LabelConsistencyConfig().build(bench(human)).version
    assert version.startswith("label_consistency@")
    assert version == LabelConsistencyConfig().build(bench(human, parent_version="x")).version
    others = [
        LabelConsistencyConfig(veto_below=0.1).build(bench(human)),
        LabelConsistencyConfig().build(bench(human, sure=0.9)),
        LabelConsistencyConfig().build(bench(human, baseline=False)),
    ]
    assert len({version, *(judge.version for judge in others)}) == 4


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["card", "loan", "hello"]), max_size=8),
    st.sampled_from(["card", "loan", "other", ""]),
    st.floats(0, 0.9),
)
def test_a_veto_has_a_reason_and_a_score_below_the_bound(rows, bench, texts, label, bound):
    judge = LabelConsistencyConfig(veto_below=bound).build(bench(rows("card")))
    for said in judge.judge(rows(*texts, label=label)):
        assert 0 <= said.score <= 1
        assert not said.veto or (said.reasons and said.score < bound)


@pytest.mark.real_data
def test_banking77_right_labels_pass_and_wrong_ones_do_not(shared_data, rows):
    data = pd.read_parquet(shared_data / "banking77.parquet")
    train = data[data["split"] == "train"].sample(2000, random_state=0)
    test = data[data["split"] == "test"]
    human = rows(*train["text"])
    label = human.schema.get_field_index("label")
    human = human.set_column(label, human.schema.field("label"), [train["label"].tolist()])
    task = TfidfTaskConfig().train(human, seed=1)
    student = Student(language=None, task=task)
    night = Bench(human, student, None, "", 0, None, None, seed=1)
    judge = LabelConsistencyConfig().build(night)
    written = rows(*test["text"])
    truth = test["label"].tolist()
    wrong = np.random.default_rng(0).permutation(truth).tolist()
    vetoed = [
        np.mean([j.veto for j in judge.judge(written.set_column(label, "label", [labels]))])
        for labels in (truth, wrong)
    ]
    assert vetoed[0] < 0.03
    assert vetoed[1] > 0.7
