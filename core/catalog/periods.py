"""Which length the bars of a file have: the step most rows are apart, or what the caller says."""

from __future__ import annotations

from typing import Final

import numpy as np

from core.domain.bars import IntArray
from core.domain.timeframe import Timeframe
from core.errors import DataProblem, InvalidInput

_HOUR: Final = 3_600
_DAY: Final = 86_400
_MICRO: Final = 1_000_000

# A day may last 23 or 25 hours between two local midnights, a month 28 to 31 days.
_STEPS: Final = {
    Timeframe.D1: (_DAY - _HOUR, _DAY + _HOUR),
    Timeframe.W1: (7 * _DAY - _HOUR, 7 * _DAY + _HOUR),
    Timeframe.MN1: (28 * _DAY - _HOUR, 31 * _DAY + _HOUR),
}
_CLOSEST: Final = {
    Timeframe.D1: _DAY // 2,
    Timeframe.W1: 4 * _DAY,
    Timeframe.MN1: 25 * _DAY,
}
# Holidays and thin trading pull declared rows apart, but not to the next length.
_WIDEST: Final = {
    Timeframe.D1: 4 * _DAY,
    Timeframe.W1: 15 * _DAY,
    Timeframe.MN1: 62 * _DAY,
}
_ENOUGH: Final = 10
"""Steps from which on a declared length must show in the rows."""


def find_timeframe(ts: IntArray, declared: Timeframe | None) -> Timeframe:
    """Find the length of bars opening at the given times, or check the declared one.

    Args:
        ts: Times in microseconds, in any order and with repetitions.
        declared: What the caller says.

    Raises:
        InvalidInput: one row alone and nothing declared, or the rows contradict it.
        DataProblem: the rows are a length apart that is not known here.
    """
    steps = np.diff(np.unique(ts))
    if not len(steps):
        if declared is None:
            raise InvalidInput(
                "the length of the bars cannot be told from a single time",
                expected="the timeframe option, such as 1d",
                field="timeframe",
            )
        return declared
    values, counts = np.unique(steps, return_counts=True)
    common = float(values[counts.argmax()]) / _MICRO
    closest = float(values[0]) / _MICRO
    if declared is not None:
        _check(declared, common, closest, len(steps))
        return declared
    for timeframe in Timeframe:
        shortest, longest = _range(timeframe)
        if shortest <= common <= longest:
            return timeframe
    raise DataProblem(
        f"most rows are {_words(common)} apart, which is no bar length known here",
        expected=f"one of {', '.join(Timeframe)}",
        hint="if rows are missing between them, say the length with the timeframe option",
        field="timeframe",
    )


def _check(declared: Timeframe, common: float, closest: float, steps: int) -> None:
    shortest, longest = _range(declared)
    expected = f"rows {declared} apart"
    if closest < _CLOSEST.get(declared, shortest):
        raise InvalidInput(
            f"the timeframe is said to be {declared}, but rows are {_words(closest)} apart",
            expected=expected,
            field="timeframe",
        )
    # Thin markets leave out most rows, but not every second one of a pair.
    thin = declared.is_intraday and closest == shortest and common % shortest == 0
    fits = shortest <= common <= _WIDEST.get(declared, longest)
    if steps >= _ENOUGH and not fits and not thin:
        raise InvalidInput(
            f"the timeframe is said to be {declared}, but most rows are {_words(common)} apart",
            expected=expected,
            field="timeframe",
        )


def _range(timeframe: Timeframe) -> tuple[int, int]:
    seconds = timeframe.seconds or 0
    return _STEPS.get(timeframe, (seconds, seconds))


def _words(seconds: float) -> str:
    for length, word in ((_DAY, "days"), (_HOUR, "hours"), (60, "minutes")):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {word}"
    return f"{seconds:g} seconds"
