"""The nouns: table schemas and small frozen models. Dates are ISO strings, `2026-11-20`."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

HUMAN = "human"
SYNTHETIC = "synthetic"

SAMPLE = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("generation", pa.string(), nullable=False),  # "" for human rows
        pa.field("task_type", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),  # "" where the corpus has no labels
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("response", pa.string(), nullable=False),  # "" where there is none
        pa.field("origin", pa.string(), nullable=False),  # human | synthetic
        pa.field("depth", pa.int32(), nullable=False),
        pa.field("teacher", pa.string(), nullable=False),  # name@version, "" for human rows
        pa.field("template", pa.string(), nullable=False),
        pa.field("judge", pa.string(), nullable=False),
        pa.field("parent_ids", pa.list_(pa.string()), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("available_from", pa.string(), nullable=False),
        pa.field("attributes", pa.map_(pa.string(), pa.string()), nullable=False),
    ]
)


def extended(*fields: pa.Field) -> pa.Schema:
    """The sample schema with further columns behind it."""
    return pa.schema([*SAMPLE, *fields])


HUMAN_ANCHOR = extended(
    pa.field("split", pa.string(), nullable=False),  # train | eval | withheld
    pa.field("near_group", pa.string(), nullable=False),  # rows that nearly repeat each other
    pa.field("source_row", pa.int64(), nullable=False),
)
EVAL_SUITES = extended(
    pa.field("suite", pa.string(), nullable=False),
    pa.field("suite_version", pa.string(), nullable=False),
    pa.field("window", pa.string(), nullable=False),  # month of a moving suite, else ""
)
QUARANTINED_ROWS = pa.schema(
    [
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("source_row", pa.int64(), nullable=False),  # 0-based row of the source file
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("raw", pa.string(), nullable=False),  # the row as JSON, bad bytes escaped
    ]
)
JUDGED_BATCH = extended(
    pa.field("score", pa.float64(), nullable=False),  # higher is better, [0, 1]
    pa.field("scores", pa.map_(pa.string(), pa.float64()), nullable=False),  # by member
    pa.field("accepted", pa.bool_(), nullable=False),
    pa.field("reasons", pa.list_(pa.string()), nullable=False),
)
DROPPED_BATCH = extended(
    pa.field("stage", pa.string(), nullable=False),  # generate | judge | filter
    pa.field("reason", pa.string(), nullable=False),
    pa.field("duplicate_of", pa.string(), nullable=False),  # sample_id, "" where it is none
)
TRAINING_MIX = extended(
    pa.field("weight", pa.float64(), nullable=False),
    pa.field("role", pa.string(), nullable=False),  # positive | negative
    pa.field("written_in", pa.string(), nullable=False),  # generation of a row, "" for human ones
)
EVAL_REPORT = pa.schema(
    [
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("generation", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),  # candidate | incumbent | best | baseline
        pa.field("suite", pa.string(), nullable=False),
        pa.field("suite_version", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("scope", pa.string(), nullable=False),  # a label, or "" for the whole suite
        pa.field("value", pa.float64(), nullable=False),  # NaN where it could not be computed
        pa.field("low", pa.float64(), nullable=True),  # one-sided 97.5% bounds where there are any
        pa.field("high", pa.float64(), nullable=True),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("note", pa.string(), nullable=False),
    ]
)
GATE_VALUES = pa.schema(
    [
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("generation", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("asset", pa.string(), nullable=False),
        pa.field("gate", pa.string(), nullable=False),
        pa.field("scope", pa.string(), nullable=False),  # a label, template or teacher, else ""
        pa.field("statistic", pa.string(), nullable=False),  # metric, metric.column, metric@suite
        pa.field("value", pa.float64(), nullable=False),  # NaN where it could not be computed
        pa.field("low", pa.float64(), nullable=True),
        pa.field("high", pa.float64(), nullable=True),
        pa.field("bound", pa.string(), nullable=False),  # in words
        pa.field("exceeded", pa.bool_(), nullable=False),  # this figure, tonight
        pa.field("raised", pa.bool_(), nullable=False),  # the gate, tonight, before `for`
        pa.field("outcome", pa.string(), nullable=False),  # the gate: pass | breach | ...
        pa.field("severity", pa.string(), nullable=False),  # warn | block
        pa.field("actions", pa.list_(pa.string()), nullable=False),
        pa.field("blamed", pa.list_(pa.string()), nullable=False),  # kind name@version
        pa.field("examples", pa.list_(pa.string()), nullable=False),  # sample ids
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("depth", pa.int32(), nullable=False),
        pa.field("calibration", pa.string(), nullable=False),
        pa.field("note", pa.string(), nullable=False),
    ]
)
EXPERIMENT_VALUES = pa.schema(
    [
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("generation", pa.string(), nullable=False),  # the night whose human rows it knew
        pa.field("experiment", pa.string(), nullable=False),  # hash of all that it was made of
        pa.field("kind", pa.string(), nullable=False),  # ratio | ablation
        pa.field("variant", pa.string(), nullable=False),  # `30%`, or the link that was left out
        pa.field("share", pa.float64(), nullable=False),  # synthetic share that was asked for
        pa.field("reached", pa.float64(), nullable=False),  # that the mix of this turn has
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("turn", pa.int32(), nullable=False),
        pa.field("depth", pa.int32(), nullable=False),
        pa.field("promoted", pa.bool_(), nullable=False),  # false: held back in memory
        pa.field("model", pa.string(), nullable=False),  # candidate | baseline | released
        pa.field("suite", pa.string(), nullable=False),  # also: written, mix
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),  # NaN where it could not be computed
        pa.field("rows", pa.int64(), nullable=False),
    ]
)
MINHASH_BANDS = pa.schema(
    [
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("generation", pa.string(), nullable=False),
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("band", pa.int32(), nullable=False),
        pa.field("key", pa.int64(), nullable=False),
    ]
)

TABLES: dict[str, pa.Schema] = {
    "human_anchor": HUMAN_ANCHOR,
    "eval_suites": EVAL_SUITES,
    "quarantined_rows": QUARANTINED_ROWS,
    "synthetic_batch": SAMPLE,
    "judged_batch": JUDGED_BATCH,
    "judged_gold": JUDGED_BATCH,  # human rows that the judge was asked about
    "filtered_batch": SAMPLE,
    "dropped_batch": DROPPED_BATCH,
    "training_mix": TRAINING_MIX,
    "eval_report": EVAL_REPORT,
    "gate_values": GATE_VALUES,
    "experiment_values": EXPERIMENT_VALUES,
    "minhash_bands": MINHASH_BANDS,
}


def content_hash(*parts: str) -> str:
    """128-bit BLAKE2b of the parts, hex; the parts are kept apart by their lengths."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with one spelling per value, to be hashed or compared."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def derived_seed(*parts: str | int) -> int:
    """A 63-bit seed from names and numbers, the same on every machine."""
    return int(content_hash(*map(str, parts))[:16], 16) >> 1


def human_sample_id(corpus: str, label: str, prompt: str, response: str) -> str:
    """The id of a real row: the same words in the same corpus are the same row."""
    return content_hash(corpus, HUMAN, label, prompt, response)


def synthetic_sample_id(
    corpus: str, generation: str, seed: int, label: str, prompt: str, response: str
) -> str:
    """The id of a written row; two equal texts of one batch differ by their seed."""
    return content_hash(corpus, SYNTHETIC, generation, str(seed), label, prompt, response)


def samples_table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema = SAMPLE) -> pa.Table:
    """Rows as a table of `schema`."""
    return pa.Table.from_pylist(list(rows), schema=schema)


def table_digest(table: pa.Table) -> str:
    """Digest of a table's sorted rows: equal rows in any order give the same digest.

    Floats count by their exact bits. Columns count by name, so their order does not matter.
    """
    names = sorted(table.column_names)
    rows = sorted(
        canonical_json(row)
        for batch in table.select(names).to_batches(max_chunksize=4096)
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    )
    digest = hashlib.blake2b(digest_size=16)
    digest.update(canonical_json(names).encode())
    for row in rows:
        digest.update(row.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


class Frozen(BaseModel):
    """Base of the small models: immutable, nothing unknown accepted."""

    # Built when first used: most are not by a code location that only lists the assets.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


class Component(StrEnum):
    """Anything with versions that can be frozen and rolled back."""

    TEMPLATE = "template"
    TEACHER = "teacher"
    JUDGE = "judge"
    MIX_POLICY = "mix_policy"
    GATE_CALIBRATION = "gate_calibration"
    EVAL_SUITE = "eval_suite"


class Version(Frozen):
    """One version of a component; written `name@version`."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class Template(Frozen):
    """What a teacher is asked for. Its version is the hash of its file.

    `labels` empty means every label. `body` instructs a teacher that follows instructions,
    `opening` starts the text of a plain language model. Both are Jinja2 source.
    """

    name: str
    version: str
    labels: tuple[str, ...] = ()
    weight: float = 1.0
    body: str
    opening: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class TablePin(Frozen):
    """One table of one generation as it was: Delta version, row count, digest of sorted rows."""

    table: str
    version: int
    rows: int
    digest: str


class SuiteRecord(Frozen):
    """A suite as pinned for a night, or why there is none."""

    name: str
    version: str = ""
    rows: int = 0
    applicable: bool = True
    reason: str = ""


class Verdict(StrEnum):
    """How a generation ended."""

    PROMOTED = "promoted"
    QUARANTINED = "quarantined"
    FAILED = "failed"


def is_day(text: str) -> bool:
    """Whether this is a date as the tables have it, `2026-11-20`."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def days_before(day: str, days: int) -> str:
    """The ISO date `days` before `day`."""
    return date.fromordinal(date.fromisoformat(day).toordinal() - days).isoformat()


def labels_of(table: pa.Table) -> Sequence[str]:
    """The distinct labels of a table, sorted; empty where the corpus has none."""
    return sorted(set(table["label"].to_pylist()) - {""})
