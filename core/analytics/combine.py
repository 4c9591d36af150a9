"""Several symbols as one account: equal sleeves that never share cash, or one they share.

The equity of sleeves at an instant is the sum, in the order given, of the latest equity of each
sleeve; a sleeve counts its cash until its first bar closes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.domain.bars import Bars, FloatArray, Int32Array, IntArray
from core.domain.simulation import PortfolioSimulation, Simulation, Traded


class Curve(NamedTuple):
    """Equity of an account over time, shape (T,) per column.

    Attributes:
        ts: Opening times of the bars of all sleeves, each once, sorted, microseconds UTC.
        session: Session of each, non-decreasing. Where markets disagree about the date it is the
            latest any of them has reached.
        equity: Money at the close of these bars.
        initial_cash: Money before the first.
    """

    ts: IntArray
    session: Int32Array
    equity: FloatArray
    initial_cash: float


def union(clocks: Sequence[IntArray]) -> IntArray:
    """Merge sorted, unique times into one sorted, unique array; empty for none."""
    filled = [clock for clock in clocks if len(clock)]
    if not filled:
        return np.empty(0, dtype=np.int64)
    first = filled[0]
    if all(clock is first or np.array_equal(clock, first) for clock in filled[1:]):
        return first
    return np.unique(np.concatenate(filled))


def carried(ts: IntArray, own: IntArray, values: FloatArray, before: float) -> FloatArray:
    """Carry the latest of `values` to each time of `ts`.

    Args:
        ts: Times asked for, sorted, every one of `own` among them, shape (T,).
        own: Times at which values are known, sorted, shape (K,).
        values: Shape (K,).
        before: The value until the first of `own`.

    Returns:
        Shape (T,).
    """
    return values if len(own) == len(ts) else latest(ts, own, values, before)


def latest(ts: IntArray, own: IntArray, values: FloatArray, before: float) -> FloatArray:
    """Look up the latest of `values` at or before each time of `ts`; otherwise as `carried`."""
    known = np.concatenate(([before], values))
    found: FloatArray = known[np.searchsorted(own, ts, side="right")]
    return found


def combine(traded: Traded) -> Curve:
    """Give the curve of one account, or of sleeves added up to one.

    Args:
        traded: Sleeves, at least one, of which those without bars stay in cash; or the account.

    Returns:
        Of a single sleeve or an account their own columns, not copied.
    """
    if isinstance(traded, PortfolioSimulation):
        session = np.maximum.accumulate(traded.session)
        return Curve(traded.ts, session, traded.equity, traded.initial_cash)
    simulations = traded
    if len(simulations) == 1:
        only = simulations[0]
        return Curve(only.bars.ts, only.bars.session, only.equity, only.initial_cash)
    ts = union([simulation.bars.ts for simulation in simulations])
    equity = np.zeros(len(ts))
    session = np.full(len(ts), np.iinfo(np.int32).min, dtype=np.int32)
    initial_cash = 0.0
    for simulation in simulations:
        bars = simulation.bars
        equity += carried(ts, bars.ts, simulation.equity, simulation.initial_cash)
        initial_cash += simulation.initial_cash
        rows = slice(None) if len(bars) == len(ts) else np.searchsorted(ts, bars.ts)
        session[rows] = np.maximum(session[rows], bars.session)
    return Curve(ts, np.maximum.accumulate(session), equity, initial_cash)


def gross_exposure(traded: Traded, curve: Curve) -> float:
    """Compute the mean over times of the sum of |position value| over equity of the account.

    Times at which the account has nothing left count 0, as they do within one sleeve.

    Args:
        traded: Sleeves, not all without bars, or one account.
        curve: What `combine` made of them.
    """
    if isinstance(traded, PortfolioSimulation):
        return traded.gross_exposure
    simulations: Sequence[Simulation] = traded
    if len(simulations) == 1:
        return simulations[0].gross_exposure
    value = np.zeros(len(curve.ts))
    for simulation in simulations:
        held = np.abs(simulation.quantity) * simulation.bars.close * simulation.multiplier
        if simulation.fx is not None:
            held = held * simulation.fx
        value += carried(curve.ts, simulation.bars.ts, held, 0.0)
    alive = curve.equity > 0.0
    share = np.divide(value, curve.equity, out=np.zeros(len(value)), where=alive)
    return float(share.sum() / len(share))


def worth_of(bars: Bars) -> FloatArray:
    """Compute what one unit of the first bar's open is worth at each close, shape (T,).

    It is held through splits, and its dividends are kept in cash; without any, that is the close.
    In the account's currency, closes and dividends at the rates of their moments.
    """
    worth = bars.close
    units = np.ones(len(bars))
    if bars.has_splits and bars.split is not None:
        units[1:] = np.multiply.accumulate(bars.split[1:])
        worth = worth * units
    if bars.fx is not None:
        worth = worth * bars.fx.at(bars.over)
    if bars.has_dividends and bars.dividend is not None:
        paid = bars.dividend * units
        paid[:1] = 0.0
        if bars.fx is not None:
            paid = paid * bars.fx.at(bars.ts)
        worth = worth + np.add.accumulate(paid)
    return worth


def opening_of(bars: Bars, row: int = 0) -> float:
    """Give what one unit costs at the open of a bar, in the account's currency."""
    opened = float(bars.open[row])
    return opened if bars.fx is None else opened * float(bars.fx.at(bars.ts[row : row + 1])[0])


def buy_and_hold(
    bars: Sequence[Bars], initial_cash: float, at: IntArray | None = None
) -> FloatArray:
    """Compute the equity of buying every symbol at its first open and keeping it.

    Each symbol gets an equal sleeve of the cash, fractions of units are bought, dividends stay in
    cash, nothing costs anything: the plainest thing one could have done instead.

    Args:
        bars: One per symbol, at least one; symbols without bars stay in cash.
        initial_cash: Money of the whole account.
        at: Times to look at, sorted; None for those of `combine(...).ts` of the same bars.

    Returns:
        Money at the last close of each symbol by these times, shape (T,).
    """
    ts = union([each.ts for each in bars]) if at is None else at
    sleeve = initial_cash / len(bars)
    equity = np.zeros(len(ts))
    clock, place = bars[0].ts[:0], np.zeros(len(ts), dtype=np.int64)
    for each in bars:
        worth = sleeve * (worth_of(each) / opening_of(each)) if len(each) else each.close
        if not np.array_equal(each.ts, clock):  # mostly all symbols have one
            clock, place = each.ts, np.searchsorted(each.ts, ts, side="right")
        equity += np.concatenate(([sleeve], worth))[place]
    return equity
