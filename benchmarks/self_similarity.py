"""How fast the share of rows with a near neighbour is found, side by side, and what is missed.

Run: OMP_NUM_THREADS=1 python benchmarks/self_similarity.py [--rows 5000 20000 100000] [--repeats 3]

Peers come with `pip install -e ".[bench]"`; one that is not installed is left out. Processor time
on one thread, the best of the repeats (of one, at 100,000 rows), all in one run and taken in turns.
`product` is the full matrix product in our blocks, without looking at it: the limit of whoever
compares all pairs. `loop` is the plain double loop over pairs in Python, timed on a few rows and
extrapolated to all pairs. The others find every row's nearest other row by cosine; the two graphs
are approximate, and so is `ours, drawn`, which says the share of a draw of rows. `recall` is the
share that is found over the exact one.

Random vectors are near nothing but the copies sown among them; crowded ones have a cosine of .8
with each other, so that bounds tell nothing; real ones are short questions under the static
embedder.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from bench import DATA, report
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from collapse_pipeline.backends.embedders.static import StaticEmbedder
from collapse_pipeline.metrics.blocks import BLOCK
from collapse_pipeline.metrics.similarity import RATIO_ROWS, nearest_neighbour_ratio
from collapse_pipeline.ports import FloatMatrix

WIDTH = 384  # of made vectors; the embedder has its own
THRESHOLD = 0.95
PROMISED = 20_000  # from here our figure must be much cheaper than others
LARGE = 100_000  # from here each is timed once
LOOPED = 2  # rows of the plain double loop
DRAWS = 20  # of which the error of a draw is taken
TEXTS = ("banking77", "clinc150_oos", "bitext_cs_intents", "multidogo_customer_turns")
Task = Callable[[FloatMatrix], float]


def random_rows(count: int) -> FloatMatrix:
    """Unit rows, a tenth of them copies with a little noise."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((count, WIDTH), dtype=np.float32)
    copies = count // 10
    noise = random.standard_normal((copies, WIDTH), dtype=np.float32)
    rows[:copies] = rows[copies : 2 * copies] + 0.05 * noise
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def crowded_rows(count: int) -> FloatMatrix:
    """Random rows drawn towards one direction."""
    rows = 0.2**0.5 * random_rows(count)
    rows[:, 0] += 0.8**0.5
    return rows[:, ::-1] / np.linalg.norm(rows, axis=1, keepdims=True)


def real_rows(count: int) -> FloatMatrix:
    """Different questions and messages of real people, in random order."""
    files = [pq.read_table(DATA / f"{name}.parquet", columns=["text"]) for name in TEXTS]
    texts = sorted({text for file in files for text in file["text"].to_pylist()})
    chosen = np.random.default_rng(0).permutation(len(texts))[:count]
    return StaticEmbedder().embed([texts[row] for row in chosen])


def product(rows: FloatMatrix) -> float:
    """The full matrix product, block by block into the same memory."""
    space = np.empty(BLOCK * BLOCK, dtype=np.float32)
    for start in range(0, len(rows), BLOCK):
        left = rows[start : start + BLOCK]
        for first in range(0, len(rows), BLOCK):
            right = rows[first : first + BLOCK]
            shape = (len(left), len(right))
            np.dot(left, right.T, out=space[: shape[0] * shape[1]].reshape(shape))
    return float("nan")


def loop(rows: FloatMatrix) -> float:
    """The first rows against all, number by number."""
    lists = rows.tolist()
    near = 0
    for at, row in enumerate(lists[:LOOPED]):
        best = -1.0
        for other, vector in enumerate(lists):
            if other != at:
                best = max(best, sum(a * b for a, b in zip(row, vector, strict=True)))
        near += best >= THRESHOLD
    return near / LOOPED


def ours(rows: FloatMatrix) -> float:
    return nearest_neighbour_ratio(rows, THRESHOLD, exact_rows=len(rows))


def drawn(rows: FloatMatrix) -> float:
    return nearest_neighbour_ratio(rows, THRESHOLD)


def scikit_learn(rows: FloatMatrix) -> float:
    search = NearestNeighbors(n_neighbors=1, algorithm="brute", metric="cosine").fit(rows)
    distance, _ = search.kneighbors()
    return float((distance[:, 0] <= 1 - THRESHOLD).mean())


def near_others(keys: Any, cosines: Any) -> float:
    """The share, from each row's two nearest rows, of which one may be the row itself."""
    others = np.asarray(keys) != np.arange(len(keys))[:, None]
    return float((others & (np.asarray(cosines) >= THRESHOLD)).any(axis=1).mean())


def faiss_flat(rows: FloatMatrix) -> float:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    cosines, keys = index.search(rows, 2)
    return near_others(keys, cosines)


def faiss_graph(rows: FloatMatrix) -> float:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexHNSWFlat(rows.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.add(rows)
    cosines, keys = index.search(rows, 2)
    return near_others(keys, cosines)


def usearch_exact(rows: FloatMatrix) -> float:
    from usearch.index import MetricKind, search

    found = search(rows, rows, 2, MetricKind.IP, exact=True, threads=1)
    return near_others(found.keys, 1 - np.asarray(found.distances))


def usearch_graph(rows: FloatMatrix) -> float:
    from usearch.index import Index

    index = Index(ndim=rows.shape[1], metric="ip", dtype="f32")
    index.add(np.arange(len(rows)), rows, threads=1)
    found = index.search(rows, 2, threads=1)
    return near_others(found.keys, 1 - np.asarray(found.distances))


METHODS: Mapping[str, tuple[Task, str]] = {
    "product": (product, "numpy"),
    "ours": (ours, "collapse-pipeline"),
    "ours, drawn": (drawn, "collapse-pipeline"),
    "loop": (loop, ""),
    "scikit-learn brute": (scikit_learn, "scikit-learn"),
    "faiss flat": (faiss_flat, "faiss-cpu"),
    "faiss graph": (faiss_graph, "faiss-cpu"),
    "usearch exact": (usearch_exact, "usearch"),
    "usearch graph": (usearch_graph, "usearch"),
}
APPROXIMATE = ("ours, drawn", "faiss graph", "usearch graph")


def release(package: str) -> str | None:
    """The version that is installed, None where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def timed(task: Task, rows: FloatMatrix) -> tuple[float, float]:
    began = time.process_time()
    found = task(rows)
    return time.process_time() - began, found


def large(rows: FloatMatrix) -> bool:
    """Whether our figure is that of a draw."""
    return len(rows) > RATIO_ROWS


def compared(name: str, rows: FloatMatrix, repeats: int) -> list[dict[str, Any]]:
    """Every method on the same rows, in turns."""
    there = {
        method: task
        for method, (task, package) in METHODS.items()
        if (not package or release(package) is not None)
        and (large(rows) or method != "ours, drawn")  # a smaller batch is not drawn from
    }
    seconds = dict.fromkeys(there, float("inf"))
    found: dict[str, float] = {}
    for _ in range(repeats):
        for method, task in there.items():
            took, found[method] = timed(task, rows)
            seconds[method] = min(seconds[method], took)
            print(f"{name} {len(rows):,}: {method} {took:.1f} s", flush=True)
    tries = [nearest_neighbour_ratio(rows, seed=s) for s in range(DRAWS if large(rows) else 0)]
    seconds["loop"] *= (len(rows) - 1) / 2 / LOOPED  # each pair once
    return [
        {
            "vectors": name,
            "rows": len(rows),
            "method": method,
            "width": rows.shape[1],
            "version": release(METHODS[method][1]) if METHODS[method][1] else None,
            "seconds": seconds[method],
            "extrapolated": method == "loop",
            "of_product": seconds[method] / seconds["product"],
            "times_ours": seconds[method] / seconds["ours"],
            "ratio": None if method in ("product", "loop") else found[method],
            "agrees": abs(found[method] - found["ours"]) <= 2 / len(rows)  # pairs at the threshold
            if method not in (*APPROXIMATE, "product", "loop")
            else None,
            "recall": found[method] / found["ours"] if method in APPROXIMATE else None,
            "error_sd": float(np.std(tries, ddof=1)) if tries and method == "ours, drawn" else None,
        }
        for method in there
    ]


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, nargs="*", default=[5_000, 20_000, 100_000])
    asked.add_argument("--vectors", nargs="*", default=["random", "crowded", "real"])
    asked.add_argument("--repeats", type=int, default=3)
    options = asked.parse_args()
    made = {"random": random_rows, "crowded": crowded_rows, "real": real_rows}
    rows: list[dict[str, Any]] = []
    with threadpool_limits(1):
        for count in options.rows:
            repeats = 1 if count >= LARGE else options.repeats
            for name in options.vectors:
                vectors = np.ascontiguousarray(made[name](count), dtype=np.float32)
                rows += compared(name, vectors, repeats)
    columns = ["vectors", "rows", "method", "version", "seconds", "of_product", "times_ours"]
    report("self_similarity", [*columns, "ratio", "recall", "error_sd"], rows)
    sys.exit(0 if all(map(right, rows)) else 1)


def right(row: Mapping[str, Any]) -> bool:
    """What is promised of our exact figure: all agree, and it costs less than the product."""
    if row["agrees"] is False:
        return False
    if row["rows"] < PROMISED:
        return True
    if row["method"] == "ours":
        return bool(row["of_product"] <= 0.8)
    return row["method"] != "scikit-learn brute" or bool(row["times_ours"] >= 5)


if __name__ == "__main__":
    main()
