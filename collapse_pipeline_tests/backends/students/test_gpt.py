import numpy as np
import pyarrow as pa
import pytest

from collapse_pipeline.backends.students.gpt import GptConfig
from collapse_pipeline.errors import BackendError, BadInputError

pytestmark = pytest.mark.slow  # importing transformers alone takes seconds

TINY = GptConfig(
    width=16, layers=1, heads=2, vocabulary_size=258, epochs=80, batch_rows=4, learning_rate=0.02
)
ROWS = pa.table(
    {
        "label": ["x", "y"] * 4,
        "prompt": ["abcd", "bb"] * 4,
        "response": ["c", ""] * 4,
        "weight": np.ones(8),
    }
)
TEXTS = (["x", "y", "?"], ["abcd", "bb", "a long text that was never seen"], ["c", "", "d"])


@pytest.fixture(scope="module")
def tiny():
    return TINY.train(ROWS, seed=0)


def test_next_token_chances_sum_to_one_and_make_up_the_loss(tiny):
    import torch

    rows = tiny.vocabulary.encode_rows(["abcd"], ["c"])
    ids = np.append(tiny.vocabulary.size + 0, rows.tokens[:-1])  # label x, then the text
    with torch.inference_mode():
        chances = tiny.network.logits(torch.from_numpy(ids[None])).softmax(-1)[0].numpy()
    assert chances.shape == (7, tiny.vocabulary.size)  # abcd, separator, c, end
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    sums, sizes = tiny.negative_log_likelihood(["x"], ["abcd"], ["c"])
    assert sums[0] == pytest.approx(-np.log(chances[range(7), rows.tokens]).sum(), rel=1e-4)
    assert sizes.tolist() == [7]


def test_it_learns_what_each_label_says(tiny):
    sums, sizes = tiny.negative_log_likelihood(["x", "y"], ["abcd", "abcd"], ["c", "c"])
    assert sums[0] / sizes[0] < 0.5 * np.log(tiny.vocabulary.size)
    assert sums[0] < sums[1]


def test_rows_weigh_as_much_as_they_should():
    loud = ROWS.set_column(3, "weight", pa.array([100.0, 0.01] * 4))
    quiet = ROWS.set_column(3, "weight", pa.array([0.01, 100.0] * 4))
    losses = [
        TINY.train(rows, seed=0).negative_log_likelihood(["x"], ["abcd"], ["c"])[0][0]
        for rows in (loud, quiet)
    ]
    assert losses[0] < losses[1]


def test_padding_does_not_change_a_loss(tiny):
    together = tiny.negative_log_likelihood(*TEXTS)[0]
    alone = [tiny.negative_log_likelihood(*([v[i]] for v in TEXTS))[0][0] for i in range(3)]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@pytest.mark.parametrize("opening", ["", "ab"])
def test_cold_drawing_with_the_cache_takes_the_best_token_without_it(tiny, opening):
    import torch

    texts = tiny.sample(["x", "y"], [opening, ""], 0, 0.001)
    rows = tiny.vocabulary.encode_rows(*zip(*texts, strict=True))
    tokens = rows.tokens[: rows.starts[1]]
    ids = np.append(tiny.vocabulary.size + 0, tokens[:-1])
    with torch.inference_mode():
        best = tiny.network.logits(torch.from_numpy(ids[None]))[0].argmax(-1).numpy()
    assert texts[0] == ("abcd", "c")
    assert best[len(opening) :].tolist() == tokens[len(opening) :].tolist()


def test_openings_are_kept_and_no_text_is_endless(tiny):
    openings = ["", "Ab", "a longer opening than any text in training", "b "] * 3
    texts = tiny.sample(["x", "y", "?", "x"] * 3, openings, 5, 1.0)
    for opening, (prompt, response) in zip(openings, texts, strict=True):
        assert prompt.startswith(opening)
        assert len(prompt) + len(response) <= len(opening) + 2 * tiny.longest


def test_the_same_seed_gives_the_same_model_and_texts(tiny):
    import torch

    state = torch.random.get_rng_state()
    again = TINY.train(ROWS, seed=0)
    arguments = (["x", "y"] * 5, [""] * 10, 7, 1.0)
    assert again.sample(*arguments) == tiny.sample(*arguments)
    assert again.sample(*arguments) != tiny.sample(["x", "y"] * 5, [""] * 10, 8, 1.0)
    assert torch.equal(state, torch.random.get_rng_state())  # nothing outside is disturbed
    assert not torch.are_deterministic_algorithms_enabled()
    other = TINY.train(ROWS, seed=1)
    assert not np.array_equal(
        other.negative_log_likelihood(*TEXTS)[0], tiny.negative_log_likelihood(*TEXTS)[0]
    )


def test_loaded_it_is_the_same_model(tiny, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    tiny.save(tmp_path / "one")
    loaded = GptConfig(device="cpu").load(tmp_path / "one")
    assert loaded.config == TINY.model_copy(update={"device": "cpu"})
    assert loaded.negative_log_likelihood(*TEXTS)[0].tolist() == (
        tiny.negative_log_likelihood(*TEXTS)[0].tolist()
    )
    assert loaded.sample(["x"] * 9, [""] * 9, 1, 1.0) == tiny.sample(["x"] * 9, [""] * 9, 1, 1.0)
    loaded.save(tmp_path / "two")
    names = [file.name for file in sorted((tmp_path / "one").iterdir())]
    assert names == ["config.json", "tokenizer.json", "weights.safetensors"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_bf16_stays_near_fp32(tiny):
    rough = TINY.model_copy(update={"precision": "bf16"}).train(ROWS, seed=0)
    losses = [m.negative_log_likelihood(["x"], ["abcd"], ["c"])[0][0] for m in (rough, tiny)]
    assert losses[0] == pytest.approx(losses[1], rel=0.2)


def test_the_vocabulary_is_handed_on_as_it_is(tiny):
    later = TINY.model_copy(update={"epochs": 1}).train(ROWS, seed=1, vocabulary_of=tiny)
    assert later.vocabulary is tiny.vocabulary


def test_nothing_asked_nothing_written(tiny):
    assert tiny.sample([], [], 0, 1.0) == []
    assert [part.tolist() for part in tiny.negative_log_likelihood([], [], [])] == [[], []]


def test_what_cannot_be_is_refused(tiny, tmp_path):
    import torch

    with pytest.raises(BadInputError, match="heads"):
        GptConfig(width=16, heads=3, vocabulary_size=258).train(ROWS, seed=0)
    with pytest.raises(BadInputError, match="temperature"):
        tiny.sample(["x"], [""], 0, 0.0)
    (tmp_path / "config.json").write_text('{"config": {"kind": "ngram"}}')
    with pytest.raises(BadInputError, match="gpt"):
        GptConfig().load(tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(BackendError, match="CUDA"):
            GptConfig(device="cuda", vocabulary_size=258).train(ROWS, seed=0)
