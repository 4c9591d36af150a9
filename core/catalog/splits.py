"""Prices before a split, put on the terms of the shares after it.

A split of ratio r on date D: prices of sessions before D are divided by r and volumes multiplied
by it, several splits by the product of their ratios. Dividends are not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np

from core.catalog.columns import Columns
from core.catalog.sessions import day_number
from core.domain.bars import IntArray

_ROUNDED: Final = 4


def adjust(
    rows: Columns, session: IntArray, splits: Sequence[tuple[date, float]]
) -> tuple[Columns, list[str]]:
    """Adjust rows in time order, and say where prices do not look like the split.

    Args:
        rows: Prices as they were traded.
        session: Session date of each row.
        splits: Date and ratio of each.
    """
    notes = [note for day, ratio in splits if (note := doubt(rows, session, day, ratio))]
    factor = np.ones(len(session))
    for day, ratio in sorted(splits):
        factor[session < day_number(day)] *= ratio
    adjusted = Columns(
        ts=rows.ts,
        open=rows.open / factor,
        high=rows.high / factor,
        low=rows.low / factor,
        close=rows.close / factor,
        volume=rows.volume * factor,
    )
    return adjusted, notes


def doubt(rows: Columns, session: IntArray, day: date, ratio: float) -> str | None:
    """Say why prices do not look like a split, None if they do or cannot tell.

    The opening of the first session from `day` on should be nearer to the last close divided by
    the ratio than to the last close itself.
    """
    at = int(np.searchsorted(session, day_number(day)))
    if at in {0, len(session)}:
        return None
    before, after = float(rows.close[at - 1]), float(rows.open[at])
    distance = abs(np.log(after * ratio / before))
    if distance < abs(np.log(after / before)):
        return None
    return (
        f"a split of {ratio:g} on {day} does not show in the prices: "
        f"{round(before, _ROUNDED):g} was followed by {round(after, _ROUNDED):g}"
    )
