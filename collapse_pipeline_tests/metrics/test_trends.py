from itertools import permutations
from math import exp, inf, isnan, log, nan, sqrt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.students.ngram import NgramConfig
from collapse_pipeline.metrics.evidence import ReportEvidence
from collapse_pipeline.metrics.fluency import perplexity
from collapse_pipeline.metrics.trends import (
    METRICS,
    WINDOW,
    perplexity_gap,
    smoother_but_worse,
    trend_z,
)

COMPUTE = {metric.name: metric.compute for metric in METRICS}
figures = st.lists(st.integers(-3, 3).map(float), max_size=WINDOW)


def test_trend_by_hand():
    # 1 3 2 4: of six pairs five rise and one falls, 4 of 6; variance 4 * 3 * 13 / 18
    assert trend_z([1, 3, 2, 4]) == pytest.approx((4 - 1) / sqrt(4 * 3 * 13 / 18))
    # 1 2 2 3: five rise and one is equal; the pair of equals takes 2 * 1 * 9 / 18 off
    assert trend_z([1, 2, 2, 3]) == pytest.approx((5 - 1) / sqrt(4 * 3 * 13 / 18 - 1))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [3.0] * 9, [nan, nan, nan], [1, nan, 2]])
def test_too_few_values_are_no_trend(values):
    assert trend_z(values) == 0


def test_small_numbers_cannot_reach_three():
    assert [round(trend_z(range(n)), 2) for n in (3, 5, 6, 7, 12)] == [1.04, 2.20, 2.63, 3.00, 4.46]


def test_seven_nights_in_a_row_are_a_false_alarm_once_in_5040():
    """Type I error, exactly: every order of seven values is as likely where nothing moves."""
    alarms = [order for order in permutations(range(7)) if trend_z(order) >= 3]
    assert alarms == [tuple(range(7))]


def test_false_alarms_of_a_line_where_nothing_moves():
    """Looked at every night for 500 nights, 60 lines; documented: one alarm in 2,900 nights."""
    rng = np.random.default_rng(1)
    alarms, nights = 0, 0
    for _ in range(60):
        line = rng.standard_normal(500).tolist()
        for night in range(4, 500):
            nights += 1
            if trend_z(line[max(0, night - WINDOW) : night]) >= 3:
                alarms += 1
                break  # the first of each line; a window that overlaps it is no second
    assert 3 <= alarms <= 20  # 60 * 500 / 2900 = 10, give or take three of its roots


def test_a_drift_of_a_standard_deviation_a_night_is_seen_within_ten():
    rng = np.random.default_rng(2)
    seen = []
    for _ in range(40):
        line = rng.standard_normal(30)
        line[12:] += np.arange(18)
        seen.append(next(n for n in range(12, 31) if trend_z(line[:n].tolist()) >= 3) - 12)
    assert 5 <= np.median(seen) <= 10


@settings(deadline=None)
@given(figures)
def test_only_the_order_counts_and_backwards_is_the_opposite(values):
    assert trend_z([exp(value) for value in values]) == trend_z(values)
    assert trend_z(values[::-1]) == -trend_z(values)


@given(figures, st.lists(st.integers(-3, 3).map(float), min_size=WINDOW))
def test_what_lies_before_the_window_is_forgotten(before, values):
    assert trend_z(before + values) == trend_z(values)


def test_infinite_values_have_a_place():
    assert trend_z([1, 2, 3, 4, inf, inf]) > trend_z([1, 2, 3, 4]) > 0


def test_gap_by_hand():
    assert perplexity_gap(20.0, 4.0) == pytest.approx(log(5))
    assert isnan(perplexity_gap(nan, 4.0))
    assert isnan(perplexity_gap(20.0, nan))


@pytest.mark.parametrize(
    ("synthetic", "real", "value"),
    [
        ((4.0, 3.7), (20.0, 20.0), 1),  # log falls by .078, nothing gained
        ((4.0, 3.7), (20.0, 19.0), 0),  # it learnt: real text falls by .051 too
        ((4.0, 3.9), (20.0, 30.0), 0),  # written text falls by .025 only
        ((4.0, 4.5), (20.0, 30.0), 0),
    ],
)
def test_smoother_but_worse_by_hand(synthetic, real, value):
    assert smoother_but_worse(synthetic, real) == value
    assert isnan(smoother_but_worse((nan, 3.0), real))


def report(synthetic, real, tail=None, version="standard1"):
    found = [("synthetic", "", synthetic), ("standard", version, real)]
    if tail is not None:
        found.append(("long_tail", "long_tail1", tail))
    return [
        {
            "model": "candidate",
            "suite": suite,
            "suite_version": version,
            "metric": "perplexity",
            "scope": "",
            "value": value,
        }
        for suite, version, value in found
    ]


def test_reports_are_compared_with_the_one_before():
    tonight, before = report(3.6, 20.0), report(4.0, 20.0)
    smoother = COMPUTE["smoother_but_worse"]
    assert COMPUTE["perplexity_gap"](ReportEvidence(tonight), "standard") == log(20 / 3.6)
    assert smoother(ReportEvidence(tonight, (before,))) == 1
    assert smoother(ReportEvidence(tonight, (tonight, before))) == 0
    assert smoother(ReportEvidence(tonight)) == 0
    # other rows cannot be compared; the report before them can
    other = report(9.0, 9.0, version="standard0")
    assert smoother(ReportEvidence(tonight, (other,))) == 0
    assert smoother(ReportEvidence(tonight, (other, before))) == 1


def test_a_tail_that_gains_nothing_is_enough():
    gained = report(3.6, 18.0, tail=30.0)
    smoother = COMPUTE["smoother_but_worse"]
    assert smoother(ReportEvidence(gained, (report(4.0, 20.0, tail=30.0),))) == 1
    assert smoother(ReportEvidence(gained, (report(4.0, 20.0, tail=33.0),))) == 0
    assert isnan(smoother(ReportEvidence(gained, (report(4.0, 20.0, tail=nan),))))


@pytest.mark.real_data
def test_banking77_gets_smoother_and_worse_under_replace(shared_data):
    table = pq.read_table(shared_data / "banking77.parquet")
    train, test = (
        table.filter(pa.compute.equal(table["split"], split)) for split in ("train", "test")
    )
    train, test = train.take(list(range(0, 9000, 6))), test.take(list(range(0, 3000, 6)))

    def rows(labels, prompts):
        return pa.table({"label": labels, "prompt": prompts, "response": [""] * len(labels)})

    def cost(model, labels, prompts):
        return perplexity(*model.negative_log_likelihood(labels, prompts, [""] * len(labels)))

    labels, texts = train["label"].to_pylist(), train["text"].to_pylist()
    first = NgramConfig().train(rows(labels, texts), 1)
    reports = {}
    for regime in ("replace", "human"):
        student, nights = first, []
        for night in range(1, 4):
            prompts = [p for p, _ in student.sample(labels, [""] * len(labels), night, 1.0)]
            if regime == "replace":
                student = NgramConfig().train(rows(labels, prompts), 1, first)
            synthetic = cost(student, labels, prompts)
            real = cost(student, test["label"].to_pylist(), test["text"].to_pylist())
            nights.append(report(synthetic, real))
        reports[regime] = nights

    def smoother(nights):
        return COMPUTE["smoother_but_worse"](ReportEvidence(nights[-1], nights[-2::-1]))

    for until in (2, 3):
        assert smoother(reports["replace"][:until]) == 1
        assert smoother(reports["human"][:until]) == 0
    gaps = [COMPUTE["perplexity_gap"](ReportEvidence(r), "standard") for r in reports["replace"]]
    assert gaps[0] + 0.5 < gaps[1] < gaps[2] - 0.5
