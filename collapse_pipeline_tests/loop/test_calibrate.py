from dataclasses import replace
from itertools import islice
from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.backends.gate_files import SHIPPED, read_gates
from collapse_pipeline.loop.calibrate import (
    Calibration,
    batch_evidence,
    bounds,
    faults,
    figures,
    filtered_evidence,
    healthy_night,
    reasons,
)
from collapse_pipeline.loop.chain import subsample, turns
from collapse_pipeline.loop.decide import Limit, Measured, Past, decide
from collapse_pipeline.loop.gate import Bound, Condition, Gate
from collapse_pipeline.loop.limits import Allotment, allot, prediction_limit
from collapse_pipeline.metrics.evidence import Need
from collapse_pipeline.records import DROPPED_BATCH, SuiteRecord, samples_table
from collapse_pipeline_tests.loop.chains import banking77, parts_of, suite_of, toy_human, ungoverned
from collapse_pipeline_tests.samples import human_table, written_row, written_table

VALUES = (0.11, 0.12, 0.10, 0.13, 0.12, 0.11, 0.09, 0.12, 0.10)
CALIBRATION = Calibration(
    corpus="toy",
    source="refits",
    facts={"labels": "l1", "mix_policy": "m1"},
    human_rows=1000,
    rows=500,
    seed=3,
    nulls={
        "1": {
            "skeleton_repetition": VALUES,
            "eval_overlap": VALUES,
            "coverage": (*VALUES[:7], nan, nan),
        },
        "2": {"skeleton_repetition": tuple(v + 0.1 for v in VALUES)},
    },
)


def condition(metric, side="above", suite=""):
    return Condition(metric=metric, bound=Bound(calibrated=side), suite=suite)


def gate(*conditions, asset="synthetic_batch", **over):
    return Gate(name="g", asset=asset, of=conditions, why="Why.", **over)


# What is kept.


def test_a_calibration_is_named_by_what_it_holds():
    again = Calibration.model_validate_json(CALIBRATION.model_dump_json())
    assert again.version == CALIBRATION.version
    assert isnan(again.nulls["1"]["coverage"][-1])
    assert (CALIBRATION.replicates, CALIBRATION.depths) == (9, [1, 2])
    changed = CALIBRATION.model_copy(update={"rows": 501})
    assert changed.version != CALIBRATION.version
    assert Calibration.model_validate(CALIBRATION.model_dump() | {"nulls": {}}).replicates == 0


@pytest.mark.parametrize(
    ("facts", "human_rows", "said"),
    [
        ({}, 1000, []),
        ({}, 1200, []),  # new rows every night do not make it stale
        ({}, 834, []),  # 1000 is 1.199 times as many
        ({}, 1201, ["the human rows went from 1000 to 1201 since; 20% more or less is the limit"]),
        ({}, 833, ["the human rows went from 1000 to 833 since; 20% more or less is the limit"]),
        ({"mix_policy": "m2"}, 1000, ["the mix policy changed since"]),
        ({"student_settings": "s"}, 1000, ["the student settings changed since"]),
    ],
)
def test_when_a_calibration_no_longer_holds(facts, human_rows, said):
    assert faults(CALIBRATION, {**CALIBRATION.facts, **facts}, human_rows) == said


# Its bounds.


def bound_of(found, calibration=CALIBRATION, depth=1, rows=500, chance=0.001):
    def shares(_):
        return Allotment({(found.statistic, found.bound.calibrated): chance}, chance, chance)

    return bounds(calibration, depth, rows, "mend it", shares)(found)


def test_a_bound_is_the_null_s_prediction_limit_at_its_own_depth():
    found = condition("skeleton_repetition")
    for depth in (1, 2):
        values = CALIBRATION.nulls[str(depth)]["skeleton_repetition"]
        limit = prediction_limit(values, 0.001, "above", "share", 500)
        assert bound_of(found, depth=depth) == limit
    assert bound_of(found, depth=2).high > bound_of(found, depth=1).high + 0.05


@pytest.mark.parametrize(
    ("metric", "asked", "why"),
    [
        ("skeleton_repetition", {"calibration": None}, "there is no calibration; mend it"),
        ("skeleton_repetition", {"depth": 3}, "depth 3 is not calibrated, only 1, 2; mend it"),
        ("mmd", {}, "mmd is not calibrated; mend it"),
        ("skeleton_repetition", {"rows": 499}, "499 rows, where the calibration has 500; mend it"),
        ("skeleton_repetition", {"rows": 501}, "501 rows, where the calibration has 500; mend it"),
        ("coverage", {}, "only 7 replicates have a value; 8 are wanted"),
    ],
)
def test_outside_of_what_is_calibrated_there_is_no_bound_and_it_says_so(metric, asked, why):
    assert bound_of(condition(metric), **asked) == why


def test_a_figure_that_is_not_drawn_may_have_any_number_of_rows():
    assert isinstance(bound_of(condition("eval_overlap"), rows=17), Limit)


def test_nobody_shares_the_budget_out_where_nothing_asks():
    def shares(_):
        raise AssertionError("asked")

    known = bounds(CALIBRATION, 3, 500, "mend it", shares)
    assert "depth 3" in known(condition("skeleton_repetition"))


# The chains.


def test_evidence_is_drawn_in_equal_sizes():
    human, batch, kept = human_table(30), written_table(50), written_table(25, generation="x")
    found = batch_evidence(parts_of(), human, batch, [kept, kept.slice(0, 3)], 20, 5)
    assert [len(found.synthetic), len(found.human), len(found.earlier)] == [20, 20, 20]
    assert batch_evidence(parts_of(), human, batch, [], 20, 5).earlier is None


def test_only_the_filter_s_own_drops_count():
    rows = [
        written_row(f"text {i}") | {"stage": stage, "reason": reason, "duplicate_of": ""}
        for i, (stage, reason) in enumerate(
            [("filter", "near_duplicate")] * 2 + [("judge", "score"), ("filter", "eval_overlap")]
        )
    ]
    dropped = samples_table(rows, DROPPED_BATCH)
    assert reasons(dropped) == {"near_duplicate": 2, "eval_overlap": 1}
    assert reasons(dropped.slice(0, 0)) == {}


def toy_turn(parts, human):
    return next(turns(parts, human, seed=1))


def test_figures_of_a_turn_are_those_that_calibrated_conditions_want():
    human = toy_human()
    suites = suite_of(human.slice(0, 40))
    parts = parts_of(suites=suites)
    turn = toy_turn(parts, human)
    gates = [
        gate(
            condition("skeleton_repetition"),
            Condition(metric="exact_duplicates", bound=Bound(at_most=0.5)),
            condition("nearest_neighbour_ratio"),  # needs embeddings, and there are none
        ),
        gate(condition("acceptance_rate", "either"), asset="judged_batch"),
        gate(condition("eval_overlap"), asset="filtered_batch"),
        gate(condition("perplexity_over_baseline", suite="standard"), asset="eval_report"),
        gate(condition("perplexity_over_baseline", suite="hard"), asset="eval_report"),
        gate(Condition(metric="human_share", bound=Bound(at_least=0.2)), asset="training_mix"),
    ]
    records = [
        SuiteRecord(name="standard"),
        SuiteRecord(name="hard", applicable=False, reason="few rows"),
    ]
    found = figures(parts, human, turn, [], gates, [Need.LABELS], records, 50, 1)
    assert {*found} == {
        "skeleton_repetition",
        "acceptance_rate",
        "eval_overlap",
        "perplexity_over_baseline@standard",
    }
    evidence = filtered_evidence(turn)
    accepted = sum(turn.judged["accepted"].to_pylist())
    assert evidence.accepted == accepted == turn.kept.num_rows + turn.dropped.num_rows
    assert found["eval_overlap"] == evidence.dropped.get("eval_overlap", 0) / accepted
    assert 0.3 < found["perplexity_over_baseline@standard"] < 3


def test_every_suite_that_a_gate_names_is_scored():
    human = toy_human()
    rows = [suite_of(human.slice(at, 40), name) for at, name in ((0, "standard"), (20, "hard"))]
    parts = parts_of(suites=samples_table([r for t in rows for r in t.to_pylist()], rows[0].schema))
    turn = toy_turn(parts, human)
    records = [SuiteRecord(name="standard"), SuiteRecord(name="hard")]
    gates = [
        gate(condition("perplexity_over_baseline", suite=name), asset="eval_report")
        for name in ("standard", "hard")
    ]
    found = figures(parts, human, turn, [], gates, [], records, 50, 1)
    assert len({*found.values()}) == 2
    assert not any(isnan(value) for value in found.values())
    alone = figures(parts, human, turn, [], gates[1:], [], records, 50, 1)
    assert alone == {"perplexity_over_baseline@hard": found["perplexity_over_baseline@hard"]}


GATES = [gate(condition("skeleton_repetition"), condition("near_duplicates_across"))]
APPLIES = [Need.LABELS, Need.EARLIER]


def test_a_replicate_has_every_depth_and_sees_four_fifths(monkeypatch):
    human, seen = toy_human(), []

    def spied(parts, own, seed, vocabulary_of):
        seen.append(own.num_rows)
        return turns(parts, own, seed, vocabulary_of)

    monkeypatch.setattr("collapse_pipeline.loop.calibrate.turns", spied)
    found = healthy_night(parts_of(), human, GATES, APPLIES, [], 50, 2, seed=1)
    assert {depth: {*values} for depth, values in found.items()} == {
        depth: {"skeleton_repetition", "near_duplicates_across"} for depth in (1, 2)
    }
    again = healthy_night(parts_of(), human, GATES, APPLIES, [], 50, 2, seed=1)
    other = healthy_night(parts_of(), human, GATES, APPLIES, [], 50, 2, seed=2, share=1.0)
    assert again == found != other
    assert seen == [round(0.8 * human.num_rows)] * 2 + [human.num_rows]


def test_a_teacher_that_writes_one_depth_has_its_first_turn_s_figures():
    """One turn more is made all the same, for what reads rows of another generation."""

    class Outside:
        def build(self, bench):
            teacher = parts_of().teacher.build(bench)
            return replace(teacher, depth=1)

    human, parts = toy_human(), parts_of(teacher=Outside())
    found = healthy_night(parts, human, GATES, APPLIES, [], 50, 1, seed=1)
    own = subsample(human, 1)
    one, two = islice(turns(parts, own, seed=1), 2)
    first = figures(parts, own, one, [two.kept], GATES, APPLIES, [], 50, 1)
    assert found == {1: first}


@given(st.integers(0, 5))
def test_a_calibration_s_version_does_not_depend_on_the_order_of_its_figures(turn):
    null = CALIBRATION.nulls["1"]
    names = sorted(null)
    turned = {name: null[name] for name in names[turn % 3 :] + names[: turn % 3]}
    other = CALIBRATION.model_copy(update={"nulls": {**CALIBRATION.nulls, "1": turned}})
    assert other.version == CALIBRATION.version


@pytest.mark.slow
@pytest.mark.real_data
def test_banking77_s_null_lets_a_healthy_night_pass_and_stops_a_collapsed_one(shared_data):
    parts, human = banking77(shared_data)
    gates = [
        gate.model_copy(update={"of": of})
        for gate in read_gates(SHIPPED)
        if (of := tuple(c for c in gate.of if c.bound.calibrated)) and len(of) >= gate.any
    ]
    applies = [Need.LABELS, Need.EMBEDDINGS, Need.EARLIER]
    suites = [SuiteRecord(name="standard")]

    def night(seed, share=0.8):
        return healthy_night(parts, human, gates, applies, suites, 400, 1, seed, share)[1]

    chains = [night(seed) for seed in range(8)]
    calibration = CALIBRATION.model_copy(
        update={
            "rows": 400,
            "nulls": {"1": {name: tuple(c[name] for c in chains) for name in chains[0]}},
        }
    )
    share = allot(gates, calibration.nulls["1"], 400, 1 / 500, 1)
    known = bounds(calibration, 1, 400, "", lambda _: share)

    def fired(values):
        found = {
            (c.statistic, ""): Measured(values[c.statistic])
            if c.statistic in values
            else Measured(nan, applies=False)
            for gate in gates
            for c in gate.of
        }
        return {f.gate.name for f in decide(gates, found, known, Past({}, {}, {})) if f.blocks}

    assert fired(night(100, share=1.0)) == set()
    loose = ungoverned(parts)
    first, _, third = islice(turns(loose, human, 7, governed=False), 3)
    young, old = (
        fired(figures(loose, human, turn, [], gates, applies[:2], suites, 400, 7))
        for turn in (first, third)
    )
    assert "real_text_forgotten" in young & old  # the model's side sees it before the batch's
    assert old - {"real_text_forgotten"}
