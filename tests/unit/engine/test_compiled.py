"""Loops of the engine are compiled without counting references."""

from __future__ import annotations

import numpy as np
from numba import njit

from core.engine.compiled import loop


def _picked(x, row):
    return x[row] if row > 0 else x[0]


def _total(x):
    total = 0.0
    for row in range(len(x)):
        total += _picked(x[row], row)
    return total


def _references(function) -> int:
    (code,) = function.inspect_asm().values()
    return code.count("NRT_incref")


def test_a_loop_counts_no_references_where_numba_alone_would():
    from numba.extending import register_jitable

    register_jitable(_picked)
    x = np.arange(16.0).reshape(4, 4)
    plain, quick = njit(_total), loop(_total)

    assert quick(x) == plain(x) == x[0, 0] + x[1, 1] + x[2, 2] + x[3, 3]

    assert _references(plain) > 0
    assert _references(quick) == 0
