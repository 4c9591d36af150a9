"""backtesting.py: market orders at the next open; metrics are always computed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

from benchmarks.peers import work
from benchmarks.peers.work import Run


def _average(close: Any, span: int) -> np.ndarray:
    average = pd.Series(close).ewm(span=span, adjust=False).mean().to_numpy(copy=True)
    # 0 and not NaN: leading NaN would move the first bar it trades one row on
    average[: span - 1] = 0.0
    return average


class Crossover(Strategy):  # type: ignore[misc]
    """W1."""

    fast = work.FAST
    slow = work.SLOW

    def init(self) -> None:
        self.one = self.I(_average, self.data.Close, self.fast, plot=False)
        self.other = self.I(_average, self.data.Close, self.slow, plot=False)

    def next(self) -> None:
        if len(self.data) < self.slow:
            return
        one, other, position = self.one[-1], self.other[-1], self.position.size
        if one > other and position <= 0:
            self.buy(size=work.UNITS)
        elif one < other and position >= 0:
            self.sell(size=work.UNITS)


class Guarded(Crossover):
    """W3: levels of an order are prices, known when it is placed."""

    enter: Any = None
    leave: Any = None

    def next(self) -> None:
        row = len(self.data)  # of the bar that will fill
        if row < self.slow or row == len(self.enter):
            return
        if self.leave[row]:
            if self.position:
                self.position.close()
            return
        if not self.enter[row]:
            return
        one, other, position = self.one[-1], self.other[-1], self.position.size
        close = self.data.Close[-1]
        if one > other and position <= 0:
            self.buy(size=work.UNITS, sl=close * (1 - work.STOP), tp=close * (1 + work.TARGET))
        elif one < other and position >= 0:
            self.sell(size=work.UNITS, sl=close * (1 + work.STOP), tp=close * (1 - work.TARGET))


def _frame(bars: Mapping[str, np.ndarray]) -> pd.DataFrame:
    index = pd.DatetimeIndex(bars["ts"].astype("datetime64[us]"))
    return pd.DataFrame({n.title(): bars[n] for n in ("open", "high", "low", "close")}, index=index)


def _run(frame: pd.DataFrame, strategy: type[Strategy], **parameters: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about trades still open at the end
        test = Backtest(frame, strategy, cash=work.CASH, commission=work.FEE, exclusive_orders=True)
        stats = test.run(**parameters)
    return {"equity": float(stats["Equity Final [$]"]), "trades": len(stats["_trades"])}


def w1(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Trade the crossover."""
    return {"stats": partial(_run, _frame(bars), Crossover)}


def w3(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Trade it with stop, target and square-off."""
    gates = {"enter": work.may_enter(bars), "leave": work.must_leave(bars)}
    return {"stats": partial(_run, _frame(bars), Guarded, **gates)}


def w2(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Run some lanes of the sweep, spread over it."""
    frame, lanes = _frame(bars), work.combinations()[::400]

    def run() -> dict[str, Any]:
        found = [_run(frame, Crossover, fast=fast, slow=slow) for fast, slow in lanes]
        return {"lanes": lanes, **{key: [one[key] for one in found] for key in found[0]}}

    return {"some": run}


if __name__ == "__main__":
    work.serve("backtesting.py", {"W1": w1, "W2": w2, "W3": w3})
