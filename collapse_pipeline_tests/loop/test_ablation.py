from dataclasses import replace

import pytest

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.ablation import (
    WHOLE,
    Link,
    links_of,
    nothing_to_act_on,
    whole,
    without,
    worth,
)
from collapse_pipeline.loop.experiment import cell
from collapse_pipeline.loop.experiment_gradient import PERPLEXITY
from collapse_pipeline.loop.filter import FilterPolicy
from collapse_pipeline.loop.judge import JudgePolicy
from collapse_pipeline.loop.mix import MixPolicy
from collapse_pipeline.records import Template
from collapse_pipeline_tests.loop.chains import PLAIN, parts_of
from collapse_pipeline_tests.loop.experiments import cell_by_hand, lab_of

TERSE = Template(name="terse", version="1", body="{{ intent }}", opening="hey")
STANDARD = ("standard", "accuracy")


def changed(link, **over):
    """Which parts a link's lack changes."""
    loop = whole(parts_of(templates=[PLAIN, TERSE], **over))
    bare = without(link, loop)
    names = [n for n in vars(loop.parts) if getattr(loop.parts, n) != getattr(bare.parts, n)]
    names += [n for n in ("cap", "gated", "guarded") if getattr(loop, n) != getattr(bare, n)]
    return set(names)


def test_the_whole_loop_uses_rejected_rows_as_negatives_and_holds_turns_back():
    loop = whole(parts_of())
    assert (loop.name, loop.gated, loop.guarded) == (WHOLE, True, True)
    assert loop.parts.mix.rejected_as == "negatives"
    assert loop.cap == loop.parts.mix.synthetic_cap
    own = parts_of(mix=MixPolicy(rejected_as="hard_cases"))
    assert whole(own).parts.mix.rejected_as == "hard_cases"


@pytest.mark.parametrize(
    ("link", "parts"),
    [
        (Link.JUDGE, {"judge"}),
        (Link.TEMPLATE_DIVERSITY, {"templates"}),
        (Link.HUMAN_INFUSION, {"people", "cap", "guarded"}),
        (Link.FAILED_SAMPLES, {"mix"}),
        (Link.NEAR_DUPLICATE_FILTER, {"filter"}),
        (Link.GATES, {"gated"}),
        (Link.QUOTAS, {"quotas", "filter"}),
    ],
)
def test_each_link_is_left_out_alone(link, parts):
    assert changed(link, filter=FilterPolicy()) == parts


def test_what_is_left_of_the_filter():
    loop = whole(parts_of(filter=FilterPolicy()))
    bare = without(Link.NEAR_DUPLICATE_FILTER, loop).parts.filter
    assert (bare.near_duplicate, bare.semantic, bare.enforce) == (None, None, True)
    loose = without(Link.QUOTAS, loop).parts.filter
    assert (loose.skeleton_quota_share, loose.near_duplicate) == (1.0, 0.8)


@pytest.mark.parametrize(
    ("link", "over", "why"),
    [
        (Link.JUDGE, {"judge": JudgePolicy(enforce=False)}, "the judge stops nothing"),
        (Link.JUDGE, {}, ""),
        (Link.TEMPLATE_DIVERSITY, {}, "there is one template"),
        (Link.TEMPLATE_DIVERSITY, {"templates": [PLAIN, TERSE]}, ""),
        (Link.FAILED_SAMPLES, {"task": None}, "there is none"),
        (Link.NEAR_DUPLICATE_FILTER, {"filter": FilterPolicy(enforce=False)}, "no near-duplicate"),
        (
            Link.NEAR_DUPLICATE_FILTER,
            {"filter": FilterPolicy(near_duplicate=None, semantic=None)},
            "no near-duplicate",
        ),
        (Link.GATES, {}, ""),
        (Link.HUMAN_INFUSION, {}, ""),
        (Link.QUOTAS, {}, ""),
        (
            Link.QUOTAS,
            {"judge": JudgePolicy(enforce=False), "filter": FilterPolicy(enforce=False)},
            "nothing is selected",
        ),
    ],
)
def test_a_link_without_anything_to_act_on_says_so(link, over, why):
    found = nothing_to_act_on(link, parts_of(**over), labelled=True)
    assert why in found
    assert bool(found) == bool(why)


def test_negatives_teach_nothing_where_there_are_no_labels():
    lab = lab_of()
    assert not nothing_to_act_on(Link.FAILED_SAMPLES, lab.parts, labelled=True)
    assert nothing_to_act_on(Link.FAILED_SAMPLES, lab.parts, labelled=False)


def test_links_by_their_names():
    assert links_of(["gates", "judge", "gates"]) == [Link.GATES, Link.JUDGE]
    for names in (["gate"], []):
        with pytest.raises(BadInputError, match="--without"):
            links_of(names)


def loops(name, accuracies, perplexities):
    """A cell a seed of one variant."""
    return [
        cell_by_hand(0.3, seed, {}, {STANDARD: a, PERPLEXITY: p, ("written", "distinct_2"): a / 2})
        | {"variant": name}
        for seed, (a, p) in enumerate(zip(accuracies, perplexities, strict=True), 1)
    ]


GOVERNED = loops(WHOLE, (0.80, 0.82, 0.84), (1.10, 1.12, 1.14))


def test_worth_by_hand():
    """Without the judge accuracy falls by 0.1, 0.11, 0.12 and perplexity rises by 1, 1.1, 1.2."""
    lacking = loops("judge", (0.70, 0.71, 0.72), (2.10, 2.22, 2.34))
    said = worth([*GOVERNED, *lacking], {"quotas": "nothing is selected by quota"})
    assert [*said["links"]] == ["judge", "quotas"]
    rows = {(row["suite"], row["metric"]): row for row in said["links"]["judge"]["worth"]}
    accuracy, perplexity = rows[STANDARD], rows[PERPLEXITY]
    assert accuracy["worth"] == pytest.approx(0.11)
    assert (accuracy["whole"], accuracy["without"]) == pytest.approx((0.82, 0.71))
    reach = 4.3027 * 0.01 / 3**0.5
    assert (accuracy["low"], accuracy["high"]) == pytest.approx(
        (0.11 - reach, 0.11 + reach), abs=1e-5
    )
    # Less perplexity is better, so that its worth is turned round.
    assert perplexity["worth"] == pytest.approx(1.1)
    assert rows["written", "distinct_2"]["worth"] == pytest.approx(0.055)
    assert [(r["suite"], r["metric"]) for r in said["links"]["judge"]["headline"]] == [
        PERPLEXITY,
        STANDARD,
        ("written", "distinct_2"),
    ]
    assert said["links"]["quotas"]["why"] == "nothing is selected by quota"
    assert said["holds"].startswith("what holds collapse back, strongest first: judge (2.22 times")


def test_the_strongest_is_named_first_and_what_harms_is_named_too():
    judge = loops("judge", (0.8, 0.82, 0.84), (1.30, 1.32, 1.34))
    people = loops("human_infusion", (0.8, 0.82, 0.84), (3.10, 3.12, 3.14))
    quotas = loops("quotas", (0.8, 0.82, 0.84), (1.05, 1.07, 1.09))
    said = worth([*GOVERNED, *judge, *people, *quotas], {})["holds"]
    assert said.index("human_infusion") < said.index("judge")
    assert said.endswith("without quotas real text is less strange, not more")


def test_a_difference_that_may_be_chance_holds_nothing_back():
    lacking = loops("judge", (0.8, 0.82, 0.84), (1.0, 1.2, 1.3))
    said = worth([*GOVERNED, *lacking], {})
    assert said["holds"].startswith("no link clearly holds collapse back at this size")


def test_a_whole_loop_that_promoted_nothing_says_so():
    lacking = loops("judge", (0.70, 0.71, 0.72), (2.10, 2.22, 2.34))
    stopped = [
        one | {"turns": [one["turns"][0] | {"promoted": False, "rules": {"accuracy:hard": "low"}}]}
        for one in GOVERNED
    ]
    said = worth([*stopped, *lacking], {})
    assert said["holds"].endswith("held back (by accuracy:hard), so none stood on another")
    assert said["whole"]["held_back"] == said["whole"]["rules"]["accuracy:hard"] == 3


def test_a_link_that_changed_nothing_is_not_applicable_rather_than_worth_nothing():
    same = [one | {"variant": "template_diversity"} for one in GOVERNED]
    said = worth([*GOVERNED, *same], {})["links"]["template_diversity"]
    assert not said["applicable"]
    assert said["why"].startswith("nothing to act on: no figure of any chain changed")
    assert said["worth"] == said["headline"] == []


def test_chains_that_cannot_be_paired():
    with pytest.raises(BadInputError, match="the whole loop"):
        worth([*GOVERNED, *loops("judge", (0.8,), (1.0,))], {})
    with pytest.raises(BadInputError, match="the whole loop"):
        worth(loops("judge", (0.8,), (1.0,)), {})


def test_without_people_a_loop_forgets_real_text_most():
    """A real chain of eleven words: what is trained on its own rows alone knows fewer of them."""
    lab = replace(lab_of(mix=MixPolicy(depth_limit=9)), human_rows=160)
    loop = whole(lab.parts)
    found = [
        cell(lab, variant, seed, 2)
        for variant in (loop, without(Link.HUMAN_INFUSION, loop), without(Link.JUDGE, loop))
        for seed in (1, 2)
    ]
    said = worth(found, {})
    rows = {
        name: next(r for r in link["worth"] if (r["suite"], r["metric"]) == PERPLEXITY)
        for name, link in said["links"].items()
    }
    assert rows["human_infusion"]["worth"] > 5 * abs(rows["judge"]["worth"])
    assert rows["human_infusion"]["low"] is not None
