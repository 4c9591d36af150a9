"""Sessions that a search may look at, and sessions that judge what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, isfinite
from typing import Any

import numpy as np

from core.analytics.ratios import SHARPE_AT_LEAST
from core.domain.bars import FloatArray
from core.domain.dimension import Dimension
from core.domain.parameters import ParamSpec, ParamValue
from core.domain.study import Holdback
from core.errors import InvalidInput

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Fold:
    """A run of sessions.

    Attributes:
        begin, end: Places of the first session and of the one after the last.
        first, last: Their dates, both included.
    """

    begin: int
    end: int
    first: date
    last: date

    def __len__(self) -> int:
        """Number of sessions."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Split:
    """A period cut in two: sessions to search in, then an embargo, then sessions held back."""

    train: Fold
    test: Fold
    embargo: int


def split(
    sessions: np.typing.NDArray[np.integer], holdback: Holdback, *, warm_up: int = 0
) -> Split | None:
    """Cut the end off a period.

    The sessions held back are the nearest whole number to their share. The embargo comes out of the
    sessions before them.

    Args:
        sessions: Dates in ascending order, days since 1970, shape (D,).
        holdback: Share and embargo.
        warm_up: Sessions before a strategy can decide at all, the longest in the space.

    Returns:
        The split; None where nothing is held back.

    Raises:
        InvalidInput: one side has too few sessions.
    """
    if holdback.share == 0:
        return None
    total = len(sessions)
    held = int(total * holdback.share + 0.5)
    end = total - held - holdback.embargo
    train = fold_of(sessions, 0, max(0, end))
    test = fold_of(sessions, total - held, total)
    check_fold("the part to search in", train, warm_up=warm_up)
    check_fold("the part held back", test)
    return Split(train, test, holdback.embargo)


def fold_of(sessions: np.typing.NDArray[np.integer], begin: int, end: int) -> Fold:
    """Name a run of sessions; an empty one has the dates of where it would begin."""
    if len(sessions) == 0:
        raise InvalidInput("there are no sessions", expected="prices in the period")
    first = int(sessions[min(begin, len(sessions) - 1)])
    last = int(sessions[end - 1]) if end > begin else first
    return Fold(begin, end, day(first), day(last))


def check_fold(name: str, fold: Fold, *, warm_up: int = 0, least: int = SHARPE_AT_LEAST) -> None:
    """Refuse a fold in which nothing could be seen: it would be a zero that means nothing.

    Args:
        name: What it is, for the message.
        fold: It.
        warm_up: Sessions at its beginning in which the strategy cannot decide yet.
        least: Sessions that are needed after these.

    Raises:
        InvalidInput: it is too short.
    """
    if len(fold) >= warm_up + least:
        return
    why = f"{least} sessions"
    if warm_up:
        why = f"{warm_up} sessions until the strategy can decide, and {least} after these"
    raise InvalidInput(
        f"{name} has {len(fold)} sessions"
        + (f", {fold.first} to {fold.last}" if len(fold) else ""),
        found=len(fold),
        expected=f"at least {why}",
        hint="Use a longer period, longer windows, a shorter embargo or quicker parameters",
    )


def warm_up_of(
    dimensions: Mapping[str, Dimension],
    fixed: Mapping[str, ParamValue],
    specs: Sequence[ParamSpec],
    bars_per_session: float,
) -> int:
    """Say how many sessions may pass before a strategy can decide, as far as its declaration tells.

    That is the greatest of its parameters that count bars (`unit="bars"`): the window of an
    average, say. A strategy that waits for several of them one after the other waits longer.

    Args:
        dimensions: Of the space.
        fixed: Its other parameters.
        specs: Declaration of both.
        bars_per_session: Bars of a session.

    Returns:
        Sessions, rounded up; 0 if no parameter counts bars.
    """
    longest = 0.0
    for spec in specs:
        if spec.unit != "bars":
            continue
        values: list[Any] = [fixed.get(spec.name)]
        if spec.name in dimensions:
            each = dimensions[spec.name]
            values = [each.high, *each.choices]
        longest = max(longest, *(float(v) for v in values if isinstance(v, (int, float))), 0.0)
    return ceil(longest / bars_per_session)


def embargo_needed(longest: FloatArray, bars_per_session: float) -> int:
    """Say how many sessions an embargo needs, so that no position reaches across it.

    Args:
        longest: Bars of the longest trade of each lane (`bars_max`), NaN where there was none.
        bars_per_session: Bars of a session.

    Returns:
        Sessions, rounded up; 0 if nothing was held.
    """
    held = [bars for bars in np.asarray(longest, dtype=np.float64).tolist() if isfinite(bars)]
    return ceil(max(held) / bars_per_session) if held else 0


def check_embargo(embargo: int, needed: int) -> None:
    """Refuse an embargo that positions reach across.

    Raises:
        InvalidInput: it is shorter than positions are held.
    """
    if embargo < needed:
        raise InvalidInput(
            f"the embargo is {embargo} sessions and a position is held for up to {needed}",
            found=embargo,
            expected=f"at least {needed} sessions",
            hint="What is opened before the cut would be closed after it, in both parts",
            field="embargo",
        )


def late(symbol: str, last: date) -> InvalidInput:
    """Say that a symbol has its first bar after the part that is searched, which ends that day."""
    return InvalidInput(
        f"{symbol} has no bars in the part that is searched, which ends on {last}",
        expected="some of every symbol",
        hint="Leave it out, begin later, or hold back less",
        field="run.symbols",
    )


def day(number: int) -> date:
    """Turn days since 1970 into a date."""
    return _EPOCH + timedelta(days=number)
