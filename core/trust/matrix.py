"""What a search leaves behind to be judged by: the session returns of every lane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.analytics.undefined import NOISE
from core.domain.bars import FloatArray, IntArray
from core.errors import InvalidInput

STRIPE_BYTES = 16 * 1024 * 1024
"""Of float64 returns that are looked at together; a search of 10,000 lanes is kept as float32."""

_TABLE = 2  # dimensions
_PAIR = 2  # the fewest returns that have a deviation


@dataclass(frozen=True, eq=False, slots=True)
class ReturnMatrix:
    """Session returns of all N lanes of a search over T sessions.

    Attributes:
        values: Fractions per session, shape (T, N), float32 or float64, as they were given.
        traded: Lanes that can be judged, ascending, int64: every return is a finite number, and
            not all are the same. The others did not trade, or failed; they count as trials and as
            nothing else.
    """

    values: npt.NDArray[np.floating]
    traded: IntArray

    @classmethod
    def of(
        cls, returns: npt.ArrayLike, *, idle: npt.NDArray[np.bool_] | None = None
    ) -> ReturnMatrix:
        """Look through returns once; they are not copied.

        Args:
            returns: Shape (T, N), fractions per session; `rows.daily.T` of a sweep. Lanes without
                a result are NaN.
            idle: Lanes known not to have traded, shape (N,). Needed where cash earns interest:
                returns of such lanes differ by the days between sessions, and their Sharpe ratio
                beats everybody's.

        Raises:
            InvalidInput: not a table of numbers, or `idle` is not as long as it is wide.
        """
        values = np.asarray(returns)
        if values.ndim != _TABLE or values.dtype.kind not in "fiu":
            raise InvalidInput(
                f"session returns have shape {values.shape} and type {values.dtype}",
                expected="numbers, sessions by lanes",
                field="returns",
            )
        if values.dtype.kind != "f":
            values = values.astype(np.float64)
        if idle is not None and idle.shape != values.shape[1:]:
            raise InvalidInput(
                f"idle has shape {idle.shape} for {values.shape[1]} lanes",
                expected="one truth value per lane",
                field="idle",
            )
        if len(values) < _PAIR:
            return cls(values, np.zeros(0, dtype=np.int64))
        low, high = values.min(axis=0), values.max(axis=0)  # NaN where one is NaN
        with np.errstate(invalid="ignore"):
            spread, greatest = high - low, np.maximum(-low, high)
            # Equal returns that were kept as float32 may differ in their last digit.
            rounding = 4.0 * np.finfo(values.dtype).eps * greatest
            same = spread <= np.maximum(NOISE * np.maximum(1.0, greatest), rounding)
        usable = np.isfinite(low) & np.isfinite(high) & ~same
        if idle is not None:
            usable &= ~idle
        return cls(values, np.flatnonzero(usable).astype(np.int64))

    @property
    def sessions(self) -> int:
        """Number of sessions, T."""
        return int(self.values.shape[0])

    @property
    def lanes(self) -> int:
        """Number of lanes, N, those that never traded among them."""
        return int(self.values.shape[1])

    def lane(self, number: int) -> FloatArray:
        """Give the returns of one lane, shape (T,), float64.

        Raises:
            InvalidInput: no such lane.
        """
        if not 0 <= number < self.lanes:
            raise InvalidInput(
                f"lane {number} is not in this search",
                expected=f"0 to {self.lanes - 1}",
                field="lane",
            )
        return self.values[:, number].astype(np.float64)

    def stripes(self) -> Iterator[tuple[slice, FloatArray]]:
        """Go through the lanes that traded, some at a time, so that memory is bounded.

        Yields:
            Their places in `traded`, and their returns, shape (T, lanes), float64.
        """
        width = max(1, STRIPE_BYTES // (8 * max(1, self.sessions)))
        for begin in range(0, len(self.traded), width):
            place = slice(begin, min(begin + width, len(self.traded)))
            columns = self.values[:, self.traded[place]]
            yield place, np.ascontiguousarray(columns, dtype=np.float64)

    def ratios(self) -> FloatArray:
        """Compute the Sharpe ratio of one session, `mean / sd`, of each lane that traded.

        Returns:
            Shape of `traded`; the deviation is of the sample (ddof 1). Never NaN.
        """
        found = np.empty(len(self.traded))
        for place, returns in self.stripes():
            found[place] = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
        return found
