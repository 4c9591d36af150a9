"""Time-series momentum."""

from __future__ import annotations

from core.domain.strategy import MarketView, Param, Signals, Strategy


class MomentumStrategy(Strategy):
    """Long after a rise of more than the threshold over the window, short after such a fall."""

    title = "Momentum"

    window: int = Param(20, ge=2, le=260, unit="bars", help="Bars over which the change counts.")
    threshold: float = Param(
        0.02, ge=0.0, le=0.5, step=0.005, unit="fraction", help="Change that is a trend."
    )
    short_too: bool = Param(True, help="Go short after a fall; off: only leave.")

    def generate_signals(self, view: MarketView) -> Signals:
        """Compare the rate of change with the threshold at every close."""
        change = view.ind.roc(self.window)
        falling = change < -self.threshold
        if self.short_too:
            return Signals.side(long=change > self.threshold, short=falling)
        return Signals.side(long=change > self.threshold, exit=falling)
