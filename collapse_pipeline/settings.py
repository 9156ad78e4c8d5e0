"""Settings: the only reader of the configuration and the environment. What it returns is frozen
and checked; other modules take it, and open no configuration themselves.

Order, later wins: `config/default.yaml`, the file of `--config`, the home's `corpora.yaml`, and
`--set` for one run. An unknown or repeated name is an error that says the file and the line.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from importlib import metadata
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from collapse_pipeline.backends.embedders.lsa import LsaEmbedderConfig
from collapse_pipeline.backends.embedders.minilm import MiniLmEmbedderConfig
from collapse_pipeline.backends.embedders.static import StaticEmbedderConfig
from collapse_pipeline.backends.judges.jury import JuryConfig
from collapse_pipeline.backends.judges.label_consistency import LabelConsistencyConfig
from collapse_pipeline.backends.judges.likelihood import LikelihoodConfig
from collapse_pipeline.backends.judges.rules import RulesConfig
from collapse_pipeline.backends.judges.style import StyleConfig
from collapse_pipeline.backends.students.gpt import GptConfig
from collapse_pipeline.backends.students.ngram import NgramConfig
from collapse_pipeline.backends.students.task import EmbeddingTaskConfig, TfidfTaskConfig
from collapse_pipeline.backends.teachers.faulty import FaultyTeacherConfig
from collapse_pipeline.backends.teachers.mixture import MixtureTeacherConfig
from collapse_pipeline.backends.teachers.replay import ReplayTeacherConfig
from collapse_pipeline.backends.teachers.simulated import SimulatedTeacherConfig
from collapse_pipeline.backends.teachers.student import StudentTeacherConfig
from collapse_pipeline.backends.whole_files import write_whole
from collapse_pipeline.backends.yaml_files import read_yaml
from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.loop.evaluate import EvaluatePolicy
from collapse_pipeline.loop.filter import FilterPolicy
from collapse_pipeline.loop.generate import GeneratePolicy
from collapse_pipeline.loop.judge import JudgePolicy
from collapse_pipeline.loop.mix import MixPolicy
from collapse_pipeline.loop.permit import GovernanceSettings
from collapse_pipeline.loop.release import ReleasePolicy
from collapse_pipeline.records import Frozen, days_before, is_day
from collapse_pipeline.worlds.reference import WORLDS

PACKAGE = Path(__file__).parent
PROJECT = PACKAGE.parent
CORPUS_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
HOME_VARIABLE = "COLLAPSE_PIPELINE_HOME"
CONFIG_VARIABLE = "COLLAPSE_PIPELINE_CONFIG"
# What a generator record pins besides the settings: what could change the numbers.
PINNED_PACKAGES = ("numpy", "scikit-learn", "tokenizers", "torch", "transformers", "rensa")

TeacherConfig = Annotated[
    StudentTeacherConfig
    | SimulatedTeacherConfig
    | ReplayTeacherConfig
    | MixtureTeacherConfig
    | FaultyTeacherConfig,
    Field(discriminator="kind"),
]
LanguageModelConfig = Annotated[NgramConfig | GptConfig, Field(discriminator="kind")]
TaskModelConfig = Annotated[TfidfTaskConfig | EmbeddingTaskConfig, Field(discriminator="kind")]
EmbedderConfig = Annotated[
    StaticEmbedderConfig | MiniLmEmbedderConfig | LsaEmbedderConfig, Field(discriminator="kind")
]
JudgeConfig = Annotated[
    JuryConfig | LikelihoodConfig | LabelConsistencyConfig | RulesConfig | StyleConfig,
    Field(discriminator="kind"),
]


class JudgeSettings(JudgePolicy):
    """How rows are judged, and by whom."""

    panel: JudgeConfig = JuryConfig()


class FilterSettings(FilterPolicy):
    """What is filtered, and with which vectors; without an embedder no semantic duplicates."""

    embedder: EmbedderConfig | None = StaticEmbedderConfig()


class GateSettings(Frozen):
    """Whether gates act, and how they are calibrated."""

    enforce: bool = True  # False: what is measured is written down, and nothing is stopped
    rows: int = Field(2_000, ge=50)  # drawn of a batch: figures of equal sizes are compared
    budget: float = Field(1 / 500, gt=0, le=0.1)  # false alarms a night, of all gates together
    replicates: int = Field(20, ge=8)  # chains of a calibration
    supported_share: float = Field(0.3, ge=0, le=1)  # synthetic share that needs no experiment
    suite_days: int = Field(180, ge=1)  # a shadow window older than this is no news


class CorpusSettings(Frozen):
    """Everything that decides what a generation of one corpus does."""

    seed: int = 17
    task_type: str = "text"
    generate: GeneratePolicy = GeneratePolicy()
    teacher: TeacherConfig = StudentTeacherConfig()
    student: LanguageModelConfig = NgramConfig()
    task: TaskModelConfig | None = TfidfTaskConfig()
    judge: JudgeSettings = JudgeSettings()
    filter: FilterSettings = FilterSettings()
    mix: MixPolicy = MixPolicy()
    evaluate: EvaluatePolicy = EvaluatePolicy()
    gates: GateSettings = GateSettings()
    release: ReleasePolicy = ReleasePolicy()
    governance: GovernanceSettings = GovernanceSettings()

    @model_validator(mode="after")
    def _can_be_pinned(self) -> Self:
        for place, value in _leaves(self.model_dump()):
            # JSON, in which a night pins its settings, has no infinity.
            if isinstance(value, float) and not isfinite(value):
                raise ValueError(f"{place} wants a finite number, got {value}")
        return self


class WorldArrival(Frozen):
    """How an embedded corpus's rows arrive."""

    rows: int = Field(16_000, ge=1_000)
    eval_share: float = Field(0.45, gt=0, lt=1)  # so that the long tail is large enough to decide
    initial_rows: int = Field(2_000, ge=100)
    nightly_rows: int = Field(200, ge=0)


class CorpusItem(Frozen):
    """One corpus of the configuration or of a home's `corpora.yaml`."""

    world: str | None = None  # an embedded reference world
    arrival: WorldArrival = WorldArrival()
    source: Mapping[str, Any] = Field(default_factory=dict)  # how it was added, for the record
    first_generation: str | None = None
    settings: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("world")
    @classmethod
    def _known(cls, world: str | None) -> str | None:
        if world is not None and world not in WORLDS:
            raise ValueError(f"no reference world of that name; there are {', '.join(WORLDS)}")
        return world

    @field_validator("first_generation", mode="before")
    @classmethod
    def _a_date(cls, day: object) -> object:
        # A date without quotes is a date to YAML, and to a person the same as one with.
        day = day.isoformat() if type(day) is date else day
        if isinstance(day, str) and not is_day(day):
            raise ValueError("no date such as 2026-11-20")
        return day


class ScheduleSettings(Frozen):
    """The nightly schedule, in UTC."""

    enabled: bool = False
    hour: int = Field(2, ge=0, le=23)
    minute: int = Field(0, ge=0, le=59)


class Settings(Frozen):
    """One home with its corpora."""

    home: Path
    config: Path | None = None
    defaults: Mapping[str, Any]
    schedule: ScheduleSettings = ScheduleSettings()
    corpora: Mapping[str, CorpusItem]  # the home's own, or the embedded ones
    embedded: Mapping[str, CorpusItem]
    ledger_url: str = ""  # "" is ledger.sqlite in the home
    store_url: str = ""  # "" is tables/ in the home
    store_options: Mapping[str, str] = Field(default_factory=dict)
    places: Mapping[str, str] = Field(default_factory=dict)  # file and line of every name

    def item(self, corpus: str) -> CorpusItem:
        """The corpus of that name.

        Raises:
            BadInputError: There is none.
        """
        known = {**self.embedded, **self.corpora}
        if corpus not in known:
            raise BadInputError(
                wanted=f"one of the corpora {', '.join(sorted(known))}",
                got=repr(corpus),
                do="mend the name, or add it with: collapse-pipeline corpus add",
            )
        return known[corpus]

    def corpus(self, name: str, overrides: Mapping[str, Any] | None = None) -> CorpusSettings:
        """The settings in force for one corpus, with overrides as nested mappings."""
        overrides = overrides or {}
        merged = merge(merge(self.defaults, self.item(name).settings), overrides)
        try:
            return CorpusSettings.model_validate(merged)
        except ValidationError as fault:
            given = {f"--set {key}": f"--set {key}" for key, _ in _leaves(overrides)}
            raise _bad_settings(
                fault,
                {**self.places, **given},
                ("--set ", f"corpora.{name}.settings.", "defaults."),
                f"the settings of {name}",
            ) from fault

    def has_own(self, corpus: str) -> bool:
        """Whether the home's own `corpora.yaml` has this corpus."""
        return corpus in self.corpora and self.corpora != self.embedded

    def first_generation(self, corpus: str, today: str) -> str:
        """The first night of a corpus: as it was added, else 30 days before today."""
        return self.item(corpus).first_generation or days_before(today, 30)


def today_utc() -> str:
    """Today's date in UTC; a generation of today is refreshed tomorrow night."""
    return datetime.now(UTC).date().isoformat()


def packages() -> dict[str, str]:
    """Versions of the packages that could change a night's numbers."""
    return {name: metadata.version(name) for name in PINNED_PACKAGES}


def load_settings(home: Path | None = None, config: Path | None = None) -> Settings:
    """Reads the configuration, the home's corpora and the environment.

    Raises:
        BadInputError: A file is missing, no YAML, or holds a name that is unknown or repeated.
    """
    home = (home or Path(os.environ.get(HOME_VARIABLE) or PROJECT / "data")).absolute()
    own_items = home / "corpora.yaml"
    try:
        if home.exists() and not home.is_dir():
            raise StoreError("a folder as home", f"the file {home}", "give another --home")
        has_own = own_items.exists()
    except OSError as fault:  # a name that is too long, a folder above it that may not be read
        got = fault.strerror or str(fault)
        raise StoreError(f"a home at {home}", got, "give another --home") from fault
    if config is None and os.environ.get(CONFIG_VARIABLE):
        config = Path(os.environ[CONFIG_VARIABLE])
    merged: dict[str, Any] = {}
    lines: dict[tuple[str, ...], str] = {}
    for path in (PACKAGE / "config" / "default.yaml", config):
        if path is not None:
            found, where = read_yaml(path)
            merged = merge(merged, found)
            lines |= where
    own, where = read_yaml(own_items) if has_own else ({}, {})
    lines |= {("corpora", *key): line for key, line in where.items()}
    embedded = merged.pop("corpora", {})
    places = {".".join(place): line for place, line in lines.items()}
    try:
        settings = Settings.model_validate(
            {
                **merged,
                "places": places,
                "home": home,
                "config": config,
                "embedded": embedded,
                "corpora": own or embedded,
            }
        )
    except ValidationError as fault:
        raise _bad_settings(fault, places, ("",), "the configuration") from fault
    for name in settings.corpora:
        check_name(name)
        settings.corpus(name)
    return settings


def check_name(corpus: str) -> str:
    """A corpus name that can be an asset key, a folder and a column value."""
    if not CORPUS_NAME.fullmatch(corpus):
        raise BadInputError(
            wanted="a corpus name of lower-case letters, digits and _, beginning with a letter",
            got=repr(corpus),
            do="choose another name",
        )
    return corpus


def write_corpus(home: Path, name: str, item: CorpusItem) -> None:
    """Adds or replaces an item of the home's `corpora.yaml`, in one rename.

    Raises:
        StoreError: The disk is full or read-only.
    """
    path = home / "corpora.yaml"
    items = read_yaml(path)[0] if path.exists() else {}
    items[name] = item.model_dump(mode="json", exclude_defaults=True)
    write_whole(path, yaml.safe_dump(items, sort_keys=True, allow_unicode=True))


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """`["mix.regime=replace"]` as nested mappings; values are YAML.

    Raises:
        BadInputError: No `=`, an empty key, or a value that is no YAML.
    """
    overrides: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not all(key.split(".")):
            raise BadInputError("--set key.path=value", repr(pair), "mend the option")
        try:
            nested: Any = yaml.safe_load(value) if value else ""
        except yaml.YAMLError as fault:
            raise BadInputError(f"a YAML value for {key}", repr(value), "quote it") from fault
        for part in reversed(key.split(".")):
            nested = {part: nested}
        overrides = merge(overrides, nested)
    return overrides


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings, the second winning. Another `kind` starts its part afresh."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            fresh = "kind" in value and value["kind"] != below.get("kind")
            merged[key] = dict(value) if fresh else merge(below, value)
        else:
            merged[key] = value
    return merged


def _leaves(tree: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, Any]]:
    """Every name of nested mappings with its value, `a.b` after `a`."""
    for key, value in tree.items():
        yield under + key, value
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{under}{key}.")


def _bad_settings(
    fault: ValidationError, places: Mapping[str, str], under: Sequence[str], what: str
) -> BadInputError:
    """The first thing that is wrong, and the file and line where it stands."""
    first = fault.errors()[0]
    parts = [str(part) for part in first["loc"]]
    names = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    where = next((places[u + n] for n in names for u in under if u + n in places), what)
    unknown = first["type"] == "extra_forbidden"
    value = first.get("input")
    secret = parts[:1] in (["store_options"], ["ledger_url"])  # they may hold keys and passwords
    shown = "" if unknown or secret or isinstance(value, Mapping) else f" ({value!r:.200})"
    reason = "unknown name" if unknown else first["msg"].removeprefix("Value error, ")
    got = f"{names[0] if names else 'the whole'}: {reason}{shown}"
    return BadInputError(f"good settings in {where}", got, "mend it")
