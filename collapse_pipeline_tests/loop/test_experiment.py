from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.experiment import Variant, at_share, cell
from collapse_pipeline.loop.gate import Gate
from collapse_pipeline.loop.judge import JudgePolicy
from collapse_pipeline.loop.mix import MixPolicy
from collapse_pipeline.loop.release import ReleasePolicy
from collapse_pipeline.records import canonical_json, table_digest
from collapse_pipeline_tests.loop.chains import banking77, parts_of
from collapse_pipeline_tests.loop.experiments import lab_of

FIRES = Gate(
    name="fires",
    asset="synthetic_batch",
    metric="exact_duplicates",
    bound={"at_most": -1},
    severity="block",
    why="It always does.",
)


def of(turn, model="candidate"):
    return {
        (value["suite"], value["metric"]): value["value"]
        for value in turn["values"]
        if value["model"] == model
    }


def test_shares_on_top_by_hand():
    """80 human rows: 50% are 80 written ones, 90% 720; a judge keeps four fifths, a filter 0.9."""
    parts = parts_of()
    half, most, alone = (at_share(parts, 80, share, "on_top") for share in (0.5, 0.9, 1.0))
    assert half.parts.generate.rows == 120  # the corpus's own, which is enough: 80 / 0.72 = 112
    assert most.parts.generate.rows == alone.parts.generate.rows == 1000
    assert (half.name, most.name, alone.name) == ("50%", "90%", "100%")
    assert [v.parts.people for v in (half, most, alone)] == [True, True, False]
    assert [v.parts.mix.synthetic_cap for v in (half, most, alone)] == [0.5, 0.9, 0.9]
    assert {v.parts.mix.regime for v in (half, most, alone)} == {"accumulate"}
    loose = parts_of(judge=JudgePolicy(enforce=False))
    assert at_share(loose, 80, 0.9, "on_top").parts.generate.rows == 800


def test_a_fixed_mix_by_hand():
    found = at_share(parts_of(), 800, 0.5, "fixed")
    assert found.parts.mix.regime == "replace"
    assert found.parts.generate.rows == 556  # 400 / 0.72
    assert at_share(parts_of(), 80, 1.0, "fixed").parts.people


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_that_is_none(share):
    with pytest.raises(BadInputError, match="--shares"):
        at_share(parts_of(), 80, share, "on_top")


@given(st.floats(0, 1), st.sampled_from(["on_top", "fixed"]), st.integers(1, 9999))
def test_nothing_of_the_mix_stands_in_the_way_of_a_share(share, way, rows):
    tight = MixPolicy(caps_by_task={"text": 0.1}, stage="pilot", pilot_rows=1, human_rows=3)
    found = at_share(parts_of(mix=tight), rows, share, way).parts
    assert found.mix.human_floor == 0
    assert (found.mix.caps_by_task, found.mix.stage, found.mix.human_rows) == ({}, "full", None)
    assert found.generate.rows >= 120
    assert found.mix.synthetic_weight == tight.synthetic_weight


@pytest.mark.parametrize(("way", "wanted"), [("on_top", [0, 0.5, 0.9, 1]), ("fixed", [0, 0.5, 1])])
def test_cells_of_one_seed_differ_in_their_share_alone(way, wanted):
    lab = lab_of(rows=40)
    found = [cell(lab, at_share(lab.parts, 40, share, way), 1, 1) for share in wanted]
    turns = [one["turns"][0] for one in found]
    assert [turn["share"] for turn in turns] == pytest.approx(wanted, abs=0.03)
    bases = [of(turn, "baseline") for turn in turns]
    assert all(
        base["standard", "perplexity"] == bases[0]["standard", "perplexity"] for base in bases
    )
    assert turns[0]["human_rows"] == 40
    assert turns[-1]["human_rows"] == 0
    if way == "fixed":
        assert {turn["human_rows"] + turn["synthetic_rows"] for turn in turns} <= {38, 39, 40}


def test_the_same_seed_gives_the_same_cell_and_another_another():
    lab = lab_of()
    variant = at_share(lab.parts, 80, 0.3, "on_top")
    one, again, other = (cell(lab, variant, seed, 2) for seed in (1, 1, 2))
    assert canonical_json(one) == canonical_json(again)
    assert one["turns"] != other["turns"]
    ids = [lab.humans(seed)["sample_id"].to_pylist() for seed in (1, 2)]
    assert ids[0] != ids[1]
    assert len(ids[0]) == len(ids[1]) == one["human_rows"] == 80
    assert replace(lab, human_rows=999).humans(1).num_rows == 160
    assert table_digest(lab.humans(3)) == table_digest(lab.humans(3))


def test_what_a_cell_tells():
    lab = lab_of()
    found = cell(lab, at_share(lab.parts, 80, 0.5, "on_top"), 1, 2)
    assert [turn["turn"] for turn in found["turns"]] == [1, 2]
    assert [turn["depth"] for turn in found["turns"]] == [1, 2]
    last = of(found["turns"][-1])
    marks = found["rows"]["standard"]["right"]
    assert len(marks) == 40
    assert marks.count("1") / 40 == pytest.approx(last["standard", "accuracy"])
    assert {("standard", "perplexity"), ("written", "distinct_2"), ("standard", "macro_f1")} <= {
        *last
    }
    assert ("synthetic", "perplexity") not in last
    assert {value["model"] for value in found["turns"][0]["values"]} == {
        "candidate",
        "baseline",
        "released",
    }


def test_text_without_labels_has_losses_in_place_of_answers():
    lab = lab_of()
    bare = lab.human.set_column(4, lab.human.schema.field(4), [[""] * lab.human.num_rows])
    suites = lab.parts.suites
    suites = suites.set_column(4, suites.schema.field(4), [[""] * suites.num_rows])
    lab = replace(lab, human=bare, parts=replace(lab.parts, suites=suites))
    found = cell(lab, at_share(lab.parts, 80, 0.3, "on_top"), 1, 1)
    answers = found["rows"]["standard"]
    last = of(found["turns"][-1])
    perplexity = np.exp(sum(answers["losses"]) / sum(answers["tokens"]))
    assert perplexity == pytest.approx(last["standard", "perplexity"], rel=1e-4)
    assert last["standard", "token_likelihood"] == pytest.approx(1 / perplexity, rel=1e-4)


def test_a_turn_that_a_gate_stops_is_held_back_where_the_loop_is_gated():
    lab = lab_of([FIRES])
    parts = lab.parts
    loose, gated = (cell(lab, Variant("whole", parts, 0.3, gated), 1, 2) for gated in (False, True))
    assert [turn["promoted"] for turn in loose["turns"]] == [True, True]
    assert [turn["promoted"] for turn in gated["turns"]] == [False, False]
    for found in (loose, gated):
        assert "exact_duplicates" in found["turns"][0]["fired"]["fires"]
    # With nothing promoted the baseline stays the parent, and what is released.
    assert [turn["depth"] for turn in loose["turns"]] == [1, 2]
    assert [turn["depth"] for turn in gated["turns"]] == [1, 1]
    turn = gated["turns"][1]
    base, released = of(turn, "baseline"), of(turn, "released")
    assert released["standard", "perplexity"] == base["standard", "perplexity"]
    ours = of(loose["turns"][1], "released")
    assert ours["standard", "perplexity"] == of(loose["turns"][1])["standard", "perplexity"]


def test_the_release_rule_holds_a_turn_back_and_the_red_line_only_where_it_guards():
    lab = replace(lab_of(), release=ReleasePolicy(point=0.1, bound=0.01, perplexity_ratio=99))
    bare = replace(lab.parts, people=False)
    guarded, not_guarded = (
        cell(lab, Variant("x", bare, 1.0, gated=True, guarded=guarded), 1, 1)["turns"][0]
        for guarded in (True, False)
    )
    assert set(guarded["rules"]) == {"human_floor"}
    assert not guarded["promoted"]
    assert not_guarded["promoted"]
    strict = replace(lab, release=ReleasePolicy(perplexity_ratio=1.0001))
    turn = cell(strict, Variant("x", lab.parts, 0.3, gated=True), 1, 1)["turns"][0]
    assert "real_perplexity:standard" in turn["rules"]


@pytest.mark.real_data
def test_banking77_loses_more_with_every_share(shared_data):
    parts, human = banking77(shared_data)
    record = lab_of().suites[0].model_copy(update={"rows": 300})
    lab = lab_of(task=None)
    policy = lab.evaluate.model_copy(update={"primary_rows": 100})
    lab = replace(lab, parts=parts, human=human, human_rows=500, suites=[record], evaluate=policy)
    found = [
        of(cell(lab, at_share(parts, 500, share, "fixed"), 1, 2)["turns"][-1])
        for share in (0, 0.3, 1)
    ]
    losses = [one["standard", "perplexity.ratio_to_baseline"] for one in found]
    assert losses[0] == pytest.approx(1)
    assert losses == sorted(losses)
    assert losses[2] > 1.5
    assert found[2]["written", "distinct_2"] < found[0]["written", "distinct_2"]
