"""For every default gate the faults that it names, and other faults beside which it stays quiet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from collapse_pipeline.backends.judges.jury import JuryConfig
from collapse_pipeline.backends.judges.rules import RulesConfig
from collapse_pipeline.backends.judges.style import StyleConfig
from collapse_pipeline_tests.config import faults as f

NOTHING_BEFORE: Mapping[str, tuple[float, ...]] = {}
RISING = tuple(n / 100 for n in range(11, 0, -1))  # newest first
LEVEL = (0.02, 0.01, 0.03, 0.02, 0.01, 0.02, 0.03, 0.01, 0.02, 0.03, 0.01)


@dataclass(frozen=True)
class Fault:
    """A night with a fault in it."""

    made: f.Made
    shows: tuple[str, ...]  # figures that must be beyond their bounds
    before: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # figures of past nights


@dataclass(frozen=True)
class Case:
    """What a gate is held to, on nights of one corpus."""

    faults: Mapping[str, Fault]
    beside: Mapping[str, Fault]  # shows nothing of this gate's
    corpus: str = "customer_service"


def quiet(made: f.Made, **before: tuple[float, ...]) -> Fault:
    return Fault(made, (), before)


STYLE_JURY = JuryConfig(
    members=(RulesConfig(), StyleConfig(likes=("length",))), weights={"style": 9}
)
LABELS_VETOED = RulesConfig(forbidden=(r"(?i)refund|warranty|return",))
ALL_SYNTHETIC = {"regime": "replace", "synthetic_cap": 0.95, "human_floor": 0.0}
noise = partial(f.texts_of, suite="noisy")
newest = partial(f.texts_of, suite="shadow")

# Faults that several gates look at, each made once.
WRONG = f.dials(accuracy=0.3)
REFUSING = f.dials(refusal=0.5)
NARROW = f.dials(narrowness=0.8)
REPEATING = f.repeating(5)
HARDLY_HUMAN = f.mixed(ALL_SYNTHETIC)
NOISE = f.stumbling(noise, 10)
NEWEST = f.stumbling(newest, 5)
OTHER_STUDENT = f.calibrated_for(student_settings="other")
LOST_PART = f.ready(pin_faults=1)
ALONE = f.ready(nights_alone=31)

CASES: Mapping[str, Case] = {
    "style_uniform": Case(
        {
            "a narrow teacher": Fault(
                NARROW,
                (
                    "skeleton_repetition",
                    "unigram_entropy",
                    "two_sample_auc_words",
                    "two_sample_auc_embeddings",
                ),
            ),
            "a rigid template": Fault(f.rigid, ("unigram_entropy", "two_sample_auc_words")),
            "one thing said twice": Fault(
                f.long_winded, ("nearest_neighbour_ratio", "two_sample_auc_words")
            ),
        },
        {
            "wrong facts": quiet(WRONG),
            "refusals": quiet(REFUSING),
            "repetition of earlier nights": quiet(REPEATING),
        },
    ),
    "distribution_contract": Case(
        {
            "one mould a label": Fault(
                f.dials(narrowness=1.0), ("topic_divergence", "coverage", "rare_word_coverage")
            ),
            "the commonest labels only": Fault(f.dials(coverage=0.2), ("tail_label_mass",)),
            "long-winded": Fault(f.long_winded, ("length_divergence",)),
            "another task": Fault(f.of_another_task, ("task_type_divergence",)),
        },
        {"wrong facts": quiet(WRONG), "polite nothings": quiet(f.gushing)},
    ),
    "duplicates_rise": Case(
        {
            "repetition of earlier nights": Fault(REPEATING, ("nearest_neighbour_ratio_across",)),
            "a little more every night": Fault(
                f.repeating(8), ("near_duplicates_across",), {"near_duplicates_across": RISING}
            ),
        },
        {
            "wrong facts": quiet(WRONG),
            "a rigid template": quiet(f.rigid),
            "now more, now less": quiet(f.dials(), near_duplicates_across=LEVEL),
        },
    ),
    "responses_wrong": Case(
        {
            "wrong facts": Fault(WRONG, ("wrong_fact_rate",)),
            "refusals": Fault(REFUSING, ("unwarranted_refusal_rate",)),
            "polite nothings": Fault(f.gushing, ("empty_politeness",)),
        },
        {"a rigid template": quiet(f.rigid), "a narrow teacher": quiet(NARROW)},
    ),
    "questions_alike": Case(
        {"one mould a label": Fault(NARROW, ("question_form_diversity", "distractor_diversity"))},
        {"wrong answers": quiet(WRONG)},
        corpus="question_bank",
    ),
    "judge_biased": Case(
        {
            "a jury for long answers": Fault(f.judging(STYLE_JURY), ("judge_style_bias",)),
            "labels vetoed": Fault(f.judging(LABELS_VETOED), ("acceptance_skew",)),
            "another mind": Fault(f.judging(StyleConfig()), ("gold_drift",)),
        },
        {"a batch of wrong facts": quiet(f.judging_what_is_wrong)},
    ),
    "batch_contaminated": Case(
        {"suites given away": Fault(f.giving_suites_away, ("eval_overlap",))},
        {"rows that repeat each other": quiet(f.repeating_itself)},
    ),
    "mix_contaminated": Case(
        {"suites in the mix": Fault(f.leaking, ("leaked_rows",))},
        {"hardly a human row": quiet(HARDLY_HUMAN), "too deep": quiet(f.too_deep)},
    ),
    "mix_account": Case(
        {
            "hardly a human row": Fault(HARDLY_HUMAN, ("share_over_cap", "human_share")),
            "too deep": Fault(f.too_deep, ("depth_over_limit",)),
        },
        {"suites in the mix": quiet(f.leaking)},
    ),
    "share_raised_unproven": Case(
        {
            "a raised cap": Fault(
                f.mixed({"synthetic_cap": 0.4}, cap=0.4), ("share_without_experiment",)
            )
        },
        {
            "raised on an experiment": quiet(
                f.mixed({"synthetic_cap": 0.4}, cap=0.4, gradient_share=0.4)
            ),
            "suites in the mix": quiet(f.leaking),
        },
    ),
    "single_source": Case(
        {
            "one teacher": Fault(f.from_one("teacher"), ("teacher_hhi",)),
            "one template": Fault(f.from_one("template"), ("template_hhi",)),
        },
        {"too deep": quiet(f.too_deep)},
    ),
    "real_text_forgotten": Case(
        {"fed on itself": Fault(f.fed_on_itself, ("perplexity_over_baseline@standard",))},
        {"noise misread": quiet(NOISE)},
    ),
    "fragile_on_noise": Case(
        {"noise misread": Fault(NOISE, ("accuracy_over_best@noisy",))},
        {
            "the newest misread": quiet(NEWEST),
            "fed on itself": quiet(f.fed_on_itself),
        },
    ),
    "smooth_but_worse": Case(
        {"fed on itself": Fault(f.fed_on_itself, ("smoother_but_worse",))},
        {
            "learnt all round": quiet(f.learnt_all_round),
            "noise misread": quiet(NOISE),
        },
    ),
    "shadow_falls": Case(
        {"the newest misread": Fault(NEWEST, ("shadow_lag@shadow",))},
        {"noise misread": quiet(NOISE), "fed on itself": quiet(f.fed_on_itself)},
    ),
    "group_gap_widened": Case(
        {"a group misread": Fault(f.stumbling(f.texts_of_a_group, 3), ("group_gap@standard",))},
        {"noise misread": quiet(NOISE), "fed on itself": quiet(f.fed_on_itself)},
    ),
    "legacy_suites_only": Case(
        {"no suite from outside": Fault(f.ready(outside_suites=0), ("outside_suites",))},
        {"alone for long": quiet(ALONE)},
    ),
    "review_missing": Case(
        {
            "a change nobody looked at": Fault(
                f.ready(changed_components=1, reviewed_rows=7), ("review_shortfall",)
            )
        },
        {
            "a change that was reviewed": quiet(f.ready(changed_components=1, reviewed_rows=8)),
            "a missing part": quiet(LOST_PART),
        },
    ),
    "single_source_for_long": Case(
        {"alone for long": Fault(ALONE, ("nights_alone",))},
        {"alone for a month": quiet(f.ready(nights_alone=30))},
    ),
    "rollback_impossible": Case(
        {"a missing part": Fault(LOST_PART, ("pin_faults",))},
        {"another student's calibration": quiet(OTHER_STUDENT)},
    ),
    "calibration_stale": Case(
        {"another student's calibration": Fault(OTHER_STUDENT, ("calibration_faults",))},
        {
            "the same facts": quiet(f.calibrated_for()),
            "a missing part": quiet(LOST_PART),
        },
    ),
}
