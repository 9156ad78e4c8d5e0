from math import isnan

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.embedders.static import StaticEmbedder
from collapse_pipeline.backends.gate_files import SHIPPED, read_gates
from collapse_pipeline.loop.gate import Bound, Condition, Gate
from collapse_pipeline.loop.measure import drawn, figure, measure, parts, rows_of
from collapse_pipeline.metrics.evidence import (
    BatchEvidence,
    FilteredEvidence,
    JudgedEvidence,
    MixEvidence,
    Need,
    ReleaseEvidence,
    ReportEvidence,
    Texts,
)
from collapse_pipeline.records import JUDGED_BATCH, SuiteRecord, samples_table
from collapse_pipeline_tests.metrics.generations import replaced
from collapse_pipeline_tests.samples import human_table, written_row, written_table

RELEASE = {
    "pin_faults": 2,
    "outside_suites": 3,
    "changed_components": 0,
    "reviewed_rows": 0,
    "review_density": 0.0,
    "kept_rows": 40,
    "nights_alone": 1,
    "calibration_faults": 0,
}


def condition(metric, suite="", column="prompt"):
    return Condition(metric=metric, bound=Bound(at_most=1), suite=suite, column=column)


def gate(*conditions, asset="synthetic_batch", **over):
    return Gate(name="g", asset=asset, of=conditions, why="Why.", **over)


def batch(texts, labels=("a",), templates=("p@1",)):
    return samples_table(
        written_row(
            text,
            labels[i % len(labels)],
            seed=i,
            template=templates[i % len(templates)],
            response=f"answer {i % 2}",
        )
        for i, text in enumerate(texts)
    )


def evidence(rows, human=None):
    return BatchEvidence(Texts(rows), Texts(human if human is not None else human_table(20)))


# Draws.


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(0, 40), st.integers(0, 5), st.randoms())
def test_a_draw_is_the_same_whatever_order_the_rows_come_in(rows, count, seed, random):
    table = human_table(rows)
    order = random.sample(range(rows), rows)
    found = drawn(table, count, seed)
    assert found == drawn(table.take(pa.array(order, pa.int64())), count, seed)
    ids = found["sample_id"].to_pylist()
    assert len(set(ids)) == min(rows, count)
    assert {*ids} <= {*table["sample_id"].to_pylist()}


def test_another_seed_draws_other_rows_and_every_row_as_often():
    table = human_table(40)
    draws = [drawn(table, 10, seed)["sample_id"].to_pylist() for seed in range(400)]
    assert draws[0] != draws[1]
    counts = np.unique(np.concatenate(draws), return_counts=True)[1]
    assert (len(counts), counts.min() > 60, counts.max() < 145) == (40, True, True)  # 100 each


def test_parts_by_hand():
    rows = batch([f"text {i}" for i in range(9)], labels=("a", "b", "b"))
    found = parts(Texts(rows), "label", 6)
    assert {label: len(part) for label, part in found.items()} == {"b": 6}
    assert {*found["b"].labels} == {"b"}
    assert list(parts(Texts(rows), "label", 1)) == ["a", "b"]


# Figures.


def test_figures_by_hand():
    rows = batch(["one two", "one two", "three four", "five six"])
    gates = [
        gate(condition("exact_duplicates"), condition("exact_duplicates", column="response")),
        gate(condition("exact_duplicates")),
    ]
    found = measure(gates, evidence(rows), [Need.RESPONSES])
    assert {key: (m.value, m.rows, m.applies) for key, m in found.items()} == {
        ("exact_duplicates", ""): (0.5, 4, True),
        ("exact_duplicates.response", ""): (1.0, 4, True),
    }


def test_a_figure_that_two_gates_read_is_worked_out_once(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "collapse_pipeline.loop.measure.figure", lambda c, e: asked.append(c.statistic)
    )
    gates = [gate(condition("exact_duplicates"), condition("coverage"))] * 2
    measure(gates, evidence(batch(["a", "b"])), [*Need])
    assert asked == ["exact_duplicates", "coverage"]


def test_what_the_corpus_does_not_have_does_not_apply_and_says_why():
    rows = evidence(batch(["a", "b"]))
    gates = [
        gate(
            condition("tail_label_mass"),
            condition("wrong_fact_rate", column="response"),
            condition("exact_duplicates"),
            condition("exact_duplicates", column="response"),
        )
    ]
    found = measure(gates, rows, [])
    said = {name: (m.applies, m.note) for (name, _), m in found.items()}
    assert said == {
        "tail_label_mass": (False, "no labels"),
        "wrong_fact_rate.response": (False, "no responses, reference world"),
        "exact_duplicates": (True, ""),
        "exact_duplicates.response": (False, "no responses"),
    }
    assert all(isnan(m.value) for (name, _), m in found.items() if name != "exact_duplicates")


def test_a_suite_that_does_not_apply_says_why():
    report = [
        {
            "model": model,
            "metric": "perplexity",
            "suite": "standard",
            "scope": "",
            "value": value,
            "note": "",
        }
        for model, value in (("candidate", 30.0), ("baseline", 20.0))
    ]
    suites = [SuiteRecord(name="standard"), SuiteRecord(name="hard", applicable=False, reason="x")]
    over = [
        Condition(metric="perplexity", bound=Bound(worse_than="baseline"), suite=suite)
        for suite in ("standard", "hard", "standrad")
    ]
    found = measure([gate(*over, asset="eval_report")], ReportEvidence(report), [], suites)
    name = "perplexity_over_baseline"
    assert {key: (m.value if m.applies else m.note) for (key, _), m in found.items()} == {
        f"{name}@standard": 1.5,
        f"{name}@hard": "x",
        f"{name}@standrad": "no suite standrad",
    }


def test_too_few_rows_are_no_figure_and_the_note_says_so():
    found = figure(condition("exact_duplicates"), evidence(batch([])))
    assert isnan(found.value)
    assert found.applies
    assert "exact_duplicates" in found.note


def test_what_the_release_notes_of_a_figure_is_said_with_it():
    told = ReleaseEvidence(**RELEASE, notes={"pin_faults": "table gone"})
    gates = [gate(condition("pin_faults"), condition("outside_suites"), asset="release")]
    found = measure(gates, told, [])
    assert [(m.value, m.note, m.rows) for m in found.values()] == [
        (2, "table gone", 40),
        (3, "", 40),
    ]


def test_a_gate_per_label_measures_every_label_with_rows_enough():
    texts = ["same words", "same words", "other words", "other words", "lone", "one", "two"]
    rows = batch(texts, labels=("a", "a", "b", "b", "c", "a", "b"))
    per_label = gate(condition("exact_duplicates"), per="label", least_rows=2)
    found = measure([per_label, gate(condition("exact_duplicates"))], evidence(rows), [])
    assert {scope: (m.value, m.rows) for (_, scope), m in found.items()} == {
        "label=a": (pytest.approx(2 / 3), 3),
        "label=b": (pytest.approx(2 / 3), 3),
        "": (pytest.approx(4 / 7), 7),
    }


def test_a_gate_per_template_of_judgements_reads_its_own_rows():
    rows = [
        written_row(f"text {i}", "a", template=f"p@{i % 2}")
        | {"score": 0.5, "scores": [], "accepted": i % 2 == 0, "reasons": []}
        for i in range(6)
    ]
    judged = JudgedEvidence(Texts(samples_table(rows, JUDGED_BATCH)))
    per_template = gate(
        condition("acceptance_rate"), asset="judged_batch", per="template", least_rows=2
    )
    found = measure([per_template], judged, [])
    assert {scope: m.value for (_, scope), m in found.items()} == {
        "template=p@0": 1.0,
        "template=p@1": 0.0,
    }


def test_how_many_rows_a_figure_was_measured_on():
    rows = written_table(5)
    assert rows_of(evidence(rows)) == 5
    assert rows_of(JudgedEvidence(Texts(rows))) == 5
    assert rows_of(FilteredEvidence(7, {})) == 7
    assert rows_of(MixEvidence(rows)) == 5
    assert rows_of(ReleaseEvidence(**RELEASE)) == 40
    assert rows_of(ReportEvidence([])) == 0


@pytest.mark.real_data
def test_default_gates_on_banking77_do_not_depend_on_the_order_of_rows(shared_data):
    _, healthy, collapsed = replaced(shared_data)
    gates = [g for g in read_gates(SHIPPED) if g.asset == "synthetic_batch"]
    applies = [Need.LABELS, Need.EMBEDDINGS, Need.EARLIER]
    embedder = StaticEmbedder()

    def found(order):
        def draw(texts):
            return Texts(drawn(texts.rows.take(order[: len(texts)]), 400, 1), embedder)

        night = BatchEvidence(
            draw(collapsed.synthetic), draw(collapsed.human), draw(healthy.synthetic), seed=5
        )
        return measure(gates, night, applies)

    rows = len(collapsed.synthetic)
    there, back = found(np.arange(rows)), found(np.arange(rows)[::-1])
    assert {key: m.value for key, m in there.items() if m.applies} == {
        key: m.value for key, m in back.items() if m.applies
    }
    assert sum(m.applies for m in there.values()) >= 10
    assert not any(isnan(m.value) for m in there.values() if m.applies)
