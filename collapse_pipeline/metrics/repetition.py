"""Rows that say again what another row says: in the batch, and in what earlier generations kept.

Texts are compared as normalised words (`minhash.normalise`); a text without any word is like
nothing, not even another such text.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.evidence import NAN, BatchEvidence, Metric, Need
from collapse_pipeline.metrics.minhash import (
    BANDS,
    KeyMatrix,
    band_keys,
    normal_shingles,
    normal_signatures,
    normalise,
    overlap,
)
from collapse_pipeline.metrics.skeleton import skeleton_repetition, top_skeleton_share
from collapse_pipeline.ports import IntVector

NEAR = 0.8
REACH = 10  # texts of a bucket that each is compared with: a flood of near-copies is linear
_CHUNK = 8192  # texts whose signatures are held at once, 4 MB


def exact_duplicates(texts: Sequence[str]) -> float:
    """Share of texts that have the same words, in the same order, as another text.

    Args:
        texts: (n_texts,), two or more. Case, punctuation and spaces do not count.

    Returns:
        Ratio in [0, 1]; 0 when no two texts are equal, 1 when none stands alone.

    Trap:
        Rises with the number of texts and falls with their length: compare equal sizes and kinds
        only. One changed word hides a copy.

    Raises:
        TooFewSamplesError: With fewer than two texts.

    Source:
        Lee et al. 2022 (arXiv:2107.06499).
    """
    _require(texts, 2, "exact_duplicates")
    counts = Counter(map(normalise, texts))
    return sum(count for text, count in counts.items() if text and count > 1) / len(texts)


def near_duplicates(texts: Sequence[str], threshold: float = NEAR) -> float:
    """Share of texts that share most of their 3-word shingles with another text.

    Args:
        texts: (n_texts,), two or more.
        threshold: Jaccard similarity of the sets of shingles, in (0, 1].

    Returns:
        Ratio in [0, 1]; at least `exact_duplicates`, 1 when no text stands alone.

    Trap:
        Rises with the number of texts. Short texts are near only when they are equal: one word in
        ten changed leaves a Jaccard of 5 in 11. MinHash finds the candidates, so pairs just above
        the threshold can be missed (1 in 20 at 0.8), and pairs within a family of over `REACH`
        texts that share a band.

    Raises:
        TooFewSamplesError: With fewer than two texts.

    Source:
        Broder 1997; Lee et al. 2022 (arXiv:2107.06499).
    """
    _require(texts, 2, "near_duplicates")
    counts = Counter(map(normalise, texts))
    distinct = sorted(normal for normal in counts if normal)  # sorted: no order moves the value
    near = dict(zip(distinct, _alike_within(distinct, threshold), strict=True))
    alike = (count for text, count in counts.items() if text and (count > 1 or near[text]))
    return sum(alike) / len(texts)


def exact_duplicates_across(texts: Sequence[str], earlier: Sequence[str]) -> float:
    """Share of texts that have the same words, in the same order, as an earlier text.

    Args:
        texts: (n_texts,), one or more.
        earlier: (n_earlier,), texts that earlier generations kept.

    Returns:
        Ratio in [0, 1]; 0 when every text is new, or nothing came before.

    Trap:
        Rises with the number of earlier texts, so by itself night after night: compare with nights
        that had as many.

    Raises:
        TooFewSamplesError: Without any text.
    """
    _require(texts, 1, "exact_duplicates_across")
    known = set(map(normalise, earlier))
    normals = map(normalise, texts)
    return sum(normal != "" and normal in known for normal in normals) / len(texts)


def near_duplicates_across(
    texts: Sequence[str], earlier: Sequence[str], threshold: float = NEAR
) -> float:
    """Share of texts that share most of their 3-word shingles with an earlier text.

    Args:
        texts: (n_texts,), one or more.
        earlier: (n_earlier,), texts that earlier generations kept.
        threshold: Jaccard similarity of the sets of shingles, in (0, 1].

    Returns:
        Ratio in [0, 1]; at least `exact_duplicates_across`.

    Trap:
        As `near_duplicates` and `exact_duplicates_across`. Where over `REACH` different earlier
        texts share a band with a text, only as many of them are compared with it in that band.

    Raises:
        TooFewSamplesError: Without any text.

    Source:
        As `near_duplicates`.
    """
    _require(texts, 1, "near_duplicates_across")
    past = sorted(set(map(normalise, earlier)) - {""})  # sorted: no order moves the value
    counts = Counter(map(normalise, texts))
    known = counts.keys() & set(past)
    fresh = sorted(counts.keys() - known - {""})
    near = dict(zip(fresh, _alike_across(fresh, past, threshold), strict=True))
    return sum(counts[text] for text in counts if text in known or near.get(text)) / len(texts)


def _alike_within(normals: Sequence[str], threshold: float) -> list[bool]:
    """Whether each text is near another: those of a bucket, each with the next `REACH` in it."""
    near = np.zeros(len(normals), dtype=bool)
    keys, of = _keys(normals), _shingle_sets(normals)
    for band in range(BANDS):
        order = np.argsort(keys[:, band], kind="stable")
        key = keys[order, band]
        for lag in range(1, REACH + 1):
            place = np.flatnonzero(key[lag:] == key[:-lag])
            first, second = order[place], order[place + lag]
            unsure = ~(near[first] & near[second])
            for a, b in zip(first[unsure].tolist(), second[unsure].tolist(), strict=True):
                if overlap(of(a), of(b)) >= threshold:
                    near[a] = near[b] = True
    return near.tolist()


def _alike_across(normals: Sequence[str], others: Sequence[str], threshold: float) -> list[bool]:
    """Whether each text is near one of the others: the first `REACH` of its bucket in each band."""
    near = np.zeros(len(normals), dtype=bool)
    keys, of = _keys(normals), _shingle_sets(normals)
    other_keys, of_other = _keys(others), _shingle_sets(others)
    for band in range(BANDS):
        left = np.flatnonzero(~near)  # one near text is enough
        places, met = _met(keys[left, band], other_keys[:, band])
        for row, other in zip(left[places].tolist(), met.tolist(), strict=True):
            near[row] = near[row] or overlap(of(row), of_other(other)) >= threshold
    return near.tolist()


def _keys(normals: Sequence[str]) -> KeyMatrix:
    """`band_keys` of normalised texts, without all their signatures at once."""
    keys = np.empty((len(normals), BANDS), dtype=np.int64)
    for start in range(0, len(normals), _CHUNK):
        part = normals[start : start + _CHUNK]
        keys[start : start + len(part)] = band_keys(normal_signatures(part))
    return keys


def _shingle_sets(normals: Sequence[str]) -> Callable[[int], frozenset[str]]:
    """The shingles of a text by its number; those asked for last are kept at hand."""
    return lru_cache(maxsize=100_000)(lambda row: frozenset(normal_shingles(normals[row])))


def _met(keys: KeyMatrix, others: KeyMatrix) -> tuple[IntVector, IntVector]:
    """Pairs (place in `keys`, place in `others`) of equal keys, at most `REACH` for each key."""
    order = np.argsort(others, kind="stable")
    first = np.searchsorted(others, keys, "left", order)
    found = np.minimum(np.searchsorted(others, keys, "right", order) - first, REACH)
    place = np.repeat(np.arange(len(keys)), found)
    nth = np.arange(found.sum()) - np.repeat(np.cumsum(found) - found, found)
    return place, order[first[place] + nth]


def _require(texts: Sequence[str], least: int, name: str) -> None:
    if len(texts) < least:
        raise TooFewSamplesError(
            f"{least} texts or more for {name}", str(len(texts)), "measure a larger batch"
        )


def _exact_across(evidence: BatchEvidence) -> float:
    if evidence.earlier is None:
        return NAN
    return exact_duplicates_across(evidence.synthetic.texts, evidence.earlier.texts)


def _near_across(evidence: BatchEvidence) -> float:
    if evidence.earlier is None:
        return NAN
    return near_duplicates_across(evidence.synthetic.texts, evidence.earlier.texts)


SCOPES = ("label", "template", "teacher")
METRICS = (
    Metric(
        "exact_duplicates",
        "synthetic_batch",
        lambda e: exact_duplicates(e.synthetic.texts),
        "above",
        "Written rows that have the same words as another row of the batch.",
        "share",
        scopes=SCOPES,
    ),
    Metric(
        "near_duplicates",
        "synthetic_batch",
        lambda e: near_duplicates(e.synthetic.texts),
        "above",
        "Written rows that share most of their wording with another row of the batch.",
        "share",
        scopes=SCOPES,
    ),
    Metric(
        "exact_duplicates_across",
        "synthetic_batch",
        _exact_across,
        "above",
        "Written rows that have the same words as a row that an earlier generation kept.",
        "share",
        (Need.EARLIER,),
        SCOPES,
    ),
    Metric(
        "near_duplicates_across",
        "synthetic_batch",
        _near_across,
        "above",
        "Written rows that share most of their wording with a row that an earlier one kept.",
        "share",
        (Need.EARLIER,),
        SCOPES,
    ),
    # `evidence` needs skeletons, so their own file cannot list metrics.
    Metric(
        "skeleton_repetition",
        "synthetic_batch",
        lambda e: skeleton_repetition(e.synthetic.skeletons),
        "above",
        "Written rows whose sentence mould (function words kept, the rest blank) another row has.",
        "share",
        scopes=SCOPES,
    ),
    Metric(
        "top_skeleton_share",
        "synthetic_batch",
        lambda e: top_skeleton_share(e.synthetic.skeletons),
        "above",
        "Written rows that have the batch's most frequent sentence mould.",
        "share",
        scopes=SCOPES,
    ),
)
