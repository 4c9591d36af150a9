"""Comparisons of two series, compiled: one pass where numpy needs one for each step."""

from __future__ import annotations

import numpy as np
from numba import njit

from core.domain.bars import FloatArray
from core.domain.signals import CodeArray
from core.domain.simulation import BoolArray


def crossed_python(a: FloatArray, b: FloatArray) -> BoolArray:
    """Whether a[t] > b[t] and a[t-1] <= b[t-1]; false at the first row and where one is NaN."""
    out = np.zeros(len(a), dtype=np.bool_)
    for t in range(1, len(a)):
        out[t] = (a[t] > b[t]) & (a[t - 1] <= b[t - 1])
    return out


def sides_python(
    a: FloatArray, b: FloatArray, or_equal: bool, short_or_equal: bool
) -> tuple[CodeArray, int]:
    """Codes of `long=a > b, short=a < b`, and how many rows ask for both.

    Args:
        a: Shape (T,); NaN compares false.
        b: Likewise.
        or_equal: Whether long takes equal values too (`>=`).
        short_or_equal: Whether short does (`<=`).
    """
    codes = np.empty(len(a), dtype=np.int8)
    if or_equal and short_or_equal:
        conflicts = 0
        for t in range(len(a)):
            codes[t] = 2 - (a[t] > b[t]) - 3 * (a[t] < b[t])
            conflicts += a[t] == b[t]
        return codes, conflicts
    if or_equal:
        for t in range(len(a)):
            codes[t] = 2 - (a[t] >= b[t]) - 3 * (a[t] < b[t])
    elif short_or_equal:
        for t in range(len(a)):
            codes[t] = 2 - (a[t] > b[t]) - 3 * (a[t] <= b[t])
    else:
        for t in range(len(a)):
            codes[t] = 2 - (a[t] > b[t]) - 3 * (a[t] < b[t])
    return codes, 0


crossed = njit(cache=True, nogil=True)(crossed_python)
sides = njit(cache=True, nogil=True)(sides_python)
