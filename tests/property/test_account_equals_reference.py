"""The general driver against its judge, to the last bit, and against the scalar kernel."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from core.domain.simulation import PortfolioSimulation, Reason
from core.engine.account import simulate_account
from tests.factories import Case, random_case
from tests.property.shared_cases import random_shared_case
from tests.reference.compare import TRADE_COLUMNS, compiled, differences, outcome_of
from tests.reference.compare_shared import shared_differences
from tests.reference.naive_shared import run_shared

PARTS = 4
SEEDS = range(240)


def outcome_of_account(account: PortfolioSimulation) -> SimpleNamespace:
    """In the shape the judge answers in."""
    fills, trades = account.fills, account.trades
    return SimpleNamespace(
        ts=account.ts,
        cash=account.cash,
        equity=account.equity,
        quantity=account.quantity,
        held=account.held,
        fills=SimpleNamespace(
            bar=fills.bar,
            symbol=account.fill_symbol,
            quantity=fills.quantity,
            price=fills.price,
            fee=fills.fee,
            slippage=fills.slippage,
            reason=fills.reason,
        ),
        trades=SimpleNamespace(
            symbol=account.trade_symbol, **{name: getattr(trades, name) for name in TRADE_COLUMNS}
        ),
        counters=asdict(account.counters),
        max_drawdown=account.max_drawdown,
        gross_exposure=account.gross_exposure,
        ruined=account.ruined,
        borrow=account.borrow,
        accrued=account.carry,
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_driver_and_twin_agree_with_the_judge_over_200_seeds(part):
    for seed in SEEDS[part::PARTS]:
        case = random_shared_case(seed)
        expected = run_shared(*case)

        for compile_it in (True, False):
            account = simulate_account(*case, compiled=compile_it)
            assert shared_differences(expected, outcome_of_account(account)) == [], f"seed {seed}"


def test_the_seeds_meet_every_reason_and_every_counter():
    seen: Counter[str] = Counter()

    for seed in SEEDS:
        account = simulate_account(*random_shared_case(seed))
        seen.update(Reason(code).name for code in account.fills.reason.tolist())
        seen.update(asdict(account.counters))
        seen["borrow"] += account.borrow > 0.0
        seen["carry"] += account.carry != 0.0

    wanted = [*(reason.name for reason in Reason), *asdict(account.counters), "borrow", "carry"]
    assert {name: seen[name] for name in wanted if seen[name] < 2} == {}


def alone(case: Case, *, compiled: bool = True) -> object:
    account = simulate_account(
        [case.bars], [case.signals], case.options, case.costs, compiled=compiled
    )
    return outcome_of(account.alone())


@pytest.mark.parametrize("part", range(2))
def test_one_symbol_gives_the_bits_of_the_scalar_kernel(part):
    for seed in range(part, 300, 2):
        case = random_case(seed)
        assert differences(compiled(case), alone(case)) == [], f"seed {seed}"
