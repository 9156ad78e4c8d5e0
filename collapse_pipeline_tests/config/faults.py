"""Ways to spoil a healthy night: a teacher's dial turned, a rigid template, a judge of style, rows
copied from where they must not come from, a student that stumbles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from collapse_pipeline.backends.teachers.simulated import SimulatedTeacherConfig
from collapse_pipeline.loop.calibrate import faults
from collapse_pipeline.loop.chain import weighted
from collapse_pipeline.loop.measure import Evidence
from collapse_pipeline.loop.mix import mix
from collapse_pipeline.metrics.evidence import (
    BatchEvidence,
    FilteredEvidence,
    JudgedEvidence,
    MixEvidence,
    ReportEvidence,
)
from collapse_pipeline.ports import Prediction, Student, TaskModel
from collapse_pipeline.records import DROPPED_BATCH, Template
from collapse_pipeline_tests.config.scene import NIGHT, READY, SEED, Scene

Made = Callable[[Scene], Evidence]


def with_column(rows: pa.Table, name: str, values: Sequence[Any]) -> pa.Table:
    place = rows.schema.get_field_index(name)
    column = rows.schema.field(place)
    return rows.set_column(place, column, pa.array(values, column.type))


def every(rows: pa.Table, nth: int, name: str, values: Sequence[Any]) -> pa.Table:
    """The rows with every `nth` value of a column taken from elsewhere."""
    own = enumerate(rows[name].to_pylist())
    return with_column(
        rows, name, [v if i % nth else values[i // nth % len(values)] for i, v in own]
    )


# Batches.

RIGID = Template(
    name="rigid",
    version="0",
    weight=4.0,
    body="",
    opening="Hello support team, I write to you today about the following {{ intent }} matter:",
)


def dials(**turned: float) -> Made:
    """What a teacher writes whose dials are turned."""
    return lambda s: s.batch(s.written(teacher=SimulatedTeacherConfig(**turned)))


def rigid(s: Scene) -> BatchEvidence:
    return s.batch(s.written(templates=[*s.parts.templates, RIGID]))


def long_winded(s: Scene) -> BatchEvidence:
    """Every message says a second thing."""
    texts = s.more["prompt"].to_pylist()
    said = [f"{one} {other}" for one, other in zip(texts, reversed(texts), strict=True)]
    return s.batch(with_column(s.more, "prompt", said))


def of_another_task(s: Scene) -> BatchEvidence:
    return s.batch(every(s.more, 3, "task_type", ["chat"]))


def repeating(nth: int) -> Made:
    """Every `nth` row says again what the night before kept."""

    def made(s: Scene) -> BatchEvidence:
        return s.batch(every(s.more, nth, "prompt", s.nights[0].kept["prompt"].to_pylist()))

    return made


def gushing(s: Scene) -> BatchEvidence:
    before = "Thank you so much for reaching out. I completely understand your frustration."
    after = "Please do not hesitate to contact us. Have a great day."
    texts = [f"{before} {text} {after}" for text in s.more["response"].to_pylist()]
    return s.batch(with_column(s.more, "response", texts))


# Judged and filtered batches.


def judging(panel: Any) -> Made:
    return lambda s: s.judged(panel)


def judging_what_is_wrong(s: Scene) -> JudgedEvidence:
    """The usual judge, asked about the batch of a bad teacher."""
    return s.judged(rows=s.written(teacher=SimulatedTeacherConfig(accuracy=0.3)))


def giving_suites_away(s: Scene) -> FilteredEvidence:
    return s.filtered(every(s.more, 5, "prompt", s.parts.suites["prompt"].to_pylist()))


def repeating_itself(s: Scene) -> FilteredEvidence:
    return s.filtered(every(s.more, 5, "prompt", s.more["prompt"].to_pylist()[:1]))


# Mixes.


def mixed(policy: dict[str, Any], **bounded_by: Any) -> Made:
    """A mix made under another policy than the one in force."""

    def made(s: Scene) -> MixEvidence:
        loose = s.parts.mix.model_copy(update=policy)
        written = [s.tonight.kept, s.nights[0].kept, s.sieved(s.more).kept]
        rows = mix(s.human, written, DROPPED_BATCH.empty_table(), loose, NIGHT, SEED).samples
        return s.mixed(rows, **bounded_by)

    return made


def leaking(s: Scene) -> MixEvidence:
    texts = s.parts.suites["prompt"].to_pylist()
    return s.mixed(every(s.mix, 9, "prompt", texts))


def too_deep(s: Scene) -> MixEvidence:
    return s.mixed(every(s.mix, 9, "depth", [3]))


def from_one(column: str) -> Made:
    """All synthetic rows come from one source."""

    def made(s: Scene) -> MixEvidence:
        alone = [value and "only@1" for value in s.mix[column].to_pylist()]
        return s.mixed(with_column(s.mix, column, alone))

    return made


# Reports.


@dataclass(frozen=True)
class Stumbles:
    """A task model that misreads some prompts, and is as good as before on all others."""

    task: TaskModel
    over: frozenset[str]

    def predict(self, prompts: Sequence[str]) -> Prediction:
        said = self.task.predict(prompts)
        chances = said.probabilities.copy()
        wrong = [row for row, prompt in enumerate(prompts) if prompt in self.over]
        chances[wrong] = chances[wrong][:, [-1, *range(len(said.labels) - 1)]]
        return Prediction(said.labels, chances)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def texts_of(s: Scene, suite: str) -> list[str]:
    """The texts of one suite that are in no other."""
    rows = zip(
        s.parts.suites["suite"].to_pylist(), s.parts.suites["prompt"].to_pylist(), strict=True
    )
    pairs = set(rows)
    others = {text for name, text in pairs if name != suite}
    return sorted(text for name, text in pairs if name == suite and text not in others)


def texts_of_a_group(s: Scene) -> list[str]:
    """The texts of the commonest group of people."""
    suites = s.parts.suites
    rows = zip(suites["prompt"].to_pylist(), suites["attributes"].to_pylist(), strict=True)
    locales = [(text, dict(pairs).get("locale", "")) for text, pairs in rows]
    names = [name for _, name in locales if name]
    chosen = max(sorted(set(names)), key=names.count)
    return sorted({text for text, name in locales if name == chosen})


def stumbling(over: Callable[[Scene], list[str]], nth: int) -> Made:
    """Every `nth` of some texts is misread."""

    def made(s: Scene) -> ReportEvidence:
        task = s.tonight.candidate.task
        assert task is not None
        clumsy = replace(s.tonight.candidate, task=Stumbles(task, frozenset(over(s)[::nth])))
        return ReportEvidence(s.reported(clumsy), [s.history])

    return made


def well_read(rows: pa.Table, s: Scene) -> Student:
    """Tonight's candidate with a language model of other rows."""
    language = s.parts.student.train(weighted(rows), SEED, s.tonight.baseline.language)
    return replace(s.tonight.candidate, language=language)


def fed_on_itself(s: Scene) -> ReportEvidence:
    """A student that has read nothing but one teacher's moulds."""
    narrow = s.written(teacher=SimulatedTeacherConfig(narrowness=0.7))
    return ReportEvidence(s.reported(well_read(narrow, s), narrow), [s.history])


def learnt_all_round(s: Scene) -> ReportEvidence:
    """Written text became easier, and real text did too, since a night with fewer human rows."""
    poorer = well_read(s.human.slice(0, s.human.num_rows // 3), s)
    return ReportEvidence(s.reported(), [s.reported(poorer, first=True)])


# Releases.


def ready(**over: int) -> Made:
    return lambda s: replace(READY, **over)


def calibrated_for(**facts: str) -> Made:
    """A release under a calibration that holds for other facts than tonight's."""

    def made(s: Scene) -> Evidence:
        said = faults(s.calibration, {**s.calibration.facts, **facts}, s.human.num_rows)
        return replace(READY, calibration_faults=len(said))

    return made
