"""Filter: leaves out rows that repeat each other, the past, or what the eval suites ask.

Texts are compared as prompt, then response where there is one. Rows are taken in their order, and
a row is dropped for the first of these reasons that holds:

1. `eval_overlap`: it gives away a row of an eval suite.
2. `exact_duplicate`: a kept row has the same words.
3. `near_duplicate`: a kept row shares most 3-word shingles with it.
4. `earlier_duplicate`: so does an earlier row of the corpus (human, or kept in its lineage).
5. `skeleton_quota`: its label has enough rows of this skeleton. A quota, never a ban: real text
   shares skeletons too.
6. `semantic_duplicate`: a kept row of its label means the same by embedding.

A row only ever gives way to rows that are kept (or to a row outside the batch), so no group of
duplicates loses all its members.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from pydantic import Field

from collapse_pipeline.loop.contamination import eval_overlaps, text_key
from collapse_pipeline.loop.filter_duplicates import (
    EARLIER_MATCHES,
    EarlierRows,
    KeptRows,
    shared_buckets,
)
from collapse_pipeline.metrics.minhash import BANDS, KeyMatrix, band_keys, shingles, signatures
from collapse_pipeline.metrics.similarity import kept_before
from collapse_pipeline.metrics.skeleton import skeletons
from collapse_pipeline.ports import Embedder
from collapse_pipeline.records import DROPPED_BATCH, MINHASH_BANDS, SAMPLE, Frozen


class FilterPolicy(Frozen):
    """What is left out."""

    enforce: bool = True  # false: nothing is dropped
    near_duplicate: float | None = Field(0.8, gt=0, le=1)  # Jaccard; None: exact repeats only
    against_earlier: bool = True
    contamination_words: int = Field(13, ge=1)  # length of a telling run
    contamination_responses: bool = True  # runs of eval responses count; not for stock answers
    boilerplate_rows: int = Field(5, ge=0)  # a run in more eval texts than this tells nothing
    skeleton_quota_share: float = Field(0.1, ge=0, le=1)  # of the distinct texts of a label
    skeleton_quota_floor: int = Field(5, ge=1)  # rows of a skeleton that every label may have
    semantic: float | None = Field(0.97, gt=0, le=1)  # cosine; None: not compared


class EarlierMatches(Protocol):
    """Looks up earlier rows of the corpus by their bands."""

    def __call__(self, bands: pa.Table) -> pa.Table:
        """Takes `MINHASH_BANDS` rows of this batch; gives `EARLIER_MATCHES`, in any order.

        One row for each earlier row (human training row, or kept synthetic row of the lineage)
        that has a key in common with a row of the batch in the same band. Candidates only: the
        filter checks them.
        """
        ...


@dataclass(frozen=True)
class Filtered:
    """Kept and dropped rows add up to what came in, each in the order it came."""

    kept: pa.Table  # SAMPLE
    dropped: pa.Table  # DROPPED_BATCH
    bands: pa.Table  # MINHASH_BANDS of the kept rows


def compared_texts(rows: pa.Table) -> list[str]:
    """What is compared of each row: its prompt, and its response on a new line if it has one."""
    pairs = zip(rows["prompt"].to_pylist(), rows["response"].to_pylist(), strict=True)
    return [f"{prompt}\n{response}" if response else prompt for prompt, response in pairs]


def bands_table(corpus: str, generation: str, ids: Sequence[str], texts: Sequence[str]) -> pa.Table:
    """`MINHASH_BANDS` of texts: 16 rows each, none for a text without any word.

    Args:
        corpus: Name of the corpus.
        generation: The generation that the rows belong to, "" for human rows.
        ids: (n_texts,), their sample ids.
        texts: (n_texts,), as `compared_texts` writes them.
    """
    return _bands_table(corpus, generation, ids, texts, band_keys(signatures(texts)))


def _bands_table(
    corpus: str, generation: str, ids: Sequence[str], texts: Sequence[str], keys: KeyMatrix
) -> pa.Table:
    worded = np.array([bool(shingles(text)) for text in texts], dtype=bool)
    count = int(worded.sum()) * BANDS
    columns = {
        "corpus": pa.repeat(corpus, count),
        "generation": pa.repeat(generation, count),
        "sample_id": pa.array(ids, pa.string()).take(np.repeat(np.flatnonzero(worded), BANDS)),
        "band": pa.array(np.tile(np.arange(BANDS, dtype=np.int32), count // BANDS)),
        "key": pa.array(keys[worded].reshape(-1)),
    }
    return pa.table(columns, schema=MINHASH_BANDS)


def no_earlier(bands: pa.Table) -> pa.Table:  # noqa: ARG001
    """`EarlierMatches` of a corpus without a past."""
    return EARLIER_MATCHES.empty_table()


@dataclass(frozen=True)
class _Drop:
    """Why a row goes, and what it gives way to: an outside id, or a row of the batch."""

    reason: str
    outside: str = ""
    inside: int = -1


def filter_batch(
    rows: pa.Table,
    suites: pa.Table,
    earlier: EarlierMatches,
    embedder: Embedder | None,
    policy: FilterPolicy,
    human: pa.Table | None = None,
) -> Filtered:
    """Keeps the rows that add something.

    Args:
        rows: Accepted rows of one corpus and generation; sample columns, and perhaps more.
        suites: `EVAL_SUITES` rows of all suites in force; may be empty.
        earlier: Finds candidates among the earlier rows of the corpus.
        embedder: None leaves the semantic step out.
        policy: What is left out.
        human: Training rows: runs of words that they hold are boilerplate, no contamination.
            Give them wherever texts share moulds or stock answers; see `eval_overlaps`.
    """
    ids, labels = rows["sample_id"].to_pylist(), rows["label"].to_pylist()
    texts = compared_texts(rows)
    keys = band_keys(signatures(texts))
    corpus, generation = (rows[name][0].as_py() if ids else "" for name in ("corpus", "generation"))
    drops: dict[int, _Drop] = {}
    if policy.enforce and ids:
        overlaps = eval_overlaps(
            rows,
            suites,
            words=policy.contamination_words,
            common=policy.boilerplate_rows,
            human=human,
            responses=policy.contamination_responses,
        )
        bands = _bands_table(corpus, generation, ids, texts, keys)
        matches = earlier(bands) if policy.against_earlier else no_earlier(bands)
        past = EarlierRows(matches, policy.near_duplicate)
        drops |= _by_words(ids, labels, texts, keys, overlaps, past, policy)
        if embedder is not None and policy.semantic is not None:
            drops |= _by_meaning(labels, texts, drops, embedder, policy.semantic)

    samples = rows.select(SAMPLE.names).cast(SAMPLE)
    kept = np.array([row for row in range(len(ids)) if row not in drops], dtype=np.int64)
    gone = sorted(drops)
    dropped = samples.take(pa.array(gone, pa.int64()))
    for name, values in {
        "stage": ["filter"] * len(gone),
        "reason": [drops[row].reason for row in gone],
        "duplicate_of": [_given_way_to(drops[row], drops, ids) for row in gone],
    }.items():
        dropped = dropped.append_column(DROPPED_BATCH.field(name), pa.array(values, pa.string()))
    kept_ids, kept_texts = [ids[row] for row in kept], [texts[row] for row in kept]
    return Filtered(
        kept=samples.take(kept),
        dropped=dropped,
        bands=_bands_table(corpus, generation, kept_ids, kept_texts, keys[kept]),
    )


def _by_words(
    ids: Sequence[str],
    labels: Sequence[str],
    texts: Sequence[str],
    keys: KeyMatrix,
    overlaps: Sequence[str],
    past: EarlierRows,
    policy: FilterPolicy,
) -> dict[int, _Drop]:
    """Reasons 1 to 5, row by row: whether a row goes depends on which rows before it are kept."""
    normals, moulds = list(map(text_key, texts)), skeletons(texts)
    # Distinct texts, so that saying everything twice does not raise the quota.
    distinct = Counter(label for label, _ in set(zip(labels, normals, strict=True)))
    exact: dict[str, int] = {}
    near, buckets = KeptRows(policy.near_duplicate), shared_buckets(keys)
    moulded: dict[tuple[str, str], list[int]] = {}
    drops: dict[int, _Drop] = {}
    for row, normal in enumerate(normals):
        of_mould = moulded.setdefault((labels[row], moulds[row]), [])
        quota = policy.skeleton_quota_share * distinct[labels[row]]
        if overlaps[row]:
            drops[row] = _Drop("eval_overlap", outside=overlaps[row])
        elif normal in exact:
            drops[row] = _Drop("exact_duplicate", inside=exact[normal])
        elif (similar := near.nearest(texts[row], buckets[row])) >= 0:
            drops[row] = _Drop("near_duplicate", inside=similar)
        elif old := past.repeated(ids[row], texts[row]):
            drops[row] = _Drop("earlier_duplicate", outside=old)
        elif len(of_mould) >= max(policy.skeleton_quota_floor, int(quota)):
            drops[row] = _Drop("skeleton_quota", inside=of_mould[0])
        else:
            exact[normal] = row
            near.add(row, texts[row], buckets[row])
            of_mould.append(row)
    return drops


def _by_meaning(
    labels: Sequence[str],
    texts: Sequence[str],
    gone: Mapping[int, _Drop],
    embedder: Embedder,
    threshold: float,
) -> dict[int, _Drop]:
    """Reason 6, among the rows that are left, within each label."""
    left = np.array([row for row in range(len(texts)) if row not in gone], dtype=np.int64)
    vectors = embedder.embed([texts[row] for row in left])
    by_label: dict[str, list[int]] = {}
    for place, row in enumerate(left):
        by_label.setdefault(labels[row], []).append(place)
    drops = {}
    for places in by_label.values():
        of_label = left[places]
        keeper = kept_before(vectors[places], threshold)
        for row, inside in zip(of_label[keeper >= 0], of_label[keeper[keeper >= 0]], strict=True):
            drops[int(row)] = _Drop("semantic_duplicate", inside=int(inside))
    return drops


def _given_way_to(drop: _Drop, drops: Mapping[int, _Drop], ids: Sequence[str]) -> str:
    """The id of the kept or outside row behind a drop."""
    if drop.inside < 0:
        return drop.outside
    # The row that it resembles by its words may itself have given way, but only by its meaning.
    keeper = drops[drop.inside].inside if drop.inside in drops else drop.inside
    return ids[keeper]
