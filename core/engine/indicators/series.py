"""What strategies hold: arrays that know how they were made."""

from __future__ import annotations

import hashlib
from math import nan
from typing import Any, NamedTuple

import numpy as np

from core.domain.bars import FloatArray
from core.domain.signals import CodeArray
from core.domain.simulation import BoolArray
from core.engine.indicators import conditions
from core.errors import StrategyFailed

Key = tuple[Any, ...]
_ORDERED = frozenset({np.less, np.less_equal, np.greater, np.greater_equal})
_INEXACT = frozenset({np.less_equal, np.greater_equal})


class _Expression(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that knows how it was made.

    Operators work as on arrays; comparisons give a `Condition`. numpy sees a plain read-only array.
    """

    __slots__ = ("_key", "_values")
    _values: np.ndarray[Any, Any] | None
    _key: Key | None

    def __init__(self, key: Key | None, values: np.ndarray[Any, Any]) -> None:
        """Keep `values` and freeze them; without a key they are known by their content."""
        values.flags.writeable = False
        self._key = key
        self._values = values

    @property
    def values(self) -> np.ndarray[Any, Any]:
        """The plain array, read-only."""
        return self._evaluated() if self._values is None else self._values

    @property
    def key(self) -> Key:
        """What tells it from all others over the same bars."""
        if self._key is None:
            self._key = ("array", hashlib.blake2b(self.values.tobytes()).hexdigest())
        return self._key

    def _evaluated(self) -> np.ndarray[Any, Any]:
        raise NotImplementedError

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> np.ndarray[Any, Any]:
        if dtype is not None and dtype != self.values.dtype:
            return self.values.astype(dtype)
        return self.values.copy() if copy else self.values

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc in _ORDERED and method == "__call__" and not kwargs:
            left, right = inputs
            both = isinstance(left, Indicator) and isinstance(right, Indicator)
            if both and len(left) == len(right):
                return Condition.comparing(left, ufunc, right)
        plain = [part.values if isinstance(part, _Expression) else part for part in inputs]
        result = getattr(ufunc, method)(*plain, **kwargs)
        if kwargs or not isinstance(result, np.ndarray) or result.shape != self.values.shape:
            return result
        if result.dtype not in {np.dtype(np.bool_), np.dtype(np.float64)}:
            return result
        kind = Condition if result.dtype == np.bool_ else Indicator
        if any(isinstance(part, np.ndarray) and part.ndim for part in inputs):
            return kind(None, result)
        return kind((ufunc.__name__, *(_key(part) for part in inputs)), result)

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


class _Comparison(NamedTuple):
    """Two series and which of <, <=, > or >= stands between them."""

    left: Indicator
    relation: np.ufunc
    right: Indicator


class Condition(_Expression):
    """A boolean series of shape (T,).

    A comparison of two indicators is remembered as such and evaluated when somebody looks; what
    is only handed on to `Signals.side` never becomes an array of booleans.
    """

    __slots__ = ("_comparison",)
    _comparison: _Comparison | None

    def __init__(self, key: Key | None, values: np.ndarray[Any, Any]) -> None:
        """Keep `values` and freeze them."""
        super().__init__(key, values)
        self._comparison = None

    @classmethod
    def comparing(cls, left: Indicator, relation: np.ufunc, right: Indicator) -> Condition:
        """Compare later; indicators are read-only, so it makes no difference when."""
        made = cls.__new__(cls)
        made._key = (relation.__name__, left.key, right.key)  # noqa: SLF001 - our own class
        made._values = None  # noqa: SLF001
        made._comparison = _Comparison(left, relation, right)  # noqa: SLF001
        return made

    def _evaluated(self) -> np.ndarray[Any, Any]:
        if self._comparison is None:
            raise AssertionError("a condition holds values or a comparison")
        left, relation, right = self._comparison
        result: BoolArray = relation(left.values, right.values)
        result.flags.writeable = False
        self._values = result
        return result

    def side_codes(self, short: object) -> tuple[CodeArray, int] | None:
        """Give the codes of `long=self, short=short` and the number of conflicts, in one pass.

        None unless both compare the same two indicators in opposite directions; then conditions
        are looked at one by one.
        """
        if not isinstance(short, Condition):
            return None
        if self._comparison is None or short._comparison is None:  # noqa: SLF001
            return None
        above, or_equal, below = _descending(self._comparison)
        other_below, short_or_equal, other_above = _descending(short._comparison)  # noqa: SLF001
        if above is not other_above or below is not other_below:
            return None
        codes, conflicts = conditions.sides(
            _frozen(above.values), _frozen(below.values), or_equal, short_or_equal
        )
        return codes, int(conflicts)

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
    return Condition(_pair_key("cross_above", left, right), _crossed(left, right))


def cross_below(left: Any, right: Any) -> Condition:
    """True where `left` is below `right` and was not one bar before; never at the first bar."""
    return Condition(_pair_key("cross_below", left, right), _crossed(right, left))


def _crossed(upper: Any, lower: Any) -> BoolArray:
    a, b = np.asarray(upper, np.float64), np.asarray(lower, np.float64)
    if a.ndim == b.ndim == 1 and a.shape == b.shape:
        found: BoolArray = conditions.crossed(_frozen(a), _frozen(b))
        return found
    a, b = np.broadcast_arrays(a, b)
    crossed = a > b
    crossed[0:1] = False
    crossed[1:] &= a[:-1] <= b[:-1]
    return crossed


def _frozen(x: FloatArray) -> FloatArray:
    """Give a contiguous read-only view: the one type the kernel is compiled for."""
    view = np.ascontiguousarray(x).view()
    view.flags.writeable = False
    return view


def _descending(comparison: _Comparison) -> tuple[Indicator, bool, Indicator]:
    """Turn `left ? right` into greater, whether equal values count, lesser."""
    left, relation, right = comparison
    or_equal = relation in _INEXACT
    if relation in {np.greater, np.greater_equal}:
        return left, or_equal, right
    return right, or_equal, left


def _pair_key(name: str, left: Any, right: Any) -> Key | None:
    if any(isinstance(part, np.ndarray) and part.ndim for part in (left, right)):
        return None
    return (name, _key(left), _key(right))


def _key(part: Any) -> Any:
    return part.key if isinstance(part, _Expression) else part
