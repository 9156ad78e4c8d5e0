"""What a generation pins when it opens, and what a release pins when it is made."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field

from collapse_pipeline.loop.gate import Gate
from collapse_pipeline.records import Frozen, SuiteRecord, TablePin, Template, Verdict


class Parent(Frozen):
    """The release that a generation builds on; empty names mean the human-only baseline."""

    generation: str = ""
    model: str = ""
    depth: int = 0


class Brake(StrEnum):
    """What gates and persons can put in force for a night."""

    FROZEN = "frozen"  # a component version that is not used
    WAITS = "waits"  # a component version that no person has activated yet
    REFUSED = "refused"  # an earlier generation, written by a teacher that is frozen now
    CAP = "synthetic_cap"
    INFUSION = "infusion"  # weights of labels' human rows
    REVIEW_DENSITY = "review_density"
    REVIEW = "review"  # wanted before the next release


class InForce(Frozen):
    """One thing that a night obeys, and why."""

    what: Brake
    value: str | float | Mapping[str, float]  # `kind name@version`, a generation, a share, weights
    why: str
    since: str = ""  # the generation that caused it, or the day a person said so
    gate: str = ""  # the gate behind it, "" for a person's decision


class GeneratorRecord(Frozen):
    """Everything that a night reads, pinned when it opens; no later stage reads live state."""

    corpus: str
    generation: str
    ordinal: int
    attempt: int
    seed: int
    parent: Parent
    incumbent: Parent | None  # the release in force when the night opened
    best: Mapping[str, Parent]  # by primary suite, the best release so far
    baseline_model: str  # the last human-only refit before this night, "" in generation 0
    vocabulary_model: str  # whose tokenizer every student of this corpus shares
    line: tuple[str, ...]  # promoted generations before this one, oldest first
    line_pins: tuple[TablePin, ...]  # their kept rows, in the same order
    anchor: TablePin
    human_rows: int  # training rows of the anchor available this night
    suites_pin: TablePin
    suites: tuple[SuiteRecord, ...]
    templates: tuple[Template, ...]
    # The settings of the versions in service, overrides included; `in_force` lies on top of them.
    settings: Mapping[str, Any]
    packages: Mapping[str, str]
    configured: str = ""  # digest of the settings that were asked for
    in_force: tuple[InForce, ...] = ()
    review_density: float = 0.0  # share of the kept rows that persons are to review
    gates: tuple[Gate, ...] = ()
    applies: tuple[str, ...] = ()  # what this corpus has of what metrics need
    calibration: str = ""  # version of the nulls that gates read
    calibration_faults: tuple[str, ...] = ()  # why it does not hold for tonight
    gate_rows: int = 0  # drawn of a batch, and of what it is held against
    taught_by: str = ""  # the night whose human rows the teacher knows
    supported_share: float = 0.0  # largest synthetic share that an experiment on record supports

    @property
    def key(self) -> str:
        """Names this attempt in idempotency keys."""
        return f"{self.corpus}/{self.generation}/{self.attempt}"


class Manifest(Frozen):
    """What a release is: every version, table and model that it stands on."""

    corpus: str
    generation: str
    attempt: int
    verdict: Verdict
    blocked_by: tuple[str, ...]
    would_block: tuple[str, ...] = ()  # rules that were measured but not enforced
    reasons: Mapping[str, str] = Field(default_factory=dict)  # a sentence for each of both
    model: str
    baseline_model: str
    parent: Parent
    depth: int
    shares: Mapping[str, float]
    rows: Mapping[str, int]
    metrics: Mapping[str, float | None]
    released: Mapping[str, float | None]  # the same metrics for the release in force afterwards
    points: Mapping[str, float]  # primary metric by "suite@version"
    gain: str  # gain or loss against human-only, in words
    components: Mapping[str, str]
    tables: tuple[TablePin, ...]
    ledger_head: Mapping[str, int | str]  # seq and hash of the ledger's head before this
    checklist: tuple[Mapping[str, str | bool], ...] = ()  # seven dimensions, each with its evidence
