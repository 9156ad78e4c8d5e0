"""Which nights a `run` works on. Pure: the line and today decide, so a run that was cut off can
be planned again and comes out the same."""

from collections.abc import Sequence
from datetime import date

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.lineage import Line, Status
from collapse_pipeline.records import days_before, is_day


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
        BadInputError: Fewer than `count` nights are left, the night to redo was never run, or
            it is asked for together with others.
    """
    if count < 1:
        raise BadInputError("--generations of 1 or more", str(count), "raise it")
    for option, day in (("--from", start), ("--again", again)):
        _check_date(option, day)
    yesterday = days_before(today, 1)
    if again is not None:
        if start is not None or count != 1:
            raise BadInputError(
                "--again by itself, for one night", "--from or --generations with it", "drop one"
            )
        if again not in line.generations:
            raise BadInputError(
                wanted=f"--again with a night of {line.corpus} that was run",
                got=again,
                do=_choices(sorted(line.generations)),
            )
        return [again]
    settled = [g.generation for g in line.active if g.status is not Status.OPEN]
    earliest = _after(settled[-1]) if settled else first
    left = max(0, _days(earliest, yesterday) + 1)
    newest = 0 if settled else left - count
    skipped = newest if start is None else _days(earliest, start)
    if skipped < 0 or skipped + count > left:
        nights = "1 night" if count == 1 else f"{count} nights"
        there = f"{left} left, {earliest} to {yesterday}"
        raise BadInputError(
            wanted=f"{nights} of {line.corpus}" + (f" from {start}" if start else ""),
            got=there if left else f"none left: the next is {earliest}, which is not over",
            do="ask for fewer --generations, start at --from DATE, redo a night with "
            "--again DATE, or use another --home",
        )
    return [_after(earliest, skipped + n) for n in range(count)]


def _check_date(option: str, day: str | None) -> None:
    if day is not None and not is_day(day):
        raise BadInputError(f"{option} with a date such as 2026-11-20", repr(day), "mend it")


def _after(day: str, days: int = 1) -> str:
    return days_before(day, -days)


def _days(start: str, end: str) -> int:
    return (date.fromisoformat(end) - date.fromisoformat(start)).days


def _choices(nights: Sequence[str]) -> str:
    if not nights:
        return "run it without --again first"
    shown = ", ".join(nights) if len(nights) <= 3 else f"{nights[0]} to {nights[-1]}"
    return f"choose one of {shown}"
