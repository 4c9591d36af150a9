"""Prices through the services: imported, offered, and their kind remembered by the runs on them."""

from __future__ import annotations

import pytest

from core.domain.costs import CostModel
from core.domain.timeframe import Timeframe
from core.errors import NotFound
from tests.laboratory import wave, weekdays


def csv_of(closes):
    rows = ["Date,Open,High,Low,Close,Volume"]
    for day, close in zip(weekdays(len(closes)), closes, strict=True):
        rows.append(f"{day},{close},{close + 1},{close - 1},{close},100")
    return ("\n".join(rows) + "\n").encode()


def load(lab, symbol="CCC", **options):
    closes = wave(120)
    return lab.services.market.import_csv(
        csv_of(closes), name="ccc.csv", symbol=symbol, market="XNYS", **options
    )


def test_an_imported_symbol_can_be_run_at_once(lab):
    before = lab.services.market.change_token()

    report = load(lab)

    assert (report.rows_read, report.rows_stored) == (120, 120)
    assert lab.services.market.change_token() != before
    assert lab.services.market.symbols() == ["AAA", "BBB", "CCC"]
    assert lab.services.market.last_import("CCC") == report
    assert lab.submit(symbols=("CCC",)).bars == 120


def test_timeframes_are_those_of_the_symbol_or_of_any(lab):
    assert lab.services.market.timeframes("AAA") == [Timeframe.D1, Timeframe.W1, Timeframe.MN1]
    assert lab.services.market.timeframes() == [Timeframe.D1, Timeframe.W1, Timeframe.MN1]


def test_bars_are_given_as_a_frame(lab):
    frame = lab.services.market.bars_frame("AAA", Timeframe.D1)

    assert frame.columns == ["timestamp", "open", "high", "low", "close", "volume"]
    assert frame.height == 300


def test_the_lowest_price_is_that_of_all_the_symbols_in_these_sessions(lab):
    days = weekdays(6)
    for symbol, lows in (("LOW", [5.0, 3.0, 4.0, 6.0, 7.0, 8.0]), ("HIGH", [50.0] * 6)):
        rows = [
            f"{day},{low + 1},{low + 1},{low},{low + 1},9"
            for day, low in zip(days, lows, strict=True)
        ]
        file = "\n".join(["Date,Open,High,Low,Close,Volume", *rows]).encode()
        lab.services.market.import_csv(file, name="file.csv", symbol=symbol, market="XNYS")
    lowest = lab.services.market.lowest_price

    assert lowest(("HIGH", "LOW"), Timeframe.D1) == 3.0
    assert lowest(("HIGH", "LOW"), Timeframe.D1, days[2], days[4]) == 4.0
    assert lowest(("HIGH",), Timeframe.W1) == 50.0
    assert lowest(("NONE",), Timeframe.D1) is None


def test_slippage_that_leaves_nothing_of_a_price_fails_the_run_with_words(lab):
    load(lab)
    low = lab.services.market.lowest_price(("CCC",), Timeframe.D1)

    fits = lab.submit(symbols=("CCC",), costs=CostModel(slippage_points=low * 0.999))
    points = lab.submit(symbols=("CCC",), costs=CostModel(slippage_points=low))
    all_of_it = lab.submit(symbols=("CCC",), costs=CostModel(slippage_bps=10_000))

    assert fits.error is None
    for refused in (points, all_of_it):
        assert refused.error.code == "invalid_input"
        assert f"the whole price of CCC, which was as low as {low:g}" in refused.error.message


def test_an_unknown_symbol_is_not_found(lab):
    with pytest.raises(NotFound):
        lab.services.market.timeframes("ZZZ")


def test_runs_on_synthetic_prices_say_so(lab):
    load(lab, symbol="SYN", synthetic=True)

    run = lab.submit(symbols=("SYN",))
    mixed = lab.submit(symbols=("AAA", "SYN"))

    assert "synthetic_data" in run.badges
    assert "synthetic_data" in mixed.badges
    assert "the prices are synthetic" in lab.services.backtests.verdict(run)
    assert "synthetic_data" not in lab.submit().badges
