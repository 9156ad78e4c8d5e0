import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.students.ngram import NgramConfig
from collapse_pipeline.errors import BadInputError, TooFewSamplesError
from collapse_pipeline.metrics.fluency import perplexity


def table(labels, prompts, responses=None, **columns):
    responses = [""] * len(prompts) if responses is None else responses
    rows = {"label": labels, "prompt": prompts, "response": responses}
    return pa.table(rows | {"weight": np.ones(len(prompts))} | columns)


CARDS = table(
    ["lost", "lost", "fee", "fee"],
    ["I lost my card", "my card is lost", "Why was I charged?", "why is there a fee"],
    ["we block it", "we send one", "it is a fee", "there is one"],
)


@pytest.fixture(scope="module")
def cards():
    return NgramConfig(vocabulary_size=300).train(CARDS, seed=0)


def test_likelihood_of_two_sentences_by_hand():
    # One token a byte, so 258 can be predicted; one label, so order 2 has the levels (1) and ().
    model = NgramConfig(order=2, vocabulary_size=258).train(table(["", ""], ["ab", "ac"]), seed=0)
    # (): a 2, b 1, c 1, end 2 of 6; each of the four gives .75, so the backoff is 3/6.
    one, two = 0.25 / 6 + 0.5 / 258, 1.25 / 6 + 0.5 / 258
    begin_a = 1.25 / 2 + 0.375 * two  # a 2 of 2
    a_b = 0.25 / 2 + 0.75 * one  # b 1, c 1 of 2
    b_end = 0.25 + 0.75 * two  # end 1 of 1
    sums, sizes = model.negative_log_likelihood(["", "?"], ["ab", "AB"], ["", ""])
    wanted = -math.log(begin_a * a_b * b_end)
    assert sums.tolist() == pytest.approx([wanted, wanted])  # an unknown label changes nothing
    assert sizes.tolist() == [3, 3]


@given(st.integers(0, 2**62), st.sampled_from([0.5, 1.0, 1.5]))
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_texts(seed, temperature):
    model = NgramConfig(vocabulary_size=300).train(CARDS, seed=0)
    arguments = (["lost", "fee", "new"], ["", "Why", "my card "], seed, temperature)
    texts = model.sample(*arguments)
    assert texts == model.sample(*arguments)
    assert [prompt[:8] for prompt, _ in texts][2] == "my card "
    assert texts[1][0].startswith("Why")


def test_other_seeds_give_other_texts(cards):
    labels, openings = ["lost"] * 20, [""] * 20
    assert cards.sample(labels, openings, 1, 1.0) != cards.sample(labels, openings, 2, 1.0)


def test_no_text_grows_without_end():
    # Its only training row of 4 tokens repeats itself, and hardly ever ends.
    model = NgramConfig(order=2, vocabulary_size=258).train(table([""], ["aaa"]), seed=0)
    longest = max(len(prompt) for prompt, _ in model.sample([""] * 500, [""] * 500, 0, 1.0))
    assert longest <= 8


def test_nothing_asked_nothing_written(cards):
    assert cards.sample([], [], 0, 1.0) == []
    assert [part.tolist() for part in cards.negative_log_likelihood([], [], [])] == [[], []]


def test_a_cold_model_repeats_its_likeliest_texts(cards):
    texts = cards.sample(["lost"] * 50, [""] * 50, 0, 0.02)
    # Two prompts are equally likely, and behind each the same two responses.
    assert len(set(texts)) <= 4
    hot = cards.sample(["lost"] * 50, [""] * 50, 0, 1.0)
    assert len(set(hot)) > 10


def test_temperature_reshapes_the_interpolated_distribution():
    # One label, order 1, so P is that of (): a 3, b 1, end 4 of 8, 255 others.
    model = NgramConfig(order=1, vocabulary_size=258, length_factor=1).train(
        table([""] * 4, ["a", "a", "a", "b"]), seed=0
    )
    rest = 3 * 0.75 / 8 / 258
    chances = np.array([2.25 / 8 + rest, 0.25 / 8 + rest, 3.25 / 8 + rest] + [rest] * 255)
    cold = chances**2 / (chances**2).sum()
    firsts = [prompt[:1] for prompt, _ in model.sample([""] * 20_000, [""] * 20_000, 0, 0.5)]
    assert firsts.count("a") / 20_000 == pytest.approx(cold[0], abs=0.015)
    assert firsts.count("b") / 20_000 == pytest.approx(cold[1], abs=0.005)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_of_nothing_is_refused(cards, temperature):
    with pytest.raises(BadInputError, match="temperature"):
        cards.sample(["lost"], [""], 0, temperature)


def test_negative_rows_and_weights_count_as_they_should():
    plain = NgramConfig(vocabulary_size=258).train(table(["", ""], ["ab", "ab"]), seed=0)
    mixed = table(["", "x"], ["ab", "zz"], weight=[2.0, 1.0], role=["positive", "negative"])
    weighted = NgramConfig(vocabulary_size=258).train(mixed, seed=0)
    assert weighted.labels == ("",)
    loss = [m.negative_log_likelihood([""], ["ab"], [""])[0][0] for m in (plain, weighted)]
    assert loss[0] == loss[1]


def test_no_rows_are_refused():
    with pytest.raises(TooFewSamplesError):
        NgramConfig().train(CARDS.slice(0, 0), seed=0)


def test_the_vocabulary_is_handed_on_as_it_is(cards):
    other = table(["lost"], ["ein ganz anderer text, ein ganz anderer text"])
    later = NgramConfig().train(other, seed=1, vocabulary_of=cards)
    assert later.vocabulary is cards.vocabulary


def test_loaded_it_is_the_same_model(cards, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    cards.save(tmp_path / "one")
    loaded = NgramConfig().load(tmp_path / "one")
    assert loaded.config == cards.config
    arguments = (["lost", "?"] * 20, ["", "I"] * 20, 3, 1.0)
    assert loaded.sample(*arguments) == cards.sample(*arguments)
    texts = (["fee", "?"], ["why is my card lost", "why"], ["it is", ""])
    assert loaded.negative_log_likelihood(*texts)[0].tolist() == (
        cards.negative_log_likelihood(*texts)[0].tolist()
    )
    NgramConfig(vocabulary_size=300).train(CARDS, seed=0).save(tmp_path / "two")
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_a_model_of_another_kind_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"config": {"kind": "gpt"}}')
    with pytest.raises(BadInputError, match="ngram"):
        NgramConfig().load(tmp_path)


@pytest.fixture(scope="session")
def banking77(shared_data):
    return pq.read_table(shared_data / "banking77.parquet").to_pandas()


def perplexities(banking77, rows, generations, accumulate):
    """Of generation 0 and those after it on the real test rows."""
    train = banking77[banking77["split"] == "train"].sample(rows, random_state=0)
    test = banking77[banking77["split"] == "test"]
    labels, texts = train["label"].tolist(), train["text"].tolist()
    first = model = NgramConfig().train(table(labels, texts), seed=0)
    found, drawn = [], labels
    for generation in range(generations + 1):
        sums, sizes = model.negative_log_likelihood(
            test["label"].tolist(), test["text"].tolist(), [""] * len(test)
        )
        found.append(perplexity(sums, sizes))
        written = [prompt for prompt, _ in model.sample(drawn, [""] * rows, generation, 1.0)]
        labels, texts = (labels + drawn, texts + written) if accumulate else (drawn, written)
        model = NgramConfig().train(table(labels, texts), seed=0, vocabulary_of=first)
    return found


@pytest.mark.real_data
def test_banking77_loses_fluency_every_generation_under_replace(banking77):
    found = perplexities(banking77, rows=2000, generations=3, accumulate=False)
    assert found == sorted(found)
    assert found[-1] > 4 * found[0]


@pytest.mark.real_data
@pytest.mark.slow
def test_banking77_collapses_under_replace_and_not_under_accumulate(banking77):
    replaced = perplexities(banking77, rows=5000, generations=6, accumulate=False)
    accumulated = perplexities(banking77, rows=5000, generations=6, accumulate=True)
    # Measured before: 18.6 to 839, and 18.6 to 57.
    assert replaced[0] == pytest.approx(18.6, rel=0.25)
    assert replaced[6] >= 10 * replaced[0]
    assert accumulated[6] <= 4.5 * accumulated[0]


@pytest.mark.real_data
def test_gsm8k_questions_get_answers(shared_data):
    rows = pq.read_table(shared_data / "gsm8k.parquet").slice(0, 1000)
    answers = rows["answer"].to_pylist()
    model = NgramConfig().train(table([""] * 1000, rows["text"].to_pylist(), answers), seed=0)
    written = model.sample([""] * 200, [""] * 200, 0, 1.0)
    assert sum(bool(response) for _, response in written) >= 190
