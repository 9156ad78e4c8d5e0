"""The question bank: true rows check out, faults are caught, the dials do what they say."""

import time
from collections import Counter
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.ports import World
from collapse_pipeline.worlds.question_bank.kinds import Worked
from collapse_pipeline.worlds.question_bank.reading import index, shapes, split_prompt
from collapse_pipeline.worlds.question_bank.world import KINDS, QuestionBank

BANK = QuestionBank()
MISSING = "not_enough_information"
LABELS = st.sampled_from(BANK.labels)
SEEDS = st.integers(0, 2**63 - 1)
SALE = "The price of a kettle is £40. It is reduced by 15%. What is the sale price?"
SALE_OPTIONS = "\nA) £6 B) £34 C) £46 D) £25"


def check(row, attributes=False):
    given_attributes = row["attributes"] if attributes else {}
    return BANK.check(row["label"], row["prompt"], row["response"], given_attributes)


def is_right(row, verdicts):
    unanswerable = row["label"] == MISSING
    return verdicts == {
        **({} if unanswerable else {"fact_right": True}),
        "refused": unanswerable,
        "refusal_warranted": unanswerable,
        "answer_right": True,
    }


@pytest.fixture(scope="module")
def rows():
    return BANK.rows(20_000, seed=7)


def test_it_is_a_world():
    world: World = BANK
    assert world.name == "question_bank"
    assert len(world.labels) == 40
    assert set(world.labels) == set(KINDS)


def test_every_true_row_checks_out_from_its_words_alone(rows):
    assert [row for row in rows if not is_right(row, check(row))] == []


def test_every_true_row_checks_out_in_lower_case(rows):
    for row in rows[:2000]:
        lower = row | {"prompt": row["prompt"].lower(), "response": row["response"].lower()}
        assert is_right(row, check(lower))


def test_questions_are_distinct_short_and_offer_four_different_options(rows):
    assert len({split_prompt(row["prompt"])[0] for row in rows}) == len(rows) == 20_000
    assert median(len(row["prompt"].split()) for row in rows) < 60
    for row in rows:
        options = list(split_prompt(row["prompt"])[1].values())
        assert len(set(options)) == 4
        assert row["attributes"]["answer"] in options
        assert set(row["attributes"]["distractors"].split("|")) < set(options)
        assert all(isinstance(value, str) for value in row["attributes"].values())


def test_the_rarest_quarter_holds_a_tenth_and_no_label_is_too_rare(rows):
    counts = Counter(row["label"] for row in rows)
    rarest = sorted(counts.values())[:10]
    assert sum(rarest) / len(rows) == pytest.approx(0.10, abs=0.01)
    assert rarest[0] / len(rows) >= 0.007
    assert list(BANK.labels[-10:]) == [label for label, _ in counts.most_common()[-10:]]


def test_distractors_come_from_several_named_errors(rows):
    errors = Counter(e for row in rows for e in row["attributes"]["errors"].split("|"))
    assert {"inverted", "forgot_to_convert", "off_by_one", "wrong_base"} <= set(errors)
    assert errors["slip"] < 0.1 * errors.total()


def test_forms_and_locales_vary(rows):
    forms = Counter(row["attributes"]["form"] for row in rows)
    assert set(forms) == {"direct", "fill_in", "situation", "comparison"}
    assert len({row["attributes"]["locale"] for row in rows}) == 5
    assert len({row["attributes"]["setting"] for row in rows}) >= 8


def test_the_same_seed_gives_the_same_rows():
    assert BANK.rows(300, 5) == QuestionBank().rows(300, 5)
    assert BANK.rows(300, 5) != BANK.rows(300, 6)


def test_a_fall_of_15_percent_by_hand():
    # 1% of 40 is 0.4, 15% is 6, and 40 - 6 = 34, which is option B
    worked = "40 ÷ 100 = 0.4; 0.4 \N{MULTIPLICATION SIGN} 15 = 6; 40 - 6 = 34.\nAnswer: £34 (B)"
    right = {"fact_right": True, "refused": False, "refusal_warranted": False, "answer_right": True}
    assert BANK.check("percent_decrease", SALE + SALE_OPTIONS, worked, {}) == right


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("0.4 * 15 = 6. Answer: £46 (C)", {"fact_right": True, "answer_right": False}),
        ("0.4 * 15 = 6. Answer: £34 (C)", {"fact_right": True, "answer_right": False}),
        ("0.4 * 15 = 7. Answer: £34 (B)", {"fact_right": False, "answer_right": True}),
        ("Answer: £34 (B)", {"answer_right": True}),
        ("40 - 2 * 3 = 34 Answer: 34", {"fact_right": True, "answer_right": True}),
        ("1 km = 100 m. Answer: £34 (B)", {"fact_right": False, "answer_right": True}),
        ("3 ÷ 0 = 3. Answer: £34 (B)", {"fact_right": False, "answer_right": True}),
        ("I have no idea.", {"answer_right": False}),
    ],
)
def test_answers_and_steps_are_judged_apart(response, expected):
    verdicts = BANK.check("percent_decrease", SALE + SALE_OPTIONS, response, {})
    assert verdicts == expected | {"refused": False, "refusal_warranted": False}


def test_an_unwarranted_refusal_has_no_answer_to_judge():
    verdicts = BANK.check("percent_decrease", SALE, "I can't help with this.", {})
    assert verdicts == {"refused": True, "refusal_warranted": False}


def test_a_question_that_lost_a_number_warrants_a_refusal():
    lost = "The price of a kettle is £40. What is the sale price?"
    answered = BANK.check("percent_decrease", lost, "Answer: £34", {})
    assert answered == {"refused": False, "refusal_warranted": True, "answer_right": False}
    refused = BANK.check("percent_decrease", lost, "This cannot be answered.", {})
    assert refused == {"refused": True, "refusal_warranted": True, "answer_right": True}


def test_a_question_of_another_type_is_no_right_answer_for_this_label():
    assert BANK.check("percent_increase", SALE, "Answer: £34", {})["answer_right"] is False
    assert BANK.check("", SALE, "Answer: £34", {})["answer_right"] is True


def test_what_cannot_be_read_is_left_open_unless_the_row_carries_its_answer():
    garbled = "The price of a kettle kettle kettle 40 by 15%?"
    assert BANK.check("percent_decrease", garbled, "Answer: £34", {}) == {"refused": False}
    verdicts = BANK.check("percent_decrease", garbled, "Answer: £34", {"answer": "£34"})
    assert verdicts["answer_right"] is True


def test_every_solution_is_the_one_worked_by_hand():
    def solve(label, **roles):
        return KINDS[label].solve(Worked(KINDS[label].fractions), **roles)[0]

    assert solve("reverse_percentage", p=15, b=34) == 40  # 34 is 85% of 40
    assert solve("compound_interest", a=1000, p=10, n=2) == 1210  # 1000, 1100, 1210
    assert solve("successive_percent", a=200, p=50, q=50) == 150  # 200, 300, 150
    assert solve("without_replacement", r=2, b=2) * 6 == 1  # 2/4 times 1/3
    assert solve("dice_sum_probability", s=7) * 6 == 1  # 6 of 36
    assert solve("dice_sum_probability", s=11) * 18 == 1  # 5 + 6 and 6 + 5
    assert solve("average_missing_value", xs=(1, 2, 6), m=4, k=4) == 7  # 16 - 9
    assert solve("weighted_average", a=10, x=40, b=30, y=60) == 55  # 2200 / 40
    assert solve("unit_speed_convert", s=72) == 20  # 72,000 m in 3,600 s
    assert solve("inverse_proportion", n=4, d=6, m=3) == 8  # 24 days of work for 3


@pytest.mark.parametrize("accuracy", [0.0, 0.7, 1.0])
def test_wrong_rows_are_caught_in_about_their_share(accuracy):
    drawn = [
        BANK.write(label, seed, accuracy, 0.0, 0.0) for label in BANK.labels for seed in range(60)
    ]
    verdicts = [check(row) for row in drawn]
    caught = [not (v["answer_right"] and v.get("fact_right", True)) for v in verdicts]
    assert sum(caught) / len(caught) == pytest.approx(1 - accuracy, abs=0.03)  # 3 sd of 2,400
    if accuracy == 0:
        wrong_facts = sum(v.get("fact_right") is False for v in verdicts) / len(verdicts)
        assert wrong_facts == pytest.approx(0.40, abs=0.04)


def test_unwarranted_refusals_come_in_their_share():
    labels = [label for label in BANK.labels if label != MISSING]
    verdicts = [check(BANK.write(label, s, 1.0, 0.0, 0.3)) for label in labels for s in range(60)]
    refused = sum(v["refused"] and not v["refusal_warranted"] for v in verdicts)
    assert refused / len(verdicts) == pytest.approx(0.30, abs=0.03)


def test_a_narrow_teacher_writes_one_skeleton_a_label_and_errs_one_way():
    def skeletons(narrowness, label):
        drawn = (BANK.write(label, seed, 1.0, narrowness, 0.0) for seed in range(60))
        questions = (split_prompt(row["prompt"])[0] for row in drawn)
        return len({tuple(key for key, _ in shapes(question)) for question in questions})

    spread = {n: sum(skeletons(n, label) for label in BANK.labels) for n in (0.0, 0.5, 1.0)}
    assert spread[1.0] == len(BANK.labels)
    assert spread[0.0] > spread[0.5] > 5 * spread[1.0]
    narrow = BANK.write("percent_of", 3, 1.0, 1.0, 0.0)
    assert set(narrow["attributes"]["errors"].split("|")) == {"slip"}


@settings(max_examples=150, deadline=None)
@given(label=LABELS, seed=SEEDS, narrowness=st.floats(0, 1))
def test_an_accurate_teacher_is_right_at_any_narrowness_and_repeats_itself(label, seed, narrowness):
    row = BANK.write(label, seed, 1.0, narrowness, 0.0)
    assert row["label"] == label
    assert is_right(row, check(row))
    assert is_right(row, check(row, attributes=True))
    assert row == BANK.write(label, seed, 1.0, narrowness, 0.0)


@settings(max_examples=150, deadline=None)
@given(label=LABELS, seed=SEEDS)
def test_a_teacher_without_accuracy_is_always_caught(label, seed):
    verdicts = check(BANK.write(label, seed, 0.0, 0.0, 0.0))
    assert not (verdicts["answer_right"] and verdicts.get("fact_right", True))


@settings(max_examples=200, deadline=None)
@given(label=LABELS, asked=LABELS, data=st.data())
def test_no_text_breaks_the_check(label, asked, data):
    # sentences of the world with any numbers and units in them, in any order, and any characters
    numbers = st.sampled_from(["0", "1/0", "2.5", "7", "3/4", "999999999", "9" * 60])
    units = st.sampled_from(["kg", "m", "miles", "hours", "m/s"])

    def sentence(key):
        words = {"#": numbers, "##": st.just("0, 0 and 1/0"), "@": units, "~": st.just("lamp")}
        return " ".join(data.draw(words.get(word, st.just(word))) for word in key.split()) + "."

    keys = data.draw(st.lists(st.sampled_from(sorted(index(asked))), max_size=3))
    prompt = " ".join(map(sentence, keys)) + data.draw(st.text(max_size=9))
    response = data.draw(st.text(max_size=20)) + data.draw(numbers) + " = " + data.draw(numbers)
    verdicts = BANK.check(label, prompt, response, {"answer": "?"})
    assert set(verdicts) <= {"fact_right", "refused", "refusal_warranted", "answer_right"}


def test_absurd_numbers_are_left_undecided():
    prompt = "What is £1000 worth after 999999999 years at 5% a year, compounded?"
    assert "answer_right" not in BANK.check("compound_interest", prompt, "Answer: £1", {})
    prompt = "Convert 5 miles to km."
    assert "answer_right" not in BANK.check("unit_length_convert", prompt, "Answer: 5 km", {})


def test_unknown_labels_are_refused():
    with pytest.raises(BadInputError, match="use one of percent_of"):
        BANK.write("algebra", 0, 1.0, 0.0, 0.0)


def test_running_out_of_questions_says_so(monkeypatch):
    monkeypatch.setattr("collapse_pipeline.worlds.question_bank.world.ATTEMPTS", 0)
    with pytest.raises(BadInputError, match="ask for fewer rows"):
        BANK.rows(50, 0)


@pytest.mark.slow
def test_rows_are_written_fast():
    BANK.rows(1000, 0)
    start = time.process_time()  # not the wall: the machine may be shared
    BANK.rows(20_000, 1)
    assert 20_000 / (time.process_time() - start) >= 8_000


@pytest.mark.slow
def test_types_are_confusable_and_rare_ones_gain_from_more_rows():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    rare = set(BANK.labels[-10:])
    train, fresh = BANK.rows(2000, 0), BANK.rows(8000, 100)
    extra = [BANK.write(label, s, 1.0, 0.0, 0.0) for label in sorted(rare) for s in range(150)]

    def accuracies(rows):
        model = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=30, random_state=0),
        )
        model.fit([row["prompt"] for row in rows], [row["label"] for row in rows])
        hits = model.predict([row["prompt"] for row in fresh]) == [row["label"] for row in fresh]
        tail = [hit for hit, row in zip(hits, fresh, strict=True) if row["label"] in rare]
        return sum(hits) / len(hits), sum(tail) / len(tail)

    overall, tail = accuracies(train)
    assert 0.80 <= overall <= 0.92
    assert 0.50 <= tail <= 0.75
    assert accuracies(train + extra)[1] >= tail + 0.08
