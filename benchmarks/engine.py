"""One run through the engine beside a loop written by hand for one fixed rule set."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np

from benchmarks.floor import floor_simulate
from benchmarks.timing import Row, row, seconds
from core.analytics.summary import summarise
from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.market import MARKETS
from core.domain.options import EngineOptions
from core.domain.signals import Signals, pct
from core.domain.simulation import Simulation
from core.domain.timeframe import Timeframe
from core.engine.measures import summarise_run
from core.engine.simulate import simulate
from core.engine.view import view_of

SESSION = 390
STOP, TARGET = 0.4, 0.8
OPTIONS = EngineOptions(initial_cash=1_000_000.0)
COSTS = CostModel(bps=0.5, slippage_bps=0.5)


def minutes(count: int, seed: int = 11) -> Bars:
    """Make a random walk of one-minute bars in sessions of 390."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 4e-4, count)))
    opened = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0.0, 1e-4, count))
    reach = np.exp(np.abs(rng.normal(0.0, 2e-4, (2, count))))
    day, minute = np.divmod(np.arange(count), SESSION)
    minute = minute + 9 * 60 + 30
    return Bars(
        symbol="WALK",
        timeframe=Timeframe.M1,
        market=MARKETS["XNYS"],
        ts=(day.astype(np.int64) * 1_440 + minute) * 60_000_000,
        session=day.astype(np.int32),
        minute=minute.astype(np.int32),
        open=opened,
        high=np.maximum(opened, close) * reach[0],
        low=np.minimum(opened, close) / reach[1],
        close=close,
        volume=np.full(count, np.nan),
    )


def signals_on(bars: Bars) -> Signals:
    """Cross two averages, with stop and target."""
    ind = view_of(bars).ind
    fast, slow = ind.ema(12), ind.ema(48)
    return Signals.side(long=fast > slow, short=fast < slow, stop=pct(STOP), target=pct(TARGET))


def assert_parity(ours: Simulation, floor: Simulation) -> None:
    """See that both loops did the same to the last bit."""
    for name in ("equity", "quantity", "cash", "held"):
        assert np.array_equal(getattr(ours, name), getattr(floor, name)), name
    for table in ("trades", "fills"):
        for item in fields(getattr(ours, table)):
            if item.name != "ambiguous":  # the floor does not count what it cannot know
                one, other = (getattr(getattr(run, table), item.name) for run in (ours, floor))
                assert np.array_equal(one, other, equal_nan=True), f"{table}.{item.name}"
    assert ours.max_drawdown == floor.max_drawdown


def measure(*, quick: bool) -> Iterator[Row]:
    """Time signals, engine and metrics for three lengths."""
    for count in (10_000, 100_000) if quick else (10_000, 100_000, 1_000_000):
        bars = minutes(count)
        signals = signals_on(bars)
        size = f"{count:,} bars"
        rounds = max(5, min(200, 20_000_000 // count)) // (4 if quick else 1)

        def ours(bars: Bars = bars, signals: Signals = signals) -> Simulation:
            return simulate(bars, signals, OPTIONS, COSTS)

        def floor(bars: Bars = bars, signals: Signals = signals) -> Simulation:
            return floor_simulate(
                bars, signals.codes, stop_pct=STOP, target_pct=TARGET, options=OPTIONS, costs=COSTS
            )

        result = ours()
        assert_parity(result, floor())
        trades = f"{len(result.trades):,} trades"
        engine, by_hand = seconds(ours, floor, rounds=rounds)
        ratio = statistics.median(a / b for a, b in zip(engine, by_hand, strict=True))
        yield row("engine: floor written by hand", size, by_hand, trades)
        yield row("engine: all rules", size, engine, f"{ratio:.2f} x floor")

        def ours_judged(bars: Bars = bars, signals: Signals = signals) -> object:
            return summarise([ours(bars, signals)], options=OPTIONS, costs=COSTS)

        def floor_judged(bars: Bars = bars, signals: Signals = signals) -> object:
            return summarise([floor(bars, signals)], options=OPTIONS, costs=COSTS)

        def from_prices(bars: Bars = bars) -> object:
            # fresh bars, so that indicators are computed and not remembered
            again = replace(bars)
            return ours_judged(again, signals_on(again))

        def ours_compiled(bars: Bars = bars, signals: Signals = signals) -> object:
            return summarise_run(ours(bars, signals), options=OPTIONS, costs=COSTS)

        engine, by_hand, whole, one_pass = seconds(
            ours_judged, floor_judged, from_prices, ours_compiled, rounds=max(5, rounds // 4)
        )
        ratio = statistics.median(a / b for a, b in zip(engine, by_hand, strict=True))
        yield row("engine: floor and all metrics", size, by_hand)
        yield row("engine: all rules and all metrics", size, engine, f"{ratio:.2f} x floor")
        yield row("engine: all rules, metrics in one pass", size, one_pass)
        yield row("engine: indicators, all rules, all metrics", size, whole)
