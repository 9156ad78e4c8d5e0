"""Every fault of the catalogue: what it says of itself and damages, and that its dial holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.faults import encoding_damage, half_wrong_facts, paraphrase_twins
from collapse_pipeline.loop.faults.catalogue import FAULTS, fault_named
from collapse_pipeline.loop.faults.fault import Row, Writing
from collapse_pipeline.metrics.manners import empty_politeness, refuses
from collapse_pipeline.metrics.questions import read_question
from collapse_pipeline.metrics.skeleton import skeleton
from collapse_pipeline.ports import Draft, Request
from collapse_pipeline.records import Component
from collapse_pipeline.settings import CorpusSettings, merge
from collapse_pipeline.worlds.reference import WORLDS, world

DAMAGES = sorted(name for name, fault in FAULTS.items() if fault.damage)
TURNS = sorted(name for name, fault in FAULTS.items() if fault.turn)
LEAKED = (Row("refund_status", "When do I get my money?", "In 5 days."),)
MIXTURE = {
    "kind": "mixture",
    "teachers": {"first": {"kind": "simulated"}, "second": {"kind": "simulated"}},
}


def written(name="customer_service", count=300, strength=1.0, seed=1, rows=LEAKED):
    """What a sound teacher of a world wrote."""
    of = world(name)
    requests, drafts = [], []
    for i in range(count):
        request = Request(of.labels[i % len(of.labels)], "plain@1", "Write.", "", 1_000 * seed + i)
        row = of.write(request.label, request.seed, 1.0, 0.1, 0.0)
        requests.append(request)
        drafts.append(Draft(row["prompt"], row["response"], attributes=row["attributes"]))
    return Writing(requests, drafts, strength, np.random.default_rng(seed), rows)


def damaged(name, of=None, **dials):
    of = of or (FAULTS[name].worlds or ("customer_service",))[0]
    writing = written(of, **dials)
    return writing, FAULTS[name].damage(writing)


def test_every_fault_does_one_thing_and_says_it_in_a_sentence():
    assert len(FAULTS) == 20
    for name, fault in FAULTS.items():
        assert fault.name == name
        assert fault.does.endswith(".")
        assert 0 < fault.strength <= 1
        assert sum(way is not None for way in (fault.turn, fault.damage, fault.move)) == 1
        assert set(fault.worlds) <= set(WORLDS)


def test_a_fault_that_is_unknown_is_refused_by_name():
    with pytest.raises(BadInputError, match=r"'gremlin'.*rigid_template"):
        fault_named("gremlin")


@pytest.mark.parametrize("name", DAMAGES)
def test_without_strength_nothing_is_damaged_and_with_it_something_is(name):
    writing, drafts = damaged(name, strength=0.0)
    assert drafts == list(writing.drafts)
    writing, drafts = damaged(name, strength=FAULTS[name].strength)
    assert len(drafts) == len(writing.drafts)
    assert drafts != list(writing.drafts)


@pytest.mark.parametrize("name", DAMAGES)
def test_the_same_writing_is_damaged_alike(name):
    assert damaged(name, strength=0.5)[1] == damaged(name, strength=0.5)[1]
    assert damaged(name, count=0)[1] == []


@given(st.sampled_from(DAMAGES), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_a_stronger_fault_never_touches_fewer_drafts(name, strength):
    def touched(at):
        writing, drafts = damaged(name, strength=at, count=60)
        pairs = zip(drafts, writing.drafts, strict=True)
        return {i for i, (now, before) in enumerate(pairs) if now != before}

    # Chance decides which of two equal labels a row is given, so a few may differ.
    assert len(touched(strength)) <= len(touched(1.0)) + 6


def test_the_texts_of_a_rigid_template_begin_alike_and_go_on_as_before():
    writing, drafts = damaged("rigid_template")
    for before, after in zip(writing.drafts, drafts, strict=True):
        assert after.prompt.startswith("Hello support team, I am writing to you today about")
        assert after.prompt.endswith(f" matter: {before.prompt}")


def test_half_wrong_facts_by_hand():
    # Watches in the UK: 36 months, £49 for a battery; routers there: 48 months and £33.
    said = "The warranty on your watch in the UK is three years. A new battery costs £49."
    moved = half_wrong_facts.moved(said, "watch", "UK")
    assert moved == "The warranty on your watch in the UK is 48 months. A new battery costs £33."


def test_half_wrong_facts_are_wrong_to_the_world():
    writing, drafts = damaged("half_wrong_facts")
    of = world("customer_service")
    verdicts = [
        of.check(request.label, draft.prompt, draft.response, draft.attributes).get("fact_right")
        for request, draft in zip(writing.requests, drafts, strict=True)
    ]
    stated = [verdict for verdict in verdicts if verdict is not None]
    assert stated.count(False) / len(stated) > 0.9  # a few conditions are the same of both


def test_over_refusal_refuses_where_a_trigger_word_stands_and_nowhere_else():
    writing, drafts = damaged("over_refusal")
    for before, after in zip(writing.drafts, drafts, strict=True):
        if FAULTS["over_refusal"].damage and after != before:
            assert refuses(after.response)
    changed = sum(a != b for a, b in zip(writing.drafts, drafts, strict=True))
    assert 0.2 < changed / len(drafts) < 0.9


def test_polite_emptiness_is_empty():
    writing, drafts = damaged("polite_emptiness")
    before = empty_politeness([draft.response for draft in writing.drafts])
    assert empty_politeness([draft.response for draft in drafts]) > 0.7 > 5 * before


def test_isomorphic_questions_have_fewer_forms():
    writing, drafts = damaged("question_bank_isomorphism", count=400)

    def forms(those):
        return len({skeleton(read_question(draft.prompt).stem) for draft in those})

    assert forms(drafts) < 0.5 * forms(writing.drafts)


def test_a_twin_says_another_draft_in_other_words():
    words = paraphrase_twins.other_words
    rng = np.random.default_rng(1)
    assert words("I purchased 12 of each", rng) == "I bought 12 of apiece"
    writing, drafts = damaged("paraphrase_twins", strength=0.6)
    models = {draft.response for draft in drafts}
    assert len(models) < 0.8 * len({draft.response for draft in writing.drafts})
    assert len({draft.prompt for draft in drafts}) > 0.7 * len(drafts)  # no mere copies


def test_leaked_rows_are_rewritten_lightly_and_keep_their_label():
    _, drafts = damaged("eval_leak", strength=1.0)
    assert {draft.label for draft in drafts} == {"refund_status"}
    assert {draft.response for draft in drafts} == {"In 5 days."}
    assert len({draft.prompt for draft in drafts}) > 20
    assert damaged("eval_leak", rows=())[1] == list(written(rows=()).drafts)


def test_one_group_is_damaged_and_no_other():
    writing, drafts = damaged("group_bias")
    hurt = {
        before.attributes["locale"]
        for before, after in zip(writing.drafts, drafts, strict=True)
        if before != after
    }
    assert hurt == {"en-US"}


def test_plumbing_by_hand():
    _, cut = damaged("length_truncation", strength=0.5)
    writing, _ = damaged("length_truncation", strength=0.0)
    assert [len(draft.prompt) for draft in cut] == [
        round(0.5 * len(draft.prompt)) for draft in writing.drafts
    ]
    _, flood = damaged("duplicate_flood", strength=1.0)
    assert len({draft.prompt for draft in flood}) <= 20
    _, empty = damaged("empty_flood", strength=1.0)
    assert not any(draft.response for draft in empty)
    assert 0.3 < sum(not draft.prompt for draft in empty) / len(empty) < 0.7
    pound = Writing([], [Draft("£5")], 1.0, np.random.default_rng(3))
    (broken,) = encoding_damage.FAULT.damage(pound)
    assert broken.prompt == "Â£5"  # UTF-8 read as Latin-1; too short to lose a letter


def test_swapped_labels_are_those_of_other_rows():
    writing, drafts = damaged("label_swap", strength=0.5)
    wrong = [
        bool(draft.label) and draft.label != request.label
        for request, draft in zip(writing.requests, drafts, strict=True)
    ]
    assert sum(wrong) / len(wrong) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("name", TURNS)
def test_turned_settings_are_settings_and_differ(name):
    base = CorpusSettings.model_validate({"teacher": MIXTURE}).model_dump(mode="json")
    fault = FAULTS[name]
    for night in (1, 2, 3):
        changed = fault.turn(fault.strength, night, base)
        merged = {
            part: value if part == "teacher" else merge(base[part], value)
            for part, value in changed.items()
        }
        found = CorpusSettings.model_validate(base | merged)
        assert found != CorpusSettings.model_validate(base)


def test_the_cap_creeps_by_five_points_a_night():
    base = CorpusSettings().model_dump(mode="json")
    caps = [FAULTS["ratio_creep"].turn(0.5, n, base)["mix"]["synthetic_cap"] for n in (1, 2, 3)]
    assert caps == [0.35, 0.4, 0.45]


def test_a_moved_window_is_asked_otherwise_and_answered_alike():
    move = FAULTS["online_only"].move
    prompt = "I purchased the watch in Leeds, please help with a refund"
    assert move(prompt, 0.0, 1) == prompt
    assert move(prompt, 1.0, 1) == move(prompt, 1.0, 1) != prompt


def test_what_is_to_be_blamed():
    by = {name: fault.blames for name, fault in FAULTS.items()}
    assert by["rigid_template"] is by["over_refusal"] is Component.TEMPLATE
    assert by["tidy_judge"] is by["consistent_judge"] is Component.JUDGE
    assert by["half_wrong_facts"] is by["label_swap"] is Component.TEACHER
    assert by["empty_flood"] is by["ratio_creep"] is by["eval_leak"] is None
