"""Fewer points, the same extremes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.services.decimation import merge_bars, thin

NUMBERS = st.integers(-50, 50).map(float)


def frame_of(values, other=None):
    columns = {"row": list(range(len(values))), "a": values, "b": other or values}
    return pl.DataFrame(columns, schema={"row": pl.Int64, "a": pl.Float64, "b": pl.Float64})


@given(st.lists(NUMBERS, min_size=1, max_size=400), st.integers(2, 60))
def test_thinning_keeps_rows_ends_and_extremes(values, most):
    frame = frame_of(values)

    thinned = thin(frame, most, ["a"])

    assert thinned.height <= max(most, 4)
    assert set(thinned["row"]) <= set(frame["row"])
    assert thinned["row"].is_sorted()
    assert (thinned["row"][0], thinned["row"][-1]) == (0, len(values) - 1)
    assert thinned["a"].min() == frame["a"].min()
    assert thinned["a"].max() == frame["a"].max()


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=300), st.integers(6, 60))
def test_every_column_asked_for_keeps_its_extremes(pairs, most):
    frame = frame_of([a for a, _ in pairs], [b for _, b in pairs])

    thinned = thin(frame, most, ["a", "b"])

    assert thinned.height <= most
    for name in ("a", "b"):
        assert (thinned[name].min(), thinned[name].max()) == (frame[name].min(), frame[name].max())


def test_extremes_stay_even_if_more_points_are_needed_than_asked_for():
    frame = frame_of([0.0, 5.0, 1.0, -5.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 7.0, -7.0, 0.0])

    assert thin(frame, 2, ["a", "b"])["row"].to_list() == [0, 1, 3, 4, 5, 6]


def test_what_is_small_or_unlimited_stays_as_it_is():
    frame = frame_of([1.0, 2.0, 3.0])

    assert thin(frame, 3, ["a"]).equals(frame)
    assert thin(frame, None, ["a"]).equals(frame)
    assert thin(frame.clear(), 2, ["a"]).height == 0


def test_undefined_values_do_not_hide_the_others():
    thinned = thin(frame_of([None, 1.0, None, 9.0, None, 2.0, None, None]), 6, ["a"])

    assert {1.0, 9.0} <= set(thinned["a"].drop_nulls())


@pytest.mark.parametrize("most", [1, 0, -5])
def test_fewer_than_two_points_are_refused(most):
    with pytest.raises(InvalidInput, match="max_points"):
        thin(frame_of([1.0, 2.0]), most, ["a"])


@given(
    st.lists(st.tuples(*[st.integers(1, 99).map(float)] * 4), min_size=1, max_size=200),
    st.integers(2, 40),
)
def test_joined_bars_reach_as_far_as_their_bars(rows, most):
    bars = pl.DataFrame(
        {
            "timestamp": [
                datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(len(rows))
            ],
            "open": [row[0] for row in rows],
            "high": [max(row) for row in rows],
            "low": [min(row) for row in rows],
            "close": [row[3] for row in rows],
            "volume": [1.0] * len(rows),
        }
    )

    joined = merge_bars(bars, most)

    assert joined.columns == bars.columns
    assert joined.height == min(most, len(rows))
    assert joined["volume"].sum() == len(rows)
    assert (joined["high"].max(), joined["low"].min()) == (bars["high"].max(), bars["low"].min())
    assert (joined["open"][0], joined["close"][-1]) == (bars["open"][0], bars["close"][-1])
    assert joined["timestamp"].is_sorted()
    assert bool((joined["high"] >= joined["low"]).all())
