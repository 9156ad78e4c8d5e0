import time
import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.students.task import EmbeddingTaskConfig, TfidfTask, TfidfTaskConfig
from collapse_pipeline.backends.students.task_linear import (
    LabelledRows,
    LinearHead,
    fit_temperature,
    fold_numbers,
    log_probabilities,
)
from collapse_pipeline.errors import BackendError, TooFewSamplesError
from collapse_pipeline.metrics.calibration import expected_calibration_error


def mix(prompts, labels, weights=None, roles=None, origins=None):
    count = len(prompts)
    return pa.table(
        {
            "sample_id": pa.array([f"s{i:05d}" for i in range(count)], pa.string()),
            "prompt": pa.array(prompts, pa.string()),
            "label": pa.array(labels, pa.string()),
            "origin": pa.array(origins or ["human"] * count, pa.string()),
            "weight": pa.array(weights or [1.0] * count, pa.float64()),
            "role": pa.array(roles or ["positive"] * count, pa.string()),
        }
    )


CARD = [f"my card {word} today" for word in ("is lost", "was stolen", "broke", "expired", "hides")]
LOAN = [f"a loan {word} please" for word in ("offer", "rate", "term", "plan", "quote")]


class WordEmbedder:
    """A text is the sum of its words' directions; also its own configuration."""

    version = "words@1"

    def build(self, texts):
        return self

    def embed(self, texts):
        vectors = np.zeros((len(texts), 32), dtype=np.float32)
        for i, text in enumerate(texts):
            for word in text.split():
                vectors[i] += np.random.default_rng(zlib.crc32(word.encode())).normal(size=32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


WORDS = EmbeddingTaskConfig.model_construct(embedder=WordEmbedder())
KINDS = pytest.mark.parametrize("config", [TfidfTaskConfig(), WORDS], ids=["tfidf", "embedding"])
SMALL = mix(CARD + LOAN, ["card"] * 5 + ["loan"] * 5)


def probability(model, prompt, label):
    said = model.predict([prompt])
    return float(said.probabilities[0, said.labels.index(label)])


def test_probabilities_by_hand():
    scores = np.array([[np.log(3), -np.log(3)]], dtype=np.float32)
    # sigmoids 3/4 and 1/4, already sum to 1; their squares 9/16 and 1/16 give 9/10 and 1/10
    assert np.exp(log_probabilities(scores, "sigmoid", 1.0))[0] == pytest.approx([0.75, 0.25])
    assert np.exp(log_probabilities(scores, "sigmoid", 0.5))[0] == pytest.approx([0.9, 0.1])
    # exponentials 3 and 1/3: 9/10 and 1/10 at temperature 1
    assert np.exp(log_probabilities(scores, "softmax", 1.0))[0] == pytest.approx([0.9, 0.1])


@settings(deadline=None, max_examples=30)
@given(st.floats(0.3, 4), st.integers(0, 2**32), st.sampled_from(["sigmoid", "softmax"]))
def test_the_temperature_that_made_the_labels_is_found(temperature, seed, link):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, (4000, 5)).astype(np.float32)
    chances = np.exp(log_probabilities(scores, link, temperature)).cumsum(axis=1)
    truth = (rng.random((4000, 1)) > chances).sum(axis=1).clip(max=4)
    assert fit_temperature(scores, truth, np.ones(4000), link) == pytest.approx(
        temperature, rel=0.2
    )


def test_rare_words_count_by_their_idf():
    head = LinearHead(("p", "q"), np.eye(2, dtype=np.float32), np.zeros(2, np.float32), "softmax")
    said = TfidfTask(["a", "b"], np.array([1.0, 3.0]), head).predict(["a b"])
    # a weighs 1 and b 3, at length 1: log-odds (3 - 1) / sqrt(10) for q
    assert said.probabilities[0, 1] == pytest.approx(1 / (1 + np.exp(-2 / np.sqrt(10))))


def test_few_scores_leave_the_temperature_at_one():
    for rows, weights in ((19, np.ones(19)), (30, np.zeros(30))):
        scores = np.zeros((rows, 2), dtype=np.float32)
        assert fit_temperature(scores, np.zeros(rows, int), weights, "sigmoid") == 1.0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30),
    st.integers(2, 5),
    st.integers(0, 2**40),
)
def test_every_label_stands_in_the_training_rows_of_every_fold(rows, folds, seed):
    labels = ["a", "b", *(label for label, _ in rows)]
    roles = ["positive", "positive", *("negative" if bad else "positive" for _, bad in rows)]
    known = LabelledRows.of(mix(["text"] * len(labels), labels, roles=roles))
    numbers = fold_numbers(known, folds, seed)
    assert (numbers[known.negative] == -1).all()
    for fold in range(folds):
        left = set(known.labels[(numbers != fold) & ~known.negative])
        assert left == set(known.labels[~known.negative])
    for label in set(known.labels):
        mine = numbers[(known.labels == label) & ~known.negative]
        if len(mine) > 1:
            sizes = np.bincount(mine, minlength=folds)
            assert sizes.max() - sizes.min() <= 1
        else:
            assert (mine == -1).all()


@KINDS
def test_it_learns(config):
    said = config.train(SMALL, seed=1).predict(["my card is gone", "a loan", ""])
    assert said.labels == ("card", "loan")
    assert said.best[:2] == ["card", "loan"]
    assert said.probabilities.dtype == np.float32
    assert said.probabilities.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-6)


@KINDS
def test_one_row_of_a_label_is_enough(config):
    prompts, labels = [*CARD, "a loan please"], ["card"] * 5 + ["loan"]
    model = config.train(mix(prompts, labels), seed=1)
    assert model.predict(["a loan please"]).best == ["loan"]
    config.train(mix(["x", "y", "z"], ["a", "b", "c"]), seed=1)


@KINDS
def test_rows_without_a_label_teach_nothing_and_no_prompts_get_no_rows(config):
    model = config.train(SMALL, seed=1)
    more = mix([*CARD, *LOAN, "my loan"], ["card"] * 5 + ["loan"] * 5 + [""])
    other = config.train(more, seed=1)
    assert probability(other, "my loan", "loan") == probability(model, "my loan", "loan")
    assert model.predict([]).probabilities.shape == (0, 2)


@KINDS
def test_a_heavier_row_teaches_more(config):
    prompts, labels = [*CARD, *LOAN, "what now", "what now"], ["card"] * 5 + ["loan"] * 5
    labels += ["card", "loan"]
    for heavy, label in ((10, "card"), (11, "loan")):
        weights = [1.0] * 12
        weights[heavy] = 20.0
        model = config.train(mix(prompts, labels, weights), seed=1)
        assert model.predict(["what now"]).best == [label]


def test_a_negative_speaks_against_its_label_alone():
    prompts = [*CARD, *LOAN, "cash", "cash", *["my card is plastic"] * 10]
    labels = ["card"] * 5 + ["loan"] * 5 + ["cash"] * 2 + ["card"] * 10
    roles = ["positive"] * 12 + ["negative"] * 10

    def scores(negative_weight):
        config = TfidfTaskConfig(negative_weight=negative_weight)
        model = config.train(mix(prompts, labels, roles=roles), seed=1)
        words = model._words.transform(["my card is plastic"])
        return dict(zip(model._head.labels, model._head.scores(words)[0], strict=True))

    without, modest, full = scores(0.0), scores(0.25), scores(1.0)
    assert without["card"] > modest["card"] > full["card"]
    assert without["loan"] == modest["loan"] == full["loan"]


@pytest.mark.parametrize(
    ("labels", "roles"),
    [([], []), (["a", "a"], ["positive"] * 2), (["a", "b"], ["positive", "negative"])],
)
@KINDS
def test_fewer_than_two_labels_are_refused(config, labels, roles):
    with pytest.raises(TooFewSamplesError, match="at least two labels"):
        config.train(mix(["text"] * len(labels), labels, roles=roles), seed=1)


def test_temperature_comes_from_human_rows_where_there_are_enough():
    rng = np.random.default_rng(1)
    real = [f"{rng.choice(['red', 'blue'])} {rng.choice(['x', 'y'])}" for _ in range(60)]
    labels = [str(rng.choice(["a", "b"])) for _ in real]  # nothing to learn
    written = ["alpha"] * 60 + ["beta"] * 60  # nothing easier
    rows = (real + written, labels + ["a"] * 60 + ["b"] * 60)
    told = TfidfTaskConfig().train(mix(*rows, origins=["human"] * 60 + ["synthetic"] * 120), seed=1)
    untold = TfidfTaskConfig().train(mix(*rows), seed=1)
    assert told._head.temperature > 2 * untold._head.temperature


@KINDS
def test_it_comes_back_as_it_was_saved(config, tmp_path):
    rows = SMALL.take(np.random.default_rng(1).permutation(SMALL.num_rows))
    folders = []
    for name, table, seed in (("a", SMALL, 1), ("b", rows, 1), ("c", SMALL, 2)):
        (tmp_path / name).mkdir()
        config.train(table, seed).save(tmp_path / name)
        folders.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert folders[0] == folders[1]  # the order of rows changes nothing
    assert (folders[0] == folders[2]) == (config.kind == "embedding")  # only SGD draws
    prompts = ["my card is gone", "a loan", "neither", "é\u2028"]
    before = config.train(SMALL, 1).predict(prompts)
    after = config.load(tmp_path / "a").predict(prompts)
    assert after.labels == before.labels
    np.testing.assert_array_equal(after.probabilities, before.probabilities)


@KINDS
def test_another_kinds_folder_is_refused(config, tmp_path):
    with pytest.raises(BackendError, match=r"no task\.json"):
        config.load(tmp_path)
    (tmp_path / "task.json").write_text('{"kind": "other", "labels": []}')
    with pytest.raises(BackendError, match="one of kind other"):
        config.load(tmp_path)


def test_another_embedders_folder_is_refused(tmp_path):
    WORDS.train(SMALL, 1).save(tmp_path)
    words = (tmp_path / "task.json").read_text().replace("words@1", "words@2")
    (tmp_path / "task.json").write_text(words)
    with pytest.raises(BackendError, match="set the embedder back"):
        WORDS.load(tmp_path)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("config", "accuracy"), [(TfidfTaskConfig(), 0.845), (EmbeddingTaskConfig(), 0.8)]
)
def test_banking77_accuracy_calibration_and_speed(shared_data, config, accuracy):
    data = pd.read_parquet(shared_data / "banking77.parquet")
    train = data[data["split"] == "train"].sample(5000, random_state=0)
    test = data[data["split"] == "test"]
    prompts, truth = test["text"].tolist(), test["label"].to_numpy()
    model = config.train(mix(train["text"].tolist(), train["label"].tolist()), seed=1)
    started = time.process_time()
    said = model.predict(prompts[:3000])
    assert time.process_time() - started < 0.3
    said = model.predict(prompts)
    right = np.array(said.best) == truth
    assert right.mean() > accuracy
    error = expected_calibration_error(said.confidence, right)
    assert error < 0.05
    model._head = replace(model._head, temperature=1.0)
    raw = model.predict(prompts)
    uncalibrated = expected_calibration_error(raw.confidence, right)
    assert error < uncalibrated
