"""Draws that decide whether a limit fills (R5): a function of what is drawn for, not of order.

The generator is SplitMix64 (Steele, Lea, Flood 2014) used as a hash, so that the draw of a bar is
the same whichever symbols, threads and other bars are computed with it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.domain.bars import Bars
from core.domain.simulation import BoolArray

_WORD = 2**64
_STEP = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_BASIS, _PRIME = 0xCBF29CE484222325, 0x100000001B3
_KINDS = 2


def misses_of(bars: Bars, seed: int, probability: float) -> BoolArray:
    """Say which limits go unfilled if a bar reaches them inside.

    Args:
        bars: T bars.
        seed: Of the run.
        probability: Share of bars in which a limit fills, above 0.

    Returns:
        Shape (T, 2): of an entry, of a target.
    """
    symbol = np.uint64(_name(bars.symbol))
    begun = _mixed(np.array([seed], dtype=np.uint64)) ^ symbol
    counter = (bars.ts[:, np.newaxis] * _KINDS + np.arange(_KINDS)).astype(np.uint64)
    drawn = (_mixed(_mixed(begun) ^ counter) >> np.uint64(11)).astype(np.float64)
    return np.asarray(drawn * 2.0**-53 >= probability)


def _mixed(word: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    word = word + np.uint64(_STEP)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(_FIRST)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(_SECOND)
    return word ^ (word >> np.uint64(31))


def _name(symbol: str) -> int:
    """Give FNV-1a of a name."""
    word = _BASIS
    for byte in symbol.encode():
        word = (word ^ byte) * _PRIME % _WORD
    return word
