"""Gates on batches that are written by hand: what is found, who is blamed, what is written down."""

import pytest

from collapse_pipeline.defs.gating import gate_asset, values_of
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.records import TRAINING_MIX, samples_table
from collapse_pipeline_tests.defs.gated import (
    CORPUS,
    FIRES,
    NIGHTS,
    calibrate_by_hand,
    gate,
    run_night,
    shop_in,
    write_gates,
)
from collapse_pipeline_tests.samples import written_row

NIGHT = NIGHTS[1]
WORDS = [f"{a}{b}{c}" for a in "bdfgklmn" for b in "aeiou" for c in "stxz"]


@pytest.fixture
def shop(gated_home):
    with shop_in(gated_home) as shop:
        yield shop


def opened(shop, gates, night=NIGHT, nulls=None, rows=100):
    """A night that is open under these gates, with a calibration made by hand."""
    write_gates(shop.settings.home, gates)
    calibrate_by_hand(shop, {"1": nulls or {}}, rows=rows)
    return open_generation(shop, CORPUS, night)


def wrote(shop, record, count, prompt, **columns):
    """Puts rows of a first template, and of a second where `columns` has one, into the batch."""
    first = str(record.templates[0])
    rows = [
        written_row(
            prompt(n),
            "return_window",
            record.generation,
            **{"corpus": CORPUS, "seed": n, "template": first, "teacher": "t@1"}
            | {name: value(n) for name, value in columns.items()},
        )
        for n in range(count)
    ]
    shop.store.replace("synthetic_batch", CORPUS, record.generation, samples_table(rows))
    return rows


def various(n):
    """A sentence of its own, in one of many moulds."""
    words = [WORDS[(n * step + step) % len(WORDS)] for step in (1, 3, 7, 11, 13)]
    mark, cut = "?!.;"[n % 4], 1 + n % 4
    return f"{' '.join(words[:cut])}, {' '.join(words[cut:])} {n}{mark * (1 + n % 3)}"


def alike(n):
    return f"Please help me with my {WORDS[n % 7]}."


def found(shop, record, name, asset="synthetic_batch"):
    (finding,) = [f for f in gate_asset(shop, record, asset) if f.gate.name == name]
    return finding


def test_a_breach_by_hand(shop):
    record = opened(shop, [gate("copied", 0.2)])
    rows = wrote(shop, record, 100, lambda n: f"{WORDS[min(n, 60)]} is lost")  # 40 copies of one
    assert found(shop, record, "copied").blocks
    (row,) = [row for row in values_of(shop, record) if row["gate"] == "copied"]
    assert row["value"] == pytest.approx(0.4)
    assert (row["low"], row["high"], row["bound"]) == (None, 0.2, "at most 0.2")
    assert (row["outcome"], row["raised"], row["exceeded"]) == ("breach", True, True)
    assert (row["rows"], row["depth"], row["attempt"]) == (100, 1, 1)
    assert row["calibration"] == record.calibration
    assert len(row["examples"]) == 5
    assert {*row["examples"]} <= {r["sample_id"] for r in rows}


def test_generation_0_is_not_gated(shop):
    record = shop.line(CORPUS).generations[NIGHTS[0]].record
    assert record.gates
    assert gate_asset(shop, record, "synthetic_batch") == []


def test_measuring_again_gives_the_same_rows_and_leaves_other_assets(shop):
    mixed = {"metric": "human_share", "bound": {"at_least": 0.2}}
    human = gate("human", 1) | {"asset": "training_mix"} | mixed
    record = opened(shop, [gate("copied", 0.2), human])
    wrote(shop, record, 120, various)
    gate_asset(shop, record, "synthetic_batch")
    row = written_row("a", "", NIGHT, corpus=CORPUS, written_in=NIGHT, weight=1.0, role="positive")
    mixture = samples_table([row], TRAINING_MIX)
    shop.store.replace("training_mix", CORPUS, NIGHT, mixture)
    gate_asset(shop, record, "training_mix")
    before = shop.store.pin("gate_values", CORPUS, NIGHT)
    gate_asset(shop, record, "synthetic_batch")
    assert shop.store.pin("gate_values", CORPUS, NIGHT).digest == before.digest
    gates = [row["gate"] for row in values_of(shop, record)]
    assert sorted(gates) == ["copied", "copies", "human", "lengths"]


def test_another_attempt_is_measured_for_itself(shop):
    record = opened(shop, [FIRES])
    wrote(shop, record, 100, various)
    gate_asset(shop, record, "synthetic_batch")
    settle(shop, CORPUS, NIGHT)
    write_gates(shop.settings.home)
    again = open_generation(shop, CORPUS, NIGHT, again=True)
    assert values_of(shop, again) == []  # what the first attempt found is not this one's
    gate_asset(shop, again, "synthetic_batch")
    assert {row["gate"] for row in values_of(shop, again)} == {"lengths", "copies"}
    assert values_of(shop, record) == []


def test_a_gate_for_each_template_measures_those_with_rows_enough(shop):
    record = opened(shop, [gate("each", 0.5, "warn", per="template", least_rows=40)])
    plain, terse = map(str, record.templates)
    template = {"template": lambda n: plain if n < 50 else terse if n < 95 else "rare@1"}
    wrote(shop, record, 100, lambda n: various(n) if n < 50 else alike(0), **template)
    gate_asset(shop, record, "synthetic_batch")
    rows = [row for row in values_of(shop, record) if row["gate"] == "each"]
    assert {row["scope"]: row["outcome"] for row in rows} == {
        f"template={plain}": "pass",
        f"template={terse}": "breach",
    }


def test_a_batch_without_rows_is_a_breach_that_blames_nobody(shop):
    alone = {"metric": "unigram_entropy", "bound": {"calibrated": "below"}}
    fewest = gate("many_words", 1, actions=["freeze_template"]) | alone
    record = opened(shop, [fewest], nulls={"unigram_entropy": [5.0] * 8})
    wrote(shop, record, 0, various)
    for finding in gate_asset(shop, record, "synthetic_batch"):
        assert finding.outcome == "breach"
        assert finding.actions == ()
    assert {tuple(row["blamed"]) for row in values_of(shop, record)} == {()}


ENTROPY = {"metric": "unigram_entropy", "bound": {"calibrated": "below"}}


@pytest.mark.parametrize(
    ("made", "written", "why"),
    [
        ({"nulls": {"1": {}}}, 100, "unigram_entropy is not calibrated"),
        ({"nulls": {"2": {}}}, 100, "depth 1 is not calibrated, only 2"),
        ({"rows": 101}, 100, "100 rows, where the calibration has 101"),
        ({}, 99, "99 rows, where the calibration has 100"),
    ],
)
def test_outside_of_what_is_calibrated_is_a_breach(shop, made, written, why):
    write_gates(shop.settings.home, [gate("entropy", 0) | ENTROPY])
    calibrate_by_hand(shop, **{"nulls": {"1": {"unigram_entropy": [5.0] * 8}}} | made)
    record = open_generation(shop, CORPUS, NIGHT)
    wrote(shop, record, written, various)
    finding = found(shop, record, "entropy")
    assert finding.blocks
    assert finding.readings[0].note == f"{why}; run: collapse-pipeline calibrate {CORPUS}"


def test_inside_of_what_is_calibrated_the_limit_decides(shop):
    nulls = {"unigram_entropy": [5.0, 5.1, 4.9, 5.0, 5.1, 4.9, 5.0, 5.0]}
    record = opened(shop, [gate("entropy", 0) | ENTROPY], nulls=nulls)
    wrote(shop, record, 100, various)
    assert found(shop, record, "entropy").outcome == "pass"
    wrote(shop, record, 100, alike)
    finding = found(shop, record, "entropy")
    assert finding.blocks
    low = finding.readings[0].limit.low
    assert 4 < low < 4.9
    assert finding.readings[0].measured.value < low


def test_without_a_calibration_calibrated_gates_apply_only_where_they_are_enforced(gated_home):
    write_gates(gated_home, [gate("entropy", 0) | ENTROPY])
    with shop_in(gated_home, gates={"enforce": False}) as shop:
        record = open_generation(shop, CORPUS, NIGHT)
        assert record.calibration == ""
        wrote(shop, record, 100, various)
        finding = found(shop, record, "entropy")
        assert finding.outcome == "not_applicable"
        assert finding.note == "not calibrated, and gates are not enforced"
        settings = dict(record.settings)
        settings["gates"] = settings["gates"] | {"enforce": True}
        held = record.model_copy(update={"settings": settings})
        finding = found(shop, held, "entropy")
        assert finding.blocks
        assert "run: collapse-pipeline calibrate" in finding.readings[0].note


def blaming(shop, actions, rows=500, **columns):
    nulls = {"unigram_entropy": [7.5, 7.6, 7.4, 7.5, 7.6, 7.4, 7.5, 7.5]}
    gates = [gate("entropy", 0, actions=actions) | ENTROPY]
    record = opened(shop, gates, nulls=nulls, rows=rows)
    plain, terse = map(str, record.templates)
    columns = {name: value(plain, terse) for name, value in columns.items()}
    prompt = columns.pop("prompt", alike)
    wrote(shop, record, 500, prompt, **columns)
    assert found(shop, record, "entropy").blocks
    (row,) = [row for row in values_of(shop, record) if row["gate"] == "entropy"]
    batch = shop.store.read("synthetic_batch", CORPUS, [NIGHT]).to_pylist()
    named = {sample["sample_id"]: sample for sample in batch}
    return record, row["blamed"], [named[sample] for sample in row["examples"]]


def test_the_rigid_template_is_blamed_and_its_rows_are_shown(shop):
    record, blamed, shown = blaming(
        shop,
        ["freeze_template"],
        prompt=lambda plain, terse: lambda n: various(n) if n % 9 < 4 else alike(1),
        template=lambda plain, terse: lambda n: plain if n % 9 < 4 else terse,
    )
    terse = str(record.templates[1])
    assert blamed == [f"template {terse}"]
    assert {sample["template"] for sample in shown} == {terse}


def test_where_no_template_stands_out_the_teacher_is_blamed(shop):
    both = {"template": lambda plain, terse: lambda n: (plain, terse)[n % 2]}
    _, blamed, shown = blaming(shop, ["freeze_template"], **both)
    assert [component.partition("@")[0] for component in blamed] == ["teacher simulated"]
    assert len(shown) == 5


def test_with_few_rows_of_a_template_nobody_is_blamed(shop):
    few = {
        "prompt": lambda plain, terse: lambda n: various(n) if n >= 180 else alike(1),
        "template": lambda plain, terse: lambda n: plain if n >= 180 else terse,
    }
    _, blamed, _ = blaming(shop, ["freeze_template"], **few)
    assert blamed == []


def test_where_one_gate_blames_a_template_no_other_blames_the_teacher(shop):
    nulls = {
        "unigram_entropy": [7.5, 7.6, 7.4, 7.5, 7.6, 7.4, 7.5, 7.5],
        "exact_duplicates": [0.0, 0.001] * 4,  # which both templates are full of
    }
    entropy = gate("entropy", 0, actions=["freeze_template"]) | ENTROPY
    copied = gate("copied", 0.2, actions=["freeze_template"])
    record = opened(shop, [entropy, copied], nulls=nulls, rows=500)
    plain, terse = map(str, record.templates)

    def twice(n):  # the first template says two hundred things twice, the other one thing
        return various(n % 200) if n < 400 else alike(1)

    wrote(shop, record, 650, twice, template=lambda n: plain if n < 400 else terse)
    found(shop, record, "copied")
    said = {row["gate"]: row["blamed"] for row in values_of(shop, record)}
    assert (said["entropy"], said["copied"]) == ([f"template {terse}"], [])


def test_a_breach_that_freezes_no_component_blames_none(shop):
    _, blamed, shown = blaming(shop, ["raise_review"])
    assert (blamed, len(shown)) == ([], 5)


def a_night(shop, night, prompt, name):
    """A night whose batch has these prompts: what the gate said. It is cut off afterwards."""
    record = open_generation(shop, CORPUS, night)
    wrote(shop, record, 100, prompt)
    finding = found(shop, record, name)
    settle(shop, CORPUS, night)
    return finding


def test_for_two_generations_in_a_row(shop):
    write_gates(shop.settings.home, [gate("copied", 0.5, **{"for": 2})])
    calibrate_by_hand(shop, {"1": {}})
    said = [
        a_night(shop, night, prompt, "copied")
        for night, prompt in zip(NIGHTS[1:], [alike, various, alike, alike], strict=False)
    ]
    assert [(f.outcome.value, f.raised) for f in said] == [
        ("pass", True),
        ("pass", False),
        ("pass", True),
        ("breach", True),
    ]
    assert said[2].note == "first sign; breaches after 2 generations in a row"


def test_the_second_breach_in_a_row_escalates(shop):
    escalates = gate("copied", 0.5, actions=["raise_review"], escalate=["lower_cap"])
    write_gates(shop.settings.home, [escalates])
    calibrate_by_hand(shop, {"1": {}})
    said = [
        a_night(shop, night, prompt, "copied").actions
        for night, prompt in zip(NIGHTS[1:], [alike, alike, various, alike], strict=False)
    ]
    both = ("raise_review", "lower_cap")
    assert said == [("raise_review",), both, (), ("raise_review",)]


def test_a_trend_looks_back_over_the_generations_of_the_line(shop):
    rises = {"metric": "exact_duplicates", "bound": {"trend": {"towards": "above", "z": 1.6}}}
    write_gates(shop.settings.home, [gate("rises", 0) | rises])
    calibrate_by_hand(shop, {"1": {}})
    said = [
        a_night(shop, night, lambda n, copies=copies: various(max(n, copies)), "rises")
        for night, copies in zip(NIGHTS[1:], (0, 10, 20, 30), strict=False)
    ]
    # Four rising values: Mann and Kendall's S is 6, its variance 26 / 3, and z 5 / 2.94 = 1.70.
    assert [f.outcome.value for f in said] == ["pass", "pass", "pass", "breach"]
    assert [f.readings[0].note for f in said][2:] == ["3 generations so far", "z 1.70"]


@pytest.mark.slow
def test_every_gate_of_the_default_suite_has_a_figure_or_says_why_not(gated_home):
    (gated_home / "gates.yaml").unlink()
    open_eyed = {"gates": {"enforce": False}, "filter": {"embedder": {"kind": "static"}}}
    with shop_in(gated_home, **open_eyed, judge={"panel": {"kind": "jury"}}) as shop:
        run_night(shop, NIGHT)
        record = shop.line(CORPUS).generations[NIGHT].record
        rows = values_of(shop, record)
    assert {row["gate"] for row in rows} == {gate.name for gate in record.gates}
    for row in rows:
        idle = row["outcome"] == "not_applicable"
        assert idle or row["value"] == row["value"] or row["note"], row
        assert row["note"] or not idle
    figures = {row["statistic"] for row in rows if row["value"] == row["value"]}
    assert {"skeleton_repetition", "nearest_neighbour_ratio", "judge_style_bias"} <= figures
    assert {"eval_overlap", "human_share", "perplexity_over_baseline@standard"} <= figures
