"""The self-consuming teacher: the parent release's own language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from collapse_pipeline.errors import BackendError
from collapse_pipeline.ports import Bench, Draft, LanguageModel, Night, Request, Teacher, World
from collapse_pipeline.records import Frozen, content_hash, derived_seed


class StudentTeacherConfig(Frozen):
    """Chosen by `kind: student`."""

    kind: Literal["student"] = "student"
    temperature: float = Field(1.0, gt=0)

    def check(self, world: World | None) -> None:
        """Any corpus has a student to write with from its second night on."""

    def build(self, bench: Bench) -> Teacher:
        """The parent's language model, else the human-only baseline's, as a teacher."""
        source = bench.parent or bench.baseline
        if source is None:
            raise BackendError(
                wanted="a released student or a baseline to write with",
                got="neither",
                do="run generation 0 first",
            )
        version = content_hash(bench.parent_version, str(self.temperature))[:12]
        return StudentTeacher(
            source.language, f"student@{version}", bench.parent_depth + 1, self.temperature
        )


@dataclass(frozen=True)
class StudentTeacher:
    """Samples the model; instructions mean nothing to it, openings begin its text."""

    language: LanguageModel
    version: str
    depth: int
    temperature: float

    def write(self, requests: Sequence[Request], night: Night) -> list[Draft]:
        """One draft a request; the whole batch is sampled in one seeded draw."""
        texts = self.language.sample(
            [r.label for r in requests],
            [r.opening for r in requests],
            derived_seed(night.seed, "student", night.ordinal),
            self.temperature,
        )
        return [Draft(prompt, response) for prompt, response in texts]
