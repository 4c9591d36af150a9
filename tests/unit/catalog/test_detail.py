"""Finer bars inside longer ones: what each group is made of, session by session."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from core.catalog import Catalog
from core.catalog.importer import import_csv
from core.domain.timeframe import Timeframe
from tests.unit.catalog.csv_files import csv

LONGER = [each for each in Timeframe if each is not Timeframe.M1]
ZONES = {
    "XNYS": "America/New_York",
    "XNSE": "Asia/Kolkata",
    "FX": "America/New_York",
    "24/7": "UTC",
}
SPLIT_DAY = date(2024, 3, 12)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "lake")


def minutes(market: str, *, thin: float = 0.3) -> bytes:
    """Two weeks around the change of clocks, thin trading, hours before and after the session."""
    rng = np.random.default_rng(7)
    zone = ZoneInfo(ZONES[market])
    rows = []
    for day in range(14):
        if market != "24/7" and (date(2024, 3, 4) + timedelta(days=day)).weekday() >= 5:
            continue
        first = datetime(2024, 3, 4, 7, 0, tzinfo=zone) + timedelta(days=day)
        for step in range(60 * 12):
            if rng.random() < thin:
                continue
            at = (first + timedelta(minutes=step)).astimezone(UTC)
            low, opened, close, high = np.sort(rng.integers(1000, 1200, 4)) / 10
            rows.append(f"{at.isoformat()},{opened},{high},{low},{close},{step + 1}")
    return csv(*rows)


def load(catalog: Catalog, data: bytes, **options: object) -> None:
    import_csv(catalog, data, name="a.csv", symbol="ABC", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("market", ZONES)
@pytest.mark.parametrize("timeframe", LONGER)
def test_the_group_of_a_bar_is_what_the_bar_is_made_of(catalog, market, timeframe):
    load(catalog, minutes(market), market=market, timeframe=Timeframe.M1)
    bars = catalog.bars("ABC", timeframe)

    detail = catalog.detail(bars, Timeframe.M1)

    assert len(detail.first) == len(bars) + 1
    assert detail.first[0] == 0
    for n in range(len(bars)):
        inside = slice(int(detail.first[n]), int(detail.first[n + 1]))
        assert detail.open[inside][0] == bars.open[n]
        assert detail.high[inside].max() == bars.high[n]
        assert detail.low[inside].min() == bars.low[n]
        assert detail.close[inside][-1] == bars.close[n]
        if timeframe.is_intraday:
            assert detail.ts[inside][-1] - bars.ts[n] < (timeframe.seconds or 0) * 1_000_000


def test_what_is_outside_the_session_is_no_part_of_a_day(catalog):
    load(catalog, minutes("XNYS"), market="XNYS", timeframe=Timeframe.M1)
    detail = catalog.detail(catalog.bars("ABC", Timeframe.D1), Timeframe.M1)

    clocks = [
        datetime.fromtimestamp(ts / 1e6, ZoneInfo("America/New_York")).time()
        for ts in detail.ts.tolist()
    ]

    assert min(clocks).isoformat() >= "09:30"
    assert max(clocks).isoformat() < "16:00"
    assert len(clocks) < len(catalog.bars("ABC", Timeframe.M1))


def test_dates_cut_both(catalog):
    load(catalog, minutes("XNYS"), market="XNYS", timeframe=Timeframe.M1)
    days = (date(2024, 3, 6), date(2024, 3, 7))
    bars = catalog.bars("ABC", Timeframe.W1, *days)

    detail = catalog.detail(bars, Timeframe.M1, *days)

    assert detail.high.max() == bars.high[0]
    assert {np.datetime64(int(ts), "us").astype("datetime64[D]").item() for ts in detail.ts} == set(
        days
    )


@pytest.mark.parametrize("adjust", ["split", "raw", "total_return"])
@pytest.mark.parametrize("timeframe", [Timeframe.H1, Timeframe.D1, Timeframe.W1])
def test_finer_bars_are_on_the_terms_of_the_longer(catalog, adjust, timeframe):
    """A split by 3 in the second week, and a dividend after it."""
    lines = minutes("XNYS").decode().splitlines()
    rows, seen = [], set()
    for line in lines[1:]:
        at, *prices, volume = line.split(",")
        day = datetime.fromisoformat(at).astimezone(ZoneInfo("America/New_York")).date()
        scale = 1 if day < SPLIT_DAY else 3
        cells = [f"{float(price) / scale!r}" for price in prices]
        new = day not in seen
        seen.add(day)
        split = 3 if day == SPLIT_DAY and new else 1
        paid = 0.5 if day == SPLIT_DAY + timedelta(days=1) and new else 0
        rows.append(",".join([at, *cells, volume, str(paid), str(split)]))
    data = csv(*rows, header=f"{lines[0]},dividend,split")
    load(catalog, data, market="XNYS", timeframe=Timeframe.M1)
    bars = catalog.bars("ABC", timeframe, adjust=adjust)
    plain = catalog.bars("ABC", timeframe)

    detail = catalog.detail(bars, Timeframe.M1, adjust=adjust)

    assert (not np.array_equal(bars.open, plain.open)) == (adjust != "split")
    for n in range(len(bars)):
        inside = slice(int(detail.first[n]), int(detail.first[n + 1]))
        assert detail.high[inside].max() == pytest.approx(bars.high[n], rel=1e-12)
        assert detail.low[inside].min() == pytest.approx(bars.low[n], rel=1e-12)


def test_there_may_be_none(catalog):
    load(catalog, minutes("XNYS"), market="XNYS", timeframe=Timeframe.M1)
    daily = csv(*[f"2023-05-{day:02},10,11,9,10,5" for day in range(1, 29)])
    load(catalog, daily, market="XNYS", timeframe=Timeframe.D1)
    days = (date(2023, 5, 1), date(2023, 5, 31))
    bars = catalog.bars("ABC", Timeframe.D1, *days)

    detail = catalog.detail(bars, Timeframe.M1, *days)

    assert detail.first.tolist() == [0] * (len(bars) + 1)
    assert len(detail.ts) == 0


def test_what_is_finer(catalog):
    load(catalog, minutes("XNYS"), market="XNYS", timeframe=Timeframe.M1)

    assert catalog.finer("ABC", Timeframe.M10) == [Timeframe.M1, Timeframe.M5]
    assert catalog.finer("ABC", Timeframe.M1) == []
    assert catalog.finer("ABC", Timeframe.W1)[-1] == Timeframe.D1
    assert Timeframe.W1 not in catalog.finer("ABC", Timeframe.MN1)
