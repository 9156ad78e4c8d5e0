"""How widely a batch is spread over meanings, by its embeddings."""

import numpy as np

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.blocks import BLOCK, drawn, near_pairs
from collapse_pipeline.metrics.evidence import Metric, Need
from collapse_pipeline.ports import FloatMatrix, IntVector

CLUSTER_ROWS = 10_000  # above, a draw of as many is clustered
LARGEST = 10
NEAR = 0.9


def cluster_share(
    embeddings: FloatMatrix, threshold: float = NEAR, largest: int = LARGEST, seed: int = 0
) -> float:
    """Share of samples that lie in the largest clusters.

    A cluster is all samples that can be reached from one another by steps between samples that
    are at least `threshold` similar (single linkage); a sample that nothing is near is a cluster
    of its own. There is nothing to fit, so the value does not depend on a start or an order.

    Args:
        embeddings: (n_samples, width), float32, unit rows.
        threshold: Cosine similarity in [-1, 1].
        largest: How many clusters count.
        seed: Of the draw of `CLUSTER_ROWS` samples that stands for a larger batch.

    Returns:
        Ratio in (0, 1]; `largest` / n_samples when no two samples are alike, 1 when all lie in the
        largest clusters.

    Trap:
        Rises with the number of samples, at first slowly, then at once as clusters grow together
        (single linkage chains): compare equal sizes only. A short batch of up to `largest`
        clusters is at 1.

    Raises:
        TooFewSamplesError: With fewer than two rows.

    Source:
        Sneath 1957 (single linkage).
    """
    _require(len(embeddings), "cluster_share")
    if len(embeddings) > CLUSTER_ROWS:
        embeddings = embeddings[drawn(embeddings, CLUSTER_ROWS, seed)]
    sizes = np.sort(np.bincount(_clusters(embeddings, threshold)))[::-1]
    return float(sizes[:largest].sum() / len(embeddings))


def _clusters(embeddings: FloatMatrix, threshold: float) -> IntVector:
    """(n_samples,): the number of each sample's cluster."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    cluster = np.arange(len(embeddings))
    for later, earlier, _ in near_pairs(embeddings, threshold):
        ends = cluster[later], cluster[earlier]
        apart = ends[0] != ends[1]
        if apart.any():  # joined at once, so that a flood of copies keeps no list of its pairs
            edges = (ends[0][apart], ends[1][apart])
            shape = (len(embeddings), len(embeddings))
            graph = coo_array((np.ones(len(edges[0]), dtype=np.int8), edges), shape=shape)
            cluster = connected_components(graph, directed=False)[1].astype(np.int64)[cluster]
    return cluster


def vendi_score(embeddings: FloatMatrix) -> float:
    """Effective number of different samples: exp of the entropy of the similarities' eigenvalues.

    The n_samples x n_samples matrix of cosines has the same eigenvalues, but for zeros, as the
    width x width matrix of second moments: so no sample has to be drawn, and time is linear.

    Args:
        embeddings: (n_samples, width), float32, unit rows; zero rows (no words) are left out.

    Returns:
        At least 1, at most the smaller of n_samples and width; 1 when all samples are alike, k
        when they are k groups of equal size, each at right angles to the others.

    Trap:
        Rises with the number of samples, ever more slowly. Counts topics rather than wordings:
        it falls when topics go, and hardly when each topic is said in one way. A narrow embedder
        bounds it.

    Raises:
        TooFewSamplesError: With fewer than two rows that are not zero.

    Source:
        Friedman and Dieng 2023 (arXiv:2210.02410), section 3, with the cosine kernel.
    """
    rows, moments = 0, np.zeros((embeddings.shape[1], embeddings.shape[1]))
    for start in range(0, len(embeddings), BLOCK):
        block = embeddings[start : start + BLOCK]
        rows += int(block.any(axis=1).sum())
        moments += block.T @ block  # single precision within a block, double over them
    _require(rows, "vendi_score")
    values = np.linalg.eigvalsh(moments)
    shares = values[values > 0] / values[values > 0].sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _require(rows: int, name: str) -> None:
    if rows < 2:
        raise TooFewSamplesError(f"2 rows or more for {name}", str(rows), "measure a larger batch")


METRICS = (
    Metric(
        "cluster_share",
        "synthetic_batch",
        lambda e: cluster_share(e.synthetic.embeddings, seed=e.seed),
        "above",
        f"Rows in the {LARGEST} largest clusters of rows that mean nearly the same.",
        "share",
        (Need.EMBEDDINGS,),
        ("label", "template", "teacher"),
    ),
    Metric(
        "vendi_score",
        "synthetic_batch",
        lambda e: vendi_score(e.synthetic.embeddings),
        "below",
        "How many different meanings the batch amounts to.",
        "positive",
        (Need.EMBEDDINGS,),
        ("label", "template", "teacher"),
    ),
)
