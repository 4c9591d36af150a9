"""A lane of a sweep has the bits of a run of its own, however the sweep is cut and threaded."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.metrics import COUNTER_NAMES
from core.domain.options import EngineOptions
from core.domain.signals import ExitRule
from core.domain.strategy import MarketView, Param, Signals, Strategy, pct
from core.engine import sweep as sweeping
from core.engine.dice import same_dice
from core.engine.exits import simulate_exits
from core.engine.measures import measure_run
from core.engine.simulate import simulate
from core.engine.sweep import SweepResult, sweep
from core.engine.view import view_of
from strategies.bollinger_reversion import BollingerReversionStrategy
from strategies.donchian_breakout import DonchianBreakoutStrategy
from strategies.ema_crossover import EMACrossoverStrategy
from tests.factories import Case, random_bars, random_case

FREE = CostModel(name="zero")


class AnySignals(Strategy):
    """Gives the signals of a case by chance; its number is the parameter."""

    seed: int = Param(0, ge=0)
    cases: ClassVar[dict[int, Case]] = {}

    def generate_signals(self, view: MarketView) -> Signals:
        assert len(view) == len(self.cases[self.seed].bars)
        return self.cases[self.seed].signals


def assert_alone(result: SweepResult, lane: int, case: Case) -> None:
    """Every number of the lane is that of its run alone, to the last bit."""
    run = simulate(case.bars, case.signals, case.options, case.costs)
    expected = measure_run(run)
    assert result.rows.metrics[lane].tobytes() == expected.row.tobytes()
    assert result.rows.why[lane].tobytes() == expected.why.tobytes()
    assert result.rows.daily[lane].tobytes() == expected.daily.astype(np.float32).tobytes()
    assert result.rows.ruined[lane] == run.ruined
    counters = {name: getattr(run.counters, name) for name in COUNTER_NAMES}
    assert result.counters(lane) == counters


@pytest.mark.parametrize("count", [1, 2, 120])
def test_lanes_of_any_rules_are_runs_of_their_own(count):
    for seed in range(150):
        case = random_case(seed, count=max(count, 2))
        if count == 1:
            case = Case(case.bars.head(1), Signals(codes=case.signals.codes[:1].copy()),
                        case.options, case.costs)  # fmt: skip
        AnySignals.cases = {0: case, 1: random_case(seed + 1_000, count=len(case.bars))}
        AnySignals.cases[1] = (
            Case(case.bars, AnySignals.cases[1].signals, case.options, case.costs)
            if count > 1
            else case
        )
        if case.options.sizing == "risk":  # which needs something to end it
            AnySignals.cases = {
                lane: replace(each, signals=replace(each.signals, stop=each.signals.stop or pct(1)))
                for lane, each in AnySignals.cases.items()
            }

        result = sweep(
            AnySignals, case.bars, [{"seed": 0}, {"seed": 1}], case.options, case.costs, threads=1
        )

        assert result.errors == {}
        assert_alone(result, 0, AnySignals.cases[0])
        assert_alone(result, 1, AnySignals.cases[1])


GRIDS: dict[str, tuple[type[Strategy], list[dict[str, Any]], EngineOptions]] = {
    "crossover": (
        EMACrossoverStrategy,
        [{"fast": f, "slow": s} for f in (2, 3, 5, 8) for s in (5, 9, 14, 30) if f < s],
        EngineOptions(),
    ),
    "stops": (
        BollingerReversionStrategy,
        [{"period": n, "width": w, "stop_loss_pct": 2.0} for n in (5, 9) for w in (1.0, 1.5)],
        EngineOptions(intraday=True, sizing="units", size=10),
    ),
    "trails": (
        DonchianBreakoutStrategy,
        [{"entry_period": n, "exit_period": 2, "trail_pct": 3.0} for n in (2, 4, 8)],
        EngineOptions(fill="close", initial_margin=0.2, size=300),
    ),
}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(
    ("threads", "chunk", "memory"), [(1, 1, 1), (2, 3, 10_000), (5, 256, 10**8)]
)
def test_threads_chunks_and_memory_change_no_bit(grid, threads, chunk, memory, monkeypatch):
    monkeypatch.setattr(sweeping, "LONGEST_CHUNK", chunk)
    monkeypatch.setattr(sweeping, "FEWEST_CHUNKS", 1)
    strategy, sets, options = GRIDS[grid]
    costs = CostModel(bps=2.0, slippage_bps=1.0)
    for seed in range(4):
        bars = random_bars(seed, 400, sessions=30)

        result = sweep(strategy, bars, sets, options, costs, threads=threads, memory=memory)

        for lane, params in enumerate(result.params):
            assert params == sets[lane]
            signals = strategy.build(params).generate_signals(view_of(bars))
            assert_alone(result, lane, Case(bars, signals, options, costs))


class Stateful(Strategy):
    """Mixes numpy arrays, indicators of indicators and a threshold."""

    period: int = Param(5, ge=2)
    level: float = Param(50.0)

    def generate_signals(self, view: MarketView) -> Signals:
        strength = view.ind.rsi(self.period)
        smooth = view.ind.ema(3, of=strength * np.linspace(1.0, 1.1, len(view)))
        return Signals.side(long=smooth > self.level, exit=smooth < self.level - 5, stop=pct(1.5))


def test_strategies_of_plain_arrays_have_the_bits_of_a_run_alone():
    bars = random_bars(11, 300, sessions=20)
    sets = [{"period": n, "level": v} for n in (3, 7) for v in (40.0, 55.0)]

    result = sweep(Stateful, bars, sets, EngineOptions(), FREE, threads=3)

    for lane, params in enumerate(sets):
        signals = Stateful.build(params).generate_signals(view_of(bars))
        assert_alone(result, lane, Case(bars, signals, EngineOptions(), FREE))


class Dicey(Strategy):
    """Rolls the dice of the whole process instead of its own, but not in every lane."""

    chance: float = Param(0.1, ge=0)

    def generate_signals(self, view: MarketView) -> Signals:
        if not self.chance:
            return Signals.side(long=view.close > view.open, exit=view.close < view.open)
        drawn = np.random.random(len(view))  # noqa: NPY002 - what must not be done
        share = self.chance * random.random()  # noqa: S311 - likewise
        return Signals.side(long=drawn < share, short=drawn > 1 - share)


@pytest.mark.parametrize("threads", [1, 4])
def test_strategies_that_roll_the_dice_of_the_process_have_the_bits_of_a_run_alone(
    threads, monkeypatch
):
    monkeypatch.setattr(sweeping, "LONGEST_CHUNK", 3)
    bars = random_bars(3, 300, sessions=20)
    sets = [{"chance": 0.0 if n % 7 else n / 200 + 0.01} for n in range(40)]
    before = random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002 - the old one

    result = sweep(Dicey, bars, sets, EngineOptions(), FREE, threads=threads)

    assert (random.getstate(), np.random.get_state()[1].tobytes()) == before  # noqa: NPY002
    assert len(result) > 5
    for lane, params in enumerate(result.params):
        with same_dice():
            signals = Dicey.build(dict(params)).generate_signals(view_of(bars))
        assert_alone(result, lane, Case(bars, signals, EngineOptions(), FREE))


class DiceyExits(Strategy):
    """Enters by rule and leaves by the dice of the whole process, in either of the two."""

    chance: float = Param(0.3, ge=0, le=1)

    def generate_signals(self, view: MarketView) -> Signals:
        codes = np.where(view.close.values > view.open.values, 1, -1).astype(np.int8)
        return Signals(codes=codes, exits=ExitRule(begin=lambda: self._leave))

    def _leave(self, row: int, _side: int, _entry: float) -> str | None:
        drawn = random.random() if row % 2 else np.random.random()  # noqa: NPY002, S311
        return "Dice" if drawn < self.chance else None


@pytest.mark.parametrize("threads", [1, 4])
def test_exit_rules_that_roll_the_dice_of_the_process_have_the_bits_of_a_run_alone(
    threads, monkeypatch
):
    monkeypatch.setattr(sweeping, "LONGEST_CHUNK", 2)
    bars = random_bars(4, 200, sessions=20)
    sets = [{"chance": n / 20 + 0.1} for n in range(8)]
    strategies = [DiceyExits.build(dict(params)) for params in sets]
    rules = [each.generate_signals(view_of(bars)) for each in strategies]
    random.seed(99)  # whatever the caller rolled before
    before = random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002 - the old one

    result = sweep(DiceyExits, bars, sets, EngineOptions(), FREE, threads=threads)
    alone = [simulate_exits(bars, each, EngineOptions(), FREE) for each in rules]
    again = [simulate_exits(bars, each, EngineOptions(), FREE) for each in rules]

    assert (random.getstate(), np.random.get_state()[1].tobytes()) == before  # noqa: NPY002
    assert len({len(each.trades) for each in alone}) > 1, "the dice decided nothing"
    for lane, (one, two) in enumerate(zip(alone, again, strict=True)):
        assert one.equity.tobytes() == two.equity.tobytes()
        assert result.rows.metrics[lane].tobytes() == measure_run(one).row.tobytes()


def test_a_frame_of_bars_is_never_written_to():
    bars: Bars = random_bars(2, 50)
    before = bars.data_hash

    sweep(EMACrossoverStrategy, bars, [{"fast": 2, "slow": 5}], EngineOptions(), FREE)

    del bars.__dict__["data_hash"], bars.__dict__["year_hashes"]
    assert bars.data_hash == before
