"""Simulations by hand: equity and trades as given, everything else in agreement with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.domain.simulation import Balance, Counters, Fills, Simulation, Trades
from tests.factories import make_bars


@dataclass(frozen=True)
class Trade:
    """A round trip; open if `exit_bar` is -1."""

    entry_bar: int = 0
    exit_bar: int = -1
    pnl: float = 0.0
    quantity: float = 1.0
    entry_price: float = 100.0
    exit_price: float = 100.0
    fees: float = 0.0
    slippage: float = 0.0
    mae: float = 0.0
    mfe: float = 0.0
    risk: float = float("nan")


OPEN = Trade()


def closed(*pnl: float, **rest: Any) -> list[Trade]:
    """Trades with these results, one after another, two bars each."""
    return [
        Trade(entry_bar=2 * n, exit_bar=2 * n + 1, pnl=value, **rest) for n, value in enumerate(pnl)
    ]


def simulation_of(
    equity: Sequence[float] | np.ndarray,
    *,
    initial_cash: float = 100.0,
    trades: Sequence[Trade] = (OPEN,),
    quantity: Sequence[float] | np.ndarray | None = None,
    close: Sequence[float] | np.ndarray | None = None,
    held: Sequence[bool] | np.ndarray | None = None,
    multiplier: float = 1.0,
    ambiguous_bars: int = 0,
    gross_exposure: float = 0.5,
    stopped: bool = False,
    counters: Counters | None = None,
    **bars: Any,
) -> Simulation:
    """One sleeve. Fills follow from the trades: half of the costs at each end.

    Args:
        bars: Passed on to `make_bars` (session, minute, ts, timeframe, market).
    """
    money = np.array(equity, dtype=np.float64)
    count = len(money)
    prices = np.full(count, 100.0) if close is None else np.array(close, dtype=np.float64)
    return Simulation(
        bars=make_bars(prices, **bars),
        initial_cash=initial_cash,
        multiplier=multiplier,
        equity=money,
        balance=Balance.of(
            money, np.zeros(count) if quantity is None else np.array(quantity, dtype=np.float64)
        ),
        held=np.ones(count, dtype=np.bool_) if held is None else np.array(held, dtype=np.bool_),
        fills=_fills(trades),
        trades=_trades(trades),
        counters=replace(counters or Counters(), ambiguous_bars=ambiguous_bars),
        max_drawdown=_max_drawdown(money, initial_cash),
        gross_exposure=gross_exposure,
        ruined=bool((money <= 0.0).any()),
        stopped=stopped,
    )


def from_returns(returns: Sequence[float] | np.ndarray, **rest: Any) -> Simulation:
    """One session per return, starting from 100."""
    return simulation_of(100.0 * np.cumprod(1.0 + np.asarray(returns, dtype=np.float64)), **rest)


def _trades(trades: Sequence[Trade]) -> Trades:
    def column(name: str, kind: Any = np.float64) -> np.ndarray:
        return np.array([getattr(trade, name) for trade in trades], dtype=kind)

    return Trades(
        entry_bar=column("entry_bar", np.int64),
        exit_bar=column("exit_bar", np.int64),
        quantity=column("quantity"),
        entry_price=column("entry_price"),
        exit_price=column("exit_price"),
        pnl=column("pnl"),
        fees=column("fees"),
        slippage=column("slippage"),
        mae=column("mae"),
        mfe=column("mfe"),
        risk=column("risk"),
        exit_reason=np.ones(len(trades), dtype=np.uint8),
        ambiguous=np.zeros(len(trades), dtype=np.bool_),
    )


def _fills(trades: Sequence[Trade]) -> Fills:
    rows = []
    for trade in trades:
        share = 1.0 if trade.exit_bar < 0 else 0.5
        fee, slippage = trade.fees * share, trade.slippage * share
        rows.append((trade.entry_bar, trade.quantity, trade.entry_price, fee, slippage))
        if trade.exit_bar >= 0:
            rows.append((trade.exit_bar, -trade.quantity, trade.exit_price, fee, slippage))
    columns = np.array(rows, dtype=np.float64).reshape(-1, 5).T
    return Fills(
        columns[0].astype(np.int64), *columns[1:], reason=np.ones(len(rows), dtype=np.uint8)
    )


def _max_drawdown(equity: np.ndarray, start: float) -> float:
    peak, worst = start, 0.0
    for value in equity.tolist():
        peak = max(peak, value)
        worst = min(worst, value / peak - 1.0)
    return worst
