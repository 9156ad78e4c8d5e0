import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collapse_pipeline.backends.gate_files import SHIPPED, read_gates
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.gate import Action, Bound, Condition, Gate, check_condition, metric_of
from collapse_pipeline.metrics.catalogue import CATALOGUE
from collapse_pipeline.metrics.evidence import Need


def condition(metric="coverage", suite="", column="prompt", **bound):
    return Condition(metric=metric, bound=Bound(**bound or {"at_least": 0.5}), suite=suite,
                     column=column)  # fmt: skip


def gate(*conditions, asset="synthetic_batch", **over):
    return Gate(name="g", asset=asset, of=conditions or (condition(),), why="Why.", **over)


@pytest.mark.parametrize(
    ("found", "statistic", "metric"),
    [
        (condition(), "coverage", "coverage"),
        (condition(column="response"), "coverage.response", "coverage"),
        (condition("perplexity_gap", "standard"), "perplexity_gap@standard", "perplexity_gap"),
        (
            condition("accuracy", "noisy", worse_than="best", by=0.04),
            "accuracy_over_best@noisy",
            "accuracy_over_best",
        ),
    ],
)
def test_a_figure_is_named_by_its_metric_column_and_suite(found, statistic, metric):
    assert found.statistic == statistic
    assert metric_of(statistic).name == metric


def test_one_metric_on_the_gate_itself_is_one_condition():
    said = {"name": "g", "asset": "eval_report", "why": "Why."}
    one = {"metric": "ece", "bound": {"at_most": 0.1}, "suite": "standard"}
    assert Gate.model_validate(said | one) == Gate.model_validate(said | {"of": [one]})
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Gate.model_validate(said | one | {"of": [one]})
    with pytest.raises(ValidationError, match="Field required"):
        Gate.model_validate(said)


@pytest.mark.parametrize(
    "bound",
    [
        {},
        {"at_most": 1, "at_least": 0},
        {"calibrated": "above", "trend": {"towards": "above"}},
        {"by": 0.1},
        {"at_most": 1, "by": 0.1},
        {"at_most": 1, "harmless": 1},
        {"calibrated": "either", "harmless": 1},
        {"at_most": float("nan")},
        {"at_least": float("-inf")},
        {"calibrated": "above", "harmless": float("nan")},
        {"worse_than": "best", "by": -0.1},
        {"worse_than": "best", "by": float("inf")},
        {"worse_than": "last"},
        {"trend": {"towards": "above", "least": 13}},  # longer than a trend looks back
        {"trend": {"towards": "above", "z": float("nan")}},
        {"at_most": 1, "unknown": 1},
    ],
)
def test_a_bound_that_bounds_nothing_or_twice_is_refused(bound):
    with pytest.raises(ValidationError):
        Bound.model_validate(bound)


@pytest.mark.parametrize(
    ("conditions", "over", "says"),
    [
        ((), {"of": ()}, "a gate wants a metric"),
        ((condition(),), {"any": 2}, "any: 2 of 1 conditions can never happen"),
        ((condition(),), {"per": "label", "severity": "block"}, "can only warn"),
        ((condition(calibrated="below"),), {"per": "label"}, "no null to calibrate by"),
        ((condition(at_least=0.5), condition(at_least=0.6)), {}, "two conditions on the same"),
        ((condition(),), {"persist": 0}, "greater than or equal to 1"),
        ((condition(),), {"name": "g/h"}, "pattern"),  # keys of the ledger are split there
        ((condition(),), {"why": ""}, "at least 1 character"),
    ],
)
def test_a_gate_that_could_not_decide_is_refused(conditions, over, says):
    said = {"name": "g", "asset": "synthetic_batch", "of": conditions, "why": "Why."}
    with pytest.raises(ValidationError, match=says):
        Gate.model_validate(said | over)


def test_the_same_metric_may_be_bounded_on_prompts_and_on_responses():
    gate(condition(), condition(column="response"))


@pytest.mark.parametrize(
    ("found", "over", "wanted", "got"),
    [
        (condition("covrage"), {}, "a metric of the catalogue", "'covrage'"),
        (condition("ece", worse_than="best"), {}, "a metric of the catalogue", "'ece_over_best'"),
        (condition(), {"asset": "release"}, "a metric of release", "measured on synthetic_batch"),
        (condition(suite="standard"), {}, "name a suite exactly where", "'standard' for coverage"),
        (condition("ece"), {"asset": "eval_report"}, "name a suite exactly where", "'' for ece"),
        (
            condition("smoother_but_worse", "standard"),
            {"asset": "eval_report"},
            "name a suite exactly where",
            "'standard' for smoother_but_worse",
        ),
        (condition("ece", "audit"), {"asset": "eval_report"}, "decides something", "audit"),
        (
            condition("acceptance_rate", column="response"),
            {"asset": "judged_batch"},
            "only where texts are measured",
            "column response for acceptance_rate",
        ),
        (condition("coverage"), {"per": "label"}, "split by label", "coverage, by "),
        (
            condition("nights_alone", calibrated="above"),
            {"asset": "release"},
            "replicate",
            "nights",
        ),
        (
            condition("human_share", calibrated="below"),
            {"asset": "training_mix"},
            "what replicate chains have",
            "human_share of training_mix",
        ),
        (
            condition("accuracy_over_baseline", "standard", calibrated="below"),
            {"asset": "eval_report"},
            "what replicate chains have",
            "accuracy_over_baseline",
        ),
        (
            condition("perplexity_over_best", "standard", calibrated="above"),
            {"asset": "eval_report"},
            "what replicate chains have",
            "perplexity_over_best",
        ),
        (
            condition("gold_drift", calibrated="above"),
            {"asset": "judged_batch"},
            "what replicate chains have",
            "gold_drift",
        ),
    ],
)
def test_what_the_catalogue_has_otherwise_is_refused(found, over, wanted, got):
    scopes = CATALOGUE["coverage"].scopes
    assert "label" not in scopes, scopes
    with pytest.raises(BadInputError) as told:
        check_condition(gate(found, **over), found)
    assert wanted in told.value.wanted
    assert got in told.value.got


@given(st.sampled_from(sorted(CATALOGUE)), st.sampled_from(["above", "below"]))
def test_every_metric_can_be_gated_by_a_number_on_its_own_asset(name, side):
    metric = CATALOGUE[name]
    suite = "standard" if metric.asset == "eval_report" and metric.per_suite else ""
    bound = {"at_most": 1.0} if side == "above" else {"at_least": 0.0}
    found = condition(name, suite, **bound)
    check_condition(gate(found, asset=metric.asset), found)


def test_the_default_suite_freezes_only_what_its_assets_can_blame():
    for found in read_gates(SHIPPED):
        actions = {*found.actions, *found.escalate}
        if Action.FREEZE_JUDGE in actions:
            assert found.asset == "judged_batch"
        if actions & {Action.FREEZE_TEMPLATE, Action.FREEZE_TEACHER}:
            assert found.asset == "synthetic_batch"
        for one in found.of:
            assert Need.GOLD not in metric_of(one.statistic).needs or not one.bound.calibrated
