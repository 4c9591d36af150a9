"""RSI mean reversion."""

from __future__ import annotations

from core.domain.strategy import MarketView, Param, Signals, Strategy
from core.engine.indicators import cross_above, cross_below


class RSIReversionStrategy(Strategy):
    """Buy when RSI climbs back out of oversold, sell short when it falls out of overbought."""

    title = "RSI reversion"
    constraints = ("oversold < exit_level", "exit_level < overbought")

    period: int = Param(14, ge=2, le=100, unit="bars", help="Wilder period of the RSI.")
    oversold: float = Param(30.0, ge=1, le=49, step=1, help="Below this the market is oversold.")
    overbought: float = Param(70.0, ge=51, le=99, step=1, help="Above this it is overbought.")
    exit_level: float = Param(50.0, ge=2, le=98, step=1, help="Leave when RSI crosses this level.")

    def generate_signals(self, view: MarketView) -> Signals:
        """Enter on the way back, leave in the middle."""
        rsi = view.ind.rsi(self.period)
        return Signals.side(
            long=cross_above(rsi, self.oversold),
            short=cross_below(rsi, self.overbought),
            exit_long=cross_above(rsi, self.exit_level),
            exit_short=cross_below(rsi, self.exit_level),
        )
