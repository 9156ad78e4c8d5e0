import pickle

import pytest

from collapse_pipeline.errors import BadInputError, CollapsePipelineError, TooFewSamplesError


def test_an_error_says_wanted_got_and_what_to_do():
    assert str(BadInputError("400 rows", "212", "widen the batch")) == (
        "wanted 400 rows, got 212; widen the batch"
    )


@pytest.mark.parametrize("kind", [BadInputError, TooFewSamplesError])
def test_an_error_of_another_process_comes_back_whole(kind):
    fault = pickle.loads(pickle.dumps(kind("400 rows", "212", "widen the batch")))
    assert type(fault) is kind
    assert isinstance(fault, CollapsePipelineError)
    assert (fault.wanted, fault.got, fault.do) == ("400 rows", "212", "widen the batch")
