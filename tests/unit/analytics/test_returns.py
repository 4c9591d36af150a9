import math

import numpy as np
import pytest

from core.analytics.returns import (
    cagr,
    end_of,
    periods_per_year,
    risk_free_return,
    risk_free_returns,
    session_ends,
    simple_returns,
    total_return,
    years_between,
)
from core.analytics.undefined import Undefined
from core.domain.timeframe import Timeframe
from tests.factories import make_bars

US_PER_DAY = 86_400_000_000


def test_a_session_ends_with_its_last_row():
    session = np.array([7, 7, 7, 9, 10, 10], dtype=np.int32)

    assert session_ends(session).tolist() == [2, 3, 5]


@pytest.mark.parametrize(("session", "ends"), [([], []), ([5], [0]), ([5, 5], [1])])
def test_session_ends_of_short_histories(session, ends):
    assert session_ends(np.array(session, dtype=np.int32)).tolist() == ends


def test_the_first_return_is_measured_from_the_starting_cash():
    returns = simple_returns(np.array([110.0, 99.0, 99.0]), 100.0)

    assert returns == pytest.approx([0.1, -0.1, 0.0], rel=1e-15)


@pytest.mark.parametrize("last", [0.0, -20.0])
def test_returns_end_with_ruin(last):
    returns = simple_returns(np.array([100.0, 50.0, last, last, last]), 100.0)

    assert returns.tolist() == [0.0, -0.5, last / 50.0 - 1.0]


def test_an_account_can_be_ruined_in_its_first_row():
    assert simple_returns(np.array([-1.0, -1.0]), 100.0).tolist() == [-1.01]


def test_no_equity_has_no_returns():
    assert simple_returns(np.empty(0), 100.0).shape == (0,)


def test_total_return_passes_minus_one_in_debt():
    assert total_return(100.0, -20.0) == -1.2


def test_doubling_in_one_year_is_a_growth_of_one():
    assert cagr(100.0, 200.0, 1.0) == 1.0
    assert cagr(100.0, 400.0, 2.0) == 1.0
    assert cagr(100.0, 200.0, 0.5) == 3.0


@pytest.mark.parametrize("end", [0.0, -5.0])
def test_growth_of_an_account_with_nothing_left_is_minus_one(end):
    assert cagr(100.0, end, 3.0) == -1.0


@pytest.mark.parametrize("years", [0.0, 1e-6])
def test_growth_over_no_time_is_undefined(years):
    with pytest.raises(Undefined) as caught:
        cagr(100.0, 200.0, years)

    assert caught.value.reason == "too_short"


def test_a_gregorian_year_is_one_year():
    assert years_between(0, round(365.2425 * US_PER_DAY)) == 1.0


@pytest.mark.parametrize(
    ("timeframe", "days"),
    [
        (Timeframe.M1, 1 / 1440),
        (Timeframe.H1, 1 / 24),
        (Timeframe.D1, 1.0),
        (Timeframe.W1, 7.0),
        (Timeframe.MN1, 365.2425 / 12),
    ],
)
def test_the_last_bar_ends_one_timeframe_after_it_opens(timeframe, days):
    bars = make_bars([1.0, 2.0], timeframe=timeframe)

    assert end_of(bars) == int(bars.ts[-1]) + round(days * US_PER_DAY)


@pytest.mark.parametrize(
    ("timeframe", "years", "expected"),
    [
        (Timeframe.D1, 2.0, 250.0),  # counted
        (Timeframe.D1, 1.0, 500.0),
        (Timeframe.D1, 0.999, 252.0),  # nominal
        (Timeframe.M1, 0.999, 252.0),
        (Timeframe.W1, 2.0, 52.0),
        (Timeframe.MN1, 0.1, 12.0),
    ],
)
def test_sessions_are_counted_once_there_is_a_year_of_them(timeframe, years, expected):
    found = periods_per_year(timeframe, periods=500, years=years, nominal=252.0)

    assert math.isclose(found, expected, rel_tol=1e-15)


@pytest.mark.parametrize("annual", [-0.0075, 0.01, 0.05, 0.5])
@pytest.mark.parametrize("per_year", [12.0, 52.0, 252.0, 251.37, 365.0])
def test_a_riskless_rate_compounds_to_its_year(annual, per_year):
    session = risk_free_return(annual, per_year)

    assert math.exp(per_year * math.log1p(session)) - 1.0 == pytest.approx(annual, rel=1e-12)
    assert risk_free_returns(annual, per_year, np.array([1, 3])) == pytest.approx(
        [session, (1.0 + session) ** 3 - 1.0], rel=1e-12
    )


def test_no_rate_earns_nothing_at_all():
    assert math.copysign(1.0, risk_free_return(0.0, 252.0)) == 1.0
    assert risk_free_return(0.0, 252.0) == 0.0
    assert risk_free_returns(0.0, 252.0, np.arange(5)).tolist() == [0.0] * 5
