"""Rules of docs/engine_rules.md computed by hand, a few bars each, through every engine."""

from __future__ import annotations

from datetime import time
from typing import Any

import numpy as np
import pytest

from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Code, Signals, pct, points, price
from core.domain.simulation import Reason
from core.domain.timeframe import Timeframe
from tests.factories import ZERO, Case, bars_of, codes, make_bars, mirrored, signals_at
from tests.reference.compare import DRIVERS


@pytest.fixture(params=DRIVERS)
def engine(request):
    return request.param


REST = (100.0, 100.0, 100.0, 100.0)
LONG, SHORT, FLAT, HOLD = Code.LONG, Code.SHORT, Code.FLAT, Code.HOLD


def case(
    rows: list[tuple[float, float, float, float]],
    *intents: int,
    costs: CostModel = ZERO,
    signals: dict[str, Any] | None = None,
    **options: Any,
) -> Case:
    """Bars, one intent per bar (the rest hold), one unit unless said otherwise."""
    column = [*intents, *[HOLD] * (len(rows) - len(intents))]
    options = {"sizing": "units", "size": 1, **options}
    return Case(
        bars_of(*rows),
        Signals(codes=codes(*column), **(signals or {})),
        EngineOptions(**options),
        costs,
    )


def of_minutes(rows: list[tuple[float, float, float, float]], sessions: list[int]) -> Any:
    """Quarter hours from 09:30 in each session of so many bars."""
    session = np.repeat(np.arange(len(sessions)), sessions) + 18_262
    minute = np.concatenate([570 + 15 * np.arange(count) for count in sessions])
    columns = np.array(rows, dtype=float).T
    return make_bars(*columns, session=session, minute=minute, timeframe=Timeframe.M15)


def reasons(run: Any) -> list[tuple[int, Reason]]:
    return [(fill.bar, Reason(fill.reason)) for fill in run.fills]


# R1 and R2 clock, R3 size ------------------------------------------------------------------------


def test_r1_a_row_is_known_at_its_close_and_acts_on_that_alone(engine):
    """All of 1,100 at the row's close of 110 are 10; the next open of 50 would have given 22."""
    rows = [(100.0, 120.0, 90.0, 110.0), (50.0, 50.0, 50.0, 50.0)]

    run = DRIVERS[engine](case(rows, LONG, initial_cash=1100, sizing="percent_of_equity", size=100))

    assert [(f.bar, f.quantity, f.price) for f in run.fills] == [(1, 10, 50)]


def test_r1_a_bar_is_labelled_by_its_opening(engine):
    """The bar of 10:00 lasts until 10:15 and is not yet at 10:15; the next one is."""
    options = EngineOptions(sizing="units", size=1, intraday=True, square_off=time(10, 15))

    run = DRIVERS[engine](
        Case(of_minutes([REST] * 5, [5]), signals_at(5, {1: LONG, 3: LONG}), options, ZERO)
    )

    assert reasons(run) == [(2, Reason.ENTRY), (3, Reason.SQUARE_OFF)]
    assert run.counters["blocked"] == 1


@pytest.mark.parametrize(
    ("fill", "delay", "bar", "at"),
    [
        ("next_open", 0, 1, 101),
        ("next_open", 2, 3, 103),
        ("close", 0, 0, 100.5),
        ("close", 2, 2, 102.5),
    ],
)
def test_r2_a_row_acts_at_the_next_open_or_at_a_close(engine, fill, delay, bar, at):
    rows = [(100.0 + t, 101.0 + t, 99.0 + t, 100.5 + t) for t in range(5)]

    run = DRIVERS[engine](case(rows, LONG, fill=fill, delay=delay))

    assert [(f.bar, f.price) for f in run.fills] == [(bar, at)]


@pytest.mark.parametrize(
    ("options", "quantity"),
    [
        ({"sizing": "percent_of_equity", "size": 50}, 4.0),  # 500 / 110 at the close: 4.54
        ({"sizing": "percent_of_equity", "size": 50, "size_ref": "fill"}, 5.0),  # 500 / 100
        ({"sizing": "percent_of_equity", "size": 50, "lot_size": 0}, 500 / 110),
        ({"sizing": "percent_of_equity", "size": 50, "lot_size": 3}, 3.0),
        ({"sizing": "percent_of_equity", "size": 50, "multiplier": 2}, 2.0),
        ({"sizing": "units", "size": 7.9}, 7.0),
        ({"sizing": "units", "size": 0.3, "lot_size": 0.1}, 3 * 0.1),  # 0.3 / 0.1 < 3 in binary
        ({"sizing": "lots", "size": 2, "lot_size": 4}, 8.0),
        ({"sizing": "units", "size": 0.5}, None),
        ({"sizing": "percent_of_equity", "size": 10}, None),
    ],
)
def test_r3_sizes_are_whole_lots_rounded_toward_zero(engine, options, quantity):
    rows = [(100.0, 110.0, 100.0, 110.0), REST]

    run = DRIVERS[engine](case(rows, LONG, initial_cash=1000, **options))

    assert [fill.quantity for fill in run.fills] == ([] if quantity is None else [quantity])
    assert run.counters["dropped_lot"] == int(quantity is None)


@pytest.mark.parametrize(
    ("options", "quantity"),
    [
        ({}, 4.0),  # 500 at the close of 110: 4.54
        ({"size_ref": "fill"}, 5.0),  # at the open of 100
        ({"multiplier": 2, "lot_size": 0}, 500 / 220),
        ({"initial_cash": 1e6}, 4.0),  # whatever the equity
        ({"size": 109}, None),
    ],
)
def test_r3_value_is_money_in_each_position(engine, options, quantity):
    rows = [(100.0, 110.0, 100.0, 110.0), REST]

    run = DRIVERS[engine](
        case(rows, LONG, **{"initial_cash": 1000, "sizing": "value", "size": 500} | options)
    )

    assert [fill.quantity for fill in run.fills] == ([] if quantity is None else [quantity])
    assert run.counters["dropped_lot"] == int(quantity is None)


@pytest.mark.parametrize(
    ("side", "levels", "options", "quantity"),
    [
        # 2 percent of 1,000 are 20; the stop is 5.5, 4, 8 or 2.5 away from the close of 110
        (LONG, {"stop": pct(5)}, {}, 20 / 5.5),
        (LONG, {"stop": points(4)}, {}, 5.0),
        (LONG, {"stop": points(4)}, {"multiplier": 2}, 2.5),
        (LONG, {"stop": points(4)}, {"lot_size": 3}, 3.0),
        (LONG, {"stop": price(102)}, {}, 2.5),
        (LONG, {"trail": points(8)}, {}, 2.5),
        (LONG, {"stop": price(102), "trail": points(2.5)}, {}, 8.0),  # the nearer one
        (LONG, {"stop": price(107.5), "trail": points(8)}, {}, 8.0),
        (SHORT, {"stop": price(118)}, {}, 2.5),
        (SHORT, {"stop": pct(5)}, {}, 20 / 5.5),
        # from the fill at 108 instead
        (LONG, {"stop": price(103)}, {"size_ref": "fill"}, 4.0),
        (SHORT, {"stop": pct(5)}, {"size_ref": "fill"}, 20 / 5.4),
    ],
    ids=str,
)
def test_r3_risk_is_the_share_of_equity_between_entry_and_stop(
    engine, side, levels, options, quantity
):
    rows = [(100.0, 110.0, 100.0, 110.0), (108.0, 108.0, 108.0, 108.0)]
    options = {"sizing": "risk", "size": 2, "lot_size": 0, "initial_cash": 1000} | options

    run = DRIVERS[engine](case(rows, side, signals=levels, **options))

    assert [abs(fill.quantity) for fill in run.fills] == pytest.approx([quantity], rel=1e-14)


def test_r3_a_stop_that_fills_at_its_level_loses_the_risk(engine):
    """Bought at the close that decided, 4 away from the stop: 5 units, and 20 of 1,000 are gone."""
    rows = [REST, (100.0, 101.0, 95.0, 98.0)]
    options = {"sizing": "risk", "size": 2, "initial_cash": 1000}

    run = DRIVERS[engine](case(rows, LONG, signals={"stop": pct(4)}, **options))

    assert [(f.quantity, f.price) for f in run.fills] == [(5.0, 100.0), (-5.0, 96.0)]
    assert run.trades[0].pnl == -20.0
    assert run.trades[0].risk == 20.0


@pytest.mark.parametrize(("ref", "quantity"), [("decision", 10.0), ("fill", 20.0)])
def test_r3_risk_of_an_order_that_rests_is_from_its_own_price(engine, ref, quantity):
    """A limit at 95 and a stop at 93: 2 a unit, and not 7 as from the close; opened at 94: 1."""
    rows = [REST, (94.0, 96.0, 94.0, 95.0)]
    signals = {"stop": price(93), "entry_price": np.array([95.0, 95.0])}
    options = {"sizing": "risk", "size": 2, "initial_cash": 1000, "initial_margin": 0.1}

    run = DRIVERS[engine](case(rows, LONG, signals=signals, size_ref=ref, **options))

    assert [(f.quantity, f.price) for f in run.fills] == [(quantity, 94.0)]


@pytest.mark.parametrize(
    ("stop", "second"),
    [
        (np.array([np.nan, 1.0]), (103.0, 103.0, 103.0, 103.0)),
        (np.array([102.0, 1.0]), (103.0, 103.0, 103.0, 103.0)),  # above the close that decided
        (np.array([100.0, 1.0]), (103.0, 103.0, 103.0, 103.0)),  # at it
    ],
)
def test_r3_risk_that_cannot_be_told_buys_nothing_and_is_counted(engine, stop, second):
    options = {"sizing": "risk", "size": 2, "lot_size": 0}

    run = DRIVERS[engine](case([REST, second], LONG, signals={"stop": price(stop)}, **options))

    assert run.fills == []
    assert {name: count for name, count in run.counters.items() if count} == {"unsized": 1}


@pytest.mark.parametrize(
    ("options", "quantity"),
    [
        # returns of +10 and -10 percent: a deviation of sqrt(0.02), of 252 days a year
        ({}, 500 / (0.02**0.5 * 252**0.5 * 99)),
        ({"multiplier": 2}, 250 / (0.02**0.5 * 252**0.5 * 99)),
        ({"size_ref": "fill"}, 500 / (0.02**0.5 * 252**0.5 * 90)),
        ({"size": 100, "lot_size": 1}, 4.0),  # 4.49
    ],
)
def test_r3_vol_target_divides_by_what_prices_fluctuate_by_a_year(engine, options, quantity):
    rows = [(p, p, p, p) for p in (100.0, 110.0, 99.0, 90.0)]
    options = {
        "sizing": "vol_target",
        "size": 50,
        "volatility_bars": 2,
        "lot_size": 0,
        "initial_cash": 1000,
    } | options

    run = DRIVERS[engine](case(rows, HOLD, LONG, LONG, **options))

    assert [f.bar for f in run.fills] == [3]
    assert run.fills[0].quantity == pytest.approx(quantity, rel=1e-14)
    assert run.counters["unsized"] == 1  # row 1 has seen one return


def test_r3_prices_that_never_move_have_no_size(engine):
    options = {"sizing": "vol_target", "size": 50, "volatility_bars": 2}

    run = DRIVERS[engine](case([REST] * 4, HOLD, HOLD, LONG, **options))

    assert run.fills == []
    assert run.counters["unsized"] == 1


@pytest.mark.parametrize(
    ("options", "levels", "quantities"),
    [
        ({"sizing": "units", "size": 7}, {}, [3.0, 7.0, 2.0]),
        ({"sizing": "lots", "size": 7, "lot_size": 2}, {}, [6.0, 14.0, 4.0]),
        ({"sizing": "percent_of_equity", "size": 7}, {}, [30.0, 70.0, 20.0]),
        ({"sizing": "value", "size": 700, "lot_size": 0}, {}, [0.03, 7.0, 0.02]),
        ({"sizing": "risk", "size": 7}, {"stop": points(10)}, [300.0, 700.0, 200.0]),
    ],
)
def test_r3_a_row_may_give_its_own_size(engine, options, levels, quantities):
    """At the price of 100 and with 100,000, prices never moving; NaN is the run's own size."""
    own = np.array([3.0, np.nan, 2.0, 50.0, 0.0, 60.0])
    intents = (LONG, SHORT, LONG, FLAT, LONG, HOLD)

    run = DRIVERS[engine](case([REST] * 6, *intents, signals={"size": own, **levels}, **options))

    entries = [abs(f.quantity) for f in run.fills if f.reason == Reason.ENTRY]
    assert entries == pytest.approx(quantities, rel=1e-14)
    assert run.counters["dropped_lot"] == 1  # the size of 0 of row 4


def test_r3_one_number_is_the_size_of_every_row(engine):
    run = DRIVERS[engine](case([REST] * 3, LONG, SHORT, signals={"size": 4.0}, size=9))

    assert [f.quantity for f in run.fills] == [4.0, -4.0, -4.0]


@pytest.mark.parametrize(("fill", "first"), [("next_open", 1), ("close", 0)])
@pytest.mark.parametrize(
    ("side", "code", "reason"),
    [
        (LONG, FLAT, Reason.EXIT_SIGNAL),
        (LONG, Code.CLOSE_LONG, Reason.EXIT_SIGNAL),
        (LONG, Code.CLOSE_SHORT, None),
        (LONG, LONG, None),
        (LONG, SHORT, Reason.REVERSE),
        (SHORT, FLAT, Reason.EXIT_SIGNAL),
        (SHORT, Code.CLOSE_SHORT, Reason.EXIT_SIGNAL),
        (SHORT, Code.CLOSE_LONG, None),
        (SHORT, SHORT, None),
        (SHORT, LONG, Reason.REVERSE),
    ],
)
def test_r2_a_position_leaves_on_what_is_said_to_its_side(  # noqa: PLR0917
    engine, fill, first, side, code, reason
):
    run = DRIVERS[engine](case([REST] * 3, side, code, fill=fill))

    left = [] if reason is None else [(first + 1, reason)]
    turned = [(first + 1, Reason.ENTRY)] if reason == Reason.REVERSE else []
    assert reasons(run) == [(first, Reason.ENTRY), *left, *turned]


def test_r2_at_the_close_a_row_with_an_entry_price_rests_from_the_next_bar_on(engine):
    rows = [REST, (100.0, 100.0, 98.0, 98.0), REST]
    signals = {"entry_price": np.array([99.0, np.nan, np.nan])}

    run = DRIVERS[engine](case(rows, LONG, fill="close", signals=signals))
    alone = DRIVERS[engine](
        case([REST], LONG, fill="close", signals={"entry_price": np.array([99.0])})
    )

    assert [(f.bar, f.price) for f in run.fills] == [(1, 99)]
    assert alone.fills == []


def test_r2_at_the_close_a_row_of_an_earlier_session_has_expired(engine):
    bars = of_minutes([REST] * 4, [2, 2])
    options = EngineOptions(sizing="units", size=1, intraday=True, fill="close", delay=1)

    run = DRIVERS[engine](Case(bars, signals_at(4, {1: LONG}), options, ZERO))

    assert run.fills == []
    assert run.counters["expired"] == 1


@pytest.mark.parametrize("rule", [{}, {"max_trades_per_day": 9}], ids=["plain", "limits"])
@pytest.mark.parametrize(("code", "expired"), [(LONG, 1), (SHORT, 1), (FLAT, 0)])
def test_r2_at_the_open_a_row_of_an_earlier_session_has_expired(engine, code, expired, rule):
    """The last row of a session would act at the first open of the next; only entries count."""
    options = EngineOptions(sizing="units", size=1, intraday=True, **rule)
    bars = of_minutes([REST] * 4, [2, 2])

    run = DRIVERS[engine](Case(bars, signals_at(4, {1: code}), options, ZERO))

    assert run.fills == []
    assert run.counters["expired"] == expired


def test_r3_at_the_close_of_its_own_row_a_size_is_of_the_cash_of_that_moment(engine):
    """5 of 1,000 at 100 are sold at 120: half of 1,100 is sold short there, not half of 1,000."""
    rows = [REST, (100.0, 120.0, 100.0, 120.0)]
    options = {"sizing": "percent_of_equity", "size": 50, "lot_size": 0, "initial_cash": 1000}

    run = DRIVERS[engine](case(rows, LONG, SHORT, fill="close", **options))

    assert [fill.quantity for fill in run.fills] == [5, -5, -550 / 120]


def test_r3_a_size_that_is_not_above_zero_is_dropped(engine):
    """50 bought with 1,000 lose 1,500 at the open of 70: there is less than nothing to size by."""
    options = {"sizing": "percent_of_equity", "size": 500, "initial_margin": 0.1, "lot_size": 0}
    fall = (70.0, 70.0, 70.0, 70.0)

    run = DRIVERS[engine](
        case([REST, REST, fall], LONG, SHORT, size_ref="fill", initial_cash=1000, **options)
    )

    assert reasons(run) == [(1, Reason.ENTRY), (2, Reason.REVERSE)]
    assert run.cash[-1] == -500
    assert run.counters["dropped_lot"] == 1
    assert run.counters["rejected"] == 0


# R4 price and fees -----------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "pnl"), [(LONG, 50), (SHORT, -50)])
def test_r4_money_is_counted_by_the_multiplier(engine, side, pnl):
    """2 units at 5 a point: 5 points are 50. Fees of 1 % and one point of slippage likewise."""
    rows = [REST, REST, (105.0, 105.0, 105.0, 105.0), REST]
    free = case(rows, side, HOLD, FLAT, size=2, multiplier=5)
    dear = free.with_costs(bps=100, slippage_points=1)

    run, paid = DRIVERS[engine](free), DRIVERS[engine](dear)

    assert run.equity == [100_000, 100_000, 100_000 + pnl, 100_000]
    assert run.cash[1] == 100_000 - side * 1000
    assert [fill.fee for fill in paid.fills] == [10 + side * 0.1, 10 - side * 0.1]
    assert [fill.slippage for fill in paid.fills] == [10, 10]
    assert paid.trades[0].pnl == pytest.approx(-20 - 20, rel=1e-14)


@pytest.mark.parametrize(
    ("opens", "costs", "bought", "sold"),
    [
        (100.0, CostModel(slippage_bps=15, half_spread_bps=10), 100 * 1.0025, 100 * 0.9975),
        (100.0, CostModel(slippage_bps=3, tick=0.05), 2001 * 0.05, 1999 * 0.05),
        (1.1, CostModel(tick=0.1), 11 * 0.1, 11 * 0.1),  # 1.1 / 0.1 is above 11 in binary
        (0.29, CostModel(tick=0.01), 29 * 0.01, 29 * 0.01),  # 0.29 / 0.01 is below 29
    ],
)
def test_r4_market_fills_pay_and_are_rounded_against_us(engine, opens, costs, bought, sold):
    rows = [(opens, opens, opens, opens)] * 3

    run = DRIVERS[engine](case(rows, LONG, FLAT, costs=costs))

    assert [fill.price for fill in run.fills] == [bought, sold]
    assert [fill.slippage for fill in run.fills] == [abs(bought - opens), abs(sold - opens)]


@pytest.mark.parametrize(
    ("costs", "fee"),
    [
        (CostModel(fixed=2), 2.0),
        (CostModel(per_unit=0.005), 0.5),
        (CostModel(bps=20), 20.0),
        (CostModel(fixed=2, per_unit=0.005, bps=20), 22.5),
        (CostModel(per_unit=0.005, minimum=1), 1.0),
        (CostModel(fixed=500, maximum_rate=0.01), 100.0),
        (CostModel(minimum=500, maximum_rate=0.01), 100.0),  # the cap beats the minimum
    ],
)
def test_r4_fees_of_an_order_of_a_hundred_at_a_hundred(engine, costs, fee):
    run = DRIVERS[engine](case([REST] * 3, LONG, FLAT, size=100, costs=costs))

    assert [fill.fee for fill in run.fills] == [fee, fee]
    assert run.cash == [100_000.0, 100_000.0 - 10_000.0 - fee, 100_000.0 - 2 * fee]
    assert [(trade.pnl, trade.fees) for trade in run.trades] == [(-2 * fee, 2 * fee)]


@pytest.mark.parametrize(("side", "fees"), [(LONG, [10, 30]), (SHORT, [30, 10])])
def test_r4_each_side_of_a_trade_pays_its_own_and_a_short_sale_as_a_sale(engine, side, fees):
    costs = CostModel(buy_charge_bps=10, sell_charge_bps=30)

    run = DRIVERS[engine](case([REST] * 3, side, FLAT, size=100, costs=costs))

    assert [fill.fee for fill in run.fills] == pytest.approx(fees, rel=1e-14)


def test_r4_what_a_sale_is_charged_a_unit_has_a_maximum(engine):
    """A hundredth a unit: 100 of them are 1, and no more than 0.75 is asked."""
    costs = CostModel(sell_charge_per_unit=0.01, sell_charge_maximum=0.75)

    run = DRIVERS[engine](case([REST] * 3, LONG, FLAT, size=100, costs=costs))

    assert [fill.fee for fill in run.fills] == [0, 0.75]


@pytest.mark.parametrize(
    ("opens", "levels", "left", "paid"),
    [
        (105.0, {"target": points(3)}, 105.0, 0.0),  # a limit, and the open is better
        (97.0, {"stop": points(2)}, 96.0, 1.0),  # a stop
    ],
)
def test_r4_a_gap_pays_as_the_order_does_that_it_fills(engine, opens, levels, left, paid):
    rows = [REST, REST, (opens,) * 4]
    costs = CostModel(slippage_points=1)

    run = DRIVERS[engine](case(rows, LONG, signals=levels, costs=costs))

    assert (run.fills[1].price, run.fills[1].slippage) == (left, paid)


def test_r4_limits_and_targets_pay_no_slippage(engine):
    rows = [REST, (100, 100, 98, 100), (100, 106, 100, 105)]
    signals = {"entry_price": np.array([99, np.nan, np.nan]), "target": points(5)}
    costs = CostModel(slippage_bps=50, tick=0.3)

    run = DRIVERS[engine](case(rows, LONG, signals=signals, costs=costs))

    assert [(fill.price, fill.slippage) for fill in run.fills] == [(99.0, 0.0), (104.0, 0.0)]


def test_r5_a_limit_met_by_the_open_is_bought_there_where_touching_is_enough(engine):
    """At the open, so that the high of the bar comes after it and the target is sure."""
    rows = [REST, (100.0, 103.0, 100.0, 101.0)]
    signals = {"entry_price": np.array([100.0, np.nan]), "target": points(2)}

    run = DRIVERS[engine](case(rows, LONG, signals=signals, fill_on_touch=True))
    less = DRIVERS[engine](case(rows, LONG, signals=signals))

    assert [(f.price, f.reason) for f in run.fills] == [(100, Reason.ENTRY), (102, Reason.TARGET)]
    assert run.counters["ambiguous_bars"] == 0
    assert less.fills == []


def test_r8_both_fills_of_a_reversal_are_at_one_price_and_each_pays(engine):
    """Two sales at 101 less 2 %, of 300 and 300, with 3 and a sale's tenth of a percent each."""
    rows = [REST, REST, (101.0, 101.0, 101.0, 101.0)]
    costs = CostModel(fixed=3, slippage_bps=200, sell_charge_bps=10)

    run = DRIVERS[engine](case(rows, LONG, SHORT, costs=costs, size=3))

    price = 101 * 0.98
    assert [(f.bar, f.quantity, f.price) for f in run.fills[1:]] == [(2, -3, price), (2, -3, price)]
    assert [f.fee for f in run.fills] == [3] + [pytest.approx(3 + 0.001 * 3 * price)] * 2
    assert run.quantity[-1] == -3


# R7 trailing -----------------------------------------------------------------------------------


def test_r6_a_bar_is_counted_as_ambiguous_once(engine):
    """Bought by limit at 99; the high may have come first, and so may the low of the new stop."""
    rows = [REST, (100.0, 102.0, 98.5, 100.5)]
    signals = {
        "entry_price": np.array([99, np.nan]),
        "target": price(101),
        "trail": points(1),
    }

    run = DRIVERS[engine](case(rows, LONG, signals=signals))

    assert run.counters["ambiguous_bars"] == 1
    assert run.quantity[-1] == 1.0


def test_r7_after_a_limit_entry_only_fill_and_close_move_the_stop(engine):
    """The high of 110 may precede the fill at 99: the stop follows the close, 101 - 2."""
    rows = [REST, (100, 110, 98.5, 101), (101, 101, 99, 100)]
    signals = {"entry_price": np.array([99, np.nan, np.nan]), "trail": points(2)}

    run = DRIVERS[engine](case(rows, LONG, signals=signals))

    assert [(f.bar, f.price, f.reason) for f in run.fills] == [
        (1, 99.0, Reason.ENTRY),
        (2, 99.0, Reason.TRAIL),
    ]


def test_r7_a_first_stop_set_by_the_trail_is_still_a_stop(engine):
    rows = [REST, (100, 100, 98, 98)]

    run = DRIVERS[engine](case(rows, LONG, signals={"trail": points(2), "stop": points(5)}))

    assert reasons(run) == [(1, Reason.ENTRY), (1, Reason.STOP)]
    assert run.trades[0].risk == 2.0


# R9 cash ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "costs", "quantity", "counter"),
    [
        ({"size": 10}, ZERO, 10, None),
        ({"size": 11}, ZERO, 10, "scaled_cash"),
        ({"size": 11, "on_insufficient": "reject"}, ZERO, None, "rejected"),
        ({"size": 10}, CostModel(fixed=1), 9, "scaled_cash"),
        ({"size": 10}, CostModel(fixed=950), None, "rejected"),
        ({"size": 99, "initial_margin": 0.1}, CostModel(per_unit=0.1), 99, None),
        ({"size": 100, "initial_margin": 0.1}, CostModel(per_unit=0.1), 99, "scaled_cash"),
        ({"size": 20, "lot_size": 4}, ZERO, 8, "scaled_cash"),
        (
            {"size": 20, "lot_size": 0},
            CostModel(fixed=10, per_unit=1, bps=100),
            990 / 102,
            "scaled_cash",
        ),
        # Tax is due on fixed fees and on those of a unit: 10 and 1 are 15 and 1.5.
        (
            {"size": 20, "lot_size": 0},
            CostModel(fixed=10, per_unit=1, commission_tax=0.5),
            985 / 101.5,
            "scaled_cash",
        ),
        # Where the minimum binds, what it leaves is spent: 950 of 1000.
        ({"size": 20, "lot_size": 0}, CostModel(bps=1, minimum=50), 9.5, "scaled_cash"),
    ],
)
def test_r9_an_entry_is_scaled_to_what_cash_covers(engine, options, costs, quantity, counter):
    run = DRIVERS[engine](case([REST] * 2, LONG, initial_cash=1000, costs=costs, **options))

    assert [fill.quantity for fill in run.fills] == ([] if quantity is None else [quantity])
    counted = {name: n for name, n in run.counters.items() if n and name != "entries"}
    assert counted == ({} if counter is None else {counter: 1})


def test_r9_what_the_fee_takes_to_the_last_cent_buys_nothing(engine):
    costs = CostModel(fixed=1000)

    run = DRIVERS[engine](case([REST] * 2, LONG, initial_cash=1000, lot_size=0, costs=costs))

    assert run.fills == []
    assert run.counters["rejected"] == 1


def test_r9_shorts_that_are_not_allowed_still_close_the_long(engine):
    run = DRIVERS[engine](case([REST] * 3, LONG, SHORT, allow_short=False))

    assert reasons(run) == [(1, Reason.ENTRY), (2, Reason.REVERSE)]
    assert run.counters["rejected"] == 1


# R12 ruin --------------------------------------------------------------------------------------


def test_r12_a_ruined_run_is_closed_and_stays_as_it_is(engine):
    """Ten units on ten percent margin: 1000 of equity are gone at 0.9 of the price."""
    rows = [REST, (100, 100, 80, 89), REST, REST]
    signals = Signals(codes=codes(LONG, LONG, LONG, LONG))
    options = EngineOptions(initial_cash=1000, sizing="units", size=100, initial_margin=0.1)

    run = DRIVERS[engine](Case(bars_of(*rows), signals, options, ZERO))

    assert reasons(run) == [(1, Reason.ENTRY), (1, Reason.RUIN)]
    assert run.equity == [1000.0, -100.0, -100.0, -100.0]
    assert run.ruined
    assert run.max_drawdown == -1.1
    assert (run.trades[0].mae, run.trades[0].mfe) == (-11 / 100, 0.0)


@pytest.mark.parametrize(("close", "ruined"), [(90.01, False), (90.0, True)])
def test_r12_nothing_left_is_ruin(engine, close, ruined):
    """A hundred units on 1,000: ten points down is exactly nothing."""
    rows = [REST, (100, 100, 80, close), REST]

    run = DRIVERS[engine](case(rows, LONG, size=100, initial_cash=1000, initial_margin=0.1))

    assert run.ruined == ruined
    assert run.equity[1] == pytest.approx(0 if ruined else 1, abs=1e-9)
    assert reasons(run)[1:] == ([(1, Reason.RUIN)] if ruined else [])


def test_r12_what_is_left_is_after_the_costs_of_the_ruin(engine):
    """-100 at the close; selling there costs a point a unit and 7."""
    rows = [REST, (100, 100, 80, 89), REST]
    costs = CostModel(fixed=7)

    run = DRIVERS[engine](
        case(rows, LONG, size=99, initial_cash=1000, initial_margin=0.1, costs=costs)
    )

    left = 1000 - 99 * 11 - 14
    assert run.ruined
    assert run.equity == [1000, left, left]
    assert run.max_drawdown == left / 1000 - 1


def test_r12_after_ruin_nothing_is_asked_for(engine):
    """Without margin anybody could buy again, and the price comes back."""
    rows = [REST, (100, 100, 80, 89), REST, REST]
    options = {"size": 100, "initial_cash": 1000, "initial_margin": 0}

    run = DRIVERS[engine](case(rows, LONG, LONG, LONG, LONG, **options))

    assert reasons(run) == [(1, Reason.ENTRY), (1, Reason.RUIN)]
    assert run.equity == [1000, -100, -100, -100]
    assert run.held == [False, True, False, False]
    assert run.counters["entries"] == 1


# R13 session -----------------------------------------------------------------------------------


def test_r13_positions_are_closed_at_square_off_or_at_the_last_close(engine):
    bars = of_minutes([REST] * 10, [5, 5])
    signals = signals_at(10, {0: LONG, 4: LONG, 5: LONG})
    options = EngineOptions(
        sizing="units", size=1, intraday=True, square_off=time(10, 15), no_entry_after=time(12)
    )

    run = DRIVERS[engine](Case(bars, signals, options, ZERO))
    to_the_end = DRIVERS[engine](
        Case(bars, signals, options.model_copy(update={"square_off": None}), ZERO)
    )

    assert reasons(run) == [
        (1, Reason.ENTRY),
        (3, Reason.SQUARE_OFF),
        (6, Reason.ENTRY),
        (8, Reason.SQUARE_OFF),
    ]
    assert run.counters["expired"] == 1  # row 4 belongs to the first session
    assert reasons(to_the_end)[1] == (4, Reason.SQUARE_OFF)


@pytest.mark.parametrize("intraday", [True, False])
def test_r13_nothing_is_opened_from_no_entry_after_on(engine, intraday):
    bars = of_minutes([REST] * 5, [5])
    options = EngineOptions(sizing="units", size=1, intraday=intraday, no_entry_after=time(10, 0))

    run = DRIVERS[engine](Case(bars, signals_at(5, {1: LONG, 2: LONG}), options, ZERO))

    assert run.fills == []
    assert run.counters["blocked"] == 2


@pytest.mark.parametrize("code", [FLAT, SHORT, HOLD])
@pytest.mark.parametrize("fill", ["next_open", "close"])
def test_r13_square_off_comes_before_what_the_row_says(engine, fill, code):
    bars = of_minutes([REST] * 4, [4])
    options = EngineOptions(
        sizing="units", size=1, fill=fill, intraday=True, square_off=time(10, 0)
    )
    row = 2 if fill == "close" else 1

    run = DRIVERS[engine](Case(bars, signals_at(4, {0: LONG, row: code}), options, ZERO))

    assert reasons(run)[1:] == [(2, Reason.SQUARE_OFF)]
    assert run.counters["blocked"] == (code == SHORT)


@pytest.mark.parametrize(("fill", "left"), [("next_open", 100), ("close", 105)])
def test_r13_square_off_is_at_the_open_or_at_the_close_of_its_bar(engine, fill, left):
    bars = of_minutes([REST, REST, (100.0, 105.0, 100.0, 105.0), (105.0,) * 4], [4])
    options = EngineOptions(
        sizing="units", size=1, fill=fill, intraday=True, square_off=time(10, 0)
    )

    run = DRIVERS[engine](Case(bars, signals_at(4, {0: LONG}), options, ZERO))

    assert [(f.bar, f.price, f.reason) for f in run.fills][1:] == [(2, left, Reason.SQUARE_OFF)]


@pytest.mark.parametrize("fill", ["next_open", "close"])
def test_r13_a_reversal_when_nothing_may_be_opened_still_closes(engine, fill):
    bars = of_minutes([REST] * 4, [4])
    options = EngineOptions(sizing="units", size=1, fill=fill, no_entry_after=time(10, 0))

    run = DRIVERS[engine](Case(bars, signals_at(4, {0: LONG, 2: SHORT}), options, ZERO))

    assert [reason for _, reason in reasons(run)] == [Reason.ENTRY, Reason.REVERSE]
    assert run.counters["blocked"] == 1


def test_r14_a_days_limit_refuses_entries_at_the_close_too(engine):
    bars = of_minutes([REST] * 4, [4])
    options = EngineOptions(sizing="units", size=1, fill="close", max_trades_per_day=1)

    run = DRIVERS[engine](Case(bars, signals_at(4, {0: LONG, 1: FLAT, 2: LONG}), options, ZERO))

    assert reasons(run) == [(0, Reason.ENTRY), (1, Reason.EXIT_SIGNAL)]
    assert run.counters["limited"] == 1


@pytest.mark.parametrize(("limit", "limited"), [(3.0, 1), (3.5, 0)])
def test_r14_points_of_a_short_are_those_it_falls(engine, limit, limited):
    """Sold at 100, bought at 97: 3 points, whatever the 10 units and the multiplier make of it."""
    bars = of_minutes([REST, REST, *[(97.0, 97.0, 97.0, 97.0)] * 3], [5])
    options = {"daily_unit": "points", "daily_action": "entries", "daily_target": limit}
    rules = EngineOptions(sizing="units", size=10, multiplier=2, **options)

    run = DRIVERS[engine](Case(bars, signals_at(5, {0: SHORT, 1: FLAT, 2: SHORT}), rules, ZERO))

    assert run.counters["limited"] == limited
    assert len(run.fills) == 3 - limited


def test_r13_no_entry_at_the_sessions_last_close(engine):
    bars = of_minutes([REST] * 4, [2, 2])
    options = EngineOptions(sizing="units", size=1, intraday=True, fill="close")

    run = DRIVERS[engine](Case(bars, signals_at(4, {1: LONG, 2: LONG}), options, ZERO))

    assert reasons(run) == [(2, Reason.ENTRY), (3, Reason.SQUARE_OFF)]
    assert run.counters["blocked"] == 1


# Everything that could close a position at one open, and which does as the others go.
LEAVING: list[tuple[Reason, dict[str, Any]]] = [
    (Reason.STOP_GAP, {}),
    (Reason.DAILY_TARGET, {"stop": None}),
    (Reason.SQUARE_OFF, {"daily_target": None}),
    (Reason.MAX_BARS, {"square_off": None}),
    (Reason.EXIT_SIGNAL, {"max_bars": 0}),
]


@pytest.mark.parametrize("gone", range(len(LEAVING)))
def test_r13_r14_the_first_of_many_reasons_to_leave_at_an_open_is_the_one(engine, gone):
    """Bought at 100 at 09:45, three points up at its close, 97 at the open of 10:00."""
    given: dict[str, Any] = {
        "stop": points(2),
        "daily_target": 3.0,
        "square_off": time(10, 0),
        "max_bars": 1,
    }
    for _, fewer in LEAVING[: gone + 1]:
        given |= fewer
    bars = of_minutes([REST, (100, 103, 100, 103), (97.0,) * 4, (97.0,) * 4], [4])
    levels = {"stop": given.pop("stop"), "max_bars": given.pop("max_bars")}
    options = EngineOptions(sizing="units", size=1, intraday=True, **given)

    run = DRIVERS[engine](Case(bars, signals_at(4, {0: LONG, 1: FLAT}, **levels), options, ZERO))

    assert [(f.bar, f.price, f.reason) for f in run.fills][1:] == [(2, 97, LEAVING[gone][0])]


# R19 end and R20 one at a time -----------------------------------------------------------------


@pytest.mark.parametrize("close_at_end", [False, True])
def test_r19_the_last_position_is_marked_or_closed(engine, close_at_end):
    rows = [REST, (100, 103, 100, 103)]
    costs = CostModel(fixed=1)

    run = DRIVERS[engine](case(rows, LONG, costs=costs, close_at_end=close_at_end))

    (trade,) = run.trades
    assert (trade.exit_bar, trade.exit_reason) == ((1, Reason.END) if close_at_end else (-1, 0))
    assert trade.exit_price == 103.0
    assert trade.pnl == (1.0 if close_at_end else 2.0)
    assert run.equity[-1] == 100_000.0 + trade.pnl


def test_r19_the_end_of_a_session_comes_before_the_end_of_the_run(engine):
    options = EngineOptions(sizing="units", size=1, intraday=True, close_at_end=True)

    run = DRIVERS[engine](
        Case(of_minutes([REST] * 3, [3]), signals_at(3, {0: LONG}), options, ZERO)
    )

    assert reasons(run) == [(1, Reason.ENTRY), (2, Reason.SQUARE_OFF)]


def test_r20_a_resting_order_closes_nothing_and_expires_before_a_position(engine):
    rows = [REST, REST, (100, 105, 99, 100)]
    signals = {"entry_price": np.array([np.nan, 104, np.nan])}

    run = DRIVERS[engine](case(rows, LONG, SHORT, signals=signals))

    assert reasons(run) == [(1, Reason.ENTRY)]
    assert run.counters["expired"] == 1


def test_r20_a_resting_order_acts_once_the_open_has_emptied_the_position(engine):
    """Gapped out at 97, bought again by the limit at 96 in the same bar."""
    rows = [REST, REST, (97, 98, 95, 97)]
    signals = {"entry_price": np.array([np.nan, 96, np.nan]), "stop": points(2)}

    run = DRIVERS[engine](case(rows, LONG, LONG, signals=signals))

    assert [(f.price, f.reason) for f in run.fills][1:3] == [
        (97.0, Reason.STOP_GAP),
        (96.0, Reason.ENTRY),
    ]


def test_r20_nothing_is_opened_at_the_close_of_a_bar_that_stopped_out(engine):
    rows = [REST, (100, 100, 97, 99), REST]
    signals = {"stop": points(2)}

    run = DRIVERS[engine](case(rows, LONG, LONG, fill="close", signals=signals))

    assert reasons(run) == [(0, Reason.ENTRY), (1, Reason.STOP)]
    assert run.counters["blocked"] == 1


@pytest.mark.parametrize("levels", [{}, {"trail": points(50)}], ids=["calm", "trailing"])
def test_r20_an_entry_on_the_side_that_is_held_is_ignored(engine, levels):
    rows = [REST, REST, REST, (105.0,) * 4]

    run = DRIVERS[engine](case(rows, LONG, LONG, LONG, signals=levels))

    assert [(fill.bar, fill.quantity) for fill in run.fills] == [(1, 1)]
    assert [trade.entry_price for trade in run.trades] == [100]
    assert run.equity[-1] == 100_005


def test_max_bars_counts_the_entry_bar(engine):
    run = DRIVERS[engine](case([REST] * 5, LONG, signals={"max_bars": 2}))

    assert reasons(run) == [(1, Reason.ENTRY), (3, Reason.MAX_BARS)]
    assert run.held == [False, True, True, True, False]


# R22 counters ----------------------------------------------------------------------------------

# A short for which everything is wrong, and what is counted as one thing after the other is mended.
MENDED: list[tuple[str, dict[str, Any]]] = [
    ("rejected", {}),
    ("blocked", {"allow_short": True}),
    ("limited", {"no_entry_after": None}),
    ("rejected", {"max_trades_per_day": None}),  # its stop lies at its fill
    ("dropped_lot", {"stop": 300.0}),
    ("", {"close": 100.0}),
]


WAYS: dict[str, dict[str, Any]] = {
    "at the open": {},
    "at the close": {"fill": "close"},
    "resting": {"entry_price": np.array([np.nan, np.nan, 100.0, np.nan]), "fill_on_touch": True},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("done", range(len(MENDED)))
def test_r22_a_refused_row_is_counted_once_and_for_the_first_reason(engine, done, way):
    """One long trade is over at 10:00; row 2 would be short from there on, a tenth of 1,000."""
    wrong: dict[str, Any] = {
        "allow_short": False,
        "no_entry_after": time(9, 55),
        "max_trades_per_day": 1,
        "stop": 100.0,
        "close": 200.0,
        **WAYS[way],
    }
    for _, mended in MENDED[: done + 1]:
        wrong |= mended
    close, stop = wrong.pop("close"), price(np.array([np.nan, np.nan, wrong.pop("stop"), np.nan]))
    entry = wrong.pop("entry_price", None)
    bars = of_minutes([REST, REST, (100, 200, 100, close), REST], [4])
    signals = Signals(codes=codes(LONG, FLAT, SHORT, HOLD), stop=stop, entry_price=entry)
    options = EngineOptions(initial_cash=1000, size=10, **wrong)

    run = DRIVERS[engine](Case(bars, signals, options, ZERO))

    counted = {name: n for name, n in run.counters.items() if n and name != "entries"}
    counter = MENDED[done][0]
    assert counted == ({counter: 1} if counter else {})
    assert len(run.fills) == (2 if counter else 3)


@pytest.mark.parametrize(
    ("rule", "counter"),
    [({"allow_short": False}, "rejected"), ({"no_entry_after": time(10)}, "blocked")],
)
def test_r22_a_refused_order_rests_no_longer_though_a_position_is_in_its_way(engine, rule, counter):
    """The sell limit of row 1 could rest for nine bars behind the long position."""
    signals = signals_at(
        5, {0: LONG, 1: SHORT}, entry_price=np.array([np.nan, 105, *[np.nan] * 3]), ttl=9
    )
    options = EngineOptions(sizing="units", size=1, **rule)

    run = DRIVERS[engine](Case(of_minutes([REST] * 5, [5]), signals, options, ZERO))

    assert reasons(run) == [(1, Reason.ENTRY)]
    assert {name: n for name, n in run.counters.items() if n} == {"entries": 1, counter: 1}


# R23 order of arithmetic -----------------------------------------------------------------------


def test_r23_arithmetic_is_done_in_the_written_order(engine):
    """Every line below is one of the page; another order would give another last bit."""
    given, buy, sell, quantity, multiplier = 146.17, 7.3, 8.7, 3.0, 0.7
    rows = [(buy,) * 4, (buy,) * 4, (sell,) * 4]
    costs = CostModel(fixed=0.7, per_unit=0.01, bps=7)

    run = DRIVERS[engine](
        case(rows, LONG, FLAT, size=3, multiplier=multiplier, initial_cash=given, costs=costs)
    )

    def fee(at):
        value = quantity * at * multiplier
        return 0.7 + 0.01 * quantity + (7 / 10000) * value

    bought = given - quantity * buy * multiplier
    bought = bought - fee(buy)
    sold = bought - -quantity * sell * multiplier
    sold = sold - fee(sell)
    pnl = (sell - buy) * quantity * multiplier - fee(buy) - fee(sell)
    assert [fill.fee for fill in run.fills] == [fee(buy), fee(sell)]
    assert run.cash == [given, bought, sold]
    assert run.equity[1] == bought + quantity * buy * multiplier
    assert [trade.pnl for trade in run.trades] == [pnl]
    assert fee(buy) != 0.7 + (0.01 * quantity + (7 / 10000) * (quantity * buy * multiplier))
    assert bought != given - fee(buy) - quantity * buy * multiplier
    assert bought != given - (quantity * buy * multiplier + fee(buy))
    assert sold != bought - fee(sell) - -quantity * sell * multiplier
    assert pnl != (sell - buy) * quantity * multiplier - (fee(buy) + fee(sell))


def test_r23_products_are_taken_from_left_to_right(engine):
    """Quantity times price first: 3 · 17.9 · 0.7 has another last bit than 3 · (17.9 · 0.7)."""
    value, given = 3.0 * 17.9 * 0.7, 146.17
    costs = CostModel(bps=7)

    run = DRIVERS[engine](
        case([(17.9,) * 4] * 2, LONG, size=3, multiplier=0.7, initial_cash=given, costs=costs)
    )

    assert [fill.fee for fill in run.fills] == [7 / 10000 * value]
    assert run.cash[-1] == given - value - 7 / 10000 * value
    assert 7 / 10000 * value != 7 / 10000 * (3.0 * (17.9 * 0.7))
    assert given - value != given - 3.0 * (17.9 * 0.7)


def test_r23_slippage_and_spread_are_added_before_they_are_divided(engine):
    costs = CostModel(slippage_bps=0.2, half_spread_bps=22.0)

    run = DRIVERS[engine](case([(100.0,) * 4] * 2, LONG, initial_cash=1e6, costs=costs))

    assert [fill.price for fill in run.fills] == [100.0 * (1 + (0.2 + 22.0) / 10000)]
    assert run.fills[0].price != 100.0 * (1 + (0.2 / 10000 + 22.0 / 10000))


# Per trade -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signals", "close", "seen"),
    [
        ({}, 101, (97, 100, 104)),  # at the open: the whole bar
        ({"entry_price": np.array([99.5, np.nan])}, 101, (97, 99.5, 101)),
        ({"entry_price": np.array([100.5, np.nan]), "entry_kind": "stop"}, 99, (99, 100.5, 104)),
    ],
    ids=["open", "limit", "stop"],
)
def test_excursions_count_what_is_certain_of_the_entry_bar(engine, signals, close, seen):
    worst, entry, best = seen
    long = case([REST, (100, 104, 97, close)], LONG, signals=signals)

    (trade,) = DRIVERS[engine](long).trades
    (short,) = DRIVERS[engine](mirrored(long)).trades

    assert trade.entry_price == entry
    assert (trade.mae, trade.mfe) == ((worst - entry) / entry, (best - entry) / entry)
    sold = 200 - entry
    assert short.entry_price == sold
    assert (short.mae, short.mfe) == ((worst - entry) / sold, (best - entry) / sold)


def test_excursions_go_over_all_bars_between(engine):
    rows = [REST, REST, (100, 103, 99, 100), (100, 104, 97, 100), (100, 102, 98, 100), REST]

    (trade,) = DRIVERS[engine](case(rows, LONG, HOLD, HOLD, HOLD, FLAT)).trades

    assert (trade.mae, trade.mfe) == (-0.03, 0.04)


def test_in_the_exit_bar_only_the_exit_price_counts(engine):
    rows = [REST, (100, 101, 99.5, 100), (100, 120, 98, 99)]

    (trade,) = DRIVERS[engine](case(rows, LONG, signals={"stop": pct(2)})).trades

    assert (trade.mae, trade.mfe) == (-0.02, 0.01)


def test_an_entry_at_the_close_counts_nothing_of_its_bar(engine):
    rows = [(100, 130, 70, 100), (100, 101, 99, 100)]

    (trade,) = DRIVERS[engine](case(rows, LONG, fill="close")).trades

    assert (trade.mae, trade.mfe) == (-0.01, 0.01)


def test_gross_exposure_is_the_mean_share_of_equity_at_work(engine):
    rows = [REST, REST, (100, 100, 50, 50), (50, 50, 50, 50)]

    run = DRIVERS[engine](case(rows, LONG, HOLD, FLAT, size=500))

    assert run.equity == [100_000.0, 100_000.0, 75_000.0, 75_000.0]
    assert run.gross_exposure == (0.5 + 25_000 / 75_000) / 4
    assert run.max_drawdown == -0.25
