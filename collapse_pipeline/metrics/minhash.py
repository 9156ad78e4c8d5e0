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
from collections.abc import Sequence
from functools import cache
from itertools import chain

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from collapse_pipeline.errors import BadInputError

SHINGLE_WORDS = 3
PERMUTATIONS = 128
BANDS = 16
SEED = 1
SIGNATURE_VERSION = f"rminhash-{RMinHash.ALGORITHM_VERSION}"
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


def normal_shingles(normal: str) -> list[str]:
    """As `shingles`, of a text that is normalised already."""
    words = normal.split(" ")
    if len(words) < SHINGLE_WORDS:
        return [normal] if normal else []
    return list(map(" ".join, zip(words, words[1:], words[2:], strict=False)))


def shingles(text: str) -> list[str]:
    """The 3-word shingles of the normalised text, in order; a shorter text is one shingle.

    A text without any word has none.
    """
    return normal_shingles(normalise(text))


def signatures(
    texts: Sequence[str], permutations: int = PERMUTATIONS, seed: int = SEED
) -> SignatureMatrix:
    """MinHash signatures, (n_texts, permutations) uint32; the same in every process.

    The share of equal columns of two rows estimates the Jaccard similarity of their shingle sets,
    with a standard error of about sqrt(J (1 - J) / permutations). Texts without any word have a
    signature of ones only; they are like nothing, so do not compare them.
    """
    return normal_signatures([normalise(text) for text in texts], permutations, seed)


def normal_signatures(
    normals: Sequence[str], permutations: int = PERMUTATIONS, seed: int = SEED
) -> SignatureMatrix:
    """As `signatures`, of texts that are normalised already."""
    found = np.empty((len(normals), permutations), dtype=np.uint32)
    for start in range(0, len(normals), _CHUNK):
        part = [normal_shingles(normal) for normal in normals[start : start + _CHUNK]]
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
