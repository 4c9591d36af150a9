"""Moving averages."""

from __future__ import annotations

from math import nan

import numpy as np
from numba import njit

from core.domain.bars import FloatArray

CHUNK = 512  # windows summed side by side: their sums stay in the nearest cache


def sma_python(x: FloatArray, n: int) -> FloatArray:
    """Mean of the last n values, each window summed afresh so that no error accumulates.

    Each window is summed from its oldest value on, many windows at a time: that is vectorised, and
    at n = 200 five times as fast as one window after the other, with the same bits.
    """
    out = np.full(len(x), nan)
    for start in range(0, len(x) - n + 1, CHUNK):
        sums = out[start + n - 1 : start + n - 1 + CHUNK]
        sums[:] = 0.0
        for i in range(start, start + n):
            part = x[i : i + len(sums)]
            for t in range(len(sums)):
                sums[t] += part[t]
        for t in range(len(sums)):
            sums[t] /= n
    return out


def ema_python(x: FloatArray, n: int, seed_by_sma: bool) -> FloatArray:
    """y[t] = a x[t] + (1 - a) y[t-1], a = 2 / (n + 1); NaN for the first n - 1 rows.

    Begins with x[0] (as pandas' `ewm(adjust=False)`) or with the mean of the first n (as TA-Lib).
    """
    out = np.full(len(x), nan)
    if len(x) < n:
        return out
    a = 2.0 / (n + 1.0)
    if seed_by_sma:
        y = 0.0
        for i in range(n):
            y += x[i]
        y /= n
    else:
        y = x[0]
        for i in range(1, n):
            y = a * x[i] + (1.0 - a) * y
    out[n - 1] = y
    for t in range(n, len(x)):
        y = a * x[t] + (1.0 - a) * y
        out[t] = y
    return out


def wma_python(x: FloatArray, n: int) -> FloatArray:
    """Mean of the last n values with weights 1 (oldest) to n (newest).

    Rows are cut into blocks of n. A window is the tail of one block and the head of the next, whose
    sums are known: one pass, only additions, and no value outside the window takes part.
    """
    out = np.full(len(x), nan)
    if len(x) < n:
        return out
    tail, weighted_tail = np.zeros(n + 1), np.zeros(n + 1)
    for start in range(0, len(x), n):
        head, weighted_head = 0.0, 0.0
        for i in range(min(n, len(x) - start)):
            head += x[start + i]
            weighted_head += (i + 1.0) * x[start + i]
            if start > 0 or i == n - 1:
                older = n - 1 - i
                total = weighted_tail[i + 1] + older * head + weighted_head
                out[start + i] = total / (0.5 * n * (n + 1.0))
        if start + n <= len(x):
            for i in range(n - 1, -1, -1):
                tail[i] = tail[i + 1] + x[start + i]
                weighted_tail[i] = weighted_tail[i + 1] + tail[i]
    return out


sma, ema, wma = (
    njit(cache=True, nogil=True)(function) for function in (sma_python, ema_python, wma_python)
)
