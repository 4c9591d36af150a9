"""The floors of a sweep: what one would write by hand for the crossover of two averages.

Always in the market, filled at the next open with all equity in whole units, a fee in basis points
of value and slippage. Nothing can be switched. `lanes_inner` keeps what a Sharpe ratio needs: final
equity, returns of sessions, number of trades. It gives final equity and returns to the last bit.
"""

from __future__ import annotations

from math import floor as whole

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def lanes_inner(o, c, last, fast, slow, first, start, rate, slip, daily, final, trades):
    """Bars outside, lanes inside: LLVM compares several lanes at once, turns are seldom.

    Args: prices of T bars; whether a bar is its session's last; one fast average, shape (T,); slow
    ones, shape (T, K), of which those from column `first` on are lanes; money; results, `daily` of
    shape (D, lanes).
    """
    n = slow.shape[1] - first
    cash, q, day = np.full(n, start), np.zeros(n), np.full(n, start)
    want, held = np.zeros(n, np.int8), np.zeros(n, np.int8)
    d = 0
    for t in range(len(o)):
        turns = 0
        for k in range(n):
            turns += want[k] != held[k]
        if turns > 0:
            op = o[t]
            for k in range(n):
                if want[k] != held[k]:
                    equity = cash[k] + q[k] * c[t - 1]
                    if q[k] != 0.0:
                        px = op * (1.0 - slip) if q[k] > 0 else op * (1.0 + slip)
                        cash[k] = cash[k] + q[k] * px
                        cash[k] = cash[k] - rate * (abs(q[k]) * px)
                    s = float(want[k])
                    px = op * (1.0 + s * slip)
                    size = float(whole(equity / c[t - 1] + 1e-9))
                    if size * px + rate * (size * px) > cash[k]:
                        size = float(whole(cash[k] / (px + px * rate)))
                    q[k] = s * size
                    cash[k] = cash[k] - q[k] * px
                    cash[k] = cash[k] - rate * (size * px)
                    held[k] = want[k]
                    trades[k] += 1
        f, g = fast[t], slow[t, first:]
        for k in range(n):
            want[k] = 1 if f > g[k] else (-1 if f < g[k] else want[k])
        if last[t]:
            for k in range(n):
                equity = cash[k] + q[k] * c[t]
                daily[d, k] = equity / day[k] - 1.0
                day[k] = equity
            d += 1
    for k in range(n):
        final[k] = day[k]
