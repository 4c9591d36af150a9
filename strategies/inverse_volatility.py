"""Inverse volatility."""

from __future__ import annotations

import numpy as np

from core.domain.strategy import Param, Strategy, UniverseView, Weights


class InverseVolatilityStrategy(Strategy):
    """Hold every symbol, each month in parts inversely proportional to its volatility.

    Volatility is the deviation of the returns of the last `window` bars. If all symbols moved
    independently, each would carry the same risk. The first session of a month decides.
    """

    title = "Inverse volatility"
    universe = True

    window: int = Param(63, ge=5, le=520, unit="bars", help="Returns the volatility is made of.")
    invested: float = Param(
        100.0, ge=1, le=100, step=1, unit="%", help="Share of equity that is invested."
    )

    def generate_signals(self, view: UniverseView) -> Weights:
        """Divide equity at each start of a month."""
        ind = view.ind
        risk = ind.carried(ind.std(self.window, ind.roc(1), ddof=1))
        calm = np.divide(1.0, risk, out=np.zeros(risk.shape), where=risk > 0.0)
        total = calm.sum(axis=1, keepdims=True)
        decides = view.month_start[:, None] & (total > 0.0)
        shares = np.divide(calm, total, out=np.zeros(calm.shape), where=total > 0.0)
        return Weights(np.where(decides, self.invested / 100.0 * shares, np.nan))
