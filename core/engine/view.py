"""Builds what a strategy sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.domain.bars import Bars
from core.domain.universe import UniverseView
from core.domain.view import MarketView
from core.engine.account import spread, timeline_of
from core.engine.indicators import Indicators
from core.engine.indicators.universe import UniverseIndicators
from core.engine.memo import Memo

COLUMNS = ("open", "high", "low", "close", "volume")


def view_of(bars: Bars) -> MarketView:
    """Show these bars to a strategy."""
    return MarketView(bars=bars, ind=Indicators(bars))


def universe_view_of(bars: Sequence[Bars], memo: Memo | None = None) -> UniverseView:
    """Show these symbols, at least one and none without a bar, to a strategy that weighs them.

    Args:
        bars: Of each.
        memo: Where indicators are remembered; None: each symbol's by themselves, all of them.
    """
    timeline = timeline_of(bars)
    rows = [timeline.row_of[: len(each), place] for place, each in enumerate(bars)]
    columns = {
        name: spread(timeline, [getattr(each, name) for each in bars], np.nan) for name in COLUMNS
    }
    for column in (*columns.values(), timeline.ts, timeline.day):
        column.flags.writeable = False
    return UniverseView(
        bars=tuple(bars),
        ts=timeline.ts,
        session=timeline.day,
        **columns,
        ind=UniverseIndicators(bars, rows, timeline.day, memo),
    )
