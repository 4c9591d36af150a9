"""The OpenAPI schema: complete, stable, and true of every answer (A1)."""

from __future__ import annotations

import dataclasses
import json
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
from api.routers import optimization
from core.services import Services
from tests.api.conftest import complete_a_run

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
    "delete_backtest": "DELETE /api/backtests/{id}",
    "download_artifact": "GET /api/backtests/{id}/artifacts/{name}",
    "run_backtest_v1": "POST /api/v1/backtests",
    "upload_and_run_backtest_v1": "POST /api/v1/backtests/upload",
    "list_backtests_v1": "GET /api/v1/backtests",
    "get_backtest_v1": "GET /api/v1/backtests/{id}",
    "label_backtest_v1": "PUT /api/v1/backtests/{id}",
    "delete_backtest_v1": "DELETE /api/v1/backtests/{id}",
    "get_backtest_results_v1": "GET /api/v1/backtests/{id}/results",
    "get_backtest_assumptions": "GET /api/v1/backtests/{id}/assumptions",
    "get_backtest_costs": "GET /api/v1/backtests/{id}/costs",
    "get_backtest_status_v1": "GET /api/v1/backtests/{id}/status",
    "stop_backtest_v1": "POST /api/v1/backtests/{id}/stop",
    "submit_job": "POST /api/v1/jobs",
    "upload_and_submit_job": "POST /api/v1/jobs/upload",
    "list_jobs": "GET /api/v1/jobs",
    "get_job_stats": "GET /api/v1/jobs/stats",
    "get_job": "GET /api/v1/jobs/{id}",
    "get_job_status": "GET /api/v1/jobs/{id}/status",
    "get_job_results": "GET /api/v1/jobs/{id}/results",
    "cancel_job": "POST /api/v1/jobs/{id}/cancel",
    "delete_job": "DELETE /api/v1/jobs/{id}",
    "watch_job": "GET /api/v1/jobs/{id}/events",
    "start_optimization": "POST /api/v1/optimization",
    "start_grid_search": "POST /api/v1/optimization/grid-search",
    "start_genetic_search": "POST /api/v1/optimization/genetic",
    "validate_optimization": "POST /api/v1/optimization/validate",
    "quick_optimization": "POST /api/v1/optimization/quick",
    "list_optimizations": "GET /api/v1/optimization",
    "get_optimization_stats": "GET /api/v1/optimization/stats",
    "list_optimization_metrics": "GET /api/v1/optimization/metrics",
    "get_optimization": "GET /api/v1/optimization/{id}",
    "get_optimization_status": "GET /api/v1/optimization/{id}/status",
    "get_optimization_results": "GET /api/v1/optimization/{id}/results",
    "cancel_optimization": "POST /api/v1/optimization/{id}/cancel",
    "list_trials": "GET /api/v1/optimization/{id}/trials",
    "get_walk_forward": "GET /api/v1/optimization/{id}/walkforward",
    "promote_trial": "POST /api/v1/optimization/{id}/promote",
    "start_optimization_alias": "POST /api/v1/optimize",
    "start_grid_search_alias": "POST /api/v1/optimize/grid-search",
    "start_genetic_search_alias": "POST /api/v1/optimize/genetic",
    "validate_optimization_alias": "POST /api/v1/optimize/validate",
    "quick_optimization_alias": "POST /api/v1/optimize/quick",
    "list_optimizations_alias": "GET /api/v1/optimize",
    "get_optimization_stats_alias": "GET /api/v1/optimize/stats",
    "list_optimization_metrics_alias": "GET /api/v1/optimize/metrics",
    "get_optimization_alias": "GET /api/v1/optimize/{id}",
    "get_optimization_status_alias": "GET /api/v1/optimize/{id}/status",
    "get_optimization_results_alias": "GET /api/v1/optimize/{id}/results",
    "cancel_optimization_alias": "POST /api/v1/optimize/{id}/cancel",
    "list_trials_alias": "GET /api/v1/optimize/{id}/trials",
    "get_walk_forward_alias": "GET /api/v1/optimize/{id}/walkforward",
    "promote_trial_alias": "POST /api/v1/optimize/{id}/promote",
    "run_optimization": "POST /api/optimization/run",
    "list_optimization_runs": "GET /api/optimization",
    "get_optimization_run_status": "GET /api/optimization/status/{id}",
    "get_optimization_run": "GET /api/optimization/{id}",
    "start_walk_forward": "POST /api/v1/walkforward",
    "list_walk_forwards": "GET /api/v1/walkforward",
    "get_walk_forward_by_id": "GET /api/v1/walkforward/{id}",
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
# Held by a test to be the same operations by other paths; a few cases show that they are served.
ALIASES = {name: name.removesuffix("_alias") for name in OPERATIONS if name.endswith("_alias")}
FEW = min(CASES, 3)
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


def test_an_alias_is_the_operation_it_stands_for(openapi: dict[str, Any]) -> None:
    told = {each["operationId"]: each for each in operations(openapi).values()}
    pairs = list(zip(optimization.router.routes, optimization.alias.routes, strict=True))

    assert len(ALIASES) == len(pairs) > 10
    for name, own in ALIASES.items():
        assert OPERATIONS[name] == OPERATIONS[own].replace("/optimization", "/optimize")
        there = json.dumps(told[name]).replace(name, own).replace(" Alias", "")  # in titles
        assert json.loads(there) == told[own]
    for own, other in pairs:
        for what in ("endpoint", "methods", "response_model", "status_code", "dependencies"):
            assert getattr(other, what) == getattr(own, what), (own.path, what)
        assert type(other) is type(own)


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
        ("GridSearchBody", "/api/v1/optimization/grid-search"),
        ("GeneticBody", "/api/v1/optimization/genetic"),
        ("OptimizationBody", "/api/v1/optimization"),
        ("WalkForwardBody", "/api/v1/walkforward"),
    ):
        for example in schemas[name]["examples"]:
            answer = client.post(path, json=example)
            assert answer.status_code != 422, (name, answer.text)


def test_every_answer_shows_an_example_that_fits(openapi: dict[str, Any]) -> None:
    """Made by `python -m tests.api.make_examples`."""
    for name, operation in operations(openapi).items():
        for code, one in operation["responses"].items():
            media = one.get("content", {}).get("application/json")  # 204 has none
            if code >= "300" or media is None:
                continue
            whole = {**media["schema"], "components": openapi["components"]}
            errors = [error.message for error in validator_for(whole).iter_errors(media["example"])]
            assert errors == [], (name, code)


@pytest.fixture(scope="module")
def api_schema(apart: Services) -> Any:
    settings = apart.settings.model_copy(
        update={"allowed_hosts": ("testserver",), "run_wait_seconds": 0.0}
    )
    quick = dataclasses.replace(apart, settings=settings)  # no worker is there to wait for
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(quick))


@pytest.fixture(scope="module")
def ended(apart_client: TestClient) -> dict[str, str]:
    """A job and a study that nobody waits for any more."""
    job = apart_client.post(
        "/api/v1/jobs", json={"strategy": "buy_and_hold", "dataset": "AAPL"}
    ).json()
    study = apart_client.post(
        "/api/v1/optimization",
        json={"strategy": "ema_crossover", "symbols": ["AAPL"], "space": SPACE},
    ).json()
    apart_client.delete(f"/api/v1/jobs/{job['id']}")
    apart_client.post(f"/api/v1/optimization/{study['id']}/cancel")
    return {
        "job": str(job["id"]),
        "study": str(study["id"]),
        "run": str(complete_a_run(apart_client)),
    }


WITHOUT_INPUT = {
    "GET /",
    "GET /health",
    "GET /api/health",
    "GET /api/v1/health",
    "GET /api/v1/health/detailed",
    "GET /api/v1/health/ready",
    "GET /api/v1/strategies/discover",
    "GET /api/v1/ohlcv/symbols",
    "GET /api/v1/jobs/stats",
    "GET /api/v1/optimization/stats",
    "GET /api/v1/optimization/metrics",
    "GET /api/v1/optimize/stats",
    "GET /api/v1/optimize/metrics",
    "GET /api/mlflow/experiments",
}
# Small enough to be submitted for real, over and over.
SPACE = {"fast": [5, 10], "slow": [30, 40]}
SPACES = ("space", "parameter_space", "param_ranges", "parameters")
ALIASED = {OPERATIONS[name] for name in ALIASES}
WITH_INPUT = [name for name in OPERATIONS.values() if name not in WITHOUT_INPUT]


def send(api_schema: Any, name: str, mode: GenerationMode, change: Callable[[Any], None]) -> None:
    method, path = name.split()
    cases = api_schema[path][method].as_strategy(generation_mode=mode)

    @given(case=cases)
    @settings(
        max_examples=FEW if name in ALIASED else CASES,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
    )
    def sent(case: Any) -> None:
        change(case)
        response = case.call()
        assert response.status_code < 500, response.text
        case.validate_response(response, checks=CHECKS)

    sent()


@pytest.mark.parametrize("name", OPERATIONS.values())
def test_valid_requests_get_documented_answers(
    api_schema: Any, ended: dict[str, str], name: str
) -> None:
    def change(case: Any) -> None:
        if name.endswith("/events"):  # that of a job that waits has no end
            case.path_parameters["id"] = ended["job"]

    send(api_schema, name, GenerationMode.POSITIVE, change)


@pytest.mark.parametrize("name", WITH_INPUT)
def test_invalid_requests_are_refused_as_documented(api_schema: Any, name: str) -> None:
    send(api_schema, name, GenerationMode.NEGATIVE, lambda _: None)


@pytest.mark.parametrize("name", WITH_INPUT)
def test_valid_requests_about_what_exists_get_documented_answers(
    api_schema: Any, ended: dict[str, str], name: str
) -> None:
    """Names that exist, everything else generated: the options reach the engine."""
    searches = "optimi" in name or "walkforward" in name
    known: dict[str, Any] = {
        "strategy": "ema_crossover" if searches else "sma_crossover",
        "strategy_path": "ema_crossover",
        **dict.fromkeys(SPACES, SPACE),
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
                given_values |= {
                    key: value for key, value in known.items() if given_values.get(key) is not None
                }
                for key in ("parameters", "strategy_params"):
                    if isinstance(given_values.get(key), dict) and not (searches and key in SPACES):
                        given_values[key] = {}
        if "id" in case.path_parameters:
            named = {"strategies": "ema_crossover", "jobs": ended["job"], "optim": ended["study"]}
            named["walkforward"] = ended["study"]
            found = [ref for word, ref in named.items() if f"/{word}" in case.path]
            case.path_parameters["id"] = found[0] if found else ended["run"]

    send(api_schema, name, GenerationMode.POSITIVE, change)
