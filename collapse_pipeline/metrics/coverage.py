"""How much of real text the batch still covers: all of it, its rare labels, its rare words."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.draws import ordered_draw
from collapse_pipeline.metrics.evidence import Metric, Need
from collapse_pipeline.metrics.grams import Words
from collapse_pipeline.ports import FloatMatrix
from collapse_pipeline.records import derived_seed

NEIGHBOURS = 5
COVERAGE_ROWS = 4096  # a side; above, a seeded draw: all pairs of rows are compared
TAIL_PART = 4  # the rarest quarter of the labels
RARE = (2, 10)  # times that the human rows say a rare word; once is often a slip of the pen

_ROUNDING = 1e-5  # of float32 cosines: a copy of a row is as near as the row itself


def coverage(
    synthetic: FloatMatrix, human: FloatMatrix, seed: int = 0, limit: int = COVERAGE_ROWS
) -> float:
    """Share of real rows with a synthetic row no farther than their fifth nearest real one.

    Args:
        synthetic: (n_synthetic, width), float32, unit rows.
        human: (n_human, width), unit rows.
        seed: Of the draws; the same rows in any order give the same value.
        limit: Rows a side. As many human as synthetic rows are compared, a seeded draw of the
            side that has more. Time grows with its square.

    Returns:
        In [0, 1]; about 0.97 when both sides come from one distribution, 0 when the batch lies
        elsewhere. Never NaN. Trap: a batch of copied human rows covers them all,
        and one that scatters covers much by chance. Healthy small students cover 0.73 to 0.94 of
        2,000 real rows, and the number compared moves it: equal sizes only.

    Raises:
        TooFewSamplesError: With five rows or fewer on a side.

    Source:
        Naeem et al. 2020 (coverage, k = 5).
    """
    rows = min(len(synthetic), len(human), limit)
    if rows <= NEIGHBOURS:
        raise TooFewSamplesError(
            f"more than {NEIGHBOURS} rows a side for coverage",
            f"{len(synthetic)} synthetic and {len(human)} human ones",
            "measure a larger batch",
        )
    ours = ordered_draw(synthetic, rows, derived_seed("coverage synthetic", seed))
    theirs = ordered_draw(human, rows, derived_seed("coverage human", seed))
    among = theirs @ theirs.T
    np.fill_diagonal(among, -np.inf)
    reach = np.partition(among, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
    nearest = (theirs @ ours.T).max(axis=1)
    return float((nearest >= reach - _ROUNDING).mean())


def tail_label_mass(synthetic: Sequence[str], human: Sequence[str]) -> float:
    """Share that the rarest quarter of the labels has of the batch over its share of real rows.

    Args:
        synthetic: (n_synthetic,) labels.
        human: (n_human,) labels. The rarest are chosen here, by name where counts are equal.

    Returns:
        0 or more; 1 when the tail has its real share, 0 when it is gone. Never NaN. Trap: above 1
        for a healthy generator, since the plan favours rare labels (1.3 at a balance of 0.5),
        and labels that a small draw makes rare by chance raise it further, so the null is the
        healthy generator's. It counts what a row is labelled, not what it says: a generator that
        writes common questions under rare labels passes.

    Raises:
        TooFewSamplesError: Without rows on both sides, or with one label.

    Source:
        The rare classes of Shumailov et al. 2024: the tails vanish first.
    """
    counts = Counter(human)
    if len(counts) < 2 or not len(synthetic):
        raise TooFewSamplesError(
            "two labels in the human rows and a synthetic row for tail_label_mass",
            f"{len(counts)} labels and {len(synthetic)} rows",
            "measure a larger batch",
        )
    rarest = sorted(counts, key=lambda label: (counts[label], label))
    tail = frozenset(rarest[: max(1, len(rarest) // TAIL_PART)])
    ours, theirs = (sum(label in tail for label in labels) for labels in (synthetic, human))
    return (ours / len(synthetic)) / (theirs / len(human))


def rare_word_coverage(synthetic: Words, human: Words) -> float:
    """Share of the mass of real text's rare words whose word the batch still uses.

    Rare are words without a digit that the human rows hold 2 to 10 times; each weighs as often
    as they hold it.

    Args:
        synthetic: (n_synthetic,), the words of each, casefolded.
        human: (n_human,) the same.

    Returns:
        In [0, 1]; 1 when every rare word is used, 0 when none is. Never NaN. Between halves of
        2,000 real short texts about 0.92. Rises with synthetic rows, and what is rare depends on
        the number of human rows: compare equal sizes. Trap: being used once is enough, and a
        list of words would pass; a new human vocabulary lowers it without any fault.

    Raises:
        TooFewSamplesError: When the human rows have no rare word.

    Source:
        Shumailov et al. 2024, on vanishing tails; the measure is this project's own.
    """
    counts = Counter(chain.from_iterable(human))
    fewest, most = RARE
    rare = {
        word: count
        for word, count in counts.items()
        if fewest <= count <= most and _is_vocabulary(word)
    }
    if not rare:
        raise TooFewSamplesError(
            f"human rows with words that they hold {fewest} to {most} times",
            f"{len(human)} rows without",
            "measure a larger batch",
        )
    used = rare.keys() & set(chain.from_iterable(synthetic))
    return sum(rare[word] for word in used) / sum(rare.values())


def _is_vocabulary(word: str) -> bool:
    """No number, date or order code, and no punctuation mark."""
    return any(map(str.isalpha, word)) and not any(map(str.isdigit, word))


# Not by label: the human rows beside one label's rows are those of all labels.
SCOPES = ("template", "teacher")
METRICS = (
    Metric(
        "coverage",
        "synthetic_batch",
        lambda e: coverage(e.synthetic.embeddings, e.human.embeddings, e.seed),
        "below",
        "Share of real rows that have a synthetic row as near as their real neighbours.",
        "share",
        (Need.EMBEDDINGS,),
        SCOPES,
    ),
    Metric(
        "tail_label_mass",
        "synthetic_batch",
        lambda e: tail_label_mass(e.synthetic.labels, e.human.labels),
        "below",
        "Share of the rarest labels in the batch over their share of real rows.",
        "positive",
        needs=(Need.LABELS,),
        scopes=SCOPES,
    ),
    Metric(
        "rare_word_coverage",
        "synthetic_batch",
        lambda e: rare_word_coverage(e.synthetic.words, e.human.words),
        "below",
        "How much of real text's rare vocabulary the batch still uses.",
        "share",
        scopes=SCOPES,
    ),
)
