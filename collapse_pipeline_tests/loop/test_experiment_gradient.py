"""What a gradient says, from cells made by hand: 200 rows of each suite, three seeds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.experiment_gradient import PERPLEXITY, gradient
from collapse_pipeline.loop.release import ReleasePolicy
from collapse_pipeline_tests.loop.experiments import cell_by_hand

RULE = ReleasePolicy()
SHARES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


def marks(accuracy, seed, rows=1000):
    """Right answers in this share of the rows; seeds differ by a few rows, and harder rows are
    lost first, so that students of two shares are right on the same ones."""
    right = round(accuracy * rows) - seed
    return "1" * right + "0" * (rows - right)


def cells_of(standard, tail=None, perplexity=None, fired=None, reached=None, seeds=(1, 2, 3)):
    """Cells of every share of `standard`, a mapping of shares to accuracies."""
    tail, perplexity, fired, reached = (one or {} for one in (tail, perplexity, fired, reached))
    return [
        cell_by_hand(
            share,
            seed,
            {"standard": marks(one, seed), "long_tail": marks(tail.get(share, one), seed)},
            {PERPLEXITY: perplexity.get(share, 1.0)},
            [gate for gate, where in fired.items() if where.get(share, 0) >= seed],
            reached.get(share),
        )
        for share, one in standard.items()
        for seed in seeds
    ]


def flat(*shares, at=0.8):
    return dict.fromkeys(shares or SHARES, at)


def test_a_cap_by_hand():
    """0.8 at 0% and 10%, 0.79 at 30%, 0.77 at 50%: 0.9875 and 0.9625 of share 0's."""
    accuracies = {0.0: 0.8, 0.1: 0.8, 0.3: 0.79, 0.5: 0.77}
    said = gradient(cells_of(accuracies), RULE, 1)
    assert said["cap"]["share"] == 0.3
    reason = said["cap"]["reason"]
    assert reason.startswith("30% is the largest share up to which every primary suite keeps 0.98")
    assert "at 50% accuracy on standard is 0.962 of share 0's" in reason
    points = [row["suites"]["standard"]["point"] for row in said["shares"]]
    assert points == pytest.approx([1, 1, 0.9875, 0.9625], abs=5e-4)
    assert [bool(row["breaks"]) for row in said["shares"]] == [False, False, False, True]


def test_every_suite_must_hold():
    said = gradient(cells_of(flat(0.0, 0.1, 0.3), tail={0.3: 0.7}), RULE, 1)
    assert said["cap"]["share"] == 0.1
    assert "long_tail" in said["cap"]["reason"]


def test_a_lower_bound_that_is_too_low_stops_it_though_the_point_holds():
    rng = np.random.default_rng(1)
    noisy = ["".join(rng.permutation(list("1" * 80 + "0" * 20))) for _ in range(2)]
    cells = [cell_by_hand(s, 1, {"standard": m}) for s, m in zip((0.0, 0.3), noisy, strict=True)]
    (_, row) = gradient(cells, RULE, 1)["shares"]
    assert row["suites"]["standard"]["point"] == 1
    assert "no clear loss, but none is ruled out" in row["breaks"][0]


def test_perplexity_gates_and_the_red_line_stop_it_too():
    said = gradient(cells_of(flat(0.0, 0.1, 0.3), perplexity={0.3: 1.51}), RULE, 1)
    assert said["cap"]["share"] == 0.1
    assert "1.51 times the human-only baseline's" in said["cap"]["reason"]
    # In one seed of three a gate may fire by chance, in two it does.
    for seeds, cap in ((1, 0.3), (2, 0.1)):
        said = gradient(cells_of(flat(0.0, 0.1, 0.3), fired={"g": {0.3: seeds}}), RULE, 1)
        assert said["cap"]["share"] == cap
    assert "the gate g fires in 2 of 3 seeds" in said["cap"]["reason"]
    said = gradient(cells_of(flat(0.0, 0.8, 0.9)), RULE, 1)
    assert said["cap"]["share"] == 0.8
    assert "human text is 10% of the mix; the red line is 20%" in said["cap"]["reason"]


def test_a_share_that_was_not_reached_supports_no_more_than_was():
    said = gradient(cells_of(flat(0.0, 0.3, 0.5), reached={0.3: 0.299, 0.5: 0.41}), RULE, 1)
    assert said["cap"]["share"] == 0.41
    assert "no larger share was tried" in said["cap"]["reason"]
    assert gradient(cells_of(flat(0.0, 0.3), reached={0.3: 0.297}), RULE, 1)["cap"]["share"] == 0.3


def test_where_the_first_share_fails_none_is_supported():
    said = gradient(cells_of({0.0: 0.8, 0.1: 0.5, 0.3: 0.8}), RULE, 1)
    assert said["cap"]["share"] == 0
    assert said["cap"]["reason"].startswith("no share that was tried is one up to which")


def test_without_a_primary_suite_nothing_is_supported():
    cells = [cell_by_hand(share, 1, {}, {PERPLEXITY: 1.0}) for share in (0.0, 0.3)]
    said = gradient(cells, RULE, 1)
    assert said["cap"]["share"] == 0
    assert "no suite is large enough" in said["cap"]["reason"]


def test_the_tail_loses_first_and_where():
    standard = {0.0: 0.8, 0.1: 0.8, 0.3: 0.8, 0.5: 0.7}
    tail = {0.0: 0.8, 0.1: 0.8, 0.3: 0.7, 0.5: 0.6}
    said = gradient(cells_of(standard, tail), RULE, 1)["tail"]
    assert said["share"] == 0.3
    assert said["loses_from"] == {"standard": 0.5, "long_tail": 0.3}
    said = gradient(cells_of(standard, standard), RULE, 1)["tail"]
    assert said["share"] is None
    assert "standard does" in said["reason"]
    said = gradient(cells_of(flat(0.0, 0.3)), RULE, 1)["tail"]
    assert (said["share"], said["loses_from"]["long_tail"]) == (None, None)
    # A loss of all rows that the seeds do not share is none.
    uneven = [
        cell_by_hand(share, seed, {"standard": marks(0.8, 1), "long_tail": marks(tail, 1)})
        for share in (0.0, 0.3)
        for seed, tail in enumerate((0.8, 0.8, 0.5 if share else 0.8), 1)
    ]
    said = gradient(uneven, RULE, 1)
    assert said["shares"][1]["suites"]["long_tail"]["high"] < 1
    assert said["tail"]["share"] is None
    alone = [cell_by_hand(share, 1, {"standard": marks(0.8, 1)}) for share in (0.0, 0.3)]
    assert "no primary suite long_tail" in gradient(alone, RULE, 1)["tail"]["reason"]


def test_an_inflection_is_found_where_there_is_one_and_not_where_there_is_none():
    bent = {share: 0.8 - max(0, share - 0.5) for share in SHARES}
    said = gradient(cells_of(bent), RULE, 1)["inflection"]
    assert said["found"]
    assert said["at"] == pytest.approx(0.5, abs=0.03)
    assert said["low"] <= said["at"] <= said["high"]
    assert "behind 50%" in said["reason"]
    steep = {share: 2.0 if share <= 0.5 else 20**share for share in SHARES}
    said = gradient(cells_of(flat(), perplexity=steep), RULE, 1)["perplexity"]
    assert (said["suite"], said["metric"], said["found"]) == (*PERPLEXITY, True)
    straight = {share: 0.8 - 0.2 * share for share in SHARES}
    said = gradient(cells_of(straight), RULE, 1)["inflection"]
    assert not said["found"]
    assert said["reason"].startswith("no inflection of accuracy on standard found: two")
    said = gradient(cells_of(flat(0.0, 0.3)), RULE, 1)["inflection"]
    assert said["reason"].endswith("add shares to --shares")


def test_text_without_labels_is_compared_by_its_likelihood():
    """Loss 1.0 and 1.1 a token: likelihoods at a ratio of exp(-0.1)."""
    cells = [
        cell_by_hand(share, 1, {}, {PERPLEXITY: 1.0, ("standard", "token_likelihood"): 0.3})
        | {"rows": {"standard": {"losses": [loss * 5] * 50, "tokens": [5] * 50}}}
        for share, loss in ((0.0, 1.0), (0.3, 1.1))
    ]
    said = gradient(cells, RULE, 1)
    ratio = said["shares"][1]["suites"]["standard"]
    assert ratio["point"] == pytest.approx(np.exp(-0.1))
    assert (ratio["low"], ratio["high"]) == pytest.approx((ratio["point"],) * 2)
    assert (ratio["metric"], said["inflection"]["metric"]) == ("token_likelihood",) * 2


def test_bands_are_paired_by_seed():
    said = gradient(cells_of({0.0: 0.8, 0.3: 0.4}), RULE, 1)["bands"]
    (row,) = [
        b for b in said if (b["share"], b["suite"], b["metric"]) == (0.3, "standard", "accuracy")
    ]
    each = [(400 - seed) / (800 - seed) for seed in (1, 2, 3)]
    assert row["each"] == pytest.approx(each)
    assert row["over_none"] == pytest.approx(sum(each) / 3)
    assert row["low"] < row["over_none"] < row["high"]
    assert row["mean"] == pytest.approx(0.398)


@settings(deadline=None, max_examples=8)
@given(st.lists(st.floats(0.3, 0.9), min_size=3, max_size=5))
def test_no_share_above_the_cap_was_passed_over(accuracies):
    shares = (0.0, 0.1, 0.3, 0.5, 0.7)[: len(accuracies)]
    said = gradient(cells_of(dict(zip(shares, accuracies, strict=True)), seeds=(1,)), RULE, 1)
    cap = said["cap"]["share"]
    assert not any(row["breaks"] for row in said["shares"] if row["share"] <= cap)
    above = [row for row in said["shares"] if row["share"] > cap]
    assert not above or above[0]["breaks"]


def test_cells_that_cannot_be_compared():
    with pytest.raises(BadInputError, match="share 0 among"):
        gradient(cells_of(flat(0.1, 0.3)), RULE, 1)
    with pytest.raises(BadInputError, match="the same seeds"):
        gradient(cells_of(flat(0.0, 0.3))[:-1], RULE, 1)
