"""Reading the lake: spans, lengths, layouts by others, errors that help, and real minutes."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core.catalog import Catalog
from core.catalog.importer import import_csv
from core.catalog.publish import declare
from core.domain.timeframe import Timeframe
from core.errors import DataProblem, InvalidInput, NotFound
from tests.reference import slow_bars
from tests.shared import shared
from tests.unit.catalog.csv_files import csv, days, minutes


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "lake")


def dates(frame: pl.DataFrame) -> list[str]:
    return [f"{moment:%Y-%m-%d}" for moment in frame["timestamp"]]


# Spans ----------------------------------------------------------------------------------------


def test_both_ends_of_a_span_belong_to_it(catalog: Catalog) -> None:
    import_csv(catalog, days(date(2019, 12, 27), 10), name="x.csv", symbol="A")

    frame = catalog.frame("A", Timeframe.D1, date(2019, 12, 30), date(2020, 1, 2))

    assert dates(frame) == ["2019-12-30", "2019-12-31", "2020-01-01", "2020-01-02"]
    assert frame.schema == {
        "timestamp": pl.Datetime("us", "UTC"),
        **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64),
    }


def test_a_span_is_one_of_sessions_and_not_of_utc_days(catalog: Catalog) -> None:
    evening = minutes(datetime(2017, 3, 6, 20, tzinfo=UTC), 240)

    import_csv(catalog, evening, name="x.csv", symbol="EURUSD", market="FX")

    # 17:00 in New York was 22:00 UTC: the seventh begins there
    monday = catalog.bars("EURUSD", Timeframe.M1, end=date(2017, 3, 6))
    tuesday = catalog.bars("EURUSD", Timeframe.M1, start=date(2017, 3, 7))
    assert (len(monday), len(tuesday)) == (120, 120)
    assert tuesday.minute[0] == 17 * 60
    assert set(tuesday.session) == {(date(2017, 3, 7) - date(1970, 1, 1)).days}


SPANS = [
    (None, None),
    (date(2019, 12, 30), None),
    (None, date(2019, 12, 31)),
    (date(2019, 12, 31), date(2020, 1, 1)),
]


@pytest.mark.parametrize(("start", "end"), SPANS)
@pytest.mark.parametrize("market", ["XNYS", "XNSE", "FX", "24/7"])
def test_sessions_are_those_of_the_bars(
    catalog: Catalog, market: str, start: date | None, end: date | None
) -> None:
    """Read from times alone, for every length: from minutes, from days, from files of others."""
    around = datetime(2019, 12, 28, 5, tzinfo=UTC)
    import_csv(catalog, minutes(around, 6 * 24 * 60), name="m.csv", symbol="M", market=market)
    import_csv(catalog, days(date(2019, 10, 1), 130), name="d.csv", symbol="D", market=market)
    lay(
        catalog.root / "ohlcv/1Y/symbol=X/year=2020/X_2020.parquet",
        datetime(2019, 12, 30, 3, 45),  # noqa: DTZ001 - given its zone by lay
        3 * 24 * 60,
    )
    declare(catalog.root, "x", market)

    for symbol in ("M", "D", "X"):
        for timeframe in catalog.timeframes(symbol):
            expected = catalog.bars(symbol, timeframe, start, end).session
            found = catalog.sessions(symbol, timeframe, start, end)
            assert found.dtype == expected.dtype
            assert found.tolist() == expected.tolist(), (symbol, timeframe)


def test_sessions_that_are_not_there_are_told_as_bars_are(catalog: Catalog) -> None:
    import_csv(catalog, minutes(datetime(2020, 1, 6, 15, tzinfo=UTC), 60), name="x", symbol="A")

    for symbol, start, end, kind in (
        ("A", date(2021, 1, 1), None, NotFound),
        ("A", date(2020, 1, 7), None, NotFound),
        ("A", date(2020, 1, 7), date(2020, 1, 6), InvalidInput),
        ("B", None, None, NotFound),
    ):
        said = []
        for ask in (catalog.bars, catalog.sessions):
            with pytest.raises(kind) as refused:
                ask(symbol, Timeframe.M5, start, end)
            said.append(refused.value.sentence())
        assert said[0] == said[1]


WEEKS = "2020-01-06", "2020-01-13", "2020-01-20"
MONTHS = "2020-01-01", "2020-02-01", "2020-03-01"


@pytest.mark.parametrize(
    ("timeframe", "stamps", "span", "wanted"),
    [
        (Timeframe.W1, WEEKS, (None, date(2020, 1, 18)), WEEKS[:1]),
        (Timeframe.W1, WEEKS, (None, date(2020, 1, 19)), WEEKS[:2]),
        (Timeframe.W1, WEEKS, (date(2020, 1, 7), None), WEEKS[1:]),
        (Timeframe.MN1, MONTHS, (None, date(2020, 2, 28)), MONTHS[:1]),
        (Timeframe.MN1, MONTHS, (None, date(2020, 2, 29)), MONTHS[:2]),
        (Timeframe.MN1, MONTHS, (date(2020, 1, 2), None), MONTHS[1:]),
    ],
)
def test_stored_weeks_and_months_are_given_whole_or_not_at_all(
    catalog: Catalog,
    timeframe: Timeframe,
    stamps: tuple[str, ...],
    span: tuple[date | None, date | None],
    wanted: tuple[str, ...],
) -> None:
    rows = csv(*(f"{stamp},1,2,0.5,1.5,10" for stamp in stamps))
    import_csv(catalog, rows, name="x.csv", symbol="A", timeframe=timeframe)

    assert dates(catalog.frame("A", timeframe, *span)) == list(wanted)


def test_nothing_after_the_end_is_looked_at(catalog: Catalog) -> None:
    import_csv(catalog, days(date(2020, 1, 6), 5), name="x.csv", symbol="A")

    wednesday = catalog.bars("A", Timeframe.W1, end=date(2020, 1, 8))
    friday = catalog.bars("A", Timeframe.W1)

    assert (len(wednesday), len(friday)) == (1, 1)
    assert wednesday.ts[0] == friday.ts[0]
    assert (wednesday.close[0], friday.close[0]) == (102.5, 104.5)


def test_spans_beyond_all_calendars_are_no_trouble(catalog: Catalog) -> None:
    import_csv(catalog, days(date(2020, 1, 6), 5), name="x.csv", symbol="A")
    import_csv(catalog, minutes(datetime(2020, 1, 6, 15, tzinfo=UTC), 5), name="x.csv", symbol="A")

    for timeframe in (Timeframe.D1, Timeframe.M1):
        assert len(catalog.bars("A", timeframe, date.min, date.max)) == 5


def test_a_span_without_bars_says_where_there_are_some(catalog: Catalog) -> None:
    import_csv(catalog, days(date(2020, 1, 6), 5), name="x.csv", symbol="A")

    with pytest.raises(NotFound) as none:
        catalog.bars("A", Timeframe.D1, date(2021, 1, 1), date(2021, 2, 1))

    assert "from 2021-01-01 to 2021-02-01" in none.value.message
    assert "1d from 2020-01-06 to 2020-01-10" in (none.value.expected or "")


def test_a_span_that_ends_before_it_starts_is_refused(catalog: Catalog) -> None:
    import_csv(catalog, days(date(2020, 1, 6), 5), name="x.csv", symbol="A")

    with pytest.raises(InvalidInput, match="after end"):
        catalog.bars("A", Timeframe.D1, date(2020, 2, 1), date(2020, 1, 1))


# What there is --------------------------------------------------------------------------------


def test_an_empty_lake_is_empty_and_says_what_to_do(catalog: Catalog) -> None:
    assert catalog.symbols() == []
    assert catalog.series() == []
    with pytest.raises(NotFound, match="no bars of A") as none:
        catalog.bars("A", Timeframe.D1)
    assert "demo" in (none.value.hint or "")
    assert not catalog.root.exists()


def test_a_symbol_almost_right_brings_the_right_one_to_mind(catalog: Catalog) -> None:
    import_csv(catalog, days(date(2020, 1, 6), 5), name="x.csv", symbol="AAPL")

    with pytest.raises(NotFound) as none:
        catalog.timeframes("APPL")

    assert none.value.hint == "did you mean AAPL?"


def test_lengths_that_can_be_built_are_offered_and_others_refused(catalog: Catalog) -> None:
    start = datetime(2020, 1, 6, 15, tzinfo=UTC)
    import_csv(catalog, minutes(start, 12, step=600), name="x.csv", symbol="A")

    assert catalog.timeframes("a") == ["10m", "30m", "1h", "4h", "1d", "1w", "1M"]
    with pytest.raises(DataProblem, match="A is stored as 10m; 15m bars cannot be built") as no:
        catalog.bars("A", Timeframe.M15)
    assert "10m, 30m" in (no.value.hint or "")


def test_a_stored_length_is_served_as_it_is_and_days_are_built_from_days(catalog: Catalog) -> None:
    import_csv(catalog, days(date(2020, 1, 6), 5), name="d.csv", symbol="A")
    start = datetime(2020, 1, 6, 15, tzinfo=UTC)
    import_csv(catalog, minutes(start, 60, price=500), name="m.csv", symbol="A")

    assert catalog.bars("A", Timeframe.D1).open[0] == 100
    assert catalog.bars("A", Timeframe.W1).open[0] == 100
    assert catalog.bars("A", Timeframe.H1).open[0] == 500


def test_bars_carry_sessions_and_minutes_of_their_market(catalog: Catalog) -> None:
    data = minutes(datetime(2020, 3, 9, 13, 30, tzinfo=UTC), 3)
    import_csv(catalog, data, name="x.csv", symbol="A")

    bars = catalog.bars("A", Timeframe.M1)

    assert bars.minute.tolist() == [570, 571, 572]
    assert set(bars.session) == {(date(2020, 3, 9) - date(1970, 1, 1)).days}
    assert (bars.symbol, bars.market.code) == ("A", "XNYS")
    assert (bars.session.dtype, bars.minute.dtype) == (np.int32, np.int32)
    for daily in (catalog.bars("A", Timeframe.D1), catalog.bars("A", Timeframe.MN1)):
        assert daily.minute.tolist() == [0]
        assert daily.ts[0] == int(daily.session[0]) * 86_400_000_000


def test_equal_bars_have_equal_hashes_and_columns_cannot_be_written(catalog: Catalog) -> None:
    import_csv(catalog, days(date(2020, 1, 6), 5), name="x.csv", symbol="A")

    first, second = catalog.bars("A", Timeframe.D1), Catalog(catalog.root).bars("A", Timeframe.D1)

    assert first.data_hash == second.data_hash
    with pytest.raises(ValueError, match="read-only"):
        first.close[0] = 1


# Files laid by others -------------------------------------------------------------------------


def lay(path: Path, first: datetime, count: int, *, zone: str | None = "UTC") -> None:
    path.parent.mkdir(parents=True)
    stamps = pl.Series([first + timedelta(minutes=at) for at in range(count)])
    frame = pl.DataFrame({"symbol": ["X"] * count, "timestamp": stamps}).with_columns(
        pl.col("timestamp").dt.replace_time_zone(zone).cast(pl.Datetime("ns", zone)),
        open=pl.lit(10.0),
        high=pl.lit(11.0),
        low=pl.lit(9.0),
        close=pl.lit(10.5),
        volume=pl.lit(5),
    )
    frame.write_parquet(path)


def test_years_laid_by_others_are_read_once_their_market_is_declared(catalog: Catalog) -> None:
    first = datetime(2020, 1, 6, 3, 45)  # noqa: DTZ001 - given its zone by lay
    lay(catalog.root / "ohlcv/1Y/symbol=X/year=2020/X_2020.parquet", first, 60)

    assert catalog.symbols() == ["X"]
    assert catalog.series()[0].market == "24/7"
    declare(catalog.root, "x", "XNSE")

    assert catalog.bars("X", Timeframe.H1).minute.tolist() == [555]
    assert [each.market for each in catalog.series("X")] == ["XNSE"]
    assert catalog.last_import("X") is None


def test_the_older_layout_of_one_file_per_day_is_read(catalog: Catalog) -> None:
    for day in (6, 7):
        path = (
            catalog.root / f"ohlcv/1m/symbol=X/date=2020-01-{day:02d}/X_2020-01-{day:02d}.parquet"
        )
        lay(path, datetime(2020, 1, day, 15), 30, zone=None)  # noqa: DTZ001

    bars = catalog.bars("X", Timeframe.D1)

    assert catalog.timeframes("X")[0] is Timeframe.M1
    assert bars.volume.tolist() == [150.0, 150.0]
    assert len(catalog.bars("X", Timeframe.M1, date(2020, 1, 7))) == 30


def test_prices_of_others_that_cannot_be_are_refused(catalog: Catalog) -> None:
    path = catalog.root / "ohlcv/1Y/symbol=X/year=2020/X_2020.parquet"
    lay(path, datetime(2020, 1, 6, 15), 30)  # noqa: DTZ001
    frame = pl.read_parquet(path)
    frame.with_columns(low=pl.lit(None, dtype=pl.Float64)).write_parquet(path)

    with pytest.raises(DataProblem, match="30 rows of X_2020"):
        catalog.bars("X", Timeframe.M1)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all", b"PAR1" * 100])
def test_a_file_of_others_that_is_no_parquet_is_a_problem_in_words(
    content: bytes, catalog: Catalog
) -> None:
    path = catalog.root / "ohlcv/1Y/symbol=X/year=2020/X_2020.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    with pytest.raises(DataProblem, match="cannot be read as a price file"):
        catalog.bars("X", Timeframe.M1)


def test_folders_that_name_no_symbol_are_passed_over(catalog: Catalog) -> None:
    for folder in ("symbol=..", "symbol=a b", "symbol=", "SYMBOL=A", "symbol=lower", "x"):
        (catalog.root / "ohlcv/1Y" / folder / "year=2020").mkdir(parents=True)

    assert catalog.symbols() == []


# Real minutes ---------------------------------------------------------------------------------


def real(catalog: Catalog, symbol: str, market: str, *years: int) -> None:
    for year in years:
        name = f"ohlcv/1Y/symbol={symbol}/year={year}/{symbol}_{year}.parquet"
        source = shared(f"market_data/{name}")
        (catalog.root / name).parent.mkdir(parents=True)
        shutil.copy(source, catalog.root / name)
    declare(catalog.root, symbol, market)


@pytest.mark.parametrize(
    ("symbol", "market", "years", "span"),
    [
        # stale rows outside the session, a Muhurat evening, a change of year
        ("NIFTY", "XNSE", (2021, 2022), (date(2021, 10, 25), date(2022, 1, 14))),
        # half days, the change of clocks in March
        ("SPY", "XNYS", (2014, 2015), (date(2014, 11, 24), date(2015, 1, 9))),
        ("SPY", "XNYS", (2015,), (date(2015, 2, 27), date(2015, 3, 20))),
        # around the clock, with the roll at 17:00 New York and both changes of clocks apart
        ("EURUSD", "FX", (2017,), (date(2017, 3, 6), date(2017, 3, 31))),
        ("FESX", "XEUR", (2006,), (date(2006, 1, 2), date(2006, 1, 20))),
    ],
    ids=["nifty", "spy-half-days", "spy-spring", "eurusd", "fesx"],
)
def test_real_minutes_are_built_as_the_slow_builder_does(
    catalog: Catalog, symbol: str, market: str, years: tuple[int, ...], span: tuple[date, date]
) -> None:
    real(catalog, symbol, market, *years)
    rows = catalog.frame(symbol, Timeframe.M1, *span)
    stamps = rows["timestamp"].to_physical()
    bars = list(zip(stamps, *(rows[name] for name in rows.columns[1:]), strict=True))

    for timeframe in catalog.timeframes(symbol)[1:]:
        frame = catalog.frame(symbol, timeframe, *span)
        wanted = slow_bars.build(bars, 60, timeframe.value, market)
        found = list(
            zip(
                frame["timestamp"].to_physical(),
                *(frame[name] for name in frame.columns[1:5]),
                strict=True,
            )
        )
        assert found == [bar[:5] for bar in wanted], timeframe
        assert frame["volume"].to_list() == pytest.approx([bar[5] for bar in wanted], rel=1e-12)


def test_four_real_years_of_nifty_come_through_the_importer_but_for_the_rows_that_are_no_bars(
    catalog: Catalog, tmp_path: Path
) -> None:
    others = Catalog(tmp_path / "others")
    real(others, "NIFTY", "XNSE", 2021, 2022, 2023, 2024)
    paths = [part.path for part in others.parts("NIFTY", Timeframe.M1)]
    rows = pl.concat([pl.read_parquet(path) for path in paths])
    # real dirt: stamps some seconds late, highs below the open, volumes of -1
    late = pl.col("timestamp").dt.second() != 0
    outside = (pl.max_horizontal("open", "close") > pl.col("high")) | (
        pl.min_horizontal("open", "close") < pl.col("low")
    )
    judged = rows.select(
        pl.when(late)
        .then(pl.lit("bad_time"))
        .when(outside)
        .then(pl.lit("high_low"))
        .when(pl.col("volume") < 0)
        .then(pl.lit("bad_volume"))
        .alias("reason"),
        "timestamp",
    )
    wanted = dict(judged.drop_nulls("reason").group_by("reason").len().rows())
    with pytest.raises(DataProblem, match="12 rows of NIFTY_2021"):
        others.bars("NIFTY", Timeframe.M1)

    report = import_csv(
        catalog,
        rows.with_columns(pl.col("timestamp").dt.to_string("iso:strict")).write_csv().encode(),
        name="nifty.csv",
        symbol="NIFTY",
        market="XNSE",
        zone="UTC",
    )

    assert report.rows_read == rows.height == 434_089
    assert report.rejected_by_reason == wanted
    assert wanted["high_low"] == 12
    minute = catalog.bars("NIFTY", Timeframe.M1)
    daily = catalog.bars("NIFTY", Timeframe.D1)
    kept = judged.filter(pl.col("reason").is_null())["timestamp"]
    assert minute.ts.tolist() == kept.to_physical().sort().to_list()
    # 62,000 stale rows before and after the sessions of a year leave the days untouched
    assert any("lie outside 09:15-15:30" in warning for warning in report.warnings)
    first_bars = np.flatnonzero(minute.minute == 555)
    opens = dict(zip(minute.session[first_bars], minute.open[first_bars], strict=True))
    days_with_opening = np.isin(daily.session, minute.session[first_bars])
    assert days_with_opening.sum() > 980
    assert daily.open[days_with_opening].tolist() == [
        opens[day] for day in daily.session[days_with_opening]
    ]
