"""Indicators that weigh prices with volume; a missing volume is NaN."""

from __future__ import annotations

from math import nan

import numpy as np
from numba import njit

from core.domain.bars import FloatArray, Int32Array


def obv_python(c: FloatArray, v: FloatArray) -> FloatArray:
    """Sum of volumes, added when the close rises and subtracted when it falls; 0 at row 0.

    Exact for whole volumes while the sum is below 2**53.
    """
    out = np.full(len(c), nan)
    y = 0.0
    for t in range(len(c)):
        side = 0.0
        if t > 0 and c[t] != c[t - 1]:
            side = 1.0 if c[t] > c[t - 1] else -1.0
        y += side * v[t]
        out[t] = y
    return out


def vwap_python(
    session: Int32Array,
    h: FloatArray,
    l: FloatArray,  # noqa: E741
    c: FloatArray,
    v: FloatArray,
) -> FloatArray:
    """Sum of (H + L + C) / 3 times volume over sum of volume, since the session's first bar.

    NaN until something was traded. Sums begin anew with each session, so a missing volume costs the
    rest of its session and no more.
    """
    out = np.full(len(c), nan)
    money, units = 0.0, 0.0
    for t in range(len(c)):
        if t > 0 and session[t] != session[t - 1]:
            money, units = 0.0, 0.0
        money += (h[t] + l[t] + c[t]) / 3.0 * v[t]
        units += v[t]
        if units > 0.0:
            out[t] = money / units
    return out


obv = njit(cache=True, nogil=True)(obv_python)
vwap = njit(cache=True, nogil=True)(vwap_python)
