"""Where the rows of a training mix come from: their shares, their depth, and who wrote them.

Shares are of rows, not of weight: a mix whose synthetic rows count half still shows them whole.
A source is a name: its versions count as one, for a student that is refitted every night writes
under a new version each time and is the same voice.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.evidence import Metric, MixEvidence, Need
from collapse_pipeline.ports import IntVector
from collapse_pipeline.records import SYNTHETIC

Flags = npt.NDArray[np.bool_]


def synthetic_share(synthetic: Flags) -> float:
    """Share of rows that a machine wrote.

    Args:
        synthetic: (n_rows,), true for each such row. Rejected rows that serve as negatives count.

    Returns:
        Ratio in [0, 1]; 0 for human rows only, 1 for none. Never NaN.

    Raises:
        TooFewSamplesError: With no row.
    """
    if not len(synthetic):
        raise TooFewSamplesError("rows in the mix", "none", "mix again")
    return float(synthetic.mean())


def largest_share(synthetic: Flags, tasks: Sequence[str]) -> float:
    """The synthetic share of the task type that has the largest.

    Args:
        synthetic: (n_rows,), true for each row that a machine wrote.
        tasks: (n_rows,), the task type of each.

    Returns:
        Ratio in [0, 1]; 0 when all rows are human, 1 when a task has no human row. Trap: a task
        with few rows can be the largest by chance; it is one all the same.

    Raises:
        TooFewSamplesError: With no row.
    """
    names = np.array(tasks, dtype=object)
    return max((synthetic_share(synthetic[names == n]) for n in set(tasks)), default=0.0)


def mean_depth(depths: IntVector) -> float:
    """Mean number of synthetic hops since human text.

    Args:
        depths: (n_rows,), of synthetic rows, each 1 or more.

    Returns:
        1 when all were written by teachers of human text; rises as machines learn from machines;
        0 without synthetic rows. Trap: it is no share. A few deep rows beside many shallow ones
        hardly move it, so `depth_max` goes with it.
    """
    return float(depths.mean()) if len(depths) else 0.0


def dominant_share(sources: Iterable[str]) -> float:
    """Share of the rows that the source with most of them wrote.

    Args:
        sources: (n_rows,), the source of every synthetic row, `name@version`.

    Returns:
        Ratio in (0, 1]; 1 when there is one source only, 0 without rows. Trap: one source is
        normal where only one is in service; it tells nothing there.
    """
    counts = _by_name(sources)
    return max(counts.values()) / counts.total() if counts else 0.0


def concentration(sources: Iterable[str]) -> float:
    """Chance that two rows drawn at random come from the same source (Herfindahl's index).

    Args:
        sources: (n_rows,), the source of every synthetic row, `name@version`.

    Returns:
        Ratio in (0, 1]; 1 for a single source, 1/k for k equal ones, 0 without rows. Trap: two
        sources that say the same count as two.

    Source:
        Hirschman 1945; Herfindahl 1950.
    """
    counts = _by_name(sources)
    return float(sum((count / counts.total()) ** 2 for count in sorted(counts.values())))


def unsupported_share(share: float, *supported: float | None) -> float:
    """By how much a synthetic share lies above all that speaks for it.

    Args:
        share: Tonight's synthetic share.
        supported: Shares that are on record as safe, such as the highest that a gradient
            experiment supports and that of the release in force; None where there is none.

    Returns:
        In [0, 1]; 0 when the share is supported, the whole share when nothing is on record.
        Trap: shares move a little from night to night with the rows that pass the filter; the
        cap's own experiment supports them all, the last release's share may not.
    """
    return excess(share, max((s for s in supported if s is not None), default=0.0))


def excess(value: float, limit: float) -> float:
    """By how much a value lies above its limit; 0 where it does not."""
    return max(0.0, value - limit)


def _by_name(sources: Iterable[str]) -> Counter[str]:
    return Counter(source.partition("@")[0] for source in sources)


def _synthetic(mix: pa.Table) -> Flags:
    flags: Flags = pc.equal(mix["origin"], SYNTHETIC).to_numpy()
    return flags


def _written(evidence: MixEvidence) -> pa.Table:
    """The synthetic rows of the mix."""
    return evidence.mix.filter(pc.equal(evidence.mix["origin"], SYNTHETIC))


def _share(evidence: MixEvidence) -> float:
    return synthetic_share(_synthetic(evidence.mix))


def _human_share(evidence: MixEvidence) -> float:
    return synthetic_share(~_synthetic(evidence.mix))  # the same count, of the other rows


def _share_by_task(evidence: MixEvidence) -> float:
    return largest_share(_synthetic(evidence.mix), evidence.mix["task_type"].to_pylist())


def _depths(evidence: MixEvidence) -> IntVector:
    return np.asarray(_written(evidence)["depth"].to_numpy(), dtype=np.int64)


def _depth_max(evidence: MixEvidence) -> float:
    return float(_depths(evidence).max(initial=0))


def _unsupported(evidence: MixEvidence) -> float:
    return unsupported_share(_share(evidence), evidence.gradient_share, evidence.previous_share)


def _of(column: str, measure: Callable[[Iterable[str]], float]) -> Callable[[MixEvidence], float]:
    """A measure of the sources in one column of the synthetic rows."""
    return lambda evidence: measure(_written(evidence)[column].to_pylist())


METRICS = (
    Metric(
        name="synthetic_share",
        asset="training_mix",
        compute=_share,
        worse="above",
        meaning="Share of the training rows that a machine wrote.",
        scale="share",
    ),
    Metric(
        name="human_share",
        asset="training_mix",
        # Not 1 less the synthetic share, which at a floor of 0.2 comes to a little less.
        compute=_human_share,
        worse="below",
        meaning="Share of the training rows that people wrote.",
        scale="share",
    ),
    Metric(
        name="synthetic_share_by_task",
        asset="training_mix",
        compute=_share_by_task,
        worse="above",
        meaning="Synthetic share of the task type that has the largest.",
        scale="share",
    ),
    Metric(
        name="share_over_cap",
        asset="training_mix",
        compute=lambda evidence: excess(_share(evidence), evidence.cap),
        worse="above",
        meaning="By how much the synthetic share lies above the cap in force.",
        scale="share",
    ),
    Metric(
        name="depth_max",
        asset="training_mix",
        compute=_depth_max,
        worse="above",
        meaning="Most synthetic hops between a training row and human text.",
        scale="positive",
    ),
    Metric(
        name="depth_over_limit",
        asset="training_mix",
        compute=lambda evidence: excess(_depth_max(evidence), evidence.depth_limit),
        worse="above",
        meaning="By how many synthetic hops the deepest training row lies beyond the limit.",
        scale="positive",
    ),
    Metric(
        name="mean_depth",
        asset="training_mix",
        compute=lambda evidence: mean_depth(_depths(evidence)),
        worse="above",
        meaning="Mean number of synthetic hops between a synthetic row and human text.",
        scale="positive",
    ),
    Metric(
        name="dominant_teacher_share",
        asset="training_mix",
        compute=_of("teacher", dominant_share),
        worse="above",
        meaning="Share of the synthetic rows that one teacher wrote.",
        scale="share",
        needs=(Need.TEACHERS,),
    ),
    Metric(
        name="dominant_template_share",
        asset="training_mix",
        compute=_of("template", dominant_share),
        worse="above",
        meaning="Share of the synthetic rows that one template asked for.",
        scale="share",
        needs=(Need.TEMPLATES,),
    ),
    Metric(
        name="teacher_hhi",
        asset="training_mix",
        compute=_of("teacher", concentration),
        worse="above",
        meaning="Chance that two synthetic rows come from the same teacher.",
        scale="share",
        needs=(Need.TEACHERS,),
    ),
    Metric(
        name="template_hhi",
        asset="training_mix",
        compute=_of("template", concentration),
        worse="above",
        meaning="Chance that two synthetic rows come from the same template.",
        scale="share",
        needs=(Need.TEMPLATES,),
    ),
    Metric(
        name="leaked_rows",
        asset="training_mix",
        compute=lambda evidence: float(evidence.leaked),
        worse="above",
        meaning="Rows of the mix that give away a row that students are measured on.",
        scale="positive",
    ),
    Metric(
        name="share_without_experiment",
        asset="training_mix",
        compute=_unsupported,
        worse="above",
        meaning="How much of the synthetic share no experiment and no earlier release supports.",
        scale="share",
    ),
)
