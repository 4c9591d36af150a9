# ruff: noqa: INP001 - found by its folder, like every strategy
"""The strategy of the rehearsal."""

from __future__ import annotations

from core.domain.strategy import MarketView, Param, Signals, Strategy, pct


class Average(Strategy):
    """Long above an average with a stop, out below it."""

    constraints = ("span > 1",)

    span: int = Param(5, ge=2, le=9, help="Bars.")

    def generate_signals(self, view: MarketView) -> Signals:
        """Compare the close with its average."""
        average = view.ind.sma(self.span)
        return Signals.side(
            long=view.close > average, exit=view.close < average, stop=pct(2.0), max_bars=50
        )
