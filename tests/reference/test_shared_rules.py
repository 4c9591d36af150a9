"""Rules of the general driver computed by hand, a few bars each.

Every engine that knows them is asked: add it to `SHARED_ENGINES`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, time
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from core.domain.bars import US_PER_DAY, Bars
from core.domain.costs import CostModel
from core.domain.fx import FxRates
from core.domain.market import MARKETS
from core.domain.options import EngineOptions, OptionProxy
from core.domain.signals import Code, Level, Signals, Weights, pct, points
from core.domain.simulation import Reason
from core.domain.timeframe import Timeframe
from core.engine.account import simulate_account
from core.errors import DataProblem, InvalidInput
from tests.factories import ZERO, codes, make_bars
from tests.reference.compare_shared import SHARED_ENGINES

LONG, SHORT, FLAT, HOLD, OUT = Code.LONG, Code.SHORT, Code.FLAT, Code.HOLD, Code.CLOSE_LONG
NONE = math.nan
FIRST = 18_262  # Wednesday, 2020-01-01

Row = tuple[float, float, float, float]


@pytest.fixture(params=SHARED_ENGINES)
def engine(request):
    return SHARED_ENGINES[request.param]


def at(price: float) -> Row:
    return (price, price, price, price)


def days(
    *rows: Row | float,
    on: Sequence[int] | None = None,
    volume: Sequence[float] | None = None,
    minute: Sequence[int] | None = None,
    dividend: Sequence[float] | None = None,
    split: Sequence[float] | None = None,
    funding: Sequence[float] | None = None,
    fx: FxRates | None = None,
) -> Bars:
    """Bars from rows, a number being a bar that never moves; one a day unless told otherwise."""
    whole = [row if isinstance(row, tuple) else at(row) for row in rows]
    session = FIRST + np.array(range(len(rows)) if on is None else on)
    return make_bars(
        *np.array(whole).T,
        session=session,
        volume=volume,
        minute=minute,
        dividend=dividend,
        split=split,
        funding=funding,
        fx=fx,
    )


def dollars(*rates: float) -> FxRates:
    """What a euro is worth in dollars from each midnight on, the first being that of the first day.

    So the n-th is X of the opening of day n, and X of the close of day n - 1.
    """
    known = (FIRST + np.arange(len(rates))) * US_PER_DAY
    return FxRates("EURUSD", "EUR", "USD", known, np.array(rates, dtype=np.float64))


def wants(*intents: int, **more: Any) -> Signals:
    return Signals(codes=codes(*intents), **more)


def silent(count: int) -> Signals:
    return wants(*[HOLD] * count)


def units(size: float = 1.0, **more: Any) -> EngineOptions:
    return EngineOptions(**{"account": "shared", "sizing": "units", "size": size, **more})


def weigh(*rows: Sequence[float], **more: Any) -> Weights:
    return Weights(np.array(rows, dtype=np.float64), **more)


def deals(run: Any) -> list[tuple[int, int, float, float, Reason]]:
    return [(f.bar, f.symbol, f.quantity, f.price, Reason(f.reason)) for f in run.fills]


def counted(run: Any) -> dict[str, int]:
    return {name: count for name, count in run.counters.items() if count and name != "entries"}


# Time ------------------------------------------------------------------------------------------


def test_r16_rows_are_the_union_and_an_absent_symbol_is_marked_at_its_last_close(engine):
    first = days(100, 100, 102, 103)
    second = days(50, (50, 56, 50, 55), 60, on=[0, 1, 3])

    run = engine([first, second], [silent(4), wants(LONG, HOLD, HOLD)], units(10), ZERO)

    assert list(run.ts) == first.ts.tolist()
    assert deals(run) == [(1, 1, 10, 50, Reason.ENTRY)]
    # 100,000 and 10 (C - 50): 55, 55 while absent, 60
    assert list(run.equity) == [100_000, 100_050, 100_050, 100_100]
    assert [list(row) for row in run.quantity] == [[0, 0], [0, 10], [0, 10], [0, 10]]
    assert list(run.held) == [False, True, True, True]


def test_r2_delay_and_max_bars_count_a_symbols_own_bars(engine):
    long_lived = days(*[100] * 9)
    gappy = days(50, 51, 52, 53, 54, on=[0, 2, 4, 6, 8])

    run = engine(
        [long_lived, gappy],
        [silent(9), wants(LONG, HOLD, HOLD, HOLD, HOLD, max_bars=2)],
        units(delay=1),
        ZERO,
    )

    # Own row 0 acts at own bar 2 (row 4), and leaves at own bar 4 (row 8).
    assert deals(run) == [(4, 1, 1, 52, Reason.ENTRY), (8, 1, -1, 54, Reason.MAX_BARS)]


@pytest.mark.parametrize(("last", "delisted"), [(8, True), (7, False)])
def test_r16_a_symbol_that_ends_more_than_five_days_before_the_rest_is_sold_there(
    engine, last, delisted
):
    ended = days(50, 50, (50, 52, 50, 51))
    other = days(100, 100, 100, 100, on=[0, 1, 2, last])

    run = engine([ended, other], [wants(LONG, HOLD, HOLD), silent(4)], units(), ZERO)

    sold = [(2, 0, -1, 51, Reason.DELIST)] if delisted else []
    assert deals(run) == [(1, 0, 1, 50, Reason.ENTRY), *sold]
    assert run.trades[0].exit_bar == (2 if delisted else -1)
    assert run.equity[-1] == 100_001


def test_r19_close_at_end_is_at_each_symbols_own_last_bar(engine):
    ended, other = days(50, 50, 51), days(100, 100, 100, 104)

    run = engine(
        [ended, other],
        [wants(LONG, HOLD, HOLD), wants(LONG, HOLD, HOLD, HOLD)],
        units(close_at_end=True),
        ZERO,
    )

    assert deals(run)[2:] == [(2, 0, -1, 51, Reason.END), (3, 1, -1, 104, Reason.END)]


def test_r19_a_delisted_symbol_is_gone_before_the_end_of_the_run_asks(engine):
    ended = days(50, 50, 51)
    other = days(100, 100, 100, 100, on=[0, 1, 2, 9])

    run = engine(
        [ended, other], [wants(LONG, HOLD, HOLD), silent(4)], units(close_at_end=True), ZERO
    )

    assert deals(run)[1:] == [(2, 0, -1, 51, Reason.DELIST)]


def test_r13_the_end_of_a_session_comes_before_delisting(engine):
    ended = days(50, 50, 51, on=[0] * 3, minute=QUARTERS[:3])
    other = days(100, 100, on=[0, 9])

    run = engine([ended, other], [wants(LONG, HOLD, HOLD), silent(2)], units(intraday=True), ZERO)

    assert [(f.price, Reason(f.reason)) for f in run.fills][1:] == [(51, Reason.SQUARE_OFF)]


# Sums ------------------------------------------------------------------------------------------


def test_r23_equity_is_cash_and_then_the_symbols_in_their_order(engine):
    """Another order of these sums would have another last bit."""
    bought, marks = (8.54, 5.36, 9.88), (7.05, 12.65, 19.98)

    run = engine(
        [days(a, a, (a, max(a, b), min(a, b), b)) for a, b in zip(bought, marks, strict=True)],
        [wants(LONG, HOLD, HOLD)] * 3,
        units(initial_cash=86.3),
        ZERO,
    )

    cash = 86.3 - 8.54 - 5.36 - 9.88
    assert run.cash[-1] == cash
    assert run.equity[-1] == cash + 7.05 + 12.65 + 19.98
    assert run.equity[-1] != cash + 19.98 + 12.65 + 7.05
    assert run.equity[-1] != cash + (7.05 + 12.65 + 19.98)


@pytest.mark.parametrize(
    ("priority", "margin", "bought"),
    [
        (None, 1.0, [(0, 6), (1, 4)]),  # 600 of 1,000, then 4 lots for 400
        ((2.0, 1.0), 1.0, [(1, 6), (0, 4)]),  # lower numbers come first
        ((1.0, 1.0), 1.0, [(0, 6), (1, 4)]),  # equal ones in symbol order
        (None, 0.5, [(0, 6), (1, 6)]),  # 1,000 - 300 leaves more than 300
    ],
)
def test_r9_entries_share_the_free_cash_by_priority(engine, priority, margin, bought):
    def wish(n):
        return wants(LONG, HOLD, priority=np.full(2, priority[n]) if priority else None)

    run = engine(
        [days(100, 100), days(100, 100)],
        [wish(0), wish(1)],
        units(6, initial_cash=1_000, initial_margin=margin),
        ZERO,
    )

    assert [(symbol, quantity) for _, symbol, quantity, _, _ in deals(run)] == bought
    assert run.counters["scaled_cash"] == (margin == 1.0)


def test_r9_priority_decides_in_the_only_row_there_is(engine):
    """At the close of its own row: the second takes all."""
    one = [days(100), days(100)]
    wishes = [wants(LONG, priority=np.array([rank])) for rank in (2.0, 1.0)]

    run = engine(one, wishes, units(10, initial_cash=1_000, fill="close"), ZERO)

    assert [(f.symbol, f.quantity) for f in run.fills] == [(1, 10)]


def test_r9_what_is_bought_at_the_open_comes_before_what_is_met_later(engine):
    """The first rests at 99 and is met; the second has taken the cash at the open."""
    resting = wants(LONG, HOLD, entry_price=np.array([99.0, NONE]))

    run = engine(
        [days(100, (100, 100, 98, 98)), days(100, 100)],
        [resting, wants(LONG, HOLD)],
        units(10, initial_cash=1_000),
        ZERO,
    )

    assert deals(run) == [(1, 1, 10, 100, Reason.ENTRY)]
    assert counted(run) == {"rejected": 1}


def test_r9_what_a_short_sale_brings_is_not_free(engine):
    """E = 1,600 - 600 = 1,000 and 600 of it is tied up by the short."""
    run = engine(
        [days(100, 100), days(100, 100)],
        [wants(SHORT, HOLD), wants(LONG, HOLD)],
        units(6, initial_cash=1_000),
        ZERO,
    )

    assert [(f.symbol, f.quantity) for f in run.fills] == [(0, -6), (1, 4)]


def test_r9_what_is_held_ties_up_its_margin_alone(engine):
    """6 at 100 on half of margin take 300 each: 1,000 are enough for three."""
    run = engine(
        [days(100, 100)] * 3,
        [wants(LONG, HOLD)] * 3,
        units(6, initial_cash=1_000, initial_margin=0.5),
        ZERO,
    )

    assert [f.quantity for f in run.fills] == [6, 6, 6]
    assert counted(run) == {}


def test_r9_free_cash_is_taken_at_the_opens_of_the_moment(engine):
    """Held: 6 at 150 now. E = 400 + 900 = 1,300, less 900 of margin: 400, for 4 at 100."""
    run = engine(
        [days(100, 100, (150, 150, 90, 90)), days(100, 100, 100)],
        [wants(LONG, HOLD, HOLD), wants(HOLD, LONG, HOLD)],
        units(6, initial_cash=1_000),
        ZERO,
    )

    assert deals(run)[1] == (2, 1, 4, 100, Reason.ENTRY)


def test_an_exit_pays_for_an_entry_at_the_same_open_whatever_their_order(engine):
    run = engine(
        [days(100, 100, 110), days(100, 100, 110)],
        [wants(HOLD, LONG, HOLD), wants(LONG, FLAT, HOLD)],
        units(10, initial_cash=1_100),
        ZERO,
    )

    assert deals(run) == [
        (1, 1, 10, 100, Reason.ENTRY),
        (2, 1, -10, 110, Reason.EXIT_SIGNAL),
        (2, 0, 10, 110, Reason.ENTRY),
    ]


@pytest.mark.parametrize(("ref", "quantity"), [("decision", 5), ("fill", 6)])
def test_r3_a_share_of_equity_is_of_the_whole_account(engine, ref, quantity):
    """With 5 held: decided at E = 500 + 5 · 100, filled at 500 + 5 · 150, half of it is 6.25."""
    options = EngineOptions(
        account="shared", size=50, size_ref=ref, initial_cash=1_000, initial_margin=0.1
    )
    both = [days(100, 100, (150, 150, 90, 90)), days(100, 100, 100)]

    run = engine(both, [wants(LONG, HOLD, HOLD), wants(HOLD, LONG, HOLD)], options, ZERO)

    assert deals(run) == [(1, 0, 5, 100, Reason.ENTRY), (2, 1, quantity, 100, Reason.ENTRY)]


def test_r12_ruin_closes_everything_and_stops(engine):
    """Short 10 at 100 with 500: at 160 E = 1,500 - 1,600 + (B) 0 < 0."""
    run = engine(
        [days(100, 100, 160, 100), days(50, 50, 50, 50)],
        [wants(SHORT, HOLD, HOLD, LONG), wants(LONG, HOLD, HOLD, LONG)],
        EngineOptions(
            account="shared", sizing="units", size=10, initial_cash=500, initial_margin=0.1
        ),
        ZERO,
    )

    assert deals(run)[2:] == [
        (2, 0, 10, 160, Reason.RUIN),
        (2, 1, -10, 50, Reason.RUIN),
    ]
    assert run.ruined
    assert list(run.equity) == [500, 500, -100, -100]
    assert run.max_drawdown == -100 / 500 - 1


def test_gross_exposure_is_the_mean_over_rows_of_the_whole_account(engine):
    run = engine(
        [days(100, 100, 100), days(50, 50, 50)],
        [wants(LONG, HOLD, HOLD), wants(SHORT, HOLD, HOLD)],
        units(2, initial_cash=1_000),
        ZERO,
    )

    # 0, then (200 + 100) / 1,000 twice
    assert run.gross_exposure == pytest.approx((0 + 0.3 + 0.3) / 3, rel=1e-15)


# R10 volume ------------------------------------------------------------------------------------


def test_r10_an_entry_takes_what_volume_leaves(engine):
    """A tenth of 105 is 10.5, in lots of one 10."""
    run = engine(
        [days(100, 100, volume=[1, 105])],
        [wants(LONG, HOLD)],
        units(25, max_participation=0.1),
        ZERO,
    )

    assert deals(run) == [(1, 0, 10, 100, Reason.ENTRY)]
    assert counted(run) == {"volume_capped": 1}


def test_r10_without_volume_nothing_is_bought(engine):
    run = engine(
        [days(100, 100, volume=[1, 9])], [wants(LONG, HOLD)], units(25, max_participation=0.1), ZERO
    )

    assert deals(run) == []
    assert counted(run) == {"volume_capped": 1}


def test_r10_the_rest_of_a_stop_is_sold_at_the_next_opens(engine):
    """30 held; a stop at 98 sells 10 of volume 100, then 15 at 96, then 5 at 97."""
    bars = days(
        100,
        100,
        (100, 100, 97, 99),
        (99, 99, 99, 99),
        (99.5, 99.5, 99.5, 99.5),
        volume=[1, 300, 100, 150, 1_000],
    )
    signals = wants(LONG, HOLD, HOLD, HOLD, HOLD, stop=points(2))

    run = engine([bars], [signals], units(30, max_participation=0.1), CostModel(per_trade=4))

    assert [f.fee for f in run.fills] == [0, 0, 0, 4]  # by the fill that ends the round trip
    assert deals(run) == [
        (1, 0, 30, 100, Reason.ENTRY),
        (2, 0, -10, 98, Reason.STOP),
        (3, 0, -15, 99, Reason.STOP),
        (4, 0, -5, 99.5, Reason.STOP),
    ]
    (trade,) = run.trades
    # (-2) 10 + (-1) 15 + (-0.5) 5 - 4 = -41.5; average exit (980 + 1,485 + 497.5) / 30
    assert trade.pnl == -41.5
    assert trade.exit_price == pytest.approx(2_962.5 / 30, rel=1e-15)
    assert (trade.quantity, trade.exit_bar, trade.exit_reason) == (30, 4, Reason.STOP)


def test_r10_a_weight_on_the_other_side_opens_when_the_rest_is_gone(engine):
    """30 held, 10 a bar may go at row 2 and 100 at row 3."""
    bars = days(*[100] * 4, volume=[1, 300, 100, 1_000])
    options = EngineOptions(initial_cash=10_000, max_participation=0.1)

    run = engine([bars], weigh([0.3], [-0.3], [NONE], [NONE]), options, ZERO)

    assert [(f.bar, f.quantity, Reason(f.reason)) for f in run.fills][1:] == [
        (2, -10, Reason.REVERSE),
        (3, -20, Reason.REVERSE),
        (3, -30, Reason.ENTRY),
    ]
    assert counted(run) == {}  # exits cut short are not counted


def test_r10_what_is_left_over_goes_first_and_under_the_reason_that_left_it(engine):
    """30 held, 10 a bar: the stop of 10:00 goes on at 10:15, when square-off asks for the rest."""
    bars = days(
        100,
        100,
        (100, 100, 97, 99),
        99,
        99,
        on=[0] * 5,
        minute=[570, 585, 600, 615, 630],
        volume=[1, 300, 100, 100, 100],
    )
    signals = wants(LONG, HOLD, HOLD, HOLD, HOLD, stop=points(2))

    run = engine(
        [bars],
        [signals],
        units(30, max_participation=0.1, intraday=True, square_off=time(10, 15)),
        ZERO,
    )

    assert [(f.bar, f.quantity, Reason(f.reason)) for f in run.fills][1:] == [
        (2, -10, Reason.STOP),
        (3, -10, Reason.STOP),
        (4, -10, Reason.SQUARE_OFF),
    ]


def test_r10_nothing_is_added_while_a_rest_has_to_go(engine):
    """A stop sells 10 of 30 in each of three bars; row 2 would add, and is not asked."""
    bars = days(100, 100, (100, 100, 97, 99), 99, 99, volume=[1, 300, 100, 100, 100])
    signals = wants(LONG, HOLD, LONG, HOLD, HOLD, stop=points(2))

    run = engine([bars], [signals], units(30, max_participation=0.1, pyramid=1), ZERO)

    assert [(f.bar, f.quantity, Reason(f.reason)) for f in run.fills][1:] == [
        (2, -10, Reason.STOP),
        (3, -10, Reason.STOP),
        (4, -10, Reason.STOP),
    ]
    assert counted(run) == {}


def test_r10_weights_wait_until_a_rest_is_gone(engine):
    """10 % of 9,960 at 99 are 10.06: asked for when 10 are left of the stop, which go first."""
    bars = days(100, 100, (100, 100, 97, 99), 99, 99, volume=[1, 300, 100, 100, 1_000])
    options = EngineOptions(initial_cash=10_000, max_participation=0.1)

    run = engine([bars], weigh([0.3], [NONE], [0.1], [NONE], [NONE], stop=points(2)), options, ZERO)

    assert [(f.bar, f.quantity, Reason(f.reason)) for f in run.fills][1:] == [
        (2, -10, Reason.STOP),
        (3, -10, Reason.STOP),
        (4, -10, Reason.STOP),
        (4, 10, Reason.ENTRY),
    ]


def test_r10_a_trade_bears_the_costs_of_all_its_parts(engine):
    """A point of slippage and 1 an order: 30 bought, 10 and 20 sold."""
    bars = days(100, 100, 101, 102, volume=[1, 300, 100, 300])

    run = engine(
        [bars],
        [wants(LONG, FLAT, FLAT, HOLD)],
        units(30, max_participation=0.1),
        CostModel(fixed=1, slippage_points=1),
    )

    (trade,) = run.trades
    assert [(f.quantity, f.price) for f in run.fills] == [(30, 101), (-10, 100), (-20, 101)]
    assert (trade.slippage, trade.fees, trade.pnl) == (30 + 10 + 20, 3, -10 - 3)


def test_r10_the_rest_of_a_signal_exit_stays_until_asked_again(engine):
    bars = days(100, 100, 101, 102, 103, volume=[1, 300, 100, 300, 300])

    run = engine(
        [bars],
        [wants(LONG, FLAT, HOLD, FLAT, HOLD)],
        units(30, max_participation=0.1),
        ZERO,
    )

    assert deals(run)[1:] == [
        (2, 0, -10, 101, Reason.EXIT_SIGNAL),
        (4, 0, -20, 103, Reason.EXIT_SIGNAL),
    ]


def test_r10_a_reversal_that_could_not_close_does_not_open(engine):
    bars = days(100, 100, 101, 102, volume=[1, 300, 100, 300])

    run = engine([bars], [wants(LONG, SHORT, HOLD, HOLD)], units(30, max_participation=0.1), ZERO)

    assert deals(run)[1:] == [(2, 0, -10, 101, Reason.REVERSE)]
    assert list(run.quantity)[-1] == [20]


def test_r10_all_fills_of_a_bar_share_its_volume(engine):
    """A reversal closes 30 and has 20 of 50 left to open."""
    bars = days(100, 100, 101, volume=[1, 300, 500])

    run = engine([bars], [wants(LONG, SHORT, HOLD)], units(30, max_participation=0.1), ZERO)

    assert deals(run)[1:] == [(2, 0, -30, 101, Reason.REVERSE), (2, 0, -20, 101, Reason.ENTRY)]


def test_r10_the_end_of_a_run_knows_no_cap(engine):
    bars = days(100, 100, 101, volume=[1, 300, 0])

    run = engine(
        [bars],
        [wants(LONG, HOLD, HOLD)],
        units(30, max_participation=0.1, close_at_end=True),
        ZERO,
    )

    assert deals(run)[1:] == [(2, 0, -30, 101, Reason.END)]


# R11, R12 --------------------------------------------------------------------------------------


def test_r11_a_short_pays_borrow_for_the_calendar_days_of_a_roll(engine):
    """10 short, close 100, 36 % of 360: one day costs 1, a weekend of 3 days 3."""
    bars = days(100, 100, (104, 104, 100, 100), 100, on=[1, 2, 5, 6])

    run = engine([bars], [wants(SHORT, HOLD, HOLD, HOLD)], units(10, borrow_rate=0.36), ZERO)

    assert run.borrow == pytest.approx(3 + 1, rel=1e-15)
    assert run.cash[-1] == pytest.approx(101_000 - 4, rel=1e-15)
    assert run.trades[0].pnl == 0  # borrow is no part of a trade


def test_r11_borrow_is_due_before_the_open_can_take_the_position_away(engine):
    """10 short, close 100, a gap over the stop at the open of the next day."""
    signals = wants(SHORT, HOLD, HOLD, stop=points(2))

    run = engine([days(100, 100, 105)], [signals], units(10, borrow_rate=0.36), ZERO)

    assert deals(run)[1:] == [(2, 0, 10, 105, Reason.STOP_GAP)]
    assert run.borrow == pytest.approx(1, rel=1e-15)


def named(symbol: str, bars: Bars) -> Bars:
    return replace(bars, symbol=symbol)


# Slippage by the range of bars (R4) ---------------------------------------------------------------

# True ranges from the second bar on: 4, 6 (up from 102 to 108), 3 and 8 (a gap down from 106).
MOVING = ((100, 101, 99, 100), (100, 103, 99, 102), (103, 108, 103, 106), (106, 107, 104, 106))


def moving(*more: Row) -> Bars:
    return days(*MOVING, *more)


def test_r4_slippage_is_a_multiple_of_the_range_known_before_the_bar(engine):
    bars = moving((100, 102, 98, 100), (100, 130, 70, 100), (100, 100, 100, 100))
    costs = CostModel(slippage_atr=0.1, slippage_bars=2)
    orders = wants(HOLD, HOLD, LONG, FLAT, SHORT, FLAT, HOLD)

    run = engine([bars], [orders], units(), costs)

    # Averages of two: (4 + 6) / 2 = 5; (5 + 3) / 2 = 4; (4 + 8) / 2 = 6; (6 + 60) / 2 = 33
    assert [fill.price for fill in run.fills] == pytest.approx(
        [106 + 0.5, 100 - 0.4, 100 - 0.6, 100 + 3.3], rel=1e-15
    )
    assert [fill.slippage for fill in run.fills] == pytest.approx([0.5, 0.4, 0.6, 3.3], rel=1e-13)


def test_r4_no_slippage_by_range_before_as_many_bars_are_over(engine):
    costs = CostModel(slippage_atr=0.1, slippage_volatility=1.0, slippage_bars=3)

    run = engine([moving()], [wants(HOLD, LONG, FLAT, HOLD)], units(), costs)

    assert [fill.price for fill in run.fills] == [103, 106]


def test_r4_slippage_is_a_multiple_of_the_volatility_known_before_the_bar(engine):
    bars = days(100, 110, 99, 99)
    costs = CostModel(slippage_volatility=0.5, slippage_bars=2)

    run = engine([bars], [wants(HOLD, HOLD, LONG, HOLD)], units(), costs)

    # +10 % and -10 %: a deviation of 10 %, of the close of 99, half of it
    assert run.fills[0].price == pytest.approx(99 + 4.95, rel=1e-12)


def test_r4_both_join_the_other_slippage_before_ticks_and_limits_pay_none(engine):
    bars = moving((100, 103, 97, 100), (100, 103, 97, 100))
    costs = CostModel(
        slippage_atr=0.1, slippage_bars=2, slippage_bps=10, slippage_points=0.25, tick=0.25
    )

    run = engine(
        [bars], [wants(HOLD, HOLD, HOLD, LONG, HOLD, HOLD, target=points(1))], units(), costs
    )

    # 100.1 + 0.25 + 0.4 = 100.75 as it is; out at the target, which is a limit
    assert [fill.price for fill in run.fills] == [100.75, 101.75]


def test_r4_what_a_close_fills_at_does_not_know_the_range_of_its_own_bar(engine):
    calm, wild = (100, 102, 98, 100), (100, 190, 10, 100)
    costs = CostModel(slippage_atr=0.1, slippage_bars=2)
    for last in (calm, wild):
        run = engine(
            [moving(last)], [wants(HOLD, HOLD, HOLD, HOLD, LONG)], units(fill="close"), costs
        )

        assert run.fills[0].price == pytest.approx(100.4, rel=1e-15)


def test_r4_a_stop_of_a_wild_bar_slips_by_the_range_of_those_before_it(engine):
    bars = moving((100, 101, 99, 100), (100, 150, 50, 90))
    costs = CostModel(slippage_atr=0.1, slippage_bars=2)
    orders = wants(HOLD, HOLD, HOLD, LONG, HOLD, HOLD, stop=points(10))

    run = engine([bars], [orders], units(), costs)

    # (4 + 7) / 2 = 5.5 is known at the last bar: 106 to 99 is 7
    assert [fill.price for fill in run.fills] == pytest.approx([100.4, 90.4 - 0.55], rel=1e-15)


def test_r4_r15_ranges_of_before_a_split_count_on_the_terms_after_it(engine):
    # The same market, quoted in halves from the last bar on.
    bars = days(*MOVING, (50, 50, 50, 50), split=[1, 1, 1, 1, 2])
    costs = CostModel(slippage_atr=0.1, slippage_bars=2)

    run = engine([bars], [wants(HOLD, HOLD, HOLD, LONG, HOLD)], units(**RAW), costs)

    assert run.fills[0].price == pytest.approx(50 + 0.2, rel=1e-15)


def test_r4_r15_a_split_is_no_movement_of_the_price(engine):
    # Quoted at twice as much in the first two bars.
    before = [tuple(2.0 * price for price in row) for row in MOVING[:2]]
    bars = days(*before, *MOVING[2:], (100, 100, 100, 100), split=[1, 1, 2, 1, 1])
    costs = CostModel(slippage_atr=0.1, slippage_bars=2)

    run = engine([bars], [wants(HOLD, HOLD, HOLD, LONG, HOLD)], units(**RAW), costs)

    assert run.fills[0].price == pytest.approx(100 + 0.4, rel=1e-15)


def test_r9_an_entry_takes_no_more_than_cash_with_its_slippage_by_range(engine):
    bars = moving((100, 100, 100, 100))
    costs = CostModel(slippage_atr=0.25, slippage_bars=2)

    for wanted in ([wants(HOLD, HOLD, HOLD, LONG, HOLD)], weigh(*[[NONE]] * 3, [1.0], [NONE])):
        run = engine(
            [bars], wanted, units(100, sizing="percent_of_equity", initial_cash=1_000), costs
        )

        # 1,000 / 106 is 9 by the close before; 9 at 101 are 909
        assert run.fills[0].quantity == 9
        run = engine([bars], wanted, units(120, initial_cash=1_000, size_ref="fill"), costs)
        assert run.fills[0].quantity == 9  # and not 10 at 100
        assert run.cash[-1] == 1_000 - 9 * 101


def test_r11_a_symbol_with_a_rate_of_its_own_pays_that_one(engine):
    bars = [named(name, days(100, 100, 100, on=[0, 1, 3])) for name in ("GME", "KO", "IBM")]
    options = units(10, borrow_rate=0.018, borrow_rates={"GME": 0.36, "IBM": 0.0})

    run = engine(bars, [wants(SHORT, HOLD, HOLD)] * 3, options, ZERO)

    # 1000 for two days: at 36 % and 1.8 % of 360 days, and at nothing
    assert [of[0] for of in run.of_symbols] == pytest.approx([2.0, 0.1, 0.0], rel=1e-15)
    assert run.borrow == pytest.approx(2.1, rel=1e-15)


def test_r11_borrow_of_one_symbol_only_is_paid_where_all_others_borrow_for_nothing(engine):
    bars = [named(name, days(100, 100, 100)) for name in ("KO", "GME")]

    run = engine(bars, [wants(SHORT, HOLD, HOLD)] * 2, units(10, borrow_rates={"GME": 0.36}), ZERO)

    assert [of[0] for of in run.of_symbols] == pytest.approx([0.0, 1.0], rel=1e-15)


@pytest.mark.parametrize(
    ("allowed", "said", "sold"), [(True, {"GME": False}, [1]), (False, {"KO": True}, [1])]
)
@pytest.mark.parametrize("how", ["market", "resting", "weights"])
def test_r9_what_is_said_of_a_symbols_shorts_goes_before_what_is_said_of_all(
    engine, allowed, said, sold, how
):
    bars = [named(name, days(100, (100, 101, 99, 100), 100)) for name in ("GME", "KO")]
    wanted = [wants(SHORT, HOLD, HOLD)] * 2
    if how == "resting":
        price = np.array([100.5, NONE, NONE])
        wanted = [wants(SHORT, HOLD, HOLD, entry_price=price)] * 2
    elif how == "weights":
        wanted = weigh([-0.1, -0.1], [NONE, NONE], [NONE, NONE])

    run = engine(bars, wanted, units(allow_short=allowed, shortable=said), ZERO)

    assert [fill.symbol for fill in run.fills] == sold
    assert counted(run) == {"rejected": 1}


def test_r11_cash_earns_for_the_calendar_days_between_sessions(engine):
    # Friday, Monday, Tuesday: 3 days and 1; 36 % of 360 days are 0.1 % a day.
    bars = days(100, 100, 100, on=[2, 5, 6])

    run = engine([bars], [silent(3)], units(initial_cash=1_000, cash_rate=0.36), ZERO)

    assert run.interest == pytest.approx(3 + 1.003, rel=1e-15)
    assert list(run.equity) == pytest.approx([1_000, 1_003, 1_004.003], rel=1e-15)


def test_r11_borrowed_cash_pays_the_margin_rate_and_what_is_invested_earns_nothing(engine):
    bars = days(100, 100, 100, 100)
    for size, due in ((20, -1.0), (10, 0.0), (5, 0.25)):
        options = units(
            size, initial_cash=1_000, initial_margin=0.5, cash_rate=0.18, margin_rate=0.36
        )

        run = engine([bars], [wants(LONG, HOLD, HOLD, HOLD)], options, ZERO)

        # the first roll, before the purchase, earns half a unit; two more follow, the second on
        # what the one before left
        owned = 1_000.5 - 100 * size
        rate = 0.0005 if owned > 0 else 0.001
        expected = 0.5 + owned * rate + owned * (1 + rate) * rate
        assert run.interest == pytest.approx(expected, rel=1e-12)
        assert (run.interest - 0.5) / 2 == pytest.approx(due, abs=0.01)
        assert run.cash[-1] == pytest.approx(owned * (1 + rate) ** 2, rel=1e-12)
        assert run.trades[0].pnl == 0  # interest is no part of a trade


@pytest.mark.parametrize(("close", "owned"), [(100, 1_000), (150, 500), (195, 50)])
def test_r11_the_proceeds_of_a_short_earn_nothing_and_its_loss_is_gone(engine, close, owned):
    bars = days(100, (100, max(close, 100), 100, close), close)
    options = units(10, initial_cash=1_000, cash_rate=0.36)

    run = engine([bars], [wants(SHORT, HOLD, HOLD)], options, ZERO)

    # a day on 1,000 before it; then cash is 2,001, of which its value at the close is not owned
    assert run.interest == pytest.approx(1 + (owned + 1) * 0.001, rel=1e-12)


def test_r11_the_proceeds_of_a_short_pay_for_no_long_position(engine):
    bars = [days(100, 100, 100), days(100, 100, 100)]
    options = units(
        initial_cash=1_000, sizing="percent_of_equity", initial_margin=0.25, margin_rate=0.36
    )

    run = engine(bars, weigh([1.5, -1.0], [NONE, NONE], [NONE, NONE]), options, ZERO)

    # 1,500 bought and 1,000 sold: cash is 500, of which 1,000 are the proceeds
    assert run.cash[1] == 500
    assert run.interest == pytest.approx(-0.5, rel=1e-12)


def test_r11_interest_is_reckoned_before_anything_else_happens_at_the_open(engine):
    # A dividend of that day is not in it yet, and a split has not changed what is short.
    bars = days(100, 100, 50, dividend=[0, 0, 5], split=[1, 1, 2])
    options = units(2, initial_cash=1_000, cash_rate=0.36, **RAW)

    run = engine([bars], [wants(SHORT, HOLD, HOLD)], options, ZERO)

    assert run.interest == pytest.approx(1 + (1_201 - 200) * 0.001, rel=1e-12)
    assert run.dividends == -20


def test_r11_one_account_bears_interest_once_a_session_and_not_inside_it(engine):
    early = days(50, 50, 50, 50, on=[0, 0, 1, 1], minute=[570, 600, 570, 600])
    late = days(80, 80, 80, on=[0, 1, 3])

    run = engine(
        [early, late], [silent(4), silent(3)], units(initial_cash=1_000, cash_rate=0.36), ZERO
    )

    # one day, then two
    assert run.interest == pytest.approx(1 + 1.001 * 2, rel=1e-12)


def test_r11_a_short_in_another_currency_counts_at_the_rate_of_the_opening(engine):
    bars = days(100, 100, 100, fx=dollars(2, 2, 4, 8))
    options = units(1, initial_cash=1_000, cash_rate=0.36)

    run = engine([bars], [wants(SHORT, HOLD, HOLD)], options, ZERO)

    # sold for 200; on the third day the short is worth 400 of the cash of 1,201
    assert run.interest == pytest.approx(1 + (1_201 - 400) * 0.001, rel=1e-12)


def test_r11_options_by_delta_know_no_interest():
    for name in ("cash_rate", "margin_rate"):
        with pytest.raises(ValidationError, match="say nothing where options are traded"):
            EngineOptions.model_validate({name: 0.1, "option": {}})


def test_r11_a_long_position_borrows_nothing(engine):
    run = engine([days(100, 100, 100)], [wants(LONG, HOLD, HOLD)], units(borrow_rate=1.0), ZERO)

    assert run.borrow == 0


def test_r12_a_margin_call_cuts_every_position_by_one_factor(engine):
    """20 of each at 100, half of it down, which is all of 2,000."""
    first, second = days(100, 100, 80, 70, 71), days(100, 100, 70, 60, 61)
    still = [wants(LONG, HOLD, HOLD, HOLD, HOLD)]
    sizes = units(20, initial_cash=2_000, initial_margin=0.5, maintenance_margin=0.5)

    run = engine([first, second], still * 2, sizes, ZERO)

    # Row 2: E = 2,000 - 400 - 600 = 1,000 < 0.5 · 3,000;
    # k = 1,000 / 1,500: 13.3 and 13.3 stay at the opens of row 3 (70 and 60).
    # Row 3: E = 1,000 - 20 · 10 - 20 · 10 = 600 < 0.5 · (13 · 70 + 13 · 60) = 845;
    # k = 600 / 845 = 0.71: 9.23 stay.
    # Row 4: both open a point higher, E = 600 + 13 + 13 = 626; 0.5 · 9 · 132 = 594: no call.
    assert deals(run)[2:] == [
        (3, 0, -7, 70, Reason.MARGIN),
        (3, 1, -7, 60, Reason.MARGIN),
        (4, 0, -4, 71, Reason.MARGIN),
        (4, 1, -4, 61, Reason.MARGIN),
    ]
    assert counted(run) == {"margin_calls": 2}
    assert list(run.equity) == [2_000, 2_000, 1_000, 600, 626]


def test_r12_a_call_is_below_maintenance_and_not_at_it(engine):
    """10 at 100 with 600, half down: at 80 E = 400 = 0.5 · 800, at 79 E = 390 < 395."""
    run = engine(
        [days(100, 100, 80, 79, 79)],
        [wants(LONG, HOLD, HOLD, HOLD, HOLD)],
        units(10, initial_cash=600, initial_margin=0.5, maintenance_margin=0.5),
        ZERO,
    )

    # k = 390 / 395, so 9 stay, which need no more than 355.5
    assert deals(run)[1:] == [(4, 0, -1, 79, Reason.MARGIN)]
    assert counted(run) == {"margin_calls": 1}


def test_r12_maintenance_below_the_initial_margin_decides_when_and_not_how_much(engine):
    """10 at 100 with 500: at 70 E = 200 < 0.3 · 700 = 210; k = 200 / (0.5 · 700) = 0.57."""
    run = engine(
        [days(100, 100, 70, 70)],
        [wants(LONG, HOLD, HOLD, HOLD)],
        units(10, initial_cash=500, initial_margin=0.5, maintenance_margin=0.3),
        ZERO,
    )

    assert deals(run)[1:] == [(3, 0, -5, 70, Reason.MARGIN)]


def test_r12_below_the_initial_margin_and_above_maintenance_nothing_is_called(engine):
    """10 at 100 with 500: at 90 E = 400 < 0.5 · 900, and not below 0.3 · 900."""
    run = engine(
        [days(100, 100, 90, 90)],
        [wants(LONG, HOLD, HOLD, HOLD)],
        units(10, initial_cash=500, initial_margin=0.5, maintenance_margin=0.3),
        ZERO,
    )

    assert len(run.fills) == 1
    assert counted(run) == {}


def test_r12_what_a_cut_leaves_obeys_the_signal_of_the_same_open(engine):
    """As above: 5 of 10 stay after the cut, and row 2 wants them gone."""
    run = engine(
        [days(100, 100, 70, 70)],
        [wants(LONG, HOLD, FLAT, HOLD)],
        units(10, initial_cash=500, initial_margin=0.5, maintenance_margin=0.3),
        ZERO,
    )

    assert deals(run)[1:] == [
        (3, 0, -5, 70, Reason.MARGIN),
        (3, 0, -5, 70, Reason.EXIT_SIGNAL),
    ]


def test_r12_a_margin_cut_knows_no_volume_cap(engine):
    run = engine(
        [days(100, 100, 70, 70, volume=[1, 100, 100, 0])],
        [wants(LONG, HOLD, HOLD, HOLD)],
        units(
            10,
            initial_cash=500,
            initial_margin=0.5,
            maintenance_margin=0.3,
            max_participation=0.1,
        ),
        ZERO,
    )

    assert deals(run)[1:] == [(3, 0, -5, 70, Reason.MARGIN)]


# R14 over the account --------------------------------------------------------------------------


QUARTERS = [570, 585, 600, 615]


def test_r14_a_day_limit_is_the_accounts_and_closes_all_symbols(engine):
    """Row 1: 10 (103 - 100) + 10 (52 - 50) = 50 of 50."""
    first = days(100, (100, 103, 100, 103), 102, 101, on=[0] * 4, minute=QUARTERS)
    second = days(50, (50, 52, 50, 52), 51, 50, on=[0] * 4, minute=QUARTERS)

    run = engine(
        [first, second],
        [wants(LONG, HOLD, HOLD, HOLD), wants(LONG, HOLD, LONG, HOLD)],
        units(10, daily_target=50),
        ZERO,
    )

    assert deals(run)[2:] == [
        (2, 0, -10, 102, Reason.DAILY_TARGET),
        (2, 1, -10, 51, Reason.DAILY_TARGET),
    ]
    assert counted(run) == {"limited": 1}


def test_r14_an_absent_symbol_leaves_at_its_next_open_of_the_same_session(engine):
    first = days(100, (100, 100, 94, 94), 94, 93, on=[0, 0, 0, 1], minute=[570, 585, 600, 570])
    second = days(50, 50, 49, on=[0, 0, 1], minute=[570, 585, 570])

    run = engine(
        [first, second],
        [wants(LONG, HOLD, HOLD, HOLD), wants(LONG, HOLD, HOLD)],
        units(daily_loss=6, daily_unit="points"),
        ZERO,
    )

    # -6 points at row 1; the second symbol has no further bar in that session and stays.
    assert deals(run)[2:] == [(2, 0, -1, 94, Reason.DAILY_LOSS)]


def test_r14_trades_of_a_day_are_counted_over_all_symbols(engine):
    both = [days(100, 100, 100, on=[0] * 3, minute=QUARTERS[:3]) for _ in range(2)]

    run = engine(both, [wants(LONG, HOLD, HOLD)] * 2, units(max_trades_per_day=1), ZERO)

    assert [(f.bar, f.symbol) for f in run.fills] == [(1, 0)]
    assert counted(run) == {"limited": 1}


def two_clocks(*rows: tuple[int, int | None, int | None]) -> list[Bars]:
    """Two markets that disagree about the date: minute since midnight, session of each, or None."""
    midnight = (FIRST * 24 * 60) * 60_000_000
    return [
        make_bars(
            [100.0] * sum(row[n] is not None for row in rows),
            session=[FIRST + row[n] for row in rows if row[n] is not None],
            minute=[row[0] % 1440 for row in rows if row[n] is not None],
            ts=[midnight + row[0] * 60_000_000 for row in rows if row[n] is not None],
        )
        for n in (1, 2)
    ]


def test_r14_a_day_that_is_over_does_not_begin_again_where_markets_disagree(engine):
    # The second market's day begins at 22:00, the first's at midnight; they take turns.
    bars = two_clocks(
        (1260, 0, None), (1320, None, 1), (1321, 0, None), (1350, None, 1),
        (1380, 0, None), (1395, None, 1), (1410, 0, None),
    )  # fmt: skip

    run = engine(
        bars, [wants(LONG, FLAT, LONG, HOLD), silent(3)], units(max_trades_per_day=1), ZERO
    )

    assert [(f.bar, f.symbol, f.quantity) for f in run.fills] == [(2, 0, 1), (4, 0, -1)]
    assert counted(run) == {"limited": 1}


def test_r4_fees_are_those_of_the_day_the_account_has_reached(engine):
    bars = two_clocks((1260, 0, None), (1320, None, 1), (1321, 0, None), (1350, None, 1))
    costs = CostModel(name="dated", fixed=1.0, changes=({"since": date(2020, 1, 2), "fixed": 3.0},))

    run = engine(bars, [wants(LONG, HOLD), silent(2)], units(), costs)

    assert [(f.bar, f.fee) for f in run.fills] == [(2, 3.0)]


def test_r14_a_cooldown_is_its_symbols_own(engine):
    """Both lose at row 2; the second only cools down."""
    lossy = days(100, 100, 99, 99, 99, 99)
    fine = days(100, 100, 101, 101, 101, 101)
    again = wants(LONG, FLAT, LONG, HOLD, LONG, HOLD)

    run = engine([fine, lossy], [again, again], units(cooldown_bars=1), ZERO)

    # The exit is at bar 2, so bar 3 is refused and bar 5 is not.
    assert [(f.bar, f.symbol) for f in run.fills][4:] == [(3, 0), (5, 1)]
    assert counted(run) == {"limited": 1}


def test_r14_a_cooldown_counts_the_bars_of_its_symbol(engine):
    """Sold at a loss at own bar 2 (row 4): own bar 3 is refused and own bar 4 (row 8) is not."""
    other = days(*[100] * 9)
    gappy = days(100, 100, 99, 99, 99, on=[0, 2, 4, 6, 8])

    run = engine(
        [other, gappy],
        [silent(9), wants(LONG, FLAT, LONG, LONG, HOLD)],
        units(cooldown_bars=1),
        ZERO,
    )

    assert [f.bar for f in run.fills] == [2, 4, 8]
    assert counted(run) == {"limited": 1}


# R18 options -----------------------------------------------------------------------------------

# sqrt(3.65 / 365) = 0.1, so a premium at 100 is 0.4 · 100 · 0.2 · 0.1 = 0.8
PROXY = OptionProxy(delta=0.5, gamma=0.1, theta=0.05, volatility=0.2, days_to_expiry=3.65)


def test_r18_a_call_moves_by_its_delta_and_pays_fees_on_its_premium(engine):
    """2 units at 10 a point. One percent of 2 · 0.8 · 10, later of 2 · (0.8 + 0.5 · 2) · 10."""
    bars = days(100, 100, 102)
    flat = PROXY.model_copy(update={"gamma": 0.0, "theta": 0.0})

    run = engine(
        [bars],
        [wants(LONG, FLAT, HOLD)],
        units(2, multiplier=10, option=flat),
        CostModel(bps=100),
    )

    assert [f.fee for f in run.fills] == pytest.approx([0.16, 0.36], rel=1e-14)
    assert run.trades[0].pnl == pytest.approx(2 * 2 * 5 - 0.16 - 0.36, rel=1e-14)
    assert run.equity[-1] == pytest.approx(100_019.48, rel=1e-14)


def test_r18_a_put_gains_when_prices_fall_and_never_costs_less_than_the_floor(engine):
    """Short from 100: at 104 the premium would be 0.8 - 2, and is 0.05."""
    bars = days(100, 100, 104)
    flat = PROXY.model_copy(update={"gamma": 0.0, "theta": 0.0})

    run = engine(
        [bars],
        [wants(SHORT, FLAT, HOLD)],
        units(2, multiplier=10, option=flat),
        CostModel(bps=100),
    )

    assert [f.fee for f in run.fills] == pytest.approx([0.16, 0.01], rel=1e-14)
    assert run.trades[0].pnl == pytest.approx(-2 * 4 * 5 - 0.17, rel=1e-14)


def test_r18_curvature_and_time_are_accrued_at_every_mark(engine):
    """Bought at 100, closes 101 (no day), 103 (three days), then sold at the open.

    2 · 10 · (½ · 0.1 · 1 - 0) = 1, then 2 · 10 · (½ · 0.1 · 4 - 0.05 · 3) = 1.
    """
    bars = days(100, (100, 101, 100, 101), (101, 103, 101, 103), 103, on=[0, 1, 4, 5])

    run = engine(
        [bars], [wants(LONG, HOLD, FLAT, HOLD)], units(2, multiplier=10, option=PROXY), ZERO
    )

    # P&L by delta: 5 a point and unit, 2 · 3 · 5 = 30
    assert list(run.equity) == pytest.approx([100_000, 100_011, 100_032, 100_032], rel=1e-14)
    assert run.trades[0].pnl == pytest.approx(30, rel=1e-14)


def test_r18_premium_is_what_cash_must_cover(engine):
    """One costs 0.8 · 10 = 8 and 20 buy two of three."""
    run = engine(
        [days(100, 100)],
        [wants(LONG, HOLD)],
        units(3, multiplier=10, option=PROXY, initial_cash=20),
        ZERO,
    )

    assert [f.quantity for f in run.fills] == [2]
    assert counted(run) == {"scaled_cash": 1}


def test_r18_a_put_pays_for_time_as_a_call_does(engine):
    """As the call above, with prices that fall: by delta it gains 2 · 3 · 5."""
    bars = days(100, (100, 100, 99, 99), (99, 99, 97, 97), 97, on=[0, 1, 4, 5])

    run = engine(
        [bars], [wants(SHORT, HOLD, FLAT, HOLD)], units(2, multiplier=10, option=PROXY), ZERO
    )

    assert list(run.equity) == pytest.approx([100_000, 100_011, 100_032, 100_032], rel=1e-14)


def test_r18_time_runs_from_mark_to_mark(engine):
    """2 · 10 · 0.05 a day: nothing on the day of the opening, then one day, then two."""
    timely = PROXY.model_copy(update={"gamma": 0.0})

    run = engine(
        [days(100, 100, 100, 100, on=[0, 1, 2, 4])],
        [wants(LONG, HOLD, HOLD, HOLD)],
        units(2, multiplier=10, option=timely),
        ZERO,
    )

    assert list(run.equity) == pytest.approx([100_000, 100_000, 99_999, 99_997], rel=1e-14)


def test_r18_premium_is_paid_in_full_whatever_the_margin(engine):
    run = engine(
        [days(100, 100)],
        [wants(LONG, HOLD)],
        units(3, multiplier=10, option=PROXY, initial_cash=20, initial_margin=0.1),
        ZERO,
    )

    assert [f.quantity for f in run.fills] == [2]


def test_r18_premium_of_what_is_held_is_not_free(engine):
    """Two of the first take 16 of 20; one of the second would take 8."""
    run = engine(
        [days(100, 100)] * 2,
        [wants(LONG, HOLD)] * 2,
        units(2, multiplier=10, option=PROXY, initial_cash=20),
        ZERO,
    )

    assert [(f.symbol, f.quantity) for f in run.fills] == [(0, 2)]
    assert counted(run) == {"rejected": 1}


# R21 pyramiding --------------------------------------------------------------------------------


def test_r21_an_add_anchors_levels_to_the_average(engine):
    """1 at 100 and 1 at 104: 102, ten percent below it 91.8. Risk 10, then 104 - 91.8."""
    bars = days(100, 100, 104, 106, (100, 100, 91, 95))
    signals = wants(LONG, LONG, LONG, HOLD, HOLD, stop=pct(10))

    run = engine([bars], [signals], units(pyramid=1), CostModel(fixed=1, per_trade=5))

    stop = pytest.approx(91.8, rel=1e-15)
    assert [(f.bar, f.quantity, f.price) for f in run.fills] == [
        (1, 1, 100),
        (2, 1, 104),
        (4, -2, stop),
    ]
    assert [f.fee for f in run.fills] == [1, 1, 6]
    (trade,) = run.trades
    assert (trade.quantity, trade.entry_price, trade.entry_bar) == (2, 102, 1)
    assert trade.risk == pytest.approx(22.2, rel=1e-14)
    assert trade.pnl == pytest.approx(-20.4 - 8, rel=1e-14)
    assert trade.mae == pytest.approx(-0.1, rel=1e-14)
    assert trade.mfe == pytest.approx(4 / 102, rel=1e-14)
    assert run.counters["entries"] == 1


def test_r21_an_add_whose_stop_lies_beyond_its_fill_is_void(engine):
    """1 at 100, then at 90 with a stop of 1 point: 95 - 1 = 94 is above 90."""
    bars = days(100, 100, 90, 90)
    stops = np.array([20.0, 1.0, NONE, NONE])

    run = engine(
        [bars],
        [wants(LONG, LONG, HOLD, HOLD, stop=Level(stops, "points"))],
        units(pyramid=3),
        ZERO,
    )

    assert len(run.fills) == 1
    assert counted(run) == {"rejected": 1}


def test_r21_a_trailing_stop_never_loosens_and_max_bars_runs_from_the_first_entry(engine):
    """Best 120: stop 108. The add at 118 averages 109, 10 % below would be 98.1."""
    bars = days(100, 100, (110, 120, 110, 118), (118, 118, 107, 110), 110)
    signals = wants(LONG, HOLD, LONG, HOLD, HOLD, trail=pct(10), max_bars=3)

    run = engine([bars], [signals], units(pyramid=1), ZERO)

    assert [(f.bar, f.price, Reason(f.reason)) for f in run.fills] == [
        (1, 100, Reason.ENTRY),
        (3, 118, Reason.ENTRY),
        (3, 108, Reason.TRAIL),
    ]


def test_r21_the_average_goes_by_what_was_bought(engine):
    """1 at 100 and 3 at 104 are 4 at 103, with a stop at 101."""
    bars = days(100, 100, 104, (104, 104, 101, 103))
    signals = wants(LONG, LONG, HOLD, HOLD, stop=points(2), size=np.array([1.0, 3.0, NONE, NONE]))

    run = engine([bars], [signals], units(pyramid=1), ZERO)

    assert deals(run)[2:] == [(3, 0, -4, 101, Reason.STOP)]
    assert run.trades[0].entry_price == 103


def test_r21_max_bars_counts_from_the_first_entry(engine):
    run = engine(
        [days(*[100] * 5)],
        [wants(LONG, LONG, HOLD, HOLD, HOLD, max_bars=2)],
        units(pyramid=1),
        ZERO,
    )

    assert [(f.bar, f.quantity) for f in run.fills] == [(1, 1), (2, 1), (3, -2)]


def test_r21_an_add_leaves_a_trailing_stop_its_best_price(engine):
    """120, whatever the add at 118 paid: with its row's trail of 5 the stop is at 115."""
    bars = days(100, 100, (110, 120, 110, 118), (118, 118.5, 116, 117), (117, 117, 115, 116))
    trail = Level(np.array([10.0, NONE, 5.0, NONE, NONE]), "points")

    run = engine([bars], [wants(LONG, HOLD, LONG, HOLD, HOLD, trail=trail)], units(pyramid=1), ZERO)

    assert deals(run)[2:] == [(4, 0, -2, 115, Reason.TRAIL)]


@pytest.mark.parametrize(("most", "filled", "limited"), [(1, [1, 3], 2), (2, [1, 2, 3, 4], 0)])
def test_r21_an_add_is_no_trade_of_the_day_but_obeys_its_limit(engine, most, filled, limited):
    bars = days(*[100] * 6, on=[0] * 6, minute=[570 + 15 * n for n in range(6)])

    run = engine(
        [bars],
        [wants(LONG, LONG, FLAT, LONG, HOLD, HOLD)],
        units(pyramid=1, max_trades_per_day=most),
        ZERO,
    )

    assert [f.bar for f in run.fills] == filled
    assert run.counters["limited"] == limited
    assert run.counters["entries"] == most


def test_r21_a_stop_that_the_row_of_an_add_does_not_give_is_gone(engine):
    bars = days(100, 100, 100, (100, 100, 90, 99))
    stop = Level(np.array([5.0, NONE, NONE, NONE]), "points")

    run = engine([bars], [wants(LONG, LONG, HOLD, HOLD, stop=stop)], units(pyramid=1), ZERO)

    assert [(f.bar, f.quantity) for f in run.fills] == [(1, 1), (2, 1)]


def test_r21_the_levels_of_an_add_are_judged_after_its_size(engine):
    """A stop at 200 is on the wrong side, and half a unit is no lot, which comes first."""
    stop = Level(np.array([NONE, 200.0, NONE]), "price")
    signals = wants(LONG, LONG, HOLD, stop=stop, size=np.array([1.0, 0.5, NONE]))

    run = engine([days(100, 100, 100)], [signals], units(pyramid=1), ZERO)

    assert len(run.fills) == 1
    assert counted(run) == {"dropped_lot": 1}


# Weights ---------------------------------------------------------------------------------------


def test_r3_weights_are_shares_of_the_equity_of_their_row(engine):
    """Row 0: half of 1,000 at 100 and 30 % at 50, filled at the next opens."""
    run = engine(
        [days(100, 110), days(50, 40)],
        weigh([0.5, 0.3], [NONE, NONE]),
        EngineOptions(initial_cash=1_000),
        ZERO,
    )

    assert deals(run) == [(1, 0, 5, 110, Reason.ENTRY), (1, 1, 6, 40, Reason.ENTRY)]


def test_r3_weights_reckon_with_the_multiplier(engine):
    """Half of 1,000 at 100 and 2 a point: 2.5 units, in lots of one 2."""
    run = engine(
        [days(100, 110)],
        weigh([0.5], [NONE]),
        EngineOptions(initial_cash=1_000, multiplier=2),
        ZERO,
    )

    assert [f.quantity for f in run.fills] == [2]


@pytest.mark.parametrize(("ref", "quantity"), [("decision", 5), ("fill", 6)])
def test_r3_weights_are_sized_at_the_decision_or_at_the_fill(engine, ref, quantity):
    """Half of 1,000: 500 at the close of 100, or at the open of 80."""
    run = engine(
        [days(100, (80, 100, 80, 100))],
        weigh([0.5], [NONE]),
        EngineOptions(initial_cash=1_000, size_ref=ref),
        ZERO,
    )

    assert deals(run) == [(1, 0, quantity, 80, Reason.ENTRY)]


def test_r2_weights_wait_for_delay(engine):
    """Half of the 1,000 of row 0 at its close of 100, filled two opens later."""
    run = engine(
        [days(100, 110, 120)],
        weigh([0.5], [NONE], [NONE]),
        EngineOptions(initial_cash=1_000, delay=1),
        ZERO,
    )

    assert deals(run) == [(2, 0, 5, 120, Reason.ENTRY)]


def test_reductions_come_before_increases(engine):
    """Row 1: E 1,000. 20 % of it at 100 is 2, 80 % at 50 is 16, paid for by what was sold."""
    run = engine(
        [days(100, 100, 100), days(50, 50, 50)],
        weigh([0.2, 0.8], [0.8, 0.2], [NONE, NONE]),
        EngineOptions(initial_cash=1_000),
        ZERO,
    )

    assert deals(run)[2:] == [
        (2, 1, -12, 50, Reason.REBALANCE),
        (2, 0, 6, 100, Reason.ENTRY),
    ]


def test_r8_zero_sells_all_and_the_other_side_closes_first(engine):
    run = engine(
        [days(100, 100, 100), days(50, 50, 50)],
        weigh([0.5, 0.5], [0.0, -0.5], [NONE, NONE]),
        EngineOptions(initial_cash=1_000),
        ZERO,
    )

    assert deals(run)[2:] == [
        (2, 0, -5, 100, Reason.EXIT_SIGNAL),
        (2, 1, -10, 50, Reason.REVERSE),
        (2, 1, -10, 50, Reason.ENTRY),
    ]


def test_r9_increases_share_the_cash_by_one_factor(engine):
    """8 at 100 and 16 at 50 want 1,600 of 1,000: times 0.625 that is 5 and 10."""
    run = engine(
        [days(100, 100), days(50, 50)],
        weigh([0.8, 0.8], [NONE, NONE]),
        EngineOptions(initial_cash=1_000),
        ZERO,
    )

    assert [f.quantity for f in run.fills] == [5, 10]
    assert counted(run) == {"scaled_cash": 2}


def test_r9_fractions_are_shrunk_until_fees_fit_too(engine):
    """8 and 8 at 100 with one percent: 1,616 of 1,000, so 8 · 1,000 / 1,616 each."""
    run = engine(
        [days(100, 100), days(100, 100)],
        weigh([0.8, 0.8], [NONE, NONE]),
        EngineOptions(initial_cash=1_000, lot_size=0),
        CostModel(bps=100),
    )

    assert [f.quantity for f in run.fills] == pytest.approx([8_000 / 1_616] * 2, rel=1e-12)
    assert run.cash[-1] == pytest.approx(0, abs=1e-9)


def test_r9_the_factor_is_repeated_until_the_sum_fits(engine):
    """With 10 an order, 1,600 f + 20 = 1,000 at f = 0.6125."""
    run = engine(
        [days(100, 100), days(100, 100)],
        weigh([0.8, 0.8], [NONE, NONE]),
        EngineOptions(initial_cash=1_000, lot_size=0),
        CostModel(fixed=10),
    )

    assert [f.quantity for f in run.fills] == pytest.approx([4.9, 4.9], rel=1e-11)


@pytest.mark.parametrize(
    ("counter", "rule", "levels"),
    [
        ("blocked", {"no_entry_after": time(9, 45)}, {}),
        ("limited", {"max_trades_per_day": 1}, {}),
        ("rejected", {}, {"stop": Level(np.array([[NONE, 100.0], [NONE] * 2]), "price")}),
    ],
)
def test_r22_an_increase_that_is_refused_buys_nothing(engine, counter, rule, levels):
    """The second is refused for itself, or because the first has had the day's one trade."""
    both = [days(100, 100, on=[0, 0], minute=QUARTERS[:2]) for _ in range(2)]
    first = NONE if counter == "blocked" else 0.3

    run = engine(
        both,
        weigh([first, 0.5], [NONE, NONE], **levels),
        EngineOptions(initial_cash=1_000, **rule),
        ZERO,
    )

    bought = [] if counter == "blocked" else [(1, 0, 3, 100, Reason.ENTRY)]
    assert deals(run) == bought
    assert counted(run) == {counter: 1}


def test_r3_of_less_than_nothing_every_weight_is_nothing(engine):
    """50 bought with 1,000 lose 1,500 at the open of 70: five times that is no position."""
    run = engine(
        [days(100, 100, 70)],
        weigh([5.0], [5.0], [NONE]),
        EngineOptions(initial_cash=1_000, initial_margin=0.1, lot_size=0, size_ref="fill"),
        ZERO,
    )

    assert deals(run) == [(1, 0, 50, 100, Reason.ENTRY), (2, 0, -50, 70, Reason.EXIT_SIGNAL)]


def test_r3_an_increase_sized_at_the_fill_is_computed_after_all_reductions(engine):
    """5 and 5 at 100. Selling the second costs half of it: 0.6 of 750 is 4.5, less than is held."""
    run = engine(
        [days(100, 100, 100), days(100, 100, 100)],
        weigh([0.5, 0.5], [0.6, 0.0], [NONE, NONE]),
        EngineOptions(initial_cash=1_000, size_ref="fill", lot_size=0),
        CostModel(sell_charge_bps=5_000),
    )

    assert deals(run)[2:] == [(2, 1, -5, 100, Reason.EXIT_SIGNAL)]
    assert list(run.quantity[-1]) == [5, 0]
    assert counted(run) == {}


def test_r9_reject_refuses_all_increases(engine):
    run = engine(
        [days(100, 100), days(50, 50)],
        weigh([0.8, 0.8], [NONE, NONE]),
        EngineOptions(initial_cash=1_000, on_insufficient="reject"),
        ZERO,
    )

    assert deals(run) == []
    assert counted(run) == {"rejected": 2}


def test_r9_who_gets_no_lot_is_rejected(engine):
    """Three are held. One at 100 and 80 at 10 want 900 of 700: 0.78 and 62.2 lots."""
    run = engine(
        [days(100, 100, 100), days(10, 10, 10), days(100, 100, 100)],
        weigh([NONE, NONE, 0.3], [0.1, 0.8, NONE], [NONE, NONE, NONE]),
        EngineOptions(initial_cash=1_000),
        ZERO,
    )

    assert [(f.symbol, f.quantity) for f in run.fills] == [(2, 3), (1, 62)]
    assert counted(run) == {"scaled_cash": 1, "rejected": 1}


def test_a_band_has_its_edge_inside(engine):
    """50 of 10 are half of 1,000, and a quarter more is no more than a quarter."""
    options = EngineOptions(initial_cash=1_000, rebalance_band=0.25)

    run = engine([days(10, 10, 10)], weigh([0.5], [0.75], [NONE]), options, ZERO)

    assert [(f.bar, f.quantity) for f in run.fills] == [(1, 50)]


def test_a_band_leaves_small_differences_alone(engine):
    """50 of 10 are half of 1,000: 0.55 is near, 0.7 is not, and zero is never near."""
    bars = days(*[10] * 6)
    options = EngineOptions(initial_cash=1_000, rebalance_band=0.1)

    run = engine([bars], weigh([0.5], [0.55], [0.7], [0.05], [0.0], [NONE]), options, ZERO)

    assert [(f.bar, f.quantity) for f in run.fills] == [(1, 50), (3, 20), (4, -65), (5, -5)]


def test_r10_what_volume_cut_short_is_asked_for_again_with_the_old_numbers(engine):
    """50 wanted of row 0's 100; 10 trade in a bar, whatever the prices do meanwhile."""
    bars = days(100, 100, 120, 80, 90, volume=[100] * 5)
    options = EngineOptions(initial_cash=10_000, max_participation=0.2)

    run = engine([bars], weigh([0.5], [NONE], [NONE], [NONE], [NONE]), options, ZERO)

    assert [(f.bar, f.quantity, f.price) for f in run.fills] == [
        (1, 20, 100),
        (2, 20, 120),
        (3, 10, 80),
    ]
    assert counted(run) == {"volume_capped": 2}
    (trade,) = run.trades
    # (20 · 100 + 20 · 120 + 10 · 80) / 50
    assert (trade.quantity, trade.entry_price) == (50, 104)


def test_an_absent_symbol_acts_at_its_next_bar(engine):
    gappy, other = days(100, 110, on=[0, 3]), days(50, 50, 50, 50)

    run = engine(
        [gappy, other],
        weigh([0.5, NONE], [NONE, NONE], [NONE, NONE], [NONE, NONE]),
        EngineOptions(initial_cash=1_000),
        ZERO,
    )

    assert deals(run) == [(3, 0, 5, 110, Reason.ENTRY)]


def test_at_the_close_weights_of_the_row_itself_act(engine):
    run = engine(
        [days((100, 110, 100, 110), 100), days(50, 50)],
        weigh([0.6, 0.2], [NONE, NONE]),
        EngineOptions(initial_cash=1_000, fill="close"),
        ZERO,
    )

    # 600 / 110 = 5.45 and 200 / 50 = 4
    assert deals(run) == [(0, 0, 5, 110, Reason.ENTRY), (0, 1, 4, 50, Reason.ENTRY)]


def test_after_a_stop_a_symbol_stays_flat_until_a_newer_weight(engine):
    """Capped at 20 a bar it would ask again for the rest; the stop of row 2 ends that."""
    bars = days(100, 100, (100, 100, 97, 99), 99, 99, volume=[200, 200, 200, 1_000, 1_000])
    options = EngineOptions(initial_cash=10_000, max_participation=0.1)

    run = engine([bars], weigh([0.5], [NONE], [NONE], [0.1], [NONE], stop=points(2)), options, ZERO)

    # No volume was left for the stop itself. 10 % of 9,960 at 99 is 10.06.
    assert [(f.bar, f.quantity, Reason(f.reason)) for f in run.fills] == [
        (1, 20, Reason.ENTRY),
        (2, 20, Reason.ENTRY),
        (3, -40, Reason.STOP),
        (4, 10, Reason.ENTRY),
    ]


def test_r3_weights_below_one_lot_and_below_zero_are_counted(engine):
    run = engine(
        [days(100, 100), days(100, 100)],
        weigh([0.05, -0.5], [NONE, NONE]),
        EngineOptions(initial_cash=1_000, allow_short=False),
        ZERO,
    )

    assert deals(run) == []
    assert counted(run) == {"dropped_lot": 1, "rejected": 1}


def test_r2_intraday_weights_expire_with_their_session(engine):
    bars = days(100, 100, 100, on=[0, 0, 1], minute=[570, 585, 570])

    run = engine(
        [bars], weigh([NONE], [0.5], [NONE]), EngineOptions(intraday=True, initial_cash=1_000), ZERO
    )

    assert deals(run) == []
    assert counted(run) == {"expired": 1}


@pytest.mark.parametrize(
    ("rows", "fills"),
    [
        # The first market is still in the session of the decision, whatever the second says.
        ([(1320, 0, 1), (1350, 0, 1)], [(1, 0)]),
        # The first has begun another session; that the second had done so before is not its own.
        ([(1320, 0, 1), (1470, 1, 1)], []),
        # Absent at the decision: the session the account has reached is the one that counts.
        ([(540, 0, 0), (1980, None, 1), (1995, 1, 1)], [(2, 0)]),
        ([(540, 0, 0), (545, None, 0), (1995, 1, 1)], []),
    ],
)
def test_r2_intraday_weights_expire_with_their_symbols_own_session(engine, rows, fills):
    bars = two_clocks(*rows)
    asked = [[NONE, NONE]] * (len(rows) - 2) + [[0.5, NONE], [NONE, NONE]]

    run = engine(bars, weigh(*asked), EngineOptions(intraday=True, initial_cash=1_000), ZERO)

    assert [(f.bar, f.symbol) for f in run.fills if f.quantity > 0] == fills
    assert counted(run) == ({} if fills else {"expired": 1})


# Price impact ----------------------------------------------------------------------------------


def test_r4_volume_share_is_squared_and_capped(engine):
    """10 of 1,000 is 1 %: 100 · 30 · 0.0001 = 0.3. 10 of 100 counts as 2.5 %: 1.875."""
    bars = days(100, 100, 100, volume=[1, 1_000, 100])

    run = engine([bars], [wants(LONG, FLAT, HOLD)], units(10), CostModel(volume_share=30))

    assert [f.price for f in run.fills] == pytest.approx([100.3, 98.125], rel=1e-14)
    assert [f.slippage for f in run.fills] == pytest.approx([3, 18.75], rel=1e-12)


def test_r4_impact_needs_twenty_sessions_before_and_grows_with_the_root(engine):
    """Closes 100 and 110 in turn: nineteen returns, ten of 0.1 and nine of -1/11."""
    closes = [100.0, 110.0] * 11
    bars = days(*closes, volume=[400.0] * 22)
    intents = [HOLD] * 22
    intents[18], intents[19], intents[20] = LONG, FLAT, LONG

    run = engine([bars], [wants(*intents)], units(4), CostModel(impact=0.5))

    up, down = 0.1, -1 / 11
    mean = (10 * up + 9 * down) / 19
    sigma = math.sqrt((10 * (up - mean) ** 2 + 9 * (down - mean) ** 2) / 19)
    at_20 = 100 - 100 * 0.5 * sigma / 20 * 2
    assert run.fills[0].price == 110  # bar 19 has nineteen sessions before it
    assert run.fills[1].price == pytest.approx(at_20, rel=1e-12)
    assert run.fills[2].price > 110


def test_r4_impact_does_not_know_the_volume_of_its_own_session(engine):
    """As above: 400 a session in the twenty before, whatever trades in the last one."""
    prices = []
    for volume in (400.0, 90_000.0):
        bars = days(*[100.0, 110.0] * 10, 100.0, volume=[400.0] * 20 + [volume])
        run = engine([bars], [wants(*[HOLD] * 19, LONG, HOLD)], units(4), CostModel(impact=0.5))
        prices.append(run.fills[0].price)

    up, down = 0.1, -1 / 11
    mean = (10 * up + 9 * down) / 19
    sigma = math.sqrt((10 * (up - mean) ** 2 + 9 * (down - mean) ** 2) / 19)
    assert prices == pytest.approx([100 + 100 * 0.5 * sigma / 20 * 2] * 2, rel=1e-12)


def test_r9_impact_is_not_part_of_the_cash_check(engine):
    bars = days(100, 100, volume=[1, 100])

    run = engine(
        [bars], [wants(LONG, HOLD)], units(10, initial_cash=1_000), CostModel(volume_share=30)
    )

    assert [f.quantity for f in run.fills] == [10]
    assert run.cash[-1] == pytest.approx(-18.75, rel=1e-12)


def test_r4_a_limit_fill_has_no_impact(engine):
    bars = days(100, (100, 100, 98, 99), volume=[1, 100])
    signals = wants(LONG, HOLD, entry_price=np.array([99.0, NONE]))

    run = engine([bars], [signals], units(10), CostModel(volume_share=30))

    assert [f.price for f in run.fills] == [99]


# Path ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "price", "reason"),
    [
        ((100, 105, 97, 103), 98, Reason.STOP),  # the low is nearer
        ((100, 105, 95, 103), 98, Reason.STOP),  # as near
        ((100, 104.5, 95, 96), 104, Reason.TARGET),  # the high is nearer
        ((100, 104, 95, 96), 98, Reason.STOP),  # touched is not through
    ],
)
def test_r6_along_the_path_the_level_met_first_decides(engine, row, price, reason):
    run = engine(
        [days(100, 100, row)],
        [wants(LONG, HOLD, HOLD, stop=points(2), target=points(4))],
        units(intrabar="path"),
        ZERO,
    )

    assert deals(run)[1:] == [(2, 0, -1, price, reason)]
    assert counted(run) == {}


@pytest.mark.parametrize(
    ("row", "price"),
    [
        ((100, 110, 99.5, 109), None),  # low, then 110: stop 107.8, and the close is above
        ((100, 110, 99.5, 107), 107.8),
        ((100, 103, 90, 95), 103 * 0.98),  # high first
    ],
)
def test_r7_along_the_path_a_trailing_stop_follows_at_once(engine, row, price):
    run = engine(
        [days(100, 100, row)],
        [wants(LONG, HOLD, HOLD, trail=pct(2))],
        units(intrabar="path"),
        ZERO,
    )

    assert counted(run) == {}
    if price is None:
        assert len(run.fills) == 1
    else:
        assert run.fills[1].price == pytest.approx(price, rel=1e-15)
        assert run.fills[1].reason == Reason.TRAIL


@pytest.mark.parametrize(
    ("row", "entry", "leave"),
    [
        ((100, 102, 98.5, 101.5), ("limit", 99), (101, Reason.TARGET)),  # low first, then the high
        ((100, 101.2, 97, 100), ("limit", 99), (98, Reason.STOP)),  # the high was before the fill
        ((100, 104, 99.4, 100), ("stop", 101), (103, Reason.TARGET)),  # low, fill, high
        ((100, 101.5, 97, 100), ("stop", 101), (98, Reason.STOP)),  # fill, then the low
    ],
)
def test_r6_along_the_path_only_what_follows_an_entry_counts(engine, row, entry, leave):
    kind, level = entry
    signals = wants(
        LONG,
        HOLD,
        entry_price=np.array([level, NONE], dtype=np.float64),
        entry_kind=kind,
        stop=Level(98.0, "price"),
        target=Level(101.0 if kind == "limit" else 103.0, "price"),
    )

    run = engine([days(100, row)], [signals], units(intrabar="path"), ZERO)

    assert deals(run) == [(1, 0, 1, level, Reason.ENTRY), (1, 0, -1, *leave)]
    assert counted(run) == {}


# Order -----------------------------------------------------------------------------------------


def test_r13_square_off_at_the_close_comes_before_the_intents_of_that_close(engine):
    bars = days(100, 100, 101, 102, on=[0] * 4, minute=QUARTERS)

    run = engine(
        [bars],
        [wants(LONG, HOLD, LONG, HOLD)],
        units(fill="close", intraday=True, square_off=time(10, 0)),
        ZERO,
    )

    assert deals(run) == [(0, 0, 1, 100, Reason.ENTRY), (2, 0, -1, 101, Reason.SQUARE_OFF)]
    assert counted(run) == {"blocked": 1}


def test_a_step_is_done_for_all_symbols_before_the_next(engine):
    """Gap of the second before the signal of the first; both before the entry of the third."""
    first, second, third = days(100, 100, 100), days(100, 100, 90), days(100, 100, 100)

    run = engine(
        [first, second, third],
        [
            wants(LONG, FLAT, HOLD),
            wants(LONG, HOLD, HOLD, stop=points(5)),
            wants(HOLD, LONG, HOLD),
        ],
        units(),
        ZERO,
    )

    assert [(f.symbol, Reason(f.reason)) for f in run.fills][2:] == [
        (1, Reason.STOP_GAP),
        (0, Reason.EXIT_SIGNAL),
        (2, Reason.ENTRY),
    ]
    assert [trade.symbol for trade in run.trades] == [0, 1, 2]  # in order of opening


# Corporate actions (R15) -----------------------------------------------------------------------

RAW = {"adjust": "raw"}


def test_r15_a_dividend_goes_to_who_held_before_the_ex_date(engine):
    """Long 10 receives 10 x 1.5, short 10 pays 10 x 2; who buys at that open gets nothing."""
    run = engine(
        [
            days(100, 100, 98.5, 98.5, dividend=[9, 9, 1.5, 0]),
            days(50, 50, 48, 48, dividend=[0, 0, 2, 0]),
            days(20, 20, 19, 19, dividend=[0, 0, 1, 0]),
        ],
        [
            wants(LONG, HOLD, HOLD, HOLD),
            wants(SHORT, HOLD, HOLD, HOLD),
            wants(HOLD, LONG, HOLD, HOLD),
        ],
        units(10),
        ZERO,
    )

    assert run.dividends == 15 - 20
    # 100,000; then 15 - 20 of dividends, -15 and +20 of prices
    assert list(run.equity) == [100_000, 100_000, 100_000, 100_000]
    assert [t.pnl for t in run.trades] == [-15, 20, 0]


def test_r15_who_sells_at_the_open_of_the_ex_date_still_has_the_dividend(engine):
    run = engine(
        [days(100, 100, 99, dividend=[0, 0, 1])], [wants(LONG, FLAT, HOLD)], units(5), ZERO
    )

    assert deals(run)[1] == (2, 0, -5, 99, Reason.EXIT_SIGNAL)
    assert (run.dividends, run.trades[0].pnl, run.cash[-1]) == (5, -5, 100_000)


def test_r15_a_dividend_pays_for_an_entry_at_the_same_open(engine):
    """Cash 0 after 10 at 100; the dividend of 50 buys one of the other at 50."""
    run = engine(
        [days(100, 100, 95, dividend=[0, 0, 5]), days(50, 50, 50)],
        [wants(LONG, HOLD, HOLD), wants(HOLD, LONG, HOLD)],
        units(10, initial_cash=1_000),
        ZERO,
    )

    assert deals(run)[1] == (2, 1, 1, 50, Reason.ENTRY)


def test_r15_a_dividend_is_counted_by_the_multiplier(engine):
    bars = days(100, 100, 99, dividend=[0, 0, 1.5])

    run = engine([bars], [wants(LONG, HOLD, HOLD)], units(10, multiplier=2), ZERO)

    assert run.dividends == 10 * 1.5 * 2


def test_r15_a_split_multiplies_what_is_held_and_moves_no_money(engine):
    run = engine(
        [days(100, 100, 52, 51, split=[1, 1, 2, 1])],
        [wants(LONG, HOLD, FLAT, HOLD)],
        units(3, **RAW),
        ZERO,
    )

    assert deals(run) == [(1, 0, 3, 100, Reason.ENTRY), (3, 0, -6, 51, Reason.EXIT_SIGNAL)]
    trade = run.trades[0]
    assert (trade.quantity, trade.entry_price, trade.exit_price, trade.pnl) == (6, 50, 51, 6)
    assert list(run.equity) == [100_000, 100_000, 100_012, 100_006]
    # The best price of the trade is 52 against an entry of 50.
    assert trade.mfe == (52 - 50) / 50


def test_r15_less_than_a_lot_is_paid_in_cash_at_the_open_without_costs(engine):
    """3 units, 3 for 2: 4 are kept, half a one is worth 34."""
    run = engine(
        [days(99, 99, (68, 70, 68, 70), split=[1, 1, 1.5])],
        [wants(LONG, HOLD, HOLD)],
        units(3, **RAW),
        CostModel(fixed=1.0, slippage_bps=0.0, half_spread_bps=0.0),
    )

    assert deals(run)[1] == (2, 0, -0.5, 68, Reason.SPLIT)
    assert [list(row) for row in run.quantity] == [[0], [3], [4]]
    # 100,000 - 297 - 1 + 34 of cash, and 4 at 70
    assert (run.cash[-1], run.equity[-1]) == (99_736, 100_016)
    # (68 - 66) 0.5 of the rest, (70 - 66) 4 of what is held, 1 of fees
    assert run.trades[0].pnl == 1 + 16 - 1


def test_r15_a_reverse_split_that_leaves_less_than_a_lot_ends_the_trade(engine):
    run = engine(
        [days(1, 1, (12, 13, 11, 12), split=[1, 1, 0.1])],
        [wants(SHORT, HOLD, HOLD)],
        units(5, **RAW),
        CostModel(fixed=1.0, per_trade=7.0, slippage_bps=0.0, half_spread_bps=0.0),
    )

    assert deals(run)[1] == (2, 0, 0.5, 12, Reason.SPLIT)
    trade = run.trades[0]
    assert (trade.exit_reason, trade.exit_bar, trade.exit_price) == (Reason.SPLIT, 2, 12)
    assert trade.pnl == (12 - 10) * -0.5 - 1  # the entry's fee alone
    assert list(run.held) == [False, True, True]


def test_r15_fractions_are_kept_where_they_may_be_traded(engine):
    run = engine(
        [days(99, 99, 66, split=[1, 1, 1.5])],
        [wants(LONG, HOLD, HOLD)],
        units(3, lot_size=0, **RAW),
        ZERO,
    )

    assert [list(row) for row in run.quantity] == [[0], [3], [4.5]]
    assert len(run.fills) == 1


def test_r15_the_dividend_of_a_split_day_is_paid_on_the_new_units(engine):
    run = engine(
        [days(100, 100, 50, split=[1, 1, 2], dividend=[0, 0, 0.25])],
        [wants(LONG, HOLD, HOLD)],
        units(10, **RAW),
        ZERO,
    )

    assert run.dividends == 20 * 0.25


def test_r15_stop_target_and_trail_follow_a_split(engine):
    """Stop 90, target 120 and a trail of 16 points from 100 are 45, 60 and 8 points after 2:1."""
    bars = days(100, 100, (50, 61, 46, 58), split=[1, 1, 2])
    target = engine([bars], [wants(LONG, HOLD, HOLD, target=points(20))], units(1, **RAW), ZERO)
    assert deals(target)[1] == (2, 0, -2, 60, Reason.TARGET)

    falling = days(100, 100, (50, 51, 44, 50), split=[1, 1, 2])
    stop = engine([falling], [wants(LONG, HOLD, HOLD, stop=pct(10))], units(1, **RAW), ZERO)
    assert deals(stop)[1] == (2, 0, -2, 45, Reason.STOP)

    # best 100 -> 50 -> 60, stop 84 -> 42 -> 52; the next bar falls to it
    moving = days(100, 100, (50, 60, 50, 60), (60, 60, 50, 55), split=[1, 1, 2, 1])
    trail = engine(
        [moving], [wants(LONG, HOLD, HOLD, HOLD, trail=points(16))], units(1, **RAW), ZERO
    )
    assert deals(trail)[1] == (3, 0, -2, 52, Reason.TRAIL)


def test_r15_a_trail_in_percent_is_left_as_it_is(engine):
    """Best 100 is 50 after 2:1, then 60: ten percent below it 54."""
    bars = days(100, 100, (50, 60, 50, 60), (60, 60, 54, 55), split=[1, 1, 2, 1])

    run = engine([bars], [wants(LONG, *[HOLD] * 3, trail=pct(10))], units(1, **RAW), ZERO)

    assert deals(run)[1:] == [(3, 0, -2, 54, Reason.TRAIL)]


def test_r15_excursions_are_of_prices_on_the_new_terms(engine):
    """90 and 110 before the split are 45 and 55 against an entry of 50."""
    bars = days(100, (100, 110, 90, 100), 50, 50, split=[1, 1, 2, 1])

    run = engine([bars], [wants(LONG, HOLD, FLAT, HOLD)], units(1, **RAW), ZERO)

    assert (run.trades[0].mae, run.trades[0].mfe) == (-0.1, 0.1)


def test_r15_what_was_sold_before_a_split_counts_in_new_units(engine):
    """10 of 30 sold at 101 are 20 at 50.5; 40 more at 52 make an average of 51.5."""
    bars = days(100, 100, 101, 50, 52, split=[1, 1, 1, 2, 1], volume=[1, 300, 100, 1_000, 1_000])

    run = engine(
        [bars],
        [wants(LONG, FLAT, HOLD, FLAT, HOLD)],
        units(30, max_participation=0.1, **RAW),
        ZERO,
    )

    (trade,) = run.trades
    assert (trade.quantity, trade.entry_price) == (60, 50)
    assert trade.exit_price == pytest.approx(51.5, rel=1e-15)
    assert trade.pnl == pytest.approx(20 * 0.5 + 40 * 2, rel=1e-15)


def test_r15_options_go_on_from_the_last_mark_on_the_new_terms(engine):
    """4 units from 50 to 51: 4 · 5 by delta and 4 · 10 · (½ · 0.1 · 1) by curvature."""
    curved = PROXY.model_copy(update={"theta": 0.0})

    run = engine(
        [days(100, 100, (50, 51, 50, 51), split=[1, 1, 2])],
        [wants(LONG, HOLD, HOLD)],
        units(2, multiplier=10, option=curved, **RAW),
        ZERO,
    )

    assert run.equity[-1] == pytest.approx(100_000 + 20 + 2, rel=1e-14)


def test_r15_the_fraction_of_a_lot_is_paid_at_the_open_itself(engine):
    run = engine(
        [days(99, 99, 68, split=[1, 1, 1.5])],
        [wants(LONG, HOLD, HOLD)],
        units(3, **RAW),
        CostModel(slippage_points=1),
    )

    assert (run.fills[1].price, run.fills[1].slippage) == (68, 0)


def test_r15_the_noise_of_a_ratio_is_no_fraction_of_a_lot(engine):
    """50 · 1.1 is a little more than 55 in binary."""
    run = engine(
        [days(110, 110, 100, split=[1, 1, 1.1])],
        [wants(LONG, HOLD, HOLD)],
        units(50, **RAW),
        ZERO,
    )

    assert 50 * 1.1 > 55
    assert len(run.fills) == 1
    assert run.quantity[-1] == [55]


@pytest.mark.parametrize(
    ("levels", "leave"),
    [({"target": points(10)}, (50, Reason.TARGET)), ({"trail": points(10)}, (40, Reason.STOP))],
)
def test_r15_levels_of_an_order_that_waits_follow_a_split(engine, levels, leave):
    """Bought at 90 / 2; ten points are five."""
    limit = np.array([90.0, NONE, NONE, NONE])
    last = (45, 51, 45, 50) if "target" in levels else (45, 45, 39, 42)

    run = engine(
        [days(100, 100, (46, 46, 44, 45), last, split=[1, 1, 2, 1])],
        [wants(LONG, *[HOLD] * 3, entry_price=limit, ttl=3, **levels)],
        units(1, **RAW),
        ZERO,
    )

    assert deals(run) == [(2, 0, 1, 45, Reason.ENTRY), (3, 0, -1, *leave)]


def test_r15_impact_takes_a_split_for_no_movement(engine):
    """Closes 100 and 110 in turn, the last ten in halves and twice the volume: as without it."""
    closes = [100.0, 110.0] * 5 + [50.0, 55.0] * 5 + [50.0]
    bars = days(*closes, volume=[400.0] * 10 + [800.0] * 11, split=[1.0] * 10 + [2.0] + [1.0] * 10)

    run = engine([bars], [wants(*[HOLD] * 19, LONG, HOLD)], units(4, **RAW), CostModel(impact=0.5))

    up, down = 0.1, -1 / 11
    mean = (10 * up + 9 * down) / 19
    sigma = math.sqrt((10 * (up - mean) ** 2 + 9 * (down - mean) ** 2) / 19)
    # 4 units are 2 of before, of 400 a session: 50 · 0.5 · sigma · sqrt(2 / 400)
    assert run.fills[0].price == pytest.approx(50 + 25 * sigma * math.sqrt(2 / 400), rel=1e-12)


def test_r15_a_resting_order_and_its_levels_follow_a_split(engine):
    """Limit 90 and a stop 10 points below are 45 and 5 points after 2:1."""
    run = engine(
        [days(100, 100, (50, 50, 44, 46), (46, 46, 39, 42), split=[1, 1, 2, 1])],
        [
            wants(
                LONG,
                *[HOLD] * 3,
                entry_price=np.array([90.0, NONE, NONE, NONE]),
                ttl=3,
                stop=points(10),
            )
        ],
        units(1, **RAW),
        ZERO,
    )

    assert deals(run) == [(2, 0, 1, 45, Reason.ENTRY), (3, 0, -1, 40, Reason.STOP)]


def test_r15_a_size_decided_before_a_split_is_reckoned_on_its_terms(engine):
    """10,000 of equity at a close of 100, which is 50 now: 200 units."""
    options = EngineOptions(account="shared", initial_cash=10_000, **RAW)
    run = engine([days(100, 50, split=[1, 2])], [wants(LONG, HOLD)], options, ZERO)
    assert deals(run) == [(1, 0, 200, 50, Reason.ENTRY)]

    run = engine([days(100, 50, split=[1, 2])], weigh([0.5], [NONE]), options, ZERO)
    assert deals(run) == [(1, 0, 100, 50, Reason.ENTRY)]


def test_r15_borrow_of_a_split_day_is_reckoned_on_new_terms(engine):
    """20 short at a last close of 100 / 2: 20 x 50 x 36 % / 360 for a day."""
    run = engine(
        [days(100, 100, 50, split=[1, 1, 2])],
        [wants(SHORT, HOLD, HOLD)],
        units(10, borrow_rate=0.36, **RAW),
        ZERO,
    )

    assert run.borrow == pytest.approx(1.0, rel=1e-15)


def test_r15_options_receive_no_dividend(engine):
    run = engine(
        [days(100, 100, 99, dividend=[0, 0, 1])],
        [wants(LONG, HOLD, HOLD)],
        units(5, option=OptionProxy()),
        ZERO,
    )

    assert run.dividends == 0


@pytest.mark.parametrize(
    ("bars", "adjust"),
    [
        (days(100, 50, split=[1, 2]), "split"),
        (days(100, 50, split=[1, 2]), "total_return"),
        (days(100, 99, dividend=[0, 1]), "total_return"),
    ],
)
@pytest.mark.parametrize("name", ["compiled", "twin"])
def test_r15_prices_on_other_terms_than_the_options_say_are_refused(name, bars, adjust):
    with pytest.raises(DataProblem, match="adjust"):
        SHARED_ENGINES[name]([bars], [silent(2)], units(adjust=adjust), ZERO)


# R17 -------------------------------------------------------------------------------------------


def test_r17_fills_and_marks_have_the_rate_of_their_moment(engine):
    """Bought 10 at 100 and 1.25, marked at 100 and 1.5, sold at 110 and 1.5: 1250, 1500, 1650."""
    run = engine(
        [days(100, 100, 110, 110, fx=dollars(1, 1.25, 1.5, 2, 4))],
        [wants(LONG, FLAT, HOLD, HOLD)],
        units(10),
        ZERO,
    )

    assert deals(run) == [(1, 0, 10, 100, Reason.ENTRY), (2, 0, -10, 110, Reason.EXIT_SIGNAL)]
    assert [fill.fx for fill in run.fills] == [1.25, 1.5]
    assert list(run.cash) == [100_000, 98_750, 100_400, 100_400]
    assert list(run.equity) == [100_000, 100_250, 100_400, 100_400]
    trade = run.trades[0]
    assert (trade.entry_price, trade.exit_price, trade.fx) == (100, 110, 1.25)
    assert trade.pnl == (110 * 1.5 - 100 * 1.25) * 10
    assert trade.mfe == 0  # of prices: the best seen while it was held through a bar is 100


def test_r17_a_rate_known_within_a_bar_counts_at_its_close_only(engine):
    """Known at 15:45 and 16:15; the bar of 15:30 ends with the session at 16:00."""
    minute = [870, 930, 930]  # 14:30 and 15:30, and 15:30 of the next day
    moments = (FIRST * 1_440 + np.array([0, 945, 975])) * 60_000_000
    bars = replace(
        days(100, 100, 100, on=[0, 0, 1], minute=minute),
        timeframe=Timeframe.H1,
        fx=FxRates("EURUSD", "EUR", "USD", moments, np.array([1.0, 2.0, 3.0])),
    )

    run = engine([bars], [wants(LONG, HOLD, HOLD)], units(1), ZERO)

    assert [fill.fx for fill in run.fills] == [1.0]
    assert list(run.equity) == [100_000, 100_100, 100_200]


def test_r17_a_row_is_over_with_the_first_of_its_bars(engine):
    """One ends at 16:00 with its session, one at 16:30; what is known at 16:15 is too late."""
    minute = [870, 930]
    moments = (FIRST * 1_440 + np.array([0, 975])) * 60_000_000
    hour = replace(
        days(100, 100, on=[0, 0], minute=minute),
        timeframe=Timeframe.H1,
        fx=FxRates("EURUSD", "EUR", "USD", moments, np.array([1.0, 2.0])),
    )
    around = replace(hour, market=MARKETS["24/7"])
    for bars in ([hour, around], [around, hour]):
        run = engine(bars, [wants(LONG, HOLD), silent(2)], units(1), ZERO)

        assert list(run.equity) == [100_000, 100_000]


def test_r17_a_month_is_over_when_the_next_one_begins(engine):
    """January 2020 ends after 31 days, February after 29."""
    known = (FIRST + np.array([0, 30, 31, 59, 60, 61])) * US_PER_DAY
    bars = replace(
        days(100, 100, on=[0, 31]),
        timeframe=Timeframe.MN1,
        fx=FxRates("EURUSD", "EUR", "USD", known, np.array([1.0, 1.5, 2.0, 3.0, 4.0, 5.0])),
    )

    run = engine([bars], [wants(LONG, HOLD)], units(1), ZERO)

    assert [fill.fx for fill in run.fills] == [2.0]
    assert list(run.equity) == [100_000, 100_200]


def test_r17_sizes_take_the_rate_of_the_decision_and_cash_that_of_the_fill(engine):
    """1000 are 500 at 2.0, so 5 at 100; on Monday, at 2.5, the 1000 pay 4."""
    run = engine(
        [days(100, 100, on=[0, 3], fx=dollars(1, 2, 2.5))],
        [wants(LONG, HOLD)],
        EngineOptions(account="shared", initial_cash=1_000),
        ZERO,
    )

    assert deals(run) == [(1, 0, 4, 100, Reason.ENTRY)]
    assert run.counters["scaled_cash"] == 1
    assert run.cash[-1] == 0


def test_r17_weights_at_the_fill_take_its_rate(engine):
    """Half of 1,000 dollars are 250 euros at 2, and 2.5 at 100."""
    options = EngineOptions(initial_cash=1_000, size_ref="fill", lot_size=0)

    run = engine([days(100, 100, fx=dollars(2, 2, 2))], weigh([0.5], [NONE]), options, ZERO)

    assert [f.quantity for f in run.fills] == [2.5]


def test_r17_sizes_at_the_fill_take_its_rate(engine):
    run = engine(
        [days(100, 100, on=[0, 3], fx=dollars(1, 2, 2.5))],
        [wants(LONG, HOLD)],
        EngineOptions(account="shared", initial_cash=1_000, size_ref="fill"),
        ZERO,
    )

    assert deals(run) == [(1, 0, 4, 100, Reason.ENTRY)]
    assert run.counters["scaled_cash"] == 0


def test_r17_costs_are_amounts_of_the_symbols_currency(engine):
    """A fee of 3 euros at 1.5 and 2, per round trip 1 more; a tick lost on each of 10 units."""
    run = engine(
        [days(100, 100, 100, fx=dollars(1, 1.5, 2, 2))],
        [wants(LONG, FLAT, HOLD)],
        units(10),
        CostModel(fixed=3.0, per_trade=1.0, slippage_points=0.25),
    )

    assert [fill.fee for fill in run.fills] == [3 * 1.5, 4 * 2]
    assert [fill.slippage for fill in run.fills] == [2.5 * 1.5, 2.5 * 2]
    trade = run.trades[0]
    assert (trade.fees, trade.slippage) == (12.5, 8.75)
    assert trade.pnl == (99.75 * 2 - 100.25 * 1.5) * 10 - 12.5
    assert run.cash[-1] == 100_000 + trade.pnl


def test_r17_a_symbol_that_is_absent_is_marked_at_todays_rate(engine):
    run = engine(
        [days(100, 100, on=[0, 1], fx=dollars(1, 1, 2, 4)), days(50, 50, 50)],
        [wants(LONG, HOLD), silent(3)],
        units(10),
        ZERO,
    )

    assert list(run.equity) == [100_000, 101_000, 103_000]


def test_r17_an_add_is_paid_at_its_own_rate(engine):
    """1 at 100 x 1 and 1 at 200 x 2: paid 250 each; 1 + 1 sold at 200 x 4."""
    run = engine(
        [days(100, 100, 200, 200, fx=dollars(1, 1, 2, 4, 4))],
        [wants(LONG, LONG, FLAT, HOLD)],
        units(1, pyramid=1),
        ZERO,
    )

    trade = run.trades[0]
    assert (trade.entry_price, trade.exit_price) == (150, 200)
    assert trade.fx == 250 / 150
    assert trade.pnl == (200 * 4 - 250) * 2
    assert run.cash[-1] == 100_000 - 100 - 400 + 1_600


def test_r17_weights_share_cash_in_the_accounts_currency(engine):
    """Half of 1000 each: 500 at 2.0 are 2 at 100; 500 are 10 at 50; after a weekend at 2.5."""
    run = engine(
        [days(100, 100, on=[0, 3], fx=dollars(1, 2, 2.5)), days(50, 50, on=[0, 3])],
        weigh((0.5, 0.5), (NONE, NONE)),
        EngineOptions(account="shared", initial_cash=1_000, lot_size=0),
        ZERO,
    )

    # 2.5 at 100 and 2.5 are 625 and 10 at 50 are 500: 1125, of which 1000 / 1125 is bought.
    factor = 1_000 / 1_125
    assert [fill.quantity for fill in run.fills] == [2.5 * factor, 10 * factor]
    assert run.counters["scaled_cash"] == 2


def test_r17_a_margin_call_counts_positions_in_the_accounts_currency(engine):
    """10 at 100 on half of it; at 0.5 a euro they are 500, less 500 that was lost."""
    run = engine(
        [days(100, 100, 100, 100, fx=dollars(1, 1, 0.5, 0.5, 0.5))],
        [wants(LONG, HOLD, HOLD, HOLD)],
        units(10, initial_cash=600, initial_margin=0.5, maintenance_margin=0.25),
        ZERO,
    )

    # E = 600 - 1000 + 500 = 100 < 125; k = 100 / 250: 4 are kept.
    assert run.counters["margin_calls"] == 1
    assert deals(run)[1] == (2, 0, -6, 100, Reason.MARGIN)
    assert run.cash[2] == -400 + 300


def test_r17_a_margin_call_comes_when_a_currency_makes_it(engine):
    """10 short on 600; at 1.2 they are 1200, E is 400 and 40 % of it 480."""
    run = engine(
        [days(100, 100, 100, 100, fx=dollars(1, 1, 1.2, 1.2, 1.2))],
        [wants(SHORT, HOLD, HOLD, HOLD)],
        units(10, initial_cash=600, initial_margin=0.5, maintenance_margin=0.4),
        ZERO,
    )

    # k = 400 / 600: 6 are kept.
    assert deals(run)[1] == (2, 0, 4, 100, Reason.MARGIN)
    assert run.counters["margin_calls"] == 1


def test_r17_risk_is_money_of_the_account(engine):
    """10 points below 100, on 10 units at 1.25 dollars."""
    run = engine(
        [days(100, 100, fx=dollars(1, 1.25, 2))],
        [wants(LONG, HOLD, stop=pct(10))],
        units(10),
        ZERO,
    )

    assert run.trades[0].risk == 10 * 10 * 1.25


def test_r17_dividends_and_borrow_come_at_the_rate_of_the_opening(engine):
    """10 x 3 at 2.0; then 5 short at 36 % a year: 500 x 0.001 x 1 day at 4.0."""
    run = engine(
        [
            days(100, 100, 100, 100, fx=dollars(1, 1, 2, 4, 8), dividend=[0, 0, 3, 0]),
            days(100, 100, 100, 100, fx=dollars(1, 1, 1, 4, 8)),
        ],
        [wants(LONG, HOLD, HOLD, HOLD), wants(HOLD, SHORT, HOLD, HOLD)],
        units(5, borrow_rate=0.36),
        ZERO,
    )

    assert run.dividends == 5 * 3 * 2
    assert run.borrow == pytest.approx(500 * 0.001 * 4, rel=1e-15)


def test_r17_whoever_holds_from_before_pays_funding_of_the_close_before(engine):
    """Longs pay 1 % of 10 x 110, shorts receive it; who buys at that open pays nothing."""
    falls = [0.5, 0.5, 0.01, 0]
    run = engine(
        [days(100, (100, 110, 100, 110), 105, 105, funding=falls)] * 2
        + [days(100, 110, 105, 105, funding=falls)],
        [
            wants(LONG, FLAT, HOLD, HOLD),
            wants(SHORT, HOLD, HOLD, HOLD),
            wants(HOLD, LONG, HOLD, HOLD),
        ],
        units(10, multiplier=3),
        ZERO,
    )

    assert deals(run)[2] == (2, 0, -10, 105, Reason.EXIT_SIGNAL)  # at that open, and pays
    assert run.funding == 0
    long, short = (
        engine(
            [days(100, (100, 110, 100, 110), 105, 105, funding=falls)],
            [wants(side, HOLD, HOLD, HOLD)],
            units(10, multiplier=3),
            ZERO,
        )
        for side in (LONG, SHORT)
    )
    assert (long.funding, short.funding) == (33, -33)
    assert list(long.cash) == [100_000, 97_000, 96_967, 96_967]
    assert long.trades[0].pnl == 5 * 10 * 3  # of fills only
    assert short.equity[-1] == 100_000 - 150 + 33


def test_r17_funding_follows_a_split_and_the_rate_of_its_opening(engine):
    """2 for 1: 20 units of 50, at a rate of 1 % and 4 dollars a euro."""
    run = engine(
        [days(100, 100, 50, fx=dollars(1, 1, 4, 8), split=[1, 1, 2], funding=[0, 0, 0.01])],
        [wants(LONG, HOLD, HOLD)],
        units(10, **RAW),
        ZERO,
    )

    assert run.funding == 20 * 50 * 0.01 * 4


def test_r17_funding_can_be_left_out(engine):
    run = engine(
        [days(100, 100, 100, funding=[0, 0, 0.01])],
        [wants(LONG, HOLD, HOLD)],
        units(10, funding=False),
        ZERO,
    )

    assert run.funding == 0
    assert run.cash[-1] == 99_000


@pytest.mark.parametrize(
    ("fx", "words"),
    [
        (FxRates("EURUSD", "EUR", "USD", np.array([FIRST + 1]) * US_PER_DAY, np.ones(1)), "first"),
        (dollars(1), "latest"),
        (FxRates("EURUSD", "EUR", "USD", np.empty(0, np.int64), np.empty(0)), "none"),
    ],
)
def test_r17_a_rate_that_is_missing_or_old_is_refused(fx, words):
    bars = days(*[100] * 10, fx=fx)

    with pytest.raises(DataProblem, match=words) as found:
        simulate_account([bars], [silent(10)], units(), ZERO)
    assert "EUR to USD by EURUSD" in found.value.message
    assert found.value.hint


def test_r17_a_rate_of_seven_days_still_counts():
    bars = days(*[100] * 8, fx=dollars(2, 2))

    run = simulate_account([bars], [wants(LONG, *[HOLD] * 7)], units(), ZERO)

    assert run.equity[-1] == 100_000


def test_r17_options_by_delta_are_refused_in_another_currency():
    with pytest.raises(InvalidInput, match="EUR"):
        simulate_account(
            [days(100, 100, fx=dollars(1, 1, 1))],
            [silent(2)],
            units(option=OptionProxy()),
            ZERO,
        )
