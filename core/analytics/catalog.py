"""The catalogue: for every name of `METRICS` the function that computes it.

A function takes an `Account` and returns a float or raises `Undefined`. Three gates come before the
functions themselves: ratios of an account that never traded say nothing about a strategy
(`no_trades`), figures of trades need a closed one (`no_closed_trades`), and one session is no
history (`too_short`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from core.analytics import benchmark, costs, drawdown, ratios, returns, trade_stats
from core.analytics.account import Account
from core.analytics.undefined import Undefined
from core.domain.bars import FloatArray

Measure = Callable[[Account], float]


def _traded(measure: Measure) -> Measure:
    def gated(account: Account) -> float:
        if not account.fills:
            raise Undefined("no_trades")
        return measure(account)

    return gated


def _closed(measure: Measure) -> Measure:
    def gated(account: Account) -> float:
        if not len(account.trades):
            raise Undefined("no_closed_trades" if account.fills else "no_trades")
        return measure(account)

    return gated


def _history(measure: Measure) -> Measure:
    def gated(account: Account) -> float:
        if len(account.closes) <= 1:
            raise Undefined("too_short")
        return measure(account)

    return gated


def _cagr(account: Account) -> float:
    return returns.cagr(account.initial_cash, account.final_equity, account.years)


def _turnover(account: Account) -> float:
    mean_equity = float(account.closes.sum()) / len(account.closes)
    return costs.turnover(account.notional, mean_equity, account.years)


def _upi(account: Account) -> float:
    ulcer = drawdown.ulcer_index(account.drawdowns)
    return ratios.ulcer_performance(_cagr(account), ulcer, risk_free=account.risk_free)


def _mean_multiple(multiples: FloatArray) -> float:
    """Mean over the closed trades that had a stop."""
    known = multiples[~np.isnan(multiples)]
    if not len(known):
        raise Undefined("no_stop")
    return trade_stats.mean(known)


def _unit_results(account: Account) -> FloatArray:
    """Results in one unit: of initial risk if every trade had a stop, else of the money put in.

    Never a mixture: a multiple of risk is near 1 and a return near 0.01, so the mean and the
    deviation of both together would be those of the few trades with a stop.
    """
    multiples = account.trades.multiples
    return account.trades.returns if np.isnan(multiples).any() else multiples


CATALOG: Mapping[str, Measure] = {
    "final_equity": lambda a: a.final_equity,
    "net_profit": lambda a: a.net_profit,
    "total_return": lambda a: returns.total_return(a.initial_cash, a.final_equity),
    "cagr": _history(_cagr),
    "volatility": lambda a: ratios.volatility(a.returns, a.per_year),
    "sharpe": _traded(lambda a: ratios.sharpe(a.returns, a.per_year, risk_free=a.session_rate)),
    "sharpe_se": _traded(
        lambda a: ratios.sharpe_error(a.returns, a.per_year, risk_free=a.session_rate)
    ),
    "psr": _traded(lambda a: ratios.probabilistic_sharpe(a.returns, risk_free=a.session_rate)),
    "min_trl": _traded(lambda a: ratios.sessions_needed(a.returns, risk_free=a.session_rate)),
    "sessions": lambda a: float(len(a.returns)),
    "sharpe_bar": _traded(
        lambda a: ratios.sharpe(a.bar_returns, a.bars_per_year, risk_free=a.bar_rate)
    ),
    "sortino": _traded(lambda a: ratios.sortino(a.returns, a.per_year, threshold=a.session_rate)),
    "max_drawdown": lambda a: a.max_drawdown,
    "calmar": _traded(_history(lambda a: ratios.calmar(_cagr(a), a.max_drawdown))),
    "ulcer_index": _history(lambda a: drawdown.ulcer_index(a.drawdowns)),
    "upi": _traded(_history(_upi)),
    "omega": _traded(lambda a: ratios.omega(a.returns)),
    "tail_ratio": _traded(lambda a: ratios.tail_ratio(a.ordered)),
    "var_95": lambda a: ratios.value_at_risk(a.ordered),
    "cvar_95": lambda a: ratios.conditional_value_at_risk(a.ordered),
    "skewness": _traded(lambda a: ratios.skewness(a.returns)),
    "kurtosis": _traded(lambda a: ratios.kurtosis(a.returns)),
    "underwater_longest": lambda a: float(a.underwater.spells.max(initial=0)),
    "underwater_current": lambda a: float(a.underwater.current),
    "underwater_mean": lambda a: drawdown.mean_spell(a.underwater.spells),
    "recovery_factor": _traded(lambda a: ratios.recovery_factor(a.net_profit, a.money_drawdown)),
    "alpha": _traded(lambda a: benchmark.alpha(a.pairs)),
    "alpha_t": _traded(lambda a: benchmark.alpha_t(a.pairs)),
    "beta": _traded(lambda a: benchmark.beta(a.pairs)),
    "beta_t": _traded(lambda a: benchmark.beta_t(a.pairs)),
    "correlation": _traded(lambda a: benchmark.correlation(a.pairs)),
    "tracking_error": lambda a: benchmark.tracking_error(a.pairs),
    "info_ratio": _traded(lambda a: benchmark.information_ratio(a.pairs)),
    "exposure": lambda a: a.exposure,
    "gross_exposure": lambda a: a.gross_exposure,
    "turnover": _history(_turnover),
    "trades": lambda a: float(len(a.trades)),
    "open_trades": lambda a: float(a.open_trades),
    "win_rate": _closed(lambda a: trade_stats.win_rate(a.trades.pnl)),
    "profit_factor": _closed(lambda a: trade_stats.profit_factor(a.trades.pnl)),
    "expectancy": _closed(lambda a: trade_stats.mean(a.trades.pnl)),
    "expectancy_pct": _closed(lambda a: trade_stats.mean(a.trades.returns)),
    "expectancy_r": _closed(lambda a: _mean_multiple(a.trades.multiples)),
    "payoff": _closed(lambda a: trade_stats.payoff(a.trades.pnl)),
    "average_win": _closed(lambda a: trade_stats.average_win(a.trades.pnl)),
    "average_loss": _closed(lambda a: trade_stats.average_loss(a.trades.pnl)),
    "best_trade": _closed(lambda a: trade_stats.greatest(a.trades.returns)),
    "worst_trade": _closed(lambda a: trade_stats.least(a.trades.returns)),
    "sqn": _closed(lambda a: trade_stats.sqn(_unit_results(a))),
    "sqn100": _closed(lambda a: trade_stats.sqn(_unit_results(a), at_most=100)),
    "win_streak": _closed(lambda a: trade_stats.longest_streak(a.trades.pnl > 0.0)),
    "loss_streak": _closed(lambda a: trade_stats.longest_streak(a.trades.pnl < 0.0)),
    "bars_median": _closed(lambda a: trade_stats.median(a.trades.bars)),
    "bars_mean": _closed(lambda a: trade_stats.mean(a.trades.bars)),
    "bars_max": _closed(lambda a: trade_stats.greatest(a.trades.bars)),
    "duration_median": _closed(lambda a: trade_stats.median(a.trades.seconds)),
    "duration_mean": _closed(lambda a: trade_stats.mean(a.trades.seconds)),
    "duration_max": _closed(lambda a: trade_stats.greatest(a.trades.seconds)),
    "mae_mean": _closed(lambda a: trade_stats.mean(a.trades.mae)),
    "mfe_mean": _closed(lambda a: trade_stats.mean(a.trades.mfe)),
    "mae_r": _closed(lambda a: _mean_multiple(a.trades.mae_r)),
    "mfe_r": _closed(lambda a: _mean_multiple(a.trades.mfe_r)),
    "ambiguous_pct": _closed(lambda a: a.ambiguous_bars / len(a.trades)),
    "fees": lambda a: a.fees,
    "slippage": lambda a: a.slippage,
    "total_costs": lambda a: a.costs,
    "cost_share": _traded(lambda a: costs.cost_share(a.costs, a.gross_profit)),
    "breakeven_bps": _traded(lambda a: costs.breakeven_bps(a.gross_profit, a.notional)),
    "dividends": lambda a: a.dividends,
    "borrow": lambda a: a.borrow,
    "carry": lambda a: a.carry,
    "funding": lambda a: a.funding,
    "interest": lambda a: a.interest,
}
