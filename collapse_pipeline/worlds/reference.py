"""The reference worlds by name."""

from collections.abc import Callable

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.ports import World


def _customer_service() -> World:
    from collapse_pipeline.worlds.customer_service.world import CustomerService

    return CustomerService()


def _question_bank() -> World:
    from collapse_pipeline.worlds.question_bank.world import QuestionBank

    return QuestionBank()


# Each world is loaded when it is asked for: its phrases need not be read before.
WORLDS: dict[str, Callable[[], World]] = {
    "customer_service": _customer_service,
    "question_bank": _question_bank,
}


def world(name: str) -> World:
    """The reference world of that name.

    Raises:
        BadInputError: When there is none; the message names those that there are.
    """
    if name not in WORLDS:
        raise BadInputError("a reference world", repr(name), f"choose one of {', '.join(WORLDS)}")
    return WORLDS[name]()
