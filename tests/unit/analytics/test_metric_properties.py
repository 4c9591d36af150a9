"""What holds for every account."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.analytics import ratios
from core.analytics.combine import combine
from core.analytics.summary import summarise
from core.domain.costs import CostModel
from core.domain.metrics import BADGES, METRICS, REASONS
from core.domain.options import EngineOptions
from core.domain.timeframe import Timeframe
from tests.unit.analytics.simulations import Trade, simulation_of

# Money scales with the account; everything else must not.
SCALING = {name for name, metric in METRICS.items() if metric.unit == "money"}
quick = settings(deadline=None, max_examples=100)

ordinary = st.floats(-1e6, 1e6, allow_subnormal=False)
extreme = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(1e-3, 1e6)
usual_cash = st.sampled_from([1.0, 1e5])
any_cash = st.sampled_from([5e-324, 1.0, 1e308])
on_a_grid = st.integers(-512, 512).map(lambda number: number / 1024)


@st.composite
def trade_lists(draw, bars, money):
    trades = []
    bar = 0
    while bar < bars and draw(st.booleans()):
        leave = draw(st.integers(bar, bars - 1))
        trades.append(
            Trade(
                entry_bar=bar,
                exit_bar=leave,
                pnl=draw(money | st.just(0.0)),
                quantity=draw(positive) * draw(st.sampled_from([-1.0, 1.0])),
                entry_price=draw(positive),
                exit_price=draw(positive),
                fees=abs(draw(money)),
                slippage=abs(draw(money)),
                mae=-draw(st.floats(0.0, 1.0)),
                mfe=draw(st.floats(0.0, 5.0)),
                risk=draw(positive | st.just(nan)),
            )
        )
        bar = leave + draw(st.integers(0, 3))
    if trades and draw(st.booleans()):
        trades[-1] = replace(trades[-1], exit_bar=-1)
    return trades


@st.composite
def accounts(draw, money=ordinary, cash=usual_cash):
    bars = draw(st.integers(0, 30))
    equity = draw(
        st.lists(money | st.sampled_from([0.0, 1.0, 1e5, 1.2e5]), min_size=bars, max_size=bars)
    )
    session = np.cumsum(draw(st.lists(st.integers(0, 40), min_size=bars, max_size=bars)))
    return simulation_of(
        equity,
        initial_cash=draw(cash),
        session=session,
        ts=session * 86_400_000_000 + np.arange(bars) * 60_000_000,
        trades=draw(trade_lists(bars, money)) if bars else (),
        quantity=draw(st.lists(ordinary, min_size=bars, max_size=bars)),
        held=draw(st.lists(st.booleans(), min_size=bars, max_size=bars)),
        gross_exposure=draw(st.sampled_from([0.0, 0.9, 3.0])),
        ambiguous_bars=draw(st.integers(0, 3)),
        timeframe=draw(st.sampled_from([Timeframe.M1, Timeframe.D1])),
    )


def summary(*simulations):
    return summarise(simulations, options=EngineOptions(), costs=CostModel())


def assert_sound(found):
    assert list(found.values) == list(METRICS)
    for name, value in found.values.items():
        if value is None:
            assert found.reasons[name] in REASONS
        else:
            assert type(value) is float
            assert isfinite(value)
            assert name not in found.reasons
    assert set(found.badges) <= set(BADGES)


@quick
@given(accounts())
def test_every_metric_of_an_account_is_finite_or_has_a_reason(account):
    assert_sound(summary(account))


@quick
@given(st.lists(accounts(), max_size=3))
def test_every_metric_of_several_sleeves_is_finite_or_has_a_reason(sleeves):
    assert_sound(summary(*sleeves))


@quick
@given(st.lists(accounts(money=extreme, cash=any_cash), max_size=2))
def test_numbers_at_the_ends_of_the_float_range_stay_inside(sleeves):
    assert_sound(summary(*sleeves))


@pytest.mark.parametrize("broken", [nan, inf])
def test_a_number_that_is_not_finite_is_refused_whoever_made_it(broken):
    found = summary(simulation_of([100.0, 101.0], gross_exposure=broken))

    assert (found["gross_exposure"], found.reasons["gross_exposure"]) == (None, "not_finite")


@quick
@given(accounts(), st.sampled_from([0.125, 4.0, 1024.0]))
def test_the_size_of_the_account_scales_money_and_nothing_else(account, factor):
    # Powers of two: not even a rounding may change.
    trades = account.trades
    larger = replace(
        account,
        initial_cash=account.initial_cash * factor,
        equity=account.equity * factor,
        fills=replace(
            account.fills,
            quantity=account.fills.quantity * factor,
            fee=account.fills.fee * factor,
            slippage=account.fills.slippage * factor,
        ),
        trades=replace(
            trades,
            quantity=trades.quantity * factor,
            pnl=trades.pnl * factor,
            risk=trades.risk * factor,
        ),
    )

    before, after = summary(account), summary(larger)

    for name, value in before.values.items():
        scale = factor if name in SCALING and value is not None else 1.0
        assert after[name] == (None if value is None else value * scale), name
    assert after.reasons == before.reasons
    assert after.badges == before.badges


@quick
@given(st.lists(on_a_grid, min_size=2, max_size=60), st.randoms(use_true_random=False))
def test_the_order_of_returns_changes_no_ratio_of_their_sample(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)

    def figures(sample):
        found = []
        for measure in (ratios.skewness, ratios.kurtosis, ratios.omega, ratios.tail_ratio):
            try:
                found.append(measure(np.array(sample)))
            except ratios.Undefined as undefined:
                found.append(undefined.reason)
        return found

    for one, other in zip(figures(values), figures(shuffled), strict=True):
        assert one == other or one == pytest.approx(other, rel=1e-10, abs=1e-10)


@quick
@given(st.lists(st.floats(-0.5, 0.5), min_size=100, max_size=200))
def test_the_mean_beyond_the_value_at_risk_is_no_smaller_loss(values):
    sample = np.array(values)

    worse = ratios.conditional_value_at_risk(sample)

    assert worse >= ratios.value_at_risk(sample) - 1e-15


@quick
@given(accounts())
def test_an_account_of_one_sleeve_equals_the_sleeve_beside_an_idle_one_in_money(account):
    idle = simulation_of([], initial_cash=50.0, trades=())

    together = combine([account, idle])

    np.testing.assert_array_equal(together.equity, account.equity + 50.0)
    np.testing.assert_array_equal(together.session, account.bars.session)


@quick
@given(accounts())
def test_drawdown_bounds_hold(account):
    found = summary(account)

    if found["max_drawdown"] is not None:
        assert found["max_drawdown"] <= 0.0
        assert found["underwater_current"] <= found["underwater_longest"]
        # In debt a lower peak makes a deeper drawdown, so bars and sessions cannot be compared.
        if account.equity.min() > 0.0:
            assert found["max_drawdown"] >= -1.0
            assert (found["ulcer_index"] or 0.0) <= -found["max_drawdown"] + 1e-12
