"""The judge `label_consistency`: does the text read as the label that it was written for?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from collapse_pipeline.ports import Bench, Judge, Judgement, TaskModel
from collapse_pipeline.records import Frozen, canonical_json, content_hash

PROBE_ROWS = 256  # human rows whose probabilities stand for the model in the judge's version
NOTHING_TO_SAY = Judgement(1.0)


class LabelConsistencyConfig(Frozen):
    """Chosen by `kind: label_consistency`.

    `veto_below` is small because rare labels look unlikely even where they are right. On 3,080
    real Banking77 rows 0.002 vetoes 0.6% of the right labels and 92% of random wrong ones.
    """

    kind: Literal["label_consistency"] = "label_consistency"
    veto_below: float = Field(0.002, ge=0, lt=1)

    def build(self, bench: Bench) -> Judge:
        """A judge that asks the baseline's task model, or the parent's while there is none."""
        source = bench.baseline or bench.parent
        task = source.task if source else None
        ids = [self.kind, canonical_json(self.model_dump(mode="json"))]
        if task is not None:
            probe = bench.human.select(["sample_id", "prompt"]).sort_by("sample_id")
            said = task.predict(probe["prompt"].slice(0, PROBE_ROWS).to_pylist())
            # Four digits: a version should not hang on the last bit of a sum.
            ids += [*said.labels, str(np.round(said.probabilities, 4).tolist())]
        return LabelConsistencyJudge(
            f"{self.kind}@{content_hash(*ids)[:12]}", task, self.veto_below
        )


@dataclass(frozen=True)
class LabelConsistencyJudge:
    """Scores a row by the calibrated probability of its stated label."""

    version: str
    task: TaskModel | None
    veto_below: float

    def judge(self, rows: pa.Table) -> list[Judgement]:
        """The probability of each stated label; below `veto_below` a veto that names the likelier.

        1 and no reason where there is nothing to ask: no task model, no label, or a label that
        the model has never seen.
        """
        if self.task is None or rows.num_rows == 0:
            return [NOTHING_TO_SAY] * rows.num_rows
        said = self.task.predict(rows["prompt"].to_pylist())
        column = {label: i for i, label in enumerate(said.labels)}
        stated = np.array([column.get(label, -1) for label in rows["label"].to_pylist()])
        given = said.probabilities[np.arange(len(stated)), stated].clip(0, 1).astype(np.float64)
        likeliest = said.probabilities.argmax(axis=1)
        confidence = said.confidence
        return [
            NOTHING_TO_SAY
            if stated[i] < 0
            else Judgement(float(given[i]))
            if stated[i] == likeliest[i]
            else Judgement(
                float(given[i]),
                (
                    f"reads as {said.labels[likeliest[i]]} ({confidence[i]:.2f}), "
                    f"not {said.labels[stated[i]]} ({given[i]:.3f})",
                ),
                veto=bool(given[i] < self.veto_below),
            )
            for i in range(len(stated))
        ]
