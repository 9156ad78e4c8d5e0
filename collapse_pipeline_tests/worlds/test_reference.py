"""The reference worlds are found by name."""

import pytest

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.worlds.reference import WORLDS, world


def test_the_world_of_a_name_has_that_name():
    assert world("customer_service").name == "customer_service"


def test_both_worlds_are_listed():
    assert list(WORLDS) == ["customer_service", "question_bank"]


def test_an_unknown_name_is_told_the_known_ones():
    with pytest.raises(BadInputError, match="customer_service, question_bank"):
        world("weather")
