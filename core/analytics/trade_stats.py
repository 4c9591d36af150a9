"""What closed trades say. A trade runs from flat to flat and is net of its costs.

`pnl` is money per trade in order of exit, shape (N,). A win is above 0 and a loss below; a trade
that breaks even is neither, counts among the closed and ends a streak. Without closed trades every
function raises `Undefined("no_trades")`.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt

from core.analytics.ratios import mean_and_deviation
from core.analytics.undefined import Undefined
from core.domain.bars import FloatArray, IntArray
from core.domain.simulation import BoolArray, Trades

Numbers = FloatArray | IntArray


def trade_returns(trades: Trades, multiplier: float) -> FloatArray:
    """Compute what each trade made of the money put in, `pnl / (|quantity| entry multiplier)`.

    Net of costs, open trades at their last mark; the quantity is never 0. Both are in the account's
    currency: entries count at the rates of their fills.

    Args:
        trades: N round trips.
        multiplier: Money per price point of one unit.

    Returns:
        Fractions, shape (N,).
    """
    put_in = np.abs(trades.quantity) * trades.entry_price * multiplier
    return trades.pnl / (put_in if trades.fx is None else put_in * trades.fx)


def risk_multiples(trades: Trades) -> FloatArray:
    """Compute the result of each trade in units of its initial risk, R (Tharp 2008).

    Returns:
        `pnl / risk`, shape (N,); NaN for trades without a stop.
    """
    multiples = np.full(len(trades), np.nan)
    np.divide(trades.pnl, trades.risk, out=multiples, where=trades.risk > 0.0)
    return multiples


def excursion_multiples(trades: Trades, excursions: FloatArray, multiplier: float) -> FloatArray:
    """Compute excursions in units of the initial risk, so that a stop that is reached is -1.

    Args:
        trades: N round trips.
        excursions: Fractions of the entry price, their `mae` or `mfe`.
        multiplier: Money per price point of one unit.

    Returns:
        Money that the excursion was worth over `risk`, shape (N,); NaN for trades without a stop.
    """
    put_in = np.abs(trades.quantity) * trades.entry_price * multiplier
    money = excursions * (put_in if trades.fx is None else put_in * trades.fx)
    multiples = np.full(len(trades), np.nan)
    np.divide(money, trades.risk, out=multiples, where=trades.risk > 0.0)
    return multiples


def _require(values: Numbers | BoolArray) -> None:
    if not len(values):
        raise Undefined("no_trades")


def mean(values: Numbers) -> float:
    """Compute the mean of one number per trade (expectancy, if it is the profit)."""
    _require(values)
    return float(values.sum() / len(values))


def median(values: Numbers) -> float:
    """Compute the median of one number per trade; the mean of the middle two if N is even."""
    _require(values)
    upper = len(values) // 2
    lower = (len(values) - 1) // 2
    parted = np.partition(values, (lower, upper))
    return float(parted[lower] + parted[upper]) / 2.0


def greatest(values: Numbers) -> float:
    """Find the greatest of one number per trade."""
    _require(values)
    return float(values.max())


def least(values: Numbers) -> float:
    """Find the least of one number per trade."""
    _require(values)
    return float(values.min())


def win_rate(pnl: FloatArray) -> float:
    """Compute winning over closed trades, break-even ones included in the latter.

    quantstats leaves the break-even out; LEAN gives 0 where there are no trades.
    """
    _require(pnl)
    return int(np.count_nonzero(pnl > 0.0)) / len(pnl)


def average_win(pnl: FloatArray) -> float:
    """Compute the mean of the winning trades, above 0.

    Raises:
        Undefined: `no_trades`, `no_wins`.
    """
    _require(pnl)
    wins = pnl[pnl > 0.0]
    if not len(wins):
        raise Undefined("no_wins")
    return float(wins.sum() / len(wins))


def average_loss(pnl: FloatArray) -> float:
    """Compute the mean of the losing trades, below 0.

    Raises:
        Undefined: `no_trades`, `no_losses`.
    """
    _require(pnl)
    losses = pnl[pnl < 0.0]
    if not len(losses):
        raise Undefined("no_losses")
    return float(losses.sum() / len(losses))


def profit_factor(pnl: FloatArray) -> float:
    """Compute gross profit over gross loss, in money.

    backtesting.py sums returns of trades, quantstats returns of days; without losses they give NaN
    and infinity, LEAN 10.

    Raises:
        Undefined: `no_trades`, `no_losses`.
    """
    _require(pnl)
    losses = float(np.minimum(pnl, 0.0).sum())
    if losses == 0.0:
        raise Undefined("no_losses")
    return float(np.maximum(pnl, 0.0).sum()) / -losses


def payoff(pnl: FloatArray) -> float:
    """Compute the mean win over the mean loss, both taken positive.

    Raises:
        Undefined: `no_trades`, `no_losses`, `no_wins`, in this order.
    """
    loss = average_loss(pnl)
    return average_win(pnl) / -loss


def sqn(multiples: FloatArray, *, at_most: int | None = None) -> float:
    """Compute the system quality number, `sqrt(n) mean(R) / sd(R)` (Tharp 2008).

    A t-statistic of the mean trade. backtesting.py takes money, which compounding inflates.

    Args:
        multiples: Result of each trade in one unit, its initial risk or its value, shape (N,).
        at_most: Cap of n under the root, 100 in Tharp's comparable form; None for none.

    Raises:
        Undefined: `no_trades`; `too_few_trades`: one trade; `zero_variance`.
    """
    _require(multiples)
    count = len(multiples)
    if count == 1:
        raise Undefined("too_few_trades")
    centre, deviation = mean_and_deviation(multiples)
    return sqrt(count if at_most is None else min(count, at_most)) * centre / deviation


def longest_streak(hits: npt.NDArray[np.bool_]) -> float:
    """Measure the longest run of True.

    Args:
        hits: Whether each trade, in order of exit, was of the kind sought, shape (N,).
    """
    _require(hits)
    padded = np.zeros(len(hits) + 2, dtype=np.bool_)
    padded[1:-1] = hits
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return float((edges[1::2] - edges[::2]).max(initial=0))
