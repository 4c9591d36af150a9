"""Samples whose mean, deviation and moments are known by hand."""

from decimal import Decimal, localcontext
from math import sqrt

import numpy as np
import pytest

from core.analytics import ratios
from core.analytics.undefined import Undefined

A = 252.0
TWO_POINTS = np.array([0.03, 0.01] * 10)  # mean 0.02, population sd 0.01, skew 0, kurtosis 1
GRID = np.arange(-50, 51) / 1000.0  # 101 returns: quantiles fall on members


def reason_of(function, *args, **options):
    with pytest.raises(Undefined) as caught:
        function(*args, **options)
    return caught.value.reason


def test_volatility_uses_the_sample_deviation():
    assert ratios.volatility(TWO_POINTS, A) == pytest.approx(0.01 * sqrt(20 / 19 * A), rel=1e-14)


def test_sharpe_of_a_two_point_sample():
    assert ratios.sharpe(TWO_POINTS, A) == pytest.approx(2.0 * sqrt(19 / 20 * A), rel=1e-13)


def test_the_risk_free_rate_is_taken_from_the_mean():
    found = ratios.sharpe(TWO_POINTS, A, risk_free=0.005)

    assert found == pytest.approx(1.5 * sqrt(19 / 20 * A), rel=1e-13)


def test_sharpe_error_of_a_two_point_sample():
    # Skewness 0 and kurtosis 1 leave (1 - 0 + 0) / (D - 1) under the root.
    assert ratios.sharpe_error(TWO_POINTS, A) == pytest.approx(sqrt(A / 19), rel=1e-13)


def test_sharpe_error_with_normal_moments_is_that_of_lo():
    # Three points with weights 1/6, 2/3, 1/6 at -sqrt(3), 0, sqrt(3) have skewness 0, kurtosis 3.
    step = 0.01 * sqrt(3.0)
    returns = np.array([0.004 - step, *[0.004] * 4, 0.004 + step] * 10)
    s = 0.4 * sqrt(59 / 60)

    found = ratios.sharpe_error(returns, 1.0)

    assert found == pytest.approx(sqrt((1 + s**2 / 2) / 59), rel=1e-12)


def normal_share(z: float) -> float:
    """Phi by the series of its density, to 60 digits: sum of (-1)^k z^(2k+1) / (2^k k! (2k+1))."""
    with localcontext(prec=60):
        pi = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
        exact, total, term, k = Decimal(z), Decimal(0), Decimal(z), 0
        while abs(term) > Decimal("1e-55"):
            total += term / (2 * k + 1)
            k += 1
            term *= -exact * exact / (2 * k)
        return float(Decimal("0.5") + total / (2 * pi).sqrt())


@pytest.mark.parametrize("z", [-6.0, -2.5, -1.0, -1e-3, 0.0, 0.3, 1.0, 1.96, 4.0])
def test_the_probability_is_the_normal_distribution_to_its_last_digit(z):
    assert ratios.probability_above(z, 1.0, 2) == pytest.approx(normal_share(z), rel=1e-13)


def test_the_quantile_of_95_percent():
    assert normal_share(ratios.Z_95) == pytest.approx(0.95, abs=2e-16)


def test_the_probability_of_a_sharpe_above_zero_of_a_two_point_sample():
    # Skewness 0 and kurtosis 1: the error of s is 1 / sqrt(D - 1), whatever s is.
    small = TWO_POINTS - 0.017
    s = 0.3 * sqrt(19 / 20)

    assert ratios.probabilistic_sharpe(small) == pytest.approx(
        normal_share(s * sqrt(19)), rel=1e-12
    )
    assert ratios.sessions_needed(small) == pytest.approx(1 + (ratios.Z_95 / s) ** 2, rel=1e-12)


def test_the_risk_free_rate_lowers_what_must_be_above_zero():
    for function in (ratios.probabilistic_sharpe, ratios.sessions_needed):
        found = function(TWO_POINTS, risk_free=0.017)
        assert found == pytest.approx(function(TWO_POINTS - 0.017), rel=1e-12)


def test_with_the_sessions_needed_the_probability_is_95_percent():
    ratio, variance = 0.11, ratios.estimation_variance(0.11, -1.3, 7.5)

    needed = ratios.least_track_record(ratio, variance, benchmark=0.02)

    assert ratios.probability_above(ratio, variance, needed, benchmark=0.02) == pytest.approx(
        0.95, rel=1e-14
    )


@pytest.mark.parametrize("rate", [0.02, 0.03])
def test_no_length_shows_that_what_is_not_above_the_rate_is(rate):
    assert reason_of(ratios.sessions_needed, TWO_POINTS, risk_free=rate) == "no_excess"
    assert ratios.probabilistic_sharpe(TWO_POINTS, risk_free=rate) <= 0.5 + 1e-12


def test_an_estimate_without_error_has_no_probability():
    # Two points of skewness g have kurtosis g^2 + 1, so that s = 2 / g leaves (1 - g s / 2)^2 = 0.
    assert ratios.estimation_variance(2.0, 1.0, 2.0) == 0.0
    assert reason_of(ratios.probability_above, 2.0, 0.0, 50) == "zero_denominator"
    assert ratios.least_track_record(2.0, 0.0) == 1.0


def test_sharpe_asks_for_twenty_returns():
    assert reason_of(ratios.sharpe, TWO_POINTS[:19], A) == "too_short"
    assert reason_of(ratios.sharpe_error, TWO_POINTS[:19], A) == "too_short"
    assert reason_of(ratios.probabilistic_sharpe, TWO_POINTS[:19]) == "too_short"
    assert reason_of(ratios.sessions_needed, TWO_POINTS[:19]) == "too_short"
    assert ratios.sharpe(TWO_POINTS[:19], A, at_least=2) > 0


@pytest.mark.parametrize("function", [ratios.sharpe, ratios.sharpe_error])
@pytest.mark.parametrize("level", [0.0, 0.001, -0.2])
def test_constant_returns_have_no_sharpe(function, level):
    assert reason_of(function, np.full(60, level), A) == "zero_variance"


def test_rounding_noise_is_no_variance():
    equity = 1e5 * 1.001 ** np.arange(1, 61)
    returns = equity / np.concatenate(([1e5], equity[:-1])) - 1.0
    assert returns.max() > returns.min()

    assert reason_of(ratios.sharpe, returns, A) == "zero_variance"
    assert reason_of(ratios.skewness, returns) == "zero_variance"
    assert reason_of(ratios.kurtosis, returns) == "zero_variance"
    assert ratios.volatility(returns, A) < 1e-12


def test_small_variance_is_variance():
    found = ratios.sharpe(0.001 + TWO_POINTS * 1e-7, A)

    assert found == pytest.approx((0.001 + 2e-9) / 1e-9 * sqrt(19 / 20 * A), rel=1e-4)


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0 + 1e-13], [1e6, 1e6 + 1e-7], [-1e6] * 3])
def test_values_are_constant_to_twelve_digits(values):
    assert ratios.is_constant(np.array(values))


@pytest.mark.parametrize("values", [[1.0, 1.0 + 1e-11], [0.0, 2e-12], [1e6, 1e6 + 1e-5]])
def test_values_beyond_twelve_digits_differ(values):
    assert not ratios.is_constant(np.array(values))


def test_downside_deviation_averages_over_all_returns():
    assert ratios.downside_deviation(np.array([-0.03, 0.5, 0.5, -0.01])) == pytest.approx(
        sqrt((0.0009 + 0.0001) / 4), rel=1e-14
    )


def test_sortino_of_gains_and_losses():
    returns = np.array([-0.01, 0.02])

    assert ratios.sortino(returns, A) == pytest.approx(sqrt(0.5 * A), rel=1e-14)


def test_sortino_above_a_threshold():
    returns = np.array([0.0, 0.04])

    found = ratios.sortino(returns, A, threshold=0.01)

    assert found == pytest.approx(0.01 / (0.01 / sqrt(2)) * sqrt(A), rel=1e-14)


def test_gains_only_have_no_downside():
    assert reason_of(ratios.sortino, np.array([0.0, 0.01]), A) == "no_downside"
    assert reason_of(ratios.omega, np.array([0.0, 0.01])) == "no_downside"


def test_omega_is_gains_over_losses():
    assert ratios.omega(np.array([0.06, -0.01, -0.02])) == pytest.approx(2.0, rel=1e-14)
    assert ratios.omega(np.array([-0.01, -0.02])) == 0.0


def test_omega_around_a_threshold():
    found = ratios.omega(np.array([0.05, 0.01]), threshold=0.02)

    assert found == pytest.approx(3.0, rel=1e-14)


@pytest.mark.parametrize(
    ("values", "q", "expected"),
    [
        ([7.0], 0.3, 7.0),
        ([1.0, 2.0], 0.3, 1.3),
        ([1.0, 81.0, 82.0, 83.0, 84.0, 85.0], 0.1, 41.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([3.0, 1.0, 2.0], 1.0, 3.0),
        ([3.0, 1.0, 2.0], 0.0, 1.0),
    ],
)
def test_quantiles_are_interpolated(values, q, expected):
    assert ratios.quantile(np.array(values), q) == pytest.approx(expected, rel=1e-15)


def test_tail_ratio_compares_the_quantiles():
    assert ratios.tail_ratio(GRID) == pytest.approx(1.0, rel=1e-14)
    assert ratios.tail_ratio(GRID + 0.015) == pytest.approx(2.0, rel=1e-14)
    assert reason_of(ratios.tail_ratio, np.zeros(30)) == "zero_denominator"


def test_value_at_risk_is_a_member_of_the_sample():
    assert ratios.value_at_risk(GRID) == 0.045
    assert ratios.conditional_value_at_risk(GRID) == pytest.approx(0.0475, rel=1e-14)


def test_gains_only_are_a_negative_loss():
    assert ratios.value_at_risk(GRID + 0.1) == pytest.approx(-0.055, rel=1e-14)


def test_value_at_risk_asks_for_a_hundred_returns():
    assert reason_of(ratios.value_at_risk, GRID[:99]) == "too_short"
    assert reason_of(ratios.conditional_value_at_risk, GRID[:99]) == "too_short"
    assert ratios.value_at_risk(GRID[:100]) == pytest.approx(0.04505, rel=1e-13)


def test_ties_at_the_quantile_all_count_as_beyond_it():
    returns = np.array([-0.5] * 3 + [-0.1] * 10 + [0.1] * 87)

    assert ratios.value_at_risk(returns) == 0.1
    assert ratios.conditional_value_at_risk(returns) == pytest.approx(2.5 / 13, rel=1e-14)


def test_moments_are_those_of_the_population():
    # Five of 0 and one of 6: mean 1, m2 5, m3 20, m4 105.
    returns = np.array([0.0, 0.0, 6.0, 0.0, 0.0, 0.0])

    assert ratios.skewness(returns) == pytest.approx(20 / 5**1.5, rel=1e-14)
    assert ratios.kurtosis(returns) == pytest.approx(105 / 25, rel=1e-14)


def test_ratios_of_growth_need_a_drawdown():
    assert ratios.calmar(0.2, -0.4) == 0.5
    assert ratios.calmar(-1.0, -1.25) == -0.8
    assert ratios.ulcer_performance(0.2, 0.1) == 2.0
    assert ratios.ulcer_performance(0.2, 0.1, risk_free=0.1) == 1.0
    assert ratios.recovery_factor(30.0, 20.0) == 1.5
    assert reason_of(ratios.calmar, 0.2, 0.0) == "no_drawdown"
    assert reason_of(ratios.ulcer_performance, 0.2, 0.0) == "no_drawdown"
    assert reason_of(ratios.recovery_factor, 1.0, 0.0) == "no_drawdown"


@pytest.mark.parametrize(
    "function",
    [
        lambda r: ratios.volatility(r, A),
        lambda r: ratios.sharpe(r, A),
        lambda r: ratios.sharpe_error(r, A),
        ratios.probabilistic_sharpe,
        ratios.sessions_needed,
        lambda r: ratios.sortino(r, A),
        ratios.omega,
        ratios.tail_ratio,
        ratios.skewness,
        ratios.kurtosis,
        ratios.value_at_risk,
        ratios.conditional_value_at_risk,
    ],
)
@pytest.mark.parametrize("returns", [[], [0.01]])
def test_no_return_or_one_is_too_short(function, returns):
    assert reason_of(function, np.array(returns)) == "too_short"
