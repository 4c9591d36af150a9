"""How a run of several symbols was invested over time, read from its stored tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from core.analytics.combine import latest
from core.domain.bars import FloatArray
from core.domain.run import RunSpec

MOST_NAMES = 10


@dataclass(frozen=True, eq=False, slots=True)
class WeightsOverTime:
    """Shares of the account's equity at closes, shape (K,) per column.

    Attributes:
        frame: `timestamp` and `session` of the closes shown.
        names: The symbols that weighed most on average, heaviest first.
        weights: Position value over equity, negative when short, shape (K, N); NaN where nothing
            was left of the account.
        others: Sum over the symbols that are not named.
        merged: How many these are.
        cash: What is left: 1 less all weights.
    """

    frame: pl.DataFrame
    names: tuple[str, ...]
    weights: FloatArray
    others: FloatArray
    merged: int
    cash: FloatArray


def weights_over_time(
    spec: RunSpec,
    equity: pl.DataFrame,
    positions: pl.DataFrame,
    *,
    max_points: int,
    most: int = MOST_NAMES,
) -> WeightsOverTime:
    """Compute weights at evenly spaced closes, the first and the last among them.

    Args:
        spec: The request.
        equity: Its table of that name, whole.
        positions: Likewise.
        max_points: Closes at most, at least 2.
        most: Symbols that keep their name.
    """
    rows = np.unique(np.linspace(0, equity.height - 1, max_points).round().astype(np.int64))
    if equity.height <= max_points:
        rows = np.arange(equity.height)
    ts = equity["timestamp"].to_physical().to_numpy()
    money = equity["equity"].to_numpy()
    alive = np.where(money > 0.0, money, np.nan)
    shown = np.empty((len(rows), len(spec.symbols)))
    size = np.empty(len(spec.symbols))
    for place, symbol in enumerate(spec.symbols):
        own = positions.filter(pl.col("symbol") == symbol)
        clock = own["timestamp"].to_physical().to_numpy()
        weight = latest(ts, clock, own["value"].to_numpy(), 0.0) / alive
        size[place] = np.nansum(np.abs(weight))
        shown[:, place] = weight[rows]
    order = np.argsort(-size, kind="stable")
    kept, rest = order[:most], order[most:]
    if len(rest) == 1:  # one name takes no more room than "others"
        kept, rest = order, rest[:0]
    return WeightsOverTime(
        frame=equity.select("timestamp", "session")[rows],
        names=tuple(spec.symbols[place] for place in kept),
        weights=shown[:, kept],
        others=shown[:, rest].sum(axis=1),
        merged=len(rest),
        cash=1.0 - shown.sum(axis=1),
    )


def accrued(spec: RunSpec, positions: pl.DataFrame, fills: pl.DataFrame) -> float:
    """Compute the money that came without a fill, such as dividends and interest, less borrow.

    It is what the cash at the end differs by from the cash at the start and what fills paid.
    """
    options = spec.options
    multiplier = options.multiplier * (options.option.delta if options.option else 1.0)
    last = positions.group_by("symbol").agg(
        pl.col("cash").sort_by("timestamp").last(), pl.col("timestamp").max()
    )
    if options.account == "shared" and len(spec.symbols) > 1:
        last = last.filter(pl.col("timestamp") == pl.col("timestamp").max()).head(1)
    fx = pl.col("fx") if "fx" in fills.columns else pl.lit(1.0)
    paid = fills.select(pl.col("quantity") * pl.col("price") * multiplier * fx + pl.col("fee"))
    return float(last["cash"].sum()) - options.initial_cash + float(paid.to_series().sum())
