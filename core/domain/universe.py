"""What a strategy that weighs a whole universe is shown: every symbol on one clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.domain.bars import Bars, FloatArray, Int32Array, IntArray
from core.domain.simulation import BoolArray

if TYPE_CHECKING:
    from core.engine.indicators.universe import UniverseIndicators

_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; weeks begin on Mondays


@dataclass(frozen=True, eq=False)
class UniverseView:
    """Several symbols as a strategy sees them, on the union of their times.

    Columns have shape (T, S) and are read-only; NaN where a symbol has no bar. Row *t* may be used
    to decide at the close of row *t*. Looking further is look-ahead.

    Attributes:
        bars: Of each symbol.
        ts: Opening times, microseconds UTC, shape (T,).
        session: Latest session of the bars of a row, days since 1970, shape (T,).
        ind: Indicators, each computed over the symbol's own bars: `view.ind.sma(20)`.
    """

    bars: Sequence[Bars]
    ts: IntArray
    session: Int32Array
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    ind: UniverseIndicators

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.ts)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names, in the order of the columns."""
        return tuple(bars.symbol for bars in self.bars)

    @property
    def shape(self) -> tuple[int, int]:
        """(T, S), the shape of weights."""
        return len(self.ts), len(self.bars)

    @property
    def month_start(self) -> BoolArray:
        """First row of each calendar month, shape (T,); row 0 is one.

        That a month has begun is known at its first row. That a session is its month's last is
        known only to a calendar of holidays to come, of which there is none here.
        """
        days = self.session.astype("datetime64[D]")
        return _turns(days.astype("datetime64[M]").astype(np.int64))

    @property
    def week_start(self) -> BoolArray:
        """First row of each week, Monday to Sunday, shape (T,); row 0 is one."""
        return _turns((self.session.astype(np.int64) + _EPOCH_WEEKDAY) // 7)


def _turns(period: IntArray) -> BoolArray:
    """Whether a row is the first to reach its period; markets may disagree about the date."""
    reached = np.maximum.accumulate(period)
    turns = np.ones(len(period), dtype=np.bool_)
    turns[1:] = reached[1:] > reached[:-1]
    return turns
