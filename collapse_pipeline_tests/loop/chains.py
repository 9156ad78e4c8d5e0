"""What a chain in memory is made of, small enough for tests."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from collapse_pipeline.backends.embedders.static import StaticEmbedder
from collapse_pipeline.backends.judges.rules import RulesConfig
from collapse_pipeline.backends.stores.queries import band_matches
from collapse_pipeline.backends.students.ngram import NgramConfig
from collapse_pipeline.backends.teachers.student import StudentTeacherConfig
from collapse_pipeline.loop.chain import Parts
from collapse_pipeline.loop.filter import FilterPolicy
from collapse_pipeline.loop.generate import GeneratePolicy
from collapse_pipeline.loop.judge import JudgePolicy
from collapse_pipeline.loop.mix import MixPolicy
from collapse_pipeline.records import EVAL_SUITES, SuiteRecord, Template, samples_table
from collapse_pipeline_tests.samples import human_row

WORDS = ("card", "lost", "order", "late", "money", "back", "please", "why", "my", "the", "new")
PLAIN = Template(name="plain", version="1", body="One message about {{ intent }}.")
STANDARD = SuiteRecord(name="standard", version="standard1", rows=40)


def toy_human(rows: int = 160) -> pa.Table:
    """Rows of five words drawn from eleven, two labels."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 5)) for _ in range(rows)]
    return samples_table(
        human_row(text, "ab"[i % 2]) for i, text in enumerate(dict.fromkeys(texts))
    )


def suite_of(rows: pa.Table, name: str = "standard") -> pa.Table:
    """Human rows as a suite."""
    added = {"suite": name, "suite_version": f"{name}1", "window": ""}
    return samples_table([row | added for row in rows.to_pylist()], EVAL_SUITES)


def parts_of(**over: Any) -> Parts:
    """A student that feeds on itself, with light judging and filtering and no task model."""
    parts = Parts(
        corpus="toy",
        task_type="text",
        templates=[PLAIN],
        generate=GeneratePolicy(rows=120),
        judge=JudgePolicy(),
        filter=FilterPolicy(semantic=None, skeleton_quota_share=1.0),
        mix=MixPolicy(),
        teacher=StudentTeacherConfig(),
        panel=RulesConfig(),
        student=NgramConfig(vocabulary_size=300),
        task=None,
        embedder=None,
        suites=EVAL_SUITES.empty_table(),
        match=band_matches,
    )
    return replace(parts, **over)


@cache
def banking77(shared_data: Path, rows: int = 1000) -> tuple[Parts, pa.Table]:
    """Parts and human rows of a seeded draw of Banking77, with a standard suite of 300 rows."""

    def split(name: str, count: int) -> pa.Table:
        table = pq.read_table(shared_data / "banking77.parquet", filters=[("split", "=", name)])
        some = table.take(np.random.default_rng(1).permutation(table.num_rows)[:count]).to_pylist()
        return samples_table(human_row(row["text"], row["label"]) for row in some)

    parts = parts_of(
        generate=GeneratePolicy(rows=800),
        student=NgramConfig(),
        embedder=StaticEmbedder(),
        suites=suite_of(split("test", 300)),
    )
    return parts, split("train", rows)


def ungoverned(parts: Parts) -> Parts:
    """The same with a mix of synthetic rows alone, and a judge that accepts all."""
    policy = {"regime": "replace", "synthetic_cap": 1.0, "human_floor": 0.0, "depth_limit": 9}
    mix = parts.mix.model_copy(update=policy | {"synthetic_weight": 1.0})
    return replace(parts, mix=mix, judge=JudgePolicy(enforce=False))
