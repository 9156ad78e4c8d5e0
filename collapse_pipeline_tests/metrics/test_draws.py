import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.metrics.draws import content_folds, ordered_draw, ordered_words


def rows_of(matrix):
    return sorted(map(tuple, matrix.tolist()))


@given(st.integers(0, 30), st.integers(0, 40), st.integers(0, 99))
def test_a_draw_follows_from_the_rows_whatever_their_order(count, limit, seed):
    random = np.random.default_rng(seed)
    rows = random.integers(0, 4, size=(count, 3)).astype(np.float32)  # with copies
    mixed = rows[random.permutation(count)]
    drawn = ordered_draw(rows, limit, seed)
    assert drawn.tobytes() == ordered_draw(mixed, limit, seed).tobytes()
    assert len(drawn) == min(count, limit)
    left = rows_of(rows)
    for row in rows_of(drawn):
        left.remove(row)  # never a row twice that is there once

    words = [[f"{value:g}" for value in row] for row in rows]
    said = ordered_words(words, limit, seed)
    assert said == ordered_words([[f"{v:g}" for v in row] for row in mixed], limit, seed)
    assert said == sorted(said, key=" ".join)
    assert len(said) == min(count, limit)


def test_seeds_draw_differently():
    rows = np.arange(100, dtype=np.float32).reshape(50, 2)
    one, other = (rows_of(ordered_draw(rows, 10, seed)) for seed in (1, 2))
    assert one != other
    words = [[str(row)] for row in range(50)]
    assert ordered_words(words, 10, 1) != ordered_words(words, 10, 2)


@given(st.lists(st.sampled_from("abcdefghijkl"), max_size=40), st.integers(0, 99))
def test_folds_hold_equal_contents_together_and_are_even(contents, seed):
    folds = content_folds(contents, 5, seed)
    fold = dict(zip(contents, folds.tolist(), strict=True))
    assert folds.tolist() == [fold[content] for content in contents]
    sizes = np.bincount(list(fold.values()), minlength=5)
    assert sizes.max() - sizes.min() <= 1
    assert content_folds(contents[::-1], 5, seed)[::-1].tolist() == folds.tolist()


def test_folds_move_with_the_seed():
    contents = [str(i) for i in range(50)]
    assert content_folds(contents, 5, 1).tolist() != content_folds(contents, 5, 2).tolist()
