"""Statistics of the last n values.

Extremes and moments come in one pass: rows are cut into blocks of n, a window is the tail of one
block and the head of the next, and what is known of the two is joined (van Herk 1992, Gil and
Werman 1993 for extremes; Chan, Golub and LeVeque 1979 for moments). Nothing is subtracted when a
value leaves, so errors do not accumulate, and a NaN is gone with the last window that contains it.
"""

from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np
from numba import njit
from numba.extending import register_jitable

from core.domain.bars import FloatArray

CHUNK = 512  # windows looked at side by side: their sums stay in the nearest cache


def std_python(x: FloatArray, n: int, ddof: int) -> FloatArray:
    """Standard deviation of the last n values, two passes per window, many windows at a time."""
    out = np.full(len(x), nan)
    means = np.empty(min(CHUNK, len(x)))
    for start in range(0, len(x) - n + 1, CHUNK):
        squares = out[start + n - 1 : start + n - 1 + CHUNK]
        squares[:] = 0.0
        means[:] = 0.0
        for i in range(start, start + n):
            part = x[i : i + len(squares)]
            for t in range(len(squares)):
                means[t] += part[t]
        for t in range(len(squares)):
            means[t] /= n
        for i in range(start, start + n):
            part = x[i : i + len(squares)]
            for t in range(len(squares)):
                squares[t] += (part[t] - means[t]) * (part[t] - means[t])
        for t in range(len(squares)):
            squares[t] = sqrt(squares[t] / (n - ddof))
    return out


def zscore_python(x: FloatArray, n: int, ddof: int) -> FloatArray:
    """(x - mean) / deviation of the last n values; NaN where they are all the same.

    Moments from one pass: the two-pass mean of n equal values can miss them by a rounding error,
    and noise divided by noise is no score.
    """
    out = np.full(len(x), nan)
    if len(x) < n:
        return out
    tail_mean, tail_squares = np.zeros(n + 1), np.zeros(n + 1)
    for start in range(0, len(x), n):
        head_mean, head_squares = 0.0, 0.0
        for i in range(min(n, len(x) - start)):
            value = x[start + i]
            away = value - head_mean
            head_mean += away / (i + 1.0)
            head_squares += away * (value - head_mean)
            if start > 0 or i == n - 1:
                apart = tail_mean[i + 1] - head_mean
                share = (n - 1.0 - i) / n
                mean = head_mean + apart * share
                squares = head_squares + tail_squares[i + 1] + apart * apart * share * (i + 1.0)
                if squares > 0.0:
                    out[start + i] = (value - mean) / sqrt(squares / (n - ddof))
        if start + n <= len(x):
            for i in range(n - 1, -1, -1):
                away = x[start + i] - tail_mean[i + 1]
                tail_mean[i] = tail_mean[i + 1] + away / (n - i)
                tail_squares[i] = tail_squares[i + 1] + away * (x[start + i] - tail_mean[i])
    return out


def corr_python(x: FloatArray, y: FloatArray, n: int) -> FloatArray:
    """Pearson's correlation of the last n pairs; NaN where one side does not move."""
    out = np.full(len(x), nan)
    if len(x) < n:
        return out
    tail = np.zeros((n + 1, 5))
    head = np.zeros(5)
    for start in range(0, len(x), n):
        head[:] = 0.0
        for i in range(min(n, len(x) - start)):
            _grow(head, head, x[start + i], y[start + i], i + 1.0)
            if start > 0 or i == n - 1:
                older = tail[i + 1]
                weight = (n - 1.0 - i) / n * (i + 1.0)
                dx, dy = older[0] - head[0], older[1] - head[1]
                xx = head[2] + older[2] + dx * dx * weight
                yy = head[3] + older[3] + dy * dy * weight
                xy = head[4] + older[4] + dx * dy * weight
                if xx > 0.0 and yy > 0.0:
                    value = xy / (sqrt(xx) * sqrt(yy))
                    out[start + i] = min(max(value, -1.0), 1.0)
        if start + n <= len(x):
            tail[n] = 0.0
            for i in range(n - 1, -1, -1):
                _grow(tail[i + 1], tail[i], x[start + i], y[start + i], n - i + 0.0)
    return out


@register_jitable
def _grow(old: FloatArray, new: FloatArray, x: float, y: float, count: float) -> None:
    """Let one more pair into two means, two sums of squares and one of products."""
    dx, dy = x - old[0], y - old[1]
    new[0] = old[0] + dx / count
    new[1] = old[1] + dy / count
    new[2] = old[2] + dx * (x - new[0])
    new[3] = old[3] + dy * (y - new[1])
    new[4] = old[4] + dx * (y - new[1])


def rank_python(x: FloatArray, n: int) -> FloatArray:
    """Rank of the newest of the last n values, divided by n; ties share their mean rank."""
    out = np.full(len(x), nan)
    for start in range(0, len(x) - n + 1, CHUNK):
        ranks = out[start + n - 1 : start + n - 1 + CHUNK]
        newest = x[start + n - 1 : start + n - 1 + CHUNK]
        ranks[:] = 0.5
        for i in range(start, start + n):
            part = x[i : i + len(ranks)]
            for t in range(len(ranks)):
                # three choices without a branch are vectorised: nine times as fast
                below = 1.0 if part[t] < newest[t] else 0.0
                level = 0.5 if part[t] == newest[t] else 0.0
                known = 0.0 if part[t] == part[t] else nan
                ranks[t] += below + level + known
        for t in range(len(ranks)):
            ranks[t] /= n
    return out


def highest_python(x: FloatArray, n: int) -> FloatArray:
    """Greatest of the last n values."""
    return _extreme(x, n, 1.0)


def lowest_python(x: FloatArray, n: int) -> FloatArray:
    """Least of the last n values."""
    return _extreme(x, n, -1.0)


@register_jitable
def _extreme(x: FloatArray, n: int, sign: float) -> FloatArray:
    """Greatest (sign 1) or least (sign -1) of the last n values; three comparisons per row."""
    out = np.full(len(x), nan)
    if len(x) < n:
        return out
    tail = np.full(n + 1, -sign * inf)
    for start in range(0, len(x), n):
        head = -sign * inf
        for i in range(min(n, len(x) - start)):
            head = _further(x[start + i], head, sign)
            if start > 0 or i == n - 1:
                out[start + i] = _further(tail[i + 1], head, sign)
        if start + n <= len(x):
            for i in range(n - 1, -1, -1):
                tail[i] = _further(x[start + i], tail[i + 1], sign)
    return out


@register_jitable
def _further(a: float, b: float, sign: float) -> float:
    """Return the greater (sign 1) or lesser (sign -1) of two values; NaN if one of them is."""
    return a if sign * a > sign * b or a != a else b


def roc_python(x: FloatArray, n: int) -> FloatArray:
    """x[t] / x[t-n] - 1, a fraction; NaN where the earlier value is 0."""
    out = np.full(len(x), nan)
    for t in range(n, len(x)):
        if x[t - n] != 0.0:
            out[t] = x[t] / x[t - n] - 1.0
    return out


std, zscore, corr, rank, highest, lowest, roc = (
    njit(cache=True, nogil=True)(function)
    for function in (
        std_python,
        zscore_python,
        corr_python,
        rank_python,
        highest_python,
        lowest_python,
        roc_python,
    )
)
