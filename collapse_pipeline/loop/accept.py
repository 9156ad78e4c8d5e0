"""Which rows of a source are good, which are bad by their shape, their time or each other."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.loop.arrival import days_of
from collapse_pipeline.loop.intake_frames import (
    ATTRIBUTE_PREFIX,
    Counts,
    Quarantine,
    is_text,
    no_rows,
    split_off,
    trimmed,
)
from collapse_pipeline.ports import IntVector
from collapse_pipeline.records import HUMAN, human_sample_id


class Accepted(NamedTuple):
    """Good rows, and the others; every source row is in exactly one of the two.

    `rows` has `sample_id` and the frames' columns, text trimmed and never null, `time` an ISO
    date; `label` and `response` are "" where the corpus has none.
    """

    rows: pa.Table
    quarantine: Quarantine

    @property
    def counts(self) -> Counts:
        """How many of each."""
        good, bad = self.rows.num_rows, len(self.quarantine)
        reasons = dict(sorted(self.quarantine.reasons.items()))
        return Counts(read=good + bad, accepted=good, quarantined=bad, reasons=reasons)


def accept(frames: Iterable[pa.Table], corpus: str) -> Accepted:
    """Good rows and quarantined ones.

    A row is quarantined with the reason of its frame, for a time that is not ISO 8601
    (`bad_time`), when its prompt also has another label (`conflicting_label`: all rows of the
    prompt, for nobody knows which is right), and when label, prompt and response were there
    before (`exact_duplicate`: the later ones).
    """
    quarantine = Quarantine(corpus)
    kept: list[pa.Table] = []
    for frame in frames:
        good = pc.equal(frame["reason"], "")
        quarantine.put(frame.filter(pc.invert(good)))
        rows = _prepared(frame.filter(good), corpus, quarantine)
        # The first frame is kept even when empty: it says which columns there are.
        if rows.num_rows or not kept:
            kept.append(rows)
    if not kept:
        return Accepted(_prepared(no_rows(), corpus, quarantine), quarantine)
    rows = pa.concat_tables(kept)
    return Accepted(_without_repeats(rows, quarantine) if rows.num_rows else rows, quarantine)


def _prepared(frame: pa.Table, corpus: str, quarantine: Quarantine) -> pa.Table:
    """A frame of good rows with trimmed text and sample ids; rows with a bad time leave it."""
    columns = {
        name: trimmed(frame[name]).cast(pa.string()) if is_text(name) else frame[name]
        for name in frame.column_names
    }
    for name in ("response", "label"):
        if name not in columns:
            columns[name] = pa.chunked_array([[""] * frame.num_rows], pa.string())
    rows = pa.table(columns)
    if "time" in columns:
        days = days_of(columns["time"])
        bad = pa.array(days == "", pa.bool_())
        told = [
            f"{time!r} is no ISO 8601 time"[:200] for time in rows["time"].filter(bad).to_pylist()
        ]
        quarantine.put(split_off(rows, bad, "bad_time", told))
        place = rows.column_names.index("time")
        rows = rows.set_column(place, "time", pa.array(days, pa.string()))
        rows = rows.filter(pc.invert(bad))
    texts = (rows[name].to_pylist() for name in ("label", "prompt", "response"))
    ids = [human_sample_id(corpus, *row) for row in zip(*texts, strict=True)]
    return rows.append_column("sample_id", pa.array(ids, pa.string()))


def _without_repeats(rows: pa.Table, quarantine: Quarantine) -> pa.Table:
    prompt, label, same = (_codes(rows[name]) for name in ("prompt", "label", "sample_id"))
    width = int(label.max()) + 1
    labels_of_prompt = np.bincount(np.unique(prompt * width + label) // width)
    conflicting = labels_of_prompt[prompt] > 1
    first = np.unique(same, return_index=True)[1]
    repeated = np.ones(len(same), dtype=bool)
    repeated[first] = False
    repeated &= ~conflicting
    source_row = rows["source_row"].to_numpy()
    originals = source_row[first[same[repeated]]].tolist()
    quarantine.put(
        split_off(
            rows, pa.array(repeated), "exact_duplicate", [f"repeats row {n}" for n in originals]
        )
    )
    clashes = _clashes(rows.filter(pa.array(conflicting)))
    quarantine.put(split_off(rows, pa.array(conflicting), "conflicting_label", clashes))
    return rows.filter(pa.array(~(repeated | conflicting)))


def _clashes(rows: pa.Table) -> list[str]:
    labels: dict[str, set[str]] = {}
    prompts = rows["prompt"].to_pylist()
    for prompt, label in zip(prompts, rows["label"].to_pylist(), strict=True):
        labels.setdefault(prompt, set()).add(label)
    return [f"labelled {', '.join(sorted(labels[prompt]))}"[:200] for prompt in prompts]


def _codes(column: pa.ChunkedArray) -> IntVector:
    """(n_rows,) the same number for the same text."""
    encoded = column.dictionary_encode().unify_dictionaries()
    parts = [chunk.indices.to_numpy() for chunk in encoded.chunks]
    return np.concatenate(parts).astype(np.int64)


def sample_columns(
    rows: pa.Table, corpus: str, task_type: str, days: npt.NDArray[np.object_]
) -> dict[str, pa.Array | pa.ChunkedArray]:
    """Every column of SAMPLE for accepted rows; `days` (n_rows,) is their `available_from`."""
    n = rows.num_rows
    columns = {name: rows[name] for name in ("sample_id", "label", "prompt", "response")}
    columns |= {name: pa.repeat("", n) for name in ("generation", "teacher", "template", "judge")}
    return columns | {
        "corpus": pa.repeat(corpus, n),
        "task_type": pa.repeat(task_type, n),
        "origin": pa.repeat(HUMAN, n),
        "depth": pa.repeat(pa.scalar(0, pa.int32()), n),
        "seed": pa.repeat(pa.scalar(0, pa.int64()), n),
        "parent_ids": pa.ListArray.from_arrays(
            pa.repeat(pa.scalar(0, pa.int32()), n + 1), pa.array([], pa.string())
        ),
        "available_from": pa.array(days, pa.string()),
        "attributes": _attributes(rows),
    }


def _attributes(rows: pa.Table) -> pa.Array:
    """The attribute columns as one map a row, empty cells left out."""
    names = sorted(name for name in rows.column_names if name.startswith(ATTRIBUTE_PREFIX))
    plain = np.array([name.removeprefix(ATTRIBUTE_PREFIX) for name in names], dtype=object)
    cells = np.empty((rows.num_rows, len(names)), dtype=object)
    for place, name in enumerate(names):
        cells[:, place] = rows[name].to_numpy()
    filled = cells != ""
    offsets = np.concatenate([[0], np.cumsum(filled.sum(axis=1))]).astype(np.int32)
    keys = np.broadcast_to(plain, cells.shape)[filled]
    return pa.MapArray.from_arrays(
        pa.array(offsets), pa.array(keys, pa.string()), pa.array(cells[filled], pa.string())
    )
