"""Judge: scores every written row and marks the rows to keep, label by label."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from collapse_pipeline.errors import BackendError, BadInputError
from collapse_pipeline.ports import FloatVector, Judge, Judgement
from collapse_pipeline.records import DROPPED_BATCH, JUDGED_BATCH, SAMPLE, Frozen, derived_seed


class JudgePolicy(Frozen):
    """How many rows are kept, and which.

    Keeping is by quota within each label, never by score across labels: a judge finds common
    labels and tidy text easier, so the best of all would be the head without its tail.
    """

    enforce: bool = True  # False: everything is scored and accepted
    keep_share: float = Field(0.8, gt=0, le=1)  # of each label's rows, rounded up
    select: Literal["lottery", "rank"] = "lottery"


@runtime_checkable
class Panel(Protocol):
    """A judge made of several, which can show what each of them said."""

    def judge_each(self, rows: pa.Table) -> dict[str, list[Judgement]]:
        """Each member's judgements by the member's name."""
        ...

    def combine(self, each: Mapping[str, Sequence[Judgement]]) -> list[Judgement]:
        """The panel's own judgements from those of its members."""
        ...


def judge_batch(
    rows: pa.Table, judge: Judge, wanted: Mapping[str, int] | None, policy: JudgePolicy, seed: int
) -> pa.Table:
    """A JUDGED_BATCH: the rows with score, scores by member, reasons and `accepted`.

    Args:
        rows: What a teacher wrote, SAMPLE columns.
        judge: Scores it; its version goes into column `judge`.
        wanted: How many rows of a label to keep at most. A label that is not named keeps
            `policy.keep_share` of its rows, like all of them with None.
        policy: How to keep.
        seed: Of the lottery; a row's ticket depends on its id and not on its place.

    Returns:
        All rows in their order. A vetoed row is never accepted, and a row that is not accepted
        has at least one reason, unless `policy.enforce` is False.

    Raises:
        BackendError: When the judge leaves rows out, or gives a score outside [0, 1].
        BadInputError: When a wanted number is negative.
    """
    if wanted and min(wanted.values()) < 0:
        raise BadInputError(
            "numbers of rows to keep", str(min(wanted.values())), "ask for 0 or more"
        )
    each = judge.judge_each(rows) if isinstance(judge, Panel) else {}
    verdicts = judge.combine(each) if isinstance(judge, Panel) else judge.judge(rows)
    each = each or {judge.version.split("@")[0]: verdicts}
    for name, judgements in {**each, judge.version: verdicts}.items():
        _check(name, judgements, rows.num_rows)
    scores = np.array([verdict.score for verdict in verdicts], dtype=np.float64)
    reasons = [list(verdict.reasons) for verdict in verdicts]
    accepted = np.ones(rows.num_rows, dtype=np.bool_)
    if policy.enforce:
        labels = rows["label"].to_pylist()
        order = _order(scores, rows["sample_id"].to_pylist(), policy, seed)
        accepted = _keep(labels, verdicts, order, wanted or {}, policy.keep_share)
        for i in np.flatnonzero(~accepted):
            if not verdicts[i].veto:
                of_label = f" for label {labels[i]}" if labels[i] else ""
                reasons[i].append(f"below quota{of_label}")
            elif not reasons[i]:
                reasons[i].append("vetoed")
    members = zip(*([j.score for j in judgements] for judgements in each.values()), strict=True)
    columns = {name: rows[name] for name in SAMPLE.names} | {
        "judge": [judge.version] * rows.num_rows,
        "score": scores,
        "scores": [list(zip(each, member, strict=True)) for member in members],
        "accepted": accepted,
        "reasons": reasons,
    }
    return pa.table(columns, schema=JUDGED_BATCH)


def _order(scores: FloatVector, ids: Sequence[str], policy: JudgePolicy, seed: int) -> FloatVector:
    """(n_rows,) by which rows are taken, highest first; ties are broken by lot.

    The lottery draws without replacement with chances by score (Efraimidis and Spirakis 2006):
    the key of a row is log(u) / score for u uniform in (0, 1).
    """
    tickets = np.array([(derived_seed(seed, i) + 0.5) / 2.0**63 for i in ids], dtype=np.float64)
    # A score of 0 counts as next to nothing: such a row is taken when no other is left.
    weighted = np.log(tickets) / np.maximum(scores, 1e-12)
    keys = scores if policy.select == "rank" else weighted
    order = np.empty(len(ids))
    order[np.lexsort((tickets, keys))] = np.arange(len(ids))
    return order


def _keep(
    labels: Sequence[str],
    verdicts: Sequence[Judgement],
    order: FloatVector,
    wanted: Mapping[str, int],
    keep_share: float,
) -> npt.NDArray[np.bool_]:
    """(n_rows,) true for the rows kept: of each label the highest in order, up to its quota."""
    accepted = np.zeros(len(labels), dtype=np.bool_)
    rows_of: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        rows_of.setdefault(label, []).append(i)
    for label, members in rows_of.items():
        # The rounding keeps 0.8 * 5 from becoming 4.0000001 and then 5.
        quota = wanted.get(label, ceil(round(keep_share * len(members), 9)))
        fit = [i for i in members if not verdicts[i].veto]
        fit.sort(key=lambda i: order[i], reverse=True)
        accepted[fit[:quota]] = True
    return accepted


def _check(name: str, judgements: Sequence[Judgement], rows: int) -> None:
    if len(judgements) != rows:
        raise BackendError(
            f"{rows} judgements of {name}", str(len(judgements)), "mend or freeze this judge"
        )
    for judgement in judgements:
        if not 0 <= judgement.score <= 1:  # NaN is not in there either
            raise BackendError(
                f"scores of {name} in [0, 1]", str(judgement.score), "mend or freeze this judge"
            )


def rejected(judged: pa.Table) -> pa.Table:
    """Rows that the judge did not accept, as `mix` takes them: DROPPED_BATCH, in their order."""
    out = judged.filter(pc.invert(judged["accepted"]))
    first = [str(reasons[0]) if reasons else "rejected" for reasons in out["reasons"].to_pylist()]
    columns: dict[str, Any] = {name: out[name] for name in SAMPLE.names} | {
        "stage": ["judge"] * len(first),
        "reason": [reason.partition(":")[0].partition(" for label")[0] for reason in first],
        "duplicate_of": [""] * len(first),
    }
    return pa.table(columns, schema=DROPPED_BATCH)
