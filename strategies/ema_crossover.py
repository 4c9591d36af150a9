"""EMA crossover."""

from __future__ import annotations

from core.domain.strategy import MarketView, Param, Signals, Strategy


class EMACrossoverStrategy(Strategy):
    """Always in the market: long while the fast EMA is above the slow one, short while below."""

    title = "EMA crossover"
    constraints = ("fast < slow",)

    fast: int = Param(12, ge=2, le=200, unit="bars", help="Span of the fast average.")
    slow: int = Param(48, ge=5, le=500, unit="bars", help="Span of the slow average.")

    def generate_signals(self, view: MarketView) -> Signals:
        """Compare the two averages at every close."""
        fast, slow = view.ind.ema(self.fast), view.ind.ema(self.slow)
        return Signals.side(long=fast > slow, short=fast < slow)
