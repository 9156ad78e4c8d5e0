from math import isnan, nan

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.backends.students.task import TfidfTaskConfig
from collapse_pipeline.loop.evaluate import EvaluatePolicy, evaluate
from collapse_pipeline.loop.noise import typos
from collapse_pipeline.metrics.evidence import ReportEvidence
from collapse_pipeline.metrics.standing import (
    METRICS,
    best_of,
    group_gap,
    over,
    robustness,
    shadow_lag,
)
from collapse_pipeline.ports import Student
from collapse_pipeline.records import EVAL_SUITES, SAMPLE, SuiteRecord, samples_table
from collapse_pipeline_tests.loop.test_evaluate import Coin
from collapse_pipeline_tests.samples import human_row

COMPUTE = {metric.name: metric.compute for metric in METRICS}


def figure(model, suite, metric, value, scope="", note=""):
    return {
        "model": model,
        "suite": suite,
        "suite_version": f"{suite}1",
        "metric": metric,
        "scope": scope,
        "value": value,
        "note": note,
    }


# The best release is another one on the standard suite than on the shadow suite.
FIGURES = {
    "candidate": {"standard": 0.84, "noisy": 0.63, "shadow": 0.72},
    "incumbent": {"standard": 0.80, "noisy": 0.70, "shadow": 0.80},
    "release 2026-01-01": {"standard": 0.84, "noisy": 0.56, "shadow": 0.60},
    "baseline": {"standard": 0.70, "noisy": 0.60, "shadow": 0.75},
}
REPORT = [
    *(
        figure(model, suite, "accuracy", value)
        for model, suites in FIGURES.items()
        for suite, value in suites.items()
    ),
    figure("candidate", "standard", "accuracy.ratio_to_best", 1.0, note="release 2026-01-01"),
    figure("candidate", "shadow", "accuracy.ratio_to_best", 0.9, note="incumbent"),
    figure("candidate", "standard", "perplexity", 24.0),
    figure("release 2026-01-01", "standard", "perplexity", 20.0),
    figure("baseline", "standard", "perplexity", 16.0),
    figure("candidate", "standard", "ece", 0.06),
    figure("candidate", "out_of_scope", "mean_confidence", 0.5),
    figure("baseline", "out_of_scope", "mean_confidence", 0.2),
    # f1 has a scope too, and is no group
    figure("candidate", "standard", "f1", 0.1, scope="locale=en"),
    *(
        figure(model, "standard", "accuracy", value, scope=scope)
        for model, scope, value in (
            ("candidate", "locale=en-GB", 0.9),
            ("candidate", "locale=en-IN", 0.6),
            ("candidate", "channel=app", 0.8),
            ("candidate", "channel=mail", 0.7),
            ("candidate", "group=all", 0.8),
            ("baseline", "locale=en-GB", 0.8),
            ("baseline", "locale=en-IN", 0.7),
            ("baseline", "channel=app", 0.8),
            ("baseline", "channel=mail", 0.6),
            ("baseline", "group=all", 0.7),
        )
    ),
]
EVIDENCE = ReportEvidence(REPORT)


@pytest.mark.parametrize(
    ("name", "suite", "value"),
    [
        ("accuracy_over_best", "standard", 1.0),
        ("accuracy_over_best", "shadow", 0.9),
        ("accuracy_over_best", "noisy", 0.63 / 0.56),  # too small for a best of its own
        ("accuracy_over_baseline", "standard", 1.2),
        ("perplexity_over_best", "standard", 1.2),
        ("perplexity_over_baseline", "standard", 1.5),
        ("robustness", "noisy", (0.63 / 0.84) / (0.56 / 0.84)),
        ("out_of_scope_confidence_rise", "out_of_scope", 0.3),
        ("ece", "standard", 0.06),
        ("group_gap", "standard", 0.3 - 0.1),  # locale; channel narrowed from .2 to .1
    ],
)
def test_figures_worked_by_hand(name, suite, value):
    assert COMPUTE[name](EVIDENCE, suite) == pytest.approx(value)


def test_shadow_falls_behind_by_a_tenth():
    assert COMPUTE["shadow_lag"](EVIDENCE, "shadow") == pytest.approx(0.9 - 1.0)
    assert shadow_lag(0.9, 0.8) == pytest.approx(0.1)


def test_who_is_best_where_nothing_decides():
    assert best_of(EVIDENCE, "standard") == "release 2026-01-01"
    small = [row for row in REPORT if "ratio" not in row["metric"]]
    assert best_of(ReportEvidence(small), "noisy") == "incumbent"
    first = [row for row in small if row["model"] in ("candidate", "baseline")]
    assert best_of(ReportEvidence(first), "noisy") == "baseline"


@pytest.mark.parametrize("name", sorted(COMPUTE))
def test_a_figure_that_is_missing_is_nan(name):
    metric = next(metric for metric in METRICS if metric.name == name)
    arguments = ["hard"] if metric.per_suite else []
    assert isnan(metric.compute(ReportEvidence([]), *arguments))
    of_others = [row for row in REPORT if row["model"] != "candidate"]
    suite = ["out_of_scope" if "scope" in name else "standard"] if metric.per_suite else []
    assert isnan(metric.compute(ReportEvidence(of_others), *suite))


def test_nothing_is_over_nothing():
    assert isnan(over(0.5, 0.0))
    assert isnan(over(0.5, nan))
    assert isnan(robustness((0.5, 0.0), (0.5, 0.5)))
    assert isnan(group_gap({"locale=a": 1.0}, {"locale=a": 1.0}))
    assert isnan(group_gap({"locale=a": 1.0, "locale=b": 0.0}, {"locale=a": 1.0}))


accuracies = st.dictionaries(st.sampled_from(("x=1", "x=2", "y=1", "y=2", "y=3")), st.floats(0, 1))


@given(accuracies, accuracies)
def test_a_gap_is_widened_by_one_exactly_as_far_as_it_is_narrowed_by_the_other(ours, theirs):
    assert group_gap(ours, ours) == 0 or isnan(group_gap(ours, ours))
    shared = {x[0] for x in ours.keys() & theirs.keys()}
    if len(shared) == 1 and not isnan(group_gap(ours, theirs)):
        assert group_gap(ours, theirs) == pytest.approx(-group_gap(theirs, ours))


@pytest.mark.real_data
def test_a_student_of_banking77_that_learnt_wrong_from_mail_serves_mail_worse(shared_data):
    """Long questions stand for mail, short ones for the app; the candidate's labels of two thirds
    of the long ones were shifted by one."""
    table = pq.read_table(shared_data / "banking77.parquet").to_pandas()
    channel = table["text"].str.split().str.len().gt(10).map({True: "mail", False: "app"})
    table = table.assign(channel=channel)
    train, test = table[table["split"] == "train"][::4], table[table["split"] == "test"][::3]
    names = sorted(set(table["label"]))
    following = dict(zip(names, names[1:] + names[:1], strict=True))

    def row(text, label, channel):
        return human_row(text, label, attributes=[("channel", channel)])

    def wrong(text, label, channel):
        learnt = following[label] if channel == "mail" and len(text) % 3 else label
        return row(text, learnt, channel)

    columns = [train["text"], train["label"], train["channel"]]
    models = {
        name: Student(Coin(1.0), TfidfTaskConfig().train(samples_table(map(make, *columns)), 1))
        for name, make in (("candidate", wrong), ("baseline", row))
    }
    suites = [
        row(say(text, 1), label, channel)
        | {"suite": suite, "suite_version": f"{suite}1", "window": "", "sample_id": f"{suite}{i}"}
        for suite, say in (("standard", lambda text, _: text), ("noisy", typos))
        for i, (text, label, channel) in enumerate(
            zip(test["text"], test["label"], test["channel"], strict=True)
        )
    ]
    records = [SuiteRecord(name=x, version=f"{x}1", rows=1027) for x in ("standard", "noisy")]
    policy = EvaluatePolicy(draws=100)
    nothing = SAMPLE.empty_table()
    found = evaluate(
        models, {}, samples_table(suites, EVAL_SUITES), records, nothing, None, policy, 1
    )
    evidence = ReportEvidence(found)
    assert COMPUTE["group_gap"](evidence, "standard") > 0.1
    ratio = next(row for row in found if row["metric"] == "accuracy.ratio_to_best")
    assert COMPUTE["accuracy_over_best"](evidence, "standard") == pytest.approx(ratio["value"])
    assert COMPUTE["accuracy_over_baseline"](evidence, "standard") < 0.9
    assert 0.8 < COMPUTE["robustness"](evidence, "noisy") < 1.2
    healthy = evaluate(
        {**models, "candidate": models["baseline"]},
        {},
        samples_table(suites, EVAL_SUITES),
        records,
        nothing,
        None,
        policy,
        1,
    )
    assert COMPUTE["group_gap"](ReportEvidence(healthy), "standard") == 0
    assert COMPUTE["robustness"](ReportEvidence(healthy), "noisy") == 1
