import io
import logging

import pytest

from collapse_pipeline.reporting import terminal

END = {
    "generation": "2026-01-02",
    "verdict": "quarantined",
    "reasons": {"accuracy:hard": "accuracy on hard is 0.9 of the best release's"},
    "shares": {"synthetic": 0.3},
    "rows": {"human_anchor": 2000},
    "metrics": {"perplexity.real": 18.04, "standard.accuracy": 0.861},
    "seconds": 12.34,
    "gain": "standard accuracy -1.0% (loss)",
}


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def test_a_run_is_one_line_a_generation_in_80_columns(capsys):
    terminal.run_table(
        {"corpora": [{"corpus": "tickets", "generations": [END]}], "home": "somewhere"}
    )
    lines = capsys.readouterr().out.splitlines()
    assert any(
        all(part in line for part in ("2026-01-02", "quarantined", "30%", "18.0", "0.861", "2,000"))
        for line in lines
    )
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "store: somewhere"


def test_progress_is_quiet_when_piped_and_says_how_a_night_ended():
    stream = io.StringIO()
    with terminal.NightProgress(stream) as progress:
        logger = logging.getLogger(terminal.STAGE_LOGGER)
        logger.info("%s %s %s", "tickets", "2026-01-02", "judged_batch")
        progress.ended("tickets")(END)
    assert stream.getvalue() == (
        "tickets 2026-01-02 quarantined in 12.3 s: accuracy on hard is 0.9 of the best release's\n"
    )


def test_hostile_text_moves_no_cursor_and_styles_nothing(capsys):
    terminal.rows_table(
        {"rows": [{"prompt": "\x1b[2Jgone [red]not red[/red]\a", "n": 0.123456789}]}
    )
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\a" not in out
    assert "\\x1b[2Jgone [red]not red[/red]\\x07" in out
    assert "0.123457" in out


def test_a_very_long_word_is_folded(capsys):
    terminal.rows_table({"rows": [{"prompt": "x" * 500}]})
    out = capsys.readouterr().out
    assert out.count("x") == 500
    assert max(map(len, out.splitlines())) <= 80


def test_no_rows(capsys):
    terminal.rows_table({"rows": []})
    assert capsys.readouterr().out == "no rows\n"


def test_a_suite_that_does_not_apply_says_why(capsys):
    suite = {
        "name": "hard",
        "rows": 0,
        "version": "",
        "applicable": False,
        "reason": "too few rows",
    }
    terminal.suites_table({"suites": [suite]})
    assert "not applicable: too few rows" in capsys.readouterr().out
