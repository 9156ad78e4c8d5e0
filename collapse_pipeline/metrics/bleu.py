"""Self-BLEU: how well the other texts of a batch foretell each one."""

from collections.abc import Sequence
from random import Random

import numpy as np

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.evidence import Metric
from collapse_pipeline.metrics.grams import Words, grams_up_to
from collapse_pipeline.ports import FloatVector, IntVector
from collapse_pipeline.records import derived_seed

SAMPLE = 2000  # texts that are compared with each other
LONGEST = 4  # words of the longest n-gram
MISS = 0.1  # what no match counts as, so that one order alone does not make a text unlike all


def self_bleu(words: Words, seed: int = 0, sample: int = SAMPLE) -> float:
    """Mean BLEU-4 of every text with all other texts as its references.

    Each n-gram counts as often as the one other text that has it most. Texts of fewer than four
    words are scored on the n-grams that they have; an order without any match counts as a tenth of
    one (smoothing 1 of Chen and Cherry). All pairs, in time linear in the words: of each n-gram
    only the two texts that have it most are needed.

    Args:
        words: (n_texts,), the words of each text; texts without words are left out.
        seed: Of the draw of texts where there are more than `sample`; the same texts in any order
            give the same draw.
        sample: References make n-grams likelier, so the value rises with their number: a larger
            batch is measured on a draw of this size.

    Returns:
        In (0, 1]; 1 when every text is also another one, near 0 when no two share words.

    Trap:
        Rises with the number of texts, and for short formulaic ones. Reordered or reworded copies
        escape it, and a model that writes nonsense looks diverse.

    Raises:
        TooFewSamplesError: With fewer than two texts that have words.

    Source:
        Zhu et al. 2018 (Texygen, arXiv:1802.01886); Papineni et al. 2002; Chen and Cherry 2014.
    """
    texts = [text for text in words if text]
    if len(texts) < 2:
        raise TooFewSamplesError(
            "2 texts with words or more for self_bleu", str(len(texts)), "measure a larger batch"
        )
    if len(texts) > sample:
        in_order = sorted(texts, key=" ".join)  # so that the order of the rows moves nothing
        texts = Random(derived_seed("self_bleu", seed)).sample(in_order, sample)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    logs, orders = np.zeros(len(texts)), np.zeros(len(texts))
    for size, grams in enumerate(grams_up_to(texts, LONGEST), start=1):
        total = np.maximum(lengths - size + 1, 0)
        has = total > 0
        matched = _matched(grams.gram, grams.row, len(texts))
        logs[has] += np.log(np.maximum(matched[has], MISS) / total[has])
        orders += has
    return float(np.sort(_brevity(lengths) * np.exp(logs / orders)).mean())


def _matched(gram: IntVector, row: IntVector, rows: int) -> FloatVector:
    """(rows,): occurrences that another text has as well, each gram at most as often as there."""
    if not len(gram):
        return np.zeros(rows)
    pairs, counts = np.unique(gram * rows + row, return_counts=True)
    gram, row = pairs // rows, pairs % rows
    order = np.lexsort((counts, gram))
    gram, row, counts = gram[order], row[order], counts[order]
    last = np.flatnonzero(np.append(gram[1:] != gram[:-1], True))  # the text that has it most
    first = np.append(0, last[:-1] + 1)
    most = np.repeat(counts[last], last - first + 1)
    most[last] = np.where(last > first, counts[last - 1], 0)  # no text is a reference of its own
    return np.bincount(row, np.minimum(counts, most), rows).astype(np.float64)


def _brevity(lengths: IntVector) -> FloatVector:
    """(n_texts,), in (0, 1]: penalty for being shorter than the text closest in length."""
    sizes, counts = np.unique(lengths, return_counts=True)
    penalty: Sequence[float] = [
        _penalty(int(size), sizes if count > 1 else sizes[sizes != size])
        for size, count in zip(sizes, counts, strict=True)
    ]
    return np.asarray(penalty)[np.searchsorted(sizes, lengths)]


def _penalty(size: int, others: IntVector) -> float:
    closest = int(others[np.abs(others - size).argmin()])  # among equals the shorter
    return 1.0 if size >= closest else float(np.exp(1 - closest / size))


METRICS = (
    Metric(
        "self_bleu",
        "synthetic_batch",
        lambda e: self_bleu(e.synthetic.words, e.seed),
        "above",
        "How well the other rows of the batch foretell the wording of each one.",
        "share",
        scopes=("label", "template", "teacher"),
    ),
)
