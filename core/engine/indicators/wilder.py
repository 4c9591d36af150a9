"""J. Welles Wilder's indicators (New Concepts in Technical Trading Systems, 1978).

His average of n: begins with a plain mean, then y[t] = (y[t-1] (n - 1) + x[t]) / n.
"""

from __future__ import annotations

from math import nan

import numpy as np
from numba import njit

from core.domain.bars import FloatArray


def rsi_python(x: FloatArray, n: int) -> FloatArray:
    """Wilder's RSI (1978): 100 g / (g + l), g and l seeded by the mean of the first n changes.

    50 where there was neither gain nor loss. First value at row n.
    """
    out = np.full(len(x), nan)
    if len(x) <= n:
        return out
    gain, loss = 0.0, 0.0
    for t in range(1, n + 1):
        change = x[t] - x[t - 1]
        gain += max(change, 0.0)
        loss += max(-change, 0.0)
    gain /= n
    loss /= n
    for t in range(n, len(x)):
        if t > n:
            change = x[t] - x[t - 1]
            gain = (gain * (n - 1) + max(change, 0.0)) / n
            loss = (loss * (n - 1) + max(-change, 0.0)) / n
        both = gain + loss
        out[t] = 100.0 * gain / both if both > 0 else 50.0 + 0.0 * both
    return out


def atr_python(h: FloatArray, l: FloatArray, c: FloatArray, n: int) -> FloatArray:  # noqa: E741
    """Wilder's average true range, seeded by the mean of the first n true ranges; row n first.

    True range is max(H, C[t-1]) - min(L, C[t-1]); row 0 has no previous close and does not count.
    """
    out = np.full(len(c), nan)
    if len(c) <= n:
        return out
    y = 0.0
    for t in range(1, n + 1):
        y += max(h[t], c[t - 1]) - min(l[t], c[t - 1])
    y /= n
    out[n] = y
    for t in range(n + 1, len(c)):
        y = (y * (n - 1) + max(h[t], c[t - 1]) - min(l[t], c[t - 1])) / n
        out[t] = y
    return out


def adx_python(
    h: FloatArray,
    l: FloatArray,  # noqa: E741
    c: FloatArray,
    n: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """ADX, +DI and -DI; the DIs from row n, ADX from row 2n - 1.

    The greater of the two moves H - H[t-1] and L[t-1] - L counts if it is positive. +DI and -DI
    are 100 times the smoothed moves over the smoothed true range, 0 while prices stand still; ADX
    is Wilder's average of 100 |+DI - -DI| / (+DI + -DI), which is 0 while both are.
    """
    adx, plus_di, minus_di = np.full(len(c), nan), np.full(len(c), nan), np.full(len(c), nan)
    ranges, rises, falls, y = 0.0, 0.0, 0.0, 0.0
    for t in range(1, len(c)):
        if t > n:
            ranges -= ranges / n
            rises -= rises / n
            falls -= falls / n
        ranges += max(h[t], c[t - 1]) - min(l[t], c[t - 1])
        up, down = h[t] - h[t - 1], l[t - 1] - l[t]
        if up > down and up > 0.0:
            rises += up
        elif down > up and down > 0.0:
            falls += down
        if t < n:
            continue
        plus = 100.0 * rises / ranges if ranges > 0.0 else 0.0
        minus = 100.0 * falls / ranges if ranges > 0.0 else 0.0
        both = plus + minus
        dx = 100.0 * abs(plus - minus) / both if both > 0.0 else 0.0
        plus_di[t], minus_di[t] = plus, minus
        if t < 2 * n:
            y += dx / n
        else:
            y = (y * (n - 1) + dx) / n
        if t >= 2 * n - 1:
            adx[t] = y
    return adx, plus_di, minus_di


rsi = njit(cache=True, nogil=True)(rsi_python)
atr = njit(cache=True, nogil=True)(atr_python)
adx = njit(cache=True, nogil=True)(adx_python)
