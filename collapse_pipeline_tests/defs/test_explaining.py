"""Generations explained: from the ledger and the tables alone, nothing is worked out anew."""

import pytest

from collapse_pipeline.defs.explaining import explain, gates_of
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.settings import load_settings
from collapse_pipeline_tests.defs.gated import (
    BOTH,
    CORPUS,
    FIRES,
    NIGHTS,
    STOPS_QUESTIONS,
    calibrate_by_hand,
    gate,
    run_night,
    shop_in,
    work,
    write_gates,
)

NIGHT = NIGHTS[1]
QUESTIONS = BOTH[1]


@pytest.fixture
def read(stopped):
    """A workshop on a home whose question bank a gate stopped; only read."""
    with open_workshop(load_settings(stopped[0])) as shop:
        yield shop


@pytest.fixture
def shop(gated_home):
    with shop_in(gated_home) as shop:
        calibrate_by_hand(shop, {"1": {}})
        yield shop


def by_gate(said):
    return {one["gate"]: one for one in said["gates"]}


def test_a_night_that_a_gate_stopped(read):
    said = explain(read, QUESTIONS, NIGHT)
    assert (said["status"], said["parent"]) == ("quarantined", NIGHTS[0])
    assert next(iter(said["reasons"])) == "questions_fire"
    one = by_gate(said)["questions_fire"]
    assert (one["outcome"], one["stopped"], one["severity"]) == ("breach", True, "block")
    assert one["why"] == STOPS_QUESTIONS["why"]
    assert one["found"].startswith("question form diversity is 0.")
    assert one["actions"] == ["freeze_template", "raise_review"]
    assert [name.partition("@")[0] for name in one["blamed"]] == ["teacher simulated"]
    assert len(one["examples"]) == 5
    (figure,) = one["figures"]
    assert (figure["statistic"], figure["bound"]) == ("question_form_diversity", "at most -1")
    assert said["gain"] == "not measured"
    told, raised, serving = said["next"]
    assert told.startswith("a person has to decide: teacher simulated@")
    assert raised.startswith("2% of the kept rows are to be reviewed")
    assert serving.startswith(f"the release in force stayed {NIGHTS[0]}")


def test_a_night_that_was_released_although_a_gate_warned(read):
    said = explain(read, CORPUS, NIGHT)
    assert said["status"] == "promoted"
    gates = by_gate(said)
    assert (gates["warns"]["outcome"], gates["warns"]["stopped"]) == ("breach", False)
    assert gates["entropy"]["outcome"] == "pass"
    assert gates["questions_fire"]["outcome"] == "not_applicable"
    assert "answers to choose from" in gates["questions_fire"]["found"]
    assert said["next"] == ["it is a release; later nights may build on it"]
    assert "accuracy" in said["gain"]


def test_the_baseline_has_no_gates_to_explain(read):
    said = explain(read, CORPUS, NIGHTS[0])
    assert (said["parent"], said["gates"]) == ("the human-only baseline", [])


def test_a_generation_that_is_not_there_names_those_that_are(read):
    with pytest.raises(BadInputError, match=f"there are {NIGHTS[0]} to {NIGHTS[1]}"):
        explain(read, CORPUS, "2001-01-01")
    with pytest.raises(BadInputError, match="one of the corpora"):
        explain(read, "nobody", NIGHT)
    with pytest.raises(BadInputError, match=f"there are {NIGHTS[0]} to {NIGHTS[1]}"):
        gates_of(read, CORPUS, "2001-01-01")


def test_what_is_in_force_is_said_the_night_after(shop, gated_home):
    write_gates(gated_home, [FIRES | {"actions": ["lower_cap", "raise_review"]}])
    run_night(shop, NIGHT)
    said = explain(shop, CORPUS, NIGHT)
    assert said["next"][:2] == [
        "the synthetic share stays under 20% until a person raises it",
        "2% of the kept rows are to be reviewed, for two promoted generations",
    ]
    open_generation(shop, CORPUS, NIGHTS[2])
    after = explain(shop, CORPUS, NIGHTS[2])
    assert after["status"] == "open"
    assert [text.partition(" since ")[0] for text in after["in_force"]] == [
        "synthetic_cap 0.2",
        "review_density 0.02",
    ]
    assert all(f"since {NIGHT}, by gate fires" in text for text in after["in_force"])


def test_every_act_is_put_in_words_that_a_person_can_type(shop):
    open_generation(shop, CORPUS, NIGHT)
    acts = [
        (Act.FROZEN, {"component": "template", "version": "plain@1", "gate": "g"}),
        (Act.HUMAN_INFUSED, {"labels": {"refund": 1.5, "lost": 1.5}, "gate": "g"}),
        (Act.REVIEW_REQUIRED, {"gate": "g"}),
    ]
    for act, payload in acts:
        shop.ledger.append(act, corpus=CORPUS, generation=NIGHT, actor="cron", payload=payload)
    settle(shop, CORPUS, NIGHT)
    assert explain(shop, CORPUS, NIGHT)["next"] == [
        "template plain@1 is not used until a person lifts it: "
        f"collapse-pipeline lift plain@1 --kind template --corpus {CORPUS} --reason ...",
        "human rows of lost, refund count more, for two promoted generations",
        "nothing is released before a review is recorded: collapse-pipeline review record FILE",
    ]


def test_every_gate_with_what_it_said_last(read):
    said = gates_of(read, CORPUS, None)
    assert said["generation"] == NIGHT
    known = said["calibration"]
    assert (known["replicates"], known["depths"], known["rows"]) == (8, [1], 100)
    gates = by_gate(said)
    assert [*gates] == ["lengths", "copies", "questions_fire", "warns", "entropy"]
    assert {name: one["outcome"] for name, one in gates.items()} == {
        "lengths": "pass",
        "copies": "pass",
        "questions_fire": "not_applicable",
        "warns": "breach",
        "entropy": "pass",
    }
    (figure,) = gates["entropy"]["figures"]
    assert figure["bound"].startswith("at least ")
    before = gates_of(read, CORPUS, NIGHTS[0])
    assert {one["outcome"] for one in before["gates"]} == {"not measured"}


def test_before_the_first_night_no_gate_was_measured(tmp_path):
    write_gates(tmp_path, [FIRES])
    with shop_in(tmp_path) as shop:
        said = gates_of(shop, CORPUS, None)
        with pytest.raises(BadInputError, match="there are none: run it first"):
            explain(shop, CORPUS, NIGHT)
    assert (said["generation"], said["calibration"]) == ("", None)
    assert {one["outcome"] for one in said["gates"]} == {"not measured"}


def test_what_an_earlier_attempt_found_is_not_this_ones(shop, gated_home):
    write_gates(gated_home, [FIRES])
    run_night(shop, NIGHT)
    assert by_gate(gates_of(shop, CORPUS, NIGHT))["fires"]["outcome"] == "breach"
    open_generation(shop, CORPUS, NIGHT, again=True)
    assert by_gate(gates_of(shop, CORPUS, NIGHT))["fires"]["outcome"] == "not measured"
    assert explain(shop, CORPUS, NIGHT)["gates"] == []


def test_one_breach_among_scopes_is_a_breach(shop, gated_home):
    each = gate("each", -1, "warn", per="template", least_rows=2)
    calm = {"per": "template", "least_rows": 2, "metric": "unigram_entropy"}
    write_gates(gated_home, [each, calm | gate("calm", 99, "warn") | calm])
    work(shop, open_generation(shop, CORPUS, NIGHT), until="synthetic_batch")
    gates = by_gate(gates_of(shop, CORPUS, NIGHT))
    assert (gates["each"]["outcome"], gates["calm"]["outcome"]) == ("breach", "pass")
    assert len(gates["each"]["figures"]) == 2
