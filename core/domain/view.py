"""What a strategy is shown: read-only columns and indicators, nothing of the account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.domain.bars import Bars, Int32Array, IntArray

if TYPE_CHECKING:
    from core.engine.indicators import Indicator, Indicators


@dataclass(frozen=True, eq=False)
class MarketView:
    """The market as a strategy sees it: every column has shape (T,).

    Row *t* may be used to decide at the close of bar *t*; the engine acts on that decision at the
    open of bar *t+1*. Looking further than row *t* when deciding row *t* is look-ahead.

    Attributes:
        ind: Indicators over these bars: `view.ind.ema(20)`. Equal calls share one computation.
    """

    bars: Bars
    ind: Indicators

    def __len__(self) -> int:
        """Number of bars."""
        return len(self.bars)

    @property
    def open(self) -> Indicator:
        """Opening price."""
        return self.ind.column("open")

    @property
    def high(self) -> Indicator:
        """Highest price."""
        return self.ind.column("high")

    @property
    def low(self) -> Indicator:
        """Lowest price."""
        return self.ind.column("low")

    @property
    def close(self) -> Indicator:
        """Closing price."""
        return self.ind.column("close")

    @property
    def volume(self) -> Indicator:
        """Traded volume, NaN where the source has none."""
        return self.ind.column("volume")

    @property
    def ts(self) -> IntArray:
        """Opening time of each bar, microseconds UTC."""
        return self.bars.ts

    @property
    def session(self) -> Int32Array:
        """Session date of each bar, days since 1970 in the market's zone."""
        return self.bars.session

    @property
    def minute(self) -> Int32Array:
        """Local minute of the day at which each bar opens."""
        return self.bars.minute
