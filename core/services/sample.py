"""Try a strategy out on made-up bars, to see whether it works at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.market import find_market
from core.domain.options import EngineOptions
from core.domain.strategy import Code, Strategy
from core.domain.timeframe import Timeframe
from core.engine.exits import simulate_exits
from core.services.execution import signals_of

SESSIONS = 4
SEED = 20_240_101
OPENS_MINUTE = 9 * 60 + 15
CLOSES_MINUTE = 15 * 60 + 30
FIRST_DAY = 19_723  # 2024-01-01
_MICROSECONDS = 60_000_000
_INDIA = 330


def sample_bars() -> Bars:
    """Make four sessions of one-minute bars of the Indian market: a seeded random walk."""
    generator = np.random.default_rng(SEED)
    minutes = np.arange(OPENS_MINUTE, CLOSES_MINUTE, dtype=np.int64)
    days = np.repeat(FIRST_DAY + np.arange(SESSIONS, dtype=np.int64), len(minutes))
    minute = np.tile(minutes, SESSIONS)
    total = len(days)
    close = 20_000.0 * np.exp(np.cumsum(generator.normal(0.0, 5e-4, total)))
    opened = np.concatenate(([20_000.0], close[:-1]))
    reach = 2.0 + 8.0 * generator.random((2, total))
    return Bars(
        symbol="SAMPLE",
        timeframe=Timeframe.M1,
        market=find_market("XNSE"),
        ts=(days * 1_440 + minute - _INDIA) * _MICROSECONDS,
        session=days.astype(np.int32),
        minute=minute.astype(np.int32),
        open=opened,
        high=np.maximum(opened, close) + reach[0],
        low=np.minimum(opened, close) - reach[1],
        close=close,
        volume=np.full(total, 1_000.0),
    )


def try_out(
    strategy: type[Strategy], params: Mapping[str, Any], engine: Mapping[str, Any], code: Path
) -> dict[str, Any]:
    """Ask for signals and trade them.

    Returns:
        Bars, rows per kind of signal and trades, as counts.

    Raises:
        StrategyFailed: it raised or gave signals that make no sense.
    """
    bars = sample_bars()
    signals = signals_of(strategy.build(dict(params)), bars, code)
    simulation = simulate_exits(
        bars, signals, EngineOptions.model_validate(dict(engine)), CostModel()
    )
    counts = {each.name.lower(): int(np.count_nonzero(signals.codes == each)) for each in Code}
    return {"bars": len(bars), "signals": counts, "trades": len(simulation.trades)}
