"""Rule R12 beyond ruin, by hand: an end at a drawdown, and margin calls inside a bar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Code, Signals, Weights, pct, points
from core.domain.simulation import Reason
from core.engine.account import simulate_account
from core.engine.simulate import simulate
from core.engine.sleeves import simulate_sleeves
from core.errors import InvalidInput
from tests.factories import ZERO, codes
from tests.reference.compare_shared import SHARED_ENGINES
from tests.reference.test_shared_rules import (
    counted,
    days,
    deals,
    dollars,
    silent,
    units,
    wants,
    weigh,
)

LONG, SHORT, FLAT, HOLD = Code.LONG, Code.SHORT, Code.FLAT, Code.HOLD
ENTRY, DRAWDOWN, MARGIN = Reason.ENTRY, Reason.DRAWDOWN, Reason.MARGIN


@pytest.fixture(params=SHARED_ENGINES)
def engine(request):
    return SHARED_ENGINES[request.param]


def tenth(size: float = 10.0, **more: Any) -> EngineOptions:
    """Ten units on a thousand; the run may lose a tenth of its peak."""
    return units(size, initial_cash=1000, max_dd_limit=0.1, **more)


# The drawdown limit ----------------------------------------------------------------------------


def test_r12_a_run_ends_at_its_drawdown_limit_and_asks_for_nothing_more(engine):
    """1,100 is the peak; 990 is a tenth below, and the next open of 97 is what is left."""
    bars = days(100, 100, 110, 99, (97, 130, 97, 130), 130, 130)
    always = wants(*[LONG] * 7)

    run = engine([bars], [always], tenth(), ZERO)

    assert deals(run) == [(1, 0, 10, 100, ENTRY), (4, 0, -10, 97, DRAWDOWN)]
    assert list(run.equity) == [1000, 1000, 1100, 990, 970, 970, 970]
    assert list(run.held) == [False, True, True, True, True, False, False]
    assert counted(run) == {}
    assert run.stopped
    assert not run.ruined


@pytest.mark.parametrize(("close", "stopped"), [(99.0, True), (99.01, False)])
def test_r12_a_drawdown_is_reached_at_the_limit_and_not_above_it(engine, close, stopped):
    run = engine([days(100, 100, 110, close, 100)], [wants(LONG, *[HOLD] * 4)], tenth(), ZERO)

    assert run.stopped == stopped
    assert len(run.fills) == 1 + stopped


def test_r12_the_first_peak_is_the_initial_cash(engine):
    run = engine([days(100, 100, 90, 95)], [wants(LONG, *[HOLD] * 3)], tenth(), ZERO)

    assert deals(run)[1:] == [(3, 0, -10, 95, DRAWDOWN)]


def test_r12_the_first_close_is_no_peak_where_costs_came_before_it(engine):
    """Bought at 105 at a close of 100: 950 are left, and 900 are a tenth below 1,000."""
    costs = CostModel(slippage_points=5)

    run = engine(
        [days(100, 95, 95)],
        [wants(LONG, HOLD, HOLD)],
        tenth(fill="close", initial_margin=0.5),
        costs,
    )

    assert list(run.equity)[:2] == [950, 900]
    assert [Reason(f.reason) for f in run.fills] == [ENTRY, DRAWDOWN]


def test_r12_the_end_of_a_run_comes_before_a_day_limit(engine):
    """Both are reached at the close of 90."""
    bars = days(100, 100, (100, 100, 90, 90), 90, on=[0] * 4, minute=[570, 585, 600, 615])

    run = engine([bars], [wants(LONG, *[HOLD] * 3)], tenth(daily_loss=50), ZERO)

    assert deals(run)[1:] == [(3, 0, -10, 90, DRAWDOWN)]


def test_r12_only_closes_count_for_a_drawdown(engine):
    bars = days(100, 100, (100, 100, 10, 100), 100)

    assert not engine([bars], [wants(LONG, *[HOLD] * 3)], tenth(), ZERO).stopped


def test_r12_the_margin_cut_comes_before_what_is_left_over(engine):
    """A stop leaves 20 of 30. E = 380 < 0.5 · 800 calls for 1 of them, of the 10 that may trade."""
    bars = days(100, 100, (100, 100, 40, 40), 100, volume=[1, 300, 100, 100])
    sizes = units(
        30, initial_cash=1600, initial_margin=0.5, maintenance_margin=0.5, max_participation=0.1
    )

    run = engine([bars], [wants(LONG, *[HOLD] * 3, stop=points(2))], sizes, ZERO)

    assert deals(run)[1:] == [
        (2, 0, -10, 98, Reason.STOP),
        (3, 0, -1, 100, MARGIN),
        (3, 0, -9, 100, Reason.STOP),
    ]


def test_r12_a_limit_that_is_reached_while_flat_ends_the_run_at_once(engine):
    """Sold at the open of 89, the loss is made; what row 3 wants is heard no more."""
    bars = days(100, 100, 100, 89, 89, 89)

    run = engine([bars], [wants(LONG, HOLD, FLAT, LONG, LONG, LONG)], tenth(), ZERO)

    assert deals(run) == [(1, 0, 10, 100, ENTRY), (3, 0, -10, 89, Reason.EXIT_SIGNAL)]
    assert run.stopped
    assert list(run.equity)[3:] == [890, 890, 890]


def test_r12_resting_orders_end_with_the_run(engine):
    """The limit of row 2 would have been met in every bar after the end."""
    bars = days(100, 100, (100, 100, 85, 85), (90, 90, 80, 80), (80, 80, 70, 70))
    asked = wants(
        LONG, HOLD, SHORT, HOLD, HOLD, ttl=9, entry_price=np.array([np.nan] * 2 + [86.0] * 3)
    )

    run = engine([bars], [asked], tenth(), ZERO)

    assert deals(run) == [(1, 0, 10, 100, ENTRY), (3, 0, -10, 90, DRAWDOWN)]
    assert counted(run) == {}


def test_r12_the_stop_comes_before_the_end_of_a_run(engine):
    """It is protected until it is closed: a gap at the open is the stop's."""
    bars = days(100, 100, (100, 100, 90, 90), 80)

    run = engine([bars], [wants(LONG, *[HOLD] * 3, stop=points(15))], tenth(), ZERO)

    assert deals(run)[1:] == [(3, 0, -10, 80, Reason.STOP_GAP)]


def test_r12_every_symbol_is_closed_at_its_own_next_open(engine):
    """The second is absent at row 3, and goes at row 4; nothing else is done until then."""
    first = days(100, 100, 80, 82, 84, 86)
    second = days(50, 50, 50, 60, 70, on=[0, 1, 2, 4, 5])

    run = engine(
        [first, second],
        [wants(LONG, *[HOLD] * 5), wants(LONG, HOLD, LONG, LONG, LONG)],
        units(5, initial_cash=1000, max_dd_limit=0.1, pyramid=3),
        ZERO,
    )

    assert deals(run)[2:] == [(3, 0, -5, 82, DRAWDOWN), (4, 1, -5, 60, DRAWDOWN)]
    # 1,000 less 18 a unit of the first, and 10 a unit of the second gained while it waited
    assert list(run.equity) == [1000, 1000, 900, 910, 960, 960]


def test_r12_volume_leaves_the_rest_to_the_opens_after(engine):
    bars = days(100, 100, 89, 90, 91, 92, volume=[1e4, 1e4, 1e4, 60, 60, 60])

    run = engine([bars], [wants(LONG, *[LONG] * 5)], tenth(max_participation=0.1), ZERO)

    assert deals(run)[1:] == [(3, 0, -6, 90, DRAWDOWN), (4, 0, -4, 91, DRAWDOWN)]
    assert list(run.equity)[-1] == 1000 - 6 * 10 - 4 * 9


def test_r12_weights_ask_no_more_after_the_end(engine):
    wanted = weigh([1.0], [np.nan], [np.nan], [0.5], [0.5])

    run = engine([days(100, 100, 89, 90, 91)], wanted, tenth(), ZERO)

    assert deals(run) == [(1, 0, 10, 100, ENTRY), (3, 0, -10, 90, DRAWDOWN)]


@pytest.mark.parametrize("before", [0.0, 0.5])
def test_r12_a_weight_that_waits_for_its_symbol_ends_with_the_run(engine, before):
    """Row 1 wants less or more of the second, which has no bar in row 2, where the first falls."""
    first, second = days(100, 100, 70, 80, 80), days(50, 50, 50, 50, on=[0, 1, 3, 4])
    hold = [np.nan, np.nan]
    wanted = weigh([0.5, before], [np.nan, 0.4], hold, hold, hold)

    run = engine([first, second], wanted, tenth(), ZERO)

    leaves = [(3, 0, -5, 80, DRAWDOWN), (3, 1, -10, 50, DRAWDOWN)]
    assert deals(run)[-len(leaves) if before else -1 :] == leaves[: 2 if before else 1]
    assert len(run.fills) == (4 if before else 2)


def test_r12_weights_that_act_at_closes_ask_no_more_after_the_end(engine):
    wanted = weigh([1.0], [np.nan], [np.nan], [0.5], [0.5])

    run = engine([days(100, 100, 89, 90, 91)], wanted, tenth(fill="close"), ZERO)

    assert deals(run) == [(0, 0, 10, 100, ENTRY), (3, 0, -10, 90, DRAWDOWN)]


def test_r12_codes_that_act_at_closes_ask_no_more_after_the_end(engine):
    run = engine([days(100, 100, 89, 90, 91)], [wants(*[LONG] * 5)], tenth(fill="close"), ZERO)

    assert deals(run) == [(0, 0, 10, 100, ENTRY), (3, 0, -10, 90, DRAWDOWN)]


def test_r12_a_limit_reached_at_the_last_close_leaves_the_position_open(engine):
    run = engine([days(100, 100, 80)], [wants(LONG, HOLD, HOLD)], tenth(), ZERO)

    assert len(run.fills) == 1
    assert run.stopped
    assert run.trades[0].exit_bar == -1


def test_r12_ruin_comes_before_a_drawdown(engine):
    options = units(20, initial_cash=1000, initial_margin=0.5, max_dd_limit=0.1)

    run = engine([days(100, 100, 40, 50)], [wants(LONG, *[HOLD] * 3)], options, ZERO)

    assert deals(run)[1:] == [(2, 0, -20, 40, Reason.RUIN)]
    assert run.ruined
    assert not run.stopped


def test_r12_each_sleeve_has_its_own_end():
    bars = [days(100, 100, 80, 90, 95), days(100, 100, 100, 100, 120)]
    options = EngineOptions(initial_cash=2000, max_dd_limit=0.15, lot_size=1)

    falls, stays = simulate_sleeves(bars, [wants(LONG, *[HOLD] * 4)] * 2, options, ZERO)

    assert (falls.stopped, stays.stopped) == (True, False)
    assert falls.equity.tolist() == [1000, 1000, 800, 900, 900]
    assert stays.equity.tolist() == [1000, 1000, 1000, 1000, 1200]


def test_one_symbol_alone_goes_through_the_general_driver():
    signals = Signals(codes=codes(LONG, *[LONG] * 4))

    run = simulate(days(100, 100, 89, 90, 91), signals, tenth(), ZERO)

    assert run.stopped
    assert run.equity.tolist() == [1000, 1000, 890, 900, 900]


# Margin calls inside a bar ---------------------------------------------------------------------


def on_margin(size: float = 40.0, **more: Any) -> EngineOptions:
    """Forty units of 100 on 1,000: a quarter of their value, called below a fifth."""
    return units(
        size,
        initial_cash=1000,
        initial_margin=0.25,
        maintenance_margin=0.2,
        intrabar_margin=True,
        **more,
    )


def test_r12_the_worst_price_of_a_bar_calls_for_margin(engine):
    """At 93 equity is 1,000 - 280 = 720, and a fifth of 3,720 is 744; the close is well again.

    What is kept is 720 / (3,720 / 4): 30.96 of 40.
    """
    bars = days(100, 100, (100, 101, 93, 100), 100, 100)

    run = engine([bars], [wants(LONG, *[HOLD] * 4)], on_margin(), ZERO)

    assert deals(run) == [(1, 0, 40, 100, ENTRY), (3, 0, -10, 100, MARGIN)]
    assert counted(run) == {"margin_calls": 1}


def test_r12_a_short_position_is_tested_at_the_high(engine):
    """Equity of 1,000 - 40 · 5 = 800 and a fifth of 4,200: 840; kept is 800 / 1,050 of 40."""
    bars = days(100, 100, (100, 105, 99, 100), 100)

    run = engine([bars], [wants(SHORT, *[HOLD] * 3)], on_margin(), ZERO)

    assert deals(run) == [(1, 0, -40, 100, ENTRY), (3, 0, 10, 100, MARGIN)]
    assert counted(run) == {"margin_calls": 1}


@pytest.mark.parametrize(("low", "calls"), [(93.75, 0), (93.5, 1)])
def test_r12_equity_at_the_least_that_is_needed_is_enough(engine, low, calls):
    """40 · 93.75 = 3,750, a fifth is 750 and equity 1,000 - 250 = 750."""
    bars = days(100, 100, (100, 100, low, 100), 100)

    run = engine([bars], [wants(LONG, *[HOLD] * 3)], on_margin(), ZERO)

    assert run.counters["margin_calls"] == calls


def test_r12_without_the_option_only_closes_are_tested(engine):
    bars = days(100, 100, (100, 101, 80, 100), 100)
    options = on_margin().model_copy(update={"intrabar_margin": False})

    assert counted(engine([bars], [wants(LONG, *[HOLD] * 3)], options, ZERO)) == {}


def test_r12_a_bar_that_calls_twice_counts_once_and_keeps_the_lesser(engine):
    """At 90: 600 / 900 of 40 is 26.67; at the close of 92, 680 / 920 of 40 would be 29.57."""
    bars = days(100, 100, (100, 100, 90, 92), 92, 92)

    run = engine([bars], [wants(LONG, *[HOLD] * 4)], on_margin(), ZERO)

    assert deals(run)[1:] == [(3, 0, -14, 92, MARGIN)]
    assert counted(run) == {"margin_calls": 1}


def test_r12_a_position_that_lost_everything_inside_the_bar_is_sold(engine):
    """At 75 equity is nothing, and so is what may be kept."""
    bars = days(100, 100, (100, 100, 75, 100), 100)

    run = engine([bars], [wants(LONG, *[HOLD] * 3)], on_margin(), ZERO)

    assert deals(run)[1:] == [(3, 0, -40, 100, MARGIN)]


def test_r12_what_a_stop_has_sold_is_not_called(engine):
    bars = days(100, 100, (100, 100, 90, 92), 92)

    run = engine([bars], [wants(LONG, *[HOLD] * 3, stop=pct(4))], on_margin(), ZERO)

    assert deals(run)[1:] == [(2, 0, -40, 96, Reason.STOP)]
    assert counted(run) == {}


@pytest.mark.parametrize(
    ("kind", "low", "high", "calls"), [("stop", 90, 101, 0), ("limit", 90, 100, 1)]
)
def test_r12_in_the_bar_of_a_stop_entry_the_low_may_lie_before_it(engine, kind, low, high, calls):
    """A stop entry knows its close alone; a limit is reached on the way down to the low."""
    bars = days(100, (99.5, high, low, 100), 100)
    asked = wants(LONG, HOLD, HOLD, entry_kind=kind, entry_price=np.full(3, 99.75))
    asked = (
        asked
        if kind == "limit"
        else wants(LONG, HOLD, HOLD, entry_kind=kind, entry_price=np.full(3, 100.0))
    )

    run = engine([bars], [asked], on_margin(39), ZERO)

    assert run.counters["entries"] == 1
    assert run.counters["margin_calls"] == calls


def test_r12_a_position_sold_at_the_close_takes_its_call_with_it(engine):
    """Called in bar 2, reversed at its close: the new one is not cut."""
    bars = days(100, 100, (100, 100, 90, 100), 100)

    run = engine([bars], [wants(HOLD, LONG, SHORT, HOLD)], on_margin(fill="close"), ZERO)

    assert [deal[2:] for deal in deals(run)] == [
        (40, 100, ENTRY),
        (-40, 100, Reason.REVERSE),
        (-40, 100, ENTRY),
    ]
    assert counted(run) == {"margin_calls": 1}


def test_r12_inside_a_bar_the_rate_of_its_opening_holds(engine):
    """Two dollars a euro at the opening: 1,440 against a fifth of 7,440, and 30.97 of 40 are kept.

    At the close it is 2.5, and there is 4,000 of equity.
    """
    bars = days(100, 100, (100, 101, 93, 100), 100, fx=dollars(2.0, 2.0, 2.0, 2.5, 2.5))
    options = on_margin().model_copy(update={"initial_cash": 2000.0})

    run = engine([bars], [wants(LONG, *[HOLD] * 3)], options, ZERO)

    assert deals(run) == [(1, 0, 40, 100, ENTRY), (3, 0, -10, 100, MARGIN)]
    assert counted(run) == {"margin_calls": 1}


def test_r12_an_account_of_several_symbols_cannot_be_tested_inside_bars():
    bars = [days(100, 100), days(50, 50)]

    with pytest.raises(
        InvalidInput, match="inside bars of one symbol only, and 2 share"
    ) as refused:
        simulate_account(bars, [silent(2), silent(2)], on_margin(), ZERO)

    assert refused.value.field == "options.intrabar_margin"
    with pytest.raises(InvalidInput, match="2 share"):
        simulate_account(bars, Weights(np.ones((2, 2))), on_margin(), ZERO)
