"""Linguistic style in figures: how a text is punctuated, cased, cut into sentences and held
together by function words, whatever it is about."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.grams import Words
from collapse_pipeline.metrics.skeleton import FUNCTION_WORDS

MARKS = ".,?!;:'\"-()"
FUNCTION_WORDS_COUNTED = 40  # the commonest of the human rows, each a figure of its own

_SENTENCE = re.compile(r"[^.!?]+")
_LETTERS_SPARED = str.maketrans("", "", "'\u2019")


def style_divergence(
    synthetic: Sequence[str], synthetic_words: Words, human: Sequence[str], human_words: Words
) -> float:
    """Mean standardised difference between the styles of two sets of texts.

    A style is 19 figures a text (11 punctuation marks and all others, share of upper-case letters,
    capital at the start, sentences, line breaks, word length, numbers, function words) and the
    rates of the human rows' 40 commonest function words. The difference of the two means of a
    figure is divided by its standard deviation over both sides, each side weighing half.

    Args:
        synthetic: (n_synthetic,) texts, case as written.
        synthetic_words: (n_synthetic,) their words, casefolded, punctuation marks being words.
        human: (n_human,) texts.
        human_words: (n_human,) their words.

    Returns:
        In [0, 2]; 0 when all means agree, 2 when every figure is one constant here and another
        there. A figure that never varies counts 0. Never NaN. Between halves of one corpus about
        1.1 / sqrt(rows a side). Trap: a student that only writes lower case has an offset from
        the first night on, so compare with healthy nights, not with 0. Function words are
        English; in other languages the other figures remain. Means hide a loss of variety: see
        skeleton repetition.

    Raises:
        TooFewSamplesError: With fewer than two texts on a side.

    Source:
        Mosteller and Wallace 1963 (function words); Cohen 1988 (standardised differences).
    """
    if min(len(synthetic), len(human)) < 2:
        raise TooFewSamplesError(
            "2 texts or more a side for style_divergence",
            f"{len(synthetic)} and {len(human)}",
            "measure a larger batch",
        )
    counted = Counter(filter(_is_function_word, chain.from_iterable(human_words)))
    common = sorted(counted, key=lambda word: (-counted[word], word))[:FUNCTION_WORDS_COUNTED]
    ours, theirs = (
        style_figures(texts, words, common)
        for texts, words in ((synthetic, synthetic_words), (human, human_words))
    )
    gap = ours.mean(axis=0) - theirs.mean(axis=0)
    spread = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / 2 + (gap / 2) ** 2)
    return float(np.abs(gap / np.where(spread > 0, spread, 1)).mean())


def style_figures(
    texts: Sequence[str], words: Words, function_words: Sequence[str]
) -> npt.NDArray[np.float64]:
    """The style of every text, rows sorted by text so that sums do not depend on their order.

    Args:
        texts: (n_texts,), case as written.
        words: (n_texts,), their words, casefolded.
        function_words: Those whose rates are wanted.

    Returns:
        (n_texts, 19 + n_function_words): rates a word, but for casing, sentences and line breaks.
    """
    order = sorted(range(len(texts)), key=texts.__getitem__)
    texts, words = [texts[row] for row in order], [words[row] for row in order]
    flat = list(chain.from_iterable(words))
    lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
    row = np.repeat(np.arange(len(words)), lengths)

    known = {word: column for column, word in enumerate([*MARKS, *function_words])}
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(flat))}
    word = np.fromiter(map(vocabulary.__getitem__, flat), dtype=np.int64, count=len(flat))
    # What is true of a word is worked out once for each different word.
    column = np.array([known.get(w, -1) for w in vocabulary], dtype=np.int64)[word]
    facts = np.array([_facts(w) for w in vocabulary], dtype=np.float64).reshape(-1, 4)[word]

    cells = row[column >= 0] * len(known) + column[column >= 0]
    counts = np.bincount(cells, minlength=len(texts) * len(known)).reshape(len(texts), len(known))
    sums = [np.bincount(row, weights=fact, minlength=len(texts)) for fact in facts.T]
    rates = np.column_stack([counts, *sums]) / np.maximum(lengths, 1)[:, None]
    whole = np.array([_whole_text(text) for text in texts], dtype=np.float64).reshape(-1, 4)
    return np.column_stack([rates, whole])


def _facts(word: str) -> tuple[float, float, float, float]:
    """Another mark, letters and digits, a number, a function word."""
    said = any(map(str.isalnum, word))
    return (
        float(not said and word not in MARKS),
        len(word) if said else 0.0,
        float(any(map(str.isdigit, word))),
        float(_is_function_word(word)),
    )


def _whole_text(text: str) -> tuple[float, float, float, float]:
    """Share of upper-case letters, capital at the start, sentences, line breaks."""
    letters = sum(map(str.isalpha, text))
    return (
        sum(map(str.isupper, text)) / max(letters, 1),
        float(text[:1].isupper()),
        sum(1 for part in _SENTENCE.findall(text) if not part.isspace()),
        text.count("\n"),
    )


def _is_function_word(word: str) -> bool:
    return word.translate(_LETTERS_SPARED) in FUNCTION_WORDS
