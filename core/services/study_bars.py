"""Prices of a study: its symbols on the clock they share, and the parts that are searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from core.domain.bars import Bars, Int32Array
from core.engine.account import timeline_of
from core.errors import DataProblem
from core.search.split import late
from core.trust.joint_worlds import JointWorlds

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Part:
    """Which bars of a study a sweep runs on.

    Attributes:
        rows: So many of each symbol, from its first.
        world: Number of the null world made of them; None for the real one.
        seed: Of the worlds.
    """

    rows: tuple[int, ...]
    world: int | None = None
    seed: int = 0

    def of(self, bars: Sequence[Bars]) -> list[Bars]:
        """Cut the bars of a study, or make the world.

        Raises:
            DataProblem: there are fewer bars than the part has.
        """
        for each, rows in zip(bars, self.rows, strict=True):
            if rows > len(each):
                raise DataProblem(
                    f"this machine has {len(each)} bars of {each.symbol}", expected=f"{rows}"
                )
        cut = [each.head(rows) for each, rows in zip(bars, self.rows, strict=True)]
        if self.world is None:
            return cut
        return JointWorlds.of(cut, seed=self.seed).world(self.world)


class StudyBars:
    """Bars of each symbol of a study, in the order of its request.

    Its sessions are those of the account: a row belongs to the latest session that any symbol has
    reached by then.

    Args:
        bars: None empty.

    Attributes:
        sessions: Dates, days since 1970, ascending, shape (D,).
    """

    def __init__(self, bars: Sequence[Bars]) -> None:
        self.bars = tuple(bars)
        self._timeline = timeline_of(bars)
        self.sessions: Int32Array = np.unique(self._timeline.day)

    @property
    def whole(self) -> Part:
        """All of them."""
        return Part(tuple(len(each) for each in self.bars))

    def until(self, last: date) -> Part:
        """Give the part that ends with a session.

        Raises:
            InvalidInput: a symbol has no bar in it.
        """
        end = int(np.searchsorted(self._timeline.day, (last - EPOCH).days, side="right"))
        rows = []
        for place, each in enumerate(self.bars):
            rows.append(int(np.searchsorted(self._timeline.row_of[: len(each), place], end)))
            if not rows[-1]:
                raise late(each.symbol, last)
        return Part(tuple(rows))

    def within(self, first: date, last: date) -> list[Bars]:
        """Give the bars of these sessions, both inclusive, of the symbols that have any."""
        days = ((first - EPOCH).days, (last - EPOCH).days)
        return [cut for each in self.bars if len(cut := each.between(*days))]

    @property
    def bars_per_session(self) -> float:
        """Bars of a session from a symbol's first to its last, of the one that has fewest."""
        days = self._timeline.day
        found = []
        for place, each in enumerate(self.bars):
            first = days[self._timeline.row_of[0, place]]
            last = days[self._timeline.row_of[len(each) - 1, place]]
            found.append(
                len(each) / int(((self.sessions >= first) & (self.sessions <= last)).sum())
            )
        return min(found)
