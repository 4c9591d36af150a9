"""Requests of existing clients, as they are written in their documents, for what is built here."""

from __future__ import annotations

import json
from typing import Any

from starlette.testclient import TestClient

from tests.api.conftest import NIFTY_FILE, Prices

EMA10 = "strategies.ema10_scalper.EMA10ScalperStrategy"


def test_health(client: TestClient) -> None:
    assert client.get("/health").json()["status"] == "ok"
    assert client.get("/api/health").json() == {"status": "ok"}
    assert client.get("/api/v1/health/").status_code == 200
    assert client.get("/docs").status_code == 200


def test_run_new_backtest(client: TestClient) -> None:
    body = {
        "strategy": "momentum_strategy",
        "symbols": ["AAPL", "MSFT"],
        "parameters": {"window": 20, "threshold": 0.02},
        "timeframe": "1d",  # the prices here are daily; the document says 1h
    }

    answer = client.post("/api/backtests/run", json=body).json()

    assert {"job_id", "status", "message", "created_at"} <= set(answer)
    detail = client.get(f"/api/backtests/{answer['id']}").json()
    assert detail["status"] == "completed"
    assert detail["strategy_name"] == body["strategy"]
    assert detail["symbols"] == body["symbols"]
    assert detail["trades"]
    hourly = client.post("/api/backtests/run", json={**body, "timeframe": "1h"})
    assert hourly.status_code == 400
    assert hourly.json()["field"] == "timeframe"


def test_list_and_retrieve(client: TestClient, completed: int) -> None:
    query = {
        "strategy": "sma",
        "status": "completed",
        "start_date": "2020-01-01",
        "end_date": "2100-01-01",
        "page": 1,
        "page_size": 50,
    }

    shown = client.get("/api/backtests", params=query).json()

    assert {"backtests", "total", "page", "page_size", "total_pages"} == set(shown)
    assert completed in {row["id"] for row in shown["backtests"]}


def test_upload_and_run(client: TestClient, prices: dict[str, Prices]) -> None:
    """curl -F file=@… -F strategy=… -F strategy_params={} -F engine_options={…}."""
    with prices["NIFTY"].path.open("rb") as file:
        answer = client.post(
            "/api/v1/backtests/upload",
            files={"file": (NIFTY_FILE, file)},
            data={
                "strategy": EMA10,
                "strategy_params": "{}",
                "engine_options": json.dumps({"initial_cash": 100000, "lots": 2}),
            },
        )

    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert body["success"] is True
    assert {"equity_curve", "trade_log", "metrics", "engine_config"} <= set(body["result"])
    assert body["result"]["engine_config"]["initial_cash"] == 100_000
    assert body["result"]["engine_config"]["lots"] == 2
    assert body["notes"]


def test_run_with_a_json_payload_and_get_results(client: TestClient) -> None:
    answer = client.post(
        "/api/v1/backtests/",
        json={
            "strategy": EMA10,
            "strategy_params": {},
            "dataset_path": f"data/{NIFTY_FILE}",
            "engine_options": {"initial_cash": 100000, "lots": 2, "option_delta": 0.5},
        },
    )

    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert body["result"]["engine_config"]["multiplier"] == 0.5
    trade = body["result"]["trade_log"][0]
    assert {
        "entry_time",
        "exit_time",
        "entry_price",
        "exit_price",
        "position",
        "pnl",
        "commission",
    } <= set(trade)
    results = client.get(f"/api/v1/backtests/{body['id']}/results").json()
    assert results["result"] == body["result"]


def test_parameters_by_their_documented_names(client: TestClient) -> None:
    answer = client.post(
        "/api/v1/backtests",
        json={
            "strategy": EMA10,
            "strategy_params": {"ema_period": 10, "stop_loss_pct": 0.5},
            "dataset_id": "NIFTY",
            "engine_options": {"initial_cash": 100000, "lots": 2, "option_delta": 0.5},
        },
    )

    assert answer.status_code == 200, answer.text


def test_create_a_backtest_record(client: TestClient) -> None:
    body: dict[str, Any] = {
        "name": "My First Backtest",
        "strategy": "Moving Average Crossover",
        "symbol": "BTC",
        "start_date": "2023-01-01",
        "end_date": "2023-12-31",
        "initial_capital": 10000,
    }

    answer = client.post("/api/v1/backtests", json=body)

    record = answer.json()
    assert answer.status_code == 201, answer.text
    assert record["name"] == body["name"]
    assert record["initial_capital"] == body["initial_capital"]
    assert record["strategy"] == "sma_crossover"


def test_market_data(client: TestClient) -> None:
    answer = client.get(
        "/api/v1/ohlcv/data?symbol=BTC&start_date=2023-01-01&end_date=2023-01-31"
        "&timeframe=1d&source_resolution=1Y"
    )

    assert answer.json()["count"] == 31
    assert "BTC" in client.get("/api/v1/ohlcv/symbols").json()
    assert "1d" in client.get("/api/v1/ohlcv/timeframes").json()


def test_strategies(client: TestClient) -> None:
    discovered = client.get("/api/v1/strategies/discover").json()["strategies"]
    listed = client.get("/api/v1/strategies/").json()["strategies"]

    assert discovered == listed
    schema = client.get("/api/v1/strategies/ema_crossover/schema").json()
    assert schema["parameters_schema"]["fast"]["type"] == "int"
