"""A case study says what its runs say."""

from collapse_pipeline.reporting.cases import CASES, case_study
from collapse_pipeline_tests.loop.test_drill import BAD, night, run


def told(number, *gates, accuracy=0.9, **over):
    more = {
        "generation": f"2026-10-{28 + number}",
        "reasons": {gate: f"{gate} is 0.5, wanted at most 0.1" for gate in gates},
        "averages": {"standard.accuracy": accuracy, "standard.perplexity": 12.0},
        "reviewed": 50 if gates else 0,
    }
    return night(number, *gates, **over) | more


def test_a_case_by_hand():
    stopped = told(1, "style_uniform", verdict="quarantined", frozen=[BAD]) | {"averages": {}}
    quiet = run(told(1), told(2), fault="")
    braked = (run(stopped, told(2, since=40)), quiet)
    free = (run(told(1, accuracy=0.91, since=300), told(2, since=600), accuracy=0.86), quiet)
    said = case_study(CASES[1], braked, free, "the command")
    assert said.startswith("# Customer service in one voice\n")
    assert f"| 1 (2026-10-29) | quarantined | style_uniform | {BAD} | 0 |" in said
    assert "- `style_uniform`: style_uniform is 0.5, wanted at most 0.1" in said
    assert "| 1 | 0.910 | 0.900 | 12.000 | 12.000 |" in said
    assert "- rows that a person was asked to review: 50" in said
    assert "1 of 2 nights gave no release; the first release after it is that of night 2." in said
    assert "| points lost on `standard` | 0.0 | 4.0 |" in said
    assert "| rows trained on before the brake | 0 | 600 |" in said


def test_a_fault_that_nothing_saw_is_told_so():
    quiet = run(told(1), fault="")
    said = case_study(CASES[0], (run(told(1)), quiet), (run(told(1)), quiet), "the command")
    assert "None: no gate spoke up" in said
    assert "no night was stopped" in said
