"""Topics: clusters of real text's embedding, and how far the batch's shares of them lie."""

from collections import Counter

import numpy as np

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.draws import ordered_draw
from collapse_pipeline.metrics.histograms import jensen_shannon
from collapse_pipeline.ports import FloatMatrix
from collapse_pipeline.records import derived_seed

TOPICS = 40
ROWS_A_TOPIC = 25  # different human rows wanted for each topic
TOPIC_ROWS = 8192  # human rows that topics are fitted to; above, a seeded draw


def topic_divergence(synthetic: FloatMatrix, human: FloatMatrix, seed: int = 0) -> float:
    """Jensen-Shannon divergence of topics: k-means clusters of the human rows.

    Args:
        synthetic: (n_synthetic, width), float32, unit rows.
        human: (n_human, width), unit rows. Fitted to at most `TOPIC_ROWS` of them, each different
            row once; `TOPICS` clusters, fewer where there are not `ROWS_A_TOPIC` rows for each.
        seed: Of the clusters and of the draw; the same rows in any order give the same value.

    Returns:
        In [0, 1]; 0 when topics have equal shares. Never NaN. Another seed finds other topics.
        Trap: blind to what happens within a topic, so a generator that collapses label by label
        while labels are planned hardly moves it (use MMD and coverage); labels are topics, so it
        moves with the plan as the labels' divergence does.

    Raises:
        TooFewSamplesError: With fewer than two topics' worth of different human rows, or no
            synthetic row.

    Source:
        Lloyd 1982; Arthur and Vassilvitskii 2007 (k-means++).
    """
    fitted = ordered_draw(human, TOPIC_ROWS, derived_seed("topics", seed))
    fresh = np.ones(len(fitted), dtype=np.bool_)
    fresh[1:] = (fitted[1:] != fitted[:-1]).any(axis=1)
    topics = min(TOPICS, int(fresh.sum()) // ROWS_A_TOPIC)
    if topics < 2 or not len(synthetic):
        raise TooFewSamplesError(
            f"{2 * ROWS_A_TOPIC} different human rows and a synthetic one for topic_divergence",
            f"{int(fresh.sum())} and {len(synthetic)}",
            "measure more rows",
        )
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    start = derived_seed("centres", seed) % 2**32
    with threadpool_limits(1, "openmp"):  # threads add up in whatever order they end
        model = KMeans(topics, n_init=1, random_state=start).fit(fitted[fresh])
        ours, theirs = (
            Counter(map(str, model.predict(np.ascontiguousarray(rows, dtype=np.float32))))
            for rows in (synthetic, human)
        )
    return jensen_shannon(ours, theirs)
