"""GET /api/v1/backtests/{id}/costs, judged by the run's own metrics and arithmetic."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient


def submitted(client: TestClient, **request: object) -> dict:
    body = {"strategy": "rsi_reversion", "symbols": ["AAPL", "MSFT"], **request}
    return client.post("/api/backtests/run", json=body).json()


def test_the_parts_add_up_to_the_costs_of_the_run(client: TestClient) -> None:
    run = submitted(client, costs="ibkr_tiered")
    metrics = client.get(f"/api/backtests/{run['id']}").json()["metrics"]

    answer = client.get(f"/api/v1/backtests/{run['id']}/costs")

    body = answer.json()
    assert answer.status_code == 200
    assert (body["id"], body["model"]) == (run["id"], "ibkr_tiered")
    assert {row["part"] for row in body["parts"]} == {
        "commission",
        "commission_tax",
        "charges",
        "sell_charges",
        "slippage",
    }
    for group in ("fees", "slippage"):
        parts = sum(row["amount"] for row in body["parts"] if row["group"] == group)
        assert parts == pytest.approx(body[group]["amount"])
        assert parts == pytest.approx(metrics[group])
    assert body["total"]["gross_share"] == pytest.approx(metrics["cost_share_fraction"])
    assert body["breakeven_bps"] == pytest.approx(metrics["breakeven_bps"])
    assert body["breakeven_multiple"] == pytest.approx(1 / metrics["cost_share_fraction"])
    assert {point["multiple"]: point["net_profit"] for point in body["curve"]}[1.0] == (
        pytest.approx(body["net_profit"])
    )


def test_a_run_without_costs_says_why_it_has_no_break_even(client: TestClient) -> None:
    run = submitted(client, costs="zero")

    body = client.get(f"/api/v1/backtests/{run['id']}/costs").json()

    assert body["parts"] == []
    assert body["breakeven_multiple"] is None
    assert body["reasons"] == {"breakeven_multiple": "nothing was paid"}


def test_a_run_that_does_not_exist_has_no_costs(client: TestClient) -> None:
    answer = client.get("/api/v1/backtests/99999/costs")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
