"""Loads or compiles every kernel, so that nobody's first run waits for it."""

from __future__ import annotations

import numpy as np

from core.domain.bars import US_PER_DAY, Bars
from core.domain.costs import CostModel
from core.domain.market import MARKETS
from core.domain.options import EngineOptions
from core.domain.signals import Signals
from core.domain.timeframe import Timeframe
from core.engine.account import simulate_account
from core.engine.indicators import Indicators, cross_above
from core.engine.lanes import LaneRows, run_lane, scratch_for, track_of
from core.engine.measures import measure_run
from core.engine.simulate import simulate


def warm_up() -> None:
    """Run each kernel of one symbol once on a few bars, with the types real runs use."""
    bars = _some_bars()
    ind = Indicators(bars)
    for indicator in (ind.sma(3), ind.rsi(3), ind.std(3), ind.highest(3), ind.lowest(3)):
        indicator.shift()
    for compile_it in (ind.wma, ind.roc, ind.zscore, ind.rank, ind.atr, ind.adx, ind.supertrend):
        compile_it(3)
    ind.corr(3, "open", "close")
    ind.obv()
    ind.vwap()
    fast, slow = ind.ema(3), ind.ema(5)
    signals = Signals.side(long=fast > slow, short=fast < slow)
    cross_above(fast, slow)
    options, costs = EngineOptions(), CostModel()
    measure_run(simulate(bars, signals, options, costs))
    for rules in (options, EngineOptions(close_at_end=True)):  # the quick way, the general one
        track = track_of(bars, rules, costs)
        rows = LaneRows.empty(1, len(track.calendar.ends))
        run_lane(track, signals, scratch_for(track), rows, 0)
    simulate(bars, signals, EngineOptions(cooldown_bars=1), CostModel())
    simulate(bars, signals, EngineOptions(sizing="vol_target", volatility_bars=5), CostModel())


def warm_up_accounts() -> None:
    """Run the general driver once; compiling it takes longer than everything else together."""
    bars = _some_bars()
    signals = Signals(codes=np.zeros(len(bars), dtype=np.int8))
    simulate_account([bars], [signals], EngineOptions(), CostModel())


def _some_bars() -> Bars:
    total = 40
    price = 100.0 + np.sin(np.arange(total))
    days = np.arange(total, dtype=np.int64)
    return Bars(
        symbol="WARM",
        timeframe=Timeframe.D1,
        market=MARKETS["24/7"],
        ts=days * US_PER_DAY,
        session=days.astype(np.int32),
        minute=np.zeros(total, dtype=np.int32),
        open=price.copy(),
        high=price + 1.0,
        low=price - 1.0,
        close=price.copy(),
        volume=np.ones(total),
    )
