"""The task models: from prompt to label, by TF-IDF or embeddings and calibrated linear scores."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from collapse_pipeline.backends.embedders.static import StaticEmbedderConfig
from collapse_pipeline.backends.students.task_linear import (
    Features,
    LabelledRows,
    LinearHead,
    Marked,
    fit_head,
)
from collapse_pipeline.errors import BackendError
from collapse_pipeline.ports import Embedder, Prediction
from collapse_pipeline.records import Frozen, canonical_json, derived_seed

ARRAYS = "task.safetensors"
WORDS = "task.json"
WORD_OR_MARK = r"\w+|[^\w\s]"  # every text that is not blank has one


class TfidfTaskConfig(Frozen):
    """TF-IDF of one and two words, and one log-loss scorer a label against the rest, by SGD.

    A row with role `negative` says "not this label" and no more: it is a counterexample for the
    scorer of its stated label, with `negative_weight` times its own weight, and unknown to every
    other scorer. 0 leaves negatives out.
    """

    kind: Literal["tfidf"] = "tfidf"
    alpha: float = Field(1e-5, gt=0)  # regularisation
    epochs: int = Field(10, ge=1)
    folds: int = Field(3, ge=2)  # of the cross-fitting that finds the temperature
    negative_weight: float = Field(0.25, ge=0, le=1)
    max_terms: int = Field(100_000, ge=1)  # the most frequent are kept; bounds the memory

    def train(self, rows: pa.Table, seed: int) -> "TfidfTask":
        """Trains on labelled rows; equal rows in any order and an equal seed give equal bytes.

        Raises:
            TooFewSamplesError: When the positive rows have fewer than two labels.
        """
        known = LabelledRows.of(rows)
        words = _vectorizer(max_features=self.max_terms)

        def encode(learn_from: Marked) -> Features:
            words.fit([known.prompts[i] for i in np.flatnonzero(learn_from)])
            return words.transform(known.prompts)

        fit = partial(self._one_against_the_rest, seed)
        head = fit_head(known, encode, fit, self.folds, seed)  # leaves `words` fitted on all rows
        return TfidfTask(list(words.get_feature_names_out()), words.idf_, head)

    def _one_against_the_rest(
        self, seed: int, rows: LabelledRows, use: Marked, features: Features, labels: Sequence[str]
    ) -> LinearHead:
        from sklearn.linear_model import SGDClassifier

        weights = rows.weights * np.where(rows.negative, self.negative_weight, 1.0)
        positive = use & ~rows.negative
        shared = features[positive]
        coefficients = np.zeros((features.shape[1], len(labels)), dtype=np.float32)
        intercepts = np.zeros(len(labels), dtype=np.float32)
        for column, label in enumerate(labels):
            counterexamples = use & rows.negative & (rows.labels == label) & (weights > 0)
            chosen = positive | counterexamples
            scorer = SGDClassifier(
                loss="log_loss",
                alpha=self.alpha,
                max_iter=self.epochs,
                tol=None,
                random_state=derived_seed("scorer", seed, label) % 2**32,
            )
            scorer.fit(
                features[chosen] if counterexamples.any() else shared,
                ((rows.labels == label) & ~rows.negative)[chosen],
                sample_weight=weights[chosen],
            )
            coefficients[:, column] = scorer.coef_[0]
            intercepts[column] = scorer.intercept_[0]
        return LinearHead(tuple(labels), coefficients, intercepts, "sigmoid")

    def load(self, folder: Path) -> "TfidfTask":
        """Reads back what `save` wrote.

        Raises:
            BackendError: When the folder holds a model of another kind.
        """
        document, arrays = read_model(folder, self.kind)
        head = LinearHead.from_arrays(document["labels"], "sigmoid", arrays)
        return TfidfTask(document["terms"], arrays["idf"], head)


class TfidfTask:
    """A trained `tfidf` model: terms, their idf, and a linear head over them."""

    def __init__(self, terms: Sequence[str], idf: npt.NDArray[Any], head: LinearHead) -> None:
        """`terms` in the order of the head's rows; `idf` (n_terms,)."""
        self._terms = list(terms)
        self._idf = idf.astype(np.float32)
        self._head = head
        self._words = _vectorizer(vocabulary={term: i for i, term in enumerate(self._terms)})
        self._words.idf_ = self._idf

    def predict(self, prompts: Sequence[str]) -> Prediction:
        """Calibrated label probabilities, one row a prompt."""
        if not prompts:  # scikit-learn takes no empty list
            return self._head.predict(np.zeros((0, len(self._terms)), dtype=np.float32))
        return self._head.predict(self._words.transform(list(prompts)))

    def save(self, folder: Path) -> None:
        """Writes arrays as safetensors and words as JSON into an existing folder."""
        write_model(folder, "tfidf", self._head, {"terms": self._terms}, {"idf": self._idf})


class EmbeddingTaskConfig(Frozen):
    """An embedder's vectors and one softmax regression over all labels.

    Its labels are fitted together, so a row that only says "not this label" has no natural place
    here: rows with role `negative` are left out.
    """

    kind: Literal["embedding"] = "embedding"
    embedder: StaticEmbedderConfig = StaticEmbedderConfig()
    c: float = Field(30.0, gt=0)  # inverse regularisation
    steps: int = Field(100, ge=1)  # at most, of L-BFGS
    folds: int = Field(3, ge=2)

    def train(self, rows: pa.Table, seed: int) -> "EmbeddingTask":
        """Trains on labelled rows; equal rows in any order and an equal seed give equal bytes.

        Raises:
            TooFewSamplesError: When the positive rows have fewer than two labels.
        """
        known = LabelledRows.of(rows)
        embedder = self.embedder.build(known.prompts)
        vectors = embedder.embed(known.prompts)
        head = fit_head(known, lambda _: vectors, self._all_together, self.folds, seed)
        return EmbeddingTask(embedder, head)

    def _all_together(
        self, rows: LabelledRows, use: Marked, features: Features, labels: Sequence[str]
    ) -> LinearHead:
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        chosen = use & ~rows.negative
        model = LogisticRegression(C=self.c, max_iter=self.steps, tol=1e-3)
        with warnings.catch_warnings():
            # Stopping early regularises a little more, which the temperature then makes good.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features[chosen], rows.labels[chosen], sample_weight=rows.weights[chosen])
        coefficients, intercepts = model.coef_, model.intercept_
        if len(labels) == 2:  # one row of log-odds stands for both labels
            coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
            intercepts = np.concatenate([-intercepts / 2, intercepts / 2])
        wide = np.ascontiguousarray(coefficients.T, dtype=np.float32)
        return LinearHead(tuple(labels), wide, intercepts.astype(np.float32), "softmax")

    def load(self, folder: Path) -> "EmbeddingTask":
        """Reads back what `save` wrote.

        Raises:
            BackendError: When the folder holds a model of another kind or embedder.
        """
        document, arrays = read_model(folder, self.kind)
        embedder = self.embedder.build(())
        if document["embedder"] != embedder.version:
            raise BackendError(
                f"the embedder {document['embedder']} that the task model was trained with",
                embedder.version,
                "set the embedder back, or train the generation again",
            )
        head = LinearHead.from_arrays(document["labels"], "softmax", arrays)
        return EmbeddingTask(embedder, head)


class EmbeddingTask:
    """A trained `embedding` model: an embedder and a linear head over its vectors."""

    def __init__(self, embedder: Embedder, head: LinearHead) -> None:
        """`head` over vectors of the embedder's width."""
        self._embedder = embedder
        self._head = head

    def predict(self, prompts: Sequence[str]) -> Prediction:
        """Calibrated label probabilities, one row a prompt."""
        return self._head.predict(self._embedder.embed(prompts))

    def save(self, folder: Path) -> None:
        """Writes the head; the embedder is named by its version, not stored again."""
        words = {"embedder": self._embedder.version}
        write_model(folder, "embedding", self._head, words, {})


def _vectorizer(**options: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        ngram_range=(1, 2), token_pattern=WORD_OR_MARK, dtype=np.float32, **options
    )


def write_model(
    folder: Path,
    kind: str,
    head: LinearHead,
    words: dict[str, Any],
    arrays: dict[str, npt.NDArray[Any]],
) -> None:
    """Writes a task model: equal models give equal bytes."""
    from safetensors.numpy import save_file

    save_file(head.arrays() | arrays, folder / ARRAYS)
    document = canonical_json({"kind": kind, "labels": head.labels, **words})
    (folder / WORDS).write_text(document, encoding="utf-8", errors="surrogatepass")


def read_model(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """The words and the arrays that `write_model` wrote.

    Raises:
        BackendError: When the folder holds no model of this kind.
    """
    from safetensors.numpy import load_file

    if not (folder / WORDS).is_file():
        raise BackendError(
            f"a task model of kind {kind}", f"no {WORDS}", "train the generation again"
        )
    raw = (folder / WORDS).read_text(encoding="utf-8", errors="surrogatepass")
    document: dict[str, Any] = json.loads(raw)
    if document.get("kind") != kind:
        raise BackendError(
            f"a task model of kind {kind}",
            f"one of kind {document.get('kind')}",
            "set the student's task kind back, or train the generation again",
        )
    return document, load_file(folder / ARRAYS)
