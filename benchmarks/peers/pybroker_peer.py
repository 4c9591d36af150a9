"""PyBroker: one function called per bar, orders for the next open; metrics are always computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pybroker
from pybroker import ExecContext, FeeMode, PriceType, Strategy, StrategyConfig

from benchmarks.peers import work
from benchmarks.peers.work import Run

pybroker.disable_logging()
pybroker.disable_progress_bar()


def _average(data: Any, span: int) -> np.ndarray:
    average = pd.Series(data.close).ewm(span=span, adjust=False).mean().to_numpy(copy=True)
    average[: span - 1] = np.nan
    return average


def _crossover(ctx: ExecContext) -> None:
    one, other = ctx.indicator("fast")[-1], ctx.indicator("slow")[-1]
    if one > other:
        if ctx.long_pos() is None:
            ctx.buy_shares = work.UNITS * (1 if ctx.short_pos() is None else 2)
            ctx.buy_fill_price = PriceType.OPEN
    elif one < other and ctx.short_pos() is None:
        ctx.sell_shares = work.UNITS * (1 if ctx.long_pos() is None else 2)
        ctx.sell_fill_price = PriceType.OPEN


def _leave(ctx: ExecContext) -> None:
    if ctx.long_pos() is not None:
        ctx.sell_all_shares()
        ctx.sell_fill_price = PriceType.OPEN
    elif ctx.short_pos() is not None:
        ctx.cover_all_shares()
        ctx.buy_fill_price = PriceType.OPEN


def _guarded(enter: np.ndarray, leave: np.ndarray) -> Callable[[ExecContext], None]:
    def decide(ctx: ExecContext) -> None:
        row = ctx.bars  # of the bar that will fill
        if row == len(enter):
            return
        if leave[row]:
            _leave(ctx)
            return
        if not enter[row]:
            return
        one, other = ctx.indicator("fast")[-1], ctx.indicator("slow")[-1]
        held = ctx.long_pos() is not None or ctx.short_pos() is not None
        if (one > other and ctx.short_pos()) or (one < other and ctx.long_pos()):
            # only an exit is cut to what a stop has left; so reversing takes two bars
            _leave(ctx)
        elif one > other and not held:
            ctx.buy_shares = work.UNITS
            ctx.buy_fill_price = PriceType.OPEN
            ctx.stop_loss_pct, ctx.stop_profit_pct = work.STOP * 100, work.TARGET * 100
        elif one < other and not held:
            ctx.sell_shares = work.UNITS
            ctx.sell_fill_price = PriceType.OPEN
            ctx.stop_loss_pct, ctx.stop_profit_pct = work.STOP * 100, work.TARGET * 100

    return decide


def _config(**more: Any) -> StrategyConfig:
    return StrategyConfig(
        initial_cash=work.CASH,
        fee_mode=FeeMode.ORDER_PERCENT,
        fee_amount=work.FEE * 100,
        round_fill_price=False,
        round_test_result=False,
        **more,
    )


def _frame(bars: Mapping[str, np.ndarray]) -> pd.DataFrame:
    frame = pd.DataFrame({name: bars[name] for name in ("open", "high", "low", "close")})
    frame.insert(0, "date", bars["ts"].astype("datetime64[us]").astype("datetime64[ns]"))
    frame.insert(0, "symbol", "WALK")
    frame["volume"] = 0.0
    return frame


def _run(
    frame: pd.DataFrame,
    decide: Callable[[ExecContext], None],
    fast: int = work.FAST,
    slow: int = work.SLOW,
) -> dict[str, Any]:
    dates = frame["date"]
    strategy = Strategy(frame, dates.iloc[0], dates.iloc[-1], _config())
    indicators = [
        pybroker.indicator(name, partial(_average, span=span))
        for name, span in (("fast", fast), ("slow", slow))
    ]
    strategy.add_execution(decide, ["WALK"], indicators=indicators)
    return _found(strategy.backtest())


def _found(result: Any, *, count: str = "trades") -> dict[str, Any]:
    # its column `equity` leaves out what a short position has gained or lost
    equity = float(result.portfolio["market_value"].iloc[-1])
    return {"equity": equity, "trades": len(getattr(result, count))}


def w1(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Trade the crossover."""
    return {"stats": partial(_run, _frame(bars), _crossover)}


def w3(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Trade it with stop, target and square-off."""
    decide = _guarded(work.may_enter(bars), work.must_leave(bars))
    return {"stats": partial(_run, _frame(bars), decide)}


def w2(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Run some lanes of the sweep, spread over it."""
    frame, lanes = _frame(bars), work.combinations()[::600]

    def run() -> dict[str, Any]:
        found = [_run(frame, _crossover, fast, slow) for fast, slow in lanes]
        return {"lanes": lanes, **{key: [one[key] for one in found] for key in found[0]}}

    return {"some": run}


def w4(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Rebalance the portfolio."""
    date = bars["ts"].astype("datetime64[us]").astype("datetime64[ns]")
    count = bars["close"].shape[1]
    names = [f"S{number:03}" for number in range(count)]
    frame = pd.DataFrame(
        {
            "symbol": np.repeat(names, len(date)),
            "date": np.tile(date, count),
            **{name: bars[name].T.ravel() for name in ("open", "high", "low", "close")},
            "volume": 0.0,
        }
    )

    def run() -> dict[str, Any]:
        rows, weights = work.target_weights(bars["ts"], bars["close"])
        wanted = {
            int(row) + 1: dict(zip(names, line.tolist(), strict=True))
            for row, line in zip(rows, weights, strict=True)
        }

        def decide(ctx: ExecContext) -> None:
            today = wanted.get(ctx.bars)
            if today is not None:
                ctx.buy_fill_price = ctx.sell_fill_price = None
                ctx.set_target_shares(today[ctx.symbol], dir="long")
                if ctx.buy_shares:
                    ctx.buy_fill_price = PriceType.OPEN
                if ctx.sell_shares:
                    ctx.sell_fill_price = PriceType.OPEN

        strategy = Strategy(frame, date[0], date[-1], _config(enable_fractional_shares=True))
        strategy.add_execution(decide, names)
        return _found(strategy.backtest(), count="orders")

    return {"stats": run}


if __name__ == "__main__":
    work.serve("PyBroker", {"W1": w1, "W2": w2, "W3": w3, "W4": w4})
