from random import Random

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.questions import (
    Question,
    distractor_diversity,
    question_form,
    question_form_diversity,
    read_question,
)
from collapse_pipeline.worlds.question_bank.world import QuestionBank


@pytest.mark.parametrize(
    ("prompt", "choices"),
    [
        ("What is 2 + 2?\nA) 3 B) 4 C) 5 D) 6", ("3", "4", "5", "6")),
        ("Which?\nA. a cat\nB. vitamin C, zinc\nC. none", ("a cat", "vitamin C, zinc", "none")),
        ("Is it so? (a) yes (b) no", ("yes", "no")),
        ("Pick: A: $1.50  B: 1/2  C: -3", ("$1.50", "1/2", "-3")),
        ("Plan A. B. Smith asks: which?\nA) x\nB) y", ("x", "y")),
        ("No choices here, e.g. Dr. A) alone", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_reading(prompt, choices):
    assert read_question(prompt).choices == choices


def test_the_stem_is_what_comes_before():
    assert read_question("He has 3.5 kg. How much? (A) 1 (B) 2").stem == "He has 3.5 kg. How much?"


def test_forms():
    assert question_form("What is 15% of 860?") == "what is # of #"
    assert question_form("Tom has 4 cards. What is 15% of 860?") == "told: what is # of #"
    assert question_form("5% of 820 is ___.") == "# of # is (gap)"
    assert question_form("") == ""


def asked(*choices):
    return Question("What is it?", choices)


def test_diversity_by_hand():
    # gaps 1 1 1, 1 1 1 and 1 2 1: shares 2/3 and 1/3, of three
    alike = [asked("1", "2", "3", "4"), asked("$40", "$30", "$50", "$60")]
    other = asked("1", "2", "4", "5")
    effective = (2 / 3) ** (-2 / 3) * (1 / 3) ** (-1 / 3)
    assert distractor_diversity([*alike, other]) == pytest.approx(effective / 3)
    assert distractor_diversity(alike) == 1 / 2
    # words each count as themselves: yes, no, maybe, no
    words = [asked("yes", "no"), asked("Maybe", "No")]
    assert distractor_diversity(words) == pytest.approx(2**1.5 / 4)
    assert question_form_diversity([*alike, other]) == pytest.approx(1 / 3)
    assert question_form_diversity([asked("a", "b"), Question("Why so?", ("a", "b"))]) == 1


def test_too_few():
    plain = [Question("What is it?", ())] * 5
    for diversity in (distractor_diversity, question_form_diversity):
        with pytest.raises(TooFewSamplesError, match=diversity.__name__):
            diversity([*plain, asked("1", "2")])


questions = st.lists(
    st.builds(
        lambda stem, choices: Question(stem, tuple(choices)),
        st.sampled_from(["What is it?", "How many are it?", "So. Is it?", "It is __."]),
        st.lists(st.sampled_from(["1", "2", "4", "7", "1/0", "yes", "no"]), min_size=3, max_size=4),
    ),
    min_size=2,
    max_size=12,
)


@settings(deadline=None)
@given(questions)
def test_saying_everything_twice_halves_it(bank):
    bank = [*bank, asked("north", "south")]
    for diversity in (distractor_diversity, question_form_diversity):
        once = diversity(bank)
        assert 0 < once <= 1
        assert diversity(bank * 2) == pytest.approx(once / 2)
        assert diversity(bank[::-1]) == pytest.approx(once)


def test_a_narrow_teacher_shows():
    world = QuestionBank()
    labels = Random(0).choices(list(world.shares()), list(world.shares().values()), k=500)

    def bank(narrowness):
        rows = [world.write(label, at, 0.9, narrowness, 0) for at, label in enumerate(labels)]
        return [read_question(str(row["prompt"])) for row in rows]

    banks = [bank(narrowness) for narrowness in (0, 0.5, 1)]
    assert all(question.choices for question in banks[0])
    for diversity in (distractor_diversity, question_form_diversity):
        broad, half, narrow = map(diversity, banks)
        assert broad > 1.2 * half > 1.2 * 1.2 * narrow


@pytest.mark.real_data
def test_people_ask_and_mislead_in_many_ways(shared_data):
    table = pq.read_table(shared_data / "opentriviaqa.parquet")
    rows = table.take(Random(0).sample(range(len(table)), 2000)).to_pylist()
    prompts = []
    for row in rows:
        if row["options"] is not None and len(row["options"]) > 1:
            marked = zip("ABCDEF", row["options"], strict=False)
            prompts.append("\n".join([row["text"], *(f"{mark}) {text}" for mark, text in marked)]))
    bank = [read_question(prompt) for prompt in prompts]
    assert sum(bool(question.choices) for question in bank) > 0.98 * len(bank)
    assert distractor_diversity(bank) > 0.5
    assert question_form_diversity(bank) > 0.8
