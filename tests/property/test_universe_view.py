"""What a strategy over a universe is shown: each symbol as it would be alone."""

from __future__ import annotations

from datetime import date, timedelta
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.bars import Bars
from core.engine.indicators import Indicators
from core.engine.view import universe_view_of
from core.errors import StrategyFailed
from tests.factories import make_bars, random_bars

HOUR = 3_600_000_000
SEEDS = st.integers(0, 2**32 - 1)
FIRST = (date(2021, 1, 20) - date(1970, 1, 1)).days

COLUMNWISE = {
    "sma": lambda ind, n: ind.sma(n),
    "ema": lambda ind, n: ind.ema(n),
    "ema by sma": lambda ind, n: ind.ema(n, seed="sma"),
    "wma": lambda ind, n: ind.wma(n, "open"),
    "roc": lambda ind, n: ind.roc(n),
    "rsi": lambda ind, n: ind.rsi(n),
    "std": lambda ind, n: ind.std(n + 1, ddof=1),
    "zscore": lambda ind, n: ind.zscore(n),
    "highest": lambda ind, n: ind.highest(n),
    "lowest": lambda ind, n: ind.lowest(n),
    "atr": lambda ind, n: ind.atr(n),
}


def universe(seed: int, symbols: int = 3, days: int = 120) -> list[Bars]:
    """Daily bars with weekends and holidays; symbols begin late, end early and miss sessions."""
    rng = np.random.default_rng(seed)
    number = np.arange(days)
    session = FIRST + number // 5 * 7 + number % 5
    made = []
    for place in range(symbols):
        walk = random_bars(rng, days, sessions=1, wildness=4)
        there = rng.random(days) > rng.choice([0.0, 0.1, 0.4])
        there[: int(rng.integers(0, 20)) * int(rng.integers(2))] = False
        there[days - int(rng.integers(0, 30)) * int(rng.integers(2)) :] = False
        there[20] = True
        prices = [column[there] for column in (walk.open, walk.high, walk.low, walk.close)]
        volume = rng.integers(1, 1000, size=int(there.sum())).astype(float)
        made.append(make_bars(*prices, volume=volume, session=session[there], symbol=f"S{place}"))
    return made


def rows_of(view, bars: Bars) -> np.ndarray:
    return np.array([view.ts.tolist().index(ts) for ts in bars.ts.tolist()])


@pytest.mark.parametrize("name", COLUMNWISE)
@settings(max_examples=15)
@given(seed=SEEDS, period=st.integers(1, 25))
def test_each_column_is_the_indicator_of_the_symbol_alone(name, seed, period):
    bars = universe(seed)
    view = universe_view_of(bars)

    table = COLUMNWISE[name](view.ind, period)

    for place, each in enumerate(bars):
        rows = rows_of(view, each)
        alone = np.asarray(COLUMNWISE[name](Indicators(each), period))
        assert table[rows, place].tobytes() == alone.tobytes()
        absent = np.setdiff1d(np.arange(len(view)), rows)
        assert np.isnan(table[absent, place]).all()


@settings(max_examples=15)
@given(seed=SEEDS, period=st.integers(2, 12))
def test_an_indicator_of_an_array_counts_the_symbols_own_bars(seed, period):
    bars = universe(seed)
    view = universe_view_of(bars)

    table = view.ind.std(period, view.ind.roc(1), ddof=1)
    moved = view.ind.shift(view.close, period)

    for place, each in enumerate(bars):
        rows = rows_of(view, each)
        alone = Indicators(each)
        expected = np.asarray(alone.std(period, alone.roc(1), ddof=1))
        assert table[rows, place].tobytes() == expected.tobytes()
        assert moved[rows[period:], place].tolist() == each.close[:-period].tolist()


@settings(max_examples=15)
@given(seed=SEEDS)
def test_a_series_of_two_symbols_counts_the_rows_both_have(seed):
    bars = universe(seed, symbols=2)
    view = universe_view_of(bars)
    ratio = view.close[:, 0] / view.close[:, 1]

    found = view.ind.highest(3, ratio)

    common = sorted({*bars[0].ts.tolist()} & {*bars[1].ts.tolist()})
    closes = [dict(zip(each.ts.tolist(), each.close.tolist(), strict=True)) for each in bars]
    values = [closes[0][ts] / closes[1][ts] for ts in common]
    expected = {ts: max(values[n - 2 : n + 1]) for n, ts in enumerate(common) if n >= 2}
    for ts, value in zip(view.ts.tolist(), found.tolist(), strict=True):
        assert value == expected[ts] if ts in expected else isnan(value)


@settings(max_examples=30)
@given(seed=SEEDS)
def test_ranks_count_who_is_greater_or_equal_and_earlier(seed):
    view = universe_view_of(universe(seed, symbols=5, days=40))
    values = np.round(view.close / 4.0)  # ties

    places = view.ind.rank(values)

    for row, given_row in zip(places.tolist(), values.tolist(), strict=True):
        for s, value in enumerate(given_row):
            if isnan(value):
                assert isnan(row[s])
                continue
            ahead = [
                n
                for n, other in enumerate(given_row)
                if other > value or (other == value and n < s)
            ]
            assert row[s] == 1 + len(ahead)


@settings(max_examples=30)
@given(seed=SEEDS)
def test_values_are_carried_over_absences_of_a_few_days_only(seed):
    bars = universe(seed)
    view = universe_view_of(bars)

    found = view.ind.carried(view.close)

    for place, each in enumerate(bars):
        for row, day in enumerate(view.session.tolist()):
            known = [n for n, own in enumerate(each.session.tolist()) if own <= day]
            fresh = known and day - int(each.session[known[-1]]) <= 5
            got = found[row, place]
            assert got == each.close[known[-1]] if fresh else isnan(got)


@settings(max_examples=30)
@given(seed=SEEDS)
def test_months_and_weeks_begin_where_the_calendar_says(seed):
    view = universe_view_of(universe(seed))
    days = [date(1970, 1, 1) + timedelta(days=day) for day in view.session.tolist()]

    def firsts(period):
        return [n == 0 or period(day) != period(days[n - 1]) for n, day in enumerate(days)]

    assert view.month_start.tolist() == firsts(lambda day: (day.year, day.month))
    assert view.week_start.tolist() == firsts(lambda day: day.isocalendar()[:2])
    assert view.month_start.sum() > 3


def test_minutes_begin_a_month_once():
    first, last = FIRST + 11, FIRST + 12  # 31 January and 1 February
    bars = make_bars([1.0] * 6, session=[first] * 3 + [last] * 3, minute=[0, 1, 2] * 2)

    assert universe_view_of([bars]).month_start.tolist() == [True, False, False, True, False, False]


def test_columns_are_read_only_and_absent_is_nan():
    view = universe_view_of([make_bars([1.0, 2.0]), make_bars([5.0], session=[18263], symbol="B")])

    assert view.symbols == ("TEST", "B")
    assert view.shape == view.close.shape == (2, 2)
    assert np.isnan(view.close[:, 1]).tolist() == [True, False]
    for column in (view.open, view.high, view.low, view.close, view.volume, view.ts, view.session):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0


@pytest.mark.parametrize("shape", [(3,), (2, 3), (3, 2)])
def test_an_array_of_another_shape_is_refused(shape):
    view = universe_view_of([make_bars([1.0, 2.0]), make_bars([5.0, 6.0], symbol="B")])

    with pytest.raises(StrategyFailed, match="values have shape"):
        view.ind.sma(2, np.ones(shape))


def test_a_month_begins_once_though_markets_disagree_about_the_date():
    # One market is in February from 22:00 on and has bars every other hour, the other from 24:00.
    day = (date(2021, 1, 31) - date(1970, 1, 1)).days
    hours = np.arange(18, 30)
    late = make_bars(
        np.full(12, 10.0), session=day + hours // 24, minute=0 * hours, ts=HOUR * hours
    )
    own = hours[::2]
    early = make_bars(
        np.full(6, 20.0), session=day + (own + 2) // 24, minute=0 * own, ts=HOUR * own, symbol="FX"
    )

    view = universe_view_of([late, early])

    assert hours[view.month_start].tolist() == [18, 22]
