"""A student that feeds on itself: what replace does to real text, for the tests of metrics."""

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from collapse_pipeline.backends.embedders.static import StaticEmbedder
from collapse_pipeline.backends.students.ngram import NgramConfig
from collapse_pipeline.metrics.evidence import BatchEvidence, Texts
from collapse_pipeline.records import samples_table
from collapse_pipeline_tests.samples import human_row, written_row

ROWS = 1500


@cache
def replaced(shared_data: Path) -> tuple[BatchEvidence, BatchEvidence, BatchEvidence]:
    """Beside Banking77: other real rows, the n-gram student's batch, and the batch that the
    student of the student's student writes. Labels are those of the human rows."""
    rows = pq.read_table(shared_data / "banking77.parquet", filters=[("split", "=", "train")])
    rows = rows.take(np.random.default_rng(0).permutation(rows.num_rows)[: 2 * ROWS])
    pairs = list(zip(rows["text"].to_pylist(), rows["label"].to_pylist(), strict=True))
    embedder = StaticEmbedder()
    human, others = (
        Texts(samples_table(human_row(text, label) for text, label in part), embedder)
        for part in (pairs[:ROWS], pairs[ROWS:])
    )
    batches = []
    model = first = NgramConfig().train(human.rows, seed=0)
    for generation in range(3):
        drafts = model.sample(human.labels, [""] * ROWS, seed=generation, temperature=1)
        written = samples_table(
            written_row(prompt, label)
            for (prompt, _), label in zip(drafts, human.labels, strict=True)
        )
        batches.append(Texts(written, embedder))
        model = NgramConfig().train(written, seed=0, vocabulary_of=first)
    real, healthy, collapsed = (
        BatchEvidence(batch, human) for batch in (others, batches[0], batches[2])
    )
    return real, healthy, collapsed
