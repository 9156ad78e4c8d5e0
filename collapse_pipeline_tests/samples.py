"""Small sample tables for tests."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from collapse_pipeline.records import (
    HUMAN,
    SYNTHETIC,
    human_sample_id,
    samples_table,
    synthetic_sample_id,
)


def human_row(prompt: str, label: str = "", **over: Any) -> dict[str, Any]:
    response = over.get("response", "")
    return {
        "sample_id": human_sample_id("toy", label, prompt, response),
        "corpus": "toy",
        "generation": "",
        "task_type": "text",
        "label": label,
        "prompt": prompt,
        "response": response,
        "origin": HUMAN,
        "depth": 0,
        "teacher": "",
        "template": "",
        "judge": "",
        "parent_ids": [],
        "seed": 0,
        "available_from": "2026-01-01",
        "attributes": [],
    } | over


def written_row(
    prompt: str, label: str = "", generation: str = "2026-01-02", **over: Any
) -> dict[str, Any]:
    seed = over.get("seed", 1)
    return (
        human_row(prompt, label)
        | {
            "sample_id": synthetic_sample_id("toy", generation, seed, label, prompt, ""),
            "generation": generation,
            "origin": SYNTHETIC,
            "depth": 1,
            "teacher": "t@1",
            "template": "p@1",
            "seed": seed,
            "available_from": generation,
        }
        | over
    )


def human_table(count: int, labels: Sequence[str] = ("a", "b")) -> pa.Table:
    return samples_table(
        human_row(f"human text {i}", labels[i % len(labels)]) for i in range(count)
    )


def written_table(
    count: int,
    labels: Sequence[str] = ("a", "b"),
    generation: str = "2026-01-02",
    depth: int = 1,
) -> pa.Table:
    return samples_table(
        written_row(
            f"written text {i} {generation}", labels[i % len(labels)], generation, depth=depth
        )
        for i in range(count)
    )
