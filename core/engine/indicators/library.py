"""What strategies ask for indicators: `view.ind`."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, nan
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from core.domain.bars import Bars, FloatArray
from core.engine.indicators import averages, trend, volume, wilder, windows
from core.engine.indicators.series import Indicator, Key
from core.engine.memo import Memo
from core.errors import StrategyFailed

Column = Literal["open", "high", "low", "close", "volume"]
Source = Column | Indicator
Seed = Literal["first", "sma"]
Made = TypeVar("Made")


class Bands(NamedTuple):
    """A channel: Bollinger, Keltner or Donchian."""

    upper: Indicator
    middle: Indicator
    lower: Indicator


class MACD(NamedTuple):
    """Difference of two averages, its average, and the difference of these two."""

    macd: Indicator
    signal: Indicator
    histogram: Indicator


class Stochastic(NamedTuple):
    """%K and its average %D, 0 to 100."""

    k: Indicator
    d: Indicator


class ADX(NamedTuple):
    """Strength of the trend and its two directions, 0 to 100."""

    adx: Indicator
    plus_di: Indicator
    minus_di: Indicator


class Supertrend(NamedTuple):
    """The trailing line, and the direction: 1 while it is below price, -1 while above."""

    line: Indicator
    direction: Indicator


class Indicators:
    """Indicators over one set of bars; equal calls give the same object while it is remembered.

    Every series is float64 of shape (T,). `of` names a column or another indicator; NaN at its
    start delays the first value by as many rows. Windows are bars, row t included.

    Raises:
        StrategyFailed: a period that is not a whole number of at least 1, or another parameter
            that means nothing.
    """

    def __init__(self, bars: Bars, memo: Memo | None = None) -> None:
        """Compute nothing yet.

        Args:
            bars: Of one symbol.
            memo: Where to remember, shared with others (see `shared_memo`); None: alone, all of it.
        """
        self._bars = bars
        self._memo = Memo(None, bytes_of) if memo is None else memo
        self._scope = None if memo is None else bars.data_hash

    def column(self, name: Column) -> Indicator:
        """A column of the bars."""
        return self._series((name,), lambda: getattr(self._bars, name).view())

    # --- averages ----------------------------------------------------------------------------

    def sma(self, period: int, of: Source = "close") -> Indicator:
        """Simple moving average: the mean of the last `period` values.

        First value at row period - 1. NaN in a window makes its mean NaN.
        """
        return self._windowed("sma", averages.sma, period, of)

    def ema(self, span: int, of: Source = "close", *, seed: Seed = "first") -> Indicator:
        """Exponential moving average: y = a x + (1 - a) y[-1] with a = 2 / (span + 1).

        Begins with the first value (`seed="first"`: pandas with `adjust=False`) or with the mean of
        the first `span` ones (`seed="sma"`: TA-Lib). First value at row span - 1 either way. A NaN
        inside stays.
        """
        return self._windowed("ema", averages.ema, span, of, seed == "sma")

    def wma(self, period: int, of: Source = "close") -> Indicator:
        """Weighted moving average, weights 1 (oldest) to `period` (newest).

        First value at row period - 1. NaN in a window makes its mean NaN.
        """
        return self._windowed("wma", averages.wma, period, of)

    # --- momentum ----------------------------------------------------------------------------

    def roc(self, period: int, of: Source = "close") -> Indicator:
        """Rate of change: x / x[-period] - 1, a fraction (TA-Lib's ROCP; ROC is 100 times that).

        First value at row period. NaN where either value is, or where the earlier one is 0.
        """
        return self._windowed("roc", windows.roc, period, of)

    def rsi(self, period: int = 14, of: Source = "close") -> Indicator:
        """Relative strength index (Wilder 1978): 100 g / (g + l), 0 to 100.

        g and l are Wilder's averages of gains and losses, begun with the mean of the first `period`
        changes. 50 where there was neither (TA-Lib says 0). First value at row period. A NaN inside
        stays.
        """
        return self._windowed("rsi", wilder.rsi, period, of)

    def macd(
        self,
        fast: int = 12,
        slow: int = 26,
        signal: int = 9,
        of: Source = "close",
        *,
        seed: Seed = "first",
    ) -> MACD:
        """Moving average convergence divergence (Appel 1979): EMA(fast) - EMA(slow).

        The signal line is an EMA of that, the histogram (Aspray 1986) their difference. Each EMA
        begins with its own first value or mean, see `ema`; TA-Lib lets the fast one begin with the
        slow one, which differs in the first rows only. First values at rows slow - 1 (macd) and
        slow + signal - 2. A NaN inside stays.
        """
        if not _period("macd", fast) < _period("macd", slow):
            raise StrategyFailed(f"macd with fast {fast}, slow {slow}", expected="fast < slow")

        def compute() -> MACD:
            line: Indicator = self.ema(fast, of, seed=seed) - self.ema(slow, of, seed=seed)
            average = self.ema(signal, line, seed=seed)
            return MACD(line, average, line - average)

        key = ("macd", self._source("macd", of).key, fast, slow, _period("macd", signal), seed)
        return self._once(key, compute)

    def stochastic(self, period: int = 14, smooth: int = 3, signal: int = 3) -> Stochastic:
        """Stochastic oscillator (Lane 1984): 100 (C - lowest) / (highest - lowest), smoothed.

        %K is the SMA over `smooth` of that place in the range of the last `period` bars
        (`smooth=1`: fast stochastic), %D the SMA of %K over `signal`. First values at rows
        period + smooth - 2 (k) and period + smooth + signal - 3. NaN while a window contains a
        range of zero (TA-Lib says 0).
        """
        n = _period("stochastic", period)

        def place() -> FloatArray:
            top, bottom = self.highest(n).values, self.lowest(n).values
            out = np.full(len(top), nan)
            np.divide(100.0 * (self._bars.close - bottom), top - bottom, out, where=top > bottom)
            return out

        def compute() -> Stochastic:
            k = self.sma(smooth, self._series(("stochastic", n), place))
            return Stochastic(k, self.sma(signal, k))

        key = ("stochastic", n, _period("stochastic", smooth), _period("stochastic", signal))
        return self._once(key, compute)

    # --- trend -------------------------------------------------------------------------------

    def adx(self, period: int = 14) -> ADX:
        """Average directional index with +DI and -DI (Wilder 1978), 0 to 100.

        First values at rows period (the DIs) and 2 period - 1. 0 while nothing moves. Averages
        begin with the first `period` values as in the book; TA-Lib begins with one fewer and
        converges to the same.
        """
        n = _period("adx", period)
        key = ("adx", n)

        def compute() -> ADX:
            lines = wilder.adx(self._bars.high, self._bars.low, self._bars.close, n)
            return ADX(*_named(key, ADX._fields, lines))

        return self._once(key, compute)

    def supertrend(self, period: int = 10, width: float = 3.0) -> Supertrend:
        """Supertrend (Seban): a stop `width` ATR from (H + L) / 2 that follows the trend.

        The line is the lower band in an up-trend and the upper band in a down-trend; a close beyond
        it turns the trend. The first direction is the side of (H + L) / 2 the close is on.
        First value at row period. Direction is 1 for up (TradingView: -1).
        """
        n, factor = _period("supertrend", period), _width("supertrend", width)
        key = ("supertrend", n, factor)

        def compute() -> Supertrend:
            high, low, close = self._bars.high, self._bars.low, self._bars.close
            lines = trend.supertrend(high, low, close, self.atr(n).values, factor)
            return Supertrend(*_named(key, Supertrend._fields, lines))

        return self._once(key, compute)

    # --- volatility and channels -------------------------------------------------------------

    def atr(self, period: int = 14) -> Indicator:
        """Average true range (Wilder 1978), in price points.

        Wilder's average of max(H, C[-1]) - min(L, C[-1]), begun with the mean of the first `period`
        ranges; row 0 has no close before it and does not count. First value at row period.
        """
        bars, n = self._bars, _period("atr", period)
        return self._series(("atr", n), lambda: wilder.atr(bars.high, bars.low, bars.close, n))

    def bollinger(self, period: int = 20, width: float = 2.0, of: Source = "close") -> Bands:
        """Bollinger bands (Bollinger 2001): SMA and `width` standard deviations on either side.

        Deviations divide by n, as his do. First value at row period - 1. NaN in a window makes its
        bands NaN.
        """
        factor = _width("bollinger", width)

        def compute() -> Bands:
            middle, away = self.sma(period, of), factor * self.std(period, of)
            return Bands(middle + away, middle, middle - away)

        n = _period("bollinger", period)
        return self._once(("bollinger", self._source("bollinger", of).key, n, factor), compute)

    def keltner(
        self, period: int = 20, width: float = 2.0, atr_period: int = 10, *, seed: Seed = "first"
    ) -> Bands:
        """Keltner channel (Keltner 1960, in Raschke's form): EMA of closes and `width` ATR.

        First value at row max(period - 1, atr_period).
        """
        factor = _width("keltner", width)

        def compute() -> Bands:
            middle, away = self.ema(period, seed=seed), factor * self.atr(atr_period)
            # The middle line waits for the ATR, so that the three begin together.
            return Bands(middle + away, middle + 0.0 * away, middle - away)

        n = _period("keltner", period)
        return self._once(("keltner", n, factor, _period("keltner", atr_period), seed), compute)

    def donchian(self, period: int = 20) -> Bands:
        """Donchian channel (Donchian 1960): highest high, lowest low, and their mean.

        This bar is included, so no close lies outside; for breakouts take `.shift()` of a line.
        First value at row period - 1.
        """

        def compute() -> Bands:
            upper, lower = self.highest(period), self.lowest(period)
            return Bands(upper, (upper + lower) / 2.0, lower)

        return self._once(("donchian", _period("donchian", period)), compute)

    # --- statistics of a window --------------------------------------------------------------

    def std(self, period: int, of: Source = "close", *, ddof: int = 0) -> Indicator:
        """Rolling standard deviation; `ddof=0` divides by n (TA-Lib), `ddof=1` by n - 1 (pandas).

        First value at row period - 1. NaN in a window makes its deviation NaN.
        """
        return self._windowed("std", windows.std, period, of, _freedom("std", period, ddof))

    def zscore(self, period: int, of: Source = "close", *, ddof: int = 0) -> Indicator:
        """How many standard deviations the value is from the mean of the last `period` ones.

        First value at row period - 1. NaN where a window contains NaN or does not move.
        """
        freedom = _freedom("zscore", period, ddof)
        return self._windowed("zscore", windows.zscore, period, of, freedom)

    def highest(self, period: int, of: Source = "high") -> Indicator:
        """Greatest of the last `period` values, this bar included.

        First value at row period - 1. NaN in a window makes its greatest NaN.
        """
        return self._windowed("highest", windows.highest, period, of)

    def lowest(self, period: int, of: Source = "low") -> Indicator:
        """Least of the last `period` values, this bar included.

        First value at row period - 1. NaN in a window makes its least NaN.
        """
        return self._windowed("lowest", windows.lowest, period, of)

    def rank(self, period: int, of: Source = "close") -> Indicator:
        """Rank of the value among the last `period` ones over `period`: above 0, at most 1.

        Ties share their mean rank, as in pandas' `rolling().rank(pct=True)`. First value at row
        period - 1. NaN in a window makes its rank NaN.
        """
        return self._windowed("rank", windows.rank, period, of)

    def corr(self, period: int, of: Source, other: Source) -> Indicator:
        """Pearson's correlation of the last `period` pairs, -1 to 1.

        First value at row period - 1. NaN where a window contains NaN or one side does not move.
        """
        n = _period("corr", period)
        if n == 1:
            raise StrategyFailed("corr over 1 pair", expected="2 pairs or more")
        left, right = self._source("corr", of), self._source("corr", other)
        key = ("corr", left.key, right.key, n)
        return self._series(key, lambda: _from_first_value(windows.corr, (left, right), n))

    # --- volume ------------------------------------------------------------------------------

    def obv(self) -> Indicator:
        """On-balance volume (Granville 1963): volume added on rises of the close, taken on falls.

        0 at the first bar (TA-Lib: its volume). From a missing volume on all is NaN; bars without
        volume at the start are skipped.
        """
        close, traded = self.column("close"), self.column("volume")
        return self._series(("obv",), lambda: _from_first_value(volume.obv, (close, traded)))

    def vwap(self) -> Indicator:
        """Volume-weighted average price since the session opened (Berkowitz, Logue, Noser 1988).

        Sum of (H + L + C) / 3 times volume over sum of volume. NaN until something was traded, and
        from a missing volume to the end of that session. On bars of a day or more each bar is its
        own session, and this its typical price.
        """
        bars = self._bars
        return self._series(
            ("vwap",),
            lambda: volume.vwap(bars.session, bars.high, bars.low, bars.close, bars.volume),
        )

    # --- how it is kept ----------------------------------------------------------------------

    def _windowed(
        self, name: str, kernel: Callable[..., FloatArray], period: int, of: Source, *extra: Any
    ) -> Indicator:
        source, n = self._source(name, of), _period(name, period)
        key = (name, source.key, n, *extra)
        return self._series(key, lambda: _from_first_value(kernel, (source,), n, *extra))

    def _source(self, name: str, of: Source) -> Indicator:
        source = self.column(of) if isinstance(of, str) else of
        if not isinstance(source, Indicator):
            raise StrategyFailed(
                f"{name} of {type(of).__name__}", expected="a column's name or an indicator"
            )
        if len(source) != len(self._bars):
            raise StrategyFailed(
                f"{name} of {len(source)} values", expected=f"{len(self._bars)}, one per bar"
            )
        return source

    def _series(self, key: Key, compute: Callable[[], FloatArray]) -> Indicator:
        return self._once(key, lambda: Indicator(key, compute()))

    def _once(self, key: Key, make: Callable[[], Made]) -> Made:
        return self._memo.get((self._scope, key), make)


def shared_memo(budget: int) -> Memo:
    """Make a memo of at most `budget` bytes for the indicators of any number of bars and lanes."""
    return Memo(budget, bytes_of)


def bytes_of(made: Indicator | tuple[Indicator, ...]) -> int:
    """Count what an indicator, or the lines of one, hold in memory; a column of the bars nothing.

    A line that is remembered under a name of its own too is counted twice.
    """
    lines = made if isinstance(made, tuple) else (made,)
    return sum(line.values.nbytes for line in lines if not isinstance(line.values.base, np.ndarray))


def _from_first_value(
    kernel: Callable[..., FloatArray], sources: tuple[Indicator, ...], *parameters: Any
) -> FloatArray:
    """Run a kernel from the first row on at which every source has a value."""
    missing = np.isnan(sources[0].values)
    for source in sources[1:]:
        missing = missing | np.isnan(source.values)
    lead = int(np.argmin(missing)) if missing.any() else 0
    if lead == 0:
        return kernel(*(source.values for source in sources), *parameters)
    out = np.full(len(missing), nan)
    out[lead:] = kernel(*(source.values[lead:] for source in sources), *parameters)
    return out


def _named(
    key: Key, fields: tuple[str, ...], lines: tuple[FloatArray, ...]
) -> tuple[Indicator, ...]:
    """Give the lines of one kernel keys of their own."""
    return tuple(Indicator((*key, field), line) for field, line in zip(fields, lines, strict=True))


def _period(name: str, period: int) -> int:
    if isinstance(period, bool) or int(period) != period or period < 1:
        raise StrategyFailed(
            f"{name} over {period!r} bars", expected="a whole number of at least 1"
        )
    return int(period)


def _width(name: str, width: float) -> float:
    if not (isfinite(width) and width > 0.0):
        raise StrategyFailed(f"{name} with width {width!r}", expected="a number above 0")
    return float(width)


def _freedom(name: str, period: int, ddof: int) -> int:
    if period <= ddof:
        raise StrategyFailed(
            f"{name} over {period} values with ddof {ddof}", expected="more values"
        )
    return ddof
