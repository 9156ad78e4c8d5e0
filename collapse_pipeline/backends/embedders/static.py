"""The everyday embedder: one stored row per word piece, summed and scaled to length 1.

The rows were distilled from MiniLM (see `distil_static.py`) and lie beside this file in
`static/`. Neither torch nor transformers is imported, so it is ready in a fraction of a second.
A text's vector depends on that text alone, never on the batch it came in.
"""

import hashlib
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Literal, cast

import numpy as np

from collapse_pipeline.errors import BackendError
from collapse_pipeline.ports import Embedder, FloatMatrix
from collapse_pipeline.records import Frozen, content_hash

SHIPPED = Path(__file__).parent / "static"
WEIGHTS = "weights.safetensors"
TOKENIZER = "tokenizer.json"
MANIFEST = "manifest.json"
CHUNK = 4096  # texts at a time: bounds the memory that the word pieces take


class StaticEmbedderConfig(Frozen):
    """Chooses the static embedder.

    `folder` is one that `distil_static.py` wrote; without it the shipped one is used.
    """

    kind: Literal["static"] = "static"
    folder: str | None = None

    def build(self, texts: Sequence[str] = ()) -> Embedder:
        """The embedder; `texts` are not read.

        Raises:
            BackendError: When a file is missing or not what the manifest pins.
        """
        del texts
        return StaticEmbedder(Path(self.folder) if self.folder else SHIPPED)


class StaticEmbedder:
    """Sums the rows of a text's word pieces."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        from safetensors.numpy import load
        from tokenizers import Tokenizer

        files = checked_files(folder)
        tensors = load(files[WEIGHTS])
        # (n_pieces, width) float32; one scale a row, so that light rows keep their direction.
        self._rows = tensors["rows"].astype(np.float32) * tensors["scales"][:, None].astype(
            np.float32
        )
        self._tokenizer = Tokenizer.from_str(files[TOKENIZER].decode())
        digests = [hashlib.sha256(files[name]).hexdigest() for name in (WEIGHTS, TOKENIZER)]
        self._version = f"static@{content_hash(*digests)[:16]}"

    @property
    def version(self) -> str:
        """`static@` and the hash of the weights and the tokenizer."""
        return self._version

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """(n_texts, width) float32 unit rows; zero rows for texts without a visible character.

        Text of any length and script goes in; whole words that no piece covers (most emoji) share
        one row, which weighs little beside known words.
        """
        from scipy.sparse import csr_matrix

        vectors = np.zeros((len(texts), self._rows.shape[1]), dtype=np.float32)
        for start in range(0, len(texts), CHUNK):
            chunk = [well_formed(text) for text in texts[start : start + CHUNK]]
            encodings = self._tokenizer.encode_batch_fast(chunk, add_special_tokens=False)
            pieces = [encoding.ids for encoding in encodings]
            ends = np.cumsum([0, *map(len, pieces)])
            ids = np.fromiter(chain.from_iterable(pieces), dtype=np.int32, count=int(ends[-1]))
            # A sparse product adds the rows of each text in its own order, batch or no batch.
            ones = np.ones(len(ids), dtype=np.float32)
            counts = csr_matrix((ones, ids, ends), shape=(len(chunk), len(self._rows)))
            vectors[start : start + len(chunk)] = counts @ self._rows
        return unit_rows(vectors)


def unit_rows(vectors: FloatMatrix) -> FloatMatrix:
    """(n, width) rows scaled to length 1; zero rows stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return cast(FloatMatrix, vectors / np.where(lengths > 0, lengths, np.float32(1)))


def well_formed(text: str) -> str:
    """The text with lone surrogates, which no tokenizer takes, as question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def checked_files(folder: Path) -> dict[str, bytes]:
    """The files of an embedder's folder by name, after their hashes were checked.

    Raises:
        BackendError: When a file is missing or not what the manifest pins.
    """
    again = "install the package again, or make a folder with distil_static.py"
    if not (folder / MANIFEST).is_file():
        raise BackendError(f"a {MANIFEST} in {folder}", "none", again)
    pinned: dict[str, str] = json.loads((folder / MANIFEST).read_bytes())["files"]
    files: dict[str, bytes] = {}
    for name in sorted({WEIGHTS, TOKENIZER, *pinned}):
        if name not in pinned or not (folder / name).is_file():
            raise BackendError(f"{name} in {folder} and in its {MANIFEST}", "no such file", again)
        files[name] = (folder / name).read_bytes()
        digest = hashlib.sha256(files[name]).hexdigest()
        if digest != pinned[name]:
            raise BackendError(f"{folder / name} with sha256 {pinned[name]}", digest, again)
    return files
