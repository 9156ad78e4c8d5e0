import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.metrics.evidence import ReleaseEvidence
from collapse_pipeline.metrics.readiness import METRICS, review_shortfall


def evidence(**over):
    said = {
        "pin_faults": 1,
        "outside_suites": 2,
        "changed_components": 3,
        "reviewed_rows": 4,
        "review_density": 0.05,
        "kept_rows": 600,
        "nights_alone": 7,
        "calibration_faults": 8,
    }
    return ReleaseEvidence(**said | over)


def test_figures_by_hand():
    found = {metric.name: (metric.compute(evidence()), metric.worse) for metric in METRICS}
    assert found == {
        "pin_faults": (1, "above"),
        "outside_suites": (2, "below"),
        "review_shortfall": (26, "above"),  # 0.05 of 600 are 30, of which 4 were reviewed
        "nights_alone": (7, "above"),
        "calibration_faults": (8, "above"),
    }


@pytest.mark.parametrize(
    ("over", "shortfall"),
    [
        ({"changed_components": 0}, 0),  # nothing new to look at
        ({"review_density": 0.0}, 0),
        ({"reviewed_rows": 30}, 0),
        ({"reviewed_rows": 3000}, 0),
        ({"review_density": 0.0501}, 27),  # 30.06 rows are 31
        ({"review_density": 0.1, "kept_rows": 30, "reviewed_rows": 0}, 3),  # not 3.0000000000000004
        ({"kept_rows": 0}, 0),
    ],
)
def test_how_many_reviews_are_missing(over, shortfall):
    assert review_shortfall(evidence(**over)) == shortfall


@given(st.integers(0, 100), st.integers(0, 100), st.floats(0, 1), st.integers(0, 1000))
def test_every_review_counts_until_none_is_missing(reviewed, more, density, kept):
    before, after = (
        review_shortfall(evidence(reviewed_rows=n, review_density=density, kept_rows=kept))
        for n in (reviewed, reviewed + more)
    )
    assert after == max(0, before - more)
    assert 0 <= before <= kept
