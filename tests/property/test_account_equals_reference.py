"""The general driver against its judge, to the last bit, and against the scalar kernel."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import pytest

from core.domain.simulation import Reason
from core.engine.account import simulate_account
from tests.factories import random_case
from tests.property.shared_cases import (
    random_shared_case,
    with_actions,
    with_detail,
    with_interest,
    with_rates,
)
from tests.reference.compare import compiled as compiled_alone
from tests.reference.compare import differences, outcome_of
from tests.reference.compare_shared import compiled, shared_differences, twin
from tests.reference.naive_shared import run_shared

PARTS = 4
SEEDS = range(240)


@pytest.mark.parametrize("part", range(PARTS))
def test_driver_and_twin_agree_with_the_judge_over_200_seeds(part):
    for seed in SEEDS[part::PARTS]:
        case = random_shared_case(seed)
        expected = run_shared(*case)

        assert shared_differences(expected, compiled(*case)) == [], f"seed {seed}"
        assert shared_differences(expected, twin(*case)) == [], f"seed {seed}"


@pytest.mark.parametrize("part", range(PARTS))
def test_driver_and_twin_agree_with_the_judge_over_dividends_and_splits(part):
    seen: Counter[str] = Counter()
    for seed in SEEDS[part::PARTS]:
        case = with_actions(random_shared_case(seed), seed)
        expected = run_shared(*case)
        seen.update(Reason(fill.reason).name for fill in expected.fills)
        seen["dividends"] += expected.dividends != 0.0

        assert shared_differences(expected, compiled(*case)) == [], f"seed {seed}"
        assert shared_differences(expected, twin(*case)) == [], f"seed {seed}"
    assert seen["SPLIT"] > 0
    assert seen["dividends"] > 0


@pytest.mark.parametrize("part", range(PARTS))
def test_driver_and_twin_agree_with_the_judge_over_finer_bars(part):
    seen: Counter[str] = Counter()
    for seed in SEEDS[part::PARTS]:
        case = random_shared_case(seed)
        case = with_detail(with_actions(case, seed) if seed % 3 == 0 else case, seed)
        expected = run_shared(*case)
        seen.update(expected.counters)
        whole = run_shared(*case[:2], case[2].model_copy(update={"detail": None}), case[3])
        seen["differ"] += whole.equity != expected.equity
        seen["fewer"] += whole.counters["ambiguous_bars"] > expected.counters["ambiguous_bars"]

        assert shared_differences(expected, compiled(*case)) == [], f"seed {seed}"
        assert shared_differences(expected, twin(*case)) == [], f"seed {seed}"
    assert seen["differ"] > 5
    assert seen["fewer"] > 2
    assert min(seen["detail_missing"], seen["detail_conflicts"], seen["ambiguous_bars"]) > 10


@pytest.mark.parametrize("part", range(PARTS))
def test_driver_and_twin_agree_with_the_judge_over_currencies_and_funding(part):
    seen: Counter[str] = Counter()
    for seed in SEEDS[part::PARTS]:
        case = with_rates(random_shared_case(seed), seed)
        if seed % 3 == 0:
            case = with_actions(case, seed)
        expected = run_shared(*case)
        seen.update(Reason(fill.reason).name for fill in expected.fills)
        seen.update({name: value > 0 for name, value in expected.counters.items()})
        seen["funding"] += expected.funding != 0.0
        seen["rates"] += len({fill.fx for fill in expected.fills}) > 2

        assert shared_differences(expected, compiled(*case)) == [], f"seed {seed}"
        assert shared_differences(expected, twin(*case)) == [], f"seed {seed}"
    wanted = ("funding", "rates", "MARGIN", "RUIN", "scaled_cash", "margin_calls", "REBALANCE")
    assert {name: seen[name] for name in wanted if not seen[name]} == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_driver_and_twin_agree_with_the_judge_over_interest(part):
    seen: Counter[str] = Counter()
    for seed in SEEDS[part::PARTS]:
        case = random_shared_case(seed)
        if seed % 3:
            case = with_actions(case, seed)
        case = with_interest(with_rates(case, seed) if seed % 2 else case, seed)
        expected = run_shared(*case)
        seen.update(earned=expected.interest > 0, paid=expected.interest < 0)
        seen["shorts"] += expected.interest != 0 and any(f.quantity < 0 for f in expected.fills)

        assert shared_differences(expected, compiled(*case)) == [], f"seed {seed}"
        assert shared_differences(expected, twin(*case)) == [], f"seed {seed}"
    assert min(seen.values()) > 0


def test_the_seeds_meet_every_reason_and_every_counter():
    seen: Counter[str] = Counter()

    for seed in SEEDS:
        account = simulate_account(*random_shared_case(seed))
        seen.update(Reason(code).name for code in account.fills.reason.tolist())
        seen.update(asdict(account.counters))
        seen["borrow"] += account.borrow > 0.0
        seen["carry"] += account.carry != 0.0

    reasons = [reason.name for reason in Reason if reason is not Reason.SPLIT]  # has seeds above
    counters = [name for name in asdict(account.counters) if not name.startswith("detail")]
    wanted = [*reasons, *counters, "borrow", "carry"]
    assert {name: seen[name] for name in wanted if seen[name] < 2} == {}


@pytest.mark.parametrize("part", range(2))
def test_one_symbol_gives_the_bits_of_the_scalar_kernel(part):
    for seed in range(part, 300, 2):
        case = random_case(seed)
        account = simulate_account([case.bars], [case.signals], case.options, case.costs)
        assert differences(compiled_alone(case), outcome_of(account.alone())) == [], f"seed {seed}"
