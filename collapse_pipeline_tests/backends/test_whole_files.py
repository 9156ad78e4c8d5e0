import pytest

from collapse_pipeline.backends.whole_files import write_whole
from collapse_pipeline.errors import StoreError


def test_a_file_takes_the_place_of_the_one_before(tmp_path):
    for text in ("first", "zweite Zeile, ä"):
        write_whole(tmp_path / "some.json", text)
        assert (tmp_path / "some.json").read_text("utf-8") == text
    assert [path.name for path in tmp_path.iterdir()] == ["some.json"]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "some.json").mkdir()
    with pytest.raises(StoreError, match=r"to write .*some\.json.*free space"):
        write_whole(tmp_path / "some.json", "text")
    with pytest.raises(StoreError, match="No such file"):
        write_whole(tmp_path / "gone" / "some.json", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["some.json"]
