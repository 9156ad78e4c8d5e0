"""Which rows train and which are kept to evaluate on, near-duplicates always on one side."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.metrics.minhash import normalise
from collapse_pipeline.metrics.near_texts import near_groups
from collapse_pipeline.ports import IntVector

TRAIN = "train"
EVAL = "eval"
WITHHELD = "withheld"  # nearly repeats a row to evaluate on: neither trained nor evaluated on
SPELLINGS = {
    TRAIN: ("train", "training"),
    EVAL: ("eval", "evaluation", "test", "dev", "val", "valid", "validation"),
}
LARGE_GROUP = 50

BoolVector = npt.NDArray[np.bool_]
ObjectVector = npt.NDArray[np.object_]


class Split(NamedTuple):
    """Where every row goes, and what a person should know about it."""

    split: ObjectVector  # (n_rows,) of str: train | eval | withheld
    near_group: ObjectVector  # (n_rows,) of str: the smallest sample id of the group
    warnings: list[str]


def assign_splits(
    rows: pa.Table,
    own_split: Sequence[str] | None = None,
    eval_share: float = 0.25,
    seed: int = 0,
) -> Split:
    """A side for every row.

    Two rows are in one group when prompt and response together reach a Jaccard similarity of 0.8
    on 3-word shingles, or when their prompts are the same but for case and punctuation: a prompt
    that was trained on tests nothing, whatever its response.

    With a split of its own the corpus is believed, except that training rows in one group with an
    eval row are withheld. Without one, whole groups go to one side, near `eval_share` of each
    label as far as their sizes allow; a group larger than its label's share trains.

    Args:
        rows: Columns sample_id, label, prompt, response; texts are not null.
        own_split: One value a row, as the file spells it, or None.
        eval_share: Share of the rows to evaluate on, in (0, 1).
        seed: Decides which groups go where.

    Raises:
        BadInputError: When the corpus's own split has values that mean neither side.
    """
    prompts, responses = rows["prompt"].to_pylist(), rows["response"].to_pylist()
    sample_ids: ObjectVector = rows["sample_id"].to_numpy()
    group, warnings = _groups(prompts, responses)
    if own_split is None:
        in_eval = _drawn(group, rows["label"].to_numpy(), eval_share, seed)
        withheld = np.zeros(len(group), dtype=bool)
    else:
        in_eval = _believed(own_split)
        withheld = _touched(group, in_eval) & ~in_eval
        if withheld.any():
            warnings.append(
                f"{int(withheld.sum())} training rows nearly repeat an eval row and are withheld"
            )
    split = np.where(in_eval, EVAL, np.where(withheld, WITHHELD, TRAIN)).astype(object)
    return Split(split, _names(group, sample_ids), warnings)


def _groups(prompts: list[str], responses: list[str]) -> tuple[IntVector, list[str]]:
    """(n_rows,) group numbers 0, 1, ... and warnings about large groups."""
    texts = [f"{p}\n{r}" if r else p for p, r in zip(prompts, responses, strict=True)]
    near = near_groups(texts, threshold=0.8, cap=LARGE_GROUP)
    group = _joined(near.group, _codes([normalise(p) or p for p in prompts]))
    warnings = []
    if near.capped:
        warnings.append(
            f"{len(near.capped)} groups of near-duplicates were cut because they hold over "
            f"{LARGE_GROUP} rows each: rows made from one template may lie on both sides; "
            f"the first is {prompts[near.capped[0]][:80]!r}"
        )
    sizes = np.bincount(group)
    if sizes.max() > LARGE_GROUP:
        first = int(np.flatnonzero(group == sizes.argmax())[0])
        warnings.append(
            f"{int((sizes > LARGE_GROUP).sum())} groups share prompts and hold over {LARGE_GROUP} "
            f"rows, the largest {int(sizes.max())}, from {prompts[first][:80]!r}"
        )
    return group, warnings


def _codes(texts: Sequence[str]) -> IntVector:
    numbers: dict[str, int] = {}
    return np.fromiter(
        (numbers.setdefault(text, len(numbers)) for text in texts), np.int64, count=len(texts)
    )


def _joined(one: IntVector, other: IntVector) -> IntVector:
    """Groups that share a row in either numbering become one, numbered by first row."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    shape = (int(one.max()) + 1, int(other.max()) + 1)
    link = coo_array((np.ones(len(one), dtype=np.int8), (one, shape[0] + other)), (sum(shape),) * 2)
    part = connected_components(link, directed=False)[1][one]
    _, first, inverse = np.unique(part, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], dtype=np.int64)


def _believed(own_split: Sequence[str]) -> BoolVector:
    sides = {spelling: side for side, all_of in SPELLINGS.items() for spelling in all_of}
    values = {value: value.strip().casefold() for value in set(own_split)}
    unknown = sorted(value for value, plain in values.items() if plain not in sides)
    if unknown:
        raise BadInputError(
            f"split values among {', '.join(sides)}",
            ", ".join(map(repr, unknown[:20])) + (", ..." if len(unknown) > 20 else ""),
            "rename them, or leave the split column out to have the rows split here",
        )
    return np.array([sides[values[value]] == EVAL for value in own_split], dtype=bool)


def _touched(group: IntVector, rows: BoolVector) -> BoolVector:
    """Rows whose group has one of `rows`."""
    touched = np.zeros(int(group.max()) + 1, dtype=bool)
    touched[group[rows]] = True
    return np.asarray(touched[group], dtype=bool)


def _drawn(group: IntVector, labels: ObjectVector, eval_share: float, seed: int) -> BoolVector:
    """Rows to evaluate on: whole groups, drawn label by label."""
    by_name = {name: number for number, name in enumerate(sorted(set(labels)))}
    label = np.fromiter((by_name[name] for name in labels), np.int64, count=len(labels))
    sizes = np.bincount(group)
    label_of_group = _most_common(group, label)
    # Shares are counted by the label of the group, which is nearly always that of all its rows.
    wanted = np.bincount(label_of_group, weights=sizes) * eval_share
    target = wanted[label_of_group]
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    order = shuffled[np.lexsort((sizes[shuffled] > target[shuffled], label_of_group[shuffled]))]
    running = np.cumsum(sizes[order])
    label_in_order = label_of_group[order]
    starts = np.flatnonzero(np.r_[True, label_in_order[1:] != label_in_order[:-1]])
    before_label = np.repeat((running - sizes[order])[starts], np.diff(np.r_[starts, len(order)]))
    middle = running - before_label - sizes[order] / 2
    chosen = np.zeros(len(sizes), dtype=bool)
    chosen[order] = (middle <= target[order]) & (sizes[order] <= np.maximum(target[order], 1))
    return np.asarray(chosen[group], dtype=bool)


def _most_common(group: IntVector, label: IntVector) -> IntVector:
    """(n_groups,) the label that most rows of the group have, the first by name in a tie."""
    width = int(label.max()) + 1
    pairs, counts = np.unique(group * width + label, return_counts=True)
    best = np.lexsort((pairs % width, -counts, pairs // width))
    groups = (pairs // width)[best]
    return np.asarray((pairs % width)[best][np.r_[True, groups[1:] != groups[:-1]]], np.int64)


def _names(group: IntVector, sample_ids: ObjectVector) -> ObjectVector:
    """(n_rows,) the smallest sample id of the row's group."""
    smallest: dict[int, str] = {}
    for number, sample_id in zip(group.tolist(), sample_ids, strict=True):
        if sample_id < smallest.setdefault(number, sample_id):
            smallest[number] = sample_id
    return np.array([smallest[number] for number in group.tolist()], dtype=object)
