from math import asin, exp, inf, isnan, log, nan, pi, sqrt

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from collapse_pipeline.loop import limits
from collapse_pipeline.loop.gate import Bound, Condition, Gate
from collapse_pipeline.loop.limits import (
    allot,
    correlations,
    least_spread,
    prediction_limit,
    scaled,
    unscaled,
)
from collapse_pipeline.metrics.evidence import WORD
from collapse_pipeline.metrics.phrases import unigram_entropy
from collapse_pipeline.metrics.skeleton import skeleton_repetition, skeletons

ROWS = 1000
SHARES = (  # metrics between 0 and 1, to hang simulated figures on
    "skeleton_repetition",
    "nearest_neighbour_ratio",
    "two_sample_auc_words",
    "two_sample_auc_embeddings",
    "near_duplicates",
    "exact_duplicates",
    "top_skeleton_share",
)


def gate(name, *metrics, side="above", **over):
    of = tuple(Condition(metric=metric, bound=Bound(calibrated=side)) for metric in metrics)
    said = {"name": name, "asset": "synthetic_batch", "of": of, "why": "Why.", "severity": "block"}
    return Gate.model_validate(said | over)


# Scales.


def test_scales_by_hand():
    assert scaled(0.0, "share", 100) == pytest.approx(asin(sqrt(0.375 / 100.75)))
    assert scaled(0.5, "share", 100) == pytest.approx(pi / 4)
    assert scaled(2.0, "positive", 100) == log(2)
    assert scaled(-2.0, "plain", 100) == -2
    assert unscaled(pi / 4, "share", 100) == pytest.approx(0.5)
    assert (unscaled(-1.0, "share", 100), unscaled(9.0, "share", 100)) == (0, 1)
    assert isnan(scaled(0.0, "positive", 100))  # no logarithm: left out of a null


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(2, 10_000))
def test_a_share_comes_back_from_its_scale(share, rows):
    assert unscaled(scaled(share, "share", rows), "share", rows) == pytest.approx(share, abs=1e-9)


@settings(deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(-1e6, 1e6))
def test_what_is_positive_or_plain_comes_back_from_its_scale(positive, plain):
    assert unscaled(scaled(positive, "positive", 9), "positive", 9) == pytest.approx(positive)
    assert unscaled(scaled(plain, "plain", 9), "plain", 9) == plain


@settings(deadline=None)
@given(st.floats(-10, 10), st.floats(-10, 10), st.integers(2, 10_000))
def test_scales_keep_the_order_and_shares_stay_shares(one, other, rows):
    low, high = sorted((one, other))
    for scale in ("share", "positive", "plain"):
        ends = unscaled(low, scale, rows), unscaled(high, scale, rows)
        assert ends[0] <= ends[1]
        assert scale != "share" or 0 <= ends[0] <= ends[1] <= 1
    assert scaled(low, "share", rows) <= scaled(high, "share", rows)


@pytest.mark.parametrize("scale", ["share", "positive", "plain"])
def test_nan_stays_nan(scale):
    assert isnan(scaled(nan, scale, 10))


# One limit.

NULL = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]  # mean 4.5, standard deviation sqrt(6)


def test_a_prediction_limit_by_hand():
    reach = stats.t.isf(0.01, 7) * sqrt(6) * sqrt(9 / 8)
    above = prediction_limit(NULL, 0.01, "above", "plain", ROWS)
    assert (above.low, above.high) == (None, pytest.approx(4.5 + reach))
    assert above.text == f"at most {4.5 + reach:.4g} (healthy: 4.5)"
    below = prediction_limit(NULL, 0.01, "below", "plain", ROWS)
    assert (below.low, below.high) == (pytest.approx(4.5 - reach), None)
    either = prediction_limit(NULL, 0.02, "either", "plain", ROWS)
    assert (either.low, either.high) == (pytest.approx(4.5 - reach), pytest.approx(4.5 + reach))
    times = prediction_limit([exp(x) for x in NULL], 0.01, "above", "positive", ROWS)
    assert times.high == pytest.approx(exp(4.5 + reach))


def test_values_that_are_missing_are_left_out_and_too_few_make_no_limit():
    whole = prediction_limit(NULL, 0.01, "above", "plain", ROWS)
    assert prediction_limit([*NULL, nan, nan], 0.01, "above", "plain", ROWS) == whole
    few = "only 7 replicates have a value; 8 are wanted"
    assert prediction_limit([*NULL[1:], nan, inf], 0.01, "above", "plain", ROWS) == few
    assert prediction_limit([0.0, *NULL[1:]], 0.01, "above", "positive", ROWS) == few


def test_replicates_that_agree_leave_the_spread_of_counting():
    """No row of 1,000 in any replicate is not a promise of none."""
    limit = prediction_limit([0.0] * 20, 0.001, "above", "share", ROWS)
    assert 0.003 < limit.high < 0.02
    assert least_spread("share", ROWS, 0.0) == pytest.approx(0.5 / sqrt(ROWS))
    assert least_spread("positive", ROWS, 5.0) == 0.001  # of a logarithm: a thousandth
    assert least_spread("plain", ROWS, -50.0) == 0.05
    assert prediction_limit([0.002] * 20, 0.001, "above", "plain", ROWS).high < 0.0021


nulls = st.lists(st.floats(0.01, 0.99), min_size=8, max_size=30)
scales = st.sampled_from(["share", "positive", "plain"])
sides = st.sampled_from(["above", "below", "either"])


@settings(deadline=None)
@given(nulls, scales, sides, st.floats(1e-5, 0.1))
def test_a_healthy_mean_lies_within_and_only_harm_is_bounded(null, scale, side, chance):
    limit = prediction_limit(null, chance, side, scale, ROWS)
    middle = unscaled(float(np.mean([scaled(v, scale, ROWS) for v in null])), scale, ROWS)
    assert limit.holds(middle)
    assert (limit.low is None, limit.high is None) == (side == "above", side == "below")


@settings(deadline=None)
@given(nulls, scales, sides, st.floats(1e-5, 0.1), st.floats(1e-5, 0.1), st.floats(0, 1))
def test_a_smaller_chance_is_a_wider_limit(null, scale, side, one, other, value):
    rare, common = (
        prediction_limit(null, chance, side, scale, ROWS) for chance in sorted((one, other))
    )
    assert rare.holds(value) >= common.holds(value)


@settings(deadline=None)
@given(nulls, st.randoms(use_true_random=False), scales)
def test_the_order_of_replicates_moves_no_limit(null, random, scale):
    mixed = random.sample(null, len(null))
    one, other = (prediction_limit(n, 0.01, "above", scale, ROWS).high for n in (null, mixed))
    assert one == pytest.approx(other)


@pytest.mark.parametrize("count", [8, 20])
def test_the_next_healthy_value_lies_beyond_as_often_as_asked(count):
    rng = np.random.default_rng(5)
    draws = 0.3 + 0.02 * rng.standard_normal((3000, count + 1))
    beyond = [
        not prediction_limit(list(null), 0.05, side, "plain", ROWS).holds(tonight)
        for *null, tonight in draws
        for side in ("above", "either")
    ]
    assert np.mean(beyond) == pytest.approx(0.05, abs=0.008)  # two standard errors


# The budget.


def healthy(names, correlation, count, seed):
    """Replicates whose figures are normal on their scale; all pairs have one correlation."""
    rng = np.random.default_rng(seed)
    shared, own = rng.standard_normal((count, 1)), rng.standard_normal((count, len(names)))
    return sqrt(correlation) * shared + sqrt(1 - correlation) * own


CENTRE, SPREAD = 0.6, 0.05  # of a simulated figure, on the scale of shares


def as_nulls(names, normal):
    return {
        name: tuple(unscaled(CENTRE + SPREAD * z, "share", ROWS) for z in column)
        for name, column in zip(names, normal.T, strict=True)
    }


def test_one_blocking_gate_has_the_whole_budget():
    null = as_nulls(SHARES, healthy(SHARES, 0.3, 20, 1))
    found = allot([gate("g", SHARES[0])], null, ROWS, 0.01, 1)
    assert found.chances == {(SHARES[0], "above"): found.per_gate}
    assert found.per_gate == pytest.approx(0.01, rel=1e-3)
    assert found.whole == pytest.approx(0.01, rel=1e-3)


def test_independent_gates_share_it_and_one_that_warns_has_the_same_chance_beside():
    names = SHARES[:5]
    null = as_nulls(names, healthy(names, 0.0, 2000, 1))
    blocking = [gate(f"g{i}", name) for i, name in enumerate(names[:4])]
    found = allot([*blocking, gate("w", names[4], severity="warn")], null, ROWS, 0.02, 1)
    assert found.per_gate == pytest.approx(0.02 / 4, rel=0.05)
    assert set(found.chances.values()) == {found.per_gate}
    assert found.whole == pytest.approx(0.02, rel=0.01)


def test_gates_that_fire_together_have_more_each(monkeypatch):
    names = SHARES[:4]
    suite = [gate(f"g{i}", name) for i, name in enumerate(names)]
    apart, close = (
        allot(suite, as_nulls(names, healthy(names, rho, 2000, 1)), ROWS, 0.02, 1).per_gate
        for rho in (0.0, 0.95)
    )
    assert 1.2 * apart < close < 0.02


def test_figures_of_a_vote_have_more_than_the_gate_and_alternatives_less():
    names = SHARES[:3]
    null = as_nulls(names, healthy(names, 0.0, 2000, 1))
    chance = {
        votes: allot([gate("g", *names, any=votes)], null, ROWS, 0.01, 1).chances[names[0], "above"]
        for votes in (1, 2, 3)
    }
    # Exactly, for independent figures: 1 - (1 - p)^3, 3 p^2 (1 - p) + p^3 and p^3 are 0.01.
    assert chance[1] == pytest.approx(1 - 0.99 ** (1 / 3), rel=0.05)
    assert chance[2] == pytest.approx(0.0589, rel=0.05)
    assert chance[3] == pytest.approx(0.01 ** (1 / 3), rel=0.05)


def test_a_side_of_harm_that_lies_both_ways_has_its_chance_for_both():
    null = as_nulls(SHARES[:2], healthy(SHARES[:2], 0.0, 2000, 1))
    one = allot([gate("g", *SHARES[:2], side="either", any=2)], null, ROWS, 0.01, 1)
    assert one.chances[SHARES[0], "either"] == pytest.approx(0.1, rel=0.05)  # 0.1 squared


def test_a_figure_that_two_gates_read_keeps_the_wider_limit():
    names = SHARES[:3]
    null = as_nulls(names, healthy(names, 0.0, 2000, 1))
    alone, vote = gate("alone", names[0]), gate("vote", *names, any=3)
    found = allot([alone, vote], null, ROWS, 0.01, 1)
    assert found.chances[names[0], "above"] == found.per_gate
    assert found.chances[names[1], "above"] > 10 * found.per_gate


def test_gates_without_a_null_take_nothing_of_the_budget():
    null = as_nulls(SHARES[:1], healthy(SHARES[:1], 0.0, 20, 1))
    fixed = Gate.model_validate(
        {
            "name": "fixed",
            "asset": "synthetic_batch",
            "metric": SHARES[1],
            "bound": {"at_most": 0.5},
            "severity": "block",
            "why": "Why.",
        }
    )
    one = allot([gate("g", SHARES[0])], null, ROWS, 0.01, 1)
    assert allot([gate("g", SHARES[0]), gate("h", SHARES[1]), fixed], null, ROWS, 0.01, 1) == one
    nothing = allot([fixed], {}, ROWS, 0.01, 1)
    assert (nothing.chances, nothing.per_gate) == ({}, 0.01)


def test_the_same_seed_shares_out_the_same():
    null = as_nulls(SHARES, healthy(SHARES, 0.4, 20, 3))
    suite = [gate("g", *SHARES[:3], any=2), gate("h", *SHARES[3:])]
    assert allot(suite, null, ROWS, 0.01, 7) == allot(suite, null, ROWS, 0.01, 7)
    assert allot(suite, null, ROWS, 0.01, 7) != allot(suite, null, ROWS, 0.01, 8)


def test_correlations_by_hand():
    values = {"unigram_entropy": [1, 2, 3, nan], "vendi_score": [8, 4, 2, 4], "mmd": [5, 5, 5, 5]}
    found = correlations(values, sorted(values), ROWS)
    assert np.diag(found) == pytest.approx(1)
    assert found[0, 1:] == pytest.approx(0)  # mmd comes first, and never moves
    # Logarithms, the missing one at their mean: 0, log 2, log 3 and log 6 / 3.
    logs = np.log([1, 2, 3]).tolist()
    expected = np.corrcoef([*logs, np.mean(logs)], np.log([8, 4, 2, 4]))[0, 1]
    assert found[1, 2] == pytest.approx(expected)


def test_a_figure_that_never_moves_goes_with_none():
    values = {"mmd": [0.1] * 3, "unigram_entropy": [1, 2, 4]}  # 0.1 thrice has no mean of 0.1
    assert correlations(values, sorted(values), ROWS) == pytest.approx(np.eye(2))


SUITE = (
    gate("vote", *SHARES[:4], any=2),
    gate("any", *SHARES[4:6]),
    gate("single", SHARES[6]),
)


def rate_of_false_alarms(suite, names, correlation, budget, calibrations, nights, seed):
    """Share of healthy nights on which a gate of the suite fires, over calibrations of 20."""
    tonight = healthy(names, correlation, nights, seed)
    rates = []
    for number in range(calibrations):
        null = as_nulls(names, healthy(names, correlation, 20, seed + 1 + number))
        chances = allot(suite, null, ROWS, budget, number).chances
        reach = {}
        for name in names:
            limit = prediction_limit(null[name], chances[name, "above"], "above", "share", ROWS)
            reach[name] = (scaled(limit.high, "share", ROWS) - CENTRE) / SPREAD
        beyond = {n: z > reach[n] for n, z in zip(names, tonight.T, strict=True)}
        fired = [sum(beyond[c.statistic] for c in g.of) >= g.any for g in suite]
        rates.append(np.any(fired, axis=0).mean())
    return np.mean(rates)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_the_suite_spends_its_budget_and_no_more(correlation, monkeypatch):
    monkeypatch.setattr(limits, "DRAWS", 4000)
    rate = rate_of_false_alarms(SUITE, SHARES, correlation, 0.05, 150, 4000, 100)
    assert 0.035 < rate < 0.06


@pytest.mark.parametrize(("correlation", "most"), [(0.0, 1.0), (0.6, 1.5)])
def test_a_vote_of_two_figures_does_not_overspend_on_chance_correlations(
    correlation, most, monkeypatch
):
    """20 replicates of figures that have nothing to do with each other often seem to move apart;
    the limits of a vote that believed it would be far too near."""
    monkeypatch.setattr(limits, "DRAWS", 20_000)
    vote, names = (gate("vote", *SHARES[:2], any=2),), SHARES[:2]
    rate = rate_of_false_alarms(vote, names, correlation, 0.004, 250, 20_000, 500)
    assert 0.5 * 0.004 < rate < most * 0.004


@pytest.mark.real_data
def test_real_draws_stay_within_the_limits_of_twenty(shared_data):
    """Figures of equal-size draws of Banking77 are as normal on their scales as limits want."""
    rows = pq.read_table(shared_data / "banking77.parquet", filters=[("split", "=", "train")])
    texts = rows["text"].to_pylist()
    words = [WORD.findall(text.casefold()) for text in texts]
    moulds = skeletons(texts)
    rng = np.random.default_rng(3)
    draws = [rng.choice(len(texts), 300, replace=False) for _ in range(20 * 30)]
    for scale, figure in (
        ("positive", lambda some: unigram_entropy([words[i] for i in some])),
        ("share", lambda some: skeleton_repetition([moulds[i] for i in some])),
    ):
        values = np.array([figure(some) for some in draws]).reshape(20, 30)
        found = [prediction_limit(row[:20], 0.05, "either", scale, 300) for row in values.tolist()]
        beyond = [
            not limit.holds(value)
            for limit, row in zip(found, values.tolist(), strict=True)
            for value in row[20:]
        ]
        assert 0.01 < np.mean(beyond) < 0.1  # 0.05 of 200 on 20 limits, three standard errors
