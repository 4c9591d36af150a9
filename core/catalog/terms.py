"""Prices on the terms a reader wants: after every split, as traded, or less dividends too (R15).

What lies beyond the bars at hand is not looked at: bars that end before a split know nothing of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.domain.bars import Adjust, Bars, FloatArray
from core.errors import DataProblem

_PRICES = ("open", "high", "low", "close")


def on_terms(bars: Bars, adjust: Adjust) -> Bars:
    """Put bars as they were traded on other terms.

    Args:
        bars: With their dividends and splits.
        adjust: `split`: prices and dividends before a split are divided by its ratio, volumes
            multiplied, and no split is left. `raw`: nothing is done. `total_return`: then prices
            before an ex-date are also multiplied by 1 - dividend / close before it (CRSP), and no
            dividend is left.

    Raises:
        DataProblem: a dividend is not below the close before it.
    """
    if adjust == "raw":
        return bars
    if bars.split is not None:
        later = _of_later(bars.split)
        dividend = bars.dividend
        bars = replace(
            bars,
            **{name: getattr(bars, name) / later for name in _PRICES},
            volume=bars.volume * later,
            dividend=None if dividend is None else dividend / later,
            split=None,
        )
    if adjust == "split" or bars.dividend is None:
        return bars
    shares = np.ones(len(bars))
    paid = np.flatnonzero(bars.dividend[1:]) + 1
    shares[paid] = 1.0 - bars.dividend[paid] / bars.close[paid - 1]
    if not bool((shares > 0).all()):
        row = int(np.argmin(shares > 0))
        raise DataProblem(
            f"{bars.symbol} paid a dividend of {bars.dividend[row]:g} after a close of "
            f"{bars.close[row - 1]:g}",
            expected="a dividend below the close before it, which a total return is made of",
            hint="correct the dividend, or use adjust=split",
        )
    factor = _of_later(shares)
    prices = {name: getattr(bars, name) * factor for name in _PRICES}
    return replace(bars, **prices, dividend=None)


def _of_later(values: FloatArray) -> FloatArray:
    """Multiply up what comes after each row."""
    product = np.ones(len(values))
    product[:-1] = np.multiply.accumulate(values[:0:-1])[::-1]
    return product
