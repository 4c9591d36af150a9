"""Dividends and splits through a whole run: prices read, cash received, what is shown of it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from core.domain.cost_presets import find_costs
from core.domain.costs import CostModel
from core.domain.run import RunStatus
from core.domain.timeframe import Timeframe
from tests.laboratory import wave, weekdays

DAYS = 300
EX, SPLIT = 85, 200
FREE = {"costs": find_costs("zero"), "symbols": ("ACT",)}


def file_of(closes: np.ndarray, days: int, *, paid: bool, later: bool = False) -> bytes:
    """Raw daily prices with a dividend of 1 and a split 2:1; one more split at the end if asked."""
    terms = np.where(np.arange(len(closes)) < SPLIT, 2.0, 1.0)
    lines = ["Date,Open,High,Low,Close,Volume,Dividends,Stock Splits"]
    for n, day in enumerate(weekdays(len(closes))[:days]):
        if later and n < days - 1:
            continue
        before = closes[max(n - 1, 0)] * terms[n]
        price = closes[n] * terms[n]
        ratio = 4.0 if later else 2.0 if n == SPLIT else 0.0
        opened, close = (before / 4, price / 4) if later else (before, price)
        high, low = max(opened, close) * 1.01, min(opened, close) * 0.99
        dividend = 1.0 if paid and n == EX else 0.0
        lines.append(f"{day},{opened},{high},{low},{close},1000,{dividend},{ratio}")
    return "\n".join([*lines, ""]).encode()


@pytest.fixture
def acting(lab):
    closes = np.array(wave(DAYS))
    lab.services.market.import_csv(
        file_of(closes, DAYS - 1, paid=True), name="a.csv", symbol="ACT", market="24/7"
    )
    lab.services.market.import_csv(
        file_of(closes, DAYS - 1, paid=False), name="b.csv", symbol="BARE", market="24/7"
    )
    return lab


def test_dividends_are_received_and_shown(acting):
    run = acting.submit(**FREE)
    trades = acting.services.backtests.trades(run.id)

    held = acting.services.backtests.positions(run.id)["quantity"][EX - 1]
    # 1 for an old unit is 0.5 for each of the two there are now.
    assert run.metrics["dividends"] == pytest.approx(held * 0.5)
    assert run.metrics["dividends"] != 0.0
    assert run.metrics["net_profit"] == pytest.approx(
        trades["pnl"].sum() + run.metrics["dividends"], rel=1e-9
    )


def test_raw_prices_trade_in_the_units_of_their_time(acting):
    run = acting.submit(**FREE, options={"adjust": "raw"})
    plain = acting.submit(**FREE)
    positions = acting.services.backtests.positions(run.id, None)

    closes = positions["close"].to_numpy()
    assert closes[SPLIT] / closes[SPLIT - 1] < 0.6
    assert run.run_key != plain.run_key
    assert run.status is RunStatus.COMPLETED
    assert "prices as traded" in acting.services.backtests.policy(run)
    held = acting.services.backtests.equity(run.id, None)["benchmark"].to_numpy()
    same = acting.services.backtests.equity(plain.id, None)["benchmark"].to_numpy()
    assert held == pytest.approx(same, rel=1e-12)


def test_total_return_is_badged_and_receives_nothing(acting):
    run = acting.submit(**FREE, options={"adjust": "total_return"})

    assert "total_return" in run.badges
    assert run.metrics["dividends"] == 0.0


def test_prices_without_actions_are_those_of_before(acting):
    """The same market without its dividend: the benchmark earns just that less."""
    paid, bare = acting.submit(**FREE), acting.submit(**(FREE | {"symbols": ("BARE",)}))
    with_it = acting.services.backtests.equity(paid.id, None)["benchmark"].to_numpy()
    without = acting.services.backtests.equity(bare.id, None)["benchmark"].to_numpy()

    first = acting.services.backtests.prices(paid.id, "ACT", None)["open"][0]
    gained = np.where(np.arange(len(without)) < EX, 0.0, 100_000 / first * 0.5)
    assert with_it - without == pytest.approx(gained, abs=1e-6)


@pytest.mark.parametrize("adjust", ["split", "raw", "total_return"])
def test_a_split_imported_later_leaves_a_run_its_prices(acting, adjust):
    run = acting.submit(**FREE, options={"adjust": adjust})
    before = acting.services.backtests.prices(run.id, "ACT", None)

    report = acting.services.market.import_csv(
        file_of(np.array(wave(DAYS)), DAYS, paid=True, later=True),
        name="c.csv",
        symbol="ACT",
        market="24/7",
        timeframe=Timeframe.D1,
    )

    assert report.rows_new == 1
    assert acting.services.backtests.prices(run.id, "ACT", None).equals(before)
    again = acting.submit(**FREE, options={"adjust": adjust})
    assert again.run_key != run.run_key


@pytest.mark.parametrize("lot_size", [0, 1], ids=["fractions", "lots"])
def test_costs_of_a_position_held_through_a_split_are_told(acting, lot_size):
    """A round trip is paid once although twice as many units are sold as were bought."""
    costs = CostModel(per_trade=2.0, bps=3.0, minimum=1.0, slippage_bps=2.0)
    options = {"adjust": "raw", "lot_size": lot_size}
    run = acting.submit(symbols=("ACT",), costs=costs, options=options)
    trades = acting.services.backtests.trades(run.id)
    fills = acting.services.backtests.fills(run.id)
    closed = trades.filter(~pl.col("open"))

    found = {line.part: line for line in acting.services.backtests.costs(run.id).lines}

    held = acting.services.backtests.positions(run.id)["quantity"]
    assert held[SPLIT] == 2 * held[SPLIT - 1] != 0
    assert (found["round_trips"].amount, found["round_trips"].fills) == (
        2.0 * closed.height,
        closed.height,
    )
    value = (fills["quantity"].abs() * fills["price"]).to_numpy()
    assert found["commission"].amount == pytest.approx(np.maximum(3e-4 * value, 1.0).sum())
