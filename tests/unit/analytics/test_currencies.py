"""Metrics of symbols in other currencies than their account, by the judge of metrics."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from core.analytics.combine import buy_and_hold
from core.analytics.summary import summarise
from core.domain.costs import CostModel
from core.domain.metrics import METRICS
from core.domain.options import EngineOptions
from core.domain.simulation import Simulation
from core.engine.simulate import simulate
from tests.property.shared_cases import random_shared_case, with_rates
from tests.property.test_measures import differences
from tests.reference import metrics as reference
from tests.reference.test_shared_rules import FLAT, HOLD, LONG, days, dollars, units, wants


def sleeves_of(seed: int) -> Iterator[Simulation]:
    bars, wanted, options, costs = with_rates(random_shared_case(seed), seed)
    if isinstance(wanted, list):
        for each, own in zip(bars, wanted, strict=True):
            yield simulate(each, own, options, costs)


@pytest.mark.parametrize("part", range(2))
def test_metrics_of_sleeves_are_those_of_the_judge(part):
    converted = 0
    for seed in range(part, 60, 2):
        sleeves = list(sleeves_of(seed))
        if not sleeves:
            continue
        expected = reference.metrics(sleeves)
        found = summarise(sleeves, options=EngineOptions(), costs=CostModel())
        traded = sum(np.abs(each.fills.quantity * each.fills.price).sum() for each in sleeves)

        for name in METRICS:
            value = expected[name]
            if isinstance(value, str):
                assert (found[name], found.reasons.get(name)) == (None, value), (seed, name)
            else:
                slack = 1e-12 * traded if name in {"breakeven_bps", "cost_share"} else 1e-9
                assert found[name] == pytest.approx(value, rel=1e-9, abs=slack), (seed, name)
        converted += sum(each.fx is not None and len(each.trades) > 0 for each in sleeves)
    assert converted > 10


def test_the_compiled_pass_gives_the_same():
    for seed in range(60):
        for run in sleeves_of(seed):
            assert differences(run) == [], f"seed {seed}"


def test_a_trade_returns_what_its_money_made():
    """1000 euros at 1.25 became 1100 at 1.5: 400 of 1250."""
    bars = days(100, 100, 110, fx=dollars(1, 1.25, 1.5, 1.5))
    run = simulate(bars, wants(LONG, FLAT, HOLD), units(10), CostModel())

    found = summarise([run], options=EngineOptions(), costs=CostModel())

    assert found["best_trade"] == 400 / 1_250
    assert found["turnover"] is not None


def test_holding_a_symbol_gains_what_its_currency_gains():
    """Bought at 100 x 1, worth 110 x 1.5 and a dividend of 2 x 1.25 at the second close."""
    bars = days((100, 105, 100, 105), 110, fx=dollars(1, 1.25, 1.5), dividend=[0, 2])

    assert buy_and_hold([bars], 1_000.0).tolist() == [
        1_000 * (105 * 1.25 / 100),
        1_000 * ((110 * 1.5 + 2 * 1.25) / 100),
    ]
