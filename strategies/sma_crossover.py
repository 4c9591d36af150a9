"""SMA crossover."""

from __future__ import annotations

from core.domain.strategy import MarketView, Param, Signals, Strategy


class SMACrossoverStrategy(Strategy):
    """Long while the fast SMA is above the slow one, flat while below."""

    title = "SMA crossover"
    constraints = ("fast < slow",)

    fast: int = Param(10, ge=2, le=200, unit="bars", help="Window of the fast average.")
    slow: int = Param(30, ge=5, le=500, unit="bars", help="Window of the slow average.")

    def generate_signals(self, view: MarketView) -> Signals:
        """Compare the two averages at every close."""
        fast, slow = view.ind.sma(self.fast), view.ind.sma(self.slow)
        return Signals.side(long=fast > slow, exit=fast < slow)
