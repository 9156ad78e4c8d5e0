"""Gates on a terminal."""

import pytest

from collapse_pipeline.reporting.gates import calibration_table, explanation, gates_table


@pytest.fixture
def shown(capsys, monkeypatch):
    """What a table prints, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")

    def show(table, said):
        table(said)
        return capsys.readouterr().out

    return show


FIGURE = {
    "statistic": "skeleton_repetition",
    "scope": "",
    "value": 0.4321,
    "bound": "at most 0.2 (healthy: 0.1)",
    "exceeded": True,
    "rows": 200,
    "note": "",
}
GATE = {
    "gate": "style_uniform",
    "asset": "synthetic_batch",
    "outcome": "breach",
    "severity": "block",
    "stopped": True,
    "why": "The rows resemble each other.",
    "found": "skeleton repetition is 0.4321, wanted at most 0.2",
    "blamed": ["template plain@1"],
    "actions": ["freeze_template"],
    "examples": [],
    "figures": [FIGURE],
}
PASSED = GATE | {"gate": "coverage", "outcome": "pass", "stopped": False, "blamed": []}
IDLE = PASSED | {"gate": "questions", "outcome": "not_applicable", "found": "no choices"}
NIGHT = {
    "corpus": "tickets",
    "generation": "2026-11-20",
    "status": "quarantined",
    "parent": "2026-11-19",
    "reasons": {"style_uniform": "alike", "standard.accuracy": "0.9 of the best one's"},
    "gain": "0.01 less accuracy",
    "in_force": ["synthetic_cap 0.2 since 2026-11-18"],
    "gates": [GATE, PASSED, IDLE],
    "next": ["the release in force stayed 2026-11-19"],
}


def test_a_stopped_night_reads_from_top_to_bottom(shown):
    assert shown(explanation, {"generations": [NIGHT]}).splitlines() == [
        "tickets 2026-11-20 is quarantined; it stood on 2026-11-19",
        "  in force: synthetic_cap 0.2 since 2026-11-18",
        "  style_uniform stopped it: The rows resemble each other.",
        "    measured: skeleton repetition is 0.4321, wanted at most 0.2",
        "    blamed: template plain@1",
        "  standard.accuracy: 0.9 of the best one's",
        "  passed: coverage",
        "  not applicable: questions (no choices)",
        "  against human-only: 0.01 less accuracy",
        "  next: the release in force stayed 2026-11-19",
    ]


@pytest.mark.parametrize(
    ("severity", "stopped", "word"),
    [
        ("block", True, "stopped it"),
        ("block", False, "would have stopped it"),  # not enforced, or accepted
        ("warn", False, "warned"),
    ],
)
def test_a_breach_says_whether_it_stopped_the_night(shown, severity, stopped, word):
    gates = [GATE | {"severity": severity, "stopped": stopped}]
    lines = shown(explanation, {"generations": [NIGHT | {"gates": gates}]}).splitlines()
    assert f"  style_uniform {word}: The rows resemble each other." in lines


def test_what_a_row_says_is_not_read_as_markup(shown):
    odd = GATE | {"why": "[red]x[/red] [/]", "found": "[bold]", "blamed": ["template [a]@1"]}
    text = shown(explanation, {"generations": [NIGHT | {"gates": [odd], "gain": "[/b]"}]})
    for part in ("[red]x[/red] [/]", "measured: [bold]", "blamed: template [a]@1", "[/b]"):
        assert part in text


CALIBRATION = {
    "version": "ab12",
    "source": "refits",
    "human_rows": 5000,
    "rows": 2000,
    "replicates": 20,
    "depths": [1, 2],
}


def test_gates_stand_under_the_asset_that_they_guard(shown):
    missing = FIGURE | {
        "value": float("nan"),
        "bound": "",
        "exceeded": True,
        "note": "too few rows",
    }
    scoped = FIGURE | {"scope": "label=card", "value": 0.1, "exceeded": False}
    mix = {
        "asset": "training_mix",
        "gate": "share",
        "severity": "warn",
        "figures": [missing, scoped],
    }
    said = {
        "corpus": "tickets",
        "generation": "2026-11-20",
        "calibration": CALIBRATION,
        "gates": [GATE, PASSED | {"figures": []}, PASSED | mix],
    }
    assert shown(gates_table, said).splitlines() == [
        "tickets 2026-11-20, calibration ab12",
        "",
        "synthetic_batch",
        "  style_uniform: breach",
        "    skeleton_repetition 0.4321; at most 0.2 (healthy: 0.1)",
        "  coverage: pass",
        "",
        "training_mix",
        "  share: pass, only warns",
        "    skeleton_repetition no value; too few rows",
        "    skeleton_repetition (label=card) 0.1; at most 0.2 (healthy: 0.1)",
    ]


def test_before_the_first_night(shown):
    idle = PASSED | {"outcome": "not measured", "figures": []}
    said = {"corpus": "tickets", "generation": "", "calibration": None, "gates": [idle]}
    assert shown(gates_table, said).splitlines()[:4] == [
        "tickets no night was gated yet, not calibrated yet",
        "",
        "synthetic_batch",
        "  coverage: not measured",
    ]


@pytest.mark.parametrize(("source", "word"), [("refits", "chains"), ("pilot", "pilot batches")])
def test_a_calibration(shown, source, word):
    figures = {"1": ["entropy", "topics"], "2": ["entropy"]}
    said = CALIBRATION | {"corpus": "tickets", "figures": figures, "seconds": 61.5}
    assert shown(calibration_table, said | {"source": source}).splitlines() == [
        f"tickets: calibration ab12 of 20 {word}, 2000 rows drawn of each batch, "
        "5000 human rows, depth 1, 2, 61.5 s",
        "  depth 1: entropy, topics",
        "  depth 2: entropy",
    ]
