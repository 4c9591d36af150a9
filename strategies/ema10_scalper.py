"""EMA scalper for intraday bars."""

from __future__ import annotations

from core.domain.strategy import MarketView, Param, Signals, Strategy, pct
from core.engine.indicators import cross_above, cross_below


class EMA10ScalperStrategy(Strategy):
    """Trade the cross of price and a short EMA in the bar's own direction, with stop and target."""

    title = "EMA10 scalper"
    engine = {"intraday": True, "square_off": "15:15", "no_entry_after": "15:00"}

    ema_period: int = Param(10, ge=3, le=60, unit="bars", help="Span of the average.")
    stop_loss_pct: float = Param(
        0.15, ge=0.01, le=5.0, step=0.05, log=True, unit="%", help="Stop, percent of the entry."
    )
    target_pct: float = Param(
        0.30, ge=0.01, le=10.0, step=0.05, log=True, unit="%", help="Target, percent of the entry."
    )
    max_hold: int = Param(30, ge=1, le=375, unit="bars", help="Leave after this many bars.")

    def generate_signals(self, view: MarketView) -> Signals:
        """Enter on a cross that closes in the direction of the bar."""
        average = view.ind.ema(self.ema_period)
        return Signals.side(
            long=cross_above(view.close, average) & (view.close > view.open),
            short=cross_below(view.close, average) & (view.close < view.open),
            stop=pct(self.stop_loss_pct),
            target=pct(self.target_pct),
            max_bars=self.max_hold,
        )
