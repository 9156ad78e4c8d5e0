import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from collapse_pipeline.backends.judges.likelihood import LikelihoodConfig, LikelihoodJudge
from collapse_pipeline.backends.students.ngram import NgramConfig
from collapse_pipeline.ports import Bench, Judgement, Student

HUMAN = ["text" + "!" * (i % 11) for i in range(110)]  # losses 1, 2 ... 11, ten rows each
BASELINE = LikelihoodConfig(model="baseline", low=0.2, high=0.8)


def test_flat_in_the_middle_and_falling_at_both_ends(rows, bench):
    judge = BASELINE.build(bench(rows(*HUMAN)))
    # the quantiles .2 and .8 of 1 to 11 are 3 and 9, so half the band is 3
    assert (judge.low, judge.high, judge.half_width) == (3, 9, 3)
    texts = ["text" + "!" * marks for marks in (0, 2, 5, 8, 11)]  # losses 1, 3, 6, 9, 12
    said = judge.judge(rows(*texts))
    fallen = [np.exp(-2 / 3), 1, 1, 1, np.exp(-1)]
    assert [judgement.score for judgement in said] == pytest.approx(fallen)
    assert said[0].reasons == ("too likely text: 1.00 nats a token, real text from 3.00",)
    assert said[4].reasons == ("unlikely text: 12.00 nats a token, real text to 9.00",)
    assert not any(judgement.veto or judgement.reasons for judgement in said[1:4])


def test_one_sided_forgives_likely_text(rows, bench):
    config = BASELINE.model_copy(update={"two_sided": False})
    judge = config.build(bench(rows(*HUMAN)))
    assert [j.score for j in judge.judge(rows("text", "text" + "!" * 11))] == pytest.approx(
        [1, np.exp(-1)]
    )


def test_nothing_to_measure_with_is_nothing_to_say(rows, bench):
    few = rows(*HUMAN[:19])
    for config in (BASELINE, LikelihoodConfig()):
        assert config.build(bench(few)).judge(rows("text")) == [Judgement(1.0)]
    judge = BASELINE.build(bench(rows(*HUMAN), baseline=False))
    assert judge.judge(rows("text")) == [Judgement(1.0)]
    assert BASELINE.build(bench(rows(*HUMAN))).judge(rows()) == []


def test_the_version_follows_what_the_judge_would_say(rows, bench):
    human = rows(*HUMAN)
    version = BASELINE.build(bench(human)).version
    assert version.startswith("likelihood@")
    assert version == BASELINE.build(bench(human, parent_version="x")).version
    others = [
        BASELINE.model_copy(update={"high": 0.9}).build(bench(human)),
        BASELINE.build(bench(human, scale=2.0)),
        BASELINE.build(bench(rows(*HUMAN[1:]))),
        LikelihoodConfig().build(bench(human)),
    ]
    assert len({version, *(judge.version for judge in others)}) == 5


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 30), min_size=2, max_size=8), st.floats(1, 5), st.floats(0.5, 5))
def test_the_farther_outside_the_lower_the_score(rows, bench, marks, low, half_width):
    language = bench(rows("x")).baseline.language
    judge = LikelihoodJudge("likelihood@0", (language,), low, low + 2 * half_width, half_width)
    said = judge.judge(rows(*("text" + "!" * count for count in marks)))
    beyond = [max(1 + m - judge.high, low - 1 - m, 0) for m in marks]
    for mine, my_distance in zip(said, beyond, strict=True):
        assert 0 < mine.score <= 1
        assert bool(mine.reasons) == (my_distance > 0)
        for other, distance in zip(said, beyond, strict=True):
            assert my_distance > distance or mine.score >= other.score


def test_low_is_below_high():
    with pytest.raises(ValidationError, match="low must be below high"):
        LikelihoodConfig(low=0.9, high=0.5)


@pytest.mark.real_data
def test_banking77_new_real_text_is_usual_and_shuffled_text_is_not(shared_data, rows):
    data = pd.read_parquet(shared_data / "banking77.parquet")
    train = data[data["split"] == "train"].sample(3000, random_state=0)
    test = data.loc[data["split"] == "test", "text"]
    human = rows(*train["text"], label="")
    shuffle = np.random.default_rng(0)
    jumbled = [" ".join(shuffle.permutation(text.split())) for text in test]
    student = Student(NgramConfig().train(human, seed=1), None)
    night = Bench(human, student, None, "", 0, None, None, seed=1)
    mean = {}
    for model in ("held_out", "baseline"):
        judge = LikelihoodConfig(model=model).build(night)
        started = time.process_time()
        for name, texts in (("real", test), ("jumbled", jumbled)):
            said = judge.judge(rows(*texts, label=""))
            mean[model, name] = np.mean([judgement.score for judgement in said])
        assert time.process_time() - started < 2.5  # 6,160 rows
    assert mean["held_out", "real"] > 0.95
    assert mean["held_out", "jumbled"] < 0.75
    # why held_out is the default: the baseline knows its own rows by heart
    assert mean["baseline", "real"] < 0.5
