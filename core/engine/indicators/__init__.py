"""Indicators: arrays in, arrays out, memoised per set of bars.

Every indicator has shape (T,), is NaN until its window is full and uses rows up to t for row t.

NaN at the start of an input (another indicator's warm-up) shifts the start. A NaN inside makes
the windows that contain it NaN, and everything after it where the indicator is recursive. What is
undefined, such as the place of a price within a range of zero, is NaN in a window; a recursion
takes the neutral value instead, because a NaN would stay in it for ever.

Moving sums and extremes never subtract what leaves the window, so nothing drifts and nothing
from before the window is left in them: see `averages` and `windows`.

The plain function is the definition; its compiled form runs. Both are listed in `INDICATORS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.engine.indicators import averages, trend, volume, wilder, windows
from core.engine.indicators.library import (
    ADX,
    MACD,
    Bands,
    Indicators,
    Stochastic,
    Supertrend,
)
from core.engine.indicators.series import Condition, Indicator, cross_above, cross_below

INDICATORS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sma": (averages.sma_python, averages.sma),
    "ema": (averages.ema_python, averages.ema),
    "wma": (averages.wma_python, averages.wma),
    "std": (windows.std_python, windows.std),
    "zscore": (windows.zscore_python, windows.zscore),
    "corr": (windows.corr_python, windows.corr),
    "rank": (windows.rank_python, windows.rank),
    "highest": (windows.highest_python, windows.highest),
    "lowest": (windows.lowest_python, windows.lowest),
    "roc": (windows.roc_python, windows.roc),
    "rsi": (wilder.rsi_python, wilder.rsi),
    "atr": (wilder.atr_python, wilder.atr),
    "adx": (wilder.adx_python, wilder.adx),
    "supertrend": (trend.supertrend_python, trend.supertrend),
    "obv": (volume.obv_python, volume.obv),
    "vwap": (volume.vwap_python, volume.vwap),
}

__all__ = [
    "ADX",
    "INDICATORS",
    "MACD",
    "Bands",
    "Condition",
    "Indicator",
    "Indicators",
    "Stochastic",
    "Supertrend",
    "cross_above",
    "cross_below",
]
