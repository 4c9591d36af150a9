"""What strategies want, traded: symbols on one account, or each in its sleeve."""

from __future__ import annotations

from collections.abc import Sequence

from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.signals import Signals, Weights
from core.domain.simulation import Traded
from core.engine.account import Timeline, simulate_account
from core.engine.sleeves import simulate_sleeves
from core.errors import InvalidInput


def trade(
    bars: Sequence[Bars],
    wanted: Sequence[Signals] | Weights,
    options: EngineOptions,
    costs: CostModel,
    *,
    timeline: Timeline | None = None,
) -> Traded:
    """Trade several symbols on one account, or each in its sleeve.

    Args:
        bars: One for each symbol, each with at least one bar.
        wanted: Signals for each, or weights of all.
        options: Account and fill rules.
        costs: Fees and price concession.
        timeline: What `timeline_of` makes of these bars, where it is known already.

    Raises:
        InvalidInput: an exit rule of the strategy's own cannot share an account; or a sale could
            fill at no more than 0.
    """
    for each in bars:
        _check_concession(each, costs)
    if isinstance(wanted, Weights):
        return simulate_account(bars, wanted, options, costs, timeline=timeline)
    if options.account == "shared" and len(bars) > 1:
        if any(own.exits is not None for own in wanted):
            raise InvalidInput(
                "a strategy with an exit rule of its own cannot share an account",
                expected="sleeves",
                field="options.account",
            )
        return simulate_account(bars, wanted, options, costs, timeline=timeline)
    return simulate_sleeves(bars, wanted, options, costs)


def _check_concession(bars: Bars, costs: CostModel) -> None:
    if not costs.slippage_points and costs.sale_at(1.0) > 0.0:
        return
    low = float(bars.low.min())
    if costs.sale_at(low) <= 0.0:
        raise InvalidInput(
            f"slippage takes the whole price of {bars.symbol}, which was as low as {low:g}",
            expected="slippage_bps and slippage_points that leave a sale some price",
            field="costs.slippage_points" if costs.slippage_points else "costs.slippage_bps",
        )
