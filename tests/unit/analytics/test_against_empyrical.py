"""Where definitions agree with empyrical-reloaded, so do the numbers, to 1e-12.

They disagree, and are not compared, in: years (calendar here, rows / 252 there), drawdown of bars
(sessions there), and whatever is undefined here and NaN or infinite there.
"""

import warnings

import numpy as np
import pytest

from core.analytics import ratios, returns
from core.analytics.drawdown import max_drawdown

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import empyrical


@pytest.fixture(params=range(12))
def sample(request):
    rng = np.random.default_rng(request.param)
    size = int(rng.integers(100, 900))
    return rng.standard_t(4, size) * 0.01 + rng.normal(0.0, 0.0005)


def same(found, expected):
    return found == pytest.approx(float(expected), rel=1e-12, abs=1e-15)


def test_volatility(sample):
    assert same(ratios.volatility(sample, 252.0), empyrical.annual_volatility(sample))


@pytest.mark.parametrize("risk_free", [0.0, 0.0001])
def test_sharpe(sample, risk_free):
    expected = empyrical.sharpe_ratio(sample, risk_free=risk_free)

    assert same(ratios.sharpe(sample, 252.0, risk_free=risk_free), expected)


@pytest.mark.parametrize("threshold", [0.0, 0.0002])
def test_sortino(sample, threshold):
    expected = empyrical.sortino_ratio(sample, required_return=threshold)

    assert same(ratios.sortino(sample, 252.0, threshold=threshold), expected)


def test_downside_deviation(sample):
    expected = empyrical.downside_risk(sample) / np.sqrt(252.0)

    assert same(ratios.downside_deviation(sample), expected)


def test_omega(sample):
    assert same(ratios.omega(sample), empyrical.omega_ratio(sample))


def test_tail_ratio(sample):
    assert same(ratios.tail_ratio(sample), empyrical.tail_ratio(sample))


def test_value_at_risk(sample):
    assert same(ratios.value_at_risk(sample), -empyrical.value_at_risk(sample))


def test_conditional_value_at_risk(sample):
    expected = -empyrical.conditional_value_at_risk(sample)

    assert same(ratios.conditional_value_at_risk(sample), expected)


def test_max_drawdown_of_session_closes(sample):
    equity = 100.0 * np.cumprod(1.0 + sample)

    assert same(max_drawdown(equity, 100.0), empyrical.max_drawdown(sample))


def test_growth_and_calmar_over_years_counted_their_way(sample):
    equity = 100.0 * np.cumprod(1.0 + sample)
    growth = returns.cagr(100.0, float(equity[-1]), len(sample) / 252.0)

    assert same(growth, empyrical.cagr(sample))
    assert same(ratios.calmar(growth, max_drawdown(equity, 100.0)), empyrical.calmar_ratio(sample))
