"""The customer service world: true rows check out, errors are caught, dials do what they say."""

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.worlds.customer_service.grammar import parse
from collapse_pipeline.worlds.customer_service.policy import POLICY, region_of, stated
from collapse_pipeline.worlds.customer_service.world import CustomerService

WORLD = CustomerService()
RARE = WORLD.labels[-10:]
FUNCTION_WORDS = frozenset(
    re.findall(r"\w+", "a an the my your is are i it they to of for on in at and do")
)


def check(row: dict[str, Any], **changes: Any) -> dict[str, bool]:
    row = row | changes
    return WORLD.check(row["label"], row["prompt"], row["response"], row["attributes"])


def skeleton(text: str) -> str:
    words = re.findall(r"[a-z']+|\d+", text.lower())
    return " ".join(word if word in FUNCTION_WORDS else "_" for word in words)


def written(count: int, accuracy: float, narrowness: float, refusal: float) -> list[dict[str, Any]]:
    labels = [WORLD.labels[i % len(WORLD.labels)] for i in range(count)]
    return [WORLD.write(x, i, accuracy, narrowness, refusal) for i, x in enumerate(labels)]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return WORLD.rows(20_000, 5)


# A watch in the EU: 24 months of warranty, 21 days to return, a battery for 52 euros.
EU_WATCH = {"product": "watch", "region": "EU"}


@pytest.mark.parametrize(
    ("response", "right"),
    [
        ("The warranty on your watch is 24 months.", True),
        ("We cover the watch for two years.", True),
        ("The warranty on your watch is 36 months.", False),  # that of a watch in the UK
        ("The warranty lasts 24 months. You have 14 days to return it.", False),  # earphones
        ("A new battery costs €52.", True),
        ("A new battery costs $52.", False),  # right number, wrong currency
        ("Leave it on the charger for 2 hours, the warranty applies.", None),  # states no condition
    ],
)
def test_a_stated_condition_is_held_against_the_policy(response, right):
    verdict = WORLD.check("warranty_length", "My watch?", response, EU_WATCH)
    assert verdict.get("fact_right") is right


def test_a_sentence_is_read_by_its_unit_and_topic():
    text = "Refunds take 5 working days. You have 21 days to return it. A battery is ₹1,899."
    assert stated(text) == [
        ("refund_days", 5, ""),
        ("return_days", 21, ""),
        ("battery_fee", 1899, "₹"),
    ]


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("Bought in Leeds, tell us more", "UK"),  # "us" is no country
        ("The warranty in the US", "US"),
        ("I paid A$120", "AU"),
        ("I paid $120", "US"),
        ("from Berlin to Perth", ""),  # two regions decide nothing
    ],
)
def test_a_region_is_read_from_places_and_currencies(text, region):
    assert region_of(text) == region


def test_opening_a_swollen_cell_is_refused_and_nothing_else_is():
    hazard = "How do I open the battery, it is swollen?"
    refusal = "I can't help with that for safety reasons."
    advice = "Please stop using the watch, a swollen battery can catch fire; we replace it."
    refused = WORLD.check("battery_swelling", hazard, refusal, {})
    assert refused == {"refusal_warranted": True, "refused": True, "answer_right": True}
    obeyed = WORLD.check("battery_swelling", hazard, advice, {})
    assert obeyed == {"refusal_warranted": True, "refused": False, "answer_right": False}
    harmless = "The battery of my watch is swollen."
    assert WORLD.check("battery_swelling", harmless, advice, {})["answer_right"]
    assert not WORLD.check("battery_swelling", harmless, refusal, {})["answer_right"]


def test_an_answer_about_another_product_is_not_right():
    prompt = "I want to return my watch"
    answer = "I've set up the return of your {}."
    assert WORLD.check("return_start", prompt, answer.format("watch"), {})["answer_right"]
    assert not WORLD.check("return_start", prompt, answer.format("router"), {})["answer_right"]


def test_danger_needs_safety_advice():
    prompt, bare = "My router gets very hot.", "That heat is not normal for the router."
    assert not WORLD.check("router_overheats", prompt, bare, {})["answer_right"]
    assert WORLD.check("router_overheats", prompt, f"{bare} Unplug it.", {})["answer_right"]


def test_what_the_text_does_not_decide_is_left_out():
    verdict = WORLD.check(
        "return_window", "How long to return it?", "You have 21 days to return.", {}
    )
    assert "fact_right" not in verdict  # neither product nor region is known
    assert "answer_right" not in verdict
    assert "refused" not in WORLD.check("return_window", "How long?", "", {})
    assert "answer_right" not in WORLD.check("", "How long?", "Hello.", {})


def test_every_row_checks_out(rows):
    for row in rows:
        verdict = check(row)
        assert verdict["answer_right"], row
        assert verdict.get("fact_right", True), row
        assert verdict["refused"] == verdict["refusal_warranted"], row


def test_text_alone_never_condemns_a_true_row_and_mostly_decides(rows):
    verdicts = [(check(row), check(row, attributes={})) for row in rows[:5_000]]
    assert all(bare.get("answer_right", True) for _, bare in verdicts)
    decided = [("fact_right" in bare) for full, bare in verdicts if "fact_right" in full]
    assert sum(decided) > 0.97 * len(decided)


def test_rows_are_distinct_and_no_prompt_has_two_labels(rows):
    assert len({row["prompt"].lower() for row in rows}) == len(rows)


def test_labels_have_a_long_tail(rows):
    counts = Counter(row["label"] for row in rows)
    assert len(counts) == len(WORLD.labels) == 40
    assert 0.085 < sum(counts[label] for label in RARE) / len(rows) < 0.12
    assert min(counts.values()) >= 0.007 * len(rows)
    assert counts[WORLD.labels[0]] > 7 * min(counts.values())


def test_the_text_is_tidy(rows):
    for row in rows:
        text = f"{row['prompt']} {row['response']}"
        assert not set(text) & set("{}|()\n"), row
        assert not re.search(r" [ ,.?!]", text), row
        assert all(type(value) is str for value in row["attributes"].values())


def test_same_seed_same_rows_another_seed_others():
    assert WORLD.rows(50, 3) == WORLD.rows(50, 3)
    assert WORLD.rows(50, 3) != WORLD.rows(50, 4)
    assert WORLD.rows(0, 3) == []


@given(
    label=st.sampled_from(WORLD.labels),
    seed=st.integers(0, 2**62),
    narrowness=st.floats(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_a_perfect_teacher_is_right_in_any_style(label, seed, narrowness):
    row = WORLD.write(label, seed, 1.0, narrowness, 0.0)
    assert row == WORLD.write(label, seed, 1.0, narrowness, 0.0)
    assert row["label"] == label
    assert check(row)["answer_right"]


@given(label=st.sampled_from(WORLD.labels), seed=st.integers(0, 2**62))
@settings(max_examples=200, deadline=None)
def test_a_response_beside_the_point_is_not_right(label, seed):
    row = WORLD.write(label, seed, 1.0, 0.0, 0.0)
    elsewhere = "The carrots are ripe."
    assert check(row, response=elsewhere)["answer_right"] is False


def test_accuracy_is_the_share_of_right_rows():
    verdicts = [check(row) for row in written(2_000, 0.8, 0.0, 0.0)]
    wrong = sum(verdict.get("answer_right") is False for verdict in verdicts) / 2_000
    assert 0.16 < wrong < 0.24
    facts = sum(verdict.get("fact_right") is False for verdict in verdicts) / 2_000
    assert 0.11 < facts < 0.19  # three quarters of the errors


def test_hardly_an_error_escapes():
    verdicts = [check(row) for row in written(2_000, 0.0, 0.0, 0.0)]
    assert sum(verdict.get("answer_right") is False for verdict in verdicts) > 0.95 * 2_000


def test_refusal_is_the_share_of_unwarranted_refusals():
    verdicts = [check(row) for row in written(2_000, 1.0, 0.0, 0.3)]
    unwarranted = [v["refused"] and not v["refusal_warranted"] for v in verdicts]
    assert 0.25 < sum(unwarranted) / 2_000 < 0.35
    assert all(v["answer_right"] is not u for v, u in zip(verdicts, unwarranted, strict=True))


def test_narrowness_collapses_skeletons_down_to_one_a_label():
    shapes = [
        len({(row["label"], skeleton(row["prompt"])) for row in written(1_000, 1.0, narrow, 0.0)})
        for narrow in (0.0, 0.5, 0.9, 1.0)
    ]
    assert shapes == sorted(shapes, reverse=True)
    assert shapes[0] > 900
    assert shapes[-1] == len(WORLD.labels)


def test_a_narrow_teacher_still_writes_distinct_texts():
    rows = written(400, 1.0, 1.0, 0.0)
    assert len({row["prompt"] for row in rows}) > 380


@pytest.mark.parametrize("dials", [(1.1, 0, 0), (1, -0.1, 0), (1, 0, 2)])
def test_dials_out_of_range_are_refused(dials):
    with pytest.raises(BadInputError, match=r"in \[0, 1\]"):
        WORLD.write("return_window", 1, *dials)


def test_unknown_labels_and_negative_counts_are_refused():
    with pytest.raises(BadInputError, match="return_window"):
        WORLD.write("weather", 1, 1, 0, 0)
    with pytest.raises(BadInputError, match="0 or more"):
        WORLD.rows(-1, 1)


def test_policies_of_a_product_differ_between_regions():
    for kind in ("warranty_months", "return_days", "repair_days", "refund_days"):
        values = [POLICY["watch", region][kind] for region in ("UK", "US", "EU", "IN", "AU")]
        assert len(set(values)) == 5, kind


@pytest.mark.parametrize("template", ["(a|b", "a)b"])
def test_unmatched_brackets_are_refused(template):
    with pytest.raises(ValueError, match="bracket"):
        parse(template)


@pytest.mark.slow
def test_a_classifier_finds_it_learnable_but_not_easy_and_rare_rows_help():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier

    test = WORLD.rows(6_000, 99)

    def accuracies(train: list[dict[str, Any]]) -> tuple[float, float]:
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)
        model.fit(words.fit_transform([r["prompt"] for r in train]), [r["label"] for r in train])
        guesses = model.predict(words.transform([r["prompt"] for r in test]))
        hits = [(r["label"], r["label"] == g) for r, g in zip(test, guesses, strict=True)]
        rare = [hit for label, hit in hits if label in RARE]
        return sum(hit for _, hit in hits) / len(hits), sum(rare) / len(rare)

    human = WORLD.rows(2_000, 1)
    overall, rare = accuracies(human)
    assert 0.8 < overall < 0.92
    assert 0.5 < rare < 0.72
    helped = [WORLD.write(x, i, 0.97, 0.1, 0.01) for x in RARE for i in range(85)]
    assert accuracies(human + helped)[1] > rare + 0.08
    assert accuracies(WORLD.rows(8_000, 2))[1] > rare + 0.08
