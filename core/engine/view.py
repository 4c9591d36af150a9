"""Builds what a strategy sees."""

from __future__ import annotations

from core.domain.bars import Bars
from core.domain.view import MarketView
from core.engine.indicators import Indicators


def view_of(bars: Bars) -> MarketView:
    """Show these bars to a strategy."""
    return MarketView(bars=bars, ind=Indicators(bars))
