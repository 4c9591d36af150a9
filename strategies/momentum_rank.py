"""Cross-sectional momentum."""

from __future__ import annotations

import numpy as np

from core.domain.strategy import Param, Strategy, UniverseView, Weights


class MomentumRankStrategy(Strategy):
    """Each month hold the symbols that rose most, in equal parts.

    The return over `window` bars that ended `skip` bars ago decides: the last month tends to turn
    back (Jegadeesh and Titman 1993). The first session of a month decides.
    """

    title = "Momentum rank"
    universe = True

    window: int = Param(126, ge=2, le=520, unit="bars", help="Bars over which the rise counts.")
    skip: int = Param(21, ge=0, le=260, unit="bars", help="Latest bars that do not count.")
    top: int = Param(2, ge=1, le=50, unit="symbols", help="How many to hold.")
    rising_only: bool = Param(False, help="Hold only what rose; the rest stays in cash.")

    def generate_signals(self, view: UniverseView) -> Weights:
        """Rank the symbols at each start of a month."""
        ind = view.ind
        change = ind.carried(ind.shift(ind.roc(self.window), self.skip))
        chosen = ind.rank(change) <= self.top
        if self.rising_only:
            chosen &= change > 0.0
        decides = view.month_start & ~np.isnan(change).all(axis=1)
        wanted = np.where(chosen, 1.0 / self.top, 0.0)
        return Weights(np.where(decides[:, None], wanted, np.nan))
