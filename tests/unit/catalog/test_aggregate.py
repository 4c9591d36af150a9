"""Longer bars against a slow builder, and by hand where sessions make the difference."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.catalog.aggregate import aggregate, can_build
from core.catalog.columns import Columns
from core.domain.market import find_market
from core.domain.timeframe import Timeframe
from tests.reference import slow_bars

MARKETS = list(slow_bars.CLOCKS)


def columns(bars: list[slow_bars.Bar]) -> Columns:
    table = np.array(bars, dtype=np.float64).reshape(-1, 6)
    return Columns(np.array([bar[0] for bar in bars], dtype=np.int64), *table.T[1:])


def rows(found: Columns) -> list[Any]:
    return [(int(row[0]), *map(float, row[1:])) for row in zip(*found[:6], strict=True)]


def random_bars(
    market: str, start: datetime, minutes: list[int], seed: int, step: int = 60
) -> list[slow_bars.Bar]:
    """Bars at the given minutes after a local time; volumes are whole, so any sum is exact."""
    rng = np.random.default_rng(seed)
    first = start.replace(tzinfo=ZoneInfo(slow_bars.CLOCKS[market].zone)).astimezone(UTC)
    bars = []
    for minute in sorted(set(minutes)):
        moment = first + timedelta(seconds=step * minute)
        low, opened, close, high = np.sort(rng.integers(100, 120, 4)).astype(float)
        volume = float(rng.integers(0, 1_000))
        stamp = (moment - slow_bars.EPOCH) // timedelta(microseconds=1)
        bars.append((stamp, opened, high, low, close, volume))
    return bars


def assert_same(bars: list[slow_bars.Bar], source: Timeframe, market: str) -> None:
    for target in Timeframe:
        if not can_build(source, target) or source is target:
            continue
        found = aggregate(columns(bars), source, target, find_market(market))
        wanted = slow_bars.build(bars, source.seconds or 0, target.value, market)
        assert rows(found) == wanted, (market, source, target)


# A week around each change of clocks, in spring and autumn, and one without any.
WEEKS = [
    datetime(2015, 3, 6),  # noqa: DTZ001 - local to each market
    datetime(2015, 10, 30),  # noqa: DTZ001
    datetime(2015, 3, 27),  # noqa: DTZ001
    datetime(2015, 10, 23),  # noqa: DTZ001
    datetime(2015, 12, 28),  # noqa: DTZ001
]


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("start", WEEKS, ids=lambda day: f"{day:%Y-%m-%d}")
def test_minutes_of_a_week_are_built_as_the_slow_builder_does(market: str, start: datetime) -> None:
    seed = start.toordinal()
    rng = np.random.default_rng(seed)
    minutes = rng.choice(6 * 1440, 1_500, replace=False).tolist()

    bars = random_bars(market, start, minutes, seed)

    assert_same(bars, Timeframe.M1, market)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize(
    "source", [Timeframe.M5, Timeframe.M15, Timeframe.M30, Timeframe.H1, Timeframe.D1]
)
def test_other_lengths_are_built_as_the_slow_builder_does(market: str, source: Timeframe) -> None:
    rng = np.random.default_rng(5)
    count = rng.choice(400, 200, replace=False).tolist()
    step = source.seconds or 0

    start = datetime(2015, 2, 20)  # noqa: DTZ001
    if source is Timeframe.D1:
        bars = random_bars("24/7", start, count, 3, step)
    else:
        bars = random_bars(market, start, count, 3, step)

    assert_same(bars, source, market)


@settings(max_examples=60)
@given(
    market=st.sampled_from(MARKETS),
    day=st.integers(0, 2_000),
    minutes=st.lists(st.integers(0, 3 * 1440), min_size=1, max_size=80),
    seed=st.integers(0, 1_000),
)
def test_any_minutes_are_built_as_the_slow_builder_does(
    market: str, day: int, minutes: list[int], seed: int
) -> None:
    start = datetime(2013, 1, 1) + timedelta(days=day)  # noqa: DTZ001

    assert_same(random_bars(market, start, minutes, seed), Timeframe.M1, market)


def session(market: str, day: datetime, first: str, count: int) -> list[slow_bars.Bar]:
    hour, minute = map(int, first.split(":"))
    start = day.replace(hour=hour, minute=minute)
    return random_bars(market, start, list(range(count)), 1)


def labels(found: Columns, zone: str) -> list[str]:
    return [f"{datetime.fromtimestamp(int(ts) / 1e6, ZoneInfo(zone)):%H:%M}" for ts in found.ts]


def test_a_new_york_day_has_its_hours_from_half_past_nine_and_a_short_last_one() -> None:
    bars = columns(session("XNYS", datetime(2015, 3, 9), "9:30", 390))  # noqa: DTZ001

    hours = aggregate(bars, Timeframe.M1, Timeframe.H1, find_market("XNYS"))
    fours = aggregate(bars, Timeframe.M1, Timeframe.H4, find_market("XNYS"))

    wanted = ["09:30", "10:30", "11:30", "12:30", "13:30", "14:30", "15:30"]
    assert labels(hours, "America/New_York") == wanted
    assert labels(fours, "America/New_York") == ["09:30", "13:30"]
    assert hours.volume[-1] == math.fsum(bars.volume[-30:])


def test_an_indian_day_has_its_hours_from_quarter_past_nine() -> None:
    bars = columns(session("XNSE", datetime(2024, 1, 5), "9:15", 375))  # noqa: DTZ001

    hours = aggregate(bars, Timeframe.M1, Timeframe.H1, find_market("XNSE"))

    assert labels(hours, "Asia/Kolkata") == [f"{hour:02d}:15" for hour in range(9, 16)]


def test_bars_before_and_after_the_session_keep_buckets_of_their_own() -> None:
    day = datetime(2015, 3, 10)  # noqa: DTZ001
    bars = session("XNYS", day, "8:50", 40) + session("XNYS", day, "9:30", 390)
    bars += session("XNYS", day, "16:00", 70)

    hours = aggregate(columns(bars), Timeframe.M1, Timeframe.H1, find_market("XNYS"))

    assert labels(hours, "America/New_York")[:2] == ["08:30", "09:30"]
    assert labels(hours, "America/New_York")[-3:] == ["15:30", "16:00", "17:00"]


def test_a_day_is_made_of_its_regular_session_alone() -> None:
    day = datetime(2015, 3, 10)  # noqa: DTZ001
    regular = session("XNYS", day, "9:30", 390)
    stale = [(bar[0], 1.0, 999.0, 1.0, 1.0, 5.0) for bar in session("XNYS", day, "16:00", 30)]

    (found,) = rows(
        aggregate(columns(regular + stale), Timeframe.M1, Timeframe.D1, find_market("XNYS"))
    )

    assert found[1] == regular[0][1]
    assert found[2] == max(bar[2] for bar in regular)
    assert found[4] == regular[-1][4]
    assert found[5] == math.fsum(bar[5] for bar in regular)


def test_an_evening_session_alone_is_a_day_of_its_own() -> None:
    evening = session("XNSE", datetime(2021, 11, 4), "18:15", 60)  # noqa: DTZ001 - Muhurat

    (found,) = rows(aggregate(columns(evening), Timeframe.M1, Timeframe.D1, find_market("XNSE")))

    assert found[0] == (datetime(2021, 11, 4, tzinfo=UTC) - slow_bars.EPOCH).days * 86_400_000_000
    assert (found[1], found[4]) == (evening[0][1], evening[-1][4])


def test_a_half_day_ends_early_and_is_still_a_day() -> None:
    bars = columns(session("XNYS", datetime(2014, 11, 28), "9:30", 210))  # noqa: DTZ001

    fours = aggregate(bars, Timeframe.M1, Timeframe.H4, find_market("XNYS"))
    days = aggregate(bars, Timeframe.M1, Timeframe.D1, find_market("XNYS"))

    assert labels(fours, "America/New_York") == ["09:30"]
    assert len(days.ts) == 1


def test_an_hour_of_nine_that_holds_the_opening_belongs_to_the_session() -> None:
    day = datetime(2015, 3, 10)  # noqa: DTZ001
    start = day.replace(hour=9)
    bars = random_bars("XNYS", start, list(range(7)), 2, 3_600)

    (found,) = rows(aggregate(columns(bars), Timeframe.H1, Timeframe.D1, find_market("XNYS")))
    fours = aggregate(columns(bars), Timeframe.H1, Timeframe.H4, find_market("XNYS"))

    assert found[1] == bars[0][1]
    assert labels(fours, "America/New_York") == ["09:30", "13:30"]


def test_a_day_of_foreign_exchange_begins_at_five_in_new_york() -> None:
    sunday = datetime(2017, 3, 12, 16, 58)  # noqa: DTZ001 - clocks changed that morning
    bars = random_bars("FX", sunday, [0, 1, 2, 3, 24 * 60 + 1, 24 * 60 + 2], 4)

    days = aggregate(columns(bars), Timeframe.M1, Timeframe.D1, find_market("FX"))

    dates = [datetime.fromtimestamp(int(ts) / 1e6, UTC).date().isoformat() for ts in days.ts]
    assert dates == ["2017-03-12", "2017-03-13", "2017-03-14"]
    assert days.open.tolist() == [bars[0][1], bars[2][1], bars[5][1]]


@pytest.mark.parametrize(
    ("evening", "wanted"),
    [
        ("2017-03-07T17:00", ["17:00", "21:00", "01:00", "05:00", "09:00", "13:00", "17:00"]),
        # an hour is missing in the night of 12 March 2017: the roll cuts the last bucket short
        ("2017-03-11T17:00", ["17:00", "21:00", "01:00", "06:00", "10:00", "14:00", "17:00"]),
    ],
)
def test_hours_of_foreign_exchange_are_counted_from_the_roll(
    evening: str, wanted: list[str]
) -> None:
    bars = columns(random_bars("FX", datetime.fromisoformat(evening), list(range(24 * 60 + 30)), 4))

    fours = aggregate(bars, Timeframe.M1, Timeframe.H4, find_market("FX"))

    assert labels(fours, "America/New_York") == wanted


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    start = datetime(2023, 12, 27)  # noqa: DTZ001 - a Wednesday
    bars = columns(random_bars("24/7", start, list(range(12)), 6, 86_400))

    weeks = aggregate(bars, Timeframe.D1, Timeframe.W1, find_market("XNYS"))
    months = aggregate(bars, Timeframe.D1, Timeframe.MN1, find_market("XNYS"))

    def days(found: Columns) -> list[str]:
        return [f"{datetime.fromtimestamp(int(ts) / 1e6, UTC):%Y-%m-%d}" for ts in found.ts]

    assert days(weeks) == ["2023-12-25", "2024-01-01"]
    assert days(months) == ["2023-12-01", "2024-01-01"]
    assert months.open[1] == bars.open[5]


def test_a_sum_with_an_unknown_volume_is_unknown() -> None:
    bars = columns(session("XNYS", datetime(2015, 3, 10), "9:30", 120))  # noqa: DTZ001
    volume = bars.volume.copy()
    volume[70] = np.nan

    hours = aggregate(bars._replace(volume=volume), Timeframe.M1, Timeframe.H1, find_market("XNYS"))

    assert np.isnan(hours.volume).tolist() == [False, True]


@pytest.mark.parametrize(
    ("source", "target", "possible"),
    [
        ("1m", "1m", True),
        ("1m", "3m", True),
        ("3m", "5m", False),
        ("10m", "15m", False),
        ("10m", "30m", True),
        ("1h", "30m", False),
        ("4h", "1d", True),
        ("1d", "4h", False),
        ("1d", "1w", True),
        ("1w", "1M", False),
        ("1M", "1w", False),
        ("30m", "1M", True),
    ],
)
def test_only_lengths_that_nest_are_built(source: str, target: str, *, possible: bool) -> None:
    assert can_build(Timeframe(source), Timeframe(target)) is possible


def test_no_bars_give_no_bars() -> None:
    none = Columns(*(np.empty(0, dtype=kind) for kind in (np.int64, *[np.float64] * 5)))

    found = aggregate(none, Timeframe.M1, Timeframe.D1, find_market("XNYS"))

    assert len(found.ts) == 0
