"""Which version of every suite a night reads: the newest, and never one from its future."""

from calendar import monthrange
from collections.abc import Iterable

from collapse_pipeline.records import SuiteRecord


def in_force(records: Iterable[SuiteRecord], generation: str) -> tuple[SuiteRecord, ...]:
    """The one version of every suite that a night reads, applicable or not.

    The newest that could be built; of a moving suite the newest whose window is over by then,
    as it is on the last day of its month: a night that is filled in later reads what it would
    have read on its day.

    Args:
        records: As they were frozen, oldest first; of one suite several versions, or none.
        generation: The night.

    Returns:
        One record a name, in the order of their first ones.
    """
    found: dict[str, SuiteRecord] = {}
    for frozen in records:
        record, window = frozen, _window_of(frozen)
        if generation < _last_day(window):
            why_not = f"its first window, up to {window}, is not over"
            record = SuiteRecord(name=frozen.name, applicable=False, reason=why_not)
        if record.applicable or record.name not in found:
            found[record.name] = record
    return tuple(found.values())


def _window_of(record: SuiteRecord) -> str:
    """The month that the version of a moving suite begins with, see `suites.freeze`; else ""."""
    window, dot, _ = record.version.partition(".")
    return window if dot else ""


def _last_day(month: str) -> str:
    """ISO date; "", before all others, for no month."""
    return f"{month}-{monthrange(int(month[:4]), int(month[5:]))[1]}" if month else ""
