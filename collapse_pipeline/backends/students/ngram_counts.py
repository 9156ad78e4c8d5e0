"""Counted n-grams with interpolated absolute discounting, every step over whole arrays.

A gram is a context and the token behind it. A context is a label and the `order - 1` tokens
before; each level of the back-off chain sees a part of it. With c the count of a gram, C the sum
over its context, D the discount:

    P(token | context) = max(c - D, 0) / C + backoff(context) * P(token | shorter context)
    backoff(context)   = sum of min(c, D) over the context's grams / C

and below the last level every token is equally likely. A context that was never seen says
nothing: its probability is that of the next level.

Source:
    Ney, Essen and Kneser 1994; Chen and Goodman 1999, section 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from collapse_pipeline.backends.students.vocabulary import TokenRows
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.ports import FloatVector, IntVector

BoolVector = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Packing:
    """How a context packs into one int64: label, side, then the tokens before, oldest first.

    The side is 1 behind the separator. Every level sees it, else a text would forget halfway
    whether it is asking or answering.
    """

    order: int  # tokens of a gram, the predicted one included
    labels: int  # known labels; one more id stands for any other
    tokens: int  # predictable tokens; one more id stands for the begin
    separator: int  # the token that parts prompt and response

    def __post_init__(self) -> None:
        wanted = self.bits * self.order + 1 + int(self.labels).bit_length()
        if wanted > 63:
            raise BadInputError(
                "grams of at most 63 bits", f"{wanted}", "lower order or vocabulary_size"
            )

    @property
    def bits(self) -> int:
        """Bits of one token."""
        return int(self.tokens).bit_length()

    def start(self, labels: IntVector) -> IntVector:
        """Contexts of texts that have not begun, (n,): the label, side 0, then begin tokens."""
        contexts = labels << 1
        for _ in range(self.order - 1):
            contexts = contexts << self.bits | self.tokens
        return contexts

    def push(self, contexts: IntVector, tokens: IntVector) -> IntVector:
        """Contexts after one more token each: the oldest token leaves."""
        width = self.bits * (self.order - 1)
        recent = (contexts << self.bits | tokens) & ((1 << width) - 1)
        kind = contexts >> width | (tokens == self.separator)
        pushed: IntVector = kind << width | recent
        return pushed

    def contexts(self, labels: IntVector, rows: TokenRows) -> IntVector:
        """The context of every token of `rows`, (n_tokens,); one label id a row."""
        place = np.arange(len(rows.tokens)) - np.repeat(rows.starts[:-1], rows.lengths)
        parted = np.cumsum(rows.tokens == self.separator) - (rows.tokens == self.separator)
        side = parted > np.repeat(parted[rows.starts[:-1]], rows.lengths)
        contexts: IntVector = np.repeat(labels, rows.lengths) << 1 | side
        for back in range(self.order - 1, 0, -1):
            before = np.where(place >= back, np.roll(rows.tokens, back), self.tokens)
            contexts = contexts << self.bits | before
        return contexts

    def view(self, keys: IntVector, labelled: bool, width: int, of: int) -> IntVector:
        """Side and last `width` tokens of keys that pack `of` tokens, with or without label."""
        kind = keys >> self.bits * of
        kind = kind if labelled else kind & 1
        return kind << self.bits * width | keys & ((1 << self.bits * width) - 1)


@dataclass(frozen=True)
class Level:
    """One level of the chain: which contexts it has seen, and what came behind each."""

    labelled: bool
    width: int  # tokens of context
    contexts: IntVector  # (n_contexts,) sorted keys
    starts: IntVector  # (n_contexts + 1,) first gram of each context
    totals: FloatVector  # (n_contexts,) sum of counts
    masses: FloatVector  # (n_contexts,) sum of discounted counts
    grams: IntVector  # (n_grams,) sorted keys
    discounted: FloatVector  # (n_grams,) max(count - discount, 0)
    running: FloatVector  # (n_grams + 1,) running sum of `discounted`, 0 first

    @cached_property
    def backoff(self) -> FloatVector:
        """The share of each context that the next level hands out, (n_contexts,)."""
        return 1.0 - self.masses / self.totals


class BackOffCounts:
    """The whole chain, built from the grams of its most specific level."""

    def __init__(
        self, packing: Packing, grams: IntVector, counts: FloatVector, discount: float
    ) -> None:
        self.packing = packing
        self.grams, self.counts = grams, counts  # (n_grams,) sorted keys and their counts
        self.levels = [
            self._level(labelled, width, discount)
            for labelled, width in chain_of(packing.order, packing.labels > 1)
        ]

    def _level(self, labelled: bool, width: int, discount: float) -> Level:
        keys = self.packing.view(self.grams, labelled, width + 1, self.packing.order)
        grams, counts = summed(keys, self.counts)
        contexts, starts = np.unique(grams >> self.packing.bits, return_index=True)
        discounted = np.maximum(counts - discount, 0.0)
        return Level(
            labelled=labelled,
            width=width,
            contexts=contexts,
            starts=np.append(starts, len(grams)),
            totals=np.add.reduceat(counts, starts),
            masses=np.add.reduceat(discounted, starts),
            grams=grams,
            discounted=discounted,
            running=np.append(0.0, np.cumsum(discounted)),
        )

    def _seen(self, level: Level, contexts: IntVector) -> tuple[IntVector, BoolVector]:
        packing = self.packing
        view = packing.view(contexts, level.labelled, level.width, packing.order - 1)
        return find(level.contexts, view)

    def probability(self, contexts: IntVector, tokens: IntVector) -> FloatVector:
        """P(token | context), (n,); above 0 for every predictable token."""
        packing = self.packing
        wanted, places = np.unique(contexts << packing.bits | tokens, return_inverse=True)
        contexts = wanted >> packing.bits
        chances = np.full(len(wanted), 1.0 / packing.tokens)
        for level in reversed(self.levels):
            at, seen = self._seen(level, contexts)
            chances[seen] *= level.backoff[at[seen]]
            gram = packing.view(wanted, level.labelled, level.width + 1, packing.order)
            behind, known = find(level.grams, gram)
            chances[known] += level.discounted[behind[known]] / level.totals[at[known]]
        return chances[places]

    def distribution(self, contexts: IntVector) -> npt.NDArray[np.float64]:
        """P(. | context), (n, tokens); rows sum to 1."""
        # What no token of context decides is long, and the same for all rows of a label and side.
        width = self.packing.bits * (self.packing.order - 1)
        kinds, places = np.unique(contexts >> width, return_inverse=True)
        chances = np.full((len(kinds), self.packing.tokens), 1.0 / self.packing.tokens)
        short = kinds << width
        for level in reversed([level for level in self.levels if level.width == 0]):
            self._interpolate(chances, level, short)
        chances = chances[places]
        for level in reversed([level for level in self.levels if level.width > 0]):
            self._interpolate(chances, level, contexts)
        return chances

    def _interpolate(
        self, chances: npt.NDArray[np.float64], level: Level, contexts: IntVector
    ) -> None:
        """Turns the next level's distributions into this level's, in place."""
        at, seen = self._seen(level, contexts)
        rows, at = np.flatnonzero(seen), at[seen]
        chances[rows] *= level.backoff[at, None]
        sizes = level.starts[at + 1] - level.starts[at]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        grams = np.repeat(level.starts[at], sizes) + within
        tokens = level.grams[grams] & ((1 << self.packing.bits) - 1)
        shares = level.discounted[grams] / np.repeat(level.totals[at], sizes)
        # A context names a token once, so no (row, token) repeats.
        chances[np.repeat(rows, sizes), tokens] += shares

    def draw(self, contexts: IntVector, rng: np.random.Generator) -> IntVector:
        """One token a context, (n,), distributed as `distribution` says.

        At each level a point falls on the context's counts: on the part that discounting left,
        it names a continuation; on the rest, or in a context never seen, the next level draws.
        """
        tokens = rng.integers(self.packing.tokens, size=len(contexts))
        pending = np.arange(len(contexts))
        for level in self.levels:
            at, seen = self._seen(level, contexts[pending])
            point = rng.random(len(pending)) * level.totals[at]
            taken = seen & (point < level.masses[at])
            at, point = at[taken], point[taken]
            spot = level.running[level.starts[at]] + point
            gram = np.searchsorted(level.running, spot, side="right") - 1
            # Rounding of the running sum must not carry a point into a neighbour's grams.
            gram = np.clip(gram, level.starts[at], level.starts[at + 1] - 1)
            tokens[pending[taken]] = level.grams[gram] & ((1 << self.packing.bits) - 1)
            pending = pending[~taken]
        return tokens


def chain_of(order: int, labelled: bool) -> Sequence[tuple[bool, int]]:
    """(with label?, tokens of context) of each level, most specific first.

    For order 4: (label + 3), (label + 2), (2), (label + 1), (1), (label), (). Where all rows bear
    one label it tells nothing, and each width stands once.
    """
    if not labelled:
        return [(False, width) for width in range(order - 1, -1, -1)]
    rest = [(known, width) for width in range(order - 2, -1, -1) for known in (True, False)]
    return [(True, order - 1), *rest]


def count_grams(
    packing: Packing, labels: IntVector, rows: TokenRows, weights: FloatVector, discount: float
) -> BackOffCounts:
    """Counts every gram of `rows`, each as much as its row weighs; one label id a row."""
    keys = packing.contexts(labels, rows) << packing.bits | rows.tokens
    grams, counts = summed(keys, np.repeat(weights, rows.lengths))
    return BackOffCounts(packing, grams, counts, discount)


def summed(keys: IntVector, counts: FloatVector) -> tuple[IntVector, FloatVector]:
    """The distinct keys, sorted, and the sum of counts of each."""
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    first = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
    return keys[first], np.add.reduceat(counts, first)


def find(keys: IntVector, wanted: IntVector) -> tuple[IntVector, BoolVector]:
    """Where each wanted key stands among sorted keys, and whether it does."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return places, keys[places] == wanted
