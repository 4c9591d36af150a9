import pytest

from core.analytics import costs
from core.analytics.undefined import Undefined


def reason_of(function, *args):
    with pytest.raises(Undefined) as caught:
        function(*args)
    return caught.value.reason


def test_buying_and_selling_the_account_once_a_year_is_a_turnover_of_one():
    assert costs.turnover(2 * 100.0, 100.0, 1.0) == 1.0
    assert costs.turnover(2 * 100.0, 50.0, 4.0) == 0.5


def test_an_account_in_debt_has_no_turnover():
    assert reason_of(costs.turnover, 200.0, 0.0, 1.0) == "ruined"


def test_costs_that_take_everything_are_a_share_of_one():
    assert costs.cost_share(5.0, 20.0) == 0.25
    assert costs.cost_share(20.0, 20.0) == 1.0


@pytest.mark.parametrize("gross", [0.0, -1.0])
def test_a_loss_before_costs_has_no_cost_share(gross):
    assert reason_of(costs.cost_share, 5.0, gross) == "no_gross_profit"


def test_break_even_cost_would_take_the_whole_profit():
    gross, notional = 30.0, 60_000.0

    bps = costs.breakeven_bps(gross, notional)

    assert bps == 5.0
    assert gross - bps / 1e4 * notional == 0.0


def test_break_even_needs_a_fill():
    assert reason_of(costs.breakeven_bps, 0.0, 0.0) == "no_trades"
