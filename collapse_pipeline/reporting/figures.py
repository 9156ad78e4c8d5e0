"""Figures: what an experiment found, drawn for people who print it in grey.

Small panels with one line each, so that nothing hangs on colour; a band is a 95% interval over
seeds. PNG for documents, HTML that needs no network.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

INK, GREY, PALE = "#1b1b1b", "#6b6b6b", "#bcd3e6"
PANEL = {"width": 250, "height": 150}
COLUMNS = 3
PIXELS = 2.0  # a point of the figure is so many of the picture


def gradient_figure(document: Mapping[str, Any], place: Path) -> list[Path]:
    """Draws a ratio experiment: one panel a figure, by synthetic share.

    Args:
        document: What `gradient` says, with `corpus` and sizes.
        place: Path of the pictures without their ending.

    Returns:
        The files that were written, PNG and HTML.
    """

    metric = document["inflection"]["metric"]
    measured = {b["suite"] for b in document["bands"] if b["metric"] == metric} - {"audit"}
    suites = sorted(measured, key=_first)
    wanted = [(suite, metric) for suite in suites]
    wanted += [
        ("standard", "perplexity.ratio_to_baseline"),
        ("written", "distinct_2"),
        ("written", "vendi_score"),
    ]
    panels = []
    for suite, name in wanted:
        rows = [b for b in document["bands"] if (b["suite"], b["metric"]) == (suite, name)]
        if rows:
            panels.append(_gradient_panel(suite, name, rows, document))
    cap = document["cap"]["share"]
    found = document["inflection"]["found"] or document["perplexity"]["found"]
    lines = [
        f"{document['stage']} size: {document['human_rows']} human rows, {document['seeds']} "
        f"seeds, {document['generations']} generations, teacher {document['teacher']}, "
        f"student {document['student']}, mix {document['mix'].replace('_', ' ')}.",
        "Figures after the last generation over those of share 0 with the same seed: circles are "
        "seeds, the line their mean, the band its 95% interval.",
        f"Dashed upright: largest supported share, {cap:.0%}. "
        + ("Bar on the axis: interval of the inflection." if found else "No inflection found."),
    ]
    title = f"{document['corpus']}: what the synthetic share does to a student"
    return _save(panels, title, lines, place)


def _gradient_panel(
    suite: str, metric: str, rows: Sequence[Mapping[str, Any]], document: Mapping[str, Any]
) -> Any:
    import altair as alt

    shares = alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1])
    x = alt.X("share:Q", title="synthetic share of the mix", axis=shares)
    y = alt.Y(
        "over_none:Q",
        title="over share 0",
        scale=alt.Scale(zero=False),
        axis=alt.Axis(tickCount=5),
    )
    base = alt.Chart(_data(rows))
    each = [
        {"share": row["share"], "over_none": value}
        for row in rows
        for value in row["each"]
        if value is not None
    ]
    layers = [
        alt.Chart(_data([{"over_none": 1}])).mark_rule(color=GREY, opacity=0.6).encode(y=y),
        base.mark_line(color=INK, strokeWidth=1.5).encode(x=x, y=y),
        alt.Chart(_data(each)).mark_point(color=INK, size=18, strokeWidth=1).encode(x=x, y=y),
        alt.Chart(_data([{"share": document["cap"]["share"]}]))
        .mark_rule(color=GREY, strokeDash=[4, 3])
        .encode(x="share:Q"),
    ]
    if rows[-1]["low"] is not None:
        reach = {"y": alt.Y("low:Q", title="over share 0"), "y2": "high:Q"}
        tips = ["share:Q", "reached:Q", "mean:Q", "over_none:Q", "low:Q", "high:Q", "seeds:Q"]
        layers.insert(0, base.mark_area(color=PALE).encode(x=x, tooltip=tips, **reach))
    bends = (document["inflection"], document["perplexity"])
    for bend in (b for b in bends if b["found"] and (suite, metric) == (b["suite"], b["metric"])):
        mark = alt.Chart(_data([bend])).mark_rule(color=INK, strokeWidth=5)
        layers.append(mark.encode(x="low:Q", x2="high:Q", y=alt.value(PANEL["height"])))
    title = f"{suite}: {metric.replace('.', ' ').replace('_', ' ')}"
    return alt.layer(*layers).properties(**PANEL, title=title)


def ablation_figure(document: Mapping[str, Any], place: Path) -> list[Path]:
    """Draws an ablation: what every link is worth on a few figures, with intervals.

    Args:
        document: What `worth` says, with `corpus` and sizes.
        place: Path of the pictures without their ending.

    Returns:
        The files that were written, PNG and HTML.
    """
    import altair as alt

    rows = [
        {"link": link.replace("_", " "), **row}
        for link, found in document["links"].items()
        for row in found["headline"]
    ]
    names = list(dict.fromkeys((row["suite"], row["metric"]) for row in rows))
    order = list(dict.fromkeys(row["link"] for row in rows))
    panels = []
    for at, (suite, metric) in enumerate(names):
        own = [row for row in rows if (row["suite"], row["metric"]) == (suite, metric)]
        y = alt.Y(
            "link:N",
            title=None,
            sort=order,
            scale=alt.Scale(domain=order),
            axis=alt.Axis(labels=at % COLUMNS == 0, ticks=at % COLUMNS == 0, labelLimit=200),
        )
        base = alt.Chart(_data(own))
        few = alt.Axis(tickCount=5)
        bars = base.mark_rule(color=INK, strokeWidth=1.5).encode(
            x=alt.X("low:Q", title="worth, above 0 it helps", axis=few), x2="high:Q", y=y
        )
        dots = base.mark_point(color=INK, filled=True, size=45).encode(
            x=alt.X("worth:Q", title="worth, above 0 it helps", axis=few),
            y=y,
            tooltip=["link:N", "worth:Q", "low:Q", "high:Q", "whole:Q", "without:Q"],
        )
        zero = alt.Chart(_data([{"zero": 0}])).mark_rule(color=GREY, strokeDash=[4, 3])
        title = f"{suite}: {metric.replace('.', ' ').replace('_', ' ')}"
        layers = [zero.encode(x=alt.X("zero:Q", axis=few)), bars, dots]
        panels.append(alt.layer(*layers).properties(**PANEL, title=title))
    lines = [
        f"{document['stage']} size: {document['human_rows']} human rows, {document['seeds']} "
        f"seeds, {document['generations']} generations, teacher {document['teacher']}, "
        f"student {document['student']}.",
        "Whole loop less the loop without the link, paired by seed, turned so that above 0 the "
        "link helps; bars are 95% intervals over seeds.",
    ]
    title = f"{document['corpus']}: what every link of the governed loop is worth"
    return _save(panels, title, lines, place)


def _data(rows: Sequence[Mapping[str, Any]]) -> Any:
    import altair as alt

    return alt.Data(values=[dict(row) for row in rows])


def _save(panels: Sequence[Any], title: str, lines: Sequence[str], place: Path) -> list[Path]:
    """Writes PNG and HTML; nothing where there is no panel."""
    import altair as alt

    if not panels:
        return []
    whole = (
        alt.concat(*panels, columns=COLUMNS, align="all")
        .properties(
            title=alt.TitleParams(title, subtitle=list(lines), anchor="start", offset=14),
            background="white",
            padding=14,
        )
        .configure_title(fontSize=12, fontWeight="bold", anchor="start", subtitleColor=GREY)
        .configure_view(stroke=None)
        .configure_axis(gridColor="#e6e6e6", domainColor=GREY, titleFontWeight="normal")
        .configure_concat(spacing=18)
    )
    files = [place.with_suffix(".png"), place.with_suffix(".html")]
    whole.save(str(files[0]), scale_factor=PIXELS)
    whole.save(str(files[1]), inline=True)
    return files


def _first(suite: str) -> tuple[int, str]:
    """Suites in the order in which they are read."""
    order = ("standard", "long_tail", "hard", "noisy", "cross_domain", "shadow")
    return (order.index(suite) if suite in order else len(order), suite)
