from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.loop.consequence import BREACHED, InService, deeds, sentence, verdicts
from collapse_pipeline.loop.gate import Action
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.records import GATE_VALUES, Verdict, samples_table

TEMPLATES = ("template plain@1", "template upset@1", "template calm@1")
THERE = InService(
    components={
        "template": TEMPLATES,
        "teacher": ("teacher student@m1",),
        "judge": ("judge jury@1",),
    },
    newest_templates=TEMPLATES[2:],
    cap=0.3,
    density=0.01,
    rare_labels=("lost card", "age limit"),
)


def row(gate="style_uniform", value=0.4, outcome="breach", **over):
    said = {
        "corpus": "toy",
        "generation": "2026-01-02",
        "attempt": 1,
        "asset": "synthetic_batch",
        "gate": gate,
        "scope": "",
        "statistic": "skeleton_repetition",
        "value": value,
        "low": None,
        "high": 0.2,
        "bound": "at most 0.2",
        "exceeded": outcome == "breach",
        "raised": outcome == "breach",
        "outcome": outcome,
        "severity": "block",
        "actions": [],
        "blamed": [],
        "examples": ["s1", "s2"],
        "rows": 100,
        "depth": 1,
        "calibration": "c1",
        "note": "",
    }
    return samples_table([said | over], GATE_VALUES).to_pylist()[0]  # as it is stored


def done(*rows, there=THERE, verdict=Verdict.QUARANTINED):
    return [
        (deed.kind, deed.key, deed.payload)
        for deed in deeds(rows, there, verdict)
        if deed.kind != BREACHED
    ]


def acts(*rows, there=THERE):
    return [(kind, key) for kind, key, _ in done(*rows, there=there)]


# What gates say together.


def test_a_sentence_names_what_lies_beyond_its_bound():
    rows = [
        row(value=0.41234),
        row(statistic="unigram_entropy", value=7.5, bound="at least 7.6", note="z 2"),
        row(statistic="coverage", value=0.9, bound="at least 0.8", exceeded=False),
    ]
    assert sentence(rows) == (
        "skeleton repetition is 0.4123, wanted at most 0.2; "
        "unigram entropy is 7.5, wanted at least 7.6 (z 2)"
    )
    missing = row(value=nan, bound="", note="only 5 replicates have a value")
    assert (
        sentence([missing]) == "skeleton repetition has no value (only 5 replicates have a value)"
    )
    calm = row(outcome="pass", value=0.1)
    assert sentence([calm]) == "skeleton repetition is 0.1, wanted at most 0.2"


def test_only_breaches_speak_and_those_that_were_accepted_only_warn():
    rows = [
        row("one"),
        row("one", statistic="coverage", exceeded=False),
        row("two", severity="warn"),
        row("three", outcome="pass"),
        row("four", outcome="not_applicable"),
        row("five"),
        row("six", severity="warn", scope="label=a"),
        row("six", severity="warn", scope="label=b"),
    ]
    said = verdicts(rows, accepted=["five", "three"])
    assert list(said.blocking) == ["one"]
    assert list(said.warning) == ["two", "five", "six:label=a", "six:label=b"]
    assert said.blocking["one"] == sentence(rows[:1])
    assert verdicts([]) == verdicts([row(outcome="pass")])


# What they cause.


def test_a_breach_is_told_once_with_its_evidence():
    rows = [
        row(actions=["raise_review"], blamed=["template plain@1"]),
        row(statistic="coverage", value=nan, bound="at least 0.5", actions=["raise_review"]),
        row("calm", outcome="pass", actions=["lower_cap"]),
    ]
    first, second = deeds(rows, THERE, Verdict.QUARANTINED)
    assert (first.kind, first.key, first.reason) == (
        BREACHED,
        "breach/style_uniform",
        sentence(rows[:2]),
    )
    assert first.payload == {
        "gate": "style_uniform",
        "scope": "",
        "asset": "synthetic_batch",
        "figures": {"skeleton_repetition": 0.4, "coverage": None},  # JSON has no NaN
        "bounds": {"skeleton_repetition": "at most 0.2", "coverage": "at least 0.5"},
        "calibration": "c1",
        "blamed": ["template plain@1"],
        "examples": ["s1", "s2"],
        "actions": ["raise_review"],
        "verdict": "quarantined",
    }
    assert (second.kind, second.key) == (Act.REVIEW_RAISED, "raise/style_uniform")


@pytest.mark.parametrize(
    ("action", "kind", "key", "payload"),
    [
        ("lower_cap", Act.CAP_LOWERED, "cap/g", {"cap": 0.2, "gate": "g"}),
        (
            "infuse_human",
            Act.HUMAN_INFUSED,
            "infuse/g",
            {"labels": {"lost card": 1.5, "age limit": 1.5}, "gate": "g"},
        ),
        ("raise_review", Act.REVIEW_RAISED, "raise/g", {"density": 0.03, "gate": "g"}),
        ("require_review", Act.REVIEW_REQUIRED, "require/g", {"gate": "g"}),
    ],
)
def test_every_action_by_hand(action, kind, key, payload):
    assert done(row("g", actions=[action])) == [(kind, key, payload)]


def test_a_cap_ends_at_0_and_a_density_at_1():
    there = InService({}, (), cap=0.05, density=0.99, rare_labels=())
    low, high = done(row(actions=["lower_cap", "raise_review"]), there=there)
    assert (low[2]["cap"], high[2]["density"]) == (0, 1)


def test_human_rows_are_infused_where_the_gate_aims():
    by_label = row("g", scope="label=refund", actions=["infuse_human"])
    assert done(by_label)[0][2]["labels"] == {"refund": 1.5}
    without_labels = InService({}, (), cap=0.3, density=0.0, rare_labels=())
    everywhere = done(row("g", actions=["infuse_human"]), there=without_labels)
    assert everywhere[0][2]["labels"] == {"": 1.5}


def test_two_gates_lower_the_cap_by_one_step():
    caps = done(row("one", actions=["lower_cap"]), row("two", actions=["lower_cap"]))
    assert [payload["cap"] for _, _, payload in caps] == [0.2, 0.2]


def test_what_is_blamed_is_frozen_with_its_evidence():
    breach = row("g", actions=["freeze_template"], blamed=["template plain@1"])
    ((kind, key, payload),) = done(breach)
    assert (kind, key) == (Act.FROZEN, "freeze/template plain@1/g")
    assert (payload["component"], payload["version"]) == ("template", "plain@1")
    assert payload["evidence"]["figures"] == {"skeleton_repetition": 0.4}


def test_the_newest_templates_are_frozen_whoever_is_blamed():
    breach = row("g", actions=["freeze_newest_templates"], blamed=["template plain@1"])
    assert acts(breach) == [(Act.FROZEN, "freeze/template calm@1/g")]


@pytest.mark.parametrize(
    ("actions", "blamed", "key", "why"),
    [
        (["freeze_template"], [], "escalate/freeze_template/g", "nobody stands out"),
        (["freeze_judge"], ["judge rules@1"], "escalate/judge rules@1/g", "is the last judge"),
        (["freeze_newest_templates"], [], "escalate/freeze_newest_templates/g", "nobody stands"),
    ],
)
def test_where_nobody_can_be_frozen_persons_are_told_why(actions, blamed, key, why):
    there = InService({"judge": ()}, (), cap=0.3, density=0.0, rare_labels=())
    ((kind, found, payload),) = done(row("g", actions=actions, blamed=blamed), there=there)
    assert (kind, found) == (Act.GATE_ESCALATED, key)
    assert why in payload["why"]


def test_gates_of_one_night_never_freeze_the_last_template_between_them():
    rows = [
        row(f"g{n}", actions=["freeze_template"], blamed=[template])
        for n, template in enumerate(TEMPLATES)
    ]
    assert acts(*rows) == [
        (Act.FROZEN, "freeze/template plain@1/g0"),
        (Act.FROZEN, "freeze/template upset@1/g1"),
        (Act.GATE_ESCALATED, "escalate/template calm@1/g2"),
    ]
    # Blamed by two gates it is one version all the same.
    again = row("g3", actions=["freeze_template"], blamed=[TEMPLATES[1]])
    assert acts(*rows[:2], again)[-1] == (Act.FROZEN, "freeze/template upset@1/g3")


components = st.sampled_from([*TEMPLATES, "teacher student@m1", "judge jury@1", "judge old@1"])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from([*Action]), max_size=4), st.lists(components, max_size=3)
        ),
        max_size=5,
    )
)
def test_every_act_has_its_own_key_and_a_template_is_always_left(said):
    rows = [
        row(f"g{n}", actions=[*map(str, actions)], blamed=blamed)
        for n, (actions, blamed) in enumerate(said)
    ]
    found = deeds(rows, THERE, Verdict.QUARANTINED)
    by_key = {}
    for deed in found:  # the ledger writes a key once: what repeats must be the same
        assert by_key.setdefault(deed.key, deed) == deed
    frozen = {
        f"{deed.payload['component']} {deed.payload['version']}"
        for deed in found
        if deed.kind == Act.FROZEN
    }
    assert frozen < {*TEMPLATES, "teacher student@m1", "judge jury@1"}
    assert not {*TEMPLATES} <= frozen
    assert found == deeds(rows, THERE, Verdict.QUARANTINED)


def test_a_promoted_night_says_what_warned():
    (told, _) = deeds([row(severity="warn", actions=["require_review"])], THERE, Verdict.PROMOTED)
    assert told.payload["verdict"] == "promoted"
