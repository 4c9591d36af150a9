"""A run beside its benchmark: regression on it, and what is left when it is taken away.

Both are sampled where both have a session, and each pair of returns covers the same span of time:
a session that one of the two lacks makes the next pair longer for both. Matching returns by date
instead, as empyrical and quantstats do, sets a return of two days beside one of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import NamedTuple

import numpy as np

from core.analytics import combine, ratios, returns
from core.analytics.undefined import NOISE, Undefined
from core.domain.bars import Bars, FloatArray, Int32Array, IntArray

PAIRS_AT_LEAST = 60


class Fit(NamedTuple):
    """Ordinary least squares of the account's returns on the benchmark's, per span.

    Attributes:
        intercept, slope: Of the line.
        spread: Root of the summed squares of the residuals over P - 2.
        own_square, benchmark_square: Summed squares of both samples around their means.
        benchmark_mean: Of the benchmark's returns.
        size: Number of pairs P.
    """

    intercept: float
    slope: float
    spread: float
    own_square: float
    benchmark_square: float
    benchmark_mean: float
    size: int


@dataclass(frozen=True, eq=False)
class Pairs:
    """Returns of an account and of its benchmark over the same spans, shape (P,) per column.

    Attributes:
        own, benchmark: Fractions.
        per_year: Spans in a year.
        sessions: Sessions of the account up to the one of ruin, at least P.
        free: What the risk-free rate earns in each span, or in all of them alike.
    """

    own: FloatArray
    benchmark: FloatArray
    per_year: float
    sessions: int
    free: FloatArray | float = 0.0

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.own)

    @cached_property
    def fit(self) -> Fit:
        """The regression line of both in excess of the risk-free rate.

        Raises:
            Undefined: `too_short`, `too_few_pairs`: fewer than `PAIRS_AT_LEAST` pairs;
                `flat_benchmark`: the benchmark's returns are constant.
        """
        _require(self, PAIRS_AT_LEAST)
        own, other = self.own - self.free, self.benchmark - self.free
        if ratios.is_constant(self.benchmark) or ratios.is_constant(other):
            raise Undefined("flat_benchmark")
        count = len(self)
        own_mean = float(own.sum()) / count
        benchmark_mean = float(other.sum()) / count
        own, other = own - own_mean, other - benchmark_mean
        square = float((other * other).sum())
        slope = float((own * other).sum()) / square
        rest = own - slope * other
        return Fit(
            intercept=own_mean - slope * benchmark_mean,
            slope=slope,
            spread=sqrt(float((rest * rest).sum()) / (count - 2)),
            own_square=float((own * own).sum()),
            benchmark_square=square,
            benchmark_mean=benchmark_mean,
            size=count,
        )


def _require(pairs: Pairs, at_least: int) -> None:
    if len(pairs) < at_least:
        raise Undefined("too_short" if pairs.sessions < at_least else "too_few_pairs")


def pairs_with_own_symbols(
    symbols: Sequence[Bars],
    curve: combine.Curve,
    ends: IntArray,
    session_returns: FloatArray,
    per_year: float,
    *,
    risk_free: float = 0.0,
) -> Pairs:
    """Pair an account with buying and holding its own symbols in the same equal sleeves.

    Args:
        symbols: Bars of each, at least one, not all empty.
        curve: Of the account, on the union of their times.
        ends: Rows of it that end a session, shape (D,).
        session_returns: Of the account, up to the session of ruin, shape (P,).
        per_year: Sessions in a year.
        risk_free: Effective rate a year.
    """
    cash = curve.initial_cash
    if len(symbols) == 1 and len(symbols[0]) == len(curve.ts):
        bars = symbols[0]
        held = cash * (combine.worth_of(bars)[ends] / combine.opening_of(bars))
    else:
        held = combine.buy_and_hold(symbols, cash, curve.ts[ends])
    count = len(session_returns)
    return Pairs(
        own=session_returns,
        benchmark=returns.simple_returns(held[:count], cash),
        per_year=per_year,
        sessions=count,
        free=returns.risk_free_return(risk_free, per_year),
    )


def pairs_with(
    benchmark: Bars,
    sessions: Int32Array,
    closes: FloatArray,
    initial_cash: float,
    per_year: float,
    *,
    risk_free: float = 0.0,
) -> Pairs:
    """Pair an account with buying and holding a benchmark over the sessions both have.

    The benchmark is bought at its first open on or after the account's first session. If that is
    in this very session, the first pair runs from there, and from the initial cash.

    Args:
        benchmark: At the timeframe of the account; bars outside its sessions are not looked at.
        sessions: Of the account up to the one of ruin, increasing, shape (D,), D > 0.
        closes: Equity at the end of each, shape (D,).
        initial_cash: Money before the first.
        per_year: Sessions of the account in a year.
        risk_free: Effective rate a year.

    Returns:
        No pairs where fewer than two levels are in common.
    """
    benchmark = benchmark.between(int(sessions[0]), int(sessions[-1]))
    ends = returns.session_ends(benchmark.session)
    _, mine, theirs = np.intersect1d(
        sessions, benchmark.session[ends], assume_unique=True, return_indices=True
    )
    own, other = closes[mine], combine.worth_of(benchmark)[ends[theirs]]
    spans = np.diff(mine)
    covered = int(mine[-1] - mine[0]) if len(mine) else 0
    if len(mine) and mine[0] == 0:
        first = int(theirs[0])
        opened = combine.opening_of(benchmark, int(ends[first - 1]) + 1 if first else 0)
        own = np.concatenate(([initial_cash], own))
        other = np.concatenate(([opened], other))
        spans = np.append(1, spans)
        covered += 1
    if not covered:
        none = np.empty(0)
        return Pairs(none, none, per_year, len(sessions))
    return Pairs(
        own=returns.simple_returns(own[1:], float(own[0])),
        benchmark=returns.simple_returns(other[1:], float(other[0])),
        per_year=per_year * (len(own) - 1) / covered,
        sessions=len(sessions),
        free=returns.risk_free_returns(risk_free, per_year, spans),
    )


def alpha(pairs: Pairs) -> float:
    """Compute Jensen's alpha, `A` times the intercept of the regression (Jensen 1968).

    empyrical compounds the intercept, `(1 + a)^A - 1`; backtesting.py subtracts beta times the
    total return of holding.

    Raises:
        Undefined: as `Pairs.fit`.
    """
    return pairs.fit.intercept * pairs.per_year


def beta(pairs: Pairs) -> float:
    """Compute beta, the slope of the regression: covariance over the benchmark's variance.

    Raises:
        Undefined: as `Pairs.fit`.
    """
    return pairs.fit.slope


def alpha_t(pairs: Pairs) -> float:
    """Compute the t statistic of alpha: the intercept over its standard error, P - 2 degrees.

    The error is the classical one, of residuals that are independent and alike.

    Raises:
        Undefined: as `Pairs.fit`; `exact_fit`: no residual is left.
    """
    fit = pairs.fit
    mean_share = fit.benchmark_mean * fit.benchmark_mean / fit.benchmark_square
    return fit.intercept / (_spread(fit) * sqrt(1.0 / fit.size + mean_share))


def beta_t(pairs: Pairs) -> float:
    """Compute the t statistic of beta against 0: the slope over its standard error.

    Raises:
        Undefined: as `alpha_t`.
    """
    fit = pairs.fit
    return fit.slope / _spread(fit) * sqrt(fit.benchmark_square)


def _spread(fit: Fit) -> float:
    if fit.spread <= NOISE:
        raise Undefined("exact_fit")
    return fit.spread


def correlation(pairs: Pairs) -> float:
    """Compute the correlation of both returns (Pearson), -1 to 1; its square is R squared.

    Raises:
        Undefined: as `Pairs.fit`; `zero_variance`: the account's returns are constant.
    """
    fit = pairs.fit
    if ratios.is_constant(pairs.own) or ratios.is_constant(pairs.own - pairs.free):
        raise Undefined("zero_variance")
    return max(-1.0, min(1.0, fit.slope * sqrt(fit.benchmark_square / fit.own_square)))


def tracking_error(pairs: Pairs) -> float:
    """Compute the annualised deviation of the difference, `sd(r - b) sqrt(A)`.

    Raises:
        Undefined: `too_short`, `too_few_pairs`: fewer than two pairs.
    """
    _require(pairs, 2)
    return ratios.volatility(pairs.own - pairs.benchmark, pairs.per_year)


def information_ratio(pairs: Pairs) -> float:
    """Compute the information ratio, `mean(r - b) / sd(r - b) sqrt(A)` (Grinold and Kahn 1999).

    It is the Sharpe ratio of the difference and needs as many returns. quantstats does not
    annualise it and says 0 where it is not defined.

    Raises:
        Undefined: `too_short`, `too_few_pairs`: fewer than `SHARPE_AT_LEAST` pairs;
            `zero_variance`: the difference is constant.
    """
    _require(pairs, ratios.SHARPE_AT_LEAST)
    return ratios.sharpe(pairs.own - pairs.benchmark, pairs.per_year)
