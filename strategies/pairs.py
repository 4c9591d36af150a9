"""Pairs trading."""

from __future__ import annotations

import numpy as np

from core.domain.bars import FloatArray
from core.domain.strategy import Param, Strategy, UniverseView, Weights
from core.errors import StrategyFailed


class PairsStrategy(Strategy):
    """Sell the dearer and buy the cheaper of two symbols when their ratio has gone too far.

    Symbols are taken two by two, in the order given. The distance is the z-score of the logarithm
    of the ratio of their closes, over the bars both have (Gatev, Goetzmann and Rouwenhorst 2006 in
    its simplest form). Beyond `entry` both legs are opened with half of the pair's equity each;
    they are closed when the distance is less than `exit`, or beyond `stop`, after which the pair
    waits until the distance has been less than `exit`.
    """

    title = "Pairs"
    universe = True
    constraints = ("exit < entry", "entry < stop")

    window: int = Param(60, ge=5, le=520, unit="bars", help="Window of the z-score.")
    entry: float = Param(2.0, ge=0.1, le=6.0, step=0.1, unit="sd", help="Open beyond this.")
    exit: float = Param(0.5, ge=0.0, le=5.0, step=0.1, unit="sd", help="Close within this.")
    stop: float = Param(4.0, ge=0.2, le=20.0, step=0.1, unit="sd", help="Give up beyond this.")

    def generate_signals(self, view: UniverseView) -> Weights:
        """Give weights where a pair is opened or closed, no opinion elsewhere."""
        symbols = len(view.symbols)
        if symbols % 2:
            raise StrategyFailed(
                f"{symbols} given, and pairs take two by two", expected="an even number of symbols"
            )
        weights = np.full(view.shape, np.nan)
        half = 1.0 / symbols
        for left in range(0, symbols, 2):
            ratio = np.log(view.close[:, left] / view.close[:, left + 1])
            rows, sides = self._turns(view.ind.zscore(self.window, ratio))
            weights[rows, left] = half * sides
            weights[rows, left + 1] = -half * sides
        return Weights(weights)

    def _turns(self, distance: FloatArray) -> tuple[list[int], FloatArray]:
        """Rows at which the position changes, and what it becomes: 1 long the ratio, -1 short."""
        rows: list[int] = []
        sides: list[float] = []
        side, waits = 0.0, False
        for row in np.flatnonzero(~np.isnan(distance)).tolist():
            far = abs(distance[row])
            if far < self.exit:
                waits = False
            before = side
            if side and (far < self.exit or far > self.stop or distance[row] * side > 0.0):
                waits = far > self.stop
                side = 0.0
            elif not side and not waits and self.entry < far <= self.stop:
                side = -float(np.sign(distance[row]))
            if side != before:
                rows.append(row)
                sides.append(side + 0.0)
        return rows, np.array(sides)
