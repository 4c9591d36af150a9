"""A lane of several symbols has the bits of a backtest, however the sweep is cut and threaded."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from core.analytics.account import account_of
from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.run import RunSpec
from core.domain.signals import ExitRule
from core.domain.strategy import MarketView, Param, Signals, Strategy, UniverseView, Weights
from core.engine import sweep as sweeping
from core.engine.account_lanes import AccountLanes
from core.engine.sweep import MEMORY, Chunk, SweepResult, sweep
from core.errors import Conflict
from core.services.execution import execute, trade
from strategies.ema_crossover import EMACrossoverStrategy
from strategies.inverse_volatility import InverseVolatilityStrategy
from strategies.momentum_rank import MomentumRankStrategy
from tests.factories import random_bars, random_options
from tests.property.shared_cases import SharedCase, random_shared_case

SHARED = EngineOptions(account="shared")
COSTS = CostModel(bps=2.0, slippage_bps=1.0)
HERE = Path(__file__).parent


def universe(seed: int, count: int = 300) -> list[Bars]:
    """Three symbols; one begins late, one misses bars."""
    bars = [random_bars(seed * 10 + n, count, sessions=count // 3) for n in range(3)]
    named = [replace(each, symbol=f"S{n}") for n, each in enumerate(bars)]
    there = np.random.default_rng(seed).random(count) < 0.9
    return [named[0], named[1].where(np.arange(count) >= count // 4), named[2].where(there)]


def assert_run(
    result: SweepResult,
    lane: int,
    bars: list[Bars],
    strategy: type[Strategy],
    options: EngineOptions,
) -> None:
    """Every number of the lane is that of a backtest of its parameters, to the last bit."""
    spec = RunSpec(
        strategy="any",
        symbols=tuple(each.symbol for each in bars),
        params=dict(result.params[lane]),
        options=options,
        costs=COSTS,
    )
    run = execute(spec, bars, strategy, code=HERE, code_hash="", synthetic=False)
    values, reasons = result.metrics(lane)
    assert values == run.metrics.values
    assert reasons == run.metrics.reasons
    assert result.counters(lane) == run.metrics.counters
    assert bool(result.rows.ruined[lane]) == ("ruined" in run.metrics.badges)


class AnyWish(Strategy):
    """Wants what a case by chance wants."""

    place: int = Param(0, ge=0)
    wanted: ClassVar[list[Signals]] = []

    def generate_signals(self, view: MarketView) -> Signals:
        return self.wanted[int(view.bars.symbol[1:])]


class AnyWeights(Strategy):
    """Weighs as a case by chance does."""

    universe = True
    place: int = Param(0, ge=0)
    weights: ClassVar[Weights]

    def generate_signals(self, view: UniverseView) -> Weights:
        assert view.shape == self.weights.values.shape
        return self.weights


@pytest.mark.parametrize("block", range(5))
def test_lanes_of_any_rules_are_trades_of_their_own(block):
    """Against `trade`: what the driver gives, by every option of accounts."""
    for seed in range(block * 30, block * 30 + 30):
        case = random_shared_case(seed)
        _assert_case(case)


def _assert_case(case: SharedCase) -> None:
    bars, wanted, options, costs = case
    strategy: type[Strategy] = AnyWish
    if isinstance(wanted, Weights):
        strategy, AnyWeights.weights = AnyWeights, wanted
    else:
        AnyWish.wanted = wanted
    lanes = AccountLanes(strategy, bars, options, costs, None, MEMORY, nullcontext)
    found = lanes.run([{"place": 0}], together=1, alone=False, stop=threading.Event())
    assert found is not None
    rows, errors = found
    assert errors == {}
    account = account_of(trade(bars, wanted, options, costs), None, options.risk_free)
    assert rows.metrics[0, 0] == account.final_equity
    lived = len(account.returns)
    assert rows.daily[0, :lived].tobytes() == account.returns.astype(np.float32).tobytes()
    assert not rows.daily[0, lived:].any()
    assert rows.daily.shape[1] == len(lanes.sessions) == len(account.closes)


GRIDS: dict[str, tuple[type[Strategy], list[dict[str, Any]], EngineOptions]] = {
    "momentum": (
        MomentumRankStrategy,
        [{"window": w, "skip": s, "top": k} for w in (5, 9) for s in (0, 3) for k in (1, 2)],
        SHARED,
    ),
    "volatility": (InverseVolatilityStrategy, [{"window": w} for w in (5, 8, 13)], SHARED),
    "crossover shared": (
        EMACrossoverStrategy,
        [{"fast": f, "slow": s} for f in (2, 5) for s in (9, 14)],
        EngineOptions(account="shared", size=30),
    ),
    "crossover in sleeves": (
        EMACrossoverStrategy,
        [{"fast": f, "slow": s} for f in (2, 5) for s in (9, 14)],
        EngineOptions(intraday=True),
    ),
}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("threads", "chunk", "memory"), [(1, 1, 1), (2, 3, 10**8)])
def test_threads_chunks_and_memory_change_no_bit(grid, threads, chunk, memory, monkeypatch):
    monkeypatch.setattr(sweeping, "LONGEST_CHUNK", chunk)
    monkeypatch.setattr(sweeping, "FEWEST_CHUNKS", 1)
    strategy, sets, options = GRIDS[grid]
    bars = universe(3)

    result = sweep(strategy, bars, sets, options, COSTS, threads=threads, memory=memory)

    assert result.errors == {}
    assert np.isfinite(result.rows.daily).all()
    assert len({row.tobytes() for row in result.rows.daily}) > 1
    for lane in range(len(result)):
        assert_run(result, lane, bars, strategy, options)


def test_one_symbol_on_an_account_is_that_symbol_alone():
    """The way of several symbols, taken by one: the quick way's curve, its metrics up to rounding.

    Both add the same numbers in another order.
    """
    sets = [{"fast": f, "slow": s} for f in (2, 3, 5) for s in (9, 14, 30)]
    for seed in range(6):
        bars = random_bars(seed, 400, sessions=150)
        options = random_options(np.random.default_rng(seed))
        if options.sizing == "risk":
            options = options.model_copy(update={"sizing": "percent", "size": 50.0})
        alone = sweep(EMACrossoverStrategy, bars, sets, options, COSTS, threads=1)
        shared = options.model_copy(update={"account": "shared"})
        lanes = AccountLanes(EMACrossoverStrategy, [bars], shared, COSTS, None, MEMORY, nullcontext)
        found = lanes.run(sets, together=len(sets), alone=False, stop=threading.Event())

        assert found is not None
        rows, errors = found
        assert errors == alone.errors == {}
        assert rows.metrics == pytest.approx(alone.rows.metrics, rel=1e-9, abs=1e-12, nan_ok=True)
        assert rows.why.tobytes() == alone.rows.why.tobytes()
        assert rows.daily.tobytes() == alone.rows.daily.tobytes()
        assert rows.counters.tobytes() == alone.rows.counters.tobytes()
        assert rows.ruined.tobytes() == alone.rows.ruined.tobytes()
        assert lanes.sessions.tolist() == alone.sessions.tolist()
        assert lanes.years == alone.years


def test_a_list_of_one_symbol_is_that_symbol():
    bars = random_bars(4, 300, sessions=100)
    sets = [{"fast": 2, "slow": 9}, {"fast": 3, "slow": 14}]

    one = sweep(EMACrossoverStrategy, bars, sets, SHARED, COSTS)
    listed = sweep(EMACrossoverStrategy, [bars], sets, SHARED, COSTS)

    assert listed.plan == one.plan
    assert listed.rows.metrics.tobytes() == one.rows.metrics.tobytes()


class Dicey(Strategy):
    """Rolls the dice of the whole process, for one symbol after the other."""

    chance: float = Param(0.1, ge=0)

    def generate_signals(self, view: MarketView) -> Signals:
        drawn = np.random.random(len(view))  # noqa: NPY002 - what must not be done
        return Signals.side(long=drawn < self.chance, exit=drawn > 0.5)


class Leaves(Strategy):
    """Leaves by a rule that rolls them too."""

    chance: float = Param(0.1, ge=0)

    def generate_signals(self, view: MarketView) -> Signals:
        chance = self.chance

        def begin():
            def tired(*_: object) -> str | None:
                return "tired" if np.random.random() < chance else None  # noqa: NPY002 - likewise

            return tired

        signals = Signals.side(long=view.close > view.open)
        return Signals(codes=signals.codes, exits=ExitRule(begin))


@pytest.mark.parametrize("strategy", [Dicey, Leaves])
@pytest.mark.parametrize("threads", [1, 3])
def test_strategies_that_roll_the_dice_of_the_process_have_the_bits_of_a_run(strategy, threads):
    bars = universe(5, count=120)
    sets = [{"chance": n / 40 + 0.01} for n in range(8)]

    result = sweep(strategy, bars, sets, EngineOptions(), COSTS, threads=threads)

    assert result.errors == {}
    assert result.column("trades").max() > 10
    for lane in range(len(result)):
        assert_run(result, lane, bars, strategy, EngineOptions())


def test_what_is_kept_is_not_run_again_and_other_prices_refuse_it():
    strategy, sets, options = GRIDS["momentum"]
    bars = universe(7)
    chunks: list[Chunk] = []
    whole = sweep(
        strategy, bars, sets, options, COSTS, threads=1, code_hash="a", on_chunk=chunks.append
    )
    assert len(chunks) > 3

    def again(given: list[Bars], kept: list[Chunk]) -> tuple[SweepResult, list[Chunk]]:
        new: list[Chunk] = []
        found = sweep(
            strategy, given, sets, options, COSTS, code_hash="a", done=kept, on_chunk=new.append
        )
        return found, new

    found, new = again(bars, chunks[:2])

    assert len(new) == len(chunks) - 2
    assert found.rows.metrics.tobytes() == whole.rows.metrics.tobytes()
    assert found.rows.daily.tobytes() == whole.rows.daily.tobytes()
    for other in ([*bars[:2], bars[2].head(200)], [bars[1], bars[0], bars[2]], bars[:2]):
        with pytest.raises(Conflict):
            again(other, chunks[:2])


def test_lanes_that_fail_stop_nobody_else():
    class Half(Strategy):
        """Gives signals where weights are due, now and then."""

        universe = True
        weight: float = Param(0.3)

        def generate_signals(self, view: UniverseView) -> Weights:
            return Weights(np.full(view.shape, self.weight) / (self.weight > 0))

    result = sweep(Half, universe(1), [{"weight": 0.3}, {"weight": -0.3}], SHARED, COSTS)

    assert list(result.errors) == [1]
    assert "Weights are infinite" in result.errors[1]
    assert result.metrics(0)[0]["trades"] is not None
