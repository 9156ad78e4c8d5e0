from dataclasses import replace
from itertools import islice

import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.judges.likelihood import LikelihoodConfig
from collapse_pipeline.backends.students.task import TfidfTaskConfig
from collapse_pipeline.loop.chain import subsample, train, turns, weighted
from collapse_pipeline.loop.generate import GeneratePolicy
from collapse_pipeline.loop.judge import JudgePolicy, rejected
from collapse_pipeline.loop.mix import MixPolicy
from collapse_pipeline.metrics.fluency import perplexity
from collapse_pipeline.records import HUMAN, table_digest
from collapse_pipeline_tests.loop.chains import banking77, parts_of, toy_human, ungoverned
from collapse_pipeline_tests.samples import human_table


@settings(deadline=None)
@given(st.integers(2, 60), st.floats(0.1, 1), st.integers(0, 9))
def test_a_subsample_has_its_share_each_row_once_in_their_order(rows, share, seed):
    human = human_table(rows)
    ids = human["sample_id"].to_pylist()
    found = subsample(human, seed, share)["sample_id"].to_pylist()
    assert len(found) == max(1, round(share * rows))
    assert found == [i for i in ids if i in set(found)]
    assert found == subsample(human, seed, share)["sample_id"].to_pylist()


def test_another_seed_leaves_out_other_rows():
    human = human_table(50)
    assert subsample(human, 1) != subsample(human, 2)
    assert subsample(human, 1).num_rows == 40


def test_turns_by_hand():
    """Depth 1, depth 2; the second student is at the limit and never a parent, so depth 2 again."""
    mix = MixPolicy(depth_limit=2, synthetic_cap=0.6)
    parts, human = parts_of(mix=mix), toy_human()
    first, second, third = islice(turns(parts, human, seed=1), 3)
    assert [turn.ordinal for turn in (first, second, third)] == [1, 2, 3]
    assert [turn.depth for turn in (first, second, third)] == [1, 2, 2]
    assert [turn.mix_depth for turn in (first, second, third)] == [1, 2, 2]
    for turn in (first, second, third):
        assert {*turn.batch["depth"].to_pylist()} == {turn.depth}
        assert turn.batch.num_rows == turn.judged.num_rows == 120
        accepted = pc.sum(turn.judged["accepted"]).as_py()
        assert turn.kept.num_rows + turn.dropped.num_rows == accepted
        assert turn.baseline is first.baseline
        own = turn.mixture.samples.filter(pc.equal(turn.mixture.samples["origin"], HUMAN))
        assert {*own["sample_id"].to_pylist()} == {*human["sample_id"].to_pylist()}
    # The second turn was written by the first's candidate, the third by the same again.
    teachers = [set(turn.batch["teacher"].to_pylist()) for turn in (first, second, third)]
    assert teachers[0] != teachers[1] == teachers[2]
    # Earlier rows that were kept are in later mixes.
    late = set(third.mixture.samples["written_in"].to_pylist())
    assert late == {"", "turn-001", "turn-002", "turn-003"}


def test_without_governing_depth_has_no_limit():
    parts = parts_of(mix=MixPolicy(depth_limit=1))
    human = toy_human()
    governed = [turn.depth for turn in islice(turns(parts, human, seed=1), 3)]
    loose = [turn.depth for turn in islice(turns(parts, human, 1, governed=False), 3)]
    # Rows beyond the limit of the mix are left out of it, so the student's own depth stays 1.
    assert (governed, loose) == ([1, 1, 1], [1, 2, 2])
    free = parts_of(mix=MixPolicy(depth_limit=9))
    assert [t.depth for t in islice(turns(free, human, 1, governed=False), 3)] == [1, 2, 3]


def test_the_same_seed_gives_the_same_digests_and_another_does_not():
    parts, human = parts_of(), toy_human()

    def digests(seed):
        return [
            table_digest(table)
            for turn in islice(turns(parts, human, seed), 2)
            for table in (turn.batch, turn.judged, turn.kept, turn.dropped, turn.mixture.samples)
        ]

    assert digests(5) == digests(5)
    assert not {*digests(5)} & {*digests(6)} - {table_digest(toy_human().slice(0, 0))}


def test_kept_rows_of_a_turn_never_repeat_an_earlier_row():
    parts, human = parts_of(), toy_human()
    seen = {*human["prompt"].to_pylist()}
    for turn in islice(turns(parts, human, seed=2), 3):
        fresh = turn.kept["prompt"].to_pylist()
        assert not seen & {*fresh}
        assert len({*fresh}) == len(fresh)
        seen |= {*fresh}


def test_a_baseline_classifies_where_there_are_labels_and_a_candidate_where_it_is_asked_for():
    human = toy_human()
    parts = parts_of(task=TfidfTaskConfig())
    (turn,) = islice(turns(parts, human, seed=1), 1)
    assert turn.baseline.task is not None
    assert turn.candidate.task is not None
    (turn,) = islice(turns(replace(parts, classify=False), human, seed=1), 1)
    assert turn.baseline.task is not None  # judges ask it
    assert turn.candidate.task is None
    one = human.filter(pc.equal(human["label"], "a"))
    assert train(parts, weighted(one), 1, None).task is None


def test_human_rows_weigh_one():
    rows = weighted(human_table(3))
    assert rows["weight"].to_pylist() == [1, 1, 1]
    assert rows["role"].to_pylist() == ["positive"] * 3


def loss(turn, human):
    columns = [human[name].to_pylist() for name in ("label", "prompt", "response")]
    return perplexity(*turn.candidate.language.negative_log_likelihood(*columns))


@pytest.mark.real_data
def test_banking77_stays_healthy_under_the_default_mix_and_collapses_under_replace(shared_data):
    parts, human = banking77(shared_data)
    suite = parts.suites
    healthy = [loss(turn, suite) for turn in islice(turns(parts, human, seed=3), 3)]
    loose = ungoverned(parts)
    replaced = list(islice(turns(loose, human, seed=3, governed=False), 3))
    collapsed = [loss(turn, suite) for turn in replaced]
    assert max(healthy) < 1.2 * healthy[0]
    assert collapsed[2] > 2 * healthy[2]
    assert collapsed == sorted(collapsed)


def test_a_turn_that_was_held_back_leaves_nothing_to_later_ones():
    """The second turn is stopped: the third is written by the first's student, without its rows."""
    parts, human = parts_of(mix=MixPolicy(depth_limit=9, synthetic_cap=0.6)), toy_human()
    stopped = {2}
    chain = turns(parts, human, 1, promoted=lambda turn: turn.ordinal not in stopped)
    first, second, third = islice(chain, 3)
    assert [turn.depth for turn in (first, second, third)] == [1, 2, 2]
    assert set(third.mixture.samples["written_in"].to_pylist()) == {"", "turn-001", "turn-003"}
    free = [*islice(turns(parts, human, 1), 3)]
    assert table_digest(free[1].kept) == table_digest(second.kept)
    assert free[2].depth == 3
    # What was held back may be said again: only rows of the line count as earlier ones.
    assert first.bands.num_rows > 0
    quiet = parts_of(mix=MixPolicy(depth_limit=9), generate=GeneratePolicy(rows=600))
    chain = turns(quiet, human, 1, promoted=lambda turn: False)
    said = [set(turn.kept["prompt"].to_pylist()) for turn in islice(chain, 3)]
    assert said[0] & said[1]


def test_rejected_rows_come_into_the_mix_as_negatives_where_the_policy_says_so():
    human = toy_human()
    (plain,) = islice(turns(parts_of(), human, 1), 1)
    out = {*rejected(plain.judged)["sample_id"].to_pylist()}
    assert len(out) == 120 - pc.sum(plain.judged["accepted"]).as_py()
    parts = parts_of(mix=MixPolicy(rejected_as="negatives", rejected_share=0.2))
    (turn,) = islice(turns(parts, human, 1), 1)
    negatives = turn.mixture.samples.filter(pc.equal(turn.mixture.samples["role"], "negative"))
    assert 0 < negatives.num_rows == turn.mixture.summary["rejected_rows"]
    assert {*negatives["sample_id"].to_pylist()} <= out
    assert set(plain.mixture.samples["role"].to_pylist()) == {"positive"}


def test_reasons_of_rejected_rows_are_kinds():
    (turn,) = islice(turns(parts_of(), toy_human(), 1), 1)
    found = rejected(turn.judged)
    said = set(found["reason"].to_pylist())
    assert "below quota" in said
    assert not any("for label" in reason for reason in said)
    assert set(found["stage"].to_pylist()) == {"judge"}


def test_a_mix_without_people_keeps_the_written_rows_at_full_weight():
    human = toy_human()
    (whole,) = islice(turns(parts_of(), human, 1), 1)
    (turn,) = islice(turns(parts_of(people=False), human, 1), 1)
    rows = turn.mixture.samples
    written = whole.mixture.samples.filter(pc.equal(whole.mixture.samples["origin"], "synthetic"))
    assert rows["sample_id"].to_pylist() == written["sample_id"].to_pylist()
    assert set(written["weight"].to_pylist()) == {0.5}
    assert set(rows["weight"].to_pylist()) == {1.0}
    assert turn.mixture.summary["synthetic_share"] == 1
    assert turn.mixture.summary["human_rows"] == 0
    assert turn.mixture.summary["rows"] == rows.num_rows
    (bare,) = islice(turns(parts_of(people=False, mix=MixPolicy(synthetic_cap=0)), human, 1), 1)
    assert bare.mixture.summary["human_rows"] == human.num_rows  # nothing was written


def test_without_quotas_the_best_of_all_labels_stay():
    human = toy_human()
    policy = JudgePolicy(keep_share=0.3, select="rank")
    with_quotas, without = (
        next(turns(parts_of(judge=policy, panel=LikelihoodConfig(), quotas=quotas), human, 1))
        for quotas in (True, False)
    )
    judged = without.judged
    scores = judged["score"].to_numpy()
    kept = judged["accepted"].to_numpy()
    assert kept.sum() == 36  # three tenths of 120
    assert scores[kept].min() >= scores[~kept].max()
    assert judged["score"].to_pylist() == with_quotas.judged["score"].to_pylist()
    labels = with_quotas.judged.filter(with_quotas.judged["accepted"])["label"].to_pylist()
    assert sorted(map(labels.count, "ab")) == [18, 18]
