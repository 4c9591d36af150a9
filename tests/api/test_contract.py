"""The OpenAPI schema: complete, stable, and true of every answer (A1)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import Phase, given, settings
from jsonschema_rs import validator_for
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from api.app import create_app
from core.services import Services
from core.settings import Settings

# Agents learn these; renaming one breaks them.
OPERATIONS = {
    "root": "GET /",
    "health": "GET /health",
    "api_health": "GET /api/health",
    "health_v1": "GET /api/v1/health",
    "health_detailed": "GET /api/v1/health/detailed",
    "health_ready": "GET /api/v1/health/ready",
    "run_backtest": "POST /api/backtests/run",
    "list_backtests": "GET /api/backtests",
    "get_backtest": "GET /api/backtests/{id}",
    "download_artifact": "GET /api/backtests/{id}/artifacts/{name}",
    "run_backtest_v1": "POST /api/v1/backtests",
    "upload_and_run_backtest_v1": "POST /api/v1/backtests/upload",
    "list_backtests_v1": "GET /api/v1/backtests",
    "get_backtest_v1": "GET /api/v1/backtests/{id}",
    "get_backtest_results_v1": "GET /api/v1/backtests/{id}/results",
    "get_backtest_assumptions": "GET /api/v1/backtests/{id}/assumptions",
    "get_backtest_costs": "GET /api/v1/backtests/{id}/costs",
    "discover_strategies": "GET /api/v1/strategies/discover",
    "list_strategies": "GET /api/v1/strategies",
    "get_strategy": "GET /api/v1/strategies/{id}",
    "get_strategy_schema": "GET /api/v1/strategies/{id}/schema",
    "get_candles": "GET /api/v1/ohlcv/data",
    "post_candles": "POST /api/v1/ohlcv/data",
    "list_symbols": "GET /api/v1/ohlcv/symbols",
    "list_timeframes": "GET /api/v1/ohlcv/timeframes",
    "list_experiments": "GET /api/mlflow/experiments",
    "list_tracked_runs": "GET /api/mlflow/runs/{experiment_id}",
    "get_tracked_run": "GET /api/mlflow/runs/details/{run_id}",
    "forget_tracked": "POST /api/mlflow/cache/invalidate",
}
CASES = int(os.environ.get("CONTRACT_CASES", "20"))  # per operation and test: a thousand in all
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@pytest.fixture(scope="module")
def openapi(client: TestClient) -> dict[str, Any]:
    return dict(client.get("/openapi.json").json())


def operations(openapi: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }


def test_operation_ids_are_stable(openapi: dict[str, Any]) -> None:
    found = {each["operationId"]: name for name, each in operations(openapi).items()}

    assert found == OPERATIONS


def test_every_operation_is_explained(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi).items():
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name


def test_every_error_is_a_problem(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi).items():
        errors = {code: one for code, one in operation["responses"].items() if code >= "400"}
        assert {"400", "403", "413", "422", "500"} <= set(errors), name
        for code, one in errors.items():
            if (name, code) == ("GET /api/v1/health/ready", "503"):
                continue  # answers with its checks
            media = one["content"]["application/problem+json"]
            assert media["schema"] == {"$ref": "#/components/schemas/Problem"}, (name, code)


def test_every_body_has_an_example_that_is_valid(
    client: TestClient, openapi: dict[str, Any]
) -> None:
    schemas = openapi["components"]["schemas"]
    bodies = [name for name in schemas if name.endswith("Body") and "examples" in schemas[name]]

    assert set(bodies) >= {"BacktestBody", "RunBody", "RecordBody", "CandlesBody"}
    for name, path in (
        ("BacktestBody", "/api/backtests/run"),
        ("RunBody", "/api/v1/backtests"),
        ("RecordBody", "/api/v1/backtests"),
        ("CandlesBody", "/api/v1/ohlcv/data"),
    ):
        for example in schemas[name]["examples"]:
            answer = client.post(path, json=example)
            assert answer.status_code != 422, (name, answer.text)


def test_every_answer_shows_an_example_that_fits(openapi: dict[str, Any]) -> None:
    """Made by `python -m tests.api.make_examples`."""
    for name, operation in operations(openapi).items():
        for code, one in operation["responses"].items():
            media = one["content"].get("application/json")
            if code >= "300" or media is None:
                continue
            whole = {**media["schema"], "components": openapi["components"]}
            errors = [error.message for error in validator_for(whole).iter_errors(media["example"])]
            assert errors == [], (name, code)


@pytest.fixture(scope="module")
def api_schema(services: Services) -> Any:
    app = create_app(
        services, Settings(data_dir=services.settings.data_dir, allowed_hosts="testserver")
    )
    return schemathesis.openapi.from_asgi("/openapi.json", app)


WITHOUT_INPUT = {
    "GET /",
    "GET /health",
    "GET /api/health",
    "GET /api/v1/health",
    "GET /api/v1/health/detailed",
    "GET /api/v1/health/ready",
    "GET /api/v1/strategies/discover",
    "GET /api/v1/ohlcv/symbols",
    "GET /api/mlflow/experiments",
}
WITH_INPUT = [name for name in OPERATIONS.values() if name not in WITHOUT_INPUT]


def send(api_schema: Any, name: str, mode: GenerationMode, change: Callable[[Any], None]) -> None:
    method, path = name.split()
    cases = api_schema[path][method].as_strategy(generation_mode=mode)

    @given(case=cases)
    @settings(max_examples=CASES, deadline=None, derandomize=True, phases=[Phase.generate])
    def sent(case: Any) -> None:
        change(case)
        response = case.call()
        assert response.status_code < 500, response.text
        case.validate_response(response, checks=CHECKS)

    sent()


@pytest.mark.parametrize("name", OPERATIONS.values())
def test_valid_requests_get_documented_answers(api_schema: Any, name: str) -> None:
    send(api_schema, name, GenerationMode.POSITIVE, lambda _: None)


@pytest.mark.parametrize("name", WITH_INPUT)
def test_invalid_requests_are_refused_as_documented(api_schema: Any, name: str) -> None:
    send(api_schema, name, GenerationMode.NEGATIVE, lambda _: None)


@pytest.mark.parametrize("name", WITH_INPUT)
def test_valid_requests_about_what_exists_get_documented_answers(
    api_schema: Any, completed: int, name: str
) -> None:
    """Names that exist, everything else generated: the options reach the engine."""
    known = {
        "strategy": "sma_crossover",
        "symbol": "AAPL",
        "symbols": ["AAPL"],
        "dataset": "NIFTY",
        "dataset_id": "NIFTY",
        "dataset_path": "NIFTY",
        "timeframe": "1d",
    }

    def change(case: Any) -> None:
        for given_values in (case.query, case.body):
            if isinstance(given_values, dict):
                given_values |= {key: value for key, value in known.items() if key in given_values}
                for key in ("parameters", "strategy_params"):
                    if isinstance(given_values.get(key), dict):
                        given_values[key] = {}
        if "id" in case.path_parameters:
            is_strategy = "strategies" in case.path
            case.path_parameters["id"] = "ema_crossover" if is_strategy else str(completed)

    send(api_schema, name, GenerationMode.POSITIVE, change)
