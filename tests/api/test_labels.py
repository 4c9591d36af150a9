"""What people write on a run, and runs that are deleted (rows 12 and 27)."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from core.services import Services
from tests.api.conftest import complete_a_run

RECORD = {
    "name": "My First Backtest",
    "strategy": "momentum_strategy",
    "symbol": "BTC",
    "start_date": "2023-01-01",
    "end_date": "2023-12-31",
}
MEASURED = {
    "final_value": 11_000.0,
    "total_return": 0.1,
    "max_drawdown": 0.05,
    "sharpe_ratio": 1.5,
    "win_rate": 0.6,
    "total_trades": 12,
    "status": "completed",
}


@pytest.fixture
def record(client: TestClient) -> dict[str, Any]:
    return dict(client.post("/api/v1/backtests", json=RECORD).json())


def test_a_record_keeps_its_name_and_takes_another(
    client: TestClient, record: dict[str, Any]
) -> None:
    at = f"/api/v1/backtests/{record['id']}"
    assert client.get(at).json()["name"] == RECORD["name"]

    answer = client.put(at, json={"name": "Größe ✓", "note": "wie im Papier"})

    changed = answer.json()
    assert answer.status_code == 200
    assert (changed["name"], changed["note"]) == ("Größe ✓", "wie im Papier")
    assert changed["updated_at"] > record["updated_at"]
    same = set(record) - {"name", "note", "updated_at"}
    assert {key: changed[key] for key in same} == {key: record[key] for key in same}
    for path in (at, f"/api/backtests/{record['id']}"):
        assert client.get(path).json()["name"] == "Größe ✓"
    assert client.get("/api/backtests").json()["backtests"][0]["note"] == "wie im Papier"
    again = client.put(f"/api/v1/backtests/{record['uuid']}/", json={"note": None}).json()
    assert (again["name"], again["note"]) == ("Größe ✓", None)


@pytest.mark.parametrize("field", MEASURED)
def test_what_the_engine_measures_nobody_writes(
    client: TestClient, record: dict[str, Any], field: str
) -> None:
    at = f"/api/v1/backtests/{record['id']}"

    answer = client.put(at, json={"name": "mine", field: MEASURED[field]})

    problem = answer.json()
    assert answer.status_code == 422
    assert (problem["code"], problem["field"]) == ("not_available", field)
    assert "measured by the engine" in problem["detail"]
    assert problem["found"] == MEASURED[field]
    assert client.get(at).json()["name"] == RECORD["name"]


def test_every_figure_that_is_given_is_named(client: TestClient, record: dict[str, Any]) -> None:
    answer = client.put(f"/api/v1/backtests/{record['id']}", json={"name": "mine", **MEASURED})

    assert {each["field"] for each in answer.json()["problems"]} == set(MEASURED)
    unsaid = dict.fromkeys(MEASURED)
    assert (
        client.put(f"/api/v1/backtests/{record['id']}", json={"name": "x", **unsaid}).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing"),
        ({"name": 3}, "wrong_type"),
        ({"name": "x" * 301}, "wrong_length"),
        ({"note": "x" * 10_001}, "wrong_length"),
        ({"name": "a\x00b"}, "invalid_input"),
        ({"title": "x"}, "unknown_field"),
        ([], "wrong_type"),
    ],
)
def test_a_wrong_label_is_refused(
    client: TestClient, record: dict[str, Any], body: Any, code: str
) -> None:
    answer = client.put(f"/api/v1/backtests/{record['id']}", json=body)

    assert answer.status_code in {400, 422}
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    "ref", ["999999", "-1", "0", "9" * 30, "nobody", "7b8f5ad2-36d5-4f0e-9a39-07a4c3f7f9f1"]
)
def test_a_run_that_is_not_there_is_neither_named_nor_deleted(client: TestClient, ref: str) -> None:
    assert client.put(f"/api/v1/backtests/{ref}", json={"name": "x"}).status_code == 404
    assert client.delete(f"/api/v1/backtests/{ref}").status_code == 404
    assert client.delete(f"/api/backtests/{ref}").status_code == 404


def test_a_deleted_run_is_gone_with_its_trades_and_files(
    client: TestClient, services: Services, record: dict[str, Any]
) -> None:
    file = services.backtests.artifact_path(record["id"], "trades")
    reused = client.post("/api/v1/backtests", json=RECORD).json()
    assert reused["reused"] is True

    first = client.delete(f"/api/v1/backtests/{record['uuid']}")
    others = client.get(f"/api/v1/backtests/{reused['id']}/results")
    listed = client.get("/api/v1/backtests?size=100").json()["results"]

    assert (first.status_code, first.content) == (204, b"")
    assert client.get(f"/api/v1/backtests/{record['id']}").status_code == 404
    assert client.delete(f"/api/v1/backtests/{record['id']}").status_code == 404
    assert (others.status_code, file.exists()) == (200, True)
    assert record["id"] not in {row["id"] for row in listed}
    for row in [row for row in listed if row["symbols"] == ["BTC"]]:
        client.delete(f"/api/v1/backtests/{row['id']}")
    assert not file.exists()
    assert client.post("/api/v1/backtests", json=RECORD).json()["reused"] is False


def test_the_other_path_says_what_it_deleted(client: TestClient) -> None:
    run = complete_a_run(client)

    answer = client.delete(f"/api/backtests/{run}/")

    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "message": f"Backtest {run} was deleted",
        "id": run,
    }


def test_a_run_that_waits_is_stopped_first(apart_client: TestClient, apart: Services) -> None:
    body = {"strategy": "buy_and_hold", "dataset": "AAPL"}
    key = {"Idempotency-Key": "to-be-deleted"}
    job = apart_client.post("/api/v1/jobs", json=body, headers=key).json()
    at = f"/api/v1/backtests/{apart.backtests.of_job(job['id']).id}"

    early = apart_client.delete(at)
    named = apart_client.put(at, json={"name": "waits"})
    apart_client.post(f"{at}/stop")
    gone = apart_client.delete(at)

    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    assert "Stop it first" in early.json()["hint"] or "stop it first" in early.json()["hint"]
    assert (named.status_code, named.json()["status"]) == (200, "pending")
    assert gone.status_code == 204
    assert apart_client.get(f"/api/v1/jobs/{job['id']}").status_code == 200
    assert apart_client.get(f"/api/v1/jobs/{job['id']}/results").status_code in {404, 409}
    again = apart_client.post("/api/v1/jobs", json=body, headers=key)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert "deleted" in again.json()["detail"]


def test_who_was_to_be_given_a_result_that_is_deleted_meanwhile_is_told_so(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {**RECORD, "start_date": "2023-02-01"}
    first = client.post("/api/v1/backtests", json=body).json()
    store = services.backtests._store
    is_whole = store.is_whole

    def then_deleted(run_key: str) -> bool:
        found = is_whole(run_key)
        services.backtests.delete(first["id"])
        return found

    monkeypatch.setattr(store, "is_whole", then_deleted)
    late = client.post("/api/v1/backtests", json=body)
    monkeypatch.undo()

    assert late.status_code == 201
    assert (late.json()["status"], late.json()["error"]["code"]) == ("failed", "conflict")
    assert late.json()["error"]["hint"] == "Run it again"
    assert client.post("/api/v1/backtests", json=body).json()["status"] == "completed"
