"""How good the best of many tries looks by luck alone, and what is left of the winner after that.

All ratios here are of one session, not of a year; kurtosis is raw, a normal's is 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import e
from statistics import NormalDist

import numpy as np

from core.analytics import ratios
from core.analytics.undefined import Undefined
from core.domain.bars import FloatArray
from core.domain.metrics import REASONS
from core.errors import InvalidInput
from core.trust.matrix import ReturnMatrix

EULER_GAMMA = 0.5772156649015329
_NORMAL = NormalDist()
_PAIR = 2


def expected_maximum(trials: float) -> float:
    """Estimate the greatest of N independent standard normal numbers.

    `(1 - g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e))`, `g` Euler's constant (Bailey and Lopez de
    Prado 2014). It is 1 to 2% above simulation from N = 10 on.

    Args:
        trials: N, at least 1; effective trials need not be whole.

    Returns:
        In standard deviations; never below 0, and 0 for one trial, which cannot flatter.

    Raises:
        InvalidInput: fewer than one trial.
    """
    if not trials >= 1.0:
        raise InvalidInput(f"trials are {trials}", expected="at least 1", field="trials")
    if trials == 1.0:
        return 0.0
    # Quantiles of the small tail: 1 - 1/N would lose the digits of a large N.
    first, second = _NORMAL.inv_cdf(1.0 / trials), _NORMAL.inv_cdf(1.0 / (trials * e))
    return max(0.0, -((1.0 - EULER_GAMMA) * first + EULER_GAMMA * second))


def years_needed(trials: float, sharpe: float = 1.0) -> float:
    """Compute how long a backtest must be so that luck alone does not reach a Sharpe ratio.

    MinBTL: `(E[max_N] / SR)^2` years, at most `2 ln N / SR^2` (Bailey, Borwein, Lopez de Prado and
    Zhu 2014, Notices of the AMS 61(5)). With five years of data not more than 45 independent sets
    may be tried if an annual Sharpe ratio of 1 shall mean anything.

    Args:
        trials: N, at least 1.
        sharpe: Annual ratio that luck shall not reach, above 0.

    Returns:
        Years; 0 for one trial.

    Raises:
        InvalidInput: fewer than one trial, or a ratio that is not above 0.
    """
    if not sharpe > 0.0:
        raise InvalidInput(f"sharpe is {sharpe}", expected="above 0", field="sharpe")
    return (expected_maximum(trials) / sharpe) ** 2


def effective_trials(search: ReturnMatrix) -> float | None:
    """Count the lanes as if they were independent: neighbours in a grid are nearly one trial.

    Participation ratio of the correlations, `N^2 / sum_ij rho_ij^2`, where 1/T is subtracted from
    the square of each `rho_ij` off the diagonal, because so much is expected of unrelated lanes.
    Lanes that never traded are left out. With N > T the sum comes from the T x T Gram matrix, which
    has the same squared entries in total.

    Returns:
        1 to the number of lanes that traded, N; None where none did.
    """
    lanes, sessions = len(search.traded), search.sessions
    if not lanes:
        return None
    if lanes > sessions:
        gram = np.zeros((sessions, sessions))
        for _, returns in search.stripes():
            standard = _standardised(returns)
            gram += standard @ standard.T
    else:
        together = np.empty((sessions, lanes))
        for place, returns in search.stripes():
            together[:, place] = _standardised(returns)
        gram = together.T @ together
    squares = float(np.einsum("ij,ij->", gram, gram)) / sessions**2
    squares -= lanes * (lanes - 1) / sessions
    return lanes * lanes / min(max(squares, float(lanes)), float(lanes) ** 2)


def _standardised(returns: FloatArray) -> FloatArray:
    centred = returns - returns.mean(axis=0)
    standard: FloatArray = centred / np.sqrt((centred * centred).mean(axis=0))
    return standard


def deflate(
    ratio: float, skew: float, kurt: float, sessions: int, *, spread: float, trials: float
) -> float:
    """Compute the deflated Sharpe ratio from moments.

    The probability that the true ratio is above what N trials give by luck,
    `s* = spread E[max_N]` (Bailey and Lopez de Prado 2014, Journal of Portfolio Management 40(5)).

    Args:
        ratio: Of the winner, one session.
        skew: Of its returns.
        kurt: Of its returns, raw.
        sessions: T, at least 2.
        spread: Standard deviation of the ratios of all trials.
        trials: N, at least 1.

    Returns:
        0 to 1.

    Raises:
        InvalidInput: fewer than one trial.
        Undefined: `zero_denominator`: the estimate of the ratio has no error.
    """
    variance = ratios.estimation_variance(ratio, skew, kurt)
    luck = spread * expected_maximum(trials)
    return ratios.probability_above(ratio, variance, sessions, benchmark=luck)


@dataclass(frozen=True, slots=True)
class DeflatedSharpe:
    """What is left of a winner once the number of tries is counted.

    What is undefined is None, and `reason` says why; where the winner itself has no ratio that is
    all but the counts.

    Attributes:
        value: Probability that its true Sharpe ratio is above what luck gives in all trials, 0 to
            1. This is the gate; it is conservative, because trials are rarely independent.
        upper: The same with effective trials: the truth is likely between the two.
        trials: N of `value`.
        effective: N of `upper`.
        luck: Greatest ratio that N trials without skill are expected to show, of one session.
        luck_effective: The same of effective trials.
        ratio: Sharpe ratio of the winner, of one session.
        spread: Standard deviation of the ratios of the lanes that traded (ddof 1), of one session.
        probability: That its true ratio is above 0, had it been the only trial (PSR). After a
            search it says nothing.
        needed: Sessions until that probability is 95% (MinTRL); None where the ratio is not
            above 0.
        sessions: Those there are.
        reason: A sentence; None where `value` is defined.
    """

    trials: int
    sessions: int
    value: float | None = None
    upper: float | None = None
    effective: float | None = None
    luck: float | None = None
    luck_effective: float | None = None
    ratio: float | None = None
    spread: float | None = None
    probability: float | None = None
    needed: float | None = None
    reason: str | None = None


def deflated_sharpe(
    search: ReturnMatrix, winner: int, *, trials: int | None = None
) -> DeflatedSharpe:
    """Deflate the Sharpe ratio of a winner by the search that found it.

    Args:
        search: All lanes of it.
        winner: Its lane. It need not have the greatest ratio: a choice by plateau or by another
            objective is deflated as if it had been the greatest, which is conservative.
        trials: All that were ever tried of this strategy on these prices; None for the lanes of
            this search, those that never traded among them.

    Raises:
        InvalidInput: no such lane, or fewer trials than this search has lanes.
    """
    returns = search.lane(winner)
    counted = search.lanes if trials is None else trials
    if counted < search.lanes:
        raise InvalidInput(
            f"trials are {counted}",
            expected=f"at least {search.lanes}, the lanes of this search",
            field="trials",
        )
    effective = effective_trials(search)
    unknown = DeflatedSharpe(counted, search.sessions, effective=effective)
    if winner not in search.traded:
        return replace(unknown, reason="the winner did not trade, or failed")
    try:
        mean, deviation = ratios.mean_and_deviation(returns)
        probability = ratios.probabilistic_sharpe(returns)
        skew, kurt = ratios.skewness(returns), ratios.kurtosis(returns)
    except Undefined as undefined:
        return replace(unknown, reason=REASONS[undefined.reason])
    ratio = mean / deviation
    try:
        needed = ratios.sessions_needed(returns)
    except Undefined:
        needed = None
    found = search.ratios()
    if len(found) < _PAIR <= counted:
        return replace(
            unknown,
            ratio=ratio,
            probability=probability,
            needed=needed,
            reason="only one of the trials traded, so nobody knows how far luck spreads them",
        )
    spread = float(found.std(ddof=1)) if len(found) >= _PAIR else 0.0
    independent = 1.0 if effective is None else effective
    moments = (ratio, skew, kurt, search.sessions)
    return DeflatedSharpe(
        trials=counted,
        sessions=search.sessions,
        value=deflate(*moments, spread=spread, trials=counted),
        upper=deflate(*moments, spread=spread, trials=independent),
        effective=effective,
        luck=spread * expected_maximum(counted),
        luck_effective=spread * expected_maximum(independent),
        ratio=ratio,
        spread=spread,
        probability=probability,
        needed=needed,
    )
