from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import collapse_pipeline
from collapse_pipeline.loop.checklist import (
    NO_EVIDENCE,
    OF_METRIC,
    Dimension,
    Wanted,
    checklist,
    dimension_of,
    red_lines,
)
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.pinned import Manifest, Parent
from collapse_pipeline.metrics.catalogue import CATALOGUE
from collapse_pipeline.records import TablePin, Verdict
from collapse_pipeline_tests.decisions import Decisions

NIGHT = "2026-01-04"
GATES = Path(collapse_pipeline.__file__).parent / "config" / "gates.yaml"


def manifest(**over):
    return Manifest.model_validate(
        {
            "corpus": "toy",
            "generation": NIGHT,
            "attempt": 1,
            "verdict": Verdict.PROMOTED,
            "blocked_by": (),
            "model": "m",
            "baseline_model": "b",
            "parent": Parent(),
            "depth": 1,
            "shares": {"human": 0.7, "synthetic": 0.3},
            "rows": {"filtered_batch": 100},
            "metrics": {},
            "released": {},
            "points": {"standard@v1": 0.91},
            "gain": "",
            "components": {"judge": "jury@1"},
            "tables": (TablePin(table="human_anchor", version=1, rows=500, digest="ab" * 16),),
            "ledger_head": {},
        }
        | over
    )


def value(gate, statistic, asset="synthetic_batch", outcome="pass", severity="block", **over):
    return {
        "gate": gate,
        "statistic": statistic,
        "asset": asset,
        "outcome": outcome,
        "severity": severity,
        "value": 0.5,
    } | over


VALUES = [
    value("distribution_contract", "coverage"),
    value("style_uniform", "skeleton_repetition"),
    value("fragile_on_noise", "accuracy@noisy", "eval_report"),
]
PINS = {"training_mix at version 3": "", "student m": ""}
GOOD = {"values": VALUES, "pins": PINS}


def rows(subject=..., values=VALUES, pins=PINS, ledger=None, shares=None, **wanted):
    found = checklist(
        manifest() if subject is ... else subject,
        values,
        (ledger or Decisions()).state(),
        pins,
        shares or {},
        Wanted(as_of=NIGHT, review_rows=50, experiment_days=90, **wanted),
    )
    return {row.dimension: row for row in found}


def test_seven_rows_by_hand():
    found = rows()
    assert list(found) == list(Dimension)
    assert [row.red for row in found.values()] == [False] * 7
    said = {dimension.value: row.evidence for dimension, row in found.items()}
    assert said == {
        "data source": f"500 human rows pinned as {'ab' * 6}; judge jury@1",
        "sample distribution": "pass: distribution_contract",
        "repetition and similarity": "pass: style_uniform",
        "evaluation system": "measured on standard 0.910; pass: fragile_on_noise",
        "ratio control": "synthetic 30.0%, depth 1",
        "manual review": "no gate requires a review",
        "rollback": "2 pinned parts are there and hash right",
    }
    assert red_lines(list(found.values())) == []


def test_what_nothing_vouches_for_is_a_red_line():
    found = rows(None, [], {})
    assert {row.evidence for row in found.values()} == {NO_EVIDENCE}
    assert all(row.red for row in found.values())
    assert red_lines(list(found.values()))[0] == f"data source: {NO_EVIDENCE}"


@pytest.mark.parametrize(
    ("dimension", "bad", "match"),
    [
        (Dimension.DATA_SOURCE, {"subject": manifest(tables=())}, "no human anchor is pinned"),
        (Dimension.SAMPLE_DISTRIBUTION, {"values": VALUES[1:]}, NO_EVIDENCE),
        (Dimension.REPETITION, {"values": VALUES[:1]}, NO_EVIDENCE),
        (Dimension.EVALUATION_SYSTEM, {"subject": manifest(points={})}, "no suite is large"),
        (
            Dimension.RATIO_CONTROL,
            {"subject": manifest(shares={"human": 0.1, "synthetic": 0.9})},
            "human text is 10.0%",
        ),
        (Dimension.ROLLBACK, {"pins": {**PINS, "student m": "no such model"}}, "no such model"),
        (
            Dimension.MANUAL_REVIEW,
            {"ledger": Decisions().say(Act.REVIEW_REQUIRED, NIGHT, gate="single_source")},
            f"50 rows is required by gate single_source on {NIGHT}",
        ),
    ],
)
def test_each_dimension_has_its_red_line_and_no_other_is_touched(dimension, bad, match):
    found = rows(**bad)
    red = {row.dimension for row in found.values() if row.red}
    assert dimension in red
    assert match in found[dimension].evidence
    alone = dimension not in (Dimension.SAMPLE_DISTRIBUTION, Dimension.REPETITION)
    assert not alone or red == {dimension}


def test_a_breach_is_a_red_line_where_it_blocks_and_was_not_accepted():
    breach = value("questions_alike", "question_form_diversity", outcome="breach", value=0.1234)
    found = rows(values=[*VALUES, breach])[Dimension.REPETITION]
    assert found.red
    assert found.evidence == (
        "questions_alike breached: question_form_diversity 0.1234; pass: style_uniform"
    )
    warns = rows(values=[*VALUES, {**breach, "severity": "warn"}])[Dimension.REPETITION]
    assert not warns.red
    assert "warns: questions_alike" in warns.evidence
    ledger = Decisions().say(
        Act.GATE_ACCEPTED, "", "ann", "resumer", "one exam form", gate="questions_alike"
    )
    accepted = rows(values=[*VALUES, breach], ledger=ledger)[Dimension.REPETITION]
    assert not accepted.red
    assert "accepted by ann on 2026-03-01 (one exam form): questions_alike" in accepted.evidence


def test_one_figure_of_several_tells_that_its_gate_breached():
    values = [
        value("style_uniform", "unigram_entropy", outcome="breach"),
        value("style_uniform", "skeleton_repetition", outcome="breach"),
        *VALUES,
    ]
    assert rows(values=values)[Dimension.REPETITION].red


def test_what_does_not_apply_is_said_and_is_no_red_line():
    found = rows(values=[*VALUES[1:], value("tail", "coverage", outcome="not_applicable")])
    assert not found[Dimension.SAMPLE_DISTRIBUTION].red
    assert found[Dimension.SAMPLE_DISTRIBUTION].evidence == "not applicable: tail"


def test_a_share_is_raised_on_evidence_alone():
    asked = rows(share=0.4)[Dimension.RATIO_CONTROL]
    assert asked.red
    assert asked.evidence.startswith(f"{NO_EVIDENCE} for a synthetic share of 40.0%")
    stood = rows(share=0.4, shares={"2026-01-02": 0.4, "2026-01-03": 0.3})[Dimension.RATIO_CONTROL]
    assert (stood.red, "release 2026-01-02 stands on 40.0%" in stood.evidence) == (False, True)
    ledger = Decisions().say(Act.EXPERIMENT_RECORDED, share=0.5)
    for share in (0.4, 0.5):
        tried = rows(share=share, ledger=ledger)[Dimension.RATIO_CONTROL]
        assert (tried.red, "supports 50.0%" in tried.evidence) == (False, True)
    weak = Decisions().say(Act.EXPERIMENT_RECORDED, share=0.35)
    assert rows(share=0.4, ledger=weak)[Dimension.RATIO_CONTROL].red
    weaker = ledger.say(Act.EXPERIMENT_RECORDED, share=0.35)  # after the one that supported it
    assert rows(share=0.4, ledger=weaker)[Dimension.RATIO_CONTROL].red


def test_reviewed_rows_are_evidence():
    ledger = Decisions().say(
        Act.REVIEW_RECORDED, verdicts=[{"sample": "a", "generation": NIGHT, "verdict": "accept"}]
    )
    assert rows(ledger=ledger)[Dimension.MANUAL_REVIEW].evidence == "1 of its rows are reviewed"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["pass", "breach", "not_applicable"]),
            st.sampled_from(["warn", "block"]),
            st.sampled_from(["coverage", "skeleton_repetition", "pin_faults"]),
        ),
        max_size=6,
    )
)
def test_a_further_blocking_breach_never_clears_a_red_line(found):
    values = [
        value(f"g{n}", statistic, outcome=outcome, severity=severity)
        for n, (outcome, severity, statistic) in enumerate(found)
    ]
    before = {d for d, row in rows(values=values).items() if row.red}
    breach = value("another", "coverage", outcome="breach")
    after = {d for d, row in rows(values=[*values, breach]).items() if row.red}
    assert after == before | {Dimension.SAMPLE_DISTRIBUTION}


def test_the_default_gates_vouch_for_every_dimension():
    """Manual review and ratio control stand on facts as well."""
    found = {}
    for gate in yaml.safe_load(GATES.read_text("utf-8")):
        for condition in gate.get("of", [gate]):
            row = {"statistic": condition["metric"], "asset": gate["asset"]}
            found.setdefault(dimension_of(row), set()).add(gate["name"])
    assert set(found) == set(Dimension)
    assert {"style_uniform", "duplicates_rise"} <= found[Dimension.REPETITION]
    assert "distribution_contract" in found[Dimension.SAMPLE_DISTRIBUTION]
    assert found[Dimension.ROLLBACK] == {"rollback_impossible"}
    assert found[Dimension.MANUAL_REVIEW] == {"review_missing"}


def test_every_metric_that_is_named_exists():
    assert set(OF_METRIC) <= set(CATALOGUE)
