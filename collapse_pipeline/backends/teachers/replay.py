"""A teacher that reads rows someone else wrote, so that historical batches can be backfilled."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collapse_pipeline.backends.readers.files import Columns, read_batches
from collapse_pipeline.errors import BackendError, BadInputError
from collapse_pipeline.ports import Bench, Draft, Night, Request, Teacher, World
from collapse_pipeline.records import Frozen, content_hash, derived_seed


class ReplayTeacherConfig(Frozen):
    """Chosen by `kind: replay`. Rows with a time column serve the night of their date; without
    one, every night draws a seeded sample of the whole file."""

    kind: Literal["replay"] = "replay"
    file: Path
    prompt: str
    response: str | None = None
    label: str | None = None
    time: str | None = None

    @property
    def _columns(self) -> Columns:
        return Columns(prompt=self.prompt, response=self.response, label=self.label, time=self.time)

    def check(self, world: World | None) -> None:  # noqa: ARG002 - every teacher is asked alike
        """Looks for the file and its columns before a night is opened that would need them.

        Raises:
            BadInputError: The file or a column is missing, or it is not what its suffix says.
        """
        read_batches(self.file, self._columns)

    def build(self, bench: Bench) -> Teacher:  # noqa: ARG002 - every teacher is built alike
        """Reads the file and becomes its teacher; its version is the hash of what it read.

        Raises:
            BadInputError: As `check`; or the file has no row.
        """
        frames = list(read_batches(self.file, self._columns))
        if not frames:
            raise BadInputError(f"rows in {self.file}", "none", "write rows into it")
        rows = pa.concat_tables(frames, promote_options="permissive")
        version = content_hash(*(str(row) for row in rows.to_pylist()))[:12]
        return ReplayTeacher(rows, f"replay@{version}", self.time is not None, str(self.file))


@dataclass(frozen=True)
class ReplayTeacher:
    """Hands out rows of a file; a request beyond them is answered with a fault."""

    rows: pa.Table
    version: str
    dated: bool
    source: str
    depth: int = 1

    def write(self, requests: Sequence[Request], night: Night) -> list[Draft]:
        """Rows for tonight in a seeded order, each at most once a night.

        Raises:
            BackendError: The file has no row for this night.
        """
        rows = self.rows
        if self.dated:
            day = pc.utf8_slice_codeunits(rows["time"], 0, 10)
            rows = rows.filter(pc.equal(day, night.generation))
        if rows.num_rows == 0:
            raise BackendError(
                wanted=f"rows of {self.source} dated {night.generation}",
                got="none",
                do="backfill only nights that the file has rows for",
            )
        rng = np.random.default_rng(derived_seed(night.seed, "replay", night.ordinal))
        picks = rng.permutation(rows.num_rows)[: len(requests)]
        drafts = [
            _draft(row, request)
            for row, request in zip(rows.take(picks).to_pylist(), requests, strict=False)
        ]
        missing = len(requests) - len(drafts)
        return drafts + [Draft("", fault="no_row_to_replay")] * missing


def _draft(row: dict[str, Any], request: Request) -> Draft:
    label = str(row.get("label") or "")
    fault = str(row["reason"] or "")
    if request.label and not label:
        fault = fault or "missing_label"  # the request's label is not what this row was written for
    return Draft(str(row["prompt"] or ""), str(row.get("response") or ""), label, fault=fault)
