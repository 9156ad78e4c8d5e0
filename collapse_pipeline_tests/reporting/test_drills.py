"""Drills on a terminal."""

import pytest

from collapse_pipeline.reporting.drills import drills_table, verdict

ROW = {
    "corpus": "customer_service",
    "fault": "question_bank_isomorphism",
    "strength": 1.0,
    "seeds": 3,
    "detected": 3,
    "soon": 3,
    "arl1": 1.3,
    "blocked": 2,
    "gates": {"style_uniform": {"seeds": 3, "first_night": 1.3}},
    "blamed_rightly": 2,
    "falsely_blamed": 0,
    "trained_on": 420.0,
    "hurt": 0.4,
    "blind_spot": False,
}
UNSEEN = ROW | {
    "fault": "label_swap",
    "detected": 0,
    "soon": 0,
    "arl1": None,
    "gates": {},
    "blamed_rightly": None,
    "hurt": 3.2,
    "blind_spot": True,
}
SAID = {
    "rows": [ROW, UNSEEN],
    "not_applicable": [{"corpus": "x", "fault": "f", "why": "only y has it"}],
    "false_alarms": [{"corpus": "customer_service", "gate": "shadow_falls", "nights": 2}],
    "seconds": 12.0,
    "folder": "drills",
}


def test_what_was_seen_is_told_in_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    drills_table(SAID)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    (line,) = [line for line in out.splitlines() if line.startswith("question_bank_isom")][:1]
    assert line.split()[1:] == ["3/3", "1.3", "2/3", "2/3", "0/3", "420", "0.4"]
    assert "style_uniform 3, 1.3" in out
    assert "not applicable: f on x, only y has it" in out
    assert "false alarm: shadow_falls on customer_service, 2 nights" in out


def test_blind_spots_are_said():
    lines = verdict([ROW, UNSEEN])
    assert lines[0] == "seen within two nights in every seed: 1 of 2 (50%)"
    assert lines[1] == "not so: label_swap on customer_service"
    assert lines[2].endswith("points: label_swap on customer_service at 1")
    assert verdict([ROW])[-1].endswith("none")


@pytest.mark.parametrize("rows", [[]])
def test_nothing_was_drilled(rows):
    assert verdict(rows) == ["no fault was drilled"]
