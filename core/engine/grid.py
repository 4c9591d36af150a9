"""Laying columns of symbols out on common rows, row by row as the driver will read them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from core.domain.bars import FloatArray, Int32Array
from core.domain.simulation import ReasonArray

Cells = np.ndarray[Any, Any]
_TOGETHER = 16  # rows: a symbol's bars come from memory in sequence, and cells stay close


@njit(cache=True, nogil=True)
def lay(cells: Cells, columns: Cells, number: Int32Array, missing: float) -> None:
    """Fill `cells`, (T, S), from bars `number` of `columns`, (S, N); -1 gives `missing`."""
    rows, symbols = cells.shape
    for t in range(rows):
        for s in range(symbols):
            n = number[t, s]
            cells[t, s] = columns[s, n] if n >= 0 else missing


@njit(cache=True, nogil=True)
def lay_bars(
    grid: Cells,
    number: Int32Array,
    o: FloatArray,
    h: FloatArray,
    l: FloatArray,  # noqa: E741 - o h l c is the field's own notation
    c: FloatArray,
    v: FloatArray,
    session: Int32Array,
    flags: ReasonArray,
    absent: int,
) -> None:
    """Fill the cells of a driver, (T, S), from columns of bars, (S, N) each.

    All of a cell at once: the table is ten times what a processor keeps close. Where there is no
    bar prices are NaN, the session is `absent`, and the mark is the one before.
    """
    rows, symbols = grid.shape
    for first in range(0, rows, _TOGETHER):
        for s in range(symbols):
            for t in range(first, min(first + _TOGETHER, rows)):
                cell, n = grid[t, s], number[t, s]
                cell.number = n
                cell.impact, cell.ends = 0.0, 0
                if n >= 0:
                    cell.o, cell.h, cell.l, cell.c = o[s, n], h[s, n], l[s, n], c[s, n]
                    cell.v, cell.mark = v[s, n], c[s, n]
                    cell.session, cell.day_flags = session[s, n], flags[s, n]
                else:
                    cell.o = cell.h = cell.l = cell.c = cell.v = np.nan
                    cell.mark = grid[t - 1, s].mark if t > 0 else np.nan
                    cell.session, cell.day_flags = absent, 0


@njit(cache=True, nogil=True)
def mark(cells: Cells, close: FloatArray) -> None:
    """Fill `cells` with the last close at each row, NaN before the first; shape (T, S)."""
    rows, symbols = cells.shape
    for t in range(rows):
        for s in range(symbols):
            last = close[t, s]
            cells[t, s] = last if last == last or t == 0 else cells[t - 1, s]
