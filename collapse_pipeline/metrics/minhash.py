"""Which texts nearly repeat each other: MinHash over 3-word shingles, checked by exact Jaccard.

Texts are compared as normalised words. Candidates come from bands of MinHash signatures (rensa's
R-MinHash); every candidate is verified on its shingle sets, so a reported pair is never a false
alarm. It can be a miss: with 128 permutations in 16 bands a pair at Jaccard 0.8 is found with
probability 0.95, at 0.9 with 0.9999. Signatures depend on the text, the number of permutations and
the seed only (never on the process), so stored band keys can be joined night after night. They do
depend on rensa's algorithm version: `SIGNATURE_VERSION` says which.

Source:
    Broder 1997 (shingles, resemblance); Lee et al. 2022 (arXiv:2107.06499) for near-duplicates
    in training text; Dahlgaard et al. 2017 (arXiv:1704.04370) for the sketch that rensa uses.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.ports import IntVector

SHINGLE_WORDS = 3
PERMUTATIONS = 128
BANDS = 16
SEED = 1
SIGNATURE_VERSION = f"rminhash-{RMinHash.ALGORITHM_VERSION}"
REACH = 50  # how many followers in its bucket a text is compared with
_CHUNK = 512  # rows handed to rensa at once: its rows come back as Python lists

SignatureMatrix = npt.NDArray[np.uint32]
KeyMatrix = npt.NDArray[np.int64]
HashMatrix = npt.NDArray[np.uint64]


# A sign that touches a number is a word: "12 + 5" and "12 - 5" are two questions.
_SIGN = r"[-+*/^=<>%\u00d7\u00f7\u2212](?:(?<=\d.)|(?<=\d\s.)|(?=[\s($.]*\d))"
_NUMBER = r"\d+(?:[.,]\d+)+|(?<!\w)\.\d+"  # kept whole: 1.5 is neither 15 nor 1 5
_ASCII_WORD = re.compile(rf"{_NUMBER}|\w+|{_SIGN}")


@cache
def _any_word() -> re.Pattern[str]:
    r"""As `_ASCII_WORD`, with combining marks: without them, as in \w, Hindi words fall apart."""
    codes = map(chr, range(0x300, 0x20000))
    marks = "".join(code for code in codes if unicodedata.category(code)[0] == "M")
    return re.compile(rf"{_NUMBER}|\w+(?:[{marks}]+\w*)*|{_SIGN}")


def normalise(text: str) -> str:
    """Case-folded words separated by one space, punctuation dropped.

    Numbers stay apart (`1.5`, `15` and `1 5` are three texts), and so do the arithmetic signs that
    touch a number. Apostrophes vanish (`what's` is `whats`). A text of punctuation only gives "".
    """
    words = _ASCII_WORD
    if not text.isascii():
        words = _any_word()
        text = unicodedata.normalize("NFC", text).replace("\u2019", "'")
    return " ".join(words.findall(text.casefold().replace("'", "").replace("_", " ")))


def _shingles(normal: str) -> list[str]:
    words = normal.split(" ")
    if len(words) < SHINGLE_WORDS:
        return [normal] if normal else []
    return list(map(" ".join, zip(words, words[1:], words[2:], strict=False)))


def shingles(text: str) -> list[str]:
    """The 3-word shingles of the normalised text, in order; a shorter text is one shingle.

    A text without any word has none.
    """
    return _shingles(normalise(text))


def signatures(
    texts: Sequence[str], permutations: int = PERMUTATIONS, seed: int = SEED
) -> SignatureMatrix:
    """MinHash signatures, (n_texts, permutations) uint32; the same in every process.

    The share of equal columns of two rows estimates the Jaccard similarity of their shingle sets,
    with a standard error of about sqrt(J (1 - J) / permutations). Texts without any word have a
    signature of ones only; they are like nothing, so do not compare them.
    """
    return _signatures([normalise(text) for text in texts], permutations, seed)


def _signatures(
    normals: Sequence[str], permutations: int = PERMUTATIONS, seed: int = SEED
) -> SignatureMatrix:
    found = np.empty((len(normals), permutations), dtype=np.uint32)
    for start in range(0, len(normals), _CHUNK):
        part = [_shingles(normal) for normal in normals[start : start + _CHUNK]]
        rows = RMinHash.digest_matrix_from_token_sets(part, permutations, seed).to_rows()
        flat = np.fromiter(chain.from_iterable(rows), np.uint32, count=len(part) * permutations)
        found[start : start + len(part)] = flat.reshape(len(part), permutations)
    return found


def mixed(keys: HashMatrix, values: HashMatrix) -> HashMatrix:
    """Folds uint64 values into uint64 keys of the same shape: the finaliser of splitmix64."""
    keys = (keys ^ values) + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def band_keys(signatures: SignatureMatrix, bands: int = BANDS) -> KeyMatrix:
    """One 64-bit hash a band, (n_texts, bands) int64; two texts meet where a band's keys agree.

    The band's number goes into the hash, so keys of different bands do not meet by design.

    Raises:
        BadInputError: When the permutations do not divide into the bands.
    """
    rows, permutations = signatures.shape
    if bands < 1 or permutations % bands:
        raise BadInputError(
            wanted=f"a number of bands that divides {permutations} permutations",
            got=str(bands),
            do="take 16 bands of 8 rows for a threshold of 0.8",
        )
    parts = signatures.reshape(rows, bands, permutations // bands).astype(np.uint64)
    key = np.broadcast_to(np.arange(1, bands + 1, dtype=np.uint64), (rows, bands))
    for column in range(parts.shape[2]):
        key = mixed(key, parts[:, :, column])
    return np.ascontiguousarray(key).view(np.int64)


def overlap(first: frozenset[str], second: frozenset[str]) -> float:
    """Jaccard similarity of two sets of shingles, in [0, 1]; 0 where one is empty."""
    if not first or not second:
        return 0.0
    common = len(first & second)
    return common / (len(first) + len(second) - common)


def jaccard(a: str, b: str) -> float:
    """Exact Jaccard similarity of two texts' shingle sets, in [0, 1].

    0 where a text has no word at all: such texts are like nothing, not even each other.
    """
    return overlap(frozenset(shingles(a)), frozenset(shingles(b)))


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
    for start in range(0, len(normals), _CHUNK * 16):  # signatures of 1,000,000 texts are 512 MB
        part = normals[start : start + _CHUNK * 16]
        keys[start : start + len(part)] = band_keys(_signatures(part))
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
        return frozenset(_shingles(normals[row]))

    pairs = zip(i.tolist(), j.tolist(), strict=True)
    return np.fromiter((overlap(of(a), of(b)) >= threshold for a, b in pairs), bool, count=len(i))


def similar_pairs(texts: Sequence[str], threshold: float = 0.8) -> tuple[IntVector, IntVector]:
    """Pairs of rows i < j whose Jaccard similarity is at least `threshold`, sorted by (i, j).

    Of texts that are equal once normalised only the first is compared with other texts; each later
    one is paired with that first one alone, so n copies give n - 1 pairs. Misses: see the module;
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
