"""backtrader: no observers, no analyzers; trades are counted as they close."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from benchmarks.peers import work
from benchmarks.peers.work import Run


class Average(bt.Indicator):  # type: ignore[misc]
    """EMA that begins with the first close; backtrader's own begins with a simple mean."""

    lines = ("average",)
    params = (("period", 10),)

    def once(self, start: int, end: int) -> None:
        source, out = self.data.array, self.lines.average.array
        a = 2.0 / (self.p.period + 1.0)
        value = source[0] if start == 0 else out[start - 1]
        for row in range(start, end):
            value = a * source[row] + (1.0 - a) * value
            out[row] = value


class Crossover(bt.Strategy):  # type: ignore[misc]
    """W1."""

    params = (("fast", work.FAST), ("slow", work.SLOW))

    def __init__(self) -> None:
        self.one = Average(self.data.close, period=self.p.fast)
        self.other = Average(self.data.close, period=self.p.slow)
        self.closed = 0

    def notify_trade(self, trade: Any) -> None:
        self.closed += trade.isclosed

    def next(self) -> None:
        if len(self) < self.p.slow:
            return
        one, other, held = self.one[0], self.other[0], self.position.size
        if one > other and held <= 0:
            self.buy(size=work.UNITS - held)
        elif one < other and held >= 0:
            self.sell(size=work.UNITS + held)


class Guarded(Crossover):
    """W3: stop and target are ordered as soon as the fill is known, one cancels the other."""

    params = (("enter", None), ("leave", None))

    def __init__(self) -> None:
        super().__init__()
        self.guards: list[Any] = []

    def notify_order(self, order: Any) -> None:
        if order.status != order.Completed or order in self.guards or not self.position.size:
            return
        price, held = order.executed.price, self.position.size
        side = 1 if held > 0 else -1
        leave = self.sell if held > 0 else self.buy
        stop = leave(size=abs(held), exectype=bt.Order.Stop, price=price * (1 - side * work.STOP))
        target = leave(
            size=abs(held),
            exectype=bt.Order.Limit,
            price=price * (1 + side * work.TARGET),
            oco=stop,
        )
        self.guards = [stop, target]

    def _unguard(self) -> None:
        for order in self.guards:
            self.cancel(order)
        self.guards = []

    def next(self) -> None:
        row = len(self)  # of the bar that will fill
        if row < self.p.slow or row == len(self.p.enter):
            return
        held = self.position.size
        if self.p.leave[row]:
            if held:
                self._unguard()
                self.close()
            return
        if not self.p.enter[row]:
            return
        one, other = self.one[0], self.other[0]
        if one > other and held <= 0:
            self._unguard()
            self.buy(size=work.UNITS - held)
        elif one < other and held >= 0:
            self._unguard()
            self.sell(size=work.UNITS + held)


def _frame(bars: Mapping[str, np.ndarray]) -> pd.DataFrame:
    index = pd.DatetimeIndex(bars["ts"].astype("datetime64[us]"))
    return pd.DataFrame(
        {name: bars[name] for name in ("open", "high", "low", "close")}, index=index
    )


def _run(frame: pd.DataFrame, strategy: type[bt.Strategy], **parameters: Any) -> dict[str, Any]:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame, volume=None, openinterest=None))
    cerebro.addstrategy(strategy, **parameters)
    cerebro.broker.setcash(work.CASH)
    cerebro.broker.setcommission(commission=work.FEE)
    # else an order placed at a fill could not be cancelled at the same bar's close
    cerebro.broker.set_checksubmit(False)
    (ran,) = cerebro.run()
    return {"equity": float(cerebro.broker.getvalue()), "trades": int(ran.closed)}


def w1(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Trade the crossover."""
    return {"bare": partial(_run, _frame(bars), Crossover)}


def w3(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Trade it with stop, target and square-off."""
    gates = {"enter": work.may_enter(bars), "leave": work.must_leave(bars)}
    return {"bare": partial(_run, _frame(bars), Guarded, **gates)}


def w2(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Run some lanes of the sweep, spread over it."""
    frame, lanes = _frame(bars), work.combinations()[::900]

    def run() -> dict[str, Any]:
        found = [_run(frame, Crossover, fast=fast, slow=slow) for fast, slow in lanes]
        return {"lanes": lanes, **{key: [one[key] for one in found] for key in found[0]}}

    return {"some": run}


if __name__ == "__main__":
    work.serve("backtrader", {"W1": w1, "W2": w2, "W3": w3})
