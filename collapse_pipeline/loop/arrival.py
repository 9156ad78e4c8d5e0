"""When each training row arrives, so that a nightly refresh has something new to learn from."""

from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import model_validator

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.split import TRAIN
from collapse_pipeline.records import Frozen, is_day

ObjectVector = npt.NDArray[np.object_]


class Arrival(Frozen):
    """How training rows arrive, where they have no time of their own.

    `initial_rows` on the first generation and `nightly_rows` each night after it, in a seeded
    order; with neither, all are there from the first generation on.
    """

    first_generation: str
    initial_rows: int | None = None
    nightly_rows: int | None = None

    @model_validator(mode="after")
    def _check(self) -> "Arrival":
        if not is_day(self.first_generation):
            raise BadInputError(
                "a first generation such as 2026-11-20",
                repr(self.first_generation),
                "write the date as year-month-day",
            )
        initial, nightly = self.initial_rows, self.nightly_rows
        if (initial is None) != (nightly is None):
            raise BadInputError(
                "initial rows and nightly rows together", "only one of them", "give both or none"
            )
        if initial is not None and nightly is not None and (initial < 1 or nightly < 1):
            raise BadInputError(
                "at least one initial and one nightly row",
                f"{initial} and {nightly}",
                "raise them, or leave both out to have all rows from the first night",
            )
        return self


def days_of(times: pa.ChunkedArray) -> ObjectVector:
    """(n_rows,) ISO dates in UTC of ISO 8601 dates and times, "" where there is none to read."""
    import pandas as pd  # a fifth of a second, and only for rows with times

    parsed = pd.to_datetime(
        pd.Series(times.to_pylist(), dtype="str"), errors="coerce", format="ISO8601", utc=True
    )
    days = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[D]")
    return np.where(np.isnat(days), "", np.datetime_as_string(days)).astype(object)


def arrivals(
    split: ObjectVector, own_days: ObjectVector | None, arrival: Arrival, seed: int
) -> ObjectVector:
    """(n_rows,) `available_from`: the row's own day, else its place in the nightly order.

    Rows that do not train are there from the first generation on unless they have their own day.
    """
    if own_days is not None:
        return own_days
    days: ObjectVector = np.full(len(split), arrival.first_generation, dtype=object)
    if arrival.initial_rows is None or arrival.nightly_rows is None:
        return days
    training = np.flatnonzero(split == TRAIN)
    queue = np.random.default_rng(seed).permutation(training)[arrival.initial_rows :]
    first = date.fromisoformat(arrival.first_generation).toordinal()
    for start in range(0, len(queue), arrival.nightly_rows):
        night = date.fromordinal(first + 1 + start // arrival.nightly_rows).isoformat()
        days[queue[start : start + arrival.nightly_rows]] = night
    return days
