from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.loop.suites_in_force import in_force
from collapse_pipeline.records import SuiteRecord, days_before

STANDARD = SuiteRecord(name="standard", version="aa", rows=700)


def shadow(month: str, rows: int = 60) -> SuiteRecord:
    return SuiteRecord(name="shadow", version=f"{month}.bb", rows=rows)


def test_a_night_reads_the_newest_window_that_is_over():
    late = SuiteRecord(name="shadow", applicable=False, reason="4 rows where 5 are wanted")
    frozen = [STANDARD, shadow("2026-11"), shadow("2027-02"), late]
    # November ends on the 30th, this February on the 28th; both nights have all of their rows.
    for night, version in [
        ("2026-11-30", "2026-11.bb"),
        ("2027-02-27", "2026-11.bb"),
        ("2027-02-28", "2027-02.bb"),
        ("2030-01-01", "2027-02.bb"),
    ]:
        assert [record.version for record in in_force(frozen, night)] == ["aa", version]


def test_before_the_first_window_is_over_there_is_no_shadow_and_why():
    standard, missing = in_force([STANDARD, shadow("2026-11"), shadow("2026-12")], "2026-11-29")
    assert standard == STANDARD
    assert (missing.name, missing.applicable, missing.version, missing.rows) == (
        "shadow",
        False,
        "",
        0,
    )
    assert missing.reason == "its first window, up to 2026-11, is not over"


def test_a_suite_that_does_not_move_is_read_in_its_newest_version_by_every_night():
    newer = STANDARD.model_copy(update={"version": "cc"})
    nothing = SuiteRecord(name="standard", applicable=False, reason="none")
    for night in ("0001-01-01", "9999-12-31"):
        assert in_force([nothing, STANDARD, newer, nothing], night) == (newer,)
        assert in_force([nothing], night) == (nothing,)


months = st.builds("{:04d}-{:02d}".format, st.integers(2024, 2027), st.integers(1, 12))


@given(
    st.lists(months, unique=True, max_size=8).map(sorted),
    st.dates(date(2023, 12, 1), date(2028, 2, 1)).map(str),
)
def test_no_night_sees_the_future(windows, night):
    found = in_force([shadow(month) for month in windows], night)
    assert [record.name for record in found] == ["shadow"] * bool(windows)
    # Over is every month before that of the day after.
    over = [month for month in windows if month < days_before(night, -1)[:7]]
    assert [record.version[:7] for record in found if record.applicable] == over[-1:]
