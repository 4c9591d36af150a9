"""Prices before a split, put on the terms of the shares after it.

A split of ratio r on date D: prices and dividends of sessions before D are divided by r and volumes
multiplied by it, several splits by the product of their ratios.
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
        dividend=None if rows.dividend is None else rows.dividend / factor,
        funding=rows.funding,
    )
    return adjusted, notes


def settle(rows: Columns) -> tuple[Columns, list[str]]:
    """Decide what the actions a file lists mean for its prices, and say so.

    Many sources list splits beside prices that are adjusted for them. If the steps at all splits
    together are nearer to none than to the ratios, the column is information and is left out;
    else prices jump by it, and it is kept. A split of the first row has no step to look at.

    Args:
        rows: In time order.
    """
    notes = []
    if paid := int((rows.action("dividend") != 0).sum()):
        notes.append(
            f"dividends stored: {paid:,}; they are paid on top of the prices, which must not be "
            "adjusted for them as well"
        )
    if charged := int((rows.action("funding") != 0).sum()):
        notes.append(f"funding stored: {charged:,} rates, paid on what is held before each")
    if "split" not in rows.acted:
        return rows._replace(split=None), notes
    ratios = rows.action("split")
    at = np.flatnonzero(ratios[1:] != 1) + 1
    steps = np.log(rows.open[at] / rows.close[at - 1])
    jumps = np.abs(steps + np.log(ratios[at])) < np.abs(steps)
    if len(at) and np.abs(steps).sum() <= np.abs(steps + np.log(ratios[at])).sum():
        notes.append(
            f"splits not stored: {len(at):,} that the prices do not show; they are adjusted for "
            "them already"
        )
        return rows._replace(split=None), notes
    for row, shows in zip(at.tolist(), jumps.tolist(), strict=True):
        if not shows:
            day = rows.ts[row].astype("datetime64[us]").astype("datetime64[D]")
            notes.append(
                f"the split of {ratios[row]:g} on {day} does not show in the prices: "
                f"{round(float(rows.close[row - 1]), _ROUNDED):g} was followed by "
                f"{round(float(rows.open[row]), _ROUNDED):g}"
            )
    count = int((ratios != 1).sum())
    notes.append(f"splits stored: {count:,}; prices before them are as they were traded")
    return rows, notes


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
