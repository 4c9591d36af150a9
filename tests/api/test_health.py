"""Health endpoints and the root, in the exact shapes they are known by."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from core.services import Services


def test_the_short_answers_are_exact(client: TestClient) -> None:
    assert client.get("/api/health").json() == {"status": "ok"}
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert set(health) == {"status", "service", "version"}


def test_the_root_leads_to_everything(client: TestClient) -> None:
    root = client.get("/").json()

    assert {"message", "version", "docs", "health", "endpoints"} <= set(root)
    for path in (root["docs"], root["redoc"], root["openapi"], root["health"]):
        assert client.get(path).status_code == 200
    listed = set(root["endpoints"].values())
    assert {"POST /api/backtests/run", "GET /api/v1/strategies/discover"} <= listed


@pytest.mark.parametrize("path", ["/api/v1/health", "/api/v1/health/"])
def test_a_trailing_slash_makes_no_difference(client: TestClient, path: str) -> None:
    answer = client.get(path, follow_redirects=False)

    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "healthy"
    assert set(body) == {"status", "service", "version", "environment", "timestamp"}
    asked = datetime.fromisoformat(body["timestamp"])
    assert abs((datetime.now(UTC) - asked).total_seconds()) < 60


def test_every_part_is_looked_at(client: TestClient) -> None:
    detailed = client.get("/api/v1/health/detailed").json()
    ready = client.get("/api/v1/health/ready")

    assert detailed["status"] == "healthy"
    parts = detailed["dependencies"]
    storage = parts.pop("storage")
    jobs = client.get("/api/v1/jobs/stats").json()["stats"]
    assert parts.pop("queue") == {
        "status": "healthy",
        "detail": f"{jobs['pending']} wait, {jobs['running']} run",
    }
    assert set(parts) == {"database", "lake", "artifacts", "runner"}
    assert storage["status"] == "healthy"
    assert all(parts[name]["detail"] in storage["detail"] for name in ("lake", "artifacts"))
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "checks": parts}


def test_a_sick_part_degrades_health_and_ends_readiness(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick = {
        "database": {"status": "healthy", "detail": "answers"},
        "lake": {"status": "unhealthy", "detail": "cannot be read"},
    }
    monkeypatch.setattr(type(services.system), "health", lambda _self, **_: sick)

    detailed, ready = client.get("/api/v1/health/detailed"), client.get("/api/v1/health/ready")

    assert detailed.status_code == 200
    assert detailed.json()["status"] == "degraded"
    storage = detailed.json()["dependencies"]["storage"]
    assert storage == {"status": "unhealthy", "detail": "lake: cannot be read"}
    assert ready.status_code == 503
    assert ready.json() == {"status": "not_ready", "checks": sick}


def test_every_answer_names_its_request_and_its_time(client: TestClient) -> None:
    given = client.get("/health", headers={"X-Request-ID": "agent-7.step_2"})
    odd = client.get("/health", headers={"X-Request-ID": "a b\tc"})
    missing = client.get("/nowhere")

    assert given.headers["x-request-id"] == "agent-7.step_2"
    assert odd.headers["x-request-id"] not in {"", "a b\tc"}
    assert missing.json()["request_id"] == missing.headers["x-request-id"]
    assert all(float(each.headers["x-process-time"]) >= 0 for each in (given, odd, missing))
