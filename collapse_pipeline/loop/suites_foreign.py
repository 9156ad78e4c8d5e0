"""Suites from other files: another domain with mapped labels, external ones, out-of-scope text."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.accept import Accepted, accept, sample_columns
from collapse_pipeline.loop.intake_frames import Counts, Quarantine, split_off
from collapse_pipeline.loop.split import TRAIN
from collapse_pipeline.loop.suites import DEFAULT_PLAN, NO_LABELS, SuitePlan, freeze
from collapse_pipeline.metrics.minhash import normalise
from collapse_pipeline.records import SAMPLE, SuiteRecord, derived_seed, human_sample_id, labels_of


class SuiteKind(StrEnum):
    """What a foreign suite is for, and so what its labels mean."""

    CROSS_DOMAIN = "cross_domain"  # another corpus, its labels mapped to this one's
    EXTERNAL = "external"  # this corpus's own labels
    OUT_OF_SCOPE = "out_of_scope"  # text of no label: only the confidence on it counts


class ForeignSuite(NamedTuple):
    """A suite made from a file, and what was left out of it."""

    rows: pa.Table  # EVAL_SUITES
    record: SuiteRecord
    quarantined: pa.Table  # QUARANTINED_ROWS
    counts: Counts


def foreign_suite(
    name: str,
    kind: SuiteKind,
    frames: Iterable[pa.Table],
    anchor: pa.Table,
    label_map: Mapping[str, str] | None = None,
    seed: int = 0,
    plan: SuitePlan = DEFAULT_PLAN,
) -> ForeignSuite:
    """A suite from the shape-checked frames of another file.

    Left out, and counted as quarantined: what `accept` refuses, rows whose label the map does not
    name or the corpus does not train on (`unmapped_label`), and rows whose prompt is trained on,
    but for case and punctuation (`in_training`).

    Args:
        name: Name of the suite.
        kind: What it is for.
        frames: Frames of the file; see `intake_frames`.
        anchor: HUMAN_ANCHOR of the corpus that the suite is to test.
        label_map: Label of the file -> label of the corpus; None keeps the labels.
        seed: Draws the sample when the file has more rows than a suite may.
        plan: Sizes.

    Raises:
        BadInputError: Where the corpus has labels and the file was given no label column, or the
            map names labels that the corpus does not train on.
    """
    training = anchor.filter(pa.array(anchor["split"].to_numpy() == TRAIN))
    corpus, task_type = (anchor[name][0].as_py() for name in ("corpus", "task_type"))
    known = labels_of(training)
    rows, quarantine = accept(frames, corpus)
    if kind is SuiteKind.OUT_OF_SCOPE or not known:
        rows = _relabelled(rows, [""] * rows.num_rows, corpus)
    else:
        rows = _mapped(rows, _checked_map(name, rows, label_map, known), corpus, quarantine)
    seen = {normalise(prompt) for prompt in training["prompt"].to_pylist()} - {""}
    repeated = np.array([normalise(prompt) in seen for prompt in rows["prompt"].to_pylist()], bool)
    told = ["a training row has this prompt"] * int(repeated.sum())
    quarantine.put(split_off(rows, pa.array(repeated), "in_training", told))
    rows = rows.filter(pa.array(~repeated))
    counts = Accepted(rows, quarantine).counts

    if rows.num_rows > plan.maximum_rows:
        draw = np.random.default_rng(derived_seed("foreign", name, seed))
        rows = rows.take(np.sort(draw.choice(rows.num_rows, plan.maximum_rows, replace=False)))
    first = min(anchor["available_from"].to_pylist())
    columns = sample_columns(rows, corpus, task_type, np.full(rows.num_rows, first, dtype=object))
    samples = pa.table([columns[column] for column in SAMPLE.names], schema=SAMPLE)
    # Without labels there is no task model, so neither a domain nor a scope to be out of.
    why_not = NO_LABELS if not known and kind is not SuiteKind.EXTERNAL else ""
    frozen, record = freeze(name, samples, least=plan.minimum_rows, why_not=why_not)
    return ForeignSuite(frozen, record, quarantine.table(), counts)


def _checked_map(
    name: str, rows: pa.Table, label_map: Mapping[str, str] | None, known: Sequence[str]
) -> Mapping[str, str]:
    if rows.num_rows and not any(rows["label"].to_pylist()):
        raise BadInputError(f"labelled rows for the suite {name}", "none", "name the label column")
    if label_map is None:
        return {label: label for label in known}
    strange = sorted(set(label_map.values()) - set(known))
    if strange:
        raise BadInputError(
            f"a label map of the suite {name} to labels that the corpus trains on",
            ", ".join(strange[:20]),
            f"map to some of: {', '.join(known[:40])}{', ...' if len(known) > 40 else ''}",
        )
    return label_map


def _mapped(
    rows: pa.Table, label_map: Mapping[str, str], corpus: str, quarantine: Quarantine
) -> pa.Table:
    labels = rows["label"].to_pylist()
    unmapped = np.array([label not in label_map for label in labels], dtype=bool)
    told = [f"no label of the corpus for {label}"[:200] for label in labels]
    told = [detail for detail, bad in zip(told, unmapped, strict=True) if bad]
    quarantine.put(split_off(rows, pa.array(unmapped), "unmapped_label", told))
    kept = [label_map[label] for label in labels if label in label_map]
    return _relabelled(rows.filter(pa.array(~unmapped)), kept, corpus)


def _relabelled(rows: pa.Table, labels: Sequence[str], corpus: str) -> pa.Table:
    texts = (rows[name].to_pylist() for name in ("prompt", "response"))
    ids = [human_sample_id(corpus, *row) for row in zip(labels, *texts, strict=True)]
    for name, values in (("label", labels), ("sample_id", ids)):
        place = rows.column_names.index(name)
        rows = rows.set_column(place, name, pa.array(values, pa.string()))
    return rows
