"""Reviews: what persons said of written rows, taken from a file into the ledger."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from collapse_pipeline.backends.readers.files import Columns, read_batches
from collapse_pipeline.defs.workshop import Workshop
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.permit import check_person
from collapse_pipeline.records import canonical_json, content_hash

VERDICTS = ("accept", "reject")
SHOWN = 5  # bad rows that an error lists
# The reader of corpus files knows the columns by what they are in a corpus.
COLUMNS = Columns(prompt="sample", response="verdict", label="reviewer", time="time")


def record_review(shop: Workshop, file: Path, by: str, corpus: str | None = None) -> dict[str, Any]:
    """Records the verdicts of a CSV, JSON Lines or Parquet file, all of them or none.

    Its columns are `sample` (a sample_id of a written row), `verdict` (accept or reject),
    `reviewer` and `time` (ISO). The same verdicts, from whatever file, are recorded once.

    Args:
        shop: The home.
        file: The file.
        by: Who records it.
        corpus: Whose rows they are; by default any corpus of the home.

    Raises:
        BadInputError: The file or a column is missing, a row of it is bad, or this person may not.
    """
    rows = list(_rows(file))
    if not rows:
        raise BadInputError(f"verdicts in {file}", "no row", "write some into it")
    names = [corpus] if corpus else sorted(shop.settings.corpora)
    wanted = {row["sample"] for _, row, _ in rows}
    written = {sample: place for name in names for sample, place in _written(shop, name, wanted)}
    _check(file, rows, written, names)
    of_corpus: dict[str, list[dict[str, str]]] = {}
    for _, row, _ in rows:
        name, generation = written[row["sample"]]
        of_corpus.setdefault(name, []).append({**row, "generation": generation})
    reason = f"verdicts of {file.name}"
    roles = {
        name: check_person(shop.settings.corpus(name).governance, Act.REVIEW_RECORDED, by, reason)
        for name in of_corpus
    }
    said = []
    for name, verdicts in of_corpus.items():
        verdicts.sort(key=canonical_json)
        before = shop.ledger.head()[0]
        event = shop.ledger.append(
            Act.REVIEW_RECORDED,
            corpus=name,
            actor=by,
            role=roles[name],
            reason=reason,
            payload={"file": file.name, "verdicts": verdicts},
            key=f"{name}/{Act.REVIEW_RECORDED}/{content_hash(canonical_json(verdicts))}",
        )
        said.append(
            {
                "corpus": name,
                "new": event.seq > before,
                "rows": len(verdicts),
                "verdicts": dict(Counter(row["verdict"] for row in verdicts)),
                "reviewers": sorted({row["reviewer"] for row in verdicts}),
                "generations": dict(sorted(Counter(r["generation"] for r in verdicts).items())),
            }
        )
    return {"file": file.name, "rows": len(rows), "reviews": said}


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str], str]]:
    """Every row of the file: its number from 1, its cells, and what was wrong in reading it."""
    roles = COLUMNS.by_role
    for frame in read_batches(file, COLUMNS):
        for row in frame.to_pylist():
            cells = {column: str(row[role] or "").strip() for role, column in roles.items()}
            cells["verdict"] = cells["verdict"].lower()
            yield row["source_row"] + 1, cells, str(row["reason"] or "")


def _written(
    shop: Workshop, corpus: str, samples: set[str]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Those of the samples that were written for a corpus, with corpus and generation."""
    import pyarrow as pa

    rows = shop.store.read("synthetic_batch", corpus, columns=["sample_id", "generation"])
    rows = rows.filter(pc.is_in(rows["sample_id"], pa.array(sorted(samples), pa.string())))
    for row in rows.to_pylist():
        yield row["sample_id"], (corpus, row["generation"])


def _check(
    file: Path,
    rows: list[tuple[int, dict[str, str], str]],
    written: Mapping[str, tuple[str, str]],
    corpora: list[str],
) -> None:
    bad = []
    first: dict[tuple[str, str], int] = {}
    for number, row, fault in rows:
        said = fault.replace("_", " ") or _fault(row, written, corpora)
        before = first.setdefault((row["sample"], row["reviewer"]), number)
        if not said and before != number:
            said = f"{row['reviewer']} judged this sample in row {before} already"
        if said:
            bad.append(f"row {number}: {said}")
    if bad:
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise BadInputError(
            wanted=f"a sample, a verdict, a reviewer and a time in every row of {file}",
            got=f"{len(bad)} bad rows of {len(rows)}: {'; '.join(bad[:SHOWN])}{more}",
            do="mend them and record the file again: nothing of it was recorded",
        )


def _fault(
    row: Mapping[str, str], written: Mapping[str, tuple[str, str]], corpora: list[str]
) -> str:
    """What is wrong with a row, "" for nothing."""
    for column, cell in row.items():
        if not cell:
            return f"no {column}"
    if row["verdict"] not in VERDICTS:
        return f"verdict {row['verdict']!r:.40} is neither {' nor '.join(VERDICTS)}"
    if row["sample"] not in written:
        return f"sample {row['sample']!r:.60} was not written for {', '.join(corpora)}"
    try:
        datetime.fromisoformat(row["time"])
    except ValueError:
        return f"time {row['time']!r:.40} is no ISO time"
    return ""
