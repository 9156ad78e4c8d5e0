from collapse_pipeline.loop.ablation import worth
from collapse_pipeline.loop.experiment_gradient import PERPLEXITY, gradient
from collapse_pipeline.loop.release import ReleasePolicy
from collapse_pipeline.reporting.experiments import ablation_table, ratio_table
from collapse_pipeline_tests.loop.experiments import cell_by_hand

TAIL = {
    "corpus": "toy",
    "kind": "ratio",
    "experiment": "abc",
    "stage": "pilot",
    "human_rows": 10,
    "night": "2026-11-20",
    "seeds": 2,
    "generations": 1,
    "teacher": "student",
    "student": "ngram",
    "mix": "on_top",
    "not_calibrated": "there is none",
    "rows": 12,
    "digest": "d" * 32,
    "files": ["/somewhere/one.png"],
    "recorded": "on record as event 3",
}


def marks(accuracy):
    return "1" * round(1000 * accuracy) + "0" * round(1000 - 1000 * accuracy)


def said_of(capsys, monkeypatch, table, document):
    monkeypatch.setenv("COLUMNS", "160")
    table(document)
    return capsys.readouterr().out


def test_a_gradient_on_a_terminal(capsys, monkeypatch):
    cells = [
        cell_by_hand(
            share, seed, {"standard": marks(0.8 - share / 4)}, fired=["g"] if share else []
        )
        for share in (0.0, 0.3)
        for seed in (1, 2)
    ]
    said = said_of(capsys, monkeypatch, ratio_table, TAIL | gradient(cells, ReleasePolicy(), 1))
    assert "30%" in said
    assert "0.906 (" in said
    assert "gate g fires at 30% (2 of 2) seeds" in said
    assert "no inflection of accuracy on standard found" in said
    assert "cap: no share that was tried is one" in said
    assert "on record as event 3" in said
    assert "/somewhere/one.png" in said
    assert "held to nothing: there is none" in said


def test_an_ablation_on_a_terminal(capsys, monkeypatch):
    cells = [
        cell_by_hand(0.3, seed, {}, {PERPLEXITY: value + seed / 100}) | {"variant": name}
        for name, value in (("whole", 1.1), ("judge", 2.0))
        for seed in (1, 2)
    ]
    document = TAIL | worth(cells, {"quotas": "nothing is selected by quota"})
    said = said_of(capsys, monkeypatch, ablation_table, document)
    assert "judge" in said
    assert "+0.900 ±0.000" in said
    assert "quotas: not applicable, nothing is selected by quota" in said
    assert "0/2 in the whole" in said
    assert "strongest first: judge" in said


def test_an_ablation_where_nothing_applies(capsys, monkeypatch):
    cells = [cell_by_hand(0.3, 1, {}) | {"variant": "whole"}]
    said = said_of(capsys, monkeypatch, ablation_table, TAIL | worth(cells, {"gates": "none"}))
    assert "gates: not applicable, none" in said
