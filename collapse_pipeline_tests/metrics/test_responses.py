import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics import responses
from collapse_pipeline.metrics.evidence import WORD, BatchEvidence, Texts
from collapse_pipeline.metrics.responses import (
    METRICS,
    refusal_rate,
    refusals_beyond,
    specificity,
)
from collapse_pipeline.records import samples_table
from collapse_pipeline.worlds.reference import WORLDS, world
from collapse_pipeline_tests.samples import human_row, human_table, written_row, written_table

COMPUTE = {metric.name: metric.compute for metric in METRICS}
ROWS = 600


def words_of(texts):
    return [WORD.findall(text.casefold()) for text in texts]


def table(rows, make):
    return Texts(
        samples_table(
            make(
                row["prompt"],
                row["label"],
                sample_id=str(i),
                response=row["response"],
                attributes=list(row["attributes"].items()),
            )
            for i, row in enumerate(rows)
        )
    )


def batch(name, accuracy=1.0, refusal=0.0, seed=2, known=True):
    """As many written as true rows of a world."""
    true = world(name).rows(ROWS, 1)
    drafts = [
        world(name).write(row["label"], seed * ROWS + i, accuracy, 0.0, refusal)
        for i, row in enumerate(true)
    ]
    synthetic, human = table(drafts, written_row), table(true, human_row)
    return BatchEvidence(synthetic, human, world=world(name) if known else None)


def test_refusals_by_hand():
    assert refusal_rate(np.array([True, False, False, False])) == 0.25
    # People refuse none of a, half of b, all of c, and so half of d, which they never were asked:
    # 1, 1/2, 0 and 1/2 of the rows deserve an answer; the first and the last get none.
    people = np.array([False, False, True, False, True, True])
    refused = np.array([True, False, True, True])
    assert refusals_beyond(refused, "abcd", people, "aabbcc") == pytest.approx(1.5 / 2)
    assert np.isnan(refusals_beyond(refused[:1], "c", people, "aabbcc"))


def test_specificity_by_hand():
    # "order" is in half of the prompts, so it weighs log(5/3); "4711" is in one: log(5/2).
    prompts = words_of(["My order 4711?", "The order, please.", "Where is it?", "Blue"])
    rare, common = np.log(5 / 2), np.log(5 / 3)
    said = words_of(["The order 4711 left", "It has left", "Here", "Red"])
    by_number = words_of(["4711 left", "It has left", "Here", "Red"])
    # the third prompt has no content word; "left", "red" and "blue" are not asked for or not said
    assert specificity(prompts, said, prompts) == pytest.approx((1 + 0 + 0) / 3)
    share = rare / (rare + common)
    assert specificity(prompts, by_number, prompts) == pytest.approx((share + 0 + 0) / 3)
    assert np.isnan(specificity(words_of(["is it?"]), words_of(["yes"]), prompts))


texts = st.lists(st.sampled_from(("where", "is", "order", "12", "blue", "card")), max_size=5)


@settings(deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=12), st.randoms())
def test_parroting_is_most_specific_and_order_changes_nothing(rows, random):
    prompts, answers = (list(column) for column in zip(*rows, strict=True))
    known = [*prompts, ["strange"], ["other"]]
    parroted = specificity(prompts, prompts, known)
    assert np.isnan(parroted) or parroted == pytest.approx(1)
    mixed = [list(column) for column in zip(*random.sample(rows, len(rows)), strict=True)]
    found = specificity(prompts, answers, known)
    assert np.isnan(found) or 0 <= found == specificity(*mixed, known) <= 1 + 1e-9


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_each_fault_shows_in_its_own_figure(name):
    good, wrong, refusing = batch(name), batch(name, accuracy=0.8), batch(name, refusal=0.15)
    found = {
        metric: [COMPUTE[metric](evidence) for evidence in (good, wrong, refusing)]
        for metric in ("wrong_fact_rate", "wrong_answer_rate", "unwarranted_refusal_rate")
    }
    assert found["wrong_fact_rate"][0] == found["wrong_answer_rate"][0] == 0
    assert found["wrong_fact_rate"][1] > 0.05
    assert found["wrong_answer_rate"][1] > 0.1
    assert found["wrong_fact_rate"][2] == 0
    assert found["unwarranted_refusal_rate"][0] == 0 == found["unwarranted_refusal_rate"][1]
    assert 0.1 < found["unwarranted_refusal_rate"][2] < 0.2
    assert COMPUTE["refusal_rate"](refusing) > COMPUTE["refusal_rate"](good) + 0.1
    assert COMPUTE["specificity"](refusing) < COMPUTE["specificity"](good) - 0.01
    # without a world the label's human refusals stand in for what is warranted
    unknown = batch(name, refusal=0.15, known=False)
    judged = COMPUTE["unwarranted_refusal_rate"](refusing)
    assert COMPUTE["unwarranted_refusal_rate"](unknown) == pytest.approx(judged, abs=0.01)
    assert COMPUTE["unwarranted_refusal_rate"](batch(name, known=False)) < 0.01


def test_polite_padding_shows():
    plain = batch("customer_service")
    padded = plain.synthetic.rows.to_pylist()
    for row in padded:
        row["response"] = f"Thank you for your message. {row['response']} I hope this helps!"
    evidence = plain.on(Texts(samples_table(padded)))
    assert COMPUTE["empty_politeness"](evidence) > COMPUTE["empty_politeness"](plain) + 0.2
    assert COMPUTE["refusal_rate"](evidence) == COMPUTE["refusal_rate"](plain)


def test_rows_without_a_response_are_left_out():
    rows = written_table(3).to_pylist()
    rows[0]["response"] = "I can't help with that."
    evidence = BatchEvidence(Texts(samples_table(rows)), Texts(human_table(3)))
    assert COMPUTE["refusal_rate"](evidence) == 1
    none = BatchEvidence(Texts(written_table(3)), Texts(human_table(3)))
    for metric in ("refusal_rate", "unwarranted_refusal_rate", "specificity"):
        with pytest.raises(TooFewSamplesError, match="with a response"):
            COMPUTE[metric](none)
    assert np.isnan(COMPUTE["empty_politeness"](none))


def test_of_many_rows_the_same_ones_are_checked_in_any_order(monkeypatch):
    monkeypatch.setattr(responses, "CHECKED_ROWS", 100)
    evidence = batch("customer_service", accuracy=0.5)
    order = np.random.default_rng(1).permutation(ROWS)
    mixed = evidence.on(evidence.synthetic.take(order))
    found = COMPUTE["wrong_fact_rate"](evidence)
    assert COMPUTE["wrong_fact_rate"](mixed) == found
    assert len(responses.checks(evidence)) == 100
    assert found == pytest.approx(0.5, abs=0.2)


@pytest.mark.real_data
def test_worked_answers_are_about_their_own_question(shared_data):
    rows = pq.read_table(shared_data / "gsm8k.parquet", filters=[("split", "=", "test")])
    questions, answers = (words_of(rows[name].to_pylist()) for name in ("text", "answer"))
    assert specificity(questions, answers, questions) > 0.5  # measured .55 on the training rows
    assert specificity(questions, answers[1:] + answers[:1], questions) < 0.05
