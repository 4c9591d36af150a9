"""The engine equals the judge to the last bit on whatever is thrown at it, and obeys money's laws.

Two ways of throwing: hypothesis, which shrinks what it breaks to a few bars, and a sweep over seeds
with longer series, in which every reason to fill and every counter occurs (also checked here).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Level, Signals, pct, points
from core.domain.simulation import Reason
from core.engine.simulate import simulate
from tests.factories import (
    ZERO,
    Case,
    cases,
    make_bars,
    mirrored,
    random_bars,
    random_case,
    random_signals,
    signals_at,
)
from tests.reference.compare import by_reference, compiled, differences, twin

SWEEP_OF_SEEDS = range(1500)
SEEDS = st.integers(0, 2**32 - 1)
# What decides by money already made decides otherwise where money is another
UNLIMITED = {
    "daily_target": None,
    "daily_loss": None,
    "cooldown_bars": 0,
}
GENERAL = {Reason.MARGIN, Reason.DELIST, Reason.REBALANCE, Reason.SPLIT, Reason.DRAWDOWN}
GENERAL_COUNTERS = {
    "volume_capped",
    "margin_calls",
    "missed_limits",
    "detail_missing",
    "detail_conflicts",
}

quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(deadline=None, max_examples=800, suppress_health_check=list(HealthCheck))


# The judge -------------------------------------------------------------------------------------


@thorough
@given(case=cases())
def test_kernel_and_twin_agree_with_the_reference_on_small_cases(case):
    expected = by_reference(case)

    assert differences(expected, compiled(case)) == []
    assert differences(expected, twin(case)) == []


@pytest.mark.parametrize("part", range(6))
def test_kernel_and_twin_agree_with_the_reference_over_a_sweep_of_seeds(part):
    for seed in SWEEP_OF_SEEDS[part::6]:
        case = random_case(seed)
        expected = by_reference(case)

        assert differences(expected, compiled(case)) == [], f"seed {seed}"
        assert differences(expected, twin(case)) == [], f"seed {seed}"


def test_the_sweep_meets_every_reason_and_every_counter():
    """A sweep that never ruins anybody or never gaps through a stop would prove little."""
    seen: Counter[str] = Counter()

    for seed in SWEEP_OF_SEEDS:
        outcome = compiled(random_case(seed))
        seen.update(Reason(fill.reason).name for fill in outcome.fills)
        seen.update(outcome.counters)
        seen["ruined"] += outcome.ruined
        seen["open at the end"] += any(trade.exit_bar < 0 for trade in outcome.trades)

    reasons = [reason.name for reason in Reason if reason not in GENERAL]
    counters = [name for name in outcome.counters if name not in GENERAL_COUNTERS]
    wanted = [*reasons, *counters, "ruined", "open at the end"]
    assert {name: seen[name] for name in wanted if seen[name] < 3} == {}


@pytest.mark.parametrize("compile_it", [True, False], ids=["compiled", "twin"])
def test_the_same_case_gives_the_same_bits_twice(compile_it):
    case = random_case(11)

    first, second = (
        simulate(case.bars, case.signals, case.options, case.costs, compiled=compile_it)
        for _ in range(2)
    )

    assert first.equity.tobytes() == second.equity.tobytes()
    assert first.trades.pnl.tobytes() == second.trades.pnl.tobytes()


# Money -----------------------------------------------------------------------------------------


@quick
@given(seed=SEEDS)
def test_what_was_gained_is_the_sum_of_the_trades(seed):
    """Cash identity: E_end - E_0 is the pnl of all trades, open ones marked at the last close."""
    case = random_case(seed, count=60)

    run = compiled(case)

    gained = run.equity[-1] - case.options.initial_cash
    turnover = sum(abs(f.quantity * f.price) for f in run.fills) * case.options.multiplier
    assert gained == pytest.approx(
        sum(trade.pnl for trade in run.trades),
        abs=1e-12 * (turnover + case.options.initial_cash),
    )


@quick
@given(seed=SEEDS)
def test_fees_and_slippage_of_trades_are_those_of_their_fills(seed):
    run = compiled(random_case(seed, count=60))

    for name, of_fill in (("fees", "fee"), ("slippage", "slippage")):
        by_trade = sum(getattr(trade, name) for trade in run.trades)
        assert by_trade == pytest.approx(sum(getattr(fill, of_fill) for fill in run.fills))
    assert len(run.fills) == sum(1 if trade.exit_bar < 0 else 2 for trade in run.trades)
    assert run.counters["entries"] == len(run.trades)


@quick
@given(
    seed=SEEDS,
    dearer=st.sampled_from(
        [
            {"fixed": 3.0},
            {"per_unit": 0.2},
            {"bps": 50.0},
            {"minimum": 40.0},
            {"maximum_rate": None},
        ]
    ),
)
def test_higher_fees_never_raise_final_equity(seed, dearer):
    """At a fixed number of units and with cash to spare, fees change nothing but the cash."""
    case = random_case(seed, count=60).with_options(
        sizing="units", size=5.0, lot_size=1.0, initial_cash=1e9, **UNLIMITED
    )
    case = case.with_costs(fixed=1.0, per_unit=0.01, bps=2.0, minimum=2.0, maximum_rate=0.003)

    cheap, dear = compiled(case), compiled(case.with_costs(**dearer))

    assert [f.price for f in cheap.fills] == [f.price for f in dear.fills]
    assert dear.equity[-1] <= cheap.equity[-1]


@quick
@given(
    seed=SEEDS,
    dearer=st.sampled_from([{"slippage_bps": 9.0}, {"half_spread_bps": 4.0}, {"tick": 0.25}]),
)
def test_worse_fills_never_raise_final_equity(seed, dearer):
    """Without protection, whose levels follow the fill, worse prices only cost."""
    case = random_case(seed, count=60).with_options(
        sizing="units", size=5.0, lot_size=1.0, initial_cash=1e9, **UNLIMITED
    )
    case = replace(case, signals=replace(case.signals, stop=None, target=None, trail=None))
    case = case.with_costs(
        slippage_bps=1.0, slippage_points=0.0, half_spread_bps=0.0, tick=0.0, bps=0.0
    )

    cheap, dear = compiled(case), compiled(case.with_costs(**dearer))

    assert [f.bar for f in cheap.fills] == [f.bar for f in dear.fills]
    assert dear.equity[-1] <= cheap.equity[-1]


@quick
@given(seed=SEEDS, size_ref=st.sampled_from(["decision", "fill"]))
def test_a_free_fractional_buy_and_hold_is_the_price_ratio_from_the_first_open(seed, size_ref):
    bars = random_bars(seed, 50)
    options = EngineOptions(
        initial_cash=12_345.0, lot_size=0, size_ref=size_ref, initial_margin=1.0
    )
    first = bars.open[1]
    if size_ref == "decision":
        # Sized at the decision's close: only a price that stays fills exactly 100 percent.
        first = bars.close[0]
        bars = make_bars(
            np.r_[bars.open[0], first, bars.open[2:]],
            np.r_[bars.high[0], max(bars.high[1], first), bars.high[2:]],
            np.r_[bars.low[0], min(bars.low[1], first), bars.low[2:]],
            bars.close,
        )

    run = simulate(bars, signals_at(50, {0: 1}), options, ZERO)

    np.testing.assert_allclose(run.equity[1:], 12_345.0 * bars.close[1:] / first, rtol=1e-12)
    assert run.equity[0] == 12_345.0


@quick
@given(seed=SEEDS)
def test_cash_never_pays_for_more_than_it_covers(seed):
    """R9 in a cash account: a long entry never leaves less than nothing."""
    case = random_case(seed, count=60).with_options(initial_margin=1.0)

    run = compiled(case)

    cash = case.options.initial_cash
    for fill in run.fills:
        before = cash
        cash = cash - fill.quantity * fill.price * case.options.multiplier - fill.fee
        if fill.reason == Reason.ENTRY and fill.quantity > 0:
            assert cash >= -1e-9 * max(before, 1.0)


@quick
@given(
    cash=st.floats(100.0, 1e7),
    at=st.floats(0.5, 5_000.0),
    lot=st.sampled_from([1e-6, 0.001, 1.0, 7.0]),
    costs=st.builds(
        CostModel,
        fixed=st.floats(0.0, 20.0),
        per_unit=st.floats(0.0, 0.1),
        bps=st.floats(0.0, 50.0),
        minimum=st.floats(0.0, 30.0),
    ),
)
def test_a_scaled_entry_is_the_largest_number_of_lots_that_fits(cash, at, lot, costs):
    """R9, where counting lots down one by one, as the judge does, would take too long."""
    options = EngineOptions(initial_cash=cash, sizing="units", size=1e9, lot_size=lot)
    bars = make_bars([at, at])

    run = compiled(Case(bars, signals_at(2, {0: 1}), options, costs))

    def needed(lots: int) -> float:
        quantity = lots * lot
        value = quantity * at
        fee = costs.fixed + costs.per_unit * quantity + (costs.bps / 10000) * value
        return value + max(fee, costs.minimum)

    if not run.fills:
        assert run.counters["rejected"] == 1
        assert needed(1) > cash
        return
    lots = round(run.fills[0].quantity / lot)
    assert run.counters["scaled_cash"] == 1
    assert needed(lots) <= cash < needed(lots + 1)


# Time ------------------------------------------------------------------------------------------


@quick
@given(seed=SEEDS, known=st.integers(1, 58))
def test_what_happens_later_changes_nothing_before(seed, known):
    """Causality: other prices after bar t leave every fill and every mark up to t as they were."""
    case = random_case(seed, count=60)
    bars, other = case.bars, random_bars(seed + 1, 60, start=float(case.bars.close[known - 1]))

    def spliced(name: str) -> np.ndarray:
        return np.r_[getattr(bars, name)[:known], getattr(other, name)[known:]]

    columns = [spliced(name) for name in ("open", "high", "low", "close")]
    timing = {"session": bars.session, "minute": bars.minute, "timeframe": bars.timeframe}
    changed = replace(case, bars=make_bars(*columns, **timing))

    before, after = compiled(case), compiled(changed)

    assert [f for f in before.fills if f.bar < known] == [f for f in after.fills if f.bar < known]
    assert before.equity[:known] == after.equity[:known]
    assert before.cash[:known] == after.cash[:known]


@quick
@given(seed=SEEDS, known=st.integers(1, 58))
def test_later_signals_change_nothing_before(seed, known):
    """Row t acts at the open of bar t+1, or at its own close where that is asked for."""
    case = random_case(seed, count=60)
    rng = np.random.default_rng(seed)
    column = case.signals.codes.copy()
    column[known:] = random_signals(rng, case.bars).codes[known:]
    last = known if case.options.fill == "close" else known + 1

    before = compiled(case)
    after = compiled(replace(case, signals=replace(case.signals, codes=column)))

    assert before.equity[: last + case.options.delay] == after.equity[: last + case.options.delay]


@quick
@given(seed=SEEDS, delay=st.integers(1, 4))
def test_a_delay_is_the_same_as_signals_moved_later(seed, delay):
    """Sizes are fixed, so that what the decision row knew of money does not matter."""
    case = random_case(seed, count=60).with_options(
        sizing="units", size=2.0, lot_size=1.0, intraday=False, square_off=None, delay=delay
    )
    signals = case.signals

    def later(rows: np.ndarray, filler: float) -> np.ndarray:
        return np.r_[np.full(delay, filler, dtype=rows.dtype), rows[:-delay]]

    def level(old: Level | None) -> Level | None:
        if old is None or isinstance(old.value, float):
            return old
        return Level(later(old.value, np.nan), old.unit)

    entry, size = signals.entry_price, signals.size
    moved = replace(
        signals,
        codes=later(signals.codes, 2),
        stop=level(signals.stop),
        target=level(signals.target),
        trail=level(signals.trail),
        entry_price=None if entry is None else later(entry, np.nan),
        size=later(size, np.nan) if isinstance(size, np.ndarray) else size,
    )

    delayed = compiled(case)
    shifted = compiled(replace(case.with_options(delay=0), signals=moved))

    assert differences(delayed, shifted) == []


# Symmetry and scale ----------------------------------------------------------------------------


@quick
@given(seed=SEEDS)
def test_a_mirrored_market_with_mirrored_signals_gives_the_same_money(seed):
    """On the grid every price is exact, so the two sides of every rule must agree exactly."""
    case = random_case(seed, count=60).with_options(
        sizing="units",
        size=4.0,
        lot_size=1.0,
        initial_cash=1e9,
        initial_margin=0.02,
        allow_short=True,
        shortable={},
    )

    def in_points(level: Level | None) -> Level | None:
        if level is None or level.unit != "percent":
            return level
        return points(np.asarray(level.value) * 2)  # 0.5, 1, 2 and 3.7 percent: nearly the grid

    signals = case.signals
    case = replace(
        case,
        costs=ZERO.model_copy(update={"fixed": 1.0, "per_unit": 0.25}),
        signals=replace(
            signals,
            stop=in_points(signals.stop),
            target=in_points(signals.target),
            trail=in_points(signals.trail),
        ),
    )

    up, down = compiled(case), compiled(mirrored(case, around=500.0))

    assert [(f.bar, f.reason, -f.quantity) for f in up.fills] == [
        (f.bar, f.reason, f.quantity) for f in down.fills
    ]
    assert up.equity == pytest.approx(down.equity, rel=1e-12)
    assert up.counters == down.counters


def scaled(case: Case, factor: float) -> Case:
    """Prices times `factor`, quantities divided by it: the same money."""
    bars, signals, options, costs = case.bars, case.signals, case.options, case.costs

    def level(old: Level | None) -> Level | None:
        if old is None or old.unit == "percent":
            return old
        return Level(old.value * factor, old.unit)

    def size(old: Any) -> Any:
        return old if old is None or options.sizing != "units" else old / factor

    def limit(old: float | None) -> float | None:
        return old * factor if old is not None and options.daily_unit == "points" else old

    def per_unit(fees: Any) -> dict[str, float]:
        names = ("per_unit", "charge_per_unit", "sell_charge_per_unit")
        given = {name: getattr(fees, name) for name in names}
        return {name: value * factor for name, value in given.items() if value is not None}

    changes = tuple(each.model_copy(update=per_unit(each)) for each in costs.changes)
    return Case(
        make_bars(
            bars.open * factor,
            bars.high * factor,
            bars.low * factor,
            bars.close * factor,
            session=bars.session,
            minute=bars.minute,
            timeframe=bars.timeframe,
        ),
        replace(
            signals,
            size=size(signals.size),
            stop=level(signals.stop),
            target=level(signals.target),
            trail=level(signals.trail),
            entry_price=None if signals.entry_price is None else signals.entry_price * factor,
        ),
        options.model_copy(
            update={
                "size": options.size / factor if options.sizing == "units" else options.size,
                "lot_size": options.lot_size / factor,
                "daily_target": limit(options.daily_target),
                "daily_loss": limit(options.daily_loss),
            }
        ),
        costs.model_copy(
            update={
                **per_unit(costs),
                "tick": costs.tick * factor,
                "slippage_points": costs.slippage_points * factor,
                "changes": changes,
            }
        ),
    )


@quick
@given(seed=SEEDS)
def test_prices_times_sixteen_and_sizes_by_sixteen_give_the_same_bits(seed):
    """A power of two changes exponents only, so not one comparison may come out differently."""
    case = random_case(seed, count=60)

    one, other = compiled(case), compiled(scaled(case, 16.0))

    assert one.cash == other.cash
    assert one.equity == other.equity
    assert [t.pnl for t in one.trades] == [t.pnl for t in other.trades]
    assert one.counters == other.counters
    assert one.quantity == [quantity * 16 for quantity in other.quantity]


@quick
@given(seed=SEEDS)
def test_prices_times_ten_and_sizes_by_ten_give_the_same_money(seed):
    """Ten is not a power of two: levels are left out, ties with them would fall either way."""
    case = random_case(seed, count=60).with_options(
        sizing="units", size=20.0, lot_size=1.0, initial_cash=1e6, **UNLIMITED
    )
    signals = replace(case.signals, stop=None, target=None, trail=None, entry_price=None)
    case = replace(case, signals=signals).with_costs(tick=0.0)

    one, other = compiled(case), compiled(scaled(case, 10.0))

    assert one.equity == pytest.approx(other.equity, rel=1e-12)


# Sessions --------------------------------------------------------------------------------------


@quick
@given(seed=SEEDS, square_off=st.sampled_from([None, time(10, 15), time(11, 40)]))
def test_intraday_runs_are_flat_at_every_sessions_end_and_after_square_off(seed, square_off):
    case = random_case(seed, count=80).with_options(intraday=True, square_off=square_off)

    run = compiled(case)

    session, minute = case.bars.session, case.bars.minute
    ends = np.r_[session[1:] != session[:-1], True]
    assert not np.asarray(run.quantity)[ends].any()
    if square_off is not None:
        late = minute >= square_off.hour * 60 + square_off.minute
        assert not np.asarray(run.quantity)[late].any()


@quick
@given(seed=SEEDS)
def test_a_stop_bounds_the_loss_of_a_trade_that_does_not_gap(seed):
    """Free of costs and slippage, a trade stopped inside a bar loses exactly its first risk."""
    bars = random_bars(seed, 60)
    signals = replace(Signals(codes=np.ones(60, dtype=np.int8)), stop=pct(1.3), target=pct(2.9))
    case = Case(bars, signals, EngineOptions(sizing="units", size=3), ZERO)

    for trade in compiled(case).trades:
        if trade.exit_reason == Reason.STOP:
            assert trade.pnl == pytest.approx(-trade.risk, rel=1e-9)
        if trade.exit_reason == Reason.TARGET:
            assert trade.pnl == pytest.approx(trade.entry_price * 0.029 * 3, rel=1e-9)
