import pytest

from collapse_pipeline.backends.teachers.replay import ReplayTeacherConfig
from collapse_pipeline.errors import BackendError, BadInputError
from collapse_pipeline.ports import Night, Request
from collapse_pipeline_tests.backends.teachers.test_student import bench

ROWS = """text,intent,day
first,a,2026-01-02T10:00:00
second,b,2026-01-02
third,,2026-01-02
other night,a,2026-01-03
"""
REQUESTS = [Request("a", "plain@1", "", "", seed=n) for n in range(5)]


@pytest.fixture
def teacher(tmp_path):
    def build(**columns):
        file = tmp_path / "rows.csv"
        file.write_text(ROWS)
        config = ReplayTeacherConfig(file=file, prompt="text", **columns)
        return config.build(bench(None, None))

    return build


def night(day):
    return Night("toy", day, 1, seed=7)


def test_dated_rows_serve_their_night_once(teacher):
    drafts = teacher(label="intent", time="day").write(REQUESTS, night("2026-01-02"))
    said = {draft.prompt: (draft.label, draft.fault) for draft in drafts}
    assert said["first"] == ("a", "")
    assert said["second"] == ("b", "")
    assert said["third"] == ("", "missing_label")
    # Three rows for five requests: two are accounted for.
    assert [draft.fault for draft in drafts].count("no_row_to_replay") == 2
    assert "other night" not in said


def test_undated_rows_are_a_seeded_draw(teacher):
    replay = teacher(label="intent")
    assert replay.write(REQUESTS[:2], night("2026-01-02")) == replay.write(
        REQUESTS[:2], night("2026-01-05")
    )
    assert len({draft.prompt for draft in replay.write(REQUESTS[:4], night("2026-01-02"))}) == 4


def test_a_night_without_rows(teacher):
    with pytest.raises(BackendError, match="dated 2026-02-01"):
        teacher(label="intent", time="day").write(REQUESTS, night("2026-02-01"))


def test_a_missing_column(teacher):
    with pytest.raises(BadInputError, match="intention"):
        teacher(label="intention")
