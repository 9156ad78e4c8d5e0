"""All texts that nearly repeat each other, as pairs of rows and as groups of rows.

Which two do, and what may be missed: `minhash`.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.metrics.minhash import (
    BANDS,
    band_keys,
    normal_shingles,
    normal_signatures,
    normalise,
    overlap,
)
from collapse_pipeline.ports import IntVector

REACH = 50  # how many followers in its bucket a text is compared with
_PART = 8_192  # texts whose signatures are held at once: those of 1,000,000 would be 512 MB


class _Distinct(NamedTuple):
    """Texts with their repetitions taken out."""

    normals: list[str]  # distinct normalised texts that have a word, by first appearance
    first: IntVector  # (n_distinct,) the row where each appears first
    copies: tuple[IntVector, IntVector]  # rows that repeat an earlier one, and that one


def _distinct(texts: Sequence[str]) -> _Distinct:
    seen: dict[str, int] = {}
    copies, originals = [], []
    for row, normal in enumerate(map(normalise, texts)):
        if normal and (original := seen.setdefault(normal, row)) != row:
            copies.append(row)
            originals.append(original)
    first = np.fromiter(seen.values(), np.int64, count=len(seen))
    return _Distinct(
        list(seen), first, (np.array(copies, dtype=np.int64), np.array(originals, dtype=np.int64))
    )


def _rounds(normals: Sequence[str]) -> Iterator[tuple[IntVector, IntVector]]:
    """Candidate pairs (i < j) of distinct texts: those adjacent in a bucket, then one apart ...

    A bucket holds the texts that share a band's key. After `REACH` rounds the rest of a bucket is
    left uncompared, so that a flood of near-copies costs linear time.
    """
    keys = np.empty((len(normals), BANDS), dtype=np.int64)
    for start in range(0, len(normals), _PART):
        part = normals[start : start + _PART]
        keys[start : start + len(part)] = band_keys(normal_signatures(part))
    orders = [np.argsort(keys[:, band], kind="stable") for band in range(BANDS)]
    places = [np.arange(len(normals)) for _ in range(BANDS)]
    for lag in range(1, REACH + 1):
        codes = []
        for band, order in enumerate(orders):
            place = places[band][places[band] + lag < len(order)]
            i, j = order[place], order[place + lag]
            same = keys[i, band] == keys[j, band]
            places[band] = place[same]  # the order is stable, so i < j throughout
            codes.append(i[same] * len(normals) + j[same])
        pairs = np.unique(np.concatenate(codes))
        if not len(pairs):
            return
        yield pairs // len(normals), pairs % len(normals)


def _verified(
    normals: Sequence[str], i: IntVector, j: IntVector, threshold: float
) -> npt.NDArray[np.bool_]:
    """Which pairs reach the threshold by exact Jaccard."""

    @lru_cache(maxsize=20_000)
    def of(row: int) -> frozenset[str]:
        return frozenset(normal_shingles(normals[row]))

    pairs = zip(i.tolist(), j.tolist(), strict=True)
    return np.fromiter((overlap(of(a), of(b)) >= threshold for a, b in pairs), bool, count=len(i))


def similar_pairs(texts: Sequence[str], threshold: float = 0.8) -> tuple[IntVector, IntVector]:
    """Pairs of rows i < j whose Jaccard similarity is at least `threshold`, sorted by (i, j).

    Of texts that are equal once normalised only the first is compared with other texts; each later
    one is paired with that first one alone, so n copies give n - 1 pairs. Misses: see `minhash`;
    and where over `REACH` texts share a band, those further apart than that in it.
    """
    distinct = _distinct(texts)
    found = [distinct.copies[::-1]]
    for i, j in _rounds(distinct.normals):
        good = _verified(distinct.normals, i, j, threshold)
        found.append((distinct.first[i[good]], distinct.first[j[good]]))
    lower, upper = (np.concatenate(side) for side in zip(*found, strict=True))
    pairs = np.unique(np.stack([lower, upper], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


class NearGroups(NamedTuple):
    """Rows grouped by near-duplication.

    `group`: (n_rows,), the smallest row of each row's group. `capped`: the smallest rows of the
    groups that were cut because they were larger than the cap.
    """

    group: IntVector
    capped: tuple[int, ...]


def near_groups(texts: Sequence[str], threshold: float = 0.8, cap: int = 50) -> NearGroups:
    """Connected groups of rows that nearly repeat each other.

    Equal texts are joined first, and texts already joined are not compared again, so that a flood
    of copies costs linear time. A group of more than `cap` rows is cut, in row order, into runs of
    `cap` rows: text made from one template would otherwise join into a single group that no split
    can place.

    Raises:
        BadInputError: When the cap is below 1.
    """
    if cap < 1:
        raise BadInputError(wanted="a cap of 1 row or more", got=str(cap), do="use 50 if in doubt")
    distinct = _distinct(texts)
    nodes = len(distinct.normals)
    edges = np.empty((2, 0), dtype=np.int64)
    part = np.arange(nodes)
    for i, j in _rounds(distinct.normals):
        apart = part[i] != part[j]
        i, j = i[apart], j[apart]
        good = _verified(distinct.normals, i, j, threshold)
        if good.any():
            edges = np.concatenate([edges, np.stack([i[good], j[good]])], axis=1)
            part = _components(nodes, edges)
    group = np.arange(len(texts))
    group[distinct.first] = distinct.first[_smallest(part)]
    group[distinct.copies[0]] = group[distinct.copies[1]]
    return _capped(group, cap)


def _components(nodes: int, edges: IntVector) -> IntVector:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(edges.shape[1], dtype=np.int8), tuple(edges)), shape=(nodes, nodes))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _smallest(part: IntVector) -> IntVector:
    """The smallest node of every node's part; nodes count up in row order."""
    _, first, inverse = np.unique(part, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], dtype=np.int64)


def _capped(group: IntVector, cap: int) -> NearGroups:
    order = np.argsort(group, kind="stable")  # by group, and within it by row
    ids, start, size = np.unique(group[order], return_index=True, return_counts=True)
    within = np.arange(len(group)) - np.repeat(start, size)
    leader = order[np.arange(len(group)) - within % cap]
    cut = np.empty_like(group)
    cut[order] = leader
    return NearGroups(cut, tuple(ids[size > cap].tolist()))
