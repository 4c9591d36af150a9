"""Positions that were marked at prices nobody had quoted for long."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.analytics.combine import carried, combine
from core.domain.bars import FloatArray, IntArray
from core.domain.simulation import PortfolioSimulation, Traded

STALE_AFTER = 5


def has_stale_marks(traded: Traded) -> bool:
    """Whether a position was held at a close more than five sessions old (R16).

    Sessions are those of the run: days on which any of its symbols had a bar. One symbol alone is
    never stale, because nothing tells that a session passed without it.
    """
    if not isinstance(traded, PortfolioSimulation) and len(traded) == 1:
        return False
    curve = combine(traded)
    turns = np.diff(curve.session, prepend=curve.session[:1]) != 0
    number = np.cumsum(turns).astype(np.float64)
    for own, held in _positions(traded, curve.ts):
        if len(own) == len(curve.ts):
            continue  # a close in every row
        last = carried(curve.ts, own, number[np.searchsorted(curve.ts, own)], 0.0)
        if bool(np.any((held != 0.0) & (number - last > STALE_AFTER))):
            return True
    return False


def _positions(traded: Traded, ts: IntArray) -> Iterator[tuple[IntArray, FloatArray]]:
    """Give the times of each symbol's bars, and what is held of it at every time of the run."""
    if isinstance(traded, PortfolioSimulation):
        for place, bars in enumerate(traded.bars):
            yield bars.ts, traded.quantity[:, place]
        return
    for sleeve in traded:
        yield sleeve.bars.ts, carried(ts, sleeve.bars.ts, sleeve.quantity, 0.0)
