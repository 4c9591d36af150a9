"""A run laid out as tables: the frames of `ARTIFACTS`.

Nothing here wakes a thread of polars, so a process may do it and fork afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from core.analytics.combine import buy_and_hold, combine
from core.analytics.trade_stats import risk_multiples, trade_returns
from core.domain.bars import Bars, FloatArray
from core.domain.run import ARTIFACTS, FX
from core.domain.simulation import (
    Fills,
    PortfolioSimulation,
    Reason,
    Simulation,
    Traded,
    Trades,
)

_WORDS = {reason.value: reason.name.lower() for reason in Reason}
_Column = list[Any] | npt.NDArray[Any]


def frames_of(
    traded: Traded, initial_cash: float, benchmark: Bars | None = None
) -> Mapping[str, pl.DataFrame]:
    """Lay a run out as the frames of `ARTIFACTS`; times are the opening times of bars."""
    if isinstance(traded, PortfolioSimulation):
        return {
            "equity": _frame("equity", _equity(traded, traded.bars, initial_cash, benchmark)),
            "positions": _stack(
                "positions", [_shared_positions(traded, place) for place in range(len(traded.bars))]
            ),
            "trades": _frame("trades", _shared_trades(traded)),
            "fills": _frame("fills", _shared_fills(traded)),
        }
    simulations = traded
    bars = [each.bars for each in simulations]
    converts = any(each.fx is not None for each in simulations)
    return {
        "equity": _frame("equity", _equity(simulations, bars, initial_cash, benchmark)),
        "positions": _stack(
            "positions", [_positions(each, converts=converts) for each in simulations]
        ),
        "trades": _stack("trades", [_trades(each) for each in simulations], by="entry_time"),
        "fills": _stack(
            "fills", [_fills(each, converts=converts) for each in simulations], by="timestamp"
        ),
    }


def _equity(
    traded: Traded, bars: Sequence[Bars], initial_cash: float, benchmark: Bars | None
) -> dict[str, _Column]:
    curve = combine(traded)
    if benchmark is None:
        held = buy_and_hold(bars, initial_cash)
    else:
        held = buy_and_hold([benchmark], initial_cash, curve.ts)
    peak = np.maximum(np.maximum.accumulate(curve.equity), initial_cash)
    return {
        "timestamp": curve.ts,
        "session": curve.session,
        "equity": curve.equity,
        "benchmark": held,
        "drawdown": curve.equity / peak - 1.0,
    }


def _positions(simulation: Simulation, *, converts: bool) -> dict[str, _Column]:
    bars = simulation.bars
    value = simulation.quantity * bars.close * simulation.multiplier
    return {
        "symbol": [bars.symbol] * len(bars),
        "timestamp": bars.ts,
        "session": bars.session,
        "close": bars.close,
        "quantity": simulation.quantity,
        "value": value if simulation.fx is None else value * simulation.fx,
        "cash": simulation.cash,
        "equity": simulation.equity,
        **_rates(simulation.fx, len(bars), converts=converts),
    }


def _rates(fx: FloatArray | None, count: int, *, converts: bool) -> dict[str, _Column]:
    """Give the column that tables have where a symbol of the run is in another currency."""
    return {FX: np.ones(count) if fx is None else fx} if converts else {}


def _shared_positions(account: PortfolioSimulation, place: int) -> dict[str, _Column]:
    """Give what is held of a symbol at its own bars, beside cash and equity of the account."""
    bars = account.bars[place]
    rows = np.searchsorted(account.ts, bars.ts)
    quantity = account.quantity[rows, place]
    value = quantity * bars.close * account.multiplier
    fx = None if account.fx is None else account.fx[rows, place]
    return {
        "symbol": [bars.symbol] * len(bars),
        "timestamp": bars.ts,
        "session": bars.session,
        "close": bars.close,
        "quantity": quantity,
        "value": value if fx is None else value * fx,
        "cash": account.cash[rows],
        "equity": account.equity[rows],
        **_rates(fx, len(bars), converts=fx is not None),
    }


def _trades(simulation: Simulation) -> dict[str, _Column]:
    trades, bars = simulation.trades, simulation.bars
    last = np.where(trades.exit_bar < 0, len(bars) - 1, trades.exit_bar)
    return _trade_columns(
        trades,
        symbol=[bars.symbol] * len(trades),
        times=(bars.ts[trades.entry_bar], bars.ts[last]),
        bars=last - trades.entry_bar,
        multiplier=simulation.multiplier,
        labels=simulation.labels,
    )


def _shared_trades(account: PortfolioSimulation) -> dict[str, _Column]:
    """Give the trades of all symbols in order of entry."""
    trades, places = account.trades, account.trade_symbol
    names = [bars.symbol for bars in account.bars]
    last = np.where(trades.exit_bar < 0, len(account.ts) - 1, trades.exit_bar)
    return _trade_columns(
        trades,
        symbol=[names[place] for place in places.tolist()],
        times=(account.ts[trades.entry_bar], account.ts[last]),
        bars=account.own_bars(last, places) - account.own_bars(trades.entry_bar, places),
        multiplier=account.multiplier,
    )


def _trade_columns(
    trades: Trades,
    *,
    symbol: list[str],
    times: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    bars: npt.NDArray[Any],
    multiplier: float,
    labels: Mapping[int, str] = MappingProxyType({}),
) -> dict[str, _Column]:
    is_open = trades.exit_bar < 0
    exit_time = times[1].astype("datetime64[us]")
    exit_time[is_open] = np.datetime64("NaT")
    return {
        "symbol": symbol,
        "direction": ["long" if side > 0 else "short" for side in trades.quantity.tolist()],
        "quantity": np.abs(trades.quantity),
        "entry_time": times[0],
        "entry_price": trades.entry_price,
        "exit_time": exit_time,
        "exit_price": trades.exit_price,
        "exit_reason": [
            None if still else labels.get(number, _WORDS[code])
            for number, (still, code) in enumerate(
                zip(is_open.tolist(), trades.exit_reason.tolist(), strict=True)
            )
        ],
        "pnl": trades.pnl,
        "return": trade_returns(trades, multiplier),
        "fees": trades.fees,
        "slippage": trades.slippage,
        "bars": bars,
        "mae": trades.mae,
        "mfe": trades.mfe,
        "r_multiple": risk_multiples(trades),
        "ambiguous": trades.ambiguous,
        "open": is_open,
    }


def _fills(simulation: Simulation, *, converts: bool) -> dict[str, _Column]:
    bars = simulation.bars
    symbol = [bars.symbol] * len(simulation.fills)
    return _fill_columns(simulation.fills, symbol, bars.ts, converts=converts)


def _shared_fills(account: PortfolioSimulation) -> dict[str, _Column]:
    names = [bars.symbol for bars in account.bars]
    symbol = [names[place] for place in account.fill_symbol.tolist()]
    return _fill_columns(account.fills, symbol, account.ts, converts=account.fx is not None)


def _fill_columns(
    fills: Fills, symbol: list[str], ts: npt.NDArray[np.int64], *, converts: bool
) -> dict[str, _Column]:
    return {
        "symbol": symbol,
        "timestamp": ts[fills.bar],
        "quantity": fills.quantity,
        "price": fills.price,
        "fee": fills.fee,
        "slippage": fills.slippage,
        "reason": [_WORDS[code] for code in fills.reason.tolist()],
        **_rates(fills.fx, len(fills), converts=converts),
    }


def _stack(
    name: str, parts: Sequence[Mapping[str, _Column]], by: str | None = None
) -> pl.DataFrame:
    """Put symbols one below the other, or in order of a time; equal times keep their order."""
    if len(parts) == 1:
        return _frame(name, parts[0])
    columns = {column: _joined([part[column] for part in parts]) for column in parts[0]}
    if by is not None:
        order = np.argsort(columns[by], kind="stable")
        columns = {column: _ordered(values, order) for column, values in columns.items()}
    return _frame(name, columns)


def _joined(parts: Sequence[Any]) -> _Column:
    return [*chain(*parts)] if isinstance(parts[0], list) else np.concatenate(parts)


def _ordered(values: Any, order: npt.NDArray[np.intp]) -> _Column:
    return [values[row] for row in order] if isinstance(values, list) else values[order]


def _frame(name: str, columns: Mapping[str, _Column]) -> pl.DataFrame:
    schema = ARTIFACTS[name] | ({FX: pl.Float64} if FX in columns else {})
    return pl.DataFrame([_series(column, columns[column], schema[column]) for column in schema])


def _series(name: str, values: Any, kind: Any) -> pl.Series:
    if isinstance(values, list):
        return pl.Series(name, values, dtype=kind)
    # Only multiples of an unknown risk are NaN; everything else must be finite to be kept.
    return pl.Series(name, values, nan_to_null=name == "r_multiple").cast(kind)
