"""Gate: what is measured, within which bounds, and what a breach does.

A gate is data (`config/gates.yaml`): one metric and its bound, or several that vote. Whether
tonight's figures lie within the bounds is said by `decide`; what follows, by `consequence`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.evaluate import AUDIT
from collapse_pipeline.metrics.catalogue import metric_named
from collapse_pipeline.metrics.evidence import Asset, Column, Metric, Need
from collapse_pipeline.metrics.trends import WINDOW
from collapse_pipeline.records import Frozen

Scope = Literal["", "label", "template", "teacher"]


class Outcome(StrEnum):
    """How a gate came out."""

    PASS = "pass"  # noqa: S105 - no password
    BREACH = "breach"
    NOT_APPLICABLE = "not_applicable"


class Action(StrEnum):
    """What a breach causes, besides what its severity does."""

    FREEZE_TEMPLATE = "freeze_template"
    FREEZE_NEWEST_TEMPLATES = "freeze_newest_templates"
    FREEZE_TEACHER = "freeze_teacher"
    FREEZE_JUDGE = "freeze_judge"
    LOWER_CAP = "lower_cap"
    INFUSE_HUMAN = "infuse_human"
    RAISE_REVIEW = "raise_review"
    REQUIRE_REVIEW = "require_review"
    ROLLBACK = "rollback"


class Trend(Frozen):
    """A sequential test over generations of one lineage; `trend_z` has its false alarms."""

    towards: Literal["above", "below"]
    z: float = Field(3.5, gt=0, allow_inf_nan=False)
    least: int = Field(4, ge=3, le=WINDOW)  # generations; fewer are no trend


class Bound(Frozen):
    """One of the forms: exactly one of the first five names is given."""

    at_most: FiniteFloat | None = None
    at_least: FiniteFloat | None = None
    worse_than: Literal["best", "baseline"] | None = None
    calibrated: Literal["above", "below", "either"] | None = None
    trend: Trend | None = None
    # With worse_than: the loss that is allowed, 0.02 is 2%.
    by: float = Field(0.0, ge=0, allow_inf_nan=False)
    # With calibrated: what is never a breach, however narrow the null; a figure may lie far from
    # what is usual and harm nobody.
    harmless: FiniteFloat | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Bound":
        forms = (self.at_most, self.at_least, self.worse_than, self.calibrated, self.trend)
        if sum(form is not None for form in forms) != 1:
            raise ValueError("one of at_most, at_least, worse_than, calibrated, trend is wanted")
        if self.harmless is not None and self.calibrated in (None, "either"):
            raise ValueError("harmless goes with calibrated: above or below")
        if self.by and self.worse_than is None:
            raise ValueError("by goes with worse_than")
        return self


class Condition(Frozen):
    """One metric and its bound."""

    metric: str
    bound: Bound
    column: Column = "prompt"
    suite: str = ""  # of a metric of the evaluation report

    @property
    def measured(self) -> str:
        """The metric of the catalogue: itself, or its ratio to what it is compared with."""
        reference = self.bound.worse_than
        return f"{self.metric}_over_{reference}" if reference else self.metric

    @property
    def statistic(self) -> str:
        """How the figure is named in calibrations and tables: `metric`, `metric.response`,
        `metric@suite`."""
        column = f".{self.column}" if self.column != "prompt" else ""
        return self.measured + column + (f"@{self.suite}" if self.suite else "")


def metric_of(statistic: str) -> Metric:
    """The metric behind the name of a figure."""
    return metric_named(statistic.partition("@")[0].partition(".")[0])


class Gate(Frozen):
    """One or several conditions, what a breach does, and why."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    name: str = Field(pattern=r"^[A-Za-z0-9_]+$")  # a check's name in Dagster, a part of keys
    asset: Asset
    of: tuple[Condition, ...]
    any: int = Field(1, ge=1)  # how many of the conditions make a breach
    per: Scope = ""  # one verdict for each label, template or teacher; such gates only warn
    least_rows: int = Field(200, ge=2)  # of a scope; fewer rows are not measured
    # Generations in a row; a night looks no further back than a trend does.
    persist: int = Field(1, ge=1, le=WINDOW, alias="for")
    severity: Literal["warn", "block"] = "warn"
    actions: tuple[Action, ...] = ()
    escalate: tuple[Action, ...] = ()  # further actions of the second breach in a row
    why: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _single(cls, data: Any) -> Any:
        """`metric` and `bound` on the gate itself stand for one condition."""
        if not isinstance(data, Mapping) or "of" in data or "metric" not in data:
            return data
        own = {name: data[name] for name in Condition.model_fields if name in data}
        rest = {name: value for name, value in data.items() if name not in own}
        return rest | {"of": [own]}

    @model_validator(mode="after")
    def _can_decide(self) -> "Gate":
        if not self.of:
            raise ValueError("a gate wants a metric with its bound")
        if self.any > len(self.of):
            raise ValueError(f"any: {self.any} of {len(self.of)} conditions can never happen")
        if self.per and self.severity == "block":
            raise ValueError("a gate per label, template or teacher can only warn")
        if self.per and any(condition.bound.calibrated for condition in self.of):
            raise ValueError("a gate per label, template or teacher has no null to calibrate by")
        names = [condition.statistic for condition in self.of]
        if len(set(names)) < len(names):
            raise ValueError("two conditions on the same figure")
        return self


def check_condition(gate: Gate, condition: Condition) -> None:
    """Looks for what a gate cannot know without the catalogue of metrics.

    Raises:
        BadInputError: The metric is unknown or measured elsewhere, or cannot be split, bounded or
            read as asked.
    """
    metric = metric_named(condition.measured)
    if metric.asset != gate.asset:
        raise BadInputError(
            f"a metric of {gate.asset} in gate {gate.name}",
            f"{metric.name}, which is measured on {metric.asset}",
            f"set asset: {metric.asset}, or choose another metric",
        )
    if bool(condition.suite) != (metric.asset == "eval_report" and metric.per_suite):
        raise BadInputError(
            f"gate {gate.name} to name a suite exactly where its metric has one",
            f"suite {condition.suite!r} for {metric.name}",
            "add or drop `suite`",
        )
    if condition.suite == AUDIT:
        raise BadInputError(
            f"a suite that decides something in gate {gate.name}",
            f"{AUDIT}, which no gate reads",
            "name another suite",
        )
    if condition.column != "prompt" and gate.asset != "synthetic_batch":
        raise BadInputError(
            f"a column in gate {gate.name} only where texts are measured",
            f"column {condition.column} for {metric.name} of {gate.asset}",
            "drop `column`",
        )
    if gate.per and gate.per not in metric.scopes:
        raise BadInputError(
            f"a metric that can be split by {gate.per} in gate {gate.name}",
            f"{metric.name}, by {', '.join(metric.scopes) or 'nothing'}",
            "drop `per`, or choose another metric",
        )
    if condition.bound.calibrated and not _replicated(metric):
        raise BadInputError(
            f"a calibrated bound in gate {gate.name} only on what replicate chains have",
            f"{metric.name} of {gate.asset}",
            "set at_most, at_least, worse_than or trend",
        )


def _replicated(metric: Metric) -> bool:
    """Whether replicate chains have this figure: they train no task model, judge no gold rows and
    release nothing."""
    if metric.asset == "eval_report":
        return Need.LABELS not in metric.needs and not metric.name.endswith("_over_best")
    return metric.asset not in ("training_mix", "release") and Need.GOLD not in metric.needs
