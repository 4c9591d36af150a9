"""A stop that follows the trend."""

from __future__ import annotations

from math import nan

import numpy as np
from numba import njit

from core.domain.bars import FloatArray


def supertrend_python(
    h: FloatArray,
    l: FloatArray,  # noqa: E741
    c: FloatArray,
    atr: FloatArray,
    width: float,
) -> tuple[FloatArray, FloatArray]:
    """Line and direction (1 up, -1 down), from the first row with an ATR on.

    Bands lie `width` ATR around (H + L) / 2. The lower one only rises while closes stay on or above
    it, the upper one only falls while they stay on or below it. A close beyond the band that holds
    the trend turns it.
    """
    line, direction = np.full(len(c), nan), np.full(len(c), nan)
    upper, lower, side = nan, nan, 0.0
    for t in range(len(c)):
        if atr[t] != atr[t]:
            continue
        middle = (h[t] + l[t]) / 2.0
        high, low = middle + width * atr[t], middle - width * atr[t]
        if side == 0.0:
            upper, lower = high, low
            side = 1.0 if c[t] >= middle else -1.0
        else:
            if high < upper or c[t - 1] > upper:
                upper = high
            if low > lower or c[t - 1] < lower:
                lower = low
            if side > 0.0 and c[t] < lower:
                side = -1.0
            elif side < 0.0 and c[t] > upper:
                side = 1.0
        line[t] = lower if side > 0.0 else upper
        direction[t] = side
    return line, direction


supertrend = njit(cache=True, nogil=True)(supertrend_python)
