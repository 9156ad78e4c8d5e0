import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.loop.mix import MixPolicy, chosen_humans, mix
from collapse_pipeline.records import DROPPED_BATCH, HUMAN, samples_table, table_digest
from collapse_pipeline_tests.samples import human_table, written_row, written_table

NOTHING = DROPPED_BATCH.empty_table()


def test_thirty_percent_cap_on_seventy_human_rows():
    # 30 / (70 + 30) = 0.3: thirty of the hundred written rows may enter.
    mixture = mix(human_table(70), [written_table(100)], NOTHING, MixPolicy(), "2026-01-09", seed=1)
    assert mixture.summary["human_rows"] == 70
    assert mixture.summary["synthetic_rows"] == 30
    assert mixture.summary["synthetic_share"] == pytest.approx(0.3)


def test_generation_zero_is_all_human():
    mixture = mix(human_table(10), [], NOTHING, MixPolicy(), "2026-01-09", seed=1)
    assert set(mixture.samples["origin"].to_pylist()) == {HUMAN}
    assert mixture.summary["depth"] == 0


def test_replace_without_floor_is_all_synthetic():
    policy = MixPolicy(regime="replace", human_floor=0, synthetic_cap=1)
    mixture = mix(human_table(50), [written_table(60)], NOTHING, policy, "2026-01-09", seed=1)
    assert mixture.summary["human_rows"] == 0
    assert mixture.summary["synthetic_rows"] == 50  # as many as there are human rows


def test_replace_keeps_a_fifth_human():
    policy = MixPolicy(regime="replace", human_floor=0.2, synthetic_cap=1)
    mixture = mix(human_table(50), [written_table(60)], NOTHING, policy, "2026-01-09", seed=1)
    assert (mixture.summary["human_rows"], mixture.summary["synthetic_rows"]) == (10, 40)


def test_subsample_draws_a_fixed_size_from_everything():
    policy = MixPolicy(regime="subsample", human_floor=0, synthetic_cap=1)
    older = written_table(50, generation="2026-01-02")
    newer = written_table(50, generation="2026-01-03")
    mixture = mix(human_table(50), [newer, older], NOTHING, policy, "2026-01-09", seed=1)
    # 100 of 150 rows of the pool are synthetic: two thirds of 50 are 33.
    assert mixture.summary["synthetic_rows"] == 33
    assert mixture.summary["rows"] == 50
    assert len(set(mixture.samples["written_in"].to_pylist())) == 3


def test_accumulate_takes_tonights_rows_first():
    older = written_table(40, generation="2026-01-02")
    newer = written_table(20, generation="2026-01-03")
    mixture = mix(
        human_table(70), [newer, older], NOTHING, MixPolicy(balance=1.0), "2026-01-09", seed=1
    )
    generations = mixture.samples["written_in"].to_pylist()
    assert generations.count("2026-01-03") == 20
    assert generations.count("2026-01-02") == 10


def test_rows_over_the_depth_limit_stay_out_and_are_counted():
    policy = MixPolicy(depth_limit=2)
    mixture = mix(
        human_table(70), [written_table(10, depth=3)], NOTHING, policy, "2026-01-09", seed=1
    )
    assert mixture.summary["too_deep_rows"] == 10
    assert mixture.summary["synthetic_rows"] == 0


def test_a_pilot_takes_few_rows():
    policy = MixPolicy(stage="pilot", pilot_rows=5)
    mixture = mix(human_table(70), [written_table(100)], NOTHING, policy, "2026-01-09", seed=1)
    assert mixture.summary["synthetic_rows"] == 5


def test_a_task_has_its_own_cap():
    policy = MixPolicy(caps_by_task={"text": 0.1})
    mixture = mix(human_table(90), [written_table(100)], NOTHING, policy, "2026-01-09", seed=1)
    assert mixture.summary["synthetic_rows"] == 10


def test_infusion_weighs_a_labels_human_rows():
    policy = MixPolicy(infusion={"a": 3.0}, synthetic_weight=0.5)
    mixture = mix(human_table(4), [written_table(1)], NOTHING, policy, "2026-01-09", seed=1)
    rows = mixture.samples.to_pylist()
    assert {(r["origin"], r["label"], r["weight"]) for r in rows} == {
        ("human", "a", 3.0),
        ("human", "b", 1.0),
        ("synthetic", "a", 0.5),
    }


def test_without_human_rows_every_row_counts_alike():
    policy = MixPolicy(regime="replace", human_floor=0, synthetic_cap=1, synthetic_weight=0.5)
    mixture = mix(human_table(5), [written_table(5)], NOTHING, policy, "2026-01-09", seed=1)
    assert set(mixture.samples["weight"].to_pylist()) == {1.0}


def test_rejected_rows_serve_as_negatives_under_the_same_cap():
    dropped = samples_table(
        (
            written_row(f"bad {i}", "a", seed=i)
            | {"stage": "judge", "reason": "tidy", "duplicate_of": ""}
            for i in range(50)
        ),
        DROPPED_BATCH,
    )
    policy = MixPolicy(rejected_as="negatives", rejected_share=0.5)
    mixture = mix(human_table(70), [written_table(100)], dropped, policy, "2026-01-09", seed=1)
    roles = mixture.samples["role"].to_pylist()
    assert roles.count("negative") == 15
    assert mixture.summary["synthetic_share"] == pytest.approx(0.3)


def test_more_human_rows_than_there_are_is_an_error():
    with pytest.raises(BadInputError, match=r"mix.human_rows = 11"):
        chosen_humans(human_table(10), 11)


def test_a_larger_human_sample_holds_the_smaller_one():
    small, large = (set(chosen_humans(human_table(50), n)["prompt"].to_pylist()) for n in (9, 20))
    assert small < large


def test_no_human_rows_is_an_error():
    with pytest.raises(TooFewSamplesError):
        mix(human_table(0), [written_table(5)], NOTHING, MixPolicy(), "2026-01-09", seed=1)


def test_a_share_above_one_is_refused():
    with pytest.raises(ValidationError):
        MixPolicy(synthetic_cap=1.2)


@given(
    people=st.integers(1, 60),
    written=st.integers(0, 80),
    cap=st.floats(0, 1),
    floor=st.floats(0, 1),
    regime=st.sampled_from(["accumulate", "replace", "subsample"]),
    seed=st.integers(0, 5),
)
def test_cap_and_floor_hold_under_every_regime(people, written, cap, floor, regime, seed):
    policy = MixPolicy(regime=regime, synthetic_cap=cap, human_floor=floor)
    mixture = mix(
        human_table(people), [written_table(written)], NOTHING, policy, "2026-01-09", seed
    )
    share = mixture.summary["synthetic_share"]
    assert share <= min(cap, 1 - floor) + 1e-9
    assert mixture.samples.num_rows == mixture.summary["rows"]
    if regime == "accumulate":  # synthetic rows are added to the human ones, never instead
        assert mixture.summary["human_rows"] == people
    ids = mixture.samples["sample_id"].to_pylist()
    assert len(ids) == len(set(ids))


@given(seed=st.integers(0, 100))
def test_the_same_seed_gives_the_same_rows(seed):
    first, second = (
        mix(human_table(20), [written_table(30)], NOTHING, MixPolicy(), "2026-01-09", seed)
        for _ in range(2)
    )
    assert table_digest(first.samples) == table_digest(second.samples)
