"""Try a strategy out on made-up bars, to see whether it works at all.

One that decides for a symbol gets four sessions of minutes; one that weighs a universe gets years
of days of four symbols, of which one begins later and one misses sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.domain.bars import US_PER_DAY, Bars
from core.domain.costs import CostModel
from core.domain.market import find_market
from core.domain.options import EngineOptions
from core.domain.signals import Signals, Weights
from core.domain.simulation import PortfolioSimulation
from core.domain.strategy import Code, Strategy
from core.domain.timeframe import Timeframe
from core.engine.trading import trade
from core.services.execution import signals_of, weights_of

SESSIONS = 4
SEED = 20_240_101
OPENS_MINUTE = 9 * 60 + 15
CLOSES_MINUTE = 15 * 60 + 30
FIRST_DAY = 19_723  # 2024-01-01
DAYS = 750
SYMBOLS = ("SAMPLE-A", "SAMPLE-B", "SAMPLE-C", "SAMPLE-D")
_MICROSECONDS = 60_000_000
_WEEK, _WORKDAYS = 7, 5
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


def sample_universe() -> list[Bars]:
    """Make three years of daily bars of four symbols: seeded walks that share half their moves."""
    generator = np.random.default_rng(SEED)
    number = np.arange(DAYS, dtype=np.int64)
    days = FIRST_DAY + number // _WORKDAYS * _WEEK + number % _WORKDAYS  # a Monday
    common = generator.normal(3e-4, 0.01, DAYS)
    universe = []
    for place, symbol in enumerate(SYMBOLS):
        own = generator.normal(1e-4 * place, 0.01 * (1 + place) / 2, DAYS)
        close = 100.0 * np.exp(np.cumsum(common + own))
        opened = np.concatenate(([100.0], close[:-1]))
        reach = 1.0 + 0.01 * generator.random((2, DAYS))
        there = np.ones(DAYS, dtype=np.bool_)
        there[: DAYS // 5 if place == 1 else 0] = False
        there[generator.random(DAYS) < (0.02 if place == len(SYMBOLS) - 1 else 0.0)] = False
        universe.append(
            Bars(
                symbol=symbol,
                timeframe=Timeframe.D1,
                market=find_market("XNYS"),
                ts=days[there] * US_PER_DAY,
                session=days[there].astype(np.int32),
                minute=np.zeros(int(there.sum()), dtype=np.int32),
                open=opened[there],
                high=(np.maximum(opened, close) * reach[0])[there],
                low=(np.minimum(opened, close) / reach[1])[there],
                close=close[there],
                volume=np.full(int(there.sum()), 1e6),
            )
        )
    return universe


def try_out(
    strategy: type[Strategy], params: Mapping[str, Any], engine: Mapping[str, Any], code: Path
) -> dict[str, Any]:
    """Ask for signals or weights and trade them.

    Returns:
        Bars, rows per kind of signal (of weights: cells that want long, short, flat or nothing)
        and trades, as counts.

    Raises:
        StrategyFailed: it raised or gave signals that make no sense.
    """
    built = strategy.build(dict(params))
    bars = sample_universe() if strategy.universe else [sample_bars()]
    wanted: Weights | list[Signals] = (
        weights_of(built, bars, code)
        if strategy.universe
        else [signals_of(built, each, code) for each in bars]
    )
    traded = trade(bars, wanted, EngineOptions.model_validate(dict(engine)), CostModel())
    parts = [traded] if isinstance(traded, PortfolioSimulation) else traded
    return {
        "bars": sum(len(each) for each in bars),
        "signals": _kinds(wanted),
        "trades": sum(len(each.trades) for each in parts),
    }


def _kinds(wanted: Weights | list[Signals]) -> dict[str, int]:
    codes = (
        np.where(np.isnan(wanted.values), Code.HOLD, np.sign(wanted.values))
        if isinstance(wanted, Weights)
        else np.concatenate([signals.codes for signals in wanted])
    )
    return {each.name.lower(): int(np.count_nonzero(codes == each)) for each in Code}
