"""Indicators: arrays in, arrays out, memoised per set of bars.

Every indicator has shape (T,), is NaN until its window is full and uses rows up to t for row t.
NaN at the start of an input (another indicator's warm-up) shifts the start. A NaN inside makes
the windows that contain it NaN, and everything after it where the indicator is recursive.
The plain function is the definition; its compiled form runs. Both are listed in `INDICATORS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from math import nan, sqrt
from typing import Any, Literal

import numpy as np
from numba import njit

from core.domain.bars import Bars, FloatArray
from core.domain.simulation import BoolArray
from core.errors import StrategyFailed

Column = Literal["open", "high", "low", "close", "volume"]
Key = tuple[Any, ...]


# --- definitions -----------------------------------------------------------------------------


def sma_python(x: FloatArray, n: int) -> FloatArray:
    """Mean of the last n values, each window summed afresh so that no error accumulates."""
    out = np.full(len(x), nan)
    for t in range(n - 1, len(x)):
        total = 0.0
        for i in range(t - n + 1, t + 1):
            total += x[i]
        out[t] = total / n
    return out


def ema_python(x: FloatArray, n: int, seed_by_sma: bool) -> FloatArray:
    """y[t] = a x[t] + (1 - a) y[t-1], a = 2 / (n + 1); NaN for the first n - 1 rows.

    Begins with x[0] (as pandas' `ewm(adjust=False)`) or with the mean of the first n (as TA-Lib).
    """
    out = np.full(len(x), nan)
    if len(x) < n:
        return out
    a = 2.0 / (n + 1.0)
    if seed_by_sma:
        y = 0.0
        for i in range(n):
            y += x[i]
        y /= n
    else:
        y = x[0]
        for i in range(1, n):
            y = a * x[i] + (1.0 - a) * y
    out[n - 1] = y
    for t in range(n, len(x)):
        y = a * x[t] + (1.0 - a) * y
        out[t] = y
    return out


def rsi_python(x: FloatArray, n: int) -> FloatArray:
    """Wilder's RSI (1978): 100 g / (g + l), g and l seeded by the mean of the first n changes.

    50 where there was neither gain nor loss. First value at row n.
    """
    out = np.full(len(x), nan)
    if len(x) <= n:
        return out
    gain, loss = 0.0, 0.0
    for t in range(1, n + 1):
        change = x[t] - x[t - 1]
        gain += max(change, 0.0)
        loss += max(-change, 0.0)
    gain /= n
    loss /= n
    for t in range(n, len(x)):
        if t > n:
            change = x[t] - x[t - 1]
            gain = (gain * (n - 1) + max(change, 0.0)) / n
            loss = (loss * (n - 1) + max(-change, 0.0)) / n
        both = gain + loss
        out[t] = 100.0 * gain / both if both > 0 else 50.0 + 0.0 * both
    return out


def std_python(x: FloatArray, n: int, ddof: int) -> FloatArray:
    """Standard deviation of the last n values, two passes per window."""
    out = np.full(len(x), nan)
    for t in range(n - 1, len(x)):
        mean = 0.0
        for i in range(t - n + 1, t + 1):
            mean += x[i]
        mean /= n
        squares = 0.0
        for i in range(t - n + 1, t + 1):
            squares += (x[i] - mean) * (x[i] - mean)
        out[t] = sqrt(squares / (n - ddof))
    return out


def highest_python(x: FloatArray, n: int) -> FloatArray:
    """Greatest of the last n values."""
    out = np.full(len(x), nan)
    for t in range(n - 1, len(x)):
        top = x[t - n + 1]
        for i in range(t - n + 2, t + 1):
            top = max(top, x[i])
        out[t] = top
    return out


def lowest_python(x: FloatArray, n: int) -> FloatArray:
    """Least of the last n values."""
    out = np.full(len(x), nan)
    for t in range(n - 1, len(x)):
        bottom = x[t - n + 1]
        for i in range(t - n + 2, t + 1):
            bottom = min(bottom, x[i])
        out[t] = bottom
    return out


def roc_python(x: FloatArray, n: int) -> FloatArray:
    """x[t] / x[t-n] - 1, a fraction; NaN where the earlier value is 0."""
    out = np.full(len(x), nan)
    for t in range(n, len(x)):
        if x[t - n] != 0.0:
            out[t] = x[t] / x[t - n] - 1.0
    return out


def atr_python(h: FloatArray, l: FloatArray, c: FloatArray, n: int) -> FloatArray:  # noqa: E741
    """Wilder's average true range, seeded by the mean of the first n true ranges; row n first.

    True range is max(H, C[t-1]) - min(L, C[t-1]); row 0 has no previous close and does not count.
    """
    out = np.full(len(c), nan)
    if len(c) <= n:
        return out
    y = 0.0
    for t in range(1, n + 1):
        y += max(h[t], c[t - 1]) - min(l[t], c[t - 1])
    y /= n
    out[n] = y
    for t in range(n + 1, len(c)):
        y = (y * (n - 1) + max(h[t], c[t - 1]) - min(l[t], c[t - 1])) / n
        out[t] = y
    return out


sma, ema, rsi, std, highest, lowest, roc, atr = (
    njit(cache=True, nogil=True)(function)
    for function in (
        sma_python,
        ema_python,
        rsi_python,
        std_python,
        highest_python,
        lowest_python,
        roc_python,
        atr_python,
    )
)

INDICATORS: dict[str, tuple[Callable[..., FloatArray], Callable[..., FloatArray]]] = {
    "sma": (sma_python, sma),
    "ema": (ema_python, ema),
    "rsi": (rsi_python, rsi),
    "std": (std_python, std),
    "highest": (highest_python, highest),
    "lowest": (lowest_python, lowest),
    "roc": (roc_python, roc),
    "atr": (atr_python, atr),
}


# --- what strategies hold --------------------------------------------------------------------


class _Expression(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that knows how it was made.

    Operators work as on arrays; comparisons give a `Condition`. numpy sees a plain read-only array.
    """

    __slots__ = ("key", "values")
    values: np.ndarray[Any, Any]
    key: Key

    def __init__(self, key: Key, values: np.ndarray[Any, Any]) -> None:
        values.flags.writeable = False
        self.key = key
        self.values = values

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> np.ndarray[Any, Any]:
        if dtype is not None and dtype != self.values.dtype:
            return self.values.astype(dtype)
        return self.values.copy() if copy else self.values

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [part.values if isinstance(part, _Expression) else part for part in inputs]
        result = getattr(ufunc, method)(*plain, **kwargs)
        if kwargs or not isinstance(result, np.ndarray) or result.shape != self.values.shape:
            return result
        key = (ufunc.__name__, *(_key(part) for part in inputs))
        if result.dtype == np.bool_:
            return Condition(key, result)
        return Indicator(key, result) if result.dtype == np.float64 else result

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key})"


class Indicator(_Expression):
    """A float64 series of shape (T,), NaN while warming up."""

    __slots__ = ()

    def shift(self, bars: int = 1) -> Indicator:
        """The value of `bars` bars ago; NaN for the first ones.

        Raises:
            StrategyFailed: `bars` is negative, which would look into the future.
        """
        if bars < 0:
            raise StrategyFailed(
                f"shift({bars}) looks {-bars} bars into the future", expected="0 or more"
            )
        moved = np.full(len(self.values), nan)
        moved[bars:] = self.values[: max(len(self.values) - bars, 0)]
        return Indicator(("shift", self.key, bars), moved)


class Condition(_Expression):
    """A boolean series of shape (T,)."""

    __slots__ = ()

    def __bool__(self) -> bool:
        """Refuse: `and`, `or` and `if` would look at one bar only."""
        raise StrategyFailed(
            "a condition has no single truth value",
            expected="`&`, `|`, `~` instead of `and`, `or`, `not`",
        )

    def shift(self, bars: int = 1) -> Condition:
        """Whether it held `bars` bars ago; false for the first ones."""
        if bars < 0:
            raise StrategyFailed(f"shift({bars}) looks into the future", expected="0 or more")
        moved = np.zeros(len(self.values), dtype=np.bool_)
        moved[bars:] = self.values[: max(len(self.values) - bars, 0)]
        return Condition(("shift", self.key, bars), moved)


class Indicators:
    """Indicators over one set of bars; equal calls give the same object."""

    def __init__(self, bars: Bars) -> None:
        """Remember the bars; nothing is computed yet."""
        self._bars = bars
        self._memo: dict[Key, Indicator] = {}

    def column(self, name: Column) -> Indicator:
        """A column of the bars."""
        return self._once((name,), lambda: getattr(self._bars, name).view())

    def sma(self, period: int, of: Column | Indicator = "close") -> Indicator:
        """Simple moving average of the last `period` values."""
        return self._windowed("sma", sma, period, of)

    def ema(
        self,
        span: int,
        of: Column | Indicator = "close",
        *,
        seed: Literal["first", "sma"] = "first",
    ) -> Indicator:
        """Exponential moving average, a = 2 / (span + 1), seeded by the first value or a mean."""
        return self._windowed("ema", ema, span, of, seed == "sma")

    def rsi(self, period: int = 14, of: Column | Indicator = "close") -> Indicator:
        """Wilder's relative strength index, 0 to 100."""
        return self._windowed("rsi", rsi, period, of)

    def std(self, period: int, of: Column | Indicator = "close", *, ddof: int = 0) -> Indicator:
        """Rolling standard deviation; `ddof=0` divides by n, `ddof=1` by n - 1."""
        if period <= ddof:
            raise StrategyFailed(
                f"std over {period} values with ddof {ddof}", expected="more values"
            )
        return self._windowed("std", std, period, of, ddof)

    def highest(self, period: int, of: Column | Indicator = "high") -> Indicator:
        """Greatest of the last `period` values, this bar included."""
        return self._windowed("highest", highest, period, of)

    def lowest(self, period: int, of: Column | Indicator = "low") -> Indicator:
        """Least of the last `period` values, this bar included."""
        return self._windowed("lowest", lowest, period, of)

    def roc(self, period: int, of: Column | Indicator = "close") -> Indicator:
        """Rate of change over `period` bars, a fraction."""
        return self._windowed("roc", roc, period, of)

    def atr(self, period: int = 14) -> Indicator:
        """Wilder's average true range, in price points."""
        bars, n = self._bars, _period("atr", period)
        return self._once(("atr", n), lambda: atr(bars.high, bars.low, bars.close, n))

    def _windowed(
        self,
        name: str,
        function: Callable[..., FloatArray],
        period: int,
        of: Column | Indicator,
        *extra: Any,
    ) -> Indicator:
        source = self.column(of) if isinstance(of, str) else of
        if not isinstance(source, Indicator):
            raise StrategyFailed(
                f"{name} of {type(of).__name__}", expected="a column's name or an indicator"
            )
        n = _period(name, period)

        def compute() -> FloatArray:
            missing = np.isnan(source.values)
            lead = int(np.argmin(missing)) if missing.any() else 0
            if lead == 0:
                return function(source.values, n, *extra)
            out = np.full(len(missing), nan)
            out[lead:] = function(source.values[lead:], n, *extra)
            return out

        return self._once((name, source.key, n, *extra), compute)

    def _once(self, key: Key, compute: Callable[[], FloatArray]) -> Indicator:
        if key not in self._memo:
            self._memo[key] = Indicator(key, compute())
        return self._memo[key]


def cross_above(left: Any, right: Any) -> Condition:
    """True where `left` is above `right` and was not one bar before; never at the first bar."""
    above, before = _relation(left, right)
    return Condition(("cross_above", _key(left), _key(right)), above & before)


def cross_below(left: Any, right: Any) -> Condition:
    """True where `left` is below `right` and was not one bar before; never at the first bar."""
    below, before = _relation(right, left)
    return Condition(("cross_below", _key(left), _key(right)), below & before)


def _relation(upper: Any, lower: Any) -> tuple[BoolArray, BoolArray]:
    a, b = np.broadcast_arrays(np.asarray(upper, np.float64), np.asarray(lower, np.float64))
    above = a > b
    before = np.zeros(len(above), dtype=np.bool_)
    before[1:] = a[:-1] <= b[:-1]
    return above, before


def _key(part: Any) -> Any:
    if isinstance(part, _Expression):
        return part.key
    if isinstance(part, np.ndarray):
        return ("array", hashlib.blake2b(np.ascontiguousarray(part).tobytes()).hexdigest())
    return part


def _period(name: str, period: int) -> int:
    if isinstance(period, bool) or int(period) != period or period < 1:
        raise StrategyFailed(
            f"{name} over {period!r} bars", expected="a whole number of at least 1"
        )
    return int(period)
