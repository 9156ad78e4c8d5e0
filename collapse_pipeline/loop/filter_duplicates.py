"""The rows that a new one may repeat by its words: kept ones of the batch, and earlier ones.

Candidates come from MinHash bands, verdicts from exact Jaccard on 3-word shingles.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from collapse_pipeline.loop.contamination import text_key
from collapse_pipeline.metrics.minhash import KeyMatrix, jaccard, overlap, shingles

BUCKET = 50  # kept rows that a bucket remembers: bounds the work when thousands share one mould

EARLIER_MATCHES = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),  # a row of the batch
        pa.field("earlier_id", pa.string(), nullable=False),
        pa.field("earlier_text", pa.string(), nullable=False),  # prompt, newline, response
    ]
)


def shared_buckets(keys: KeyMatrix) -> list[list[int]]:
    """For every row the numbers of the buckets that it shares with another row of the batch.

    A bucket is one key in one band of `keys`, (n_rows, bands). Most rows share none: they cost
    nothing further.
    """
    buckets = np.empty(keys.shape, dtype=np.int64)
    shared = np.empty(keys.shape, dtype=bool)
    for band in range(keys.shape[1]):
        _, number, count = np.unique(keys[:, band], return_inverse=True, return_counts=True)
        buckets[:, band] = band * len(keys) + number
        shared[:, band] = count[number] > 1
    return [row[mask].tolist() for row, mask in zip(buckets, shared, strict=True)]


class KeptRows:
    """The rows kept so far, found again by their buckets.

    A bucket takes no more than its first `BUCKET` rows, so a row is compared with at most 16 times
    as many; past that a near-duplicate of a later row may stay. Which rows a bucket holds depends
    on the kept rows alone: filtering the kept ones again finds nothing new.
    """

    def __init__(self, threshold: float | None) -> None:
        """`threshold`: Jaccard similarity in (0, 1]; None finds nothing."""
        self._threshold = threshold
        self._buckets: dict[int, list[int]] = {}
        self._words: dict[int, frozenset[str]] = {}

    def nearest(self, text: str, buckets: Sequence[int]) -> int:
        """The most similar kept row, among equals the first; -1 where none is similar enough."""
        candidates = {row for bucket in buckets for row in self._buckets.get(bucket, ())}
        if self._threshold is None or not candidates:
            return -1
        words = frozenset(shingles(text))
        best, nearest = 0.0, -1
        for row in sorted(candidates):
            similarity = overlap(words, self._words[row])
            if similarity >= self._threshold and similarity > best:
                best, nearest = similarity, row
        return nearest

    def add(self, row: int, text: str, buckets: Sequence[int]) -> None:
        """Remembers a kept row."""
        if buckets:
            self._words[row] = frozenset(shingles(text))
        for bucket in buckets:
            rows = self._buckets.setdefault(bucket, [])
            if len(rows) < BUCKET:
                rows.append(row)


class EarlierRows:
    """The earlier rows of the corpus that have a band in common with a row of the batch."""

    def __init__(self, matches: pa.Table, threshold: float | None) -> None:
        """`matches`: `EARLIER_MATCHES` rows; `threshold`: as in `KeptRows`; None: equal text."""
        self._threshold = threshold
        self._matches: dict[str, list[tuple[str, str]]] = {}
        columns = (matches[name].to_pylist() for name in EARLIER_MATCHES.names)
        for sample_id, earlier_id, text in sorted(set(zip(*columns, strict=True))):
            if sample_id != earlier_id:  # a night that runs again may meet itself
                self._matches.setdefault(sample_id, []).append((earlier_id, text))

    def repeated(self, sample_id: str, text: str) -> str:
        """The id of the earlier row that a row repeats most, by id among equals; "" if none."""
        best, found = 0.0, ""
        for earlier_id, other in self._matches.get(sample_id, ()):
            if self._threshold is None:
                similarity = float(text_key(other) == text_key(text))
            else:
                similarity = jaccard(text, other)
            if similarity >= (self._threshold or 1.0) and similarity > best:
                best, found = similarity, earlier_id
        return found
