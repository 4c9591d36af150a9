"""Donchian channel breakout."""

from __future__ import annotations

from core.domain.strategy import MarketView, Param, Signals, Strategy, pct


class DonchianBreakoutStrategy(Strategy):
    """Buy a close above the channel of past highs, sell short below that of lows; trail out."""

    title = "Donchian breakout"
    constraints = ("exit_period <= entry_period",)

    entry_period: int = Param(20, ge=2, le=260, unit="bars", help="Channel for entries.")
    exit_period: int = Param(10, ge=2, le=260, unit="bars", help="Channel for exits.")
    trail_pct: float = Param(15.0, ge=0.5, le=90.0, step=0.5, unit="%", help="Trailing stop.")

    def generate_signals(self, view: MarketView) -> Signals:
        """Compare the close with channels that end one bar ago."""
        top = view.ind.highest(self.entry_period).shift()
        bottom = view.ind.lowest(self.entry_period).shift()
        return Signals.side(
            long=view.close > top,
            short=view.close < bottom,
            exit_long=view.close < view.ind.lowest(self.exit_period).shift(),
            exit_short=view.close > view.ind.highest(self.exit_period).shift(),
            trail=pct(self.trail_pct),
        )
