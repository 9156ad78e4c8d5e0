from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.loop.filter import FilterPolicy, filter_batch, no_earlier
from collapse_pipeline.metrics.drops import METRICS, drop_share
from collapse_pipeline.metrics.evidence import FilteredEvidence
from collapse_pipeline.records import EVAL_SUITES, samples_table
from collapse_pipeline_tests.samples import written_row

COMPUTE = {metric.name: metric.compute for metric in METRICS}
REASONS = (
    "eval_overlap",
    "exact_duplicate",
    "near_duplicate",
    "earlier_duplicate",
    "skeleton_quota",
    "semantic_duplicate",
)


def test_shares_by_hand():
    dropped = dict(zip(REASONS, (1, 2, 3, 4, 5, 6), strict=True))
    evidence = FilteredEvidence(50, dropped)
    assert drop_share(evidence, ("near_duplicate", "skeleton_quota")) == 8 / 50
    assert {name: compute(evidence) for name, compute in COMPUTE.items()} == {
        "dropped_duplicates": (2 + 3 + 6) / 50,
        "dropped_earlier_duplicates": 4 / 50,
        "dropped_skeletons": 5 / 50,
        "eval_overlap": 1 / 50,
    }


def test_nothing_dropped_is_0_and_nothing_accepted_is_no_figure():
    assert drop_share(FilteredEvidence(10, {}), REASONS) == 0
    assert isnan(drop_share(FilteredEvidence(0, {}), REASONS))
    assert all(isnan(compute(FilteredEvidence(0, {}))) for compute in COMPUTE.values())


@given(st.dictionaries(st.sampled_from(REASONS), st.integers(0, 9)), st.integers(0, 50))
def test_every_dropped_row_is_in_one_figure(dropped, kept):
    accepted = kept + sum(dropped.values())
    figures = [compute(FilteredEvidence(accepted, dropped)) for compute in COMPUTE.values()]
    if accepted:
        assert sum(figures) == pytest.approx(1 - kept / accepted)
        assert all(0 <= figure <= 1 for figure in figures)


def test_the_filter_gives_its_reasons_the_names_that_are_counted():
    texts = ["one two three four five six seven"] * 3 + ["the cat is on the red mat today"]
    rows = samples_table(written_row(text, "a", seed=i) for i, text in enumerate(texts))
    filtered = filter_batch(
        rows, EVAL_SUITES.empty_table(), no_earlier, None, FilterPolicy(), rows.slice(0, 0)
    )
    reasons = filtered.dropped["reason"].to_pylist()
    assert reasons == ["exact_duplicate"] * 2
    counts = {reason: reasons.count(reason) for reason in reasons}
    assert COMPUTE["dropped_duplicates"](FilteredEvidence(4, counts)) == 0.5
