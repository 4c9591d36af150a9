"""Several symbols on one account, over REST in both shapes."""

from __future__ import annotations

import io
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

TWO = ["AAPL", "MSFT"]
SHAPES = {
    "/api/backtests/run": {"strategy": "ema_crossover", "parameters": {}},
    "/api/v1/backtests": {"strategy": "ema_crossover", "strategy_params": {}},
}


def asked(client: TestClient, path: str, **more: Any) -> dict[str, Any]:
    answer = client.post(path, json={**SHAPES[path], "symbols": TWO, "costs": "bps_5", **more})
    assert answer.status_code in {200, 201, 202}, answer.text
    return dict(client.get(f"/api/backtests/{answer.json()['id']}").json())


@pytest.mark.parametrize("path", SHAPES)
def test_symbols_share_an_account_when_asked_to(client: TestClient, path: str) -> None:
    sized = {"size": 50.0}
    apart = asked(client, path, engine_options=sized)
    shared = asked(client, path, engine_options={**sized, "account": "shared"})

    assert apart["engine_options"]["account"] == "sleeves"
    assert shared["engine_options"]["account"] == "shared"
    assert apart["metrics"]["final_equity"] != shared["metrics"]["final_equity"]


def test_contributions_sum_to_the_profit_and_cash_to_equity(client: TestClient) -> None:
    run = asked(
        client,
        "/api/backtests/run",
        strategy="momentum_rank",
        parameters={"top": 1},
    )
    parts = [one["metrics"]["net_profit"] for one in run["by_symbol"].values()]
    assert sum(parts) == pytest.approx(run["metrics"]["net_profit"], abs=1e-6)
    table = {each["name"]: each["href"] for each in run["artifacts"]}
    positions = pl.read_parquet(io.BytesIO(client.get(table["positions"]).content))
    books = positions.group_by("timestamp").agg(
        held=pl.col("value").sum(), cash=pl.col("cash").first(), equity=pl.col("equity").first()
    )
    assert (books["held"] + books["cash"] - books["equity"]).abs().max() < 1e-6


def test_sleeves_for_a_universe_are_a_problem_with_its_field(client: TestClient) -> None:
    body = {"strategy": "pairs", "symbols": TWO, "engine_options": {"account": "sleeves"}}

    answer = client.post("/api/backtests/run", json=body)

    assert answer.status_code == 400
    problem = answer.json()
    assert "weighs all symbols together" in answer.text
    assert (problem["field"], problem["found"]) == ("engine_options.account", "sleeves")


def test_an_odd_number_of_symbols_fails_the_run_with_a_sentence(client: TestClient) -> None:
    body = {"strategy": "pairs", "symbols": [*TWO, "FLAT"]}

    taken = client.post("/api/backtests/run", json=body).json()

    assert taken["status"] == "failed"
    assert "3 given, and pairs take two by two" in taken["error"]["message"]


def test_strategies_say_whether_they_weigh_a_universe(client: TestClient) -> None:
    rows = client.get("/api/v1/strategies").json()["strategies"]

    weighs = {row["id"] for row in rows if row["universe"]}
    assert weighs == {"momentum_rank", "inverse_volatility", "pairs"}
