"""Laws on a terminal."""

from collapse_pipeline.reporting.laws import laws_table

LAW = {"law": "replace", "relation": "above", "expected": 0.0, "found": 0.12345, "tolerance": 0.01}
SAID = {
    "text": "lines.csv",
    "texts": 1234,
    "rows": 200,
    "generations": 3,
    "seconds": 1.5,
    "laws": [LAW | {"case": "rises", "held": True}, LAW | {"case": "falls", "held": False}],
    "claims": [{"case": "ngram: accumulate", "says": "no collapse", "found": 1.678}],
}


def test_a_law_is_named_once_above_its_cases(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    laws_table(SAID)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:4]] == [
        ["replace"],
        ["rises", "above", "0.0000", "0.1235", "0.0100", "held"],
        ["falls", "above", "0.0000", "0.1235", "0.0100", "not", "held"],
    ]
    assert lines[4].startswith("text: lines.csv, 1,234 texts; 200 a student, 3 generations, 1.5 s")
    assert lines[-1].endswith(
        "said of it: no collapse; perplexity came to 1.68 times generation 0's"
    )
