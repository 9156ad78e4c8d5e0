"""The embedder with nothing to download: TF-IDF and a truncated SVD of the corpus itself.

It is fitted on the human training texts, so it knows their words and no others. A text's vector
depends on the fit and on that text alone.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import PositiveInt

from collapse_pipeline.backends.embedders.static import unit_rows
from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.ports import Embedder, FloatMatrix
from collapse_pipeline.records import Frozen, canonical_json, content_hash


class LsaEmbedderConfig(Frozen):
    """Chooses latent semantic analysis: `width` directions, fitted with `seed`."""

    kind: Literal["lsa"] = "lsa"
    width: PositiveInt = 256
    seed: int = 0

    def build(self, texts: Sequence[str] = ()) -> Embedder:
        """The embedder fitted on `texts`; their order and repeats do not matter.

        Raises:
            TooFewSamplesError: When `width` directions cannot be told from the texts.
        """
        return LsaEmbedder(texts, self.width, self.seed)


class LsaEmbedder:
    """Weighs a text's words and word pairs, and turns them into the fitted directions."""

    def __init__(self, texts: Sequence[str], width: int, seed: int) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        # Sorted, so that the order in which the anchor is read cannot move a bit of the fit.
        distinct = sorted({text for text in texts if any(map(str.isalnum, text))})
        if len(distinct) <= width:
            raise TooFewSamplesError(
                f"lsa more than {width} distinct texts to find {width} directions",
                str(len(distinct)),
                "lower lsa.width, give it more human text, or embed with kind: static",
            )
        self._terms: Any = TfidfVectorizer(
            # One-letter words count ("I", figures); scikit-learn's own pattern drops them.
            token_pattern=r"(?u)\b\w+\b",  # noqa: S106 - a pattern for words, not a secret
            ngram_range=(1, 2),
            sublinear_tf=True,
            dtype=np.float32,
        )
        weighed = self._terms.fit_transform(distinct)
        if weighed.shape[1] <= width:
            raise TooFewSamplesError(
                f"lsa more than {width} distinct words and word pairs",
                str(weighed.shape[1]),
                "lower lsa.width, give it more human text, or embed with kind: static",
            )
        svd = TruncatedSVD(n_components=width, random_state=seed).fit(weighed)
        # (n_terms, width)
        self._directions = np.ascontiguousarray(svd.components_.T, dtype=np.float32)
        self._version = (
            "lsa@"
            + content_hash(
                canonical_json(self._terms.get_feature_names_out().tolist()),
                self._terms.idf_.tobytes().hex(),
                self._directions.tobytes().hex(),
            )[:16]
        )

    @property
    def version(self) -> str:
        """`lsa@` and the hash of everything that was fitted."""
        return self._version

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """(n_texts, width) float32 unit rows; zero rows for texts without one known word."""
        if not texts:
            return np.zeros((0, self._directions.shape[1]), dtype=np.float32)
        return unit_rows(self._terms.transform(texts) @ self._directions)
