"""The metrics a run carries: names, units and directions. Definitions: docs/metrics.md.

Fractions are fractions (0.12 is 12%), drawdowns are at most 0, money is account currency. A metric
that is not defined is None and its reason stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Literal

Direction = Literal["higher", "lower", "none"]
MetricUnit = Literal["fraction", "ratio", "money", "count", "bars", "seconds", "sessions", "bps"]
Group = Literal["returns", "risk", "benchmark", "trades", "costs", "activity", "cash"]

REASONS: dict[str, str] = {
    "no_data": "there are no bars",
    "no_trades": "nothing was traded",
    "no_closed_trades": "no trade was closed",
    "too_few_trades": "fewer than two trades were closed",
    "too_short": "the history is too short",
    "too_few_pairs": "too few sessions are shared with the benchmark",
    "flat_benchmark": "every return of the benchmark is the same",
    "exact_fit": "the returns follow the benchmark without any error",
    "zero_variance": "every return is the same",
    "no_downside": "no return is below the threshold",
    "no_excess": "the mean return is not above the risk-free rate",
    "no_drawdown": "equity never fell below its peak",
    "no_losses": "no closed trade lost",
    "no_wins": "no closed trade won",
    "no_stop": "no closed trade had a stop, so there is no risk unit",
    "no_gross_profit": "there was no profit before costs",
    "no_costs": "nothing was paid",
    "zero_denominator": "the denominator is zero",
    "not_finite": "the number is beyond the range of floats",
    "ruined": "the account was ruined",
    "not_computed": "it was computed by a version that did not have this number",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A number a quant would quote."""

    name: str
    label: str
    unit: MetricUnit
    direction: Direction
    group: Group
    help: str


def _table(*rows: tuple[str, str, MetricUnit, Direction, Group, str]) -> dict[str, Metric]:
    return {row[0]: Metric(*row) for row in rows}


METRICS: dict[str, Metric] = _table(
    ("final_equity", "Final equity", "money", "higher", "returns", "Equity at the last close."),
    ("net_profit", "Net profit", "money", "higher", "returns", "Final equity less initial cash."),
    ("total_return", "Total return", "fraction", "higher", "returns", "E_D / E_0 - 1."),
    ("cagr", "CAGR", "fraction", "higher", "returns", "(E_D / E_0)^(1/Y) - 1, Y calendar years."),
    ("volatility", "Volatility", "fraction", "lower", "risk", "sd of session returns, annualised."),
    ("sharpe", "Sharpe", "ratio", "higher", "risk", "mean / sd of session returns, annualised."),
    ("sharpe_se", "Sharpe s.e.", "ratio", "none", "risk", "Standard error of the Sharpe ratio."),
    ("psr", "Prob. Sharpe > 0", "fraction", "higher", "risk", "That the true Sharpe is above 0."),
    (
        "min_trl",
        "Sessions needed",
        "sessions",
        "lower",
        "risk",
        "Until a Sharpe like this one is above 0 with 95% confidence.",
    ),
    ("sessions", "Sessions had", "sessions", "none", "risk", "Sessions that ratios are taken of."),
    ("sharpe_bar", "Sharpe per bar", "ratio", "none", "risk", "From bar returns; a diagnostic."),
    ("sortino", "Sortino", "ratio", "higher", "risk", "mean / downside deviation, annualised."),
    (
        "max_drawdown",
        "Max drawdown",
        "fraction",
        "higher",
        "risk",
        "Worst fall from a peak, on bars.",
    ),
    ("calmar", "Calmar", "ratio", "higher", "risk", "CAGR / |max drawdown|."),
    ("ulcer_index", "Ulcer index", "fraction", "lower", "risk", "Root mean square of drawdowns."),
    ("upi", "Ulcer performance", "ratio", "higher", "risk", "CAGR over RF / ulcer index."),
    ("omega", "Omega", "ratio", "higher", "risk", "Gains over losses around 0 of session returns."),
    ("tail_ratio", "Tail ratio", "ratio", "higher", "risk", "|95% quantile| / |5% quantile|."),
    (
        "var_95",
        "VaR 95%",
        "fraction",
        "lower",
        "risk",
        "Historical session loss, positive = loss.",
    ),
    ("cvar_95", "CVaR 95%", "fraction", "lower", "risk", "Mean loss beyond VaR."),
    ("skewness", "Skewness", "ratio", "higher", "risk", "Third standardised population moment."),
    ("kurtosis", "Kurtosis", "ratio", "none", "risk", "Fourth standardised moment, normal = 3."),
    (
        "underwater_longest",
        "Longest underwater",
        "sessions",
        "lower",
        "risk",
        "Sessions below peak.",
    ),
    ("underwater_current", "Currently underwater", "sessions", "lower", "risk", "Since last peak."),
    ("underwater_mean", "Mean underwater", "sessions", "lower", "risk", "Mean length of a spell."),
    (
        "recovery_factor",
        "Recovery factor",
        "ratio",
        "higher",
        "risk",
        "Net profit / money drawdown.",
    ),
    (
        "alpha",
        "Alpha",
        "fraction",
        "higher",
        "benchmark",
        "Return a year beyond what beta explains.",
    ),
    ("alpha_t", "Alpha t", "ratio", "none", "benchmark", "Alpha over its standard error."),
    ("beta", "Beta", "ratio", "none", "benchmark", "Slope of returns on the benchmark's."),
    ("beta_t", "Beta t", "ratio", "none", "benchmark", "Beta over its standard error."),
    ("correlation", "Correlation", "ratio", "none", "benchmark", "With the benchmark's returns."),
    (
        "tracking_error",
        "Tracking error",
        "fraction",
        "none",
        "benchmark",
        "sd of returns less the benchmark's, annualised.",
    ),
    (
        "info_ratio",
        "Information ratio",
        "ratio",
        "higher",
        "benchmark",
        "mean / sd of returns less the benchmark's, annualised.",
    ),
    ("exposure", "Exposure", "fraction", "none", "activity", "Share of bars with a position."),
    ("gross_exposure", "Gross exposure", "fraction", "none", "activity", "Mean |value| / equity."),
    ("turnover", "Turnover", "ratio", "lower", "activity", "One-sided, times equity a year."),
    ("trades", "Trades", "count", "none", "trades", "Closed round trips."),
    ("open_trades", "Open trades", "count", "none", "trades", "Positions still open at the end."),
    ("win_rate", "Win rate", "fraction", "higher", "trades", "Winning / closed trades."),
    ("profit_factor", "Profit factor", "ratio", "higher", "trades", "Gross profit / gross loss."),
    ("expectancy", "Expectancy", "money", "higher", "trades", "Mean P&L of a closed trade."),
    ("expectancy_pct", "Expectancy %", "fraction", "higher", "trades", "Mean return of a trade."),
    ("expectancy_r", "Expectancy R", "ratio", "higher", "trades", "Mean P&L over initial risk."),
    ("payoff", "Payoff", "ratio", "higher", "trades", "Mean win / |mean loss|."),
    ("average_win", "Average win", "money", "higher", "trades", "Mean P&L of winning trades."),
    ("average_loss", "Average loss", "money", "higher", "trades", "Mean P&L of losing trades."),
    ("best_trade", "Best trade", "fraction", "higher", "trades", "Greatest return of a trade."),
    ("worst_trade", "Worst trade", "fraction", "higher", "trades", "Least return of a trade."),
    ("sqn", "SQN", "ratio", "higher", "trades", "sqrt(n) mean(R) / sd(R)."),
    ("sqn100", "SQN 100", "ratio", "higher", "trades", "sqrt(min(n, 100)) mean(R) / sd(R)."),
    ("win_streak", "Longest win streak", "count", "higher", "trades", "In order of exit."),
    ("loss_streak", "Longest loss streak", "count", "lower", "trades", "In order of exit."),
    ("bars_median", "Median bars held", "bars", "none", "trades", "Of closed trades."),
    ("bars_mean", "Mean bars held", "bars", "none", "trades", "Of closed trades."),
    ("bars_max", "Most bars held", "bars", "none", "trades", "Of closed trades."),
    (
        "duration_median",
        "Median duration",
        "seconds",
        "none",
        "trades",
        "Wall time, closed trades.",
    ),
    ("duration_mean", "Mean duration", "seconds", "none", "trades", "Wall time, closed trades."),
    ("duration_max", "Longest duration", "seconds", "none", "trades", "Wall time, closed trades."),
    ("mae_mean", "Mean MAE", "fraction", "higher", "trades", "Mean worst excursion of a trade."),
    ("mfe_mean", "Mean MFE", "fraction", "higher", "trades", "Mean best excursion of a trade."),
    ("mae_r", "Mean MAE R", "ratio", "higher", "trades", "Mean worst excursion over the risk."),
    ("mfe_r", "Mean MFE R", "ratio", "higher", "trades", "Mean best excursion over the risk."),
    ("ambiguous_pct", "Ambiguous bars", "fraction", "lower", "trades", "Ambiguous bars per trade."),
    ("fees", "Fees", "money", "lower", "costs", "Sum of fees of all fills."),
    ("slippage", "Slippage", "money", "lower", "costs", "Sum of slippage and spread of all fills."),
    ("total_costs", "All costs", "money", "lower", "costs", "Fees and slippage together."),
    ("cost_share", "Costs / gross profit", "fraction", "lower", "costs", "Costs over gross P&L."),
    (
        "breakeven_bps",
        "Break-even cost",
        "bps",
        "higher",
        "costs",
        "Cost per side that takes it all.",
    ),
    ("dividends", "Dividends", "money", "none", "cash", "Received less paid; in no trade's P&L."),
    ("borrow", "Borrow", "money", "lower", "cash", "Paid for short positions."),
    ("carry", "Option carry", "money", "none", "cash", "Gained by gamma less lost by theta."),
    ("funding", "Funding", "money", "lower", "cash", "Paid for perpetual futures, less received."),
    ("interest", "Interest", "money", "none", "cash", "Received on cash less paid on borrowed."),
)

# Among many tries more than this is not better, and no loss at all is as much (LEAN's figure).
RANK_CAPS: dict[str, float] = {"profit_factor": 10.0}
LOSSLESS = "no_losses"

COUNTER_NAMES = (
    "entries",
    "conflicts",
    "dropped_lot",
    "scaled_cash",
    "rejected",
    "expired",
    "blocked",
    "limited",
    "volume_capped",
    "margin_calls",
    "ambiguous_bars",
    "missed_limits",
    "detail_missing",
    "detail_conflicts",
    "unsized",
)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Values of every metric; None where undefined, with the reason code beside it.

    Attributes:
        values: Every name of `METRICS`, finite or None.
        reasons: A code of `REASONS` for each None, and nothing else.
        counters: Every name of `COUNTER_NAMES`.
        badges: Cautions that must travel with the numbers: `optimistic_fill`, `zero_cost`,
            `short_history` (CAGR over less than a year), `coarse_bars` (ambiguous > 5%),
            `stale_prices`, `ruined`, `drawdown_limit`, `delta_approximation`, `synthetic_data`.
    """

    values: Mapping[str, float | None]
    reasons: Mapping[str, str] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    badges: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> float | None:
        """Value of one metric."""
        return self.values[name]

    def rank_value(self, name: str) -> float | None:
        """Value by which a metric competes: its own; no bound where profits met no loss."""
        if self.is_lossless(name):
            return inf
        return self.values[name]

    def is_lossless(self, name: str) -> bool:
        """Whether a metric has no value because profits met no loss: it is shown as ∞."""
        without = name in RANK_CAPS and self.reasons.get(name) == LOSSLESS
        return without and (self.values.get("win_rate") or 0.0) > 0.0


BADGES: dict[str, str] = {
    "optimistic_fill": "Optimistic: filled at the close that decided it",
    "zero_cost": "No costs: fees and slippage are zero",
    "short_history": "Less than a year: annual figures are extrapolated",
    "coarse_bars": "Bars too coarse: over 5% of trades hung on the order of prices inside a bar",
    "stale_prices": "Stale prices: a position was held at a close more than five sessions old",
    "ruined": "Ruined: equity of the account, or of one of its symbols, reached zero",
    "drawdown_limit": "Ended early: equity fell from its peak by as much as the run allows",
    "total_return": "Total return prices: dividends are in the prices, which nobody ever quoted",
    "delta_approximation": "Delta approximation: option prices are derived from the underlying, "
    "and a loss may exceed the premium paid",
    "synthetic_data": "Synthetic prices: made by a generator, no market ever traded them",
}
