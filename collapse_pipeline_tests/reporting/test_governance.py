import pytest

from collapse_pipeline.reporting.governance import (
    components_table,
    decision_lines,
    review_lines,
)

ROW = {"component": "template", "version": "plain@3fa2", "state": "in_review", "in_use": True}
CHECKLIST = [
    {"dimension": "data source", "evidence": "500 human rows [b]", "red": False},
    {"dimension": "rollback", "evidence": "no evidence", "red": True},
]
DECISION = {
    "corpus": "toy",
    "component": "template",
    "version": "plain@3fa2",
    "state": "frozen",
    "by": "ann",
    "reason": "rigid [sic]",
    "why": ["by ann"],
    "done": True,
}


@pytest.fixture
def lines(capsys):
    """What was printed, line by line, spaces folded."""
    return lambda: [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_components_by_hand(lines):
    rows = [ROW | {"why": ["by ann on 2026-11-02 (a [1])", "by gate g"]}]
    components_table({"corpora": [{"corpus": "toy", "components": rows}]})
    title, header, row, *_ = lines()
    assert title == "toy"
    assert header == "component version state in use why"
    assert row.startswith("template plain@3fa2 in review yes by ann on 2026-11-02 (a [1])")


def test_a_decision_by_hand(lines):
    decision_lines(DECISION)
    assert lines() == ["toy: template plain@3fa2 is frozen (ann: rigid [sic])"]


def test_a_refused_decision_says_its_checklist(lines):
    decision_lines(
        DECISION
        | {"state": "active", "done": False, "checklist": CHECKLIST, "red_lines": ["rollback: x"]}
    )
    said = lines()
    assert "ok data source 500 human rows [b]" in said
    assert "red rollback no evidence" in said
    assert said[-1] == "toy: template plain@3fa2 is active, unchanged: 1 red lines"


def test_a_cap_by_hand(lines):
    document = {"corpus": "toy", "cap": 0.25, "by": "ann", "reason": "calm", "done": True}
    decision_lines(document | {"checklist": [], "red_lines": []})
    assert lines() == ["toy: the cap is 0.25 (ann: calm)"]


def test_reviews_by_hand(lines):
    review = {
        "corpus": "toy",
        "new": True,
        "rows": 3,
        "verdicts": {"accept": 2, "reject": 1},
        "reviewers": ["ann", "bob"],
        "generations": {"2026-01-02": 3},
    }
    review_lines({"reviews": [review, review | {"new": False}]})
    first, second = lines()
    assert first == ("toy: 3 verdicts recorded (accept 2, reject 1; by ann, bob; of 2026-01-02 3)")
    assert "recorded before, nothing was added" in second
