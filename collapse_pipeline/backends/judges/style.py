"""The judge `style`: how much of a style a text has, whatever it says. A fault, for drills."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from collapse_pipeline.metrics.judging import list_marks
from collapse_pipeline.metrics.manners import politeness
from collapse_pipeline.ports import Bench, FloatVector, Judge, Judgement
from collapse_pipeline.records import Frozen, canonical_json, content_hash

Mark = Literal["length", "politeness", "lists"]


class StyleConfig(Frozen):
    """Chosen by `kind: style`.

    What language models that judge are known to lean towards: long texts, polite ones, lists.
    Such a judge does harm; it is here so that a drill can put one into service, alone or as a
    member of a jury, and see whether it is found. No default uses it.
    """

    kind: Literal["style"] = "style"
    likes: tuple[Mark, ...] = Field(("length", "politeness"), min_length=1)

    def build(self, bench: Bench) -> Judge:
        """The judge, with the human rows' marks as its scale."""
        human = _written(bench.human)
        scales = {mark: np.sort(MARKS[mark](human)) for mark in self.likes}
        said = [self.model_dump(mode="json"), {m: s.tolist() for m, s in scales.items()}]
        return StyleJudge(f"{self.kind}@{content_hash(canonical_json(said))[:12]}", scales)


@dataclass(frozen=True)
class StyleJudge:
    """Scores a row by its marks' places among those of the human rows."""

    version: str
    scales: Mapping[Mark, FloatVector]  # (n_human,) ascending, of each mark that it likes

    def judge(self, rows: pa.Table) -> list[Judgement]:
        """The share of human rows with less of a mark, of those with as much a half; the mean
        over marks. Never a reason or a veto."""
        written = _written(rows)
        places = [_place(MARKS[mark](written), scale) for mark, scale in self.scales.items()]
        return [Judgement(float(score)) for score in np.mean(places, axis=0)]


def _written(rows: pa.Table) -> list[str]:
    """Responses; the prompt of a row that has none."""
    pairs = zip(rows["prompt"].to_pylist(), rows["response"].to_pylist(), strict=True)
    return [response or prompt for prompt, response in pairs]


def _place(marks: FloatVector, scale: FloatVector) -> FloatVector:
    """(n_rows,) in [0, 1]; a half where there is nothing to compare with."""
    if not len(scale):
        return np.full(len(marks), 0.5)
    below, up_to = (np.searchsorted(scale, marks, side) for side in ("left", "right"))
    places: FloatVector = (below + up_to) / (2 * len(scale))
    return places


def _words(texts: Sequence[str]) -> FloatVector:
    return np.array([len(text.split()) for text in texts], dtype=np.float64)


def _lists(texts: Sequence[str]) -> FloatVector:
    return np.array([list_marks(text) for text in texts], dtype=np.float64)


MARKS: Mapping[Mark, Callable[[Sequence[str]], FloatVector]] = {
    "length": _words,
    "politeness": politeness,
    "lists": _lists,
}
