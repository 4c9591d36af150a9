"""The parts of costs add up to what the engine charged, whatever rules are in use."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from core.analytics.cost_parts import PaidFills, paid_by_part
from core.domain.bars import Bars, Int32Array, IntArray
from core.domain.cost_breakdown import COST_PARTS
from core.domain.costs import CostChange, CostModel
from core.domain.options import EngineOptions
from core.domain.simulation import Fills, Reason
from core.engine.account import simulate_account
from core.engine.simulate import simulate
from tests.factories import make_bars, random_case, signals_at
from tests.property.shared_cases import random_shared_case

EPOCH = date(1970, 1, 1)
SEEDS = range(160)
PARTS = 4
EVERYTHING = {
    "commission_tax": 0.18,
    "charge_bps": 0.3,
    "charge_per_unit": 0.002,
    "buy_charge_bps": 0.4,
    "sell_charge_bps": 1.7,
    "sell_charge_per_unit": 0.003,
    "sell_charge_maximum": 0.5,
    "per_trade": 1.25,
    "slippage_points": 0.01,
}


def dear(costs: CostModel, bars: Bars, seed: int) -> CostModel:
    """Add every other kind of cost to a model now and then, and others from half way on."""
    if seed % 3 == 0:
        return costs
    half = EPOCH + timedelta(days=int(bars.session[len(bars) // 2]))
    changes = (CostChange(since=half, sell_charge_bps=9.0, fixed=2.0, minimum=3.0, maximum=4.0),)
    how = ("none", "cent_up", "cent_nearest")[seed // 3 % 3]
    model = costs.model_dump() | EVERYTHING | {"rounding": how}
    model |= {"changes": changes if seed % 3 == 1 else ()}
    return CostModel(**model)


def assert_sums(fills: PaidFills, options: EngineOptions, costs: CostModel) -> None:
    parts = paid_by_part(fills, options, costs)

    assert list(parts) == list(COST_PARTS)
    for group, charged in (("fees", fills.fee), ("slippage", fills.slippage)):
        total = sum(parts[name] for name, part in COST_PARTS.items() if part.group == group)
        np.testing.assert_allclose(total, charged, rtol=1e-9, atol=1e-9)
    noise = 1e-9 * np.maximum(fills.slippage, 1.0)
    assert all(np.all(part >= -noise) for part in parts.values())


def of_one(seed: int) -> tuple[PaidFills, EngineOptions, CostModel]:
    case = random_case(seed)
    costs = dear(case.costs, case.bars, seed)
    fills = simulate(case.bars, case.signals, case.options, costs).fills
    alone = np.zeros(len(fills), dtype=np.int64)
    return paid(fills, alone, case.bars.session), case.options, costs


def of_several(seed: int) -> tuple[PaidFills, EngineOptions, CostModel]:
    bars, wanted, options, costs = random_shared_case(seed)
    costs = dear(costs, bars[0], seed)
    account = simulate_account(bars, wanted, options, costs)
    return paid(account.fills, account.fill_symbol, account.session), options, costs


def paid(fills: Fills, symbol: IntArray, session: Int32Array) -> PaidFills:
    return PaidFills(
        symbol, session[fills.bar], fills.quantity, fills.price, fills.fee, fills.slippage
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_parts_add_up_to_what_one_symbol_was_charged(part):
    for seed in SEEDS[part::PARTS]:
        assert_sums(*of_one(seed))


@pytest.mark.parametrize("part", range(PARTS))
def test_parts_add_up_to_what_an_account_of_several_was_charged(part):
    for seed in SEEDS[part::PARTS]:
        assert_sums(*of_several(seed))


def test_every_part_and_every_rule_of_fees_is_met():
    met: set[str] = set()
    options_traded = 0
    for seed in SEEDS:
        fills, options, costs = of_several(seed)
        parts = paid_by_part(fills, options, costs)
        met |= {name for name, amounts in parts.items() if amounts.sum() > 0.01}
        options_traded += options.option is not None and len(fills) > 5

    assert met == set(COST_PARTS)
    assert options_traded > 5


def test_what_a_split_pays_out_costs_nothing():
    # 101 units become 151.5: half a unit is paid out at the open, and 151 are sold at the end.
    bars = make_bars([30.0, 30.0, 20.0, 20.0], split=[1.0, 1.0, 1.5, 1.0])
    options = EngineOptions(sizing="units", size=101, adjust="raw", close_at_end=True)
    costs = CostModel(minimum=1.0, per_trade=2.0)

    fills = simulate(bars, signals_at(4, {0: 1}), options, costs).fills

    assert fills.quantity.tolist() == [101.0, -0.5, -151.0]
    assert fills.fee.tolist() == [1.0, 0.0, 3.0]
    told = replace(
        paid(fills, np.zeros(3, dtype=np.int64), bars.session),
        after=np.array([101.0, 151.0, 0.0]),
        is_payout=fills.reason == Reason.SPLIT,
    )
    assert_sums(told, options, costs)
    assert paid_by_part(told, options, costs)["round_trips"].tolist() == [0.0, 0.0, 2.0]
