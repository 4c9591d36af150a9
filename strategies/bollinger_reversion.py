"""Bollinger band mean reversion."""

from __future__ import annotations

from core.domain.strategy import MarketView, Param, Signals, Strategy, pct
from core.engine.indicators import cross_above, cross_below


class BollingerReversionStrategy(Strategy):
    """Fade a close that comes back inside the bands; leave at the middle band or the stop."""

    title = "Bollinger reversion"

    period: int = Param(20, ge=5, le=200, unit="bars", help="Window of mean and deviation.")
    width: float = Param(2.0, ge=0.5, le=5.0, step=0.1, help="Band distance in deviations.")
    stop_loss_pct: float = Param(5.0, ge=0.1, le=50.0, step=0.1, unit="%", help="Protective stop.")

    def generate_signals(self, view: MarketView) -> Signals:
        """Enter on re-entry into the bands, leave at their middle."""
        middle = view.ind.sma(self.period)
        band = self.width * view.ind.std(self.period)
        return Signals.side(
            long=cross_above(view.close, middle - band),
            short=cross_below(view.close, middle + band),
            exit_long=view.close >= middle,
            exit_short=view.close <= middle,
            stop=pct(self.stop_loss_pct),
        )
