from collections.abc import Sequence
from math import nan

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.loop.blame import FEWEST, to_blame
from collapse_pipeline.loop.decide import Limit, Measured, Reading
from collapse_pipeline.loop.gate import Bound, Condition
from collapse_pipeline.loop.measure import figure
from collapse_pipeline.metrics.evidence import BatchEvidence, Texts
from collapse_pipeline.records import samples_table
from collapse_pipeline_tests.metrics.generations import replaced
from collapse_pipeline_tests.samples import human_table, written_row

NULL_ROWS = 300
WORDS = [f"word{n}" for n in range(400)]
LITTLE = ["the", "of", "to", "and", "in", "my", "a", "is", "for", "on"]
REPETITION = Condition(metric="skeleton_repetition", bound=Bound(calibrated="above"))
ENTROPY = Condition(metric="unigram_entropy", bound=Bound(calibrated="below"))
BOTH = (REPETITION, ENTROPY)


def texts(count: int, seed: int, rigid: float = 0.0) -> list[str]:
    """Sentences of their own moulds and words; a rigid share of them says nearly one thing."""
    rng = np.random.default_rng(seed)
    free = [
        " ".join(rng.choice(LITTLE if rng.random() < 0.5 else WORDS) for _ in range(10))
        for _ in range(count)
    ]
    return [
        f"the {rng.choice(WORDS[:5])} of my {rng.choice(WORDS[:5])}" if i < rigid * count else text
        for i, text in enumerate(free)
    ]


def batch(versions: dict[str, Sequence[str]], column: str = "template") -> BatchEvidence:
    said = [(version, text) for version, own in versions.items() for text in own]
    rows = [written_row(text, seed=i, **{column: v}) for i, (v, text) in enumerate(said)]
    return BatchEvidence(Texts(samples_table(rows)), Texts(human_table(20)))


def nulls(conditions=BOTH):
    """Of honest batches, each drawn anew."""
    nights = [batch({"p@1": texts(NULL_ROWS, 1000 + n)}) for n in range(10)]
    return {c.statistic: [figure(c, night).value for night in nights] for c in conditions}


NULLS = nulls()


LIMIT = Limit(None, 0.1, "")


def readings(*conditions, exceeded=True, value=0.5, limit=LIMIT):
    return [Reading(c, Measured(value), limit, exceeded, "") for c in conditions or BOTH]


def blamed(evidence, found=None, column="template", known=NULLS, seed=1):
    return to_blame(
        readings() if found is None else found, evidence, column, known, NULL_ROWS, seed
    )


HONEST = {name: texts(300, n) for n, name in enumerate(("plain@1", "upset@1", "calm@1"))}
RIGID = {**HONEST, "rigid@1": texts(300, 9, rigid=0.9)}


def test_the_rigid_template_is_blamed():
    assert blamed(batch(RIGID)) == "rigid@1"
    assert blamed(batch(RIGID), readings(REPETITION)) == "rigid@1"
    teachers = {f"t{n}": own for n, own in enumerate(RIGID.values())}
    assert blamed(batch(teachers, "teacher"), column="teacher") == "t3"


def test_where_all_are_alike_nobody_stands_out():
    assert blamed(batch(HONEST)) is None
    narrow = {name: texts(300, n, rigid=0.5) for n, name in enumerate(HONEST)}
    assert blamed(batch(narrow)) is None  # the fault lies with who wrote them all


def test_of_two_at_fault_one_is_blamed_tonight():
    two = {**RIGID, "stiff@1": texts(300, 10, rigid=0.8)}
    assert blamed(batch(two)) == "rigid@1"
    del two["plain@1"], two["calm@1"]
    assert blamed(batch(two)) == "rigid@1"  # the one that is left shows that it can be done


def test_a_template_that_is_the_worst_and_harms_nobody_is_not_blamed():
    """Most of the harm is the others': without the worst the batch is as bad."""
    bad = {name: texts(400, n, rigid=0.6) for n, name in enumerate(HONEST)}
    assert blamed(batch({**bad, "rigid@1": texts(FEWEST, 9, rigid=0.95)})) is None


def test_who_is_unlike_the_others_the_other_way_is_not_blamed():
    livelier = [f"{text} {n} times {n + 1}" for n, text in enumerate(texts(300, 7))]
    assert blamed(batch({**HONEST, "lively@1": livelier})) is None
    as_lively = {"lively@1": livelier[::2], "vivid@1": livelier[1::2]}
    assert blamed(batch({**HONEST, **as_lively})) is None


def test_with_few_rows_or_one_version_nobody_is_blamed():
    for rows, who in ((200, "rigid@1"), (199, None)):
        few = {"calm@1": HONEST["calm@1"], "rigid@1": texts(rows, 9, rigid=1.0)}
        assert blamed(batch(few)) == who
    assert blamed(batch({"rigid@1": RIGID["rigid@1"]})) is None
    assert blamed(batch({"rigid@1": RIGID["rigid@1"], "calm@1": HONEST["calm@1"][:50]})) is None


def test_what_is_missing_or_within_its_bound_blames_nobody():
    evidence = batch(RIGID)
    assert blamed(evidence, []) is None
    assert blamed(evidence, readings(exceeded=False)) is None
    assert blamed(evidence, readings(limit=None)) is None  # a missing bound
    assert blamed(evidence, readings(value=nan)) is None
    assert blamed(evidence, known={}) is None  # nothing says how far is far
    assert blamed(evidence, known={name: [nan] * 9 for name in NULLS}) is None


def test_only_figures_that_were_exceeded_count():
    """Entropy would blame the one that says little, which repeats no mould."""
    dull = [f"{LITTLE[n % 10]} {LITTLE[n // 10 % 10]} {LITTLE[n // 100]}" for n in range(300)]
    evidence = batch({**HONEST, "dull@1": dull})
    assert blamed(evidence, readings(ENTROPY)) == "dull@1"
    assert blamed(evidence, readings(REPETITION)) is None


def moulded(count: int, seed: int, moulds: int) -> list[str]:
    """Sentences of as many moulds; the more rows, the more of them share one."""
    rng = np.random.default_rng(seed)
    pool = [" ".join(np.random.default_rng(m).choice(LITTLE, 8)) for m in range(moulds)]
    return [f"{pool[rng.integers(moulds)]} {rng.choice(WORDS)}" for _ in range(count)]


def test_what_is_left_is_compared_with_as_many_rows_of_the_whole():
    """A third of the rows repeat less by themselves, however narrow they are."""
    known = {REPETITION.statistic: [0.14, 0.15, 0.16, 0.13, 0.15, 0.14, 0.12, 0.13]}  # of 600 rows

    def found(worst, rest):
        evidence = batch({"worst@1": moulded(400, 1, worst), "rest@1": moulded(200, 2, rest)})
        return to_blame(readings(REPETITION), evidence, "template", known, 600, 1)

    assert found(40, 2000) == "worst@1"
    assert found(40, 110) is None


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_order_of_rows_moves_no_blame(seed, random):
    evidence = batch(RIGID)
    order = random.sample(range(len(evidence.synthetic)), len(evidence.synthetic))
    mixed = evidence.on(Texts(evidence.synthetic.rows.take(pa.array(order))))
    assert blamed(evidence, seed=seed) == blamed(mixed, seed=seed) == "rigid@1"


def test_healthy_templates_are_hardly_ever_blamed():
    """For a breach that chance made: whoever reads the figures finds two of three alike."""
    false = [
        blamed(batch({f"p@{n}": texts(300, 100 * night + n) for n in range(3)}))
        for night in range(1, 13)
    ]
    assert false.count(None) >= 11


@pytest.mark.real_data
def test_banking77_s_rigid_template_is_blamed_and_a_collapsed_student_s_templates_are_not(
    shared_data,
):
    _, healthy, collapsed = replaced(shared_data)
    conditions = [
        Condition(metric=metric, bound=Bound(calibrated=side))
        for metric, side in (
            ("skeleton_repetition", "above"),
            ("unigram_entropy", "below"),
            ("nearest_neighbour_ratio", "above"),
            ("two_sample_auc_words", "above"),
        )
    ]
    honest = healthy.synthetic.rows.to_pylist()
    rng = np.random.default_rng(2)

    def night(rows):
        return healthy.on(Texts(samples_table(rows), healthy.synthetic.embedder))

    draws = [night([honest[i] for i in rng.choice(1500, 500, replace=False)]) for _ in range(8)]
    known = {c.statistic: [figure(c, draw).value for draw in draws] for c in conditions}

    def dealt(rows):
        return [row | {"template": f"p@{i % 3}"} for i, row in enumerate(rows)]

    stiff = [
        row | {"prompt": f"Hello, I am writing to you about {row['label']} and my card"}
        if row["template"] == "p@1"
        else row
        for row in dealt(honest)
    ]

    def found(rows):
        return to_blame(readings(*conditions), night(rows), "template", known, 500, 1)

    assert found(stiff) == "p@1"
    assert found(dealt(collapsed.synthetic.rows.to_pylist())) is None
    assert found(dealt(honest)) is None
