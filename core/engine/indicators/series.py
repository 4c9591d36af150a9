"""What strategies hold: arrays that know how they were made."""

from __future__ import annotations

import hashlib
from math import nan
from typing import Any

import numpy as np

from core.domain.simulation import BoolArray
from core.errors import StrategyFailed

Key = tuple[Any, ...]


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
