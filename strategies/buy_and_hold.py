"""Buy and hold."""

from __future__ import annotations

import numpy as np

from core.domain.strategy import MarketView, Signals, Strategy


class BuyAndHoldStrategy(Strategy):
    """Buy at the second bar's open and never sell: what every other strategy has to beat."""

    title = "Buy and hold"

    def generate_signals(self, view: MarketView) -> Signals:
        """Want to be long from the first close on."""
        return Signals.side(long=np.ones(len(view), dtype=np.bool_))
