"""Sizes of the judge (R3): what a row asks for, and the volatility it may go by."""

from __future__ import annotations

import math

import numpy as np

from core.domain.bars import Bars
from core.domain.options import EngineOptions
from core.domain.signals import Signals
from core.domain.timeframe import Timeframe

HOURS = 24


def size_of(signals: Signals, row: int, options: EngineOptions) -> float:
    """The row's own size, or that of the run."""
    given = signals.size
    if given is None:
        return options.size
    number = float(given[row] if isinstance(given, np.ndarray) else given)
    return options.size if math.isnan(number) else number


def raw_quantity(
    options: EngineOptions,
    size: float,
    *,
    equity: float,
    price: float,
    distance: float | None,
    volatility: float | None,
    multiplier: float,
    fx: float = 1.0,
) -> float | None:
    """What a size asks for, before lots and cash; None where it cannot be told.

    Args:
        equity: In the currency of the price.
        distance: From the entry to its stop, below 0 for a stop on the wrong side.
        volatility: Of a year.
        fx: What money of the account is divided by.
    """
    share = size / 100
    absolute = {"units": size, "lots": size * options.lot_size}
    if options.sizing in absolute:
        return absolute[options.sizing]
    if options.sizing == "value":
        return size / fx / (price * multiplier)
    if options.sizing == "risk":
        known = distance is not None and distance > 0
        return share * equity / (distance * multiplier) if known else None
    if options.sizing == "vol_target":
        return share * equity / (volatility * price * multiplier) if volatility else None
    return share * equity / (price * multiplier)


def distance_to(side: int, entry: float, stop: float | None) -> float | None:
    if stop is None:
        return None
    return entry - stop if side > 0 else stop - entry


def volatility_at(bars: Bars, row: int, options: EngineOptions) -> float | None:
    """Annual deviation of the last returns up to a row of the symbol's own; None before enough."""
    count = options.volatility_bars
    if row < count:
        return None
    closes, terms = [], 1.0
    for number, close in enumerate(bars.close.tolist()):
        if bars.split is not None:
            terms = terms * float(bars.split[number])
        closes.append(close * terms)
    returns = [closes[i] / closes[i - 1] - 1 for i in range(row - count + 1, row + 1)]
    total = 0.0
    for each in returns:
        total = total + each
    mean = total / count
    squares = 0.0
    for each in returns:
        squares = squares + (each - mean) * (each - mean)
    return math.sqrt(squares / (count - 1)) * math.sqrt(bars_a_year(bars))


def bars_a_year(bars: Bars) -> float:
    """By the market's calendar: bars of a whole session, the last of which may be shorter."""
    market, length = bars.market, bars.timeframe
    if length is Timeframe.W1:
        return 52.0
    if length is Timeframe.MN1:
        return 12.0
    if length is Timeframe.D1:
        return market.sessions_per_year
    minutes = HOURS * 60
    if market.opens is not None and market.closes is not None:
        opens = market.opens.hour * 60 + market.opens.minute
        minutes = market.closes.hour * 60 + market.closes.minute - opens
    assert length.seconds is not None
    whole, rest = divmod(minutes * 60, length.seconds)
    return market.sessions_per_year * (whole + (rest > 0))
