"""Laying columns of symbols out on common rows, row by row as the driver will read them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from core.domain.bars import FloatArray, Int32Array

Cells = np.ndarray[Any, Any]


@njit(cache=True, nogil=True)
def lay(cells: Cells, columns: Cells, number: Int32Array, missing: float) -> None:
    """Fill `cells`, (T, S), from bars `number` of `columns`, (S, N); -1 gives `missing`."""
    rows, symbols = cells.shape
    for t in range(rows):
        for s in range(symbols):
            n = number[t, s]
            cells[t, s] = columns[s, n] if n >= 0 else missing


@njit(cache=True, nogil=True)
def mark(cells: Cells, close: FloatArray) -> None:
    """Fill `cells` with the last close at each row, NaN before the first; shape (T, S)."""
    rows, symbols = cells.shape
    for t in range(rows):
        for s in range(symbols):
            last = close[t, s]
            cells[t, s] = last if last == last or t == 0 else cells[t - 1, s]
