from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.loop.decide import Limit, Measured, Past, decide, limit_of, scope_of
from collapse_pipeline.loop.gate import Action, Bound, Condition, Gate, Outcome
from collapse_pipeline.metrics.trends import trend_z

NO_PAST = Past({}, {}, {})
PASS, BREACH, NOT_APPLICABLE = Outcome.PASS, Outcome.BREACH, Outcome.NOT_APPLICABLE
# Five shares of the batch, the first two with harm above, the others below.
METRICS = (
    "skeleton_repetition",
    "nearest_neighbour_ratio",
    "coverage",
    "rare_word_coverage",
    "distractor_diversity",
)


def condition(metric, **bound):
    return Condition(metric=metric, bound=Bound(**bound))


def gate(*conditions, **over):
    said = {"name": "g", "asset": "synthetic_batch", "of": conditions, "why": "Why."}
    return Gate.model_validate({"severity": "block"} | said | over)


def at_most(high, metric=METRICS[0]):
    return condition(metric, at_most=high)


VOTE = gate(*(at_most(0.5, metric) for metric in METRICS), any=2, actions=["freeze_template"])


def figures(values, scope=""):
    """By metric; None is a figure that does not apply."""
    return {
        (name, scope): Measured(nan, applies=False, note="none here")
        if value is None
        else Measured(value, 100)
        for name, value in values.items()
    }


def no_limit(condition):
    return f"{condition.statistic} is not calibrated"


def found(of_gate, values, past=NO_PAST, calibrated=no_limit):
    (finding,) = decide([of_gate], figures(values), calibrated, past)
    return finding


@pytest.mark.parametrize(
    ("low", "high", "inside", "outside"),
    [
        (None, 1.0, [1.0, -inf, 0.5], [1.0000001, inf, nan]),
        (0.0, None, [0.0, inf], [-0.0000001, -inf, nan]),
        (0.0, 1.0, [0.0, 1.0], [-1.0, 2.0, nan]),
        (None, None, [-inf, 0.0, inf], [nan]),
    ],
)
def test_a_limit_holds_what_lies_on_it_and_never_nan(low, high, inside, outside):
    limit = Limit(low, high, "")
    assert all(limit.holds(value) for value in inside)
    assert not any(limit.holds(value) for value in outside)


# One condition.


def test_a_figure_within_passes_and_one_beyond_breaches_with_its_actions():
    one = gate(at_most(0.5), actions=["lower_cap", "raise_review", "lower_cap"])
    assert found(one, {METRICS[0]: 0.5}).outcome is PASS
    breach = found(one, {METRICS[0]: 0.51})
    assert breach.outcome is BREACH
    assert breach.blocks
    assert breach.actions == (Action.LOWER_CAP, Action.RAISE_REVIEW)  # each once
    (reading,) = breach.readings
    assert (reading.exceeded, reading.missing, reading.limit.text) == (True, False, "at most 0.5")
    assert not found(one.model_copy(update={"severity": "warn"}), {METRICS[0]: 0.51}).blocks


def test_what_is_missing_where_it_applies_is_a_breach_that_blames_nobody():
    one = gate(at_most(0.5), actions=["freeze_template"])
    for values, note in (({}, "was not measured"), ({METRICS[0]: nan}, "could not be worked out")):
        breach = found(one, values)
        assert (breach.outcome, breach.raised, breach.actions) == (BREACH, False, ())
        assert (breach.readings[0].note, breach.readings[0].missing) == (note, True)


def test_without_its_bound_a_calibrated_figure_is_a_breach_that_blames_nobody():
    one = gate(condition(METRICS[0], calibrated="above"), actions=["freeze_template"])
    breach = found(one, {METRICS[0]: 0.1})
    assert (breach.outcome, breach.actions) == (BREACH, ())
    assert breach.readings[0].note == f"{METRICS[0]} is not calibrated"
    assert breach.readings[0].limit is None
    held = found(one, {METRICS[0]: 0.1}, calibrated=lambda _: Limit(None, 0.2, ""))
    assert held.outcome is PASS


def test_what_does_not_apply_is_no_breach_and_says_why():
    said = found(gate(at_most(0.5)), {METRICS[0]: None})
    assert (said.outcome, said.note, said.raised) == (NOT_APPLICABLE, "none here", False)
    assert not said.readings[0].missing


@pytest.mark.parametrize(
    ("found", "low", "high"),
    [
        (condition("coverage", at_most=0.5), None, 0.5),
        (condition("coverage", at_least=0.0), 0.0, None),
        (condition("perplexity", worse_than="baseline", by=0.5), None, 1.5),
        (condition("accuracy", worse_than="best", by=0.02), 0.98, None),
        (condition("coverage", calibrated="below"), 0.3, 0.7),
    ],
)
def test_every_form_of_bound_by_hand(found, low, high):
    limit = limit_of(found, lambda _: Limit(0.3, 0.7, ""))
    assert (limit.low, limit.high) == (low, pytest.approx(high) if high else None)


def test_bounds_are_told_in_words():
    worse = condition("accuracy", worse_than="best", by=0.02)
    assert limit_of(worse, no_limit).text == "at least 0.98 of the best release's"
    worse = condition("perplexity", worse_than="baseline", by=0.5)
    assert limit_of(worse, no_limit).text == "at most 1.5 of the human-only baseline's"


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-2, 2), st.sampled_from(["above", "below"]))
def test_what_is_harmless_only_ever_widens_a_calibrated_bound(limit, harmless, value, side):
    tight = Limit(None, limit, "") if side == "above" else Limit(limit, None, "")
    loose = limit_of(condition("coverage", calibrated=side, harmless=harmless), lambda _: tight)
    assert loose.holds(value) >= tight.holds(value)
    assert loose.holds(harmless)
    beyond = value > harmless if side == "above" else value < harmless
    if beyond:  # what is not harmless is held to the null
        assert loose.holds(value) == tight.holds(value)


def test_what_is_harmless_needs_a_null_all_the_same():
    said = limit_of(condition("coverage", calibrated="above", harmless=0.9), no_limit)
    assert said == "coverage is not calibrated"


# Votes.


@pytest.mark.parametrize(
    ("beyond", "missing", "idle", "outcome", "acts"),
    [
        (1, 0, 0, PASS, False),
        (2, 0, 0, BREACH, True),
        (2, 0, 3, BREACH, True),
        (0, 1, 0, BREACH, False),  # what is missing is never a pass
        (1, 1, 0, BREACH, False),
        (2, 1, 0, BREACH, True),  # enough is known without it
        (0, 0, 4, NOT_APPLICABLE, False),
        (1, 0, 4, NOT_APPLICABLE, False),  # one of them cannot be two
    ],
)
def test_a_vote_of_two_of_five_by_hand(beyond, missing, idle, outcome, acts):
    values = [0.9] * beyond + [nan] * missing + [None] * idle
    values += [0.1] * (5 - len(values))
    said = found(VOTE, dict(zip(METRICS, values, strict=True)))
    assert (said.outcome, bool(said.actions)) == (outcome, acts)


values = st.one_of(st.floats(0, 1), st.just(nan))
bounds = st.one_of(
    st.builds(lambda x: {"at_most": x}, st.floats(0, 1)),
    st.builds(lambda x: {"at_least": x}, st.floats(0, 1)),
)


@given(
    st.lists(st.tuples(bounds, values), min_size=5, max_size=5),
    st.integers(1, 5),
    st.integers(0, 4),
    st.floats(0, 1),
)
def test_a_figure_that_moves_towards_harm_never_turns_a_breach_into_a_pass(said, k, which, by):
    of = [condition(name, **bound) for name, (bound, _) in zip(METRICS, said, strict=True)]
    now = {name: value for name, (_, value) in zip(METRICS, said, strict=True)}
    bound, value = said[which]
    worse = now | {METRICS[which]: value + by if "at_most" in bound else value - by}
    before, after = (found(gate(*of, any=k), v).outcome for v in (now, worse))
    assert (before, after) != (BREACH, PASS)


@given(st.sets(st.integers(0, 4)), st.sets(st.integers(0, 4)), st.integers(1, 5))
def test_more_figures_beyond_never_pass_where_fewer_breach(some, more, k):
    vote = gate(*VOTE.of, any=k)
    fewer, several = (
        found(vote, {name: 0.9 if i in those else 0.1 for i, name in enumerate(METRICS)})
        for those in (some, some | more)
    )
    assert fewer.outcome is (BREACH if len(some) >= k else PASS)
    assert (fewer.outcome, several.outcome) != (BREACH, PASS)
    assert fewer.raised <= several.raised


@given(st.lists(values, min_size=5, max_size=5), st.integers(1, 5), st.integers(1, 3))
def test_no_gate_passes_with_a_figure_that_is_missing(found_values, k, nights):
    vote = gate(*VOTE.of, any=k, persist=nights)
    said = found(vote, dict(zip(METRICS, found_values, strict=True)))
    if any(value != value for value in found_values):
        assert said.outcome is BREACH


# Several generations.


def past(*nights, name="g"):
    """Nights newest first, each raised and breached or not."""
    raised, breached = zip(*nights, strict=True) if nights else ((), ())
    return Past({(name, ""): raised}, {(name, ""): breached}, {})


def test_for_two_wants_two_generations_in_a_row():
    lasting = gate(at_most(0.5), persist=2)
    first = found(lasting, {METRICS[0]: 0.9})
    assert (first.outcome, first.raised) == (PASS, True)
    assert first.note == "first sign; breaches after 2 generations in a row"
    assert found(lasting, {METRICS[0]: 0.9}, past((True, False))).outcome is BREACH
    gap = past((False, False), (True, False))
    assert found(lasting, {METRICS[0]: 0.9}, gap).outcome is PASS
    calm = found(lasting, {METRICS[0]: 0.1}, past((True, False)))
    assert (calm.outcome, calm.note) == (PASS, "")


@given(st.integers(1, 12), st.lists(st.booleans(), max_size=14))
def test_for_k_breaches_on_the_k_th_raised_generation_in_a_row_and_not_before(k, nights):
    """Nights oldest first: every one's finding is the next one's past."""
    lasting = gate(at_most(0.5), persist=k)
    behind, row = [], 0
    for raised in nights:
        said = found(lasting, {METRICS[0]: 0.9 if raised else 0.1}, past(*behind))
        row = row + 1 if raised else 0
        assert (said.outcome is BREACH) == (row >= k)
        behind.insert(0, (said.raised, said.outcome is BREACH))


def test_the_second_breach_in_a_row_means_more():
    one = gate(at_most(0.5), actions=["raise_review"], escalate=["freeze_teacher", "raise_review"])
    high = {METRICS[0]: 0.9}
    review, both = (Action.RAISE_REVIEW,), (Action.RAISE_REVIEW, Action.FREEZE_TEACHER)
    assert found(one, high).actions == review
    assert found(one, high, past((True, True))).actions == both
    assert found(one, high, past((False, False), (True, True))).actions == review
    # The night before only missed a figure: this is the first breach that somebody is behind.
    assert found(one, high, past((False, True))).actions == review
    assert found(one, high, past((True, True), name="other")).actions == review


def rising(**over):
    return gate(condition(METRICS[0], trend={"towards": "above", **over}))


def test_a_trend_by_hand():
    steady = [0.1 + 0.01 * night for night in range(12)]
    z = trend_z(steady[:9])
    assert z > 3.5 > trend_z(steady[:8])  # the ninth rise in a row is the first to reach 3.5
    for nights, outcome in ((3, PASS), (8, PASS), (9, BREACH), (12, BREACH)):
        *before, tonight = steady[:nights]
        behind = Past({}, {}, {(METRICS[0], ""): before[::-1]})
        assert found(rising(), {METRICS[0]: tonight}, behind).outcome is outcome
        falls = gate(condition(METRICS[0], trend={"towards": "below"}))
        assert found(falls, {METRICS[0]: tonight}, behind).outcome is PASS
    behind = Past({}, {}, {(METRICS[0], ""): [nan, *steady[7::-1]]})
    said = found(rising(), {METRICS[0]: steady[8]}, behind)
    assert (said.outcome, said.readings[0].note) == (BREACH, f"z {z:.2f}")
    assert found(rising(), {METRICS[0]: nan}, behind).outcome is BREACH
    few = found(rising(least=12), {METRICS[0]: steady[8]}, behind)
    assert (few.outcome, few.readings[0].note) == (PASS, "9 generations so far")


# Scopes.


def test_a_gate_per_label_has_a_finding_for_every_label_and_reads_no_other_scope():
    by_label = gate(at_most(0.5), per="label", severity="warn")
    by_template = gate(at_most(0.5), per="template", severity="warn", name="h")
    assert (scope_of(by_label, "refund"), scope_of(gate(at_most(0.5)), "")) == ("label=refund", "")
    seen = {
        **figures({METRICS[0]: 0.9}),
        **figures({METRICS[0]: 0.9}, "label=refund"),
        **figures({METRICS[0]: 0.1}, "label=order"),
        **figures({METRICS[0]: 0.9}, "template=refund"),
    }
    assert [
        (f.gate.name, f.scope, f.outcome)
        for f in decide([by_label, by_template], seen, no_limit, NO_PAST)
    ] == [
        ("g", "label=order", PASS),
        ("g", "label=refund", BREACH),
        ("h", "template=refund", BREACH),
    ]


def test_where_no_label_has_rows_enough_the_gate_says_so():
    by_label = gate(at_most(0.5), per="label", severity="warn", least_rows=300)
    (said,) = decide([by_label], figures({METRICS[0]: 0.9}), no_limit, NO_PAST)
    assert (said.scope, said.outcome, said.note) == ("", NOT_APPLICABLE, "no label has 300 rows")
