"""MLflow through the API: pages and ids while it runs, 503 and a clear body while it does not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from core.bootstrap import build
from core.domain.run import RunSpec
from tests.tracking.conftest import a_worker, free_port, until

BASE = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def client(tmp_path_factory, make_settings) -> Iterator[TestClient]:
    settings = make_settings(tmp_path_factory.mktemp("rest"), mlflow_ui_url="http://here:1")
    with (
        build(settings) as services,
        a_worker(settings),
        TestClient(create_app(services), base_url=BASE) as opened,
    ):
        for span in (5, 9):
            spec = RunSpec(strategy="simple", symbols=("AAA",), params={"span": span})
            services.backtests.submit(spec)
        ids = (1, 2)
        until(lambda: all(services.backtests.get(each).mlflow_run_id for each in ids), "mirrored")
        yield opened


def test_a_run_says_where_it_is(client):
    run = client.get("/api/backtests/1").json()

    mirror = run["mlflow"]
    assert (mirror["state"], mirror["reason"]) == ("written", None)
    assert run["mlflow_run_id"] == mirror["run_id"]
    there = client.get(f"/api/mlflow/runs/details/{mirror['run_id']}").json()
    assert there["info"]["experiment_id"] == mirror["experiment_id"]
    assert there["data"]["metrics"]["sharpe"] == run["metrics"]["sharpe"]
    assert there["url"] == mirror["url"]
    assert client.get("/api/backtests").json()["backtests"][1]["mlflow_run_id"] == mirror["run_id"]


def test_experiments_and_pages_of_their_runs(client):
    experiments = client.get("/api/mlflow/experiments").json()["experiments"]
    (one,) = [each for each in experiments if each["name"] == "backtest.simple"]
    path = f"/api/mlflow/runs/{one['experiment_id']}"

    page = client.get(path, params={"page": 2, "page_size": 1, "order_by": "params.span"}).json()
    assert {name: page[name] for name in ("total", "page", "page_size", "total_pages")} == {
        "total": 2,
        "page": 2,
        "page_size": 1,
        "total_pages": 2,
    }
    assert [each["data"]["params"]["span"] for each in page["runs"]] == ["9"]
    kept = client.get(path, params={"filter": "params.span = '5'"}).json()
    assert (kept["total"], kept["runs"][0]["data"]["params"]["span"]) == (1, "5")


def test_what_cannot_be_answered_says_why(client):
    for path, status in {
        "/api/mlflow/runs/4711": 404,
        f"/api/mlflow/runs/details/{'a' * 32}": 404,
        "/api/mlflow/runs/1?filter=nonsense": 400,
        "/api/mlflow/runs/1?page=0": 422,
        "/api/mlflow/runs/1?limit=3": 422,
    }.items():
        answer = client.get(path)
        assert (answer.status_code, bool(answer.json()["detail"])) == (status, True), answer.text


def test_the_cache_is_emptied_on_request(client):
    client.get("/api/mlflow/experiments")

    answer = client.post("/api/mlflow/cache/invalidate", params={"experiment_id": "1"})
    assert (answer.status_code, "forgotten" in answer.json()["message"]) == (200, True)


def test_while_it_is_down_everything_else_lives(tmp_path, make_settings):
    settings = make_settings(tmp_path, mlflow_tracking_uri=f"http://127.0.0.1:{free_port()}")
    with (
        build(settings) as services,
        TestClient(create_app(services), base_url=BASE) as client,
    ):
        spec = RunSpec(strategy="simple", symbols=("AAA",))
        run = services.backtests.submit(spec)
        answer = client.get("/api/mlflow/experiments")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "127.0.0.1" in answer.json()["detail"]
        assert answer.headers["retry-after"]
        began = time.monotonic()
        assert client.get(f"/api/backtests/{run.id}").json()["mlflow"]["state"] == "waiting"
        assert client.get("/api/v1/health/ready").status_code == 200
        assert client.get("/api/mlflow/runs/1").status_code == 503
        assert time.monotonic() - began < 10
