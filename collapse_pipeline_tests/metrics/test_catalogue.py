import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.metrics import catalogue, drops
from collapse_pipeline.metrics.catalogue import CATALOGUE, FAMILIES, metric_named
from collapse_pipeline.records import TABLES


@given(st.sampled_from(sorted(CATALOGUE)))
def test_every_metric_is_found_by_its_name_and_says_what_it_is(name):
    metric = metric_named(name)
    assert metric.name == name
    assert metric.meaning.endswith(".")
    assert metric.asset in {*TABLES, "release"}
    assert {*metric.scopes} <= {"label", "template", "teacher"}
    # Only texts and judgements have parts that can be measured alone.
    assert not metric.scopes or metric.asset in ("synthetic_batch", "judged_batch")


def test_every_row_of_every_family_is_there():
    rows = [metric for family in FAMILIES for metric in family.METRICS]
    assert [CATALOGUE[metric.name] for metric in rows] == rows
    assert len(CATALOGUE) == len(rows) > 50


@pytest.mark.parametrize(
    ("name", "do"),
    [
        ("nearest_neighbor_ratio", "perhaps nearest_neighbour_ratio"),
        ("skeleton_repetitions", "perhaps skeleton_repetition"),
        ("", "choose from length_divergence, "),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(name, do):
    with pytest.raises(BadInputError) as told:
        metric_named(name)
    assert told.value.got == repr(name)
    assert told.value.do.startswith(do)


def test_two_metrics_of_one_name_are_refused(monkeypatch):
    monkeypatch.setattr(catalogue, "FAMILIES", (*FAMILIES, drops))
    with pytest.raises(BadInputError, match="one metric a name, got two named dropped_duplicates"):
        catalogue._catalogue()
