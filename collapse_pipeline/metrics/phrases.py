"""How often a batch says the same words again: n-grams within it and against the past.

Words are what `Texts.words` gives: casefolded, every punctuation mark a word of its own. N-grams
never reach from one text into the next. All figures but entropy are shares of occurrences, not of
rows, so long texts weigh more; all of them move with the number of words, so compare equal sizes.
"""

from functools import partial

import numpy as np

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.evidence import NAN, BatchEvidence, Metric, Need
from collapse_pipeline.metrics.grams import Grams, Words, entropy_bits, grams_up_to


def _grams(words: Words, size: int, name: str) -> Grams:
    *_, grams = grams_up_to(words, size)
    _require(len(grams.gram), size, name)
    return grams


def _require(occurrences: int, size: int, name: str) -> None:
    if not occurrences:
        raise TooFewSamplesError(
            f"a text of {size} words or more for {name}", "none", "measure a larger batch"
        )


def repeated_ngrams(words: Words, size: int = 4) -> float:
    """Share of n-gram occurrences whose n-gram occurs more than once in the batch.

    Args:
        words: (n_texts,), the words of each text.
        size: Words of an n-gram.

    Returns:
        Ratio in [0, 1]; 0 when every n-gram is said once, 1 when none is.

    Trap:
        Rises with the number of words and in narrow domains; stock phrases of a trade are repeated
        by people too. Sees copies of n-gram models at once, is blind to neural ones.

    Raises:
        TooFewSamplesError: When no text has `size` words.

    Source:
        Lee et al. 2022 (arXiv:2107.06499); Shaib et al. 2024 (arXiv:2403.00553).
    """
    counts = np.bincount(_grams(words, size, "repeated_ngrams").gram)
    return float(counts[counts > 1].sum() / counts.sum())


def repeated_ngrams_across(words: Words, earlier: Words, size: int = 4) -> float:
    """Share of n-gram occurrences whose n-gram occurs in earlier texts.

    Args:
        words: (n_texts,), the words of each text.
        earlier: (n_earlier,), the words of each text that earlier generations kept.
        size: Words of an n-gram.

    Returns:
        Ratio in [0, 1]; 0 when no n-gram was said before, 1 when all were.

    Trap:
        Rises with the number of earlier words, so by itself night after night: compare with nights
        that had as many.

    Raises:
        TooFewSamplesError: When no text has `size` words.
    """
    *_, both = grams_up_to([*earlier, *words], size)
    old = both.row < len(earlier)
    _require(int((~old).sum()), size, "repeated_ngrams_across")
    return float(np.isin(both.gram[~old], both.gram[old]).mean())


def distinct_n(words: Words, size: int) -> float:
    """Different n-grams over all n-gram occurrences of the batch.

    Args:
        words: (n_texts,), the words of each text.
        size: Words of an n-gram.

    Returns:
        Ratio in (0, 1]; 1 when every n-gram is said once.

    Trap:
        Falls as the number of words grows, faster for small n-grams: longer texts look less
        diverse. Nonsense has the highest values.

    Raises:
        TooFewSamplesError: When no text has `size` words.

    Source:
        Li et al. 2016 (arXiv:1510.03055), over the batch instead of by response.
    """
    gram = _grams(words, size, "distinct_n").gram
    return float((gram.max() + 1) / len(gram))


def unigram_entropy(words: Words) -> float:
    """Shannon entropy of the batch's word frequencies, in bits.

    Args:
        words: (n_texts,), the words of each text.

    Returns:
        At least 0; 0 when one word is all there is, log2 of the vocabulary at most. A batch at h
        bits is as varied as one of 2 ** h words, all equally common.

    Trap:
        Grows with the number of words (the estimate is too low for small batches), and typing
        errors raise it. Text of an outside language model has more than a crowd's.

    Raises:
        TooFewSamplesError: Without any word.

    Source:
        Shannon 1951.
    """
    counts = np.bincount(_grams(words, 1, "unigram_entropy").gram)
    return entropy_bits(counts)


def _distinct(size: int, evidence: BatchEvidence) -> float:
    return distinct_n(evidence.synthetic.words, size)


def _across(evidence: BatchEvidence) -> float:
    if evidence.earlier is None:
        return NAN
    return repeated_ngrams_across(evidence.synthetic.words, evidence.earlier.words)


SCOPES = ("label", "template", "teacher")
METRICS = (
    Metric(
        "repeated_4grams",
        "synthetic_batch",
        lambda e: repeated_ngrams(e.synthetic.words, 4),
        "above",
        "Runs of four words that the batch says more than once.",
        "share",
        scopes=SCOPES,
    ),
    Metric(
        "repeated_4grams_across",
        "synthetic_batch",
        _across,
        "above",
        "Runs of four words that rows kept by earlier generations said already.",
        "share",
        (Need.EARLIER,),
        SCOPES,
    ),
    *(
        Metric(
            f"distinct_{size}",
            "synthetic_batch",
            partial(_distinct, size),
            "below",
            meaning,
            "share",
            scopes=SCOPES,
        )
        for size, meaning in (
            (1, "Different words over all words of the batch."),
            (2, "Different pairs of words over all pairs of the batch."),
            (3, "Different runs of three words over all such runs of the batch."),
        )
    ),
    Metric(
        "unigram_entropy",
        "synthetic_batch",
        lambda e: unigram_entropy(e.synthetic.words),
        "below",
        "How varied the batch's words are, in bits.",
        "positive",
        scopes=SCOPES,
    ),
)
