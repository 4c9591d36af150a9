"""bt: weights on dates, rebalanced at that date's close."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bt
import numpy as np
import pandas as pd

from benchmarks.peers import work
from benchmarks.peers.work import Run


def w4(bars: Mapping[str, np.ndarray]) -> dict[str, Run]:
    """Rebalance the portfolio."""
    index = pd.DatetimeIndex(bars["ts"].astype("datetime64[us]"))
    names = [f"S{number:03}" for number in range(bars["close"].shape[1])]
    close = pd.DataFrame(bars["close"], index=index, columns=names)

    def run(*, every_metric: bool) -> dict[str, Any]:
        rows, wanted = work.target_weights(bars["ts"], close.to_numpy())
        weights = pd.DataFrame(wanted, index=index[rows], columns=names)
        algos = [
            bt.algos.RunOnDate(*weights.index),
            bt.algos.WeighTarget(weights),
            bt.algos.Rebalance(),
        ]
        test = bt.Backtest(
            bt.Strategy("monthly", algos),
            close,
            initial_capital=work.CASH,
            commissions=lambda quantity, price: abs(quantity) * price * work.FEE,
            integer_positions=False,
            progress_bar=False,
        )
        if every_metric:
            bt.run(test, progress_bar=False)
        else:
            test.run()
        value = test.strategy.values.iloc[-1]  # noqa: PD011 - its name for the curve
        return {"equity": float(value), "trades": len(test.strategy.get_transactions())}

    return {"bare": lambda: run(every_metric=False), "stats": lambda: run(every_metric=True)}


if __name__ == "__main__":
    work.serve("bt", {"W4": w4})
