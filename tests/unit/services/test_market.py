"""Prices through the services: imported, offered, and their kind remembered by the runs on them."""

from __future__ import annotations

import pytest

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
