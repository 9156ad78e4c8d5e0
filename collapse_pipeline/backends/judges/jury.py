"""The judge `jury`: a weighted mean of other judges, each with a veto."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from collapse_pipeline.backends.judges.label_consistency import LabelConsistencyConfig
from collapse_pipeline.backends.judges.likelihood import LikelihoodConfig
from collapse_pipeline.backends.judges.rules import RulesConfig
from collapse_pipeline.backends.judges.style import StyleConfig
from collapse_pipeline.ports import Bench, Judge, Judgement
from collapse_pipeline.records import Frozen, canonical_json, content_hash

Member = Annotated[
    RulesConfig | LikelihoodConfig | LabelConsistencyConfig | StyleConfig,
    Field(discriminator="kind"),
]
MemberKind = Literal["rules", "likelihood", "label_consistency", "style"]


class JuryConfig(Frozen):
    """Chosen by `kind: jury`. A member without an entry in `weights` weighs 1; a member of
    weight 0 has its veto and no say in the score."""

    kind: Literal["jury"] = "jury"
    members: tuple[Member, ...] = (RulesConfig(), LikelihoodConfig(), LabelConsistencyConfig())
    weights: Mapping[MemberKind, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _each_kind_once(self) -> Self:
        kinds = Counter(member.kind for member in self.members)
        twice = [kind for kind, count in kinds.items() if count > 1]
        if not kinds or twice:
            raise ValueError(f"a jury has members, each kind once; twice here: {twice}")
        if strangers := sorted(set(self.weights) - set(kinds)):
            raise ValueError(f"weights of no member: {strangers}")
        if not sum(self.weights.get(member.kind, 1.0) for member in self.members) > 0:
            raise ValueError("a jury needs a member of weight above 0")
        return self

    def build(self, bench: Bench) -> "Jury":
        """The jury of all members, built for one night.

        Raises:
            BadInputError: When a member cannot be built.
        """
        judges: dict[str, Judge] = {member.kind: member.build(bench) for member in self.members}
        weights: dict[str, float] = {
            member.kind: self.weights.get(member.kind, 1.0) for member in self.members
        }
        versions = [judge.version for judge in judges.values()]
        version = content_hash(canonical_json(weights), *versions)[:12]
        return Jury(f"{self.kind}@{version}", judges, weights)


@dataclass(frozen=True)
class Jury:
    """Several judges as one."""

    version: str
    members: Mapping[str, Judge]
    weights: Mapping[str, float]  # of the same names; not all 0

    def judge(self, rows: pa.Table) -> list[Judgement]:
        """One judgement a row, in order."""
        return self.combine(self.judge_each(rows))

    def judge_each(self, rows: pa.Table) -> dict[str, list[Judgement]]:
        """Each member's judgements by its kind."""
        return {name: judge.judge(rows) for name, judge in self.members.items()}

    def combine(self, each: Mapping[str, Sequence[Judgement]]) -> list[Judgement]:
        """The weighted mean of the scores, with any veto; reasons begin with the member's kind."""
        total = sum(self.weights[name] for name in each)
        share = {name: self.weights[name] / total for name in each}
        return [
            Judgement(
                min(
                    1.0, sum(share[name] * said.score for name, said in zip(each, row, strict=True))
                ),
                tuple(
                    f"{name}: {reason}"
                    for name, said in zip(each, row, strict=True)
                    for reason in said.reasons
                ),
                any(said.veto for said in row),
            )
            for row in zip(*each.values(), strict=True)
        ]
