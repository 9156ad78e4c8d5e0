"""Which nights a `run` works on. Pure: the line and today decide, so a run that was cut off can
be planned again and comes out the same."""

from collections.abc import Sequence
from datetime import date

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.lineage import Line, Status
from collapse_pipeline.records import days_before


def plan_nights(
    line: Line,
    first: str,
    today: str,
    count: int,
    start: str | None = None,
    again: str | None = None,
) -> list[str]:
    """The nights to run, oldest first.

    With nothing settled yet: the last `count` days up to yesterday, or `count` days from
    `start`. Afterwards: the days after the newest settled generation. `again` is one night that
    is done once more.

    Raises:
        BadInputError: Fewer than `count` nights are left, or the night to redo was never run.
    """
    if count < 1:
        raise BadInputError("--generations of 1 or more", str(count), "raise it")
    for option, day in (("--from", start), ("--again", again)):
        _check_date(option, day)
    yesterday = days_before(today, 1)
    if again is not None:
        if again not in line.generations:
            raise BadInputError(
                wanted=f"--again with a night of {line.corpus} that was run",
                got=again,
                do=f"choose one of {_shown(sorted(line.generations))}",
            )
        return [again]
    settled = [g.generation for g in line.active if g.status is not Status.OPEN]
    earliest = _after(settled[-1]) if settled else first
    if start is not None:
        begin = start
    elif settled:
        begin = earliest
    else:
        begin = days_before(yesterday, count - 1)
    nights = [_after(begin, n) for n in range(count)]
    if nights[0] < earliest or nights[-1] > yesterday:
        left = max(0, _days(earliest, yesterday) + 1)
        raise BadInputError(
            wanted=f"{count} nights of {line.corpus} from {nights[0]} to {nights[-1]}",
            got=f"{left} left, {earliest} to {yesterday}" if left else "none left",
            do="ask for fewer --generations, start at --from DATE, redo a night with "
            "--again DATE, or use another --home",
        )
    return nights


def _check_date(option: str, day: str | None) -> None:
    try:
        plain = day is None or date.fromisoformat(day).isoformat() == day
    except ValueError:
        plain = False
    if not plain:
        raise BadInputError(f"{option} with a date such as 2026-11-20", repr(day), "mend it")


def _after(day: str, days: int = 1) -> str:
    return days_before(day, -days)


def _days(start: str, end: str) -> int:
    return (date.fromisoformat(end) - date.fromisoformat(start)).days


def _shown(nights: Sequence[str]) -> str:
    if not nights:
        return "none: run it first"
    return ", ".join(nights[-3:]) if len(nights) <= 3 else f"{nights[0]} to {nights[-1]}"
