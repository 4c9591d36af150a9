"""Compiled code that holds on to its process."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True)
def _spin(values: np.ndarray, rounds: int) -> float:
    total = 0.0
    for i in range(rounds):
        total += values[i % 4] * 1e-9
    return total


def spin(rounds: int) -> float:
    """Stay inside one compiled call."""
    return float(_spin(np.ones(4), rounds))
