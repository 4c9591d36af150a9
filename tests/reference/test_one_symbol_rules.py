"""Rules that one symbol shares with the general driver, computed by hand, through both drivers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Code, Signals, pct, points
from core.domain.simulation import Reason
from tests.factories import ZERO, Case, codes, make_bars
from tests.reference import compare
from tests.reference.compare_shared import SHARED_ENGINES

LONG, SHORT, FLAT, HOLD = Code.LONG, Code.SHORT, Code.FLAT, Code.HOLD
NONE = np.nan

JUDGES = {
    name: lambda *case, run=run: run(Case(*case)) for name, run in compare.ENGINES.items()
} | {
    f"general {name}": lambda bars, signals, options, costs, run=run: run(
        [bars], [signals], options, costs
    )
    for name, run in SHARED_ENGINES.items()
}


@pytest.fixture(params=JUDGES)
def engine(request):
    return JUDGES[request.param]


def day_of(*rows: Any, sessions: list[int] | None = None) -> Bars:
    """Quarter hours of one session, or of several of so many bars; numbers are bars that rest."""
    whole = np.array([row if isinstance(row, tuple) else (row,) * 4 for row in rows], dtype=float)
    counts = [len(rows)] if sessions is None else sessions
    session = np.repeat(np.arange(len(counts)), counts) + 18_262
    minute = np.concatenate([570 + 15 * np.arange(count) for count in counts])
    return make_bars(*whole.T, session=session, minute=minute)


@pytest.mark.parametrize(("allowed", "may"), [(True, False), (False, True)])
@pytest.mark.parametrize("fill", ["next_open", "close"])
def test_r9_a_symbol_may_be_said_to_be_shortable_or_not(engine, allowed, may, fill):
    bars = day_of(100, 100, 100)
    options = EngineOptions(
        sizing="units", size=1, allow_short=allowed, shortable={bars.symbol: may}, fill=fill
    )

    run = engine(bars, wants(SHORT, HOLD, HOLD), options, ZERO)

    assert len(run.fills) == may
    assert run.counters["rejected"] == (not may)


def test_r9_what_is_said_of_another_symbol_changes_nothing(engine):
    options = EngineOptions(sizing="units", size=1, shortable={"OTHER": False})

    assert len(engine(day_of(100, 100), wants(SHORT, HOLD), options, ZERO).fills) == 1


def wants(*intents: int, entry: list[float] | None = None, **more: Any) -> Signals:
    price = None if entry is None else np.array(entry, dtype=np.float64)
    return Signals(codes=codes(*intents), entry_price=price, **more)


def units(size: float = 1.0, **more: Any) -> EngineOptions:
    return EngineOptions(sizing="units", size=size, **more)


def deals(run: Any) -> list[tuple[int, float, float, Reason]]:
    return [(f.bar, f.quantity, f.price, Reason(f.reason)) for f in run.fills]


def counted(run: Any) -> dict[str, int]:
    return {name: count for name, count in run.counters.items() if count and name != "entries"}


# R4, R9 ----------------------------------------------------------------------------------------


def test_r4_points_of_slippage_come_before_the_tick(engine):
    """100 · 1.001 + 0.5 = 100.6, up to 100.75; 100 · 0.999 - 0.5 = 99.4, down to 99.25."""
    costs = CostModel(slippage_bps=10, slippage_points=0.5, tick=0.25)

    run = engine(day_of(100, 100, 100), wants(LONG, FLAT, HOLD), units(), costs)

    assert [f.price for f in run.fills] == [100.75, 99.25]


def test_r4_points_of_slippage_come_after_its_share(engine):
    """100 · 1.25 + 2 and 100 · 0.75 - 2: the share is of the price, not of the points."""
    costs = CostModel(slippage_bps=2_500, slippage_points=2)

    run = engine(day_of(100, 100, 100), wants(LONG, FLAT, HOLD), units(), costs)

    assert [f.price for f in run.fills] == [127, 73]


def test_r4_a_sale_brings_no_less_than_nothing(engine):
    """1 - 2 is below 0: the position is given away. Nobody opens one at such a price."""
    costs = CostModel(slippage_points=2)

    run = engine(day_of(1, 1, 1), wants(LONG, SHORT, HOLD), units(), costs)

    assert deals(run) == [(1, 1, 3, Reason.ENTRY), (2, -1, 0, Reason.REVERSE)]
    assert counted(run) == {"rejected": 1}


def test_r4_a_fee_per_trade_is_paid_once_with_the_exit(engine):
    costs = CostModel(fixed=1, per_trade=7)

    run = engine(day_of(100, 100, 100), wants(LONG, SHORT, HOLD), units(), costs)

    assert [f.fee for f in run.fills] == [1, 8, 1]


def test_r9_without_margin_capital_is_not_modelled(engine):
    """Neither 5,000 of value nor a fee of 200 are asked of the 100 there are."""
    run = engine(
        day_of(100, (100, 110, 100, 110)),
        wants(LONG, HOLD),
        units(50, initial_cash=100, initial_margin=0),
        CostModel(fixed=200),
    )

    assert deals(run) == [(1, 50, 100, Reason.ENTRY)]
    assert run.equity[-1] == 100 - 200 + 500


# R5 triggers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("touch", "bought"), [(True, [99]), (False, [])])
def test_r5_a_limit_that_is_touched_inside_the_bar_fills_where_that_is_enough(
    engine, touch, bought
):
    bars = day_of(100, (100, 101, 99, 100))

    run = engine(bars, wants(LONG, HOLD, entry=[99, NONE]), units(fill_on_touch=touch), ZERO)

    assert [f.price for f in run.fills] == bought


@pytest.mark.parametrize(
    ("side", "row", "level"),
    [(LONG, (100, 101, 99, 100), 101), (SHORT, (100, 101, 99, 100), 99)],
)
def test_r5_a_stop_entry_fills_where_it_is_touched(engine, side, row, level):
    signals = wants(side, HOLD, entry=[level, NONE], entry_kind="stop")

    run = engine(day_of(100, row), signals, units(), ZERO)

    assert [f.price for f in run.fills] == [level]


def test_r5_a_stop_entry_at_its_open_is_one_at_the_open(engine):
    """So the low of 97 came after it, and nothing about the stop at 98 is unclear."""
    signals = wants(LONG, HOLD, entry=[100, NONE], entry_kind="stop", stop=points(2))

    run = engine(day_of(100, (100, 101, 97, 100)), signals, units(), ZERO)

    assert [f.price for f in run.fills] == [100, 98]
    assert counted(run) == {}


@pytest.mark.parametrize("low", [98, 99])
def test_r5_a_target_that_is_only_touched_is_not_there(engine, low):
    """Neither beside a stop at 98 that is hit, nor beside one that trails: at 104 - 20."""
    levels = {"stop": points(2)} if low == 98 else {"trail": points(20)}

    run = engine(
        day_of(100, 100, (100, 104, low, 103)),
        wants(LONG, HOLD, HOLD, target=points(4), **levels),
        units(),
        ZERO,
    )

    assert [f.price for f in run.fills][1:] == ([98] if low == 98 else [])
    assert counted(run) == {}


# R6 by closes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "leave"),
    [
        ((100, 103, 95, 99), None),  # only touched on the way
        ((90, 105, 90, 99), None),  # no gap exits
        ((100, 101, 97, 98), (98, Reason.STOP)),  # at the stop is enough
        ((100, 101, 95, 96), (96, Reason.STOP)),  # out at the close, not at the level
        ((100, 105, 99, 104), None),  # at the target is not
        ((100, 106, 99, 105), (105, Reason.TARGET)),
    ],
)
def test_r6_only_closes_count_where_that_is_asked_for(engine, row, leave):
    signals = wants(LONG, HOLD, HOLD, stop=points(2), target=points(4))

    run = engine(day_of(100, 100, row), signals, units(protection="close"), ZERO)

    assert deals(run)[1:] == ([] if leave is None else [(2, -1, *leave)])
    assert counted(run) == {}


def test_r6_an_exit_at_the_close_by_a_target_is_a_market_order(engine):
    signals = wants(LONG, HOLD, HOLD, target=points(4))

    run = engine(
        day_of(100, 100, (100, 106, 99, 105)),
        signals,
        units(protection="close"),
        CostModel(slippage_points=0.5),
    )

    assert [f.price for f in run.fills] == [100.5, 104.5]


def test_r7_a_trailing_stop_by_closes_follows_closes(engine):
    """Closes 110 and 100: best 110, stop 99; the high of 130 is not looked at. Then 98."""
    bars = day_of(100, 100, (100, 130, 100, 110), (110, 110, 90, 100), (100, 100, 98, 98))
    signals = wants(LONG, HOLD, HOLD, HOLD, HOLD, trail=pct(10))

    run = engine(bars, signals, units(protection="close"), ZERO)

    assert deals(run)[1:] == [(4, -1, 98, Reason.TRAIL)]


def test_r7_a_stop_that_is_nearer_is_not_loosened_by_the_trail(engine):
    """Stop 99 and a trail of 5: the best price of 102 would give 97. Trailing has moved nothing."""
    bars = day_of(100, 100, (100, 102, 99.5, 101), (101, 101, 98.5, 100))
    signals = wants(LONG, HOLD, HOLD, HOLD, stop=points(1), trail=points(5))

    run = engine(bars, signals, units(), ZERO)

    assert deals(run)[1:] == [(3, -1, 99, Reason.STOP)]
    assert counted(run) == {}


@pytest.mark.parametrize(("low", "unclear"), [(102, 1), (102.5, 0)])
def test_r7_a_low_at_the_new_level_is_unclear(engine, low, unclear):
    """The best price of 104 moves the stop to 102, and nobody knows whether the low came later."""
    bars = day_of(100, 100, (103, 104, low, 103))

    run = engine(bars, wants(LONG, HOLD, HOLD, trail=points(2)), units(), ZERO)

    assert len(run.fills) == 1
    assert run.counters["ambiguous_bars"] == unclear


# R20 time to live ------------------------------------------------------------------------------

FALLING = ((100, 100, 96, 97), (97, 98, 96, 97), (97, 97, 94, 95), 95)


@pytest.mark.parametrize(("ttl", "filled"), [(1, False), (2, False), (3, True), (9, True)])
def test_r20_a_resting_entry_lives_for_so_many_bars(engine, ttl, filled):
    signals = wants(LONG, *[HOLD] * 4, entry=[95, NONE, NONE, NONE, NONE], ttl=ttl)

    run = engine(day_of(100, *FALLING), signals, units(), ZERO)

    assert deals(run) == ([(3, 1, 95, Reason.ENTRY)] if filled else [])
    assert counted(run) == ({} if filled else {"expired": 1})


@pytest.mark.parametrize("newer", [FLAT, Code.CLOSE_SHORT, LONG])
def test_r20_any_newer_row_but_hold_cancels_it(engine, newer):
    signals = wants(LONG, newer, *[HOLD] * 3, entry=[95, 90, NONE, NONE, NONE], ttl=9)

    run = engine(day_of(100, *FALLING), signals, units(), ZERO)

    assert deals(run) == []
    assert run.counters["expired"] == 1  # the newer one is alive at the end of the data


def test_r20_it_does_not_outlive_its_session(engine):
    signals = wants(LONG, *[HOLD] * 4, entry=[95, NONE, NONE, NONE, NONE], ttl=9)

    run = engine(day_of(100, *FALLING, sessions=[2, 3]), signals, units(intraday=True), ZERO)

    assert deals(run) == []
    assert counted(run) == {"expired": 1}


def test_r20_with_the_last_bar_of_its_session_it_has_expired(engine):
    """Though nothing comes after it, and time was left."""
    signals = wants(LONG, *[HOLD] * 4, entry=[90, NONE, NONE, NONE, NONE], ttl=9)

    run = engine(day_of(100, *FALLING), signals, units(intraday=True), ZERO)

    assert deals(run) == []
    assert counted(run) == {"expired": 1}


@pytest.mark.parametrize("more", [0, 3])
def test_r20_at_the_close_a_newer_row_cancels_it_too(engine, more):
    """Bought at the close of 97; the limit at 90 is gone by then, whether bars follow or not."""
    signals = wants(LONG, LONG, *[HOLD] * more, entry=[90, *[NONE] * (1 + more)], ttl=9)

    run = engine(day_of(100, *FALLING[: 1 + more]), signals, units(fill="close"), ZERO)

    assert deals(run) == [(1, 1, 97, Reason.ENTRY)]
    assert counted(run) == {"expired": 1}


def test_r20_it_waits_for_a_position_on_the_other_side_to_go(engine):
    """Short until max_bars lets go at bar 3; the buy limit of row 1 is three bars old then."""
    signals = wants(SHORT, LONG, *[HOLD] * 3, entry=[NONE, 95, NONE, NONE, NONE], ttl=3, max_bars=2)

    run = engine(day_of(100, *FALLING), signals, units(), ZERO)

    assert deals(run) == [
        (1, -1, 100, Reason.ENTRY),
        (3, 1, 97, Reason.MAX_BARS),
        (3, 1, 95, Reason.ENTRY),
    ]
    assert counted(run) == {}


def test_r20_in_the_way_of_its_own_side_it_is_forgotten(engine):
    signals = wants(LONG, LONG, *[HOLD] * 3, entry=[NONE, 95, NONE, NONE, NONE], ttl=3, max_bars=2)

    run = engine(day_of(100, *FALLING), signals, units(), ZERO)

    assert [reason for *_, reason in deals(run)] == [Reason.ENTRY, Reason.MAX_BARS]
    assert counted(run) == {}


# R14 day limits --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limit", [{"daily_target": 30}, {"daily_target": 3, "daily_unit": "points"}]
)
def test_r14_a_days_target_closes_and_blocks_until_the_next_session(engine, limit):
    """10 units and 3 points at bar 1; sold at 102, row 2 is refused, row 3 is a new day's."""
    bars = day_of(100, (100, 104, 100, 103), 102, 101, 101, sessions=[4, 1])

    run = engine(bars, wants(LONG, HOLD, LONG, LONG, HOLD), units(10, **limit), ZERO)

    assert deals(run) == [
        (1, 10, 100, Reason.ENTRY),
        (2, -10, 102, Reason.DAILY_TARGET),
        (4, 10, 101, Reason.ENTRY),
    ]
    assert counted(run) == {"limited": 1}


def test_r14_a_days_loss_counts_from_the_close_before_it_and_its_last_bar_needs_nothing(engine):
    """Bar 2 ends its session 10 down: nothing to do. Bar 3 is up from there, bar 4 is not."""
    bars = day_of(
        100, 100, (100, 100, 90, 90), (90, 92, 90, 92), (92, 92, 84, 85), 85, sessions=[3, 3]
    )

    run = engine(bars, wants(LONG, *[HOLD] * 5), units(daily_loss=5), ZERO)

    assert deals(run)[1:] == [(5, -1, 85, Reason.DAILY_LOSS)]


@pytest.mark.parametrize(
    "limit", [{"daily_target": 50}, {"daily_target": 5, "daily_unit": "points"}]
)
def test_r14_limits_on_entries_close_nothing_and_count_what_is_realised(engine, limit):
    """10 units are up 9 points at bar 2 and stay; 5 realised at bar 3 refuse the next entry."""
    bars = day_of(100, 100, (100, 109, 100, 109), 105, 105)

    run = engine(
        bars,
        wants(LONG, HOLD, FLAT, LONG, HOLD),
        units(10, daily_action="entries", **limit),
        ZERO,
    )

    assert deals(run)[1:] == [(3, -10, 105, Reason.EXIT_SIGNAL)]
    assert counted(run) == {"limited": 1}


@pytest.mark.parametrize(
    ("limit", "last", "limited"),
    [
        ({"daily_loss": 50}, 95, 1),  # at the limit
        ({"daily_loss": 51}, 95, 0),
        ({"daily_target": 50}, 105, 1),
        ({"daily_target": 5, "daily_unit": "points"}, 105, 1),
    ],
)
def test_r14_what_is_realised_refuses_until_the_next_session(engine, limit, last, limited):
    """10 units bought at 100 are sold at bar 2; the row after it is refused, a new day's is not."""
    bars = day_of(100, 100, *[last] * 5, sessions=[5, 2])
    signals = wants(LONG, FLAT, LONG, FLAT, HOLD, LONG, HOLD)

    run = engine(bars, signals, units(10, daily_action="entries", **limit), ZERO)

    entries = [bar for bar, *_, reason in deals(run) if reason == Reason.ENTRY]
    assert entries == ([1, 6] if limited else [1, 3, 6])
    assert counted(run) == ({"limited": 1} if limited else {})


@pytest.mark.parametrize(
    "limit", [{"daily_target": 30}, {"daily_target": 3, "daily_unit": "points"}]
)
def test_r14_a_short_position_reaches_its_target_as_prices_fall(engine, limit):
    bars = day_of(100, (100, 100, 97, 97), 98, 98)

    run = engine(bars, wants(SHORT, HOLD, HOLD, HOLD), units(10, **limit), ZERO)

    assert deals(run)[1:] == [(2, 10, 98, Reason.DAILY_TARGET)]


def test_r14_a_limit_that_was_reached_is_of_that_session_alone(engine):
    """Bought again in the next session, and held although every row speaks."""
    bars = day_of(100, (100, 104, 100, 104), 104, 104, 104, 104, sessions=[3, 3])

    run = engine(bars, wants(*[LONG] * 6), units(daily_target=3), ZERO)

    assert [(bar, reason) for bar, *_, reason in deals(run)] == [
        (1, Reason.ENTRY),
        (2, Reason.DAILY_TARGET),
        (3, Reason.ENTRY),
    ]


def test_r14_points_are_counted_whatever_the_size(engine):
    """10 units and 3 points are 30 of money, and no limit of 5 points."""
    bars = day_of(100, 100, 103, 103, 103)

    run = engine(
        bars,
        wants(LONG, FLAT, LONG, HOLD, HOLD),
        units(10, daily_action="entries", daily_target=5, daily_unit="points"),
        ZERO,
    )

    assert [bar for bar, *_, reason in deals(run) if reason == Reason.ENTRY] == [1, 3]


def test_r14_so_many_trades_a_day(engine):
    bars = day_of(*[100] * 7, sessions=[5, 2])

    run = engine(
        bars, wants(LONG, FLAT, LONG, FLAT, LONG, LONG, HOLD), units(max_trades_per_day=1), ZERO
    )

    # Bar 3 is refused; bars 5 and 6 are a new session, and only the first of them opens.
    assert [(bar, reason) for bar, *_, reason in deals(run)] == [
        (1, Reason.ENTRY),
        (2, Reason.EXIT_SIGNAL),
        (5, Reason.ENTRY),
    ]
    assert counted(run) == {"limited": 1}


@pytest.mark.parametrize(
    ("losses", "last", "opened"),
    [
        (1, 99, [1, 5]),  # lost at bar 2: bars 2, 3 and 4 are refused
        (2, 99, [1, 4]),  # one loss alone is not enough
        (1, 100, [1, 4]),  # nothing lost, nothing to cool down from
    ],
)
def test_r14_a_cooldown_follows_losses(engine, losses, last, opened):
    bars = day_of(100, 100, last, last, last, last, last)
    signals = wants(LONG, FLAT, HOLD, LONG, LONG, HOLD, HOLD)

    run = engine(bars, signals, units(cooldown_bars=2, cooldown_losses=losses), ZERO)

    assert [bar for bar, *_, reason in deals(run) if reason == Reason.ENTRY] == opened


def test_r14_a_gain_ends_a_row_of_losses(engine):
    """Lost at bar 2, gained at bar 4, lost at bar 6: never two in a row, so bar 7 opens."""
    bars = day_of(100, 100, 99, 99, 100, 100, 99, 99)
    signals = wants(LONG, FLAT, LONG, FLAT, LONG, FLAT, LONG, HOLD)

    run = engine(bars, signals, units(cooldown_bars=1, cooldown_losses=2), ZERO)

    assert [bar for bar, *_, reason in deals(run) if reason == Reason.ENTRY] == [1, 3, 5, 7]


def test_r14_after_a_cooldown_losses_are_counted_anew(engine):
    """Two losses, at bars 2 and 4, refuse bar 5; the one at bar 7 is the first of another row."""
    bars = day_of(*range(100, 90, -1))
    signals = wants(LONG, FLAT, LONG, FLAT, LONG, LONG, FLAT, LONG, HOLD, HOLD)

    run = engine(bars, signals, units(cooldown_bars=1, cooldown_losses=2), ZERO)

    assert [bar for bar, *_, reason in deals(run) if reason == Reason.ENTRY] == [1, 3, 6, 8]
    assert counted(run) == {"limited": 1}


def test_r14_a_reversal_out_of_a_loss_waits_for_the_cooldown(engine):
    run = engine(
        day_of(100, 100, 99, 99), wants(LONG, SHORT, HOLD, HOLD), units(cooldown_bars=1), ZERO
    )

    assert [reason for *_, reason in deals(run)] == [Reason.ENTRY, Reason.REVERSE]
    assert counted(run) == {"limited": 1}
