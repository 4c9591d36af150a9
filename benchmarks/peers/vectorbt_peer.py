"""vectorbt: signals moved one row down, filled at that row's open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt

from benchmarks.peers import work
from benchmarks.peers.work import Run

CHUNK = 8  # lanes at once: 48 took twice as long each and 0.7 GB, 1,515 do not fit


def _frame(bars: Mapping[str, np.ndarray]) -> pd.DataFrame:
    index = pd.DatetimeIndex(bars["ts"].astype("datetime64[us]"))
    return pd.DataFrame(
        {name: bars[name] for name in ("open", "high", "low", "close")}, index=index
    )


def _portfolio(frame: pd.DataFrame, up: Any, down: Any, engine: str, **more: Any) -> Any:
    return vbt.Portfolio.from_signals(
        frame["close"],
        entries=up,
        short_entries=down,
        price=frame["open"],
        size=work.UNITS,
        fees=work.FEE,
        init_cash=work.CASH,
        upon_opposite_entry="reverse",
        freq="1min",
        engine=engine,
        **more,
    )


def _found(portfolio: Any, *, every_metric: bool) -> dict[str, Any]:
    if every_metric:
        portfolio.stats()
    trades = portfolio.trades
    return {"equity": float(portfolio.final_value()), "trades": int(trades.closed.count())}


def _sides(close: pd.Series, fast: int, slow: int, engine: str) -> tuple[pd.Series, pd.Series]:
    one, other = (
        vbt.MA.run(close, span, ewm=True, engine=engine, short_name=str(span)).ma
        for span in (fast, slow)
    )
    up, down = (one.to_numpy() > other.to_numpy()), (one.to_numpy() < other.to_numpy())
    return tuple(
        pd.Series(np.concatenate(([False], side[:-1])), index=close.index) for side in (up, down)
    )


def w1(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Trade the crossover."""
    frame = _frame(bars)

    def run(engine: str, *, every_metric: bool) -> dict[str, Any]:
        up, down = _sides(frame["close"], work.FAST, work.SLOW, engine)
        return _found(_portfolio(frame, up, down, engine), every_metric=every_metric)

    return _labels(run)


def w3(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Trade it with stop, target and square-off."""
    frame = _frame(bars)

    def run(engine: str, *, every_metric: bool) -> dict[str, Any]:
        up, down = _sides(frame["close"], work.FAST, work.SLOW, engine)
        enter, leave = work.may_enter(bars), work.must_leave(bars)
        portfolio = _portfolio(
            frame,
            up & enter,
            down & enter,
            engine,
            exits=leave,
            short_exits=leave,
            open=frame["open"],
            high=frame["high"],
            low=frame["low"],
            sl_stop=work.STOP,
            tp_stop=work.TARGET,
            stop_entry_price="fillprice",
        )
        return _found(portfolio, every_metric=every_metric)

    return _labels(run)


def _labels(run: Any) -> dict[str, Run]:
    return {
        f"{engine}{tail}": partial(run, engine, every_metric=bool(tail))
        for engine in ("numba", "rust")
        for tail in ("", " stats")
    }


def w2(bars: Mapping[str, np.ndarray], lanes: Sequence[tuple[int, int]] = ()) -> dict[str, Run]:
    """Sweep the crossover in chunks of lanes: Sharpe, final equity and trades of each."""
    frame = _frame(bars)
    lanes = lanes or work.combinations()

    def run(engine: str, count: int) -> dict[str, Any]:
        step = len(lanes) // count
        chosen = lanes[::step][:count]
        spans = sorted({span for lane in chosen for span in lane})
        table = vbt.MA.run(frame["close"], spans, ewm=True, engine=engine).ma.to_numpy()
        column = {span: number for number, span in enumerate(spans)}
        equity, trades, sharpe = [], [], []
        for begin in range(0, len(chosen), CHUNK):
            part = chosen[begin : begin + CHUNK]
            one = table[:, [column[fast] for fast, _ in part]]
            other = table[:, [column[slow] for _, slow in part]]
            up, down = np.zeros(one.shape, dtype=bool), np.zeros(one.shape, dtype=bool)
            np.greater(one[:-1], other[:-1], out=up[1:])
            np.less(one[:-1], other[:-1], out=down[1:])
            portfolio = _portfolio(frame, up, down, engine)
            equity.append(portfolio.final_value().to_numpy())
            trades.append(portfolio.trades.closed.count().to_numpy())
            sharpe.append(portfolio.sharpe_ratio().to_numpy())
        best = int(np.argmax(np.concatenate(sharpe)))
        return {
            "lanes": chosen,
            "equity": np.concatenate(equity),
            "trades": np.concatenate(trades),
            "best": chosen[best],
        }

    return {
        f"{engine} {count}": partial(run, engine, count)
        for engine in ("numba", "rust")
        for count in (48, 1_515)
    }


def w2_many(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Sweep the larger grid."""
    return w2(bars, work.many_combinations())


def w4(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Rebalance the portfolio."""
    index = pd.DatetimeIndex(bars["ts"].astype("datetime64[us]"))
    opened, close = (pd.DataFrame(bars[name], index=index) for name in ("open", "close"))

    def run(engine: str, *, every_metric: bool) -> dict[str, Any]:
        rows, weights = work.target_weights(bars["ts"], close.to_numpy())
        size = np.full(close.shape, np.nan)
        size[rows + 1] = weights
        portfolio = vbt.Portfolio.from_orders(
            close,
            size=pd.DataFrame(size, index=index),
            size_type="targetpercent",
            price=opened,
            fees=work.FEE,
            init_cash=work.CASH,
            cash_sharing=True,
            group_by=True,
            call_seq="auto",
            freq="1D",
            engine=engine,
        )
        if every_metric:
            portfolio.stats()
        return {"equity": float(portfolio.final_value()), "trades": int(portfolio.orders.count())}

    return _labels(run)


if __name__ == "__main__":
    work.serve("vectorbt", {"W1": w1, "W2": w2, "W2 many": w2_many, "W3": w3, "W4": w4})
