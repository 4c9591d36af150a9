"""What a sample of returns says: deviation, Sharpe and its relatives, tails and moments.

Functions take per-period returns, shape (D,), as fractions without NaN, and `per_year`, the periods
a year has. Standard deviations are of the sample (ddof 1), higher moments of the population. The
risk-free rate and the threshold are per period.

Fewer than `at_least` returns raise `Undefined("too_short")` everywhere. A denominator up to `NOISE`
counts as zero.
"""

from __future__ import annotations

from math import erfc, floor, sqrt

import numpy as np

from core.analytics.undefined import NOISE, Undefined
from core.domain.bars import FloatArray

SHARPE_AT_LEAST = 20
TAIL_AT_LEAST = 100
Z_95 = 1.6448536269514722
"""Normal quantile of 95%."""


def _require(returns: FloatArray, at_least: int) -> None:
    if len(returns) < max(at_least, 1):
        raise Undefined("too_short")


def _mean(values: FloatArray) -> float:
    return float(values.sum()) / len(values)


def is_constant(values: FloatArray) -> bool:
    """Say whether at least one value is given and all agree to 12 digits (of 1 or the greatest)."""
    low, high = float(values.min()), float(values.max())
    return high - low <= NOISE * max(1.0, -low, high)


def mean_and_deviation(values: FloatArray) -> tuple[float, float]:
    """Compute mean and sample standard deviation (ddof 1) of at least two values.

    Raises:
        Undefined: `zero_variance`: the values are constant.
    """
    mean, deviation = _mean_and_deviation(values)
    _refuse_constant(values, mean, deviation)
    return mean, deviation


def _mean_and_deviation(values: FloatArray) -> tuple[float, float]:
    # Two passes: subtracting the squared sum from the sum of squares would cancel.
    mean = _mean(values)
    squares = values - mean
    squares *= squares
    return mean, sqrt(float(squares.sum()) / (len(values) - 1))


def _refuse_constant(values: FloatArray, mean: float, deviation: float) -> None:
    # Constant values deviate by less than their spread, so the two passes over the values of
    # is_constant are left for samples that may be.
    if deviation <= 10.0 * NOISE * max(1.0, abs(mean)) and is_constant(values):
        raise Undefined("zero_variance")


def volatility(returns: FloatArray, per_year: float) -> float:
    """Compute the annualised volatility, `sd(r) sqrt(A)`.

    backtesting.py compounds the variance with the mean return instead.

    Raises:
        Undefined: `too_short`: fewer than two returns.
    """
    _require(returns, 2)
    _, deviation = _mean_and_deviation(returns)
    return deviation * sqrt(per_year)


def sharpe(
    returns: FloatArray,
    per_year: float,
    *,
    risk_free: float = 0.0,
    at_least: int = SHARPE_AT_LEAST,
) -> float:
    """Compute the Sharpe ratio, `mean(r - rf) / sd(r - rf) sqrt(A)` (Sharpe 1994).

    As in empyrical and quantstats. backtesting.py takes a geometric mean over a compounding
    volatility, vectorbt a year of 365 days; Lo (2002) replaces sqrt(A) where returns are
    autocorrelated. Constant returns give infinity in empyrical, 2.4e16 in quantstats and vectorbt.

    Raises:
        Undefined: `zero_variance`; `too_short`: fewer than `at_least` returns.
    """
    _require(returns, 2)
    mean, deviation = mean_and_deviation(returns)
    _require(returns, at_least)
    return (mean - risk_free) / deviation * sqrt(per_year)


def sharpe_error(
    returns: FloatArray,
    per_year: float,
    *,
    risk_free: float = 0.0,
    at_least: int = SHARPE_AT_LEAST,
) -> float:
    """Compute the standard error of the Sharpe ratio, skewness and fat tails included.

    `sqrt(A) sqrt((1 - g3 s + (g4 - 1) s^2 / 4) / (D - 1))` with `s` the Sharpe ratio of one
    period, `g3` the skewness and `g4` the raw kurtosis (Mertens 2002; Bailey and Lopez de Prado
    2012). With normal returns it is the error of Lo (2002), `sqrt((1 + s^2 / 2) / D)`, up to D for
    D - 1. LEAN and copies of it put the excess kurtosis in the place of `g4`.

    Raises:
        Undefined: as `sharpe`.
    """
    _, variance = _ratio_and_variance(returns, risk_free, at_least)
    return sqrt(per_year) * sqrt(variance / (len(returns) - 1))


def _ratio_and_variance(
    returns: FloatArray, risk_free: float, at_least: int
) -> tuple[float, float]:
    """Sharpe ratio of one period, and what `estimation_variance` says of it."""
    _require(returns, 2)
    mean, second, third, fourth = _moments(returns)
    _require(returns, at_least)
    count = len(returns)
    ratio = (mean - risk_free) / sqrt(second * count / (count - 1))
    return ratio, estimation_variance(ratio, third / second**1.5, fourth / second**2)


def estimation_variance(ratio: float, skew: float, kurt: float) -> float:
    """Compute D - 1 times the variance of a Sharpe ratio's estimate; `kurt` is raw, a normal's 3.

    `1 - g3 s + (g4 - 1) s^2 / 4`, of a ratio of one period (Mertens 2002).
    """
    # g4 >= g3^2 + 1 makes this positive; max() only guards the rounding of two-point samples.
    return max(0.0, 1.0 - skew * ratio + (kurt - 1.0) * ratio * ratio / 4.0)


def probability_above(
    ratio: float, variance: float, count: int, *, benchmark: float = 0.0
) -> float:
    """Compute the probability that the true Sharpe ratio is above a benchmark's.

    `Phi((s - s*) sqrt(D - 1) / sqrt(1 - g3 s + (g4 - 1) s^2 / 4))` (Bailey and Lopez de Prado
    2012). LEAN feeds it the excess kurtosis. It knows of one trial only: the best of a search is
    flattered.

    Args:
        ratio: Of one period, `s`.
        variance: As `estimation_variance`.
        count: Periods D, at least 2.
        benchmark: Ratio of one period to be beaten, `s*`.

    Returns:
        0 to 1.

    Raises:
        Undefined: `zero_denominator`: the estimate has no error.
    """
    if variance <= NOISE:
        raise Undefined("zero_denominator")
    z = (ratio - benchmark) * sqrt(count - 1) / sqrt(variance)
    return 0.5 * erfc(-z / sqrt(2.0))  # the normal distribution, exact in both tails


def least_track_record(ratio: float, variance: float, *, benchmark: float = 0.0) -> float:
    """Compute the periods it takes until a Sharpe ratio is above a benchmark's with 95%.

    `1 + (1 - g3 s + (g4 - 1) s^2 / 4) (z / (s - s*))^2`, `z` the normal quantile of 95% (Bailey
    and Lopez de Prado 2012): the D at which `probability_above` is 95%, not rounded.

    Args:
        ratio: Of one period, `s`.
        variance: As `estimation_variance`.
        benchmark: Ratio of one period to be beaten, `s*`.

    Raises:
        Undefined: `no_excess`: the ratio is not above the benchmark's.
    """
    if ratio - benchmark <= NOISE:
        raise Undefined("no_excess")
    return 1.0 + variance * (Z_95 / (ratio - benchmark)) ** 2


def probabilistic_sharpe(
    returns: FloatArray, *, risk_free: float = 0.0, at_least: int = SHARPE_AT_LEAST
) -> float:
    """Compute the probability that the true Sharpe ratio is above 0, see `probability_above`.

    Raises:
        Undefined: as `sharpe`; `zero_denominator`.
    """
    ratio, variance = _ratio_and_variance(returns, risk_free, at_least)
    return probability_above(ratio, variance, len(returns))


def sessions_needed(
    returns: FloatArray, *, risk_free: float = 0.0, at_least: int = SHARPE_AT_LEAST
) -> float:
    """Compute how many such returns it takes to trust that their Sharpe ratio is above 0.

    See `least_track_record`.

    Raises:
        Undefined: as `sharpe`; `no_excess`.
    """
    return least_track_record(*_ratio_and_variance(returns, risk_free, at_least))


def downside_deviation(returns: FloatArray, *, threshold: float = 0.0) -> float:
    """Compute `sqrt(mean(min(r - m, 0)^2))` over all D periods (Sortino and van der Meer 1991).

    LEAN takes the standard deviation of the losing periods only.

    Raises:
        Undefined: `too_short`: no returns.
    """
    _require(returns, 1)
    below = np.minimum(returns - threshold, 0.0)
    below *= below
    return sqrt(_mean(below))


def sortino(returns: FloatArray, per_year: float, *, threshold: float = 0.0) -> float:
    """Compute the Sortino ratio, `mean(r - m) / downside_deviation sqrt(A)`.

    As in empyrical and quantstats, which give infinity or NaN without a return below the threshold.

    Raises:
        Undefined: `too_short`: fewer than two returns; `no_downside`.
    """
    _require(returns, 2)
    downside = downside_deviation(returns, threshold=threshold)
    if downside <= NOISE:
        raise Undefined("no_downside")
    return (_mean(returns) - threshold) / downside * sqrt(per_year)


def calmar(growth: float, max_drawdown: float) -> float:
    """Compute the Calmar ratio, `CAGR / |max drawdown|` (Young 1991), over the whole history.

    Raises:
        Undefined: `no_drawdown`.
    """
    if abs(max_drawdown) <= NOISE:
        raise Undefined("no_drawdown")
    return growth / abs(max_drawdown)


def ulcer_performance(growth: float, ulcer: float, *, risk_free: float = 0.0) -> float:
    """Compute the ulcer performance index, `(CAGR - RF) / ulcer index`, RF per year.

    Raises:
        Undefined: `no_drawdown`.
    """
    if ulcer <= NOISE:
        raise Undefined("no_drawdown")
    return (growth - risk_free) / ulcer


def recovery_factor(net_profit: float, money_drawdown: float) -> float:
    """Compute net profit over the greatest fall from a peak, both in money.

    Raises:
        Undefined: `no_drawdown`.
    """
    if money_drawdown == 0.0:
        raise Undefined("no_drawdown")
    return net_profit / money_drawdown


def omega(returns: FloatArray, *, threshold: float = 0.0) -> float:
    """Compute Omega, `sum(max(r - L, 0)) / sum(max(L - r, 0))` (Keating and Shadwick 2002).

    With L = 0 it is what quantstats calls profit factor. Without losses empyrical and quantstats
    give NaN, vectorbt infinity.

    Raises:
        Undefined: `too_short`: fewer than two returns; `no_downside`.
    """
    _require(returns, 2)
    excess = returns - threshold
    gains = float(np.maximum(excess, 0.0).sum())
    losses = -float(np.minimum(excess, 0.0).sum())
    if losses <= NOISE:
        raise Undefined("no_downside")
    return gains / losses


def quantile(values: FloatArray, q: float) -> float:
    """Interpolate the q-quantile linearly between order statistics (Hyndman and Fan 1996, type 7).

    What numpy, empyrical and Excel's PERCENTILE do by default.

    Raises:
        Undefined: `too_short`: no values.
    """
    _require(values, 1)
    return _quantile(_ordered(values), q)


def _ordered(values: FloatArray) -> FloatArray:
    # The stable sort recognises sorted values, so a caller may sort once for all quantiles
    # (3,000 returns: 55 -> 3 microseconds for each further one).
    return np.sort(values, kind="stable")


def _quantile(ordered: FloatArray, q: float) -> float:
    place = (len(ordered) - 1) * q
    row = floor(place)
    low = float(ordered[row])
    if row + 1 == len(ordered):
        return low
    return low + (float(ordered[row + 1]) - low) * (place - row)


def tail_ratio(returns: FloatArray) -> float:
    """Compute `|q95| / |q05|` of the returns with linear quantiles, as empyrical does.

    Raises:
        Undefined: `too_short`: fewer than two returns; `zero_denominator`: the 5% quantile is 0.
    """
    _require(returns, 2)
    ordered = _ordered(returns)
    low = abs(_quantile(ordered, 0.05))
    if low <= NOISE:
        raise Undefined("zero_denominator")
    return abs(_quantile(ordered, 0.95)) / low


def value_at_risk(
    returns: FloatArray, *, tail: float = 0.05, at_least: int = TAIL_AT_LEAST
) -> float:
    """Compute the historical value at risk of one period, `-q05(r)`: a loss is positive.

    No distribution is assumed: quantstats and LEAN fit a normal one, by which a history of gains
    only still shows a loss; here it shows a negative loss.

    Raises:
        Undefined: `too_short`: fewer than `at_least` returns.
    """
    _require(returns, at_least)
    return -quantile(returns, tail)


def conditional_value_at_risk(
    returns: FloatArray, *, tail: float = 0.05, at_least: int = TAIL_AT_LEAST
) -> float:
    """Compute the mean of the losses at or beyond the value at risk, `-mean(r <= q05)`.

    Raises:
        Undefined: `too_short`: fewer than `at_least` returns.
    """
    _require(returns, at_least)
    ordered = _ordered(returns)
    beyond = ordered[: np.searchsorted(ordered, _quantile(ordered, tail), side="right")]
    return -_mean(beyond)


def _moments(values: FloatArray) -> tuple[float, float, float, float]:
    """Mean and the central population moments 2, 3 and 4; refuses constant values."""
    mean = _mean(values)
    centred = values - mean
    square = centred * centred
    second = _mean(square)
    _refuse_constant(values, mean, sqrt(second))
    return mean, second, _mean(square * centred), _mean(square * square)


def skewness(returns: FloatArray) -> float:
    """Compute the third standardised moment of the population, `m3 / m2^1.5`.

    pandas and quantstats correct it for bias: times `sqrt(n (n - 1)) / (n - 2)`.

    Raises:
        Undefined: `too_short`: fewer than two returns; `zero_variance`.
    """
    _require(returns, 2)
    _, second, third, _ = _moments(returns)
    return third / float(second**1.5)


def kurtosis(returns: FloatArray) -> float:
    """Compute the fourth standardised moment of the population, `m4 / m2^2`; a normal has 3.

    pandas and quantstats report the bias-corrected excess over 3.

    Raises:
        Undefined: `too_short`: fewer than two returns; `zero_variance`.
    """
    _require(returns, 2)
    _, second, _, fourth = _moments(returns)
    return fourth / second**2
