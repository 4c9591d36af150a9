"""Signals with an exit rule against a slow loop that is written from the rule's own words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.analytics.summary import summarise
from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Code, ExitRule, Signals
from core.domain.strategy import MarketView, Param, Strategy
from core.engine import exits
from core.engine.exits import simulate_exits
from core.engine.simulate import simulate
from core.engine.sweep import sweep
from core.engine.view import view_of
from core.errors import InvalidInput, StrategyFailed
from tests.factories import make_bars

SEEDS = st.integers(0, 2**32 - 1)
WORDS = ("EMA exit", "Target", "Stop Loss")
PER_DAY = 20


def walk(seed: int, days: int = 4) -> Bars:
    """Minute bars of a few sessions whose closes lie on a grid."""
    rng = np.random.default_rng(seed)
    total = days * PER_DAY
    close = 100.0 + np.cumsum(rng.integers(-2, 3, total)) * 0.5
    close = np.maximum(close, 20.0)
    opened = np.r_[close[0], close[:-1]]
    session = np.repeat(np.arange(days, dtype=np.int32) + 19_000, PER_DAY)
    minute = np.tile(np.arange(PER_DAY, dtype=np.int32) + 555, days)
    ts = (session.astype(np.int64) * 1_440 + minute) * 60_000_000
    return make_bars(
        opened,
        np.maximum(opened, close) + 0.5,
        np.minimum(opened, close) - 0.5,
        close,
        session=session,
        minute=minute,
        ts=ts,
    )


class Noted:
    """Leaves at random, by the row alone; notes what it was asked."""

    def __init__(self, seed: int, total: int) -> None:
        rng = np.random.default_rng(seed)
        self.leaves = rng.random(total) < 0.3
        self.words = rng.integers(0, len(WORDS), total)
        self.asked: list[tuple[int, int, float]] = []

    def __call__(self, row: int, side: int, entry: float) -> str | None:
        self.asked.append((row, side, entry))
        return WORDS[self.words[row]] if self.leaves[row] else None


def signals_for(bars: Bars, seed: int, judge: Noted, **rule: Any) -> Signals:
    rng = np.random.default_rng(seed + 1)
    codes = rng.choice([1, -1, 2, 2, 2], len(bars)).astype(np.int8)
    return Signals(codes=codes, exits=ExitRule(begin=lambda: judge, **rule))


Trade = tuple[int, int, int, str]


def slowly(bars: Bars, codes: np.ndarray, judge: Noted, *, intraday: bool) -> list[Trade]:
    """The old loop: entry, exit, side, why; fills at closes."""
    trades: list[Trade] = []
    side, into = 0, -1
    last_rows = {*np.flatnonzero(np.diff(bars.session)).tolist(), len(bars) - 1}
    for row, code in enumerate(codes.tolist()):
        ends = row == len(bars) - 1 or (intraday and row in last_rows)
        signal = 0 if code == Code.HOLD else code
        if side and ends:
            trades.append((into, row, side, ""))
            side = 0
            continue
        if side:
            why = judge(row, side, 0.0)
            if why is None:
                continue
            trades.append((into, row, side, why))
            again = signal == -side and why.endswith("exit")
            side, into = (signal, row) if again else (0, -1)
        elif signal and not (intraday and row in last_rows):
            side, into = signal, row
        if side and row == len(bars) - 1:
            trades.append((into, row, side, ""))
    return trades


OPTIONS = EngineOptions(
    fill="close", sizing="units", size=1, initial_margin=0, close_at_end=True, protection="close"
)


@pytest.mark.parametrize("intraday", [0, 1])
@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_trades_are_those_of_the_slow_loop(intraday: int, seed: int) -> None:
    bars = walk(seed)
    judge, slow = Noted(seed, len(bars)), Noted(seed, len(bars))
    signals = signals_for(bars, seed, judge)

    made = simulate_exits(
        bars, signals, OPTIONS.model_copy(update={"intraday": bool(intraday)}), CostModel()
    )

    wanted = slowly(bars, signals.codes, slow, intraday=bool(intraday))
    if wanted and wanted[-1][0] == wanted[-1][1] == len(bars) - 1:
        wanted.pop()  # entered and left at the very last close
        assert intraday or len(made.trades) == len(wanted) + 1
    found = [
        (into, out, int(quantity), made.labels.get(number, ""))
        for number, (into, out, quantity) in enumerate(
            zip(
                made.trades.entry_bar.tolist(),
                made.trades.exit_bar.tolist(),
                made.trades.quantity.tolist(),
                strict=True,
            )
        )
    ][: len(wanted)]
    assert found == wanted
    assert [row for row, *_ in judge.asked] == [row for row, *_ in slow.asked]
    prices = dict(zip(made.trades.entry_bar.tolist(), made.trades.entry_price, strict=True))
    assert {entry for *_, entry in judge.asked} <= set(prices.values())


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    delay=st.integers(0, 2),
    fill=st.sampled_from(["close", "next_open"]),
    target=st.sampled_from([None, 1.0, 3.0]),
)
def test_sessions_one_by_one_give_what_all_bars_at_once_give(
    seed: int, delay: int, fill: str, target: float | None
) -> None:
    bars = walk(seed)
    asked = EngineOptions.model_validate(
        {
            "fill": fill,
            "delay": delay,
            "intraday": True,
            "daily_target": target,
            "daily_action": "entries",
            "lot_size": 0,
        }
    )
    costs = CostModel(per_trade=0.25, slippage_points=0.125)
    parts = exits._parts

    by_parts = simulate_exits(bars, signals_for(bars, seed, Noted(seed, len(bars))), asked, costs)
    try:
        exits._parts = lambda bars, *_: iter([(0, bars)])
        at_once = simulate_exits(
            bars, signals_for(bars, seed, Noted(seed, len(bars))), asked, costs
        )
    finally:
        exits._parts = parts

    assert by_parts.equity.tolist() == at_once.equity.tolist()
    assert by_parts.labels == at_once.labels


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, known=st.integers(5, 70))
def test_another_future_changes_no_earlier_decision(seed: int, known: int) -> None:
    bars = walk(seed)
    full, cut = Noted(seed, len(bars)), Noted(seed, len(bars))
    signals = signals_for(bars, seed, full)

    all_bars = simulate_exits(bars, signals, OPTIONS, CostModel())
    head = Signals(codes=signals.codes[:known], exits=ExitRule(begin=lambda: cut))
    first = simulate_exits(bars.head(known), head, OPTIONS, CostModel())

    assert first.quantity[:-1].tolist() == all_bars.quantity[: known - 1].tolist()
    assert cut.asked == [each for each in full.asked if each[0] < known - 1]


def test_a_re_entry_on_the_side_of_the_exit_is_counted() -> None:
    bars = make_bars([100.0, 101.0, 102.0, 103.0])
    rule = ExitRule(begin=lambda: lambda row, *_: "Mid exit" if row == 2 else None)
    signals = Signals(codes=np.array([1, 2, 1, 2], dtype=np.int8), exits=rule)

    made = simulate_exits(bars, signals, OPTIONS, CostModel())

    assert made.trades.exit_bar.tolist() == [2]
    assert made.counters.conflicts == 1


def test_a_fast_rule_sleeps_unless_intraday() -> None:
    bars = walk(1)
    judge = Noted(1, len(bars))
    signals = signals_for(bars, 1, judge, intraday_only=True)

    simulate_exits(bars, signals, OPTIONS, CostModel())
    assert judge.asked == []
    simulate_exits(bars, signals, OPTIONS.model_copy(update={"intraday": True}), CostModel())
    assert judge.asked


def test_capped_volume_is_refused() -> None:
    bars = walk(1)
    asked = OPTIONS.model_copy(update={"max_participation": 0.1})

    with pytest.raises(InvalidInput, match="max_participation"):
        simulate_exits(bars, signals_for(bars, 1, Noted(1, len(bars))), asked, CostModel())


class Leaving(Strategy):
    """Enters by the row's close, leaves a few points from its entry."""

    gain: int = Param(2, ge=1, le=9)

    def generate_signals(self, view: MarketView) -> Signals:
        close = np.asarray(view.close)
        codes = np.where(close % 2 == 0, 1, np.where(close % 3 == 0, -1, 2)).astype(np.int8)

        def judge(row: int, side: int, entry: float) -> str | None:
            return "Mid exit" if abs(close[row] - entry) >= self.gain else None

        return Signals(codes=codes, exits=ExitRule(begin=lambda: judge))


def test_a_sweep_asks_the_rule_of_every_lane() -> None:
    bars = walk(3, days=12)
    asked = OPTIONS.model_copy(update={"intraday": True})
    costs = CostModel(per_trade=1)

    swept = sweep(Leaving, bars, [{"gain": gain} for gain in (1, 2, 5)], asked, costs)

    for lane, gain in enumerate((1, 2, 5)):
        alone = simulate_exits(
            bars, Leaving(gain=gain).generate_signals(view_of(bars)), asked, costs
        )
        figures = summarise([alone], options=asked, costs=costs)
        assert swept.column("final_equity")[lane] == figures["final_equity"]
        assert swept.column("trades")[lane] == figures["trades"] > 0


def test_a_rule_that_nobody_asked_is_no_result() -> None:
    bars = walk(1)

    with pytest.raises(StrategyFailed, match="was not asked"):
        simulate(bars, signals_for(bars, 1, Noted(1, len(bars))), OPTIONS, CostModel())
