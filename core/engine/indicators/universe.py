"""What strategies over a whole universe ask for indicators: `view.ind` of a `UniverseView`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan
from typing import Any, Literal

import numpy as np

from core.domain.bars import Bars, FloatArray, Int32Array
from core.engine.indicators.library import Indicators, Seed
from core.engine.indicators.series import Indicator
from core.engine.memo import Memo
from core.errors import StrategyFailed

Column = Literal["open", "high", "low", "close", "volume"]
Source = Column | FloatArray

ABSENT_DAYS = 5


class UniverseIndicators:
    """Indicators of several symbols, shape (T, S), NaN where a symbol has no bar.

    Each column is the indicator of that symbol over its own bars, as `Indicators` gives it: what
    other symbols trade, and when, changes nothing. `of` names a column of the bars or is an array
    of shape (T, S), of which a symbol's own rows are taken; or one of shape (T,), such as the ratio
    of two symbols, of which the rows with a value are taken and which gives shape (T,).

    Raises:
        StrategyFailed: as `Indicators`, and for arrays of another shape.
    """

    def __init__(
        self,
        bars: Sequence[Bars],
        rows: Sequence[Int32Array],
        session: Int32Array,
        memo: Memo | None = None,
    ) -> None:
        """Remember the bars and the row of each; nothing is computed yet."""
        self._each = [Indicators(each, memo) for each in bars]
        self._rows = rows
        self._session = session
        self._shape = (len(session), len(bars))

    def sma(self, period: int, of: Source = "close") -> FloatArray:
        """Simple moving average."""
        return self._windowed("sma", of, period)

    def ema(self, span: int, of: Source = "close", *, seed: Seed = "first") -> FloatArray:
        """Exponential moving average."""
        return self._windowed("ema", of, span, seed=seed)

    def wma(self, period: int, of: Source = "close") -> FloatArray:
        """Weighted moving average."""
        return self._windowed("wma", of, period)

    def roc(self, period: int, of: Source = "close") -> FloatArray:
        """Rate of change, a fraction."""
        return self._windowed("roc", of, period)

    def rsi(self, period: int = 14, of: Source = "close") -> FloatArray:
        """Relative strength index, 0 to 100."""
        return self._windowed("rsi", of, period)

    def std(self, period: int, of: Source = "close", *, ddof: int = 0) -> FloatArray:
        """Rolling standard deviation."""
        return self._windowed("std", of, period, ddof=ddof)

    def zscore(self, period: int, of: Source = "close", *, ddof: int = 0) -> FloatArray:
        """Distance from the mean of the window in standard deviations."""
        return self._windowed("zscore", of, period, ddof=ddof)

    def highest(self, period: int, of: Source = "high") -> FloatArray:
        """Greatest of the window."""
        return self._windowed("highest", of, period)

    def lowest(self, period: int, of: Source = "low") -> FloatArray:
        """Least of the window."""
        return self._windowed("lowest", of, period)

    def atr(self, period: int = 14) -> FloatArray:
        """Average true range, price points."""
        return self._spread([np.asarray(ind.atr(period)) for ind in self._each])

    def shift(self, values: FloatArray, bars: int = 1) -> FloatArray:
        """The values of `bars` bars ago, of each symbol's own bars; NaN for the first ones."""
        return self._of_source(values, lambda _, source: source.shift(bars))

    def rank(self, values: FloatArray) -> FloatArray:
        """Place of each symbol in its row, shape (T, S): 1 is the greatest; NaN has none.

        Of equal values the earlier symbol comes first, so that no place is given twice.
        """
        table = np.asarray(values, dtype=np.float64)
        self._check(table, (self._shape,))
        order = np.argsort(np.where(np.isnan(table), np.inf, -table), axis=1, kind="stable")
        places = np.empty(table.shape)
        np.put_along_axis(places, order, np.arange(1.0, self._shape[1] + 1)[None, :], axis=1)
        places[np.isnan(table)] = nan
        return places

    def carried(self, values: FloatArray, days: int = ABSENT_DAYS) -> FloatArray:
        """Fill rows in which a symbol has no bar with its last value, shape (T, S).

        After `days` calendar days without a bar it is NaN again: nobody can say then whether the
        symbol still trades.
        """
        table = np.array(values, dtype=np.float64)
        self._check(table, (self._shape,))
        session = np.maximum.accumulate(self._session)
        for place, rows in enumerate(self._rows):
            last = np.searchsorted(rows, np.arange(self._shape[0]), side="right") - 1
            known = rows[np.maximum(last, 0)]
            fresh = (last >= 0) & (session - session[known] <= days)
            table[:, place] = np.where(fresh, table[known, place], nan)
        return table

    # ----------------------------------------------------------------------------------------

    def _windowed(self, name: str, of: Source, period: int, **options: Any) -> FloatArray:
        def made(ind: Indicators, source: Column | Indicator) -> Indicator:
            found: Indicator = getattr(ind, name)(period, source, **options)
            return found

        if isinstance(of, str):
            return self._spread([np.asarray(made(ind, of)) for ind in self._each])
        return self._of_source(of, made)

    def _of_source(
        self, values: FloatArray, made: Callable[[Indicators, Indicator], Indicator]
    ) -> FloatArray:
        table = np.asarray(values, dtype=np.float64)
        self._check(table, (self._shape, self._shape[:1]))
        if table.ndim == 1:
            rows = np.flatnonzero(~np.isnan(table))
            out = np.full(len(table), nan)
            out[rows] = made(_OfLength(len(rows)), _given(table[rows]))
            return out
        return self._spread(
            [
                np.asarray(made(ind, _given(table[rows, place])))
                for place, (ind, rows) in enumerate(zip(self._each, self._rows, strict=True))
            ]
        )

    def _spread(self, columns: Sequence[FloatArray]) -> FloatArray:
        table = np.full(self._shape, nan)
        for place, (column, rows) in enumerate(zip(columns, self._rows, strict=True)):
            table[rows, place] = column
        return table

    def _check(self, table: FloatArray, shapes: tuple[tuple[int, ...], ...]) -> None:
        if table.shape not in shapes:
            raise StrategyFailed(
                f"values have shape {table.shape}",
                expected=" or ".join(map(str, shapes)) + ": one row per time",
            )


class _OfLength(Indicators):
    """Indicators of values that belong to no symbol."""

    def __init__(self, length: int) -> None:
        super().__init__(range(length))  # type: ignore[arg-type] # only its length is asked for


def _given(values: FloatArray) -> Indicator:
    return Indicator(None, np.array(values, dtype=np.float64))
