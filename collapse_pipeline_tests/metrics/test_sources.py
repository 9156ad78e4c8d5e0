import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.loop.mix import MixPolicy, mix
from collapse_pipeline.metrics.evidence import MixEvidence
from collapse_pipeline.metrics.sources import (
    METRICS,
    concentration,
    dominant_share,
    unsupported_share,
)
from collapse_pipeline.records import SAMPLE, TRAINING_MIX, samples_table
from collapse_pipeline_tests.samples import human_row, human_table, written_row, written_table

COMPUTE = {metric.name: metric.compute for metric in METRICS}
NOTHING = {"stage": "", "reason": "", "duplicate_of": ""}


def mixed(*rows):
    extra = {"weight": 1.0, "role": "positive", "written_in": ""}
    return samples_table([row | extra for row in rows], TRAINING_MIX)


# Two tasks: sums have one human and two written rows, texts four human rows and one written.
MIX = mixed(
    human_row("1 + 1", task_type="sum"),
    written_row("2 + 2", task_type="sum", teacher="a@1", template="x@1", seed=1),
    written_row("3 + 3", task_type="sum", teacher="a@2", template="y@1", seed=2, depth=2),
    *(human_row(f"text {i}") for i in range(4)),
    written_row("a text", teacher="b@1", template="z@1", seed=3, depth=3),
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("synthetic_share", 3 / 8),
        ("human_share", 5 / 8),
        ("synthetic_share_by_task", 2 / 3),
        ("share_over_cap", 3 / 8 - 0.3),
        ("depth_max", 3),
        ("depth_over_limit", 1),
        ("mean_depth", 2),
        ("dominant_teacher_share", 2 / 3),  # two versions of a are one source
        ("dominant_template_share", 1 / 3),
        ("teacher_hhi", 4 / 9 + 1 / 9),
        ("template_hhi", 1 / 3),
        ("leaked_rows", 2),
        ("share_without_experiment", 3 / 8 - 0.25),
    ],
)
def test_figures_worked_by_hand(name, value):
    evidence = MixEvidence(
        MIX, leaked=2, cap=0.3, depth_limit=2, gradient_share=0.2, previous_share=0.25
    )
    assert COMPUTE[name](evidence) == pytest.approx(value)


def test_a_share_is_supported_by_the_best_that_is_on_record():
    assert unsupported_share(0.3, 0.5, None) == 0
    assert unsupported_share(0.3, None, 0.3) == 0
    assert unsupported_share(0.3, None, None) == 0.3
    assert unsupported_share(0.3, 0.1, 0.2) == pytest.approx(0.1)


def test_a_mix_of_human_rows_only_has_no_sources():
    evidence = MixEvidence(mixed(*(human_row(f"text {i}") for i in range(3))))
    wanted = {"human_share": 1.0} | {name: 0.0 for name in COMPUTE if name != "human_share"}
    assert {name: compute(evidence) for name, compute in COMPUTE.items()} == wanted
    with pytest.raises(TooFewSamplesError, match="rows in the mix"):
        COMPUTE["synthetic_share"](MixEvidence(TRAINING_MIX.empty_table()))


sources = st.lists(st.sampled_from(("a@1", "a@2", "b@1", "c@1")), min_size=1)


@given(sources)
def test_concentration_lies_between_equal_shares_and_the_largest(rows):
    names = {source[0] for source in rows}
    assert 1 / len(names) - 1e-12 <= concentration(rows) <= dominant_share(rows) + 1e-12
    assert concentration(rows * 2) == pytest.approx(concentration(rows))
    assert concentration(rows[::-1]) == concentration(rows)


def test_figures_are_the_mixs_own_account():
    tonight, older = written_table(40, depth=2), written_table(60, generation="2026-01-01")
    rejected = SAMPLE.empty_table()
    for name in NOTHING:
        rejected = rejected.append_column(name, pa.array([], pa.string()))
    made = mix(human_table(100), [tonight, older], rejected, MixPolicy(), "2026-01-02", 1)
    evidence = MixEvidence(made.samples, cap=0.3, depth_limit=2)
    for name in ("synthetic_share", "human_share"):
        assert COMPUTE[name](evidence) == pytest.approx(made.summary[name])
    assert COMPUTE["depth_max"](evidence) == made.summary["depth"] == 2
    assert COMPUTE["share_over_cap"](evidence) == COMPUTE["depth_over_limit"](evidence) == 0


@pytest.mark.real_data
def test_one_published_model_dominates_a_corpus_of_solutions(shared_data):
    """GSM8K with solutions by people and by four models, as many of each."""
    table = pd.read_parquet(shared_data / "gsm8k_model_solutions.parquet")
    table = table[(table["question_id"] < 100) | (table["generator"] == "gpt3_175b_verification")]
    rows = [
        written_row(text, seed=i, teacher=f"{generator}@1")
        if generator != "human"
        else human_row(text, sample_id=str(i))
        for i, (text, generator) in enumerate(zip(table["text"], table["generator"], strict=True))
    ]
    evidence = MixEvidence(mixed(*rows))
    share = 1319 / (1319 + 3 * 100)
    assert COMPUTE["dominant_teacher_share"](evidence) == pytest.approx(share)
    assert COMPUTE["teacher_hhi"](evidence) == pytest.approx(share**2 + 3 * (100 / 1619) ** 2)
    assert COMPUTE["synthetic_share"](evidence) == pytest.approx(1619 / 1719)
