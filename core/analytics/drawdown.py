"""Falls from a peak: how deep, in money and as a fraction, and how long.

The starting cash is the first peak: an account that only falls is under water from the start.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.analytics.undefined import NOISE, Undefined
from core.domain.bars import FloatArray, IntArray

_BLOCK = 512


class Underwater(NamedTuple):
    """Spells below the peak.

    Attributes:
        spells: Length of each spell in rows, in order, the current one included.
        current: Length of the spell that has not ended, 0 at a peak.
    """

    spells: IntArray
    current: int


def _peaks(equity: FloatArray, start: float) -> FloatArray:
    peaks = np.maximum.accumulate(equity)
    return np.maximum(peaks, start, out=peaks)


def drawdowns(equity: FloatArray, start: float) -> FloatArray:
    """Compute the distance from the peak so far, `E_t / max(start, E_0 .. E_t) - 1`.

    Args:
        equity: Money, shape (T,).
        start: Money before the first row, above 0.

    Returns:
        Fractions of at most 0, below -1 in debt, shape (T,); empty for no rows.
    """
    return equity / _peaks(equity, start) - 1.0


def max_drawdown(equity: FloatArray, start: float) -> float:
    """Find the worst drawdown, at most 0; 0 if equity was never below its peak.

    Chan (2009) divides the fall by the trough instead, which makes it larger. A fall of the peak
    before the first row counts here; some libraries lose it by starting at the first close.
    """
    return float(drawdowns(equity, start).min(initial=0.0))


def money_drawdown(equity: FloatArray, start: float) -> float:
    """Find the greatest fall from a peak in money, at least 0.

    Equal to `max(max(start, E_0 .. E_t) - E_t)` to the last bit, and an order of magnitude faster
    than the running maximum: blocks of rows are bounded by their highs and lows first, and only
    blocks that may hold the greatest fall are walked (100,000 rows: 330 -> 40 microseconds).

    Args:
        equity: Money, shape (T,).
        start: Money before the first row.
    """
    if not len(equity):
        return 0.0
    blocks = np.arange(0, len(equity), _BLOCK)
    lows = np.minimum.reduceat(equity, blocks)
    peaks = np.empty(len(blocks) + 1)
    peaks[0] = start
    np.maximum.reduceat(equity, blocks, out=peaks[1:])
    np.maximum.accumulate(peaks, out=peaks)
    worst = max(0.0, float((peaks[:-1] - lows).max()))
    possible = peaks[1:] - lows
    for block in np.argsort(-possible, kind="stable"):
        if possible[block] <= worst:
            break
        rows = equity[blocks[block] : blocks[block] + _BLOCK]
        worst = max(worst, float((_peaks(rows, peaks[block]) - rows).max()))
    return worst


def ulcer_index(drawdowns: FloatArray) -> float:
    """Compute the root mean square of drawdowns, `sqrt(mean(dd^2))` (Martin and McCann 1989).

    quantstats divides by one row less.

    Args:
        drawdowns: Fractions, shape (D,).

    Raises:
        Undefined: `no_data`.
    """
    if not len(drawdowns):
        raise Undefined("no_data")
    return float(np.sqrt((drawdowns * drawdowns).sum() / len(drawdowns)))


def underwater(drawdowns: FloatArray) -> Underwater:
    """Measure the spells of consecutive rows below the peak by more than `NOISE`.

    Args:
        drawdowns: Fractions, shape (D,).
    """
    below = np.zeros(len(drawdowns) + 2, dtype=np.bool_)
    np.less(drawdowns, -NOISE, out=below[1:-1])
    edges = np.flatnonzero(below[1:] != below[:-1])
    spells = edges[1::2] - edges[::2]
    return Underwater(spells, int(spells[-1]) if below[-2] else 0)


def mean_spell(spells: IntArray) -> float:
    """Compute the mean length of the spells below the peak, in rows.

    Raises:
        Undefined: `no_drawdown`: there was no spell.
    """
    if not len(spells):
        raise Undefined("no_drawdown")
    return float(spells.sum() / len(spells))
