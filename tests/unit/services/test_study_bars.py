"""The calendar of several symbols, and the parts of it that are searched."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from core.domain.bars import Bars
from core.domain.timeframe import Timeframe
from core.engine.account import timeline_of
from core.errors import DataProblem, InvalidInput
from core.services.study_bars import Part, StudyBars
from tests.factories import make_bars

MONDAY = 18_267  # 2020-01-06


def days(*session: int, symbol: str = "ONE") -> Bars:
    """A daily bar on each of these days after a Monday."""
    return make_bars(
        100.0 + np.arange(len(session)),
        session=np.array(session, dtype=np.int32) + MONDAY,
        minute=np.zeros(len(session), dtype=np.int32),
        timeframe=Timeframe.D1,
        symbol=symbol,
    )


def on(day: int) -> date:
    return date(2020, 1, 6) + timedelta(day)


def test_its_sessions_are_those_any_symbol_has():
    bars = StudyBars([days(0, 1, 3, 4), days(1, 2, 4, 5, symbol="TWO")])

    assert (bars.sessions - MONDAY).tolist() == [0, 1, 2, 3, 4, 5]
    assert bars.whole == Part((4, 4))


def test_a_part_ends_with_its_session_for_every_symbol():
    bars = StudyBars([days(0, 1, 3, 4), days(1, 2, 4, 5, symbol="TWO")])

    assert bars.until(on(2)) == Part((2, 2))
    assert bars.until(on(3)) == Part((3, 2))
    cut = bars.until(on(3)).of(bars.bars)
    assert [(each.session - MONDAY).tolist() for each in cut] == [[0, 1, 3], [1, 2]]
    assert (StudyBars(cut).sessions - MONDAY).tolist() == [0, 1, 2, 3]


def test_a_day_that_was_over_does_not_begin_again():
    """Where markets disagree about the date, a row belongs to the latest that was reached."""
    hours = [
        make_bars(
            [100.0, 101.0],
            session=np.array([MONDAY + shift, MONDAY + shift + 1], dtype=np.int32),
            minute=np.array([600 - 1440 * shift, 600 - 1440 * shift], dtype=np.int32),
            timeframe=Timeframe.H1,
            symbol=f"S{shift}",
        )
        for shift in (0, 1)
    ]
    bars = StudyBars(hours)
    day = timeline_of(hours).day

    assert bars.sessions.tolist() == np.unique(day).tolist()
    part = bars.until(on(int(bars.sessions[0]) - MONDAY))
    rows = sum(part.rows) if len(day) == 4 else max(part.rows)
    assert rows == int((day == bars.sessions[0]).sum())


def test_a_symbol_without_a_bar_in_the_part_is_named():
    bars = StudyBars([days(*range(10)), days(8, 9, symbol="LATE")])

    with pytest.raises(InvalidInput, match="LATE has no bars in the part that is searched"):
        bars.until(on(7))
    assert bars.until(on(8)) == Part((9, 1))


def test_bars_of_a_session_are_those_of_who_has_fewest():
    """A symbol that rests on other days waits longer for a window of bars to fill."""
    assert StudyBars([days(*range(10))]).bars_per_session == 1.0
    late = days(4, 6, 8, 9, symbol="LATE")
    assert StudyBars([days(*range(10)), late]).bars_per_session == 4 / 6


def test_a_machine_with_fewer_bars_says_so():
    with pytest.raises(DataProblem, match="this machine has 3 bars of ONE"):
        Part((4,)).of([days(0, 1, 2)])
