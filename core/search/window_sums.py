"""Figures of any window of sessions of every lane, from sums made once.

The sums of the first four powers of daily returns, of their falls and of their logarithms between
cuts are enough for the figures below; a window costs a handful of subtractions a lane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.analytics.ratios import SHARPE_AT_LEAST
from core.analytics.undefined import NOISE
from core.domain.bars import FloatArray
from core.domain.objective import Objective
from core.errors import InvalidInput

_LANES = 256
"""Lanes whose powers are in memory at once."""
POWERS: Final = ("r", "r2", "r3", "r4", "fall2", "log")


@dataclass(frozen=True, eq=False, slots=True)
class WindowSums:
    """Running sums of all lanes at some cuts.

    Attributes:
        cuts: Places of sessions, ascending, from 0 to D.
        sums: Of each of `POWERS` over the sessions before each cut, shape (6, cuts, N).
        per_year: Sessions of a year.
        session_rate: What a riskless rate earns in a session.
    """

    cuts: tuple[int, ...]
    sums: npt.NDArray[np.float64]
    per_year: float
    session_rate: float

    @classmethod
    def of(
        cls,
        daily: npt.NDArray[np.floating[Any]],
        *,
        per_year: float,
        session_rate: float = 0.0,
        cuts: Sequence[int] | None = None,
    ) -> WindowSums:
        """Sum up.

        Args:
            daily: Returns of sessions, shape (N, D), without NaN.
            per_year: Sessions of a year.
            session_rate: What a riskless rate earns in a session.
            cuts: Where windows may begin and end; None for everywhere, which takes six times the
                memory of `daily` in float64.

        Raises:
            InvalidInput: a cut lies outside.
        """
        lanes, days = daily.shape
        places = tuple(range(days + 1)) if cuts is None else tuple(sorted({0, *cuts}))
        if places[0] < 0 or places[-1] > days:
            raise InvalidInput(f"cuts go from {places[0]} to {places[-1]}", expected=f"0 to {days}")
        sums = np.zeros((len(POWERS), len(places), lanes))
        begins = np.array(places[:-1], dtype=np.int64)
        for first in range(0, lanes if len(begins) else 0, _LANES):
            r = daily[first : first + _LANES, : places[-1]].astype(np.float64)
            with np.errstate(divide="ignore"):
                logs = np.log1p(np.maximum(r, -1.0))
            falls = np.minimum(r - session_rate, 0.0)
            for k, values in enumerate((r, r * r, r**3, r**4, falls * falls, logs)):
                parts = np.add.reduceat(values, begins, axis=1)
                sums[k, 1:, first : first + _LANES] = np.cumsum(parts, axis=1).T
        return cls(places, sums, per_year, session_rate)

    def figure(self, name: str, begin: int, end: int) -> FloatArray:
        """Compute one figure of one window of every lane.

        Args:
            name: `sharpe`, `sharpe_se`, `sortino`, `volatility`, `total_return` or `cagr`, the
                growth of a year of `per_year` sessions at the pace of the window.
            begin: Place of the first session, a cut.
            end: Place of the one after the last, a cut.

        Returns:
            Shape (N,), NaN where it is undefined: fewer than 20 sessions for ratios, no spread, no
            session below the threshold.

        Raises:
            InvalidInput: no such figure, or no such cut.
        """
        _require_figure(name)
        if end <= begin or begin not in self.cuts or end not in self.cuts:
            raise InvalidInput(
                f"the window {begin} to {end} does not begin and end at a cut",
                expected="cuts, in ascending order",
            )
        here = self.sums[:, self.cuts.index(end)]
        with np.errstate(all="ignore"):
            before = self.sums[:, self.cuts.index(begin)]
            window = _Window(here - before, here, end - begin, self)
            found = FIGURES[name](window)
        found[~np.isfinite(found)] = np.nan
        return found

    def scores(self, objective: Objective, begin: int, end: int) -> FloatArray:
        """Compute what competes by an objective in one window; more is better.

        Raises:
            InvalidInput: the objective needs a metric that daily returns do not tell.
        """
        return objective.scores(self._columns(objective, begin, end))

    def values(self, objective: Objective, begin: int, end: int) -> FloatArray:
        """Compute an objective in one window, in its own sign.

        Raises:
            InvalidInput: as `scores`.
        """
        return objective.values(self._columns(objective, begin, end))

    def _columns(self, objective: Objective, begin: int, end: int) -> dict[str, FloatArray]:
        return {name: self.figure(name, begin, end) for name in objective.metrics}


def require_told(objective: Objective) -> None:
    """Refuse an objective that windows cannot be judged by.

    Raises:
        InvalidInput: it needs a metric that daily returns do not tell.
    """
    for name in objective.metrics:
        _require_figure(name)


def _require_figure(name: str) -> None:
    if name not in FIGURES:
        raise InvalidInput(
            f"{name} of a window cannot be told from daily returns",
            expected="one of " + ", ".join(FIGURES),
            hint="Only whole runs have the other metrics",
            field="objectives",
        )


class _Window:
    """Moments of one window; `total` are the sums up to its end, whose rounding it inherits."""

    def __init__(self, sums: FloatArray, total: FloatArray, days: int, of: WindowSums) -> None:
        self.sums, self.days, self.of = sums, days, of
        self.mean = sums[0] / days
        self.spread = sums[1] - sums[0] * self.mean
        # Sums cancel: what is left of a spread that is none is rounding of all that was summed.
        noise = np.maximum(1e-13 * total[1] * np.sqrt(of.cuts[-1] + 1), days * NOISE**2)
        self.spread[self.spread <= noise] = np.nan
        self.deviation = np.sqrt(self.spread / max(days - 1, 1))
        self.is_short = days < SHARPE_AT_LEAST


def _sharpe(window: _Window) -> FloatArray:
    ratio = (window.mean - window.of.session_rate) / window.deviation * sqrt(window.of.per_year)
    return _long_enough(window, ratio)


def _sharpe_error(window: _Window) -> FloatArray:
    n, m = window.days, window.mean
    second = window.spread / n
    third = window.sums[2] / n - 3 * m * window.sums[1] / n + 2 * m**3
    fourth = window.sums[3] / n - 4 * m * window.sums[2] / n + 6 * m * m * window.sums[1] / n
    fourth -= 3 * m**4
    s = (m - window.of.session_rate) / window.deviation
    variance = 1.0 - third / second**1.5 * s + (fourth / second**2 - 1.0) * s * s / 4.0
    return _long_enough(window, np.sqrt(window.of.per_year * variance / (n - 1)))


def _sortino(window: _Window) -> FloatArray:
    below = np.sqrt(window.sums[4] / window.days)
    below[below <= NOISE] = np.nan
    ratio = (window.mean - window.of.session_rate) / below * sqrt(window.of.per_year)
    return _long_enough(window, ratio)


def _volatility(window: _Window) -> FloatArray:
    spread = np.nan_to_num(window.spread, nan=0.0)
    found: FloatArray = np.sqrt(spread / max(window.days - 1, 1) * window.of.per_year)
    return found if window.days > 1 else np.full_like(found, np.nan)


def _total(window: _Window) -> FloatArray:
    found: FloatArray = np.expm1(_growth(window))
    return found


def _annual(window: _Window) -> FloatArray:
    found: FloatArray = np.expm1(_growth(window) * (window.of.per_year / window.days))
    return found


def _growth(window: _Window) -> FloatArray:
    # What was lost entirely before the window is -inf less -inf: nothing is left to grow.
    grown: FloatArray = np.nan_to_num(window.sums[5], nan=-np.inf, neginf=-np.inf)
    return grown


def _long_enough(window: _Window, values: FloatArray) -> FloatArray:
    return np.full_like(values, np.nan) if window.is_short else values


FIGURES: Final[dict[str, Callable[[_Window], FloatArray]]] = {
    "sharpe": _sharpe,
    "sharpe_se": _sharpe_error,
    "sortino": _sortino,
    "volatility": _volatility,
    "total_return": _total,
    "cagr": _annual,
}
