"""Near-duplicates among short texts, side by side: time, memory, and what is found.

Run: OMP_NUM_THREADS=1 python benchmarks/near_duplicates.py [--rows 100000 1000000] [--methods ...]

Peers come with `pip install -e ".[bench]"`; one that is not installed is left out, and those in
`SMALL_ONLY` are not run beyond 100,000 texts, for they would take most of an hour or most of the
memory. The texts are true rows of an embedded world, distinct, and one in eleven of them is another
with one word changed; making them is timed apart. Each method runs in a process of its own, on one
thread (on Linux, which says the peak of its memory), and says which texts have a near-duplicate.

That is held to exact Jaccard over our 3-word shingles, at least 0.8, on a sample of texts against
all: recall is the share found of those that have one, precision the share that has one of those
found. semhash compares meanings by the static embedder, and so is wrong by this measure where it
may be right by its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench import report

from collapse_pipeline.metrics.minhash import shingles
from collapse_pipeline.worlds.reference import world

THRESHOLD = 0.8
PERMUTATIONS = 128
SAMPLE = 2_000
MEANING = 0.95  # cosine, of what compares meanings
SMALL = 100_000
SMALL_ONLY = ("datasketch", "datatrove", "semhash")
MILLION = 1e6  # bytes
Rows = set[int]
Method = Callable[[Sequence[str]], Rows]


def made_texts(count: int) -> list[str]:
    """Ten elevenths true rows of a world, the rest of them once more with one word changed."""
    copies = count // 11
    rows = world("customer_service").rows(count - copies, seed=1)
    texts = [f"{row['prompt']} {row['response']}" for row in rows]
    rng = np.random.default_rng(1)
    for source in rng.permutation(len(texts))[:copies].tolist():
        words = texts[source].split()
        words[rng.integers(len(words))] = "changed"
        texts.append(" ".join(words))
    return [texts[place] for place in rng.permutation(count)]


def ours(texts: Sequence[str]) -> Rows:
    from collapse_pipeline.metrics.near_texts import similar_pairs

    first, second = similar_pairs(texts, THRESHOLD)
    return {*first.tolist(), *second.tolist()}


def datasketch(texts: Sequence[str]) -> Rows:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    sets = ([shingle.encode() for shingle in shingles(text)] for text in texts)
    hashes = MinHash.bulk(sets, num_perm=PERMUTATIONS)
    for row, one in enumerate(hashes):
        index.insert(row, one)
    return {row for row, one in enumerate(hashes) if len(index.query(one)) > 1}


def datatrove(texts: Sequence[str]) -> Rows:
    from datatrove.data import Document
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from loguru import logger

    logger.remove()
    settings = MinhashConfig(n_grams=3, num_buckets=16, hashes_per_bucket=8)
    with tempfile.TemporaryDirectory() as folder:
        parts = [f"{folder}/{name}" for name in ("signatures", "buckets", "removed")]
        documents = (Document(text=text, id=str(row)) for row, text in enumerate(texts))
        MinhashDedupSignature(parts[0], config=settings).run(documents, 0, 1)
        for bucket in range(settings.num_buckets):
            MinhashDedupBuckets(parts[0], parts[1], config=settings).run(
                None, bucket, settings.num_buckets
            )
        MinhashDedupCluster(parts[1], parts[2], config=settings, save_cluster_size=True).run()
        documents = (Document(text=text, id=str(row)) for row, text in enumerate(texts))
        kept = list(MinhashDedupFilter(parts[2], load_cluster_sizes=True).run(documents, 0, 1))
    alone = {int(one.id) for one in kept if one.metadata["minhash_cluster_size"] == 1}
    return set(range(len(texts))) - alone


def semhash(texts: Sequence[str]) -> Rows:
    from semhash import SemHash

    from collapse_pipeline.backends.embedders.static import StaticEmbedder

    class Encoder:
        def encode(self, inputs: Any, **_: Any) -> Any:
            return StaticEmbedder().embed(list(inputs))

    places = {text: row for row, text in enumerate(texts)}
    found = SemHash.from_records(list(texts), model=Encoder()).self_deduplicate(MEANING)
    rows: Rows = set()
    for one in found.filtered:
        rows.add(places[one.record])
        rows |= {places[other] for other, _ in one.duplicates}
    return rows


METHODS: Mapping[str, tuple[Method, str]] = {
    "ours": (ours, "rensa"),
    "datasketch": (datasketch, "datasketch"),
    "datatrove": (datatrove, "datatrove"),
    "semhash": (semhash, "semhash"),
}


def release(package: str) -> str | None:
    """The version that is installed, None where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def truth(texts: Sequence[str], sample: Sequence[int]) -> Rows:
    """Which of the sampled texts have a near-duplicate, by exact Jaccard against all texts."""
    from sklearn.feature_extraction.text import CountVectorizer

    found: Rows = set()
    counts = CountVectorizer(analyzer=shingles, binary=True, dtype=np.float32).fit_transform(texts)
    sizes = np.asarray(counts.sum(axis=1)).ravel()
    for start in range(0, len(sample), 100):
        rows = np.array(sample[start : start + 100])
        common = (counts[rows] @ counts.T).tocoo()
        union = sizes[rows[common.row]] + sizes[common.col] - common.data
        near = (common.data >= THRESHOLD * union - 1e-6) & (rows[common.row] != common.col)
        found |= set(rows[common.row[near]].tolist())
    return found


def memory() -> int:
    """The most that this process has held, in bytes (Linux)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def run_one(method: str, file: Path) -> None:
    """One method in this process; its document goes to standard output."""
    texts = pq.read_table(file)["text"].to_pylist()
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak is counted anew
    before = memory()
    began = time.process_time()
    found = METHODS[method][0](texts)
    seconds = time.process_time() - began
    said = {"seconds": seconds, "megabytes": (memory() - before) / MILLION}
    print(json.dumps(said | {"found": sorted(found)}))


def compared(count: int, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Every method on the same texts."""
    began = time.process_time()
    texts = made_texts(count)
    making = time.process_time() - began
    sample = np.random.default_rng(0).permutation(count)[:SAMPLE].tolist()
    near = truth(texts, sample)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.parquet"
        pq.write_table(pa.table({"text": texts}), file)
        for method in methods:
            if release(METHODS[method][1]) is None or (count > SMALL and method in SMALL_ONLY):
                continue
            command = [sys.executable, __file__, "--one", method, str(file)]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            one = json.loads(said.splitlines()[-1])
            found = set(one["found"]) & set(sample)
            rows.append(
                {
                    "texts": count,
                    "method": method,
                    "version": release(METHODS[method][1]),
                    "seconds": one["seconds"],
                    "texts_per_second": count / one["seconds"],
                    "megabytes": one["megabytes"],
                    "recall": len(found & near) / len(near),
                    "precision": len(found & near) / max(len(found), 1),
                    "making_seconds": making,
                    "sample": len(sample),
                    "sample_near": len(near),
                }
            )
            print(f"{count:,} texts: {method} {one['seconds']:.1f} s", flush=True)
    for row in rows:
        row["times_ours"] = row["seconds"] / rows[0]["seconds"]
    return rows


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, nargs="*", default=[SMALL, 1_000_000])
    asked.add_argument("--methods", nargs="*", default=list(METHODS))
    asked.add_argument("--one", nargs=2, metavar=("METHOD", "FILE"), help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.one:
        run_one(options.one[0], Path(options.one[1]))
        return
    rows = [row for count in options.rows for row in compared(count, options.methods)]
    columns = ["texts", "method", "version", "seconds", "texts_per_second", "times_ours"]
    report(
        "near_duplicates", [*columns, "megabytes", "recall", "precision", "making_seconds"], rows
    )


if __name__ == "__main__":
    main()
