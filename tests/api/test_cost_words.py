"""The ways to say what trading costs, each judged by the model it must mean."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from core.domain.cost_presets import find_costs
from core.domain.costs import CostModel

IB_STANDARD = {
    "commission_per_share": 0.005,
    "minimum_commission": 1.0,
    "maximum_commission_rate": 0.01,
    "sec_fee_rate": 0.0000278,
    "slippage": {"market_order_bps": 5, "limit_order_bps": 0, "fill_probability": 0.95},
    "spread": {"enabled": True, "typical_bps": 2, "use_midpoint": True, "spread_factor": 0.5},
}
DOORS = {
    "/api/backtests/run": {"strategy": "sma_crossover", "symbols": ["AAPL"]},
    "/api/v1/backtests": {"strategy": "sma_crossover", "dataset": "AAPL"},
}


def costs_of(client: TestClient, path: str, **said: Any) -> CostModel:
    answer = client.post(path, json={**DOORS[path], **said})
    assert answer.status_code < 300, answer.text
    detail = client.get(answer.headers["Location"]).json()
    shown = client.get(f"/api/backtests/{detail['id']}").json()["costs"]
    return CostModel.model_validate(shown)


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("key", ["costs", "cost_config"])
def test_the_keys_of_cost_config_mean_this_model(client: TestClient, path: str, key: str) -> None:
    assert costs_of(client, path, **{key: IB_STANDARD}) == CostModel(
        name="cost_config",
        per_unit=0.005,
        minimum=1.0,
        maximum_rate=0.01,
        sell_charge_bps=0.278,
        slippage_bps=5.0,
        half_spread_bps=1.0,
        fill_probability=0.95,
    )


@pytest.mark.parametrize("path", DOORS)
def test_a_model_is_made_of_a_preset(client: TestClient, path: str) -> None:
    said = {"base": "nse_options", "times": 1.5, "tick": 0.05, "fixed": 10.0}

    made = costs_of(client, path, costs=said)

    assert (made.fixed, made.slippage_points, made.tick) == (15.0, 0.05, 0.05)
    assert made.changes[1].sell_charge_bps == 22.5


@pytest.mark.parametrize("name", ["conservative", "conservative:nse_options", "ib_pro"])
def test_every_name_of_the_core_is_a_name_here(client: TestClient, name: str) -> None:
    assert costs_of(client, "/api/backtests/run", costs=name) == find_costs(name)


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"costs": {**IB_STANDARD, "commission_rate": 0.1}}, "commission_rate"),
        ({"cost_config": {**IB_STANDARD, "slippage": {"market": 5}}}, "market"),
        ({"costs": {"slippage": {"fill_probability": 1.5}}}, "fill_probability"),
        ({"costs": {"slippage": {"limit_order_bps": 1}}}, "limit orders fill at their limit"),
        ({"costs": {"commission_per_share": "0.005"}}, "commission_per_share"),
        ({"costs": {"sec_fee_rate": -1}}, "sec_fee_rate"),
        ({"costs": {"base": "nothing"}}, "cannot be made of 'nothing'"),
        ({"costs": {"base": "conservative"}}, "cannot be made of 'conservative'"),
        ({"costs": {"base": "zero", "half": 2}}, "half"),
        ({"costs": "conservative:conservative"}, "conservative:nse_options"),
        ({"costs": "zero", "cost_config": IB_STANDARD}, "contradict"),
    ],
)
def test_what_is_wrong_is_named(
    client: TestClient, path: str, said: dict[str, Any], words: str
) -> None:
    answer = client.post(path, json={**DOORS[path], **said})

    assert answer.status_code in {400, 422}
    assert words in answer.text
