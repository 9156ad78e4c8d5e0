"""Work side by side: all of it is done, and a fault of one piece is told."""

import os
from pathlib import Path

import pytest

from collapse_pipeline.defs.side_by_side import side_by_side


def write(folder: Path, number: int) -> None:
    if number < 0:
        raise ValueError(number)
    (folder / f"{number}").write_text(f"{os.getpid()}")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_piece_is_done_once_and_told(tmp_path, workers):
    ended = []
    pieces = [(tmp_path, number) for number in range(4)]
    side_by_side(write, pieces, workers, lambda: ended.append(1))
    assert len(ended) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2", "3"]
    here = {path.read_text() == f"{os.getpid()}" for path in tmp_path.iterdir()}
    assert here == {workers == 1}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_fault_of_one_piece_is_told(tmp_path, workers):
    with pytest.raises(ValueError, match="-1"):
        side_by_side(write, [(tmp_path, -1), (tmp_path, 1)], workers, lambda: None)


def test_nothing_to_do_is_nothing():
    side_by_side(write, [], None, lambda: pytest.fail("nothing ended"))
