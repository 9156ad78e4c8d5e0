"""Figures are drawn from documents made by hand, and read back as what they hold."""

import json
import re
import struct
from math import exp

import pytest

from collapse_pipeline.loop.ablation import worth
from collapse_pipeline.loop.experiment_gradient import PERPLEXITY, gradient
from collapse_pipeline.loop.release import ReleasePolicy
from collapse_pipeline.reporting.figures import ablation_figure, gradient_figure
from collapse_pipeline_tests.loop.experiments import cell_by_hand

HEAD = {
    "corpus": "toy",
    "stage": "pilot",
    "human_rows": 10,
    "generations": 1,
    "teacher": "student",
    "student": "ngram",
    "mix": "on_top",
}
SHARES = (0.0, 0.1, 0.3, 0.5, 0.7, 1.0)


def bent(share, seed):
    right = round(800 - 900 * max(0, share - 0.5)) - seed
    return "1" * right + "0" * (1000 - right)


def gradient_of(seeds):
    cells = [
        cell_by_hand(
            share,
            seed,
            {"standard": bent(share, seed), "audit": bent(share, seed)},
            {PERPLEXITY: exp(share), ("written", "distinct_2"): 0.5 - share / 4},
        )
        for share in SHARES
        for seed in range(1, seeds + 1)
    ]
    return HEAD | {"seeds": seeds} | gradient(cells, ReleasePolicy(), 1)


def drawn(html):
    """The Vega-Lite specification in a page."""
    text = html.read_text("utf-8")
    start = text.index('{"', re.search(r"const spec|var spec", text).end())
    return json.JSONDecoder().raw_decode(text[start:])[0], text


def titles(spec):
    return [panel["title"] for panel in spec["concat"]]


def size_of(png):
    raw = png.read_bytes()
    assert raw[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", raw[16:24])


def test_a_gradient_is_a_panel_a_figure_with_its_values(tmp_path):
    png, html = gradient_figure(gradient_of(3), tmp_path / "one")
    assert min(size_of(png)) > 400
    spec, text = drawn(html)
    assert titles(spec) == [
        "standard: accuracy",
        "standard: perplexity ratio to baseline",
        "written: distinct 2",
    ]  # no decision reads the audit suite, and neither does a figure
    assert spec["background"] == "white"
    layers = spec["concat"][1]["layer"]
    assert layers[0]["mark"]["type"] == "area"
    band = layers[0]["data"]["values"]
    assert [row["share"] for row in band] == list(SHARES)
    assert [row["over_none"] for row in band] == pytest.approx([exp(share) for share in SHARES])
    assert "cdn" not in text.split("</head>")[0] or "src=" not in text


def test_the_inflection_and_the_cap_are_marked(tmp_path):
    document = gradient_of(3)
    assert document["inflection"]["found"]
    spec, _ = drawn(gradient_figure(document, tmp_path / "one")[1])
    marks = [layer["mark"] for layer in spec["concat"][0]["layer"]]
    assert [mark for mark in marks if mark.get("strokeWidth") == 5]
    (cap,) = [
        layer["data"]["values"][0]
        for layer in spec["concat"][0]["layer"]
        if layer["mark"].get("strokeDash")
    ]
    assert cap == {"share": document["cap"]["share"]}
    assert not [
        layer for layer in spec["concat"][1]["layer"] if layer["mark"].get("strokeWidth") == 5
    ]


def test_one_seed_has_no_band(tmp_path):
    spec, _ = drawn(gradient_figure(gradient_of(1), tmp_path / "one")[1])
    assert "area" not in {layer["mark"]["type"] for layer in spec["concat"][0]["layer"]}


def test_an_ablation_is_a_row_a_link(tmp_path):
    cells = [
        cell_by_hand(0.3, seed, {}, {PERPLEXITY: value + seed / 10, ("standard", "accuracy"): 0.8})
        | {"variant": name}
        for name, value in (("whole", 1.1), ("judge", 2.0), ("human_infusion", 3.0))
        for seed in (1, 2)
    ]
    document = HEAD | {"seeds": 2} | worth(cells, {"quotas": "nothing"})
    png, html = ablation_figure(document, tmp_path / "two")
    assert min(size_of(png)) > 300
    spec, _ = drawn(html)
    dots = spec["concat"][0]["layer"][2]["data"]["values"]
    assert {row["link"]: round(row["worth"], 6) for row in dots} == {
        "judge": 0.9,
        "human infusion": 1.9,
    }


def test_an_ablation_where_nothing_applies_has_no_figure(tmp_path):
    cells = [cell_by_hand(0.3, 1, {}, {}) | {"variant": "whole"}]
    document = HEAD | {"seeds": 1} | worth(cells, {"quotas": "nothing"})
    assert ablation_figure(document, tmp_path / "two") == []
