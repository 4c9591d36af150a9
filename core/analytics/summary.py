"""Every metric of a run, each a finite number or None with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import numpy as np

from core.analytics.account import Account, account_of
from core.analytics.catalog import CATALOG
from core.analytics.stale import has_stale_marks
from core.analytics.undefined import Undefined
from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.metrics import COUNTER_NAMES, Metrics
from core.domain.options import EngineOptions
from core.domain.simulation import PortfolioSimulation, Traded

COARSE_ABOVE = 0.05


def summarise(
    traded: Traded,
    *,
    options: EngineOptions,
    costs: CostModel,
    synthetic: bool = False,
    benchmark: Bars | None = None,
) -> Metrics:
    """Measure a run: one symbol, several as equal sleeves, or several on one account.

    Args:
        traded: One sleeve per symbol, or the account they share.
        options: As the engine was given; decide badges and the risk-free rate.
        costs: Likewise, badges only.
        synthetic: Whether any of the prices came from a generator.
        benchmark: What to measure against; None for buying and holding the same symbols.

    Returns:
        Every name of `METRICS`; None everywhere (`no_data`) if there are no bars.
    """
    values: dict[str, float | None] = dict.fromkeys(CATALOG)
    reasons = dict.fromkeys(CATALOG, "no_data")
    account, is_stale = None, False
    simulations = [traded] if isinstance(traded, PortfolioSimulation) else traded
    if any(len(simulation.equity) for simulation in simulations):
        # Numbers beyond the range of floats become None below, not warnings.
        with np.errstate(all="ignore"):
            account = account_of(traded, benchmark, options.risk_free)
            is_stale = has_stale_marks(traded)
            values, reasons = evaluate(account)
    return Metrics(
        values=values,
        reasons=reasons,
        counters=counters_of(traded),
        badges=badges(
            values,
            is_short=account is not None and account.years < 1.0,
            is_ruined=account is not None and account.is_ruined,
            is_stopped=account is not None and account.is_stopped,
            is_stale=is_stale,
            options=options,
            costs=costs,
            synthetic=synthetic,
        ),
    )


def counters_of(traded: Traded) -> dict[str, int]:
    """Add up what became of the intents of all sleeves, or give those of the account."""
    simulations = [traded] if isinstance(traded, PortfolioSimulation) else traded
    return {
        name: sum(getattr(simulation.counters, name) for simulation in simulations)
        for name in COUNTER_NAMES
    }


def evaluate(account: Account) -> tuple[dict[str, float | None], dict[str, str]]:
    """Compute every metric of an account: None where it is undefined, and the reasons of these.

    Numpy may warn of numbers beyond the range of floats, which become None.
    """
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name, measure in CATALOG.items():
        try:
            value = measure(account)
        except Undefined as undefined:
            values[name], reasons[name] = None, undefined.reason
        except OverflowError:
            values[name], reasons[name] = None, "not_finite"
        else:
            if isfinite(value):
                values[name] = value + 0.0  # -0.0 is 0.0 to everybody who reads it
            else:
                values[name], reasons[name] = None, "not_finite"
    return values, reasons


def badges(
    values: Mapping[str, float | None],
    *,
    is_short: bool,
    is_ruined: bool,
    is_stopped: bool = False,
    is_stale: bool = False,
    options: EngineOptions,
    costs: CostModel,
    synthetic: bool,
) -> tuple[str, ...]:
    """Name the cautions that travel with the values of a run.

    Args:
        values: Of every metric.
        is_short: Whether the history is shorter than a year.
        is_ruined: Whether the account, or a sleeve of it, was ruined.
        is_stopped: Whether the account, or a sleeve of it, ended at its drawdown limit.
        is_stale: Whether a position was marked at a price more than five sessions old.
        options: As the engine was given.
        costs: Likewise.
        synthetic: Whether any of the prices came from a generator.
    """
    ambiguous = values["ambiguous_pct"]
    claims = {
        "optimistic_fill": options.fill == "close",
        "zero_cost": costs.is_free,
        "short_history": is_short,
        "coarse_bars": ambiguous is not None and ambiguous > COARSE_ABOVE,
        "stale_prices": is_stale,
        "ruined": is_ruined,
        "drawdown_limit": is_stopped,
        "total_return": options.adjust == "total_return",
        "delta_approximation": options.option is not None,
        "synthetic_data": synthetic,
    }
    return tuple(name for name, claim in claims.items() if claim)
