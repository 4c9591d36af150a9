"""Dividends and splits from a file into the lake, and out again on the terms asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core.catalog import Catalog, on_terms
from core.catalog.importer import import_csv
from core.catalog.queries import query
from core.domain.bars import Bars
from core.domain.dataset import ImportReport
from core.domain.timeframe import Timeframe
from core.errors import Conflict, DataProblem, InvalidInput
from tests.factories import make_bars
from tests.unit.catalog.csv_files import csv

YAHOO = "Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits"
RAW = (  # 2:1 on the 3rd, 0.5 per old unit on the 2nd, 0.2 per new unit on the 6th
    "2020-01-01,100,102,98,100,0,10,0,0",
    "2020-01-02,100,104,100,104,0,10,0.5,0",
    "2020-01-03,52,53,51,52,0,20,0,2",
    "2020-01-06,51,54,50,53,0,20,0.2,0",
)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "lake")


def load(catalog: Catalog, data: bytes, symbol: str = "ABC", **options: object) -> ImportReport:
    return import_csv(catalog, data, name="a.csv", symbol=symbol, **options)  # type: ignore[arg-type]


def daily(catalog: Catalog, **options: object) -> Bars:
    return catalog.bars("ABC", Timeframe.D1, **options)  # type: ignore[arg-type]


def test_a_yahoo_file_keeps_its_dividends_and_splits(catalog: Catalog) -> None:
    report = load(catalog, csv(*RAW, header=YAHOO))
    raw = daily(catalog, adjust="raw")

    assert raw.close.tolist() == [100, 104, 52, 53]
    assert raw.dividend is not None
    assert raw.split is not None
    assert raw.dividend.tolist() == [0, 0.5, 0, 0.2]
    assert raw.split.tolist() == [1, 1, 2, 1]
    assert "dividend=Dividends, split=Stock Splits" in report.layout["columns"]
    assert any("dividends stored: 2" in warning for warning in report.warnings)
    assert any("splits stored: 1" in warning for warning in report.warnings)


def test_bars_are_split_adjusted_unless_asked_otherwise(catalog: Catalog) -> None:
    load(catalog, csv(*RAW, header=YAHOO))

    bars = daily(catalog)
    assert bars.close.tolist() == [50, 52, 52, 53]
    assert bars.low.tolist() == [49, 50, 51, 50]
    assert bars.volume.tolist() == [20, 20, 20, 20]
    assert bars.dividend is not None
    assert bars.dividend.tolist() == [0, 0.25, 0, 0.2]
    assert not bars.has_splits
    assert catalog.frame("ABC", Timeframe.D1)["close"].to_list() == [50, 52, 52, 53]

    total = daily(catalog, adjust="total_return")
    last = 1 - 0.2 / 52
    assert total.close.tolist() == [50 * (last * (1 - 0.25 / 50)), 52 * last, 52 * last, 53]
    assert not total.has_dividends


def test_a_split_beyond_the_end_is_not_known(catalog: Catalog) -> None:
    load(catalog, csv(*RAW, header=YAHOO))

    assert daily(catalog, end=date(2020, 1, 2)).close.tolist() == [100, 104]


def test_splits_that_prices_do_not_show_are_information(catalog: Catalog) -> None:
    adjusted = [row.replace(",2", ",1.98") if row.startswith("2020-01-03") else row for row in RAW]
    adjusted[0] = "2020-01-01,50,51,49,50,0,20,0,0"
    adjusted[1] = "2020-01-02,50,52,50,52,0,20,0.25,0"
    report = load(catalog, csv(*adjusted, header=YAHOO))

    assert not daily(catalog, adjust="raw").has_splits
    assert any("adjusted for them already" in warning for warning in report.warnings)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("-0.1,1", "bad_dividend"),
        ("ten,1", "bad_dividend"),
        ("0,0", "bad_split"),
        ("0,-2", "bad_split"),
        ("0,2:1", "bad_split"),
        ("0,1e9", "bad_split"),
    ],
)
def test_actions_that_cannot_be_are_rejected_with_their_line(
    catalog: Catalog, cell: str, reason: str
) -> None:
    good = [f"2020-01-0{day},1,1,1,1,5,,1" for day in (1, 2, 3)]
    report = load(
        catalog,
        csv(
            *good,
            f"2020-01-06,1,1,1,1,5,{cell}",
            header="date,open,high,low,close,volume,dividend,split",
        ),
    )

    assert [(each.line, each.reason) for each in report.rejections] == [(5, reason)]


def test_splits_given_twice_are_refused(catalog: Catalog) -> None:
    with pytest.raises(InvalidInput, match="splits are given"):
        load(catalog, csv(*RAW, header=YAHOO), splits=[(date(2020, 1, 3), 2.0)])


def test_splits_given_divide_dividends_too(catalog: Catalog) -> None:
    plain = [",".join(row.split(",")[:-1]) for row in RAW]
    load(
        catalog,
        csv(*plain, header=YAHOO.removesuffix(",Stock Splits")),
        splits=[(date(2020, 1, 3), 2.0)],
    )

    bars = daily(catalog)
    assert bars.dividend is not None
    assert bars.dividend.tolist() == [0, 0.25, 0, 0.2]


def test_the_same_file_again_and_one_without_actions_change_nothing(catalog: Catalog) -> None:
    load(catalog, csv(*RAW, header=YAHOO))
    plain = [",".join(row.split(",")[:7]) for row in RAW]

    assert load(catalog, csv(*RAW, header=YAHOO)).outcome == "unchanged"
    again = load(catalog, csv(*plain, header=",".join(YAHOO.split(",")[:7])))
    assert (again.outcome, again.rejections) == ("unchanged", ())
    other = [*RAW[:3], RAW[3].replace("0.2", "0.3")]
    report = load(catalog, csv(*other, header=YAHOO))
    assert [each.reason for each in report.rejections] == ["conflicting_duplicate"]


def test_years_with_and_without_actions_are_read_together(catalog: Catalog) -> None:
    later = [row.replace("2020", "2021").rsplit(",", 2)[0] + ",0,0" for row in RAW[2:]]
    load(catalog, csv(*RAW, *later, header=YAHOO), timeframe=Timeframe.D1)

    bars = daily(catalog, adjust="raw")
    assert len(bars) == 6
    assert bars.split is not None
    assert bars.split.tolist() == [1, 1, 2, 1, 1, 1]
    columns = [
        pl.read_parquet_schema(path).keys() for path in sorted(catalog.root.rglob("*.parquet"))
    ]
    assert [("split" in each, "dividend" in each) for each in columns] == [
        (True, True),
        (False, False),
    ]
    assert query(catalog, "SELECT count(*) AS n FROM bars")["n"].to_list() == [6]


def test_data_without_actions_keeps_its_hash(catalog: Catalog) -> None:
    plain = [",".join(row.split(",")[:7]) for row in RAW[:2]]
    zeros = [f"{row},0,0" for row in plain]
    load(catalog, csv(*plain, header=",".join(YAHOO.split(",")[:7])), timeframe=Timeframe.D1)
    load(catalog, csv(*zeros, header=YAHOO), "XYZ", timeframe=Timeframe.D1)
    one = daily(catalog)
    other = replace(catalog.bars("XYZ", Timeframe.D1), symbol="ABC")
    paid = replace(one, dividend=np.array([0.0, 0.1]))

    assert one.data_hash == other.data_hash
    assert replace(one, dividend=np.zeros(2), split=np.ones(2)).data_hash == one.data_hash
    assert paid.data_hash != one.data_hash
    assert replace(one, split=np.array([1.0, 1.1])).data_hash not in {one.data_hash, paid.data_hash}


def test_a_week_with_a_split_is_on_the_terms_after_it(catalog: Catalog) -> None:
    """Monday at 100, 2:1 on Wednesday: the week opens at 50, and its split is at its opening."""
    rows = (
        "2019-12-30,90,90,90,90,0,10,0,0",
        "2020-01-06,100,102,98,100,0,10,0,0",
        "2020-01-07,100,106,100,104,0,10,0.5,0",
        "2020-01-08,52,53,51,52,0,20,0,2",
        "2020-01-09,51,52,50,52,0,20,0.2,0",
        "2020-01-10,52,52,52,52,0,20,0,0",
    )
    load(catalog, csv(*rows, header=YAHOO))

    raw = catalog.bars("ABC", Timeframe.W1, adjust="raw")
    week = [float(getattr(raw, name)[1]) for name in ("open", "high", "low", "close", "volume")]
    assert week == [50, 53, 49, 52, 100]
    assert raw.split is not None
    assert raw.dividend is not None
    assert (raw.split.tolist(), raw.dividend.tolist()) == ([1, 2], [0, 0.25 + 0.2])
    assert catalog.bars("ABC", Timeframe.W1).open.tolist() == [45, 50]


def test_an_action_before_the_session_reaches_the_day(catalog: Catalog) -> None:
    """Minutes at 08:00 New York are no part of the day; the split they carry is."""
    rows = (
        "2020-01-02 09:30:00,100,100,100,100,1,0,1",
        "2020-01-02 09:31:00,100,100,100,100,1,0,1",
        "2020-01-03 08:00:00,50,50,50,50,1,0.1,2",
        "2020-01-03 08:01:00,50,50,50,50,1,0,1",
        "2020-01-03 09:30:00,51,51,51,51,1,0,1",
    )
    load(catalog, csv(*rows, header="timestamp,open,high,low,close,volume,dividend,split"))

    raw = daily(catalog, adjust="raw")
    assert raw.split is not None
    assert raw.dividend is not None
    assert (raw.split.tolist(), raw.dividend.tolist()) == ([1, 2], [0, 0.1])
    assert raw.open.tolist() == [100, 51]


def test_a_dividend_above_the_close_has_no_total_return() -> None:
    bars = make_bars([10.0, 1.0], dividend=[0.0, 10.0])

    with pytest.raises(DataProblem, match="dividend"):
        on_terms(bars, "total_return")


@pytest.mark.parametrize(
    "wrong", [{"dividend": [0.0, -1.0]}, {"split": [1.0, 0.0]}, {"split": [1.0, np.nan]}]
)
def test_bars_refuse_actions_that_cannot_be(wrong: dict[str, list[float]]) -> None:
    with pytest.raises(DataProblem):
        make_bars([10.0, 10.0], **wrong)


# Funding ---------------------------------------------------------------------------------------

HOURS = "timestamp,open,high,low,close,volume,funding_rate"


def perpetual(*rates: float | str) -> bytes:
    """Hours of a perpetual future from midnight on, with what is paid at their openings."""
    return csv(
        *(
            f"2024-03-{1 + n // 24:02d}T{n % 24:02d}:00:00Z,100,100,100,100,1,{rate}"
            for n, rate in enumerate(rates)
        ),
        header=HOURS,
    )


def test_a_column_of_funding_is_stored_and_hashed(catalog: Catalog) -> None:
    rates = [0.0] * 30
    rates[8], rates[16], rates[24] = 0.0001, -0.0003, 0.01
    report = load(catalog, perpetual(*rates), market="24/7")
    load(catalog, perpetual(*[0] * 30), "PLAIN", market="24/7")

    bars = catalog.bars("ABC", Timeframe.H1)
    assert bars.funding is not None
    assert bars.funding.tolist() == rates
    assert any("funding stored: 3 rates" in warning for warning in report.warnings)
    assert catalog.bars("PLAIN", Timeframe.H1).funding is None
    plain = replace(bars, funding=None)
    assert bars.data_hash != plain.data_hash
    assert load(catalog, perpetual(*rates), market="24/7").outcome == "unchanged"


def test_funding_within_a_longer_bar_is_paid_at_the_next_one(catalog: Catalog) -> None:
    """08:00 and 16:00 of a day, and midnight after it, are those of who holds over midnight."""
    rates = [0.0] * 49
    for hour, rate in {0: 1 / 2, 8: 1 / 4, 16: 1 / 8, 24: 1 / 16, 47: 1 / 32, 48: 1 / 64}.items():
        rates[hour] = rate
    load(catalog, perpetual(*rates), market="24/7")

    daily_bars = catalog.bars("ABC", Timeframe.D1)
    assert daily_bars.funding is not None
    assert daily_bars.funding.tolist() == [1 / 2, 1 / 4 + 1 / 8 + 1 / 16, 1 / 32 + 1 / 64]
    four = catalog.bars("ABC", Timeframe.H4)
    assert four.funding is not None
    assert np.flatnonzero(four.funding).tolist() == [0, 2, 4, 6, 12]
    assert four.funding[12] == 1 / 32 + 1 / 64


@pytest.mark.parametrize("cell", ["1", "-1", "many", "1e400"])
def test_funding_that_cannot_be_is_rejected_with_its_line(catalog: Catalog, cell: str) -> None:
    report = load(catalog, perpetual(0, 0.1, -0.1, cell), market="24/7")

    assert [(each.line, each.reason) for each in report.rejections] == [(5, "bad_funding")]


# Currencies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "market", "said", "currency"),
    [
        ("AAA", "XNYS", None, "USD"),
        ("AAA", "XNSE", None, "INR"),
        ("AAA", "XEUR", "chf", "CHF"),
        ("EURUSD", "FX", None, "USD"),
        ("USDINR", "FX", None, "INR"),
        ("GOLD", "FX", None, None),
        ("BTC", "24/7", None, None),
        ("BTC", "24/7", "USDT", "USDT"),
    ],
)
def test_a_symbol_has_the_currency_of_its_import_its_pair_or_its_market(
    catalog: Catalog, symbol: str, market: str, said: str | None, currency: str | None
) -> None:
    load(catalog, csv(*RAW, header=YAHOO), symbol, market=market, currency=said)

    assert catalog.currency_of(symbol) == currency
    assert [each.currency for each in catalog.series(symbol)] == [currency]


def test_a_currency_can_be_said_later_and_not_changed(catalog: Catalog) -> None:
    load(catalog, csv(*RAW, header=YAHOO), market="24/7")
    before = catalog.bars("ABC", Timeframe.D1).data_hash

    again = load(catalog, csv(*RAW, header=YAHOO), market="24/7", currency="EUR")
    assert again.outcome == "unchanged"
    assert catalog.currency_of("ABC") == "EUR"
    assert catalog.bars("ABC", Timeframe.D1).data_hash == before
    load(catalog, csv(*RAW, header=YAHOO), market="24/7")
    assert catalog.currency_of("ABC") == "EUR"

    with pytest.raises(Conflict, match="EUR"):
        load(catalog, csv(*RAW, header=YAHOO), market="24/7", currency="USD")
    with pytest.raises(InvalidInput, match="currency"):
        load(catalog, csv(*RAW, header=YAHOO), "DEF", currency="dollars")
