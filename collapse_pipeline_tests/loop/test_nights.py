import pytest

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.nights import plan_nights
from collapse_pipeline.records import Verdict
from collapse_pipeline_tests.loop.test_lineage import DAYS, Line

TODAY = "2026-01-10"


def settled(*days):
    line = Line()
    for day in days:
        line.night(day, Verdict.PROMOTED)
    return line.state()


def test_a_first_run_takes_the_last_nights_up_to_yesterday():
    assert plan_nights(settled(), DAYS[0], TODAY, 2) == ["2026-01-08", "2026-01-09"]


def test_later_runs_go_on_after_the_newest_night():
    assert plan_nights(settled(*DAYS[:2]), DAYS[0], TODAY, 2) == DAYS[2:4]


def test_a_night_that_was_cut_off_is_done_first():
    line = Line()
    line.night(DAYS[0], Verdict.PROMOTED)
    line.night(DAYS[1], None)
    assert plan_nights(line.state(), DAYS[0], TODAY, 1) == [DAYS[1]]


def test_from_and_again():
    assert plan_nights(settled(), DAYS[0], TODAY, 2, start=DAYS[3]) == DAYS[3:5]
    assert plan_nights(settled(*DAYS[:3]), DAYS[0], TODAY, 1, again=DAYS[1]) == [DAYS[1]]


@pytest.mark.parametrize(
    ("line", "count", "options", "complaint"),
    [
        (settled("2026-01-09"), 1, {}, "got none left"),
        (settled("2026-01-08"), 2, {}, "1 left, 2026-01-09 to 2026-01-09"),
        (settled(), 10, {}, "9 left"),
        (settled(*DAYS[:3]), 1, {"start": DAYS[0]}, "--again DATE"),
        (settled(*DAYS[:3]), 1, {"again": DAYS[5]}, "that was run"),
        (settled(), 10**9, {}, "9 left"),
        (settled(), 1, {"start": "9999-12-31"}, "from 9999-12-31, got 9 left"),
        (settled(*DAYS[:3]), 1, {"again": DAYS[0], "start": DAYS[0]}, "by itself"),
        (settled(*DAYS[:3]), 2, {"again": DAYS[0]}, "by itself"),
        (settled(), 0, {}, "1 or more"),
        (settled(), 1, {"start": "2026-1-9"}, "2026-1-9"),
    ],
)
def test_too_few_nights_names_the_choices(line, count, options, complaint):
    with pytest.raises(BadInputError, match=complaint):
        plan_nights(line, DAYS[0], TODAY, count, **options)
