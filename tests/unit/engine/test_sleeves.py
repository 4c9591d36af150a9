"""Equal sleeves: what becomes of a symbol whose prices end before those of the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.domain.bars import US_PER_DAY
from core.domain.options import EngineOptions
from core.domain.simulation import Reason
from core.engine.account import simulate_account
from core.engine.sleeves import simulate_sleeves
from tests.factories import ZERO, make_bars, random_case, signals_at

FIRST = 18_262
UNITS = EngineOptions(sizing="units", size=1)


def held(last: int, **changes):
    """Bought at 50, last price 51 on day 2, beside a symbol that ends on day `last`."""
    ended = make_bars([50.0, 50.0, 50.0], close=[50.0, 50.0, 51.0])
    other = make_bars([100.0] * 4, session=[FIRST, FIRST + 1, FIRST + 2, FIRST + last])
    options = UNITS.model_copy(update=changes)
    return simulate_sleeves(
        [ended, other], [signals_at(3, {0: 1}), signals_at(4, {})], options, ZERO
    )


@pytest.mark.parametrize(("last", "delisted"), [(8, True), (7, False)])
def test_r16_a_symbol_that_ends_more_than_five_days_before_the_rest_is_sold_there(last, delisted):
    ended, other = held(last)

    reasons = [Reason.ENTRY, Reason.DELIST] if delisted else [Reason.ENTRY]
    assert [Reason(each) for each in ended.fills.reason] == reasons
    assert ended.fills.price.tolist() == ([50.0, 51.0] if delisted else [50.0])
    assert ended.trades.exit_bar.tolist() == ([2] if delisted else [-1])
    assert ended.trades.exit_reason.tolist() == ([Reason.DELIST] if delisted else [0])
    assert ended.equity[-1] == 50_001
    assert ended.quantity[-1] == (0 if delisted else 1)
    assert len(other.fills) == 0


def test_r19_the_end_of_the_run_asks_only_those_that_are_still_there():
    assert [Reason(each) for each in held(7)[0].fills.reason] == [Reason.ENTRY]
    assert [Reason(each) for each in held(8, close_at_end=True)[0].fills.reason] == [
        Reason.ENTRY,
        Reason.DELIST,
    ]
    assert [Reason(each) for each in held(7, close_at_end=True)[0].fills.reason] == [
        Reason.ENTRY,
        Reason.END,
    ]


@pytest.mark.parametrize("seed", range(60))
def test_r16_a_sleeve_ends_as_it_would_on_an_account_shared_with_who_does_nothing(seed):
    case = random_case(seed, count=60)
    bars, options = case.bars, case.options
    later = int(bars.session[-1]) + 6
    idle = replace(make_bars([1.0], session=[later]), ts=bars.ts[-1:] + 6 * US_PER_DAY)

    silent = signals_at(1, {})
    cash = options.model_copy(update={"initial_cash": options.initial_cash * 2})
    alone = simulate_sleeves([bars, idle], [case.signals, silent], cash, case.costs)[0]
    shared = simulate_account([bars, idle], [case.signals, silent], options, case.costs)

    assert alone.fills.price.tolist() == shared.fills.price.tolist()
    assert alone.fills.reason.tolist() == shared.fills.reason.tolist()
    assert alone.fills.fee.tolist() == shared.fills.fee.tolist()
    assert alone.trades.pnl.tolist() == shared.trades.pnl.tolist()
    assert alone.trades.exit_reason.tolist() == shared.trades.exit_reason.tolist()
    assert alone.equity[-1] == shared.equity[-1]
