"""From equity to returns, growth and years.

Returns are simple, `E_t / E_{t-1} - 1`, with the starting cash as the equity before the first row.
Headline figures stand on one equity per session, its last: bar returns are autocorrelated, and an
autocorrelation of +0.2 alone inflates a per-bar Sharpe ratio by a quarter (Lo 2002).
"""

from __future__ import annotations

from math import expm1, log1p

import numpy as np

from core.analytics.undefined import Undefined
from core.domain.bars import Bars, FloatArray, Int32Array, IntArray
from core.domain.timeframe import Timeframe

DAYS_PER_YEAR = 365.2425
_US_PER_YEAR = DAYS_PER_YEAR * 86_400e6
_SECONDS_PER_MONTH = DAYS_PER_YEAR * 86_400 / 12


def session_ends(session: Int32Array) -> IntArray:
    """Find the last row of every session.

    Args:
        session: Session of each row, shape (T,), non-decreasing.

    Returns:
        Rows, shape (D,), increasing; empty for no rows.
    """
    if not len(session):
        return np.empty(0, dtype=np.int64)
    changes = np.flatnonzero(session[1:] != session[:-1])
    ends = np.empty(len(changes) + 1, dtype=np.int64)
    ends[:-1] = changes
    ends[-1] = len(session) - 1
    return ends


def simple_returns(equity: FloatArray, start: float) -> FloatArray:
    """Compute the return of every row, `E_t / E_{t-1} - 1` with `E_{-1} = start`.

    They end with the row of ruin, the first with equity of 0 or less, whose return is -1 or less:
    what follows is 0, not a ratio of two debts, and would only flatter the volatility.

    Args:
        equity: Money, shape (T,).
        start: Money before the first row, above 0.

    Returns:
        Fractions, shape (T,), shorter if ruined; empty for no rows.
    """
    lived = len(equity)
    if lived and equity.min() <= 0.0:
        lived = int(np.argmax(equity <= 0.0)) + 1
    returns = np.empty(lived)
    returns[:1] = equity[:1] / start
    np.divide(equity[1:lived], equity[: lived - 1], out=returns[1:])
    returns -= 1.0
    return returns


def total_return(start: float, end: float) -> float:
    """Compute `end / start - 1`; below -1 when the account ends in debt."""
    return end / start - 1.0


def cagr(start: float, end: float, years: float) -> float:
    """Compute the compound annual growth rate, `(end / start)^(1 / years) - 1`.

    -1 when nothing is left. Years are calendar time, as in the GIPS standards; empyrical and
    quantstats count rows over 252 instead, and give NaN below a loss of 100%.

    Args:
        start: Money, above 0.
        end: Money.
        years: Calendar years, see `years_between`.

    Raises:
        Undefined: `too_short`: no time has passed, or so little that the rate exceeds any float.
    """
    if years <= 0.0:
        raise Undefined("too_short")
    if end <= 0.0:
        return -1.0
    try:
        return float((end / start) ** (1.0 / years) - 1.0)
    except OverflowError:
        raise Undefined("too_short") from None


def end_of(bars: Bars) -> int:
    """Compute when the last bar ends: its opening time and one timeframe, microseconds UTC.

    A daily bar labelled 00:00 thus ends at the next midnight, a week after seven days, a month
    after a twelfth of a year of 365.2425 days. Holds for at least one bar.
    """
    seconds = bars.timeframe.seconds
    step = _SECONDS_PER_MONTH if seconds is None else seconds
    return int(bars.ts[-1]) + round(step * 1e6)


def years_between(start: int, end: int) -> float:
    """Convert two instants in microseconds to years of 365.2425 days (the Gregorian mean)."""
    return (end - start) / _US_PER_YEAR


def periods_per_year(timeframe: Timeframe, *, periods: int, years: float, nominal: float) -> float:
    """Choose the A by which per-period figures are annualised.

    Weekly bars have 52 periods and monthly ones 12. Otherwise the period is the session: counted,
    `periods / years`, once there is a year of data, and the market's nominal number before that.
    empyrical and quantstats always say 252, vectorbt 365.

    Args:
        timeframe: Of the bars.
        periods: Sessions in the data.
        years: Calendar years of the data.
        nominal: Sessions per year of the market.
    """
    if timeframe is Timeframe.W1:
        return 52.0
    if timeframe is Timeframe.MN1:
        return 12.0
    return periods / years if years >= 1.0 else nominal


def risk_free_return(annual: float, per_year: float) -> float:
    """Compute what a riskless rate earns in one period, `(1 + RF)^(1 / A) - 1`.

    Args:
        annual: Effective rate a year, a fraction above -1.
        per_year: Periods in a year, A.

    Returns:
        A fraction, exact to the last digits where the power would cancel; 0 for a rate of 0.
    """
    return expm1(log1p(annual) / per_year)


def risk_free_returns(annual: float, per_year: float, periods: IntArray) -> FloatArray:
    """Compute the same over several periods each, `(1 + RF)^(periods / A) - 1`, shape of those."""
    earned: FloatArray = np.expm1(log1p(annual) / per_year * periods)
    return earned
