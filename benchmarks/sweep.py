"""Parameter sweeps beside loops written by hand for one fixed rule."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engine import minutes
from benchmarks.floor import loop
from benchmarks.sweep_floor import lanes_inner
from benchmarks.timing import Row, row, seconds
from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.metrics import METRICS
from core.domain.options import EngineOptions
from core.domain.strategy import MarketView, Param, Signals, Strategy, pct
from core.engine import measures
from core.engine.lanes import LaneRows, run_lane, scratch_for, to_columns, track_of
from core.engine.measures import Figures
from core.engine.sweep import SweepResult, sweep
from core.engine.view import view_of
from strategies.ema_crossover import EMACrossoverStrategy

FAST, SLOW = range(5, 50), range(20, 200, 5)
OPTIONS = EngineOptions(initial_cash=1_000_000.0)
COSTS = CostModel(bps=0.5, slippage_bps=0.5)
SQUARED_OFF = OPTIONS.model_copy(update={"intraday": True})
MANY = 10_000
# The floor cannot go without a stop, far away.
OF_RISK = {"expectancy_r", "sqn", "sqn100", "mae_r", "mfe_r"}


class ProtectedCrossover(Strategy):
    """The crossover with a stop of 2 % and a target of 4 %."""

    fast: int = Param(12, ge=2)
    slow: int = Param(48, ge=2)

    def generate_signals(self, view: MarketView) -> Signals:
        """Compare the two averages at every close."""
        fast, slow = view.ind.ema(self.fast), view.ind.ema(self.slow)
        return Signals.side(long=fast > slow, short=fast < slow, stop=pct(2.0), target=pct(4.0))


def grid(step: int) -> list[dict[str, int]]:
    """Make the pairs of spans; of the fast ones every `step`-th."""
    return [{"fast": f, "slow": s} for f in FAST[::step] for s in SLOW if f < s]


def by_hand(bars: Bars, pairs: list[dict[str, int]], threads: int) -> Callable[[], list[Any]]:
    """Make the floor ready: lanes inside, one task per fast span."""
    ind = view_of(bars).ind
    spans = sorted({pair["fast"] for pair in pairs})
    fast = {span: ind.ema(span).values for span in spans}
    slow = np.ascontiguousarray(np.array([ind.ema(span).values for span in SLOW]).T)
    last = np.append(bars.session[1:] != bars.session[:-1], True)
    days = int(last.sum())

    def task(span: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        first = next(i for i, other in enumerate(SLOW) if other > span)
        lanes = len(SLOW) - first
        daily, final, turns = np.empty((days, lanes)), np.empty(lanes), np.zeros(lanes, np.int64)
        lanes_inner(
            bars.open, bars.close, last, fast[span], slow, first, OPTIONS.initial_cash,
            COSTS.bps / 1e4, COSTS.slippage_bps / 1e4, daily, final, turns,
        )  # fmt: skip
        return daily, final, turns

    def run() -> list[Any]:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(task, spans))

    return run


def assert_parity(ours: SweepResult, floor: list[Any]) -> None:
    """See that every lane ended with the same money and had the same days."""
    daily, final, turns = (np.concatenate(part, axis=-1) for part in zip(*floor, strict=True))
    assert np.array_equal(ours.column("final_equity"), final)
    assert np.array_equal(ours.column("trades") + ours.column("open_trades"), turns)
    assert np.array_equal(ours.rows.daily, daily.T.astype(np.float32))


def measure_lane(bars: Bars, rounds: int) -> Iterator[Row]:
    """Time a lane, either way, beside the same outputs by hand, for three spans."""
    quick_track = track_of(bars, OPTIONS, COSTS)
    track = replace(quick_track, prices=None)  # not the quick way
    scratch = scratch_for(track)
    cash, quantity = np.empty(len(bars)), np.empty(len(bars))
    rows = LaneRows.empty(2, len(track.calendar.ends))
    view = view_of(bars)
    for fast, slow in ((5, 20), (20, 60), (45, 190)):
        strategy = EMACrossoverStrategy(fast=fast, slow=slow)

        def general(strategy: Strategy = strategy) -> None:
            run_lane(track, strategy.generate_signals(view), scratch, rows, 0)

        def quick(strategy: Strategy = strategy) -> None:
            run_lane(quick_track, strategy.generate_signals(view), scratch, rows, 0)

        def floor(strategy: Strategy = strategy) -> None:
            n, fills, drawdown, gross = loop(
                bars.open, bars.high, bars.low, bars.close,
                strategy.generate_signals(view).codes, 1e9, 1e9, OPTIONS.initial_cash,
                COSTS.bps / 1e4, COSTS.slippage_bps / 1e4, scratch.equity, cash,
                quantity, scratch.held, scratch.table, scratch.rows, scratch.reason,
            )  # fmt: skip
            to_columns(scratch.table, scratch.rows, n, scratch.columns, scratch.places)
            figures = Figures(
                OPTIONS.initial_cash, 1.0, drawdown, gross / len(bars),
                int(np.count_nonzero(scratch.held)), fills, 0, ruined=False, folded=False,
                notional=np.nan,
            )  # fmt: skip
            measures.measure(
                scratch.equity, scratch.columns, scratch.places, n, track.calendar, figures,
                rows.metrics[1], rows.why[1], scratch.work.daily, scratch.work,
            )  # fmt: skip

        general()
        floor()
        both = zip(METRICS, rows.metrics[0], rows.metrics[1], strict=True)
        apart = {name for name, one, other in both if one.tobytes() != other.tobytes()}
        assert apart <= OF_RISK | {"gross_exposure"}, apart
        gross = rows.metrics[:, measures.GROSS_EXPOSURE]  # summed in another order
        assert np.isclose(gross[0], gross[1], rtol=1e-12, atol=0.0)
        size, pair = f"{len(bars):,} bars", f"EMA {fast}/{slow}"
        *ways, hand = seconds(general, quick, floor, rounds=rounds)
        yield row(f"sweep: a lane by hand, same outputs, {pair}", size, hand)
        for way, ours in zip(("general", "quick"), ways, strict=True):
            ratio = statistics.median(a / b for a, b in zip(ours, hand, strict=True))
            yield row(f"sweep: a lane, {way} way, {pair}", size, ours, f"{ratio:.2f} x floor")


def measure_memory() -> Iterator[Row]:
    """Run 10,000 lanes in a process of their own and see how much it grew."""
    command = [sys.executable, "-m", "benchmarks.sweep"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    took, before, after = (float(word) for word in answer)
    note = f"{before:.0f} MB after imports, {after:.0f} MB at most: {after - before:.0f} MB more"
    yield row("sweep: 10,000 lanes in a process", "100,000 bars", [took], note)


def megabytes(what: str) -> float:
    """Read how much memory this process holds (`VmRSS`) or held at most (`VmHWM`).

    Not `getrusage`: its maximum begins with that of the process that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return int(status.read_text("utf-8").split(f"{what}:")[1].split()[0]) / 1024


def many() -> None:
    """Sweep 10,000 lanes; print seconds and megabytes before and at most."""
    bars = minutes(1_000)
    sweep(EMACrossoverStrategy, bars, [{"fast": 2, "slow": 5}], OPTIONS, COSTS)
    before = megabytes("VmRSS")
    bars = minutes(100_000)
    sets = [{"fast": f, "slow": s} for f in range(2, 102) for s in range(110, 210)]
    assert len(sets) == MANY
    begun = time.perf_counter()
    result = sweep(EMACrossoverStrategy, bars, sets, OPTIONS, COSTS)
    took = time.perf_counter() - begun
    assert not result.errors
    print(took, before, megabytes("VmHWM"))


def measure_sweep(bars: Bars, step: int, rounds: int) -> Iterator[Row]:
    """Time whole sweeps, the floor beside them, on all processors."""
    pairs = grid(step)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    size = f"{len(pairs):,} x {len(bars):,}"
    floor = by_hand(bars, pairs, threads)

    def ours() -> SweepResult:
        return sweep(EMACrossoverStrategy, bars, pairs, OPTIONS, COSTS)

    def protected() -> SweepResult:
        return sweep(ProtectedCrossover, bars, pairs, SQUARED_OFF, COSTS)

    assert_parity(ours(), floor())
    hand, quick, general = seconds(floor, ours, protected, rounds=rounds)
    lanes = len(pairs) / threads

    def note(times: list[float], against: list[float], name: str) -> str:
        ratio = statistics.median(a / b for a, b in zip(times, against, strict=True))
        lane = statistics.median(times) / lanes
        return f"{ratio:.2f} x {name}, {lane * 1e6:.0f} us of a thread a lane"

    yield row("sweep: floor, lanes inside, Sharpe only", size, hand, f"{threads} threads")
    yield row("sweep: crossover, all metrics (W2)", size, quick, note(quick, hand, "floor"))
    yield row("sweep: stop, target, square-off (W3)", size, general, note(general, quick, "W2"))


def measure(*, quick: bool) -> Iterator[Row]:
    """Time lanes, sweeps and memory."""
    bars = minutes(20_000 if quick else 100_000)
    yield from measure_lane(bars, 10 if quick else 60)
    yield from measure_sweep(bars, 9 if quick else 1, 2 if quick else 5)
    if not quick:
        yield from measure_memory()


if __name__ == "__main__":
    many()
