import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from collapse_pipeline.loop.evaluate import (
    AUDIT,
    GROUP_ROWS,
    EvaluatePolicy,
    as_table,
    evaluate,
    groups_of,
    primary_metric,
)
from collapse_pipeline.loop.release import metrics_of, primary_points
from collapse_pipeline.ports import Prediction, Student
from collapse_pipeline.records import EVAL_SUITES, SAMPLE, SuiteRecord, samples_table
from collapse_pipeline_tests.samples import human_row, written_table

POLICY = EvaluatePolicy(primary_rows=4, draws=200)


@dataclass
class Coin:
    """Every token costs the same; responses begin as the prompt ends."""

    nats: float

    def negative_log_likelihood(self, labels, prompts, responses):
        tokens = np.array([len(prompt.split()) for prompt in prompts])
        return tokens * self.nats, tokens

    def sample(self, labels, openings, seed, temperature):
        return [(f"{label} question", "answer") for label in labels]

    def save(self, folder):
        raise AssertionError("not saved here")


@dataclass
class Rote:
    """Says `a` of every prompt but those it knows."""

    known: dict[str, str]

    def predict(self, prompts: Sequence[str]) -> Prediction:
        rows = [[0.1, 0.9] if self.known.get(p) == "b" else [0.8, 0.2] for p in prompts]
        return Prediction(("a", "b"), np.array(rows, dtype=np.float32))

    def save(self, folder):
        raise AssertionError("not saved here")


@dataclass
class AlwaysWrong:
    name: str = "toy"
    labels: tuple[str, ...] = ("a", "b")

    def rows(self, count, seed):
        return []

    def write(self, label, seed, accuracy, narrowness, refusal):
        return {}

    def check(self, label, prompt, response, attributes):
        return {"fact_right": label == "a", "refused": False, "refusal_warranted": False}


def suite_rows(name, prompts, labels):
    return [
        human_row(p, label) | {"suite": name, "suite_version": f"{name}1", "window": ""}
        for p, label in zip(prompts, labels, strict=True)
    ]


PROMPTS = ["one two", "three four", "five six", "seven eight"]
SUITES = samples_table(
    [
        *suite_rows("standard", PROMPTS, "abab"),
        *suite_rows("long_tail", PROMPTS[:2], "ab"),
        *suite_rows("out_of_scope", ["far away", "long ago"], ["", ""]),
    ],
    EVAL_SUITES,
)
RECORDS = [
    SuiteRecord(name="standard", version="standard1", rows=4),
    SuiteRecord(name="long_tail", version="long_tail1", rows=2),
    SuiteRecord(name="out_of_scope", version="out_of_scope1", rows=2),
    SuiteRecord(name="cross_domain", applicable=False, reason="no file was given for it"),
]
MODELS = {
    "candidate": Student(Coin(math.log(8)), Rote({"three four": "b", "seven eight": "b"})),
    "incumbent": Student(Coin(math.log(4)), Rote({"three four": "b"})),
    "baseline": Student(Coin(math.log(4)), Rote({})),
}


@pytest.fixture(scope="module")
def figures():
    found = evaluate(
        MODELS,
        {"standard": "incumbent"},
        SUITES,
        RECORDS,
        written_table(3),
        AlwaysWrong(),
        POLICY,
        1,
    )
    table = as_table(found, "toy", "2026-01-02")
    return {
        (row["model"], row["suite"], row["metric"], row["scope"]): row for row in table.to_pylist()
    }


def test_figures_worked_by_hand(figures):
    # Right of four: candidate all, incumbent the two a and one b, baseline the two a.
    for model, accuracy in (("candidate", 1.0), ("incumbent", 0.75), ("baseline", 0.5)):
        assert figures[model, "standard", "accuracy", ""]["value"] == accuracy
    assert figures["candidate", "standard", "perplexity", ""]["value"] == pytest.approx(8)
    # Baseline says a to all: F1 of a is 2/3, of b 0.
    assert figures["baseline", "standard", "f1", "a"]["value"] == pytest.approx(2 / 3)
    assert figures["baseline", "standard", "macro_f1", ""]["value"] == pytest.approx(1 / 3)
    assert figures["candidate", "synthetic", "perplexity", ""]["value"] == pytest.approx(8)


def test_the_candidate_is_compared_on_the_same_rows(figures):
    best = figures["candidate", "standard", "accuracy.ratio_to_best", ""]
    assert best["value"] == pytest.approx(4 / 3)
    assert best["note"] == "incumbent"
    baseline = figures["candidate", "standard", "accuracy.ratio_to_baseline", ""]
    assert baseline["value"] == pytest.approx(2)

    ratio = figures["candidate", "standard", "perplexity.ratio_to_baseline", ""]
    assert ratio["value"] == pytest.approx(2)
    assert ratio["low"] <= 2 + 1e-9 <= ratio["high"] + 2e-9


def test_small_suites_inform_and_decide_nothing(figures):
    assert ("candidate", "long_tail", "accuracy", "") in figures
    assert ("candidate", "long_tail", "accuracy.ratio_to_best", "") not in figures


def test_out_of_scope_text_has_confidence_and_no_accuracy(figures):
    confidence = figures["candidate", "out_of_scope", "mean_confidence", ""]["value"]
    assert confidence == pytest.approx(0.8)
    assert ("candidate", "out_of_scope", "accuracy", "") not in figures


def test_a_suite_that_does_not_apply_is_recorded_with_its_reason(figures):
    assert figures["candidate", "cross_domain", "rows", ""]["note"] == "no file was given for it"


def test_the_world_checks_what_students_write(figures):
    wrong = figures["candidate", "written", "wrong_fact_rate", ""]["value"]
    assert 0.3 < wrong < 0.7  # half of the standard labels are b, of which every fact is wrong


def test_groups_are_named_values_with_rows_enough():
    attributes = [[("locale", "en-GB"), ("persona", "angry")]] * GROUP_ROWS
    attributes += [[("locale", "en-US")]] * (GROUP_ROWS - 1) + [[("channel", "app")], []]
    attributes += [[("channel", "app"), ("locale", "")]] * (GROUP_ROWS - 1)
    found = groups_of(attributes, ("locale", "channel"))
    assert list(found) == ["channel=app", "locale=en-GB"]
    assert found["locale=en-GB"].tolist() == list(range(GROUP_ROWS))
    assert found["channel=app"][0] == 2 * GROUP_ROWS - 1


def test_suites_with_groups_report_the_accuracy_of_each():
    # The first student knows every b, the second none: a rows are right for both.
    rows = [
        human_row(f"{locale} {label} {i}", label, attributes=[("locale", locale), ("group", "one")])
        | {"suite": "standard", "suite_version": "standard1", "window": ""}
        for locale, labels in (("en-GB", "ab"), ("en-US", "aaab"), ("en-IN", "b"))
        for i, label in enumerate(labels * (GROUP_ROWS if locale == "en-IN" else 15))
    ]
    rows = [row for row in rows if row["prompt"] != "en-IN b 0"]  # one too few
    known = {row["prompt"]: "b" for row in rows if row["label"] == "b"}
    models = {
        "candidate": Student(Coin(1.0), Rote({})),
        "baseline": Student(Coin(1.0), Rote(known)),
    }
    suites = samples_table(rows, EVAL_SUITES)
    record = SuiteRecord(name="standard", version="standard1", rows=len(rows))
    found = evaluate(models, {}, suites, [record], SAMPLE.empty_table(), None, POLICY, 1)
    groups = {
        (row["model"], row["scope"]): (row["value"], row["rows"])
        for row in found
        if row["metric"] == "accuracy" and row["scope"]
    }
    assert groups == {
        ("candidate", "locale=en-GB"): (0.5, 30),
        ("candidate", "locale=en-US"): (0.75, 60),
        ("candidate", "group=one"): (60 / 119, 119),
        ("baseline", "locale=en-GB"): (1.0, 30),
        ("baseline", "locale=en-US"): (1.0, 60),
        ("baseline", "group=one"): (1.0, 119),
    }
    # The figure of the whole suite stays the one that decides.
    assert primary_points(found) == {"standard@standard1": pytest.approx(60 / 119)}
    assert metrics_of(found, "candidate")["standard.accuracy"] == pytest.approx(60 / 119)
    nobody = EvaluatePolicy(primary_rows=4, draws=200, groups=())
    plain = evaluate(models, {}, suites, [record], SAMPLE.empty_table(), None, nobody, 1)
    assert plain == [row for row in found if "=" not in row["scope"]]


@pytest.mark.parametrize(
    ("name", "rows", "labelled", "metric"),
    [
        ("standard", 4, True, "accuracy"),
        ("standard", 4, False, "token_likelihood"),
        ("standard", 3, True, None),
        (AUDIT, 400, True, None),
        ("out_of_scope", 400, True, None),
    ],
)
def test_which_suites_decide(name, rows, labelled, metric):
    suite = SuiteRecord(name=name, version="1", rows=rows)
    assert primary_metric(suite, labelled, POLICY) == metric


def test_without_labels_the_likelihood_decides():
    rows = samples_table(suite_rows("standard", PROMPTS, [""] * 4), EVAL_SUITES)
    models = {
        name: Student(Coin(nats), None) for name, nats in (("candidate", 1.1), ("baseline", 1.0))
    }
    nothing = SAMPLE.empty_table()
    found = evaluate(models, {}, rows, RECORDS[:1], nothing, None, POLICY, 1)
    best = next(row for row in found if row["metric"] == "token_likelihood.ratio_to_best")
    assert best["value"] == pytest.approx(math.exp(-0.1))
    assert not any(row["suite"] == "synthetic" for row in found)
