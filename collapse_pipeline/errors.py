"""Errors that say what was wanted, what came, and what to do."""

from typing import Self


class CollapsePipelineError(Exception):
    """Anything this package raises on purpose; the message is meant for a person."""

    def __init__(self, wanted: str, got: str, do: str) -> None:
        self.wanted, self.got, self.do = wanted, got, do
        super().__init__(f"wanted {wanted}, got {got}; {do}")

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, str]]:
        # How it comes back from another process; by default Python gives it the message alone.
        return type(self), (self.wanted, self.got, self.do)


class BadInputError(CollapsePipelineError):
    """What a person gave (file, column, name, option, configuration) cannot be used."""


class TooFewSamplesError(BadInputError):
    """A step or a metric needs more rows than there are."""


class StoreError(CollapsePipelineError):
    """The store is missing, locked, full, read-only or not what a manifest pinned."""


class LeaseHeldError(StoreError):
    """Another process is running this corpus."""


class OutOfOrderError(BadInputError):
    """A generation was asked for that the corpus's line cannot take now."""


class BackendError(CollapsePipelineError):
    """A teacher, judge, student or embedder could not do its work."""


class TransientError(BackendError):
    """A fault of an edge that may pass by itself: the step is tried again."""
