"""A night without Dagster: what its stages wrote down is all that settling needs."""

import pytest

from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.stages import EVALUATED, STAGES
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.records import Verdict, days_before
from collapse_pipeline.settings import today_utc

CORPUS = "customer_service"
NIGHT = days_before(today_utc(), 1)


@pytest.fixture
def shop(settings_of, tmp_path):
    with open_workshop(settings_of(tmp_path)) as shop:
        yield shop


def test_a_night_is_evaluated_once_however_often_its_stage_runs(shop):
    record = open_generation(shop, CORPUS, NIGHT)
    for stage in STAGES.values():
        stage(shop, record)
    STAGES["eval_report"](shop, record)  # as after a kill
    events = shop.ledger.events(corpus=CORPUS, kinds=[EVALUATED], generation=NIGHT)
    assert [event.payload for event in events] == [{"attempt": record.attempt}]
    assert settle(shop, CORPUS, NIGHT).verdict is Verdict.PROMOTED


def test_a_night_cut_off_before_its_evaluation_fails(shop):
    record = open_generation(shop, CORPUS, NIGHT)
    for name, stage in STAGES.items():
        if name != "eval_report":
            stage(shop, record)
    manifest = settle(shop, CORPUS, NIGHT)
    assert (manifest.verdict, manifest.blocked_by) == (Verdict.FAILED, ("unfinished",))
    assert settle(shop, CORPUS, NIGHT) == manifest  # settled once, then only read
