"""Several symbols, each with its own part of the capital, which they never share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Signals
from core.domain.simulation import Reason, ReasonArray, Simulation
from core.engine.account import DELISTED_AFTER_DAYS
from core.engine.exits import simulate_exits


def simulate_sleeves(
    bars: Sequence[Bars], wanted: Sequence[Signals], options: EngineOptions, costs: CostModel
) -> list[Simulation]:
    """Trade each symbol with an equal part of the capital.

    A symbol whose prices end more than five days before those of the others is sold at its last
    close, as on a shared account (R16).

    Args:
        bars: One for each symbol, each with at least one bar.
        wanted: Signals for each, one row per bar of it.
        options: Account and fill rules; the capital is that of all sleeves.
        costs: Fees and price concession.

    Raises:
        DataProblem, InvalidInput, StrategyFailed: as `simulate_exits`.
    """
    sleeve = options.model_copy(update={"initial_cash": options.initial_cash / len(bars)})
    last_day = max(int(each.session[-1]) for each in bars)
    made = []
    for each, own in zip(bars, wanted, strict=True):
        if last_day - int(each.session[-1]) > DELISTED_AFTER_DAYS:
            made.append(_delisted(simulate_exits(each, own, sleeve, costs, is_sold_at_end=True)))
        else:
            made.append(simulate_exits(each, own, sleeve, costs))
    return made


def _delisted(made: Simulation) -> Simulation:
    def renamed(reasons: ReasonArray) -> ReasonArray:
        found: ReasonArray = np.where(reasons == Reason.END, np.uint8(Reason.DELIST), reasons)
        return found

    return replace(
        made,
        fills=replace(made.fills, reason=renamed(made.fills.reason)),
        trades=replace(made.trades, exit_reason=renamed(made.trades.exit_reason)),
    )
