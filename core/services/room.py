"""Whether a period has room for what a study wants of it, told before its job runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np

from core.catalog import Catalog
from core.domain.bars import Int32Array
from core.domain.dataset import Series
from core.domain.run import RunSpec
from core.domain.strategy import StrategyInfo
from core.domain.study import StudySpec
from core.domain.timeframe import Timeframe
from core.errors import InvalidInput
from core.search.split import day, late, split, warm_up_of
from core.search.walkforward import windows_of
from core.search.window_sums import require_told

Parts = TypeVar("Parts")

KEPT = 512
"""Calendars that are remembered: one a symbol, bar length and period."""


class Calendar(NamedTuple):
    """When a symbol trades.

    Attributes:
        sessions: Days since 1970, ascending, shape (D,).
        bars: How many there are in all of them.
    """

    sessions: Int32Array
    bars: int


class Calendars:
    """Tells when symbols trade, from memory as long as their prices are the same.

    To read it is to read the time of every bar: too slow for a form that asks as somebody types.

    Args:
        catalog: The prices.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known = lru_cache(KEPT)(self._read)

    def of(self, run: RunSpec) -> Sequence[Calendar]:
        """Give that of each symbol of a completed request.

        Raises:
            NotFound, DataProblem: there are no bars, or they cannot be read.
        """
        catalog, days = self._catalog, (run.start, run.end)
        published = catalog.change_token()
        return [
            self._known(symbol, run.timeframe, days, published, tuple(catalog.series(symbol)))
            for symbol in run.symbols
        ]

    def _read(
        self,
        symbol: str,
        timeframe: Timeframe,
        days: tuple[date | None, date | None],
        _published: str,
        _series: tuple[Series, ...],  # files that were never published change without a word
    ) -> Calendar:
        bars = self._catalog.sessions(symbol, timeframe, *days)
        return Calendar(np.unique(bars), len(bars))


def shortages(
    spec: StudySpec, run: RunSpec, info: StrategyInfo, calendars: Sequence[Calendar]
) -> Sequence[InvalidInput]:
    """Say which parts of a period would be too short: the part held back, a training, a test.

    A symbol whose first bar comes after the part that is searched is such a part too.

    These are the checks of the job itself, on the same sessions, so what passes here passes there.

    Args:
        spec: As it is asked for, completed or not.
        run: Its request, completed.
        info: Its strategy.
        calendars: When its symbols trade.

    Returns:
        One problem for what is held back, one for each symbol, one for the windows and one for the
        objective that chooses in them, at most.
    """
    sessions = np.unique(np.concatenate([each.sessions for each in calendars]))
    per_session = min(
        bars / int(((sessions >= own[0]) & (sessions <= own[-1])).sum()) for own, bars in calendars
    )
    given = {each.name: each.default for each in info.params} | dict(spec.run.params)
    warm_up = warm_up_of(spec.space, given, info.params, per_session)
    found = []

    def check(field: str, divide: Callable[[], Parts]) -> Parts | None:
        try:
            return divide()
        except InvalidInput as error:
            # Not each window by itself: they are short in the same way.
            found.append(
                InvalidInput(
                    error.message,
                    found=error.found,
                    expected=error.expected,
                    hint=error.hint,
                    field=field,
                )
            )
            return None

    cut = check("validation", lambda: split(sessions, spec.validation, warm_up=warm_up))
    if cut is not None:
        last = cut.train.last
        # By its own days: where markets disagree about the date, the job knows it to the bar.
        begin = {
            symbol: day(int(each.sessions[0]))
            for symbol, each in zip(run.symbols, calendars, strict=True)
        }
        found += [late(symbol, last) for symbol, first in begin.items() if first > last]
    walk = spec.walk_forward
    if walk is not None:
        check(
            "walk_forward",
            lambda: windows_of(sessions, walk, start=spec.run.start, warm_up=warm_up),
        )
        check("objectives", lambda: require_told(spec.objectives[0]))
    return found
