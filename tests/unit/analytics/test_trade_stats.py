from math import nan, sqrt

import numpy as np
import pytest

from core.analytics import trade_stats
from core.analytics.undefined import Undefined
from tests.unit.analytics.simulations import Trade, simulation_of

PNL = np.array([30.0, -10.0, 0.0, 20.0, 10.0, -20.0, -5.0, -5.0])


def reason_of(function, *args, **options):
    with pytest.raises(Undefined) as caught:
        function(*args, **options)
    return caught.value.reason


def test_a_table_of_trades_by_hand():
    assert trade_stats.win_rate(PNL) == 3 / 8
    assert trade_stats.mean(PNL) == 2.5
    assert trade_stats.average_win(PNL) == 20.0
    assert trade_stats.average_loss(PNL) == -10.0
    assert trade_stats.payoff(PNL) == 2.0
    assert trade_stats.profit_factor(PNL) == 1.5
    assert trade_stats.greatest(PNL) == 30.0
    assert trade_stats.least(PNL) == -20.0


def test_break_even_ends_both_streaks():
    assert trade_stats.longest_streak(PNL > 0) == 2
    assert trade_stats.longest_streak(PNL < 0) == 3
    assert trade_stats.longest_streak(np.array([True, False, True, True])) == 2
    assert trade_stats.longest_streak(np.array([False, False])) == 0


@pytest.mark.parametrize(
    ("values", "expected"), [([4], 4.0), ([9, 1], 5.0), ([9, 1, 2], 2.0), ([1, 2, 4, 9], 3.0)]
)
def test_the_median_of_an_even_number_is_between_the_middle_two(values, expected):
    assert trade_stats.median(np.array(values)) == expected


def test_wins_only_have_no_profit_factor():
    wins = np.array([1.0, 2.0])

    assert reason_of(trade_stats.profit_factor, wins) == "no_losses"
    assert reason_of(trade_stats.payoff, wins) == "no_losses"
    assert reason_of(trade_stats.average_loss, wins) == "no_losses"


def test_losses_only_have_a_profit_factor_of_nothing():
    losses = np.array([-1.0, -2.0])

    assert trade_stats.profit_factor(losses) == 0.0
    assert reason_of(trade_stats.payoff, losses) == "no_wins"
    assert reason_of(trade_stats.average_win, losses) == "no_wins"


def test_sqn_is_a_t_statistic():
    multiples = np.array([3.0, 1.0] * 2)  # mean 2, sd sqrt(4 / 3)

    assert trade_stats.sqn(multiples) == pytest.approx(2 * 2 / sqrt(4 / 3), rel=1e-14)


def test_sqn100_caps_the_number_of_trades():
    multiples = np.array([3.0, 1.0] * 200)

    ratio = trade_stats.sqn(multiples) / trade_stats.sqn(multiples, at_most=100)

    assert ratio == pytest.approx(2.0, rel=1e-14)


def test_sqn_needs_two_trades_that_differ():
    assert reason_of(trade_stats.sqn, np.array([1.0])) == "too_few_trades"
    assert reason_of(trade_stats.sqn, np.array([1.0, 1.0])) == "zero_variance"


def test_trade_returns_are_net_and_of_the_money_put_in():
    trades = [
        Trade(pnl=50.0, quantity=-2.0, entry_price=50.0),
        Trade(pnl=-7.0, quantity=1.0, entry_price=7.0),
    ]
    table = simulation_of([100.0], trades=trades).trades

    assert trade_stats.trade_returns(table, 10.0).tolist() == [0.05, -0.1]


def test_risk_multiples_exist_where_there_was_a_stop():
    table = simulation_of([100.0], trades=[Trade(pnl=50.0, risk=25.0), Trade(pnl=9.0)]).trades

    np.testing.assert_array_equal(trade_stats.risk_multiples(table), [2.0, nan])


@pytest.mark.parametrize(
    "function",
    [
        trade_stats.mean,
        trade_stats.median,
        trade_stats.greatest,
        trade_stats.least,
        trade_stats.win_rate,
        trade_stats.average_win,
        trade_stats.average_loss,
        trade_stats.profit_factor,
        trade_stats.payoff,
        trade_stats.sqn,
        trade_stats.longest_streak,
    ],
)
def test_no_trades_say_nothing(function):
    assert reason_of(function, np.empty(0)) == "no_trades"
