from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.loop.experiment_bands import (
    band,
    by_variant,
    fired,
    left_out,
    reached,
    table_of,
)
from collapse_pipeline.records import EXPERIMENT_VALUES, table_digest
from collapse_pipeline_tests.loop.experiments import cell_by_hand, rows_of, turn_by_hand

RIGHT = {"standard": "1100"}


def test_a_band_by_hand():
    """1, 2, 3: mean 2, deviation 1, t of two degrees 4.303: 2 give or take 4.303 / root 3."""
    found = band([1, 2, 3])
    assert (found.mean, found.seeds) == (2, 3)
    assert found.high - found.mean == pytest.approx(4.3027 / 3**0.5, abs=1e-4)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_a_band_of_few():
    assert (band([5.0]).mean, band([5.0]).low, band([5.0]).high) == (5, None, None)
    assert band([nan, 5.0]).seeds == 1
    assert band([nan]) is None
    assert band([]) is None


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=9), st.floats(-10, 10))
def test_moving_all_values_moves_the_band(values, by):
    one, other = band(values), band([value + by for value in values])
    for name in ("mean", "low", "high"):
        assert getattr(other, name) == pytest.approx(getattr(one, name) + by, abs=1e-6)


def test_cells_by_variant_with_what_fired_and_what_was_reached():
    cells = [
        cell_by_hand(0.5, 2, RIGHT, fired=["a"], reached=0.45),
        cell_by_hand(0.3, 1, RIGHT),
        cell_by_hand(0.5, 1, RIGHT, fired=["a", "b"]),
    ]
    own = by_variant(cells)
    assert [*own] == ["50%", "30%"]
    assert [cell["seed"] for cell in own["50%"]] == [1, 2]
    assert fired(own["50%"]) == {"a": 2, "b": 1}
    assert (reached(own["50%"]), reached(own["30%"])) == (0.45, 0.3)
    # A gate that fires at two turns of one chain is one chain.
    twice = cells[0] | {"turns": cells[0]["turns"] * 2}
    assert fired([twice]) == {"a": 1}
    silent = cells[1] | {"turns": [turn_by_hand({}, 0.3, left_out={"g: f": "no calibration"})]}
    assert left_out([silent, cells[0]]) == {"g: f": "no calibration"}


def test_the_table_has_a_row_for_every_figure_and_every_gate_that_fired():
    cells = [cell_by_hand(0.3, seed, RIGHT, fired=["a"]) for seed in (1, 2)]
    table = table_of(cells, "toy", "2026-11-20", "abc", "ratio")
    assert table.schema.equals(EXPERIMENT_VALUES)
    assert table.num_rows == 2 * 3  # accuracy, perplexity, and the gate
    (row,) = rows_of(table, seed=2, metric="accuracy")
    assert (row["value"], row["suite"], row["model"]) == (0.5, "standard", "candidate")
    assert (row["corpus"], row["generation"], row["experiment"]) == ("toy", "2026-11-20", "abc")
    (gate,) = rows_of(table, seed=1, suite="")
    assert (gate["metric"], gate["value"]) == ("fired.a", 1)
    again = table_of([*reversed(cells)], "toy", "2026-11-20", "abc", "ratio")
    assert table_digest(again) == table_digest(table)
