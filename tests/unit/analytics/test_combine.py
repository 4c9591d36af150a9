import numpy as np
import pytest

from core.analytics.combine import buy_and_hold, combine, gross_exposure
from core.domain.market import MARKETS
from tests.factories import make_bars
from tests.unit.analytics.simulations import simulation_of


def sleeve(equity, ts, session, **rest):
    return simulation_of(equity, ts=ts, session=session, **rest)


def test_a_single_sleeve_is_the_account():
    only = simulation_of([101.0, 102.0])

    curve = combine([only])

    assert curve.equity is only.equity
    assert curve.ts is only.bars.ts
    assert curve.initial_cash == 100.0


def test_sleeves_add_up_on_the_union_of_their_times():
    first = sleeve([110.0, 120.0, 130.0], [10, 20, 40], [1, 1, 2])
    second = sleeve([55.0, 65.0], [20, 30], [1, 2], initial_cash=50.0)

    curve = combine([first, second])

    assert curve.ts.tolist() == [10, 20, 30, 40]
    assert curve.session.tolist() == [1, 1, 2, 2]
    assert curve.equity.tolist() == [160.0, 175.0, 185.0, 195.0]
    assert curve.initial_cash == 150.0


def test_a_sleeve_that_ends_early_keeps_its_last_equity():
    first = sleeve([110.0], [10], [1])
    second = sleeve([50.0, 40.0], [10, 20], [1, 2])

    assert combine([first, second]).equity.tolist() == [160.0, 150.0]


def test_a_sleeve_without_bars_stays_in_cash():
    first = sleeve([110.0, 120.0], [10, 20], [1, 2])
    empty = sleeve([], [], [], trades=())

    curve = combine([empty, first])

    assert curve.equity.tolist() == [210.0, 220.0]
    assert curve.session.tolist() == [1, 2]


def test_where_markets_disagree_the_session_is_the_latest_reached():
    rolled = sleeve([1.0, 1.0], [10, 30], [2, 3], market=MARKETS["FX"])
    plain = sleeve([1.0, 1.0], [20, 30], [1, 2], market=MARKETS["24/7"])

    assert combine([rolled, plain]).session.tolist() == [2, 2, 3]


def test_gross_exposure_of_the_account_is_that_of_all_sleeves_together():
    long = sleeve([100.0, 100.0], [10, 20], [1, 2], quantity=[1.0, 0.0], close=[80.0, 80.0])
    short = sleeve([100.0], [20], [2], quantity=[-2.0], close=[15.0], multiplier=2.0)

    found = gross_exposure([long, short], combine([long, short]))

    assert found == pytest.approx((80.0 / 200.0 + 60.0 / 200.0) / 2, rel=1e-15)


def test_an_account_with_nothing_left_has_no_exposure():
    one = sleeve([-300.0], [10], [1], quantity=[5.0])
    two = sleeve([100.0], [10], [1], quantity=[5.0])

    assert gross_exposure([one, two], combine([one, two])) == 0.0


def test_buying_and_holding_follows_the_price_from_the_first_open():
    bars = make_bars([50.0, 60.0], close=[55.0, 75.0])

    assert buy_and_hold([bars], 1000.0) == pytest.approx([1100.0, 1500.0], rel=1e-15)


def test_buying_and_holding_several_divides_the_cash_once():
    first = make_bars([10.0, 10.0], close=[20.0, 30.0], ts=[10, 30], session=[1, 2])
    later = make_bars([10.0], close=[5.0], ts=[20], session=[1])

    equity = buy_and_hold([first, later], 200.0)

    assert equity.tolist() == [300.0, 250.0, 350.0]


def test_buying_and_holding_matches_the_times_of_the_account():
    first = sleeve([1.0, 1.0], [10, 30], [1, 2])
    second = sleeve([1.0, 1.0], [20, 30], [1, 2])

    curve = combine([first, second])

    assert len(buy_and_hold([first.bars, second.bars], 2.0)) == len(curve.ts)


def test_dividends_of_what_is_held_stay_in_cash_and_splits_multiply_it():
    """4 units at 25; the first day pays others; 0.5 each, then 2:1, then 0.25 on 8 units."""
    bars = make_bars(
        [25.0, 26.0, 13.0, 14.0],
        dividend=[9.0, 0.5, 0.0, 0.25],
        split=[1.0, 1.0, 2.0, 1.0],
    )

    assert buy_and_hold([bars], 100.0) == pytest.approx([100.0, 106.0, 106.0, 116.0])


def test_buying_nothing_stays_in_cash():
    empty = make_bars([], ts=[], session=[])
    bars = make_bars([10.0], close=[20.0])

    assert buy_and_hold([empty, bars], 100.0).tolist() == [150.0]
    assert buy_and_hold([empty], 100.0).tolist() == []
    np.testing.assert_array_equal(combine([sleeve([], [], [])]).equity, [])
