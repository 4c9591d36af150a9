"""What trading cost and how much more of it the result would bear.

Gross profit is what equity gained before fees and slippage: final equity less the start, plus both.
Open positions are in it at their last mark, so it reconciles with equity to the cent.
"""

from __future__ import annotations

from core.analytics.undefined import Undefined
from core.domain.cost_breakdown import CURVE_END, CURVE_STEP


def turnover(notional: float, mean_equity: float, years: float) -> float:
    """Compute one-sided turnover a year, `notional / 2 / mean equity / years`.

    1 means that the account was bought and sold once a year.

    Args:
        notional: Sum of |quantity| x price x multiplier over all fills, money.
        mean_equity: Mean of the equity at the ends of sessions, money.
        years: Calendar years, above 0.

    Raises:
        Undefined: `ruined`: the account was in debt on average.
    """
    if mean_equity <= 0.0:
        raise Undefined("ruined")
    return 0.5 * notional / mean_equity / years


def cost_share(costs: float, gross: float) -> float:
    """Compute fees and slippage over gross profit: 1 means that costs took all of it.

    Args:
        costs: Money, at least 0.
        gross: Profit before costs, money.

    Raises:
        Undefined: `no_gross_profit`: the gross profit is not above 0; a share of a loss would rank
            below every honest strategy.
    """
    if gross <= 0.0:
        raise Undefined("no_gross_profit")
    return costs / gross


def breakeven_bps(gross: float, notional: float) -> float:
    """Compute the cost per fill that takes the whole gross profit, `1e4 gross / notional`.

    Compare it with half the spread plus the fee. Negative if there was nothing to take.

    Args:
        gross: Profit before costs, money.
        notional: Sum of |quantity| x price x multiplier over all fills, money.

    Returns:
        Basis points of the value of each fill.

    Raises:
        Undefined: `no_trades`: nothing was filled.
    """
    if notional == 0.0:
        raise Undefined("no_trades")
    return 1e4 * gross / notional


def breakeven_multiple(costs: float, gross: float) -> float:
    """Compute how many times the costs take the whole gross profit, `gross / costs`.

    Args:
        costs: Fees and slippage, money, at least 0.
        gross: Profit before costs, money.

    Raises:
        Undefined: `no_costs`: nothing was paid; `no_gross_profit`: there was nothing to take.
    """
    if costs == 0.0:
        raise Undefined("no_costs")
    if gross <= 0.0:
        raise Undefined("no_gross_profit")
    return gross / costs


def cost_curve(costs: float, gross: float) -> tuple[tuple[float, float], ...]:
    """Give the net profit at multiples of the costs paid, `gross - k costs` for k from 0 to 3."""
    steps = round(CURVE_END / CURVE_STEP)
    return tuple((k * CURVE_STEP, gross - k * CURVE_STEP * costs) for k in range(steps + 1))
