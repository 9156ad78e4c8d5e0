from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.loop.calibrate import Calibration
from collapse_pipeline.loop.chain import turns
from collapse_pipeline.loop.experiment_gates import Held, Watch, hold
from collapse_pipeline.loop.gate import Gate
from collapse_pipeline.loop.mix import MixPolicy
from collapse_pipeline.metrics.evidence import Need
from collapse_pipeline_tests.loop.chains import STANDARD, parts_of, toy_human

BOUND = {"calibrated": "below"}
HEALTHY = tuple(3.0 + 0.01 * n for n in range(10))  # bits; eleven words have 3.46 at most


def gate(name="g", asset="synthetic_batch", **over):
    return Gate(**{"name": name, "asset": asset, "severity": "block", "why": "Why."} | over)


ENTROPY = gate("entropy", metric="unigram_entropy", bound=BOUND)
COPIES = gate("copies", metric="exact_duplicates", bound={"at_most": -1})


def calibration(values=HEALTHY, rows=50, depths=("1",)):
    nulls = {depth: {"unigram_entropy": values} for depth in depths}
    return Calibration(
        corpus="toy", source="refits", facts={}, human_rows=160, rows=rows, seed=1, nulls=nulls
    )


def watch(*gates, known=None, rows=50):
    applies = (Need.LABELS, Need.EARLIER)
    return Watch(gates, applies, [STANDARD], rows, known, "" if known else "none was made")


def held(at, parts=None, human=None, before=(), line=(), cap=0.3, turn=None, report=()):
    parts, human = parts or parts_of(), human if human is not None else toy_human()
    turn = turn or next(turns(parts, human, 1))
    return hold(at, parts, human, turn, report, line, before, cap, 1)


def test_a_fixed_bound_fires_and_says_what_was_found():
    found = held(watch(COPIES))
    assert set(found.fired) == {"copies"}
    assert found.fired["copies"].startswith("exact_duplicates 0")
    assert "at most -1" in found.fired["copies"]
    assert not found.left_out


def test_a_gate_that_only_warns_is_not_held():
    assert held(watch(COPIES.model_copy(update={"severity": "warn"}))).findings == ()


def test_a_calibrated_bound_fires_where_the_calibration_is_of_this_size():
    high = tuple(value + 5 for value in HEALTHY)
    assert set(held(watch(ENTROPY, known=calibration(high))).fired) == {"entropy"}
    assert held(watch(ENTROPY, known=calibration())).fired == {}


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (None, "none was made"),
        (calibration(rows=400), "50 rows, where the calibration has 400"),
        (calibration(depths=("2",)), "depth 1 is not calibrated"),
    ],
)
def test_what_has_no_bound_is_left_out_and_never_fires(known, why):
    found = held(watch(ENTROPY, COPIES, known=known))
    assert set(found.fired) == {"copies"}
    assert why in found.left_out["entropy: unigram_entropy"]


def test_a_vote_wants_as_many_conditions_as_are_left():
    two = [
        {"metric": "unigram_entropy", "bound": BOUND},
        {"metric": "exact_duplicates", "bound": {"at_most": -1}},
    ]
    assert held(watch(gate(of=two, any=2))).findings == ()
    assert set(held(watch(gate(of=two, any=1))).fired) == {"g"}


def test_the_mix_is_held_to_the_share_that_it_may_have():
    share = gate("over", "training_mix", metric="share_over_cap", bound={"at_most": 0.0005})
    people = gate("people", "training_mix", metric="human_share", bound={"at_least": 0.2})
    unproven = gate(
        "unproven", "training_mix", metric="share_without_experiment", bound={"at_most": 0}
    )
    at = watch(share, people, unproven)
    assert held(at).fired == {}
    assert set(held(at, cap=0.1).fired) == {"over"}
    bare = parts_of(people=False)
    assert set(held(at, bare, cap=1.0).fired) == {"people"}


def test_rows_of_a_suite_in_an_unfiltered_mix_are_counted():
    """The teacher writes rows of eleven words; those that are eval rows leak where none filters."""
    leak = gate("leak", "training_mix", metric="leaked_rows", bound={"at_most": 0})
    human = toy_human()
    parts = parts_of(mix=MixPolicy(synthetic_cap=0.5))
    turn = next(turns(parts, human, 1))
    suite = turn.mixture.samples.slice(turn.mixture.samples.num_rows - 3)
    open_parts = replace(
        parts, suites=suite, filter=parts.filter.model_copy(update={"enforce": False})
    )
    assert set(held(watch(leak), open_parts, human, turn=turn).fired) == {"leak"}
    closed = replace(parts, suites=suite)
    assert held(watch(leak), closed, human, turn=turn).fired == {}


def test_a_gate_that_wants_two_turns_in_a_row_looks_back():
    twice = watch(COPIES.model_copy(update={"persist": 2}))
    first = held(twice)
    assert first.fired == {}
    assert set(held(twice, before=[first]).fired) == {"copies"}
    assert held(twice, before=[Held((), {})]).fired == {}


def test_rows_of_the_line_are_compared_only_where_there_are_any():
    across = gate("across", metric="exact_duplicates_across", bound={"at_most": -1})
    parts, human = parts_of(), toy_human()
    first, second = islice(turns(parts, human, 1), 2)
    assert held(watch(across), parts, human, turn=first).fired == {}
    found = held(watch(across), parts, human, turn=second, line=[first])
    assert set(found.fired) == {"across"}


@settings(deadline=None, max_examples=10)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_nothing_fires_where_nothing_is_beyond_its_bound(bounds):
    gates = [
        gate(f"g{n}", "training_mix", metric="synthetic_share", bound={"at_most": bound})
        for n, bound in enumerate(bounds)
    ]
    turn = next(turns(PARTS, HUMAN, 1))
    share = turn.mixture.summary["synthetic_share"]
    found = hold(watch(*gates), PARTS, HUMAN, turn, (), (), (), 1.0, 1).fired
    assert set(found) == {f"g{n}" for n, bound in enumerate(bounds) if share > bound}


PARTS, HUMAN = parts_of(), toy_human(80)
