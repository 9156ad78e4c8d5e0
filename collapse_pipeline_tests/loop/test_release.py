import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.loop.release import (
    ReleasePolicy,
    decide,
    gain_against_human_only,
    metrics_of,
    primary_points,
)
from collapse_pipeline.records import Verdict


def row(suite, metric, value, low=None, high=None, model="candidate", scope=""):
    return {
        "model": model,
        "suite": suite,
        "suite_version": "v1",
        "metric": metric,
        "scope": scope,
        "value": value,
        "low": low,
        "high": high,
        "rows": 600,
        "note": "",
    }


def report(point=1.0, low=0.97, perplexity=1.2):
    return [
        row("standard", "accuracy", 0.8),
        row("standard", "accuracy.ratio_to_best", point, low, 1.1),
        row("standard", "accuracy.ratio_to_baseline", point, low, 1.1),
        row("standard", "perplexity.ratio_to_baseline", perplexity, perplexity, perplexity),
    ]


def test_a_healthy_candidate_is_promoted():
    assert decide(report(), 0.7, ReleasePolicy()).verdict is Verdict.PROMOTED


@pytest.mark.parametrize(
    ("found", "human", "breach"),
    [
        (report(point=0.979), 0.7, "accuracy:standard"),
        (report(low=0.959), 0.7, "accuracy:standard"),
        (report(point=math.nan), 0.7, "accuracy:standard"),
        (report(perplexity=1.51), 0.7, "real_perplexity:standard"),
        (report(perplexity=math.nan), 0.7, "real_perplexity:standard"),
        (report(), 0.19, "human_floor"),
        (report()[:1] + report()[3:], 0.7, "no_primary_suite"),
        (report()[:3], 0.7, "real_perplexity:standard"),
    ],
)
def test_each_rule_blocks_by_itself(found, human, breach):
    decision = decide(found, human, ReleasePolicy())
    assert decision.verdict is Verdict.QUARANTINED
    assert list(decision.breaches) == [breach]


def test_without_enforcement_the_breach_is_still_named():
    decision = decide(report(point=0.5), 0.0, ReleasePolicy(enforce=False))
    assert decision.verdict is Verdict.PROMOTED
    assert set(decision.breaches) == {"accuracy:standard", "human_floor"}


@given(st.floats(0, 2), st.floats(0, 2))
def test_nothing_below_the_bounds_is_promoted(point, low):
    promoted = decide(report(point, low), 0.7, ReleasePolicy()).verdict is Verdict.PROMOTED
    assert promoted == (point >= 0.98 and low >= 0.96)


def test_gain_is_said_in_words():
    found = [
        row("long_tail", "accuracy.ratio_to_baseline", 1.1, 1.02, 1.2),
        row("standard", "accuracy.ratio_to_baseline", 0.99, 0.97, 1.01),
        row("noisy", "accuracy.ratio_to_baseline", 0.9, 0.8, 0.95),
    ]
    assert gain_against_human_only(found) == (
        "long_tail accuracy +10.0% (gain); standard accuracy -1.0% (no clear difference); "
        "noisy accuracy -10.0% (loss)"
    )


def test_figures_have_the_names_of_the_contract():
    found = [
        row("standard", "perplexity", 18.0),
        row("synthetic", "perplexity", 12.0),
        row("standard", "accuracy", math.nan),
        row("standard", "f1", 0.3, scope="a label"),
        row("standard", "accuracy", 0.9, model="incumbent"),
    ]
    assert metrics_of(found, "candidate") == {
        "standard.perplexity": 18.0,
        "perplexity.real": 18.0,
        "synthetic.perplexity": 12.0,
        "perplexity.synthetic": 12.0,
        "standard.accuracy": None,
    }


def test_points_are_kept_by_suite_version():
    assert primary_points(report()) == {"standard@v1": 0.8}
