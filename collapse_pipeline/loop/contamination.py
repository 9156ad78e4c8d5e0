"""Contamination: rows that say what an eval suite asks, which no student may train on."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collapse_pipeline.metrics.minhash import mixed, normalise
from collapse_pipeline.ports import IntVector

Keys = npt.NDArray[np.uint64]


def text_key(text: str) -> str:
    """What two equal texts share: the normalised text, or the text itself where it has no word."""
    return normalise(text) or text


def eval_overlaps(
    rows: pa.Table,
    suites: pa.Table,
    words: int = 13,
    common: int = 5,
    human: pa.Table | None = None,
    responses: bool = True,
) -> list[str]:
    """The eval row that each row overlaps, or "".

    A row overlaps when its whole normalised prompt is an eval prompt, or when its prompt or
    response has a run of `words` words in common with the prompt or response of an eval row.
    Templates would make that a trap: two questions from one mould may share a long sentence that
    gives nothing away. So a run is boilerplate, and ignored, when it occurs in more than `common`
    distinct eval texts, or in a text of `human`, where the training rows are given: what every
    student sees anyway. Whole prompts count always. Give `human`: of 5,000 healthy simulated
    customer-service rows 38% are flagged without it, 8% with 5,000 training rows, nearly all for
    stock answers, while 99% of eval prompts hidden in a longer text are found in both cases.

    Args:
        rows: Sample columns `prompt` and `response`.
        suites: Eval columns `sample_id`, `prompt` and `response`, of all suites in force.
        words: Length of a run. Only words that begin with a letter count; the numbers and signs
            between them must agree, but make no run longer.
        common: The most distinct eval texts that a telling run may occur in.
        human: Training rows with `prompt` and `response`, or None.
        responses: Whether runs of eval responses count, as they should where a response is a
            solution that must not be learnt by heart.

    Source:
        Brown et al. 2020 (arXiv:2005.14165), appendix C: 13-grams, and common ones left out.
    """
    ids = suites["sample_id"].to_pylist()
    asked: dict[str, str] = {}
    texts: dict[str, str] = {}
    for name in ("prompt", "response"):
        for eval_id, key in zip(ids, map(text_key, suites[name].to_pylist()), strict=True):
            if name == "prompt" or responses:
                texts.setdefault(key, eval_id)
            if name == "prompt" and key:
                asked.setdefault(key, eval_id)

    vocabulary: dict[str, int] = {}
    known, origin = _telling(*_runs(list(texts), words, vocabulary), common)
    if human is not None and len(known):
        seen, _ = _runs(_normalised(human), words, vocabulary)
        told = np.isin(known, seen)
        known, origin = known[~told], origin[~told]

    prompts = list(map(text_key, rows["prompt"].to_pylist()))
    found = [asked.get(prompt, "") for prompt in prompts]
    if len(known):
        names = list(texts.values())
        keys, where = _runs(_normalised(rows), words, vocabulary)
        place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        for hit in np.flatnonzero(known[place] == keys):
            row = int(where[hit]) % rows.num_rows
            found[row] = found[row] or names[origin[place[hit]]]
    return found


def _normalised(rows: pa.Table) -> list[str]:
    """All prompts, then all responses."""
    return list(map(normalise, rows["prompt"].to_pylist() + rows["response"].to_pylist()))


def _worded(text: str) -> list[str]:
    """The words of a normalised text, each with the numbers and signs that follow it.

    So `6 + 2 = 8` counts for nothing on its own, and yet a run with other numbers is another run.
    """
    words = [""]  # what comes before the first word, which tells nothing
    for token in text.split():
        if token[0].isalpha():
            words.append(token)
        else:
            words[-1] += f" {token}"
    return words[1:]


def _runs(texts: Sequence[str], words: int, vocabulary: dict[str, int]) -> tuple[Keys, IntVector]:
    """A 64-bit key for every run of `words` words, and the text it stands in; in order.

    Keys are equal for equal runs under one `vocabulary`, which takes up new words.
    """
    numbers: list[int] = []
    lengths = np.zeros(len(texts), dtype=np.int64)
    for index, text in enumerate(texts):
        split = _worded(text)
        if len(split) >= words:
            lengths[index] = len(split)
            numbers += [vocabulary.setdefault(word, len(vocabulary)) for word in split]
    flat = np.array(numbers, dtype=np.uint64)
    text_of = np.repeat(np.arange(len(texts)), lengths)
    count = max(len(flat) - words + 1, 0)
    keys = np.zeros(count, dtype=np.uint64)
    for offset in range(words if count else 0):
        keys = mixed(keys, flat[offset : offset + count])
    whole = text_of[:count] == text_of[words - 1 : words - 1 + count]
    return keys[whole], text_of[:count][whole]


def _telling(keys: Keys, where: IntVector, common: int) -> tuple[Keys, IntVector]:
    """The distinct keys in at most `common` texts, sorted, and the first text of each."""
    order = np.lexsort((where, keys))
    keys, where = keys[order], where[order]
    fresh = np.ones(len(keys), dtype=bool)  # the first time that a key stands in a text
    fresh[1:] = (keys[1:] != keys[:-1]) | (where[1:] != where[:-1])
    distinct, first, texts = np.unique(keys[fresh], return_index=True, return_counts=True)
    rare = texts <= common
    return distinct[rare], where[fresh][first[rare]]
