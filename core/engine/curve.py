"""What a curve of equity shows: how it moved, how far it fell, how much of it was at stake.

Bars are looked at in blocks. A sum over bars is BLOCK sums side by side, each of every BLOCK-th
bar, which are halved at the end: exact to a few bits however long the curve, and quick.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.extending import register_jitable

from core.domain.bars import FloatArray, IntArray

BLOCK = 256  # `fold` is written for this number
LOW, HIGH = 0, 1  # rows of blocks
RETURNS, SQUARES, SHARES = 0, 1, 2  # rows of sums
SUMS = 3


@register_jitable
def fold(x: FloatArray) -> float:
    """Sum the BLOCK values of `x`, halving it; leaves rubbish behind."""
    # Written out: the distance must be a constant for the additions to run side by side.
    for i in range(128):
        x[i] += x[i + 128]
    for i in range(64):
        x[i] += x[i + 64]
    for i in range(32):
        x[i] += x[i + 32]
    for i in range(16):
        x[i] += x[i + 16]
    for i in range(8):
        x[i] += x[i + 8]
    total: float = ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))
    return total


@register_jitable
def add_returns(equity: FloatArray, previous: float, count: int, sums: FloatArray) -> None:
    """Add the returns of one block of bars, and their squares, to BLOCK sums side by side.

    Args:
        equity: The block, shape (BLOCK,) or its first `count` rows.
        previous: Equity before the block.
        count: Number of these rows.
        sums: Shape (SUMS, BLOCK).
    """
    once, squared = sums[RETURNS], sums[SQUARES]
    change = equity[0] / previous - 1.0
    once[0] += change
    squared[0] += change * change
    for i in range(1, count):
        change = equity[i] / equity[i - 1] - 1.0
        once[i] += change
        squared[i] += change * change


@register_jitable
def extremes_of(bits: IntArray, count: int, blocks: FloatArray, k: int) -> None:
    """Find the extremes of one block of money above 0, given as the bits of its floats.

    Positive floats are ordered as their bits are, and whole numbers are compared side by side.
    """
    low, high = bits[0], bits[0]
    for i in range(count):
        low = min(low, bits[i])
        high = max(high, bits[i])
    as_bits = blocks.view(np.int64)
    as_bits[LOW, k] = low
    as_bits[HIGH, k] = high


@register_jitable
def deepest(equity: FloatArray, start: float, blocks: FloatArray, count: int) -> float:
    """Find the greatest fall from a peak in money; equity above 0."""
    peak, worst = start, 0.0
    for k in range(count):
        worst = max(worst, peak - blocks[LOW, k])
        peak = max(peak, blocks[HIGH, k])
    peak = start
    for k in range(count):
        # Within a block the fall may begin at its own peak: only then is it walked.
        if max(peak, blocks[HIGH, k]) - blocks[LOW, k] > worst:
            top = peak
            for t in range(k * BLOCK, min(k * BLOCK + BLOCK, len(equity))):
                top = max(top, equity[t])
                worst = max(worst, top - equity[t])
        peak = max(peak, blocks[HIGH, k])
    return worst


@register_jitable
def worst_by_bar(equity: FloatArray, start: float) -> float:
    """Find the worst of equity / peak - 1, at most 0, whatever equity comes to."""
    peak, worst = start, 0.0
    for t in range(len(equity)):
        peak = max(peak, equity[t])
        worst = min(worst, equity[t] / peak - 1.0)
    return worst


@register_jitable
def worst_drawdown(equity: FloatArray, start: float, blocks: FloatArray, count: int) -> float:
    """Find the worst of equity / peak - 1, at most 0; equity above 0, its blocks known."""
    peak, worst = start, 0.0
    for k in range(count):
        worst = min(worst, blocks[LOW, k] / peak - 1.0)
        peak = max(peak, blocks[HIGH, k])
    peak = start
    for k in range(count):
        if blocks[LOW, k] / max(peak, blocks[HIGH, k]) - 1.0 < worst:
            top = peak
            for t in range(k * BLOCK, min(k * BLOCK + BLOCK, len(equity))):
                top = max(top, equity[t])
                worst = min(worst, equity[t] / top - 1.0)
        peak = max(peak, blocks[HIGH, k])
    return worst


@register_jitable
def again(equity: FloatArray, start: float) -> tuple[float, float, float, float]:
    """Mean, squares about the mean, least and greatest of returns, in two passes."""
    low = high = equity[0] / start - 1.0
    mean = low
    for t in range(1, len(equity)):
        change = equity[t] / equity[t - 1] - 1.0
        low, high = min(low, change), max(high, change)
        mean += change
    mean /= len(equity)
    away = (equity[0] / start - 1.0 - mean) ** 2
    for t in range(1, len(equity)):
        away += (equity[t] / equity[t - 1] - 1.0 - mean) ** 2
    return mean, away, low, high


@njit(cache=True, nogil=True, error_model="numpy")
def gross_of(
    since: IntArray, quantity: FloatArray, close: FloatArray, multiplier: float, equity: FloatArray
) -> float:
    """Sum |quantity| * close * multiplier / equity over the bars of one symbol, shape (T,) each.

    Quantities are those from the bars `since` on, as in `Balance`. Bars without a position add 0,
    whatever is left of the account.
    """
    sums, size, total = np.zeros(BLOCK), np.empty(BLOCK), len(equity)
    change, changes = 0, len(since)
    for first in range(0, total, BLOCK):
        count, laid = min(BLOCK, total - first), 0
        while laid < count:
            until = since[change + 1] if change + 1 < changes else total
            stop = min(until - first, count)
            size[laid:stop] = abs(quantity[change])
            laid = max(laid, stop)
            change += laid < count
        px, money = close[first : first + count], equity[first : first + count]
        for i in range(count):
            share = size[i] * px[i] * multiplier / money[i]
            sums[i] += share if size[i] != 0.0 else 0.0
    return fold(sums)


@njit(cache=True, nogil=True)
def sum_of(share: FloatArray) -> float:
    """Sum a column of bars, shape (T,), in the order of `gross_of`."""
    sums, total = np.zeros(BLOCK), len(share)
    for first in range(0, total, BLOCK):
        part = share[first : first + BLOCK]
        for i in range(len(part)):
            sums[i] += part[i]
    return fold(sums)


@njit(cache=True, nogil=True, error_model="numpy")
def worst_of(equity: FloatArray, start: float, ruined: bool) -> float:
    """Find the worst of equity / peak - 1 over all bars, at most 0; shape (T,)."""
    if ruined:
        return worst_by_bar(equity, start)
    total = len(equity)
    count = (total + BLOCK - 1) // BLOCK
    blocks, bits = np.empty((2, count)), equity.view(np.int64)
    for k in range(count):
        size = min(BLOCK, total - k * BLOCK)
        extremes_of(bits[k * BLOCK : k * BLOCK + size], size, blocks, k)
    return worst_drawdown(equity, start, blocks, count)
