import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics.evidence import BatchEvidence, Texts
from collapse_pipeline.metrics.hedges import METRICS, answers, hedge_rate
from collapse_pipeline.records import samples_table
from collapse_pipeline.worlds.customer_service.world import CustomerService
from collapse_pipeline_tests.samples import human_row, written_row

CLEAR = ["Returns are free within 30 days.", "The warranty lasts 24 months.", "Call us."]
VAGUE = [
    "Returns are GENERALLY free.",
    "In certain cases we refund you.",
    "Some restrictions apply.",
    "The fee may vary.",
    "This is decided case by case.",
]


def test_by_hand():
    assert hedge_rate(VAGUE) == 1
    assert hedge_rate(["Returns are free within 30 days.", "Call us.", VAGUE[0]]) == 1 / 3
    # a condition that is named is none: neither are doubts and longer words
    assert hedge_rate(["Depending on the region it takes 2 or 5 days.", "It might rain."]) == 0
    assert hedge_rate(["A generalist", "abnormally cold", "unusually late"]) == 0
    with pytest.raises(TooFewSamplesError, match="hedge_rate"):
        hedge_rate([])


def test_the_response_is_what_counts():
    rows = [written_row("generally?", response="24 months."), written_row("generally?")]
    assert answers(Texts(samples_table(rows))) == ["24 months.", "generally?"]
    people = Texts(samples_table([human_row("q", response=text) for text in VAGUE[:1] + CLEAR]))
    written = Texts(samples_table([written_row("q", response=text) for text in VAGUE[:2]]))
    rate, excess = (metric.compute(BatchEvidence(written, people)) for metric in METRICS)
    assert rate == 1
    assert excess == 1 - 1 / 4


@given(st.lists(st.sampled_from(VAGUE + CLEAR), min_size=1))
def test_masking_a_condition_never_lowers_it(texts):
    masked = [text.replace("within 30 days", "in some cases") for text in texts]
    assert hedge_rate(masked) >= hedge_rate(texts)
    assert hedge_rate(texts * 2) == pytest.approx(hedge_rate(texts))


def test_a_masked_policy_stands_out():
    responses = [str(row["response"]) for row in CustomerService().rows(400, 1)]
    masked = [re.sub(r"\d+ (days|months)", "a time that may vary", text) for text in responses]
    assert hedge_rate(responses) < 0.02
    assert hedge_rate(masked) > hedge_rate(responses) + 0.05
