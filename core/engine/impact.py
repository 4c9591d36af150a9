"""What the last twenty sessions say of the price an order moves."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numba import njit

from core.domain.bars import FloatArray, IntArray
from core.engine.desk import IMPACT_SESSIONS


@njit(cache=True, nogil=True, error_model="numpy")
def impact_coefficients(
    closes: FloatArray, volume: FloatArray, begins: IntArray, ends: IntArray
) -> FloatArray:
    """Give sigma / sqrt(ADV) of the 20 sessions before each session, sums in order of time."""
    of_session = np.zeros(len(closes))
    volumes = np.zeros(len(closes))
    for j in range(len(closes)):
        volumes[j] = volume[begins[j]]
        for t in range(begins[j] + 1, ends[j] + 1):
            volumes[j] = volumes[j] + volume[t]
    for j in range(IMPACT_SESSIONS, len(closes)):
        total = daily = squares = 0.0
        for i in range(j - IMPACT_SESSIONS + 1, j):
            total = total + (closes[i] / closes[i - 1] - 1.0)
        mean = total / (IMPACT_SESSIONS - 1)
        for i in range(j - IMPACT_SESSIONS + 1, j):
            away = closes[i] / closes[i - 1] - 1.0 - mean
            squares = squares + away * away
        for i in range(j - IMPACT_SESSIONS, j):
            daily = daily + volumes[i]
        daily = daily / IMPACT_SESSIONS
        if daily > 0.0:
            of_session[j] = sqrt(squares / (IMPACT_SESSIONS - 1)) / sqrt(daily)
    return of_session
