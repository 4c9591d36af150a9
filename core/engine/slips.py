"""Slippage that follows how far prices moved in the bars before a fill (R4)."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
from numba import njit

from core.domain.bars import Bars, FloatArray
from core.domain.costs import CostModel
from core.engine.indicators import wilder


def slips_of(bars: Bars, costs: CostModel, terms: FloatArray) -> FloatArray:
    """Give the points by which market and stop fills of each bar are worse.

    What is known before a bar decides: its average true range (Wilder 1978, as the indicator) and
    the population deviation of its returns are those of the last bar before.

    Args:
        bars: T bars.
        costs: Multiples, and how many bars to look back.
        terms: Product of the split ratios up to each bar and with it, shape (T,).

    Returns:
        Shape (T,); 0 in the bars for which too few lie before.
    """
    span = costs.slippage_bars
    high, low, close = bars.high * terms, bars.low * terms, bars.close * terms
    ranges = _known(wilder.atr(high, low, close, span))
    moves = _known(deviations(close, span) * close)
    points = np.zeros(len(bars))
    points[1:] = costs.slippage_atr * ranges[:-1] + costs.slippage_volatility * moves[:-1]
    slips: FloatArray = points / terms
    return slips


def _known(values: FloatArray) -> FloatArray:
    return np.where(np.isnan(values), 0.0, values)


@njit(cache=True, nogil=True, error_model="numpy")
def deviations(close: FloatArray, span: int) -> FloatArray:
    """Give the population deviation of the last `span` returns; NaN before there are as many."""
    out = np.full(len(close), nan)
    for t in range(span, len(close)):
        total = squares = 0.0
        for i in range(t - span + 1, t + 1):
            total = total + (close[i] / close[i - 1] - 1.0)
        mean = total / span
        for i in range(t - span + 1, t + 1):
            away = close[i] / close[i - 1] - 1.0 - mean
            squares = squares + away * away
        out[t] = sqrt(squares / span)
    return out
