"""How fast the share of rows with a near neighbour is found, and how far the draw is from exact.

Run: OMP_NUM_THREADS=1 python benchmarks/neighbours.py [--rows 20000] [--large 100000] [--repeats 3]

Processor time on one thread, the best of the repeats, all in one run and taken in turns. `product`
is the full matrix product in the same blocks, without looking at it; `brute` is scikit-learn's
brute-force search for the nearest neighbour by cosine. Random vectors are near nothing but the
copies sown among them; crowded ones have a cosine of .8 with each other, so that bounds tell
nothing; real ones are short questions under the static embedder.
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from bench import DATA, report
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from collapse_pipeline.backends.embedders.static import StaticEmbedder
from collapse_pipeline.metrics.blocks import BLOCK
from collapse_pipeline.metrics.similarity import RATIO_DRAW, nearest_neighbour_ratio
from collapse_pipeline.ports import FloatMatrix

WIDTH = 384
THRESHOLD = 0.95
TEXTS = ("banking77", "clinc150_oos", "bitext_cs_intents", "multidogo_customer_turns")


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


def product(rows: FloatMatrix) -> None:
    """The full matrix product, block by block into the same memory."""
    space = np.empty(BLOCK * BLOCK, dtype=np.float32)
    for start in range(0, len(rows), BLOCK):
        left = rows[start : start + BLOCK]
        for first in range(0, len(rows), BLOCK):
            right = rows[first : first + BLOCK]
            shape = (len(left), len(right))
            np.dot(left, right.T, out=space[: shape[0] * shape[1]].reshape(shape))


def brute(rows: FloatMatrix) -> float:
    """The same share by scikit-learn."""
    search = NearestNeighbors(n_neighbors=1, algorithm="brute", metric="cosine").fit(rows)
    distance, _ = search.kneighbors()
    return float((distance[:, 0] <= 1 - THRESHOLD).mean())


def timed(task: Callable[[FloatMatrix], Any], rows: FloatMatrix) -> tuple[float, Any]:
    began = time.process_time()
    found = task(rows)
    return time.process_time() - began, found


def compared(name: str, rows: FloatMatrix, repeats: int) -> dict[str, Any]:
    """Exact share against full product and brute force."""
    tasks = (nearest_neighbour_ratio, product, brute)
    runs = [[timed(task, rows) for task in tasks] for _ in range(repeats)]
    exact, full, slow = (min(run[at][0] for run in runs) for at in range(3))
    return {
        "vectors": name,
        "rows": len(rows),
        "seconds": exact,
        "product_seconds": full,
        "brute_seconds": slow,
        "of_product": exact / full,
        "times_brute": slow / exact,
        "ratio": runs[0][0][1],
        "brute_ratio": runs[0][2][1],
    }


def drawn(name: str, rows: FloatMatrix, draws: int = 20) -> dict[str, Any]:
    """The draw of a large batch against all of its pairs."""
    seconds, exact = timed(lambda all: nearest_neighbour_ratio(all, exact_rows=len(all)), rows)
    tries = [
        timed(lambda all, seed=seed: nearest_neighbour_ratio(all, seed=seed), rows)
        for seed in range(draws)
    ]
    errors = np.array([found for _, found in tries]) - exact
    return {
        "vectors": name,
        "rows": len(rows),
        "seconds": min(took for took, _ in tries),
        "exact_seconds": seconds,
        "ratio": exact,
        "drawn_rows": RATIO_DRAW,
        "mean_error": float(errors.mean()),
        "error_sd": float(errors.std(ddof=1)),
        "largest_error": float(np.abs(errors).max()),
    }


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, default=20_000)
    asked.add_argument("--large", type=int, default=100_000)
    asked.add_argument("--repeats", type=int, default=3)
    options = asked.parse_args()
    with threadpool_limits(1):
        made = {"random": random_rows, "crowded": crowded_rows, "real": real_rows}
        rows = [compared(name, make(options.rows), options.repeats) for name, make in made.items()]
        large = [drawn(name, made[name](options.large)) for name in ("random", "real")]
    columns = ["vectors", "rows", "seconds", "product_seconds", "brute_seconds", "of_product"]
    columns += ["times_brute", "ratio", "exact_seconds", "mean_error", "error_sd", "largest_error"]
    report("neighbours", columns, [*rows, *large])
    right = all(
        row["of_product"] <= 0.8
        and row["times_brute"] >= 5
        and abs(row["ratio"] - row["brute_ratio"]) <= 2 / row["rows"]  # pairs at the threshold
        for row in rows
    )
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
