"""The whole application behind its guard: what is refused changes nothing (W1, W2, W4, W5)."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from core.services import Services
from core.settings import Settings
from tests.api.asgi import call, run
from tests.api.conftest import BASE, complete_a_run
from tests.api.state import state_hash
from tests.api.test_perimeter import FOREIGN_ORIGINS, JSON_TYPES, METHODS, SIMPLE_TYPES

HOST = ("host", "127.0.0.1:8000")
UI = "http://localhost:8501"
WITHOUT_RESULTS = ("/results", "/trials", "/walkforward")
BODY = json.dumps(
    {"strategy": "buy_and_hold", "symbols": ["AAPL"], "end_date": "2014-02-01"}
).encode()


def test_foreign_pages_change_and_read_nothing(client: TestClient, services: Services) -> None:
    before = state_hash(services.settings.data_dir)

    async def everything() -> list[str]:
        wrong = []
        for origin, method, content_type in itertools.product(
            FOREIGN_ORIGINS, METHODS, JSON_TYPES + SIMPLE_TYPES
        ):
            headers = [HOST, ("origin", origin)]
            headers += [("content-type", content_type)] if content_type else []
            path = "/api/backtests/run" if method != "GET" else "/api/backtests"
            answer = await call(client.app, method, path, headers, chunks=[BODY])
            if answer.status != 403 or answer.header("access-control-allow-origin"):
                wrong.append(f"{origin} {method} {content_type}: {answer.status}")
        return wrong

    assert run(everything) == []
    assert state_hash(services.settings.data_dir) == before


def test_the_state_hash_notices_an_act(client: TestClient, services: Services) -> None:
    """The test above has teeth: an allowed request does change the hash."""
    before = state_hash(services.settings.data_dir)

    answer = run(
        lambda: call(
            client.app,
            "POST",
            "/api/backtests/run",
            [HOST, ("content-type", "application/json"), ("origin", UI)],
            chunks=[BODY],
        )
    )

    assert answer.status == 202
    assert answer.header("access-control-allow-origin") == UI
    assert answer.header("access-control-allow-credentials") is None
    assert state_hash(services.settings.data_dir) != before


def test_a_rebound_name_reads_nothing(client: TestClient) -> None:
    headers = [("host", "evil.test:8000"), ("sec-fetch-site", "same-origin")]

    for path in ("/", "/docs", "/openapi.json", "/api/backtests", "/health"):
        answer = run(lambda path=path: call(client.app, "GET", path, headers))
        assert answer.status == 403
        assert answer.json["code"] == "foreign_host"


def test_a_cross_site_page_may_link_to_the_docs_only(client: TestClient) -> None:
    navigation = [
        HOST,
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ]

    def status(path: str) -> int:
        return int(run(lambda: call(client.app, "GET", path, navigation)).status)

    assert [status(path) for path in ("/", "/docs", "/redoc")] == [200, 200, 200]
    assert [status(path) for path in ("/openapi.json", "/api/backtests", "/health")] == [403] * 3


def test_the_ui_may_ask_first(client: TestClient) -> None:
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-requested-with",
    }

    allowed = client.options("/api/backtests/run", headers={"origin": UI, **asked})
    refused = client.options(
        "/api/backtests/run", headers={"origin": "http://localhost:3000", **asked}
    )

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == UI
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers


def test_a_form_from_the_ui_needs_the_custom_header_and_a_programs_does_not(
    client: TestClient, services: Services
) -> None:
    files = {"file": ("a.csv", b"nonsense", "text/csv")}
    form = {"strategy": "buy_and_hold"}

    def status(**headers: str) -> int:
        answer = client.post("/api/v1/backtests/upload", files=files, data=form, headers=headers)
        return int(answer.status_code)

    assert status(origin=UI) == 403
    assert status(**{"origin": UI, "x-requested-with": "workbench"}) == 400
    assert status() == 400


def test_reading_has_no_effect(apart_client: TestClient, apart: Services) -> None:
    """W4: every path, by GET, HEAD and OPTIONS, twice."""
    job = apart_client.post(
        "/api/v1/jobs", json={"strategy": "buy_and_hold", "symbols": ["AAPL"]}
    ).json()
    study = apart_client.post(
        "/api/v1/optimization",
        json={"strategy": "ema_crossover", "symbols": ["AAPL"], "space": {"fast": [5, 10]}},
    ).json()
    apart_client.delete(f"/api/v1/jobs/{job['id']}")  # the stream of what is over has an end
    apart_client.post(f"/api/v1/optimization/{study['id']}/cancel")
    known = {
        "/strategies": "momentum_strategy",
        "/jobs": job["id"],
        "/optim": study["id"],
        "/walkforward": study["id"],
        "": complete_a_run(apart_client),
    }
    query = {"symbol": "AAPL", "start_date": "2015-01-01", "end_date": "2015-02-01"}
    paths, readable = [], set()
    for path, methods in apart_client.get("/openapi.json").json()["paths"].items():
        ref = next(ref for word, ref in known.items() if word in path)
        named = {"id": ref, "name": "trades", "experiment_id": 1, "run_id": "f" * 32}
        paths.append(path.format_map(named))
        if "get" in methods:
            readable.add(paths[-1])
    before = state_hash(apart.settings.data_dir)

    answers: dict[str, Any] = {}
    for _, method, path in itertools.product(range(2), ("GET", "HEAD", "OPTIONS"), paths):
        params = query if path.endswith("/data") else None
        answer = apart_client.request(method, path, params=params)
        # a path that only takes POST reads as an unknown id; what was cancelled has no results
        assert answer.status_code in {200, 404, 405, 409}, (method, path, answer.text)
        answers[f"{method} {path}"] = answer.status_code

    empty = {path for path in readable if answers[f"GET {path}"] == 409}
    without = ("/walkforward/", "/mlflow/")  # nothing walked, and tracking is off here
    assert all(
        path.endswith(WITHOUT_RESULTS) or any(part in path for part in without) for path in empty
    ), empty
    assert {answers[f"GET {path}"] for path in readable - empty} == {200}
    assert len(readable - empty) > 30
    assert state_hash(apart.settings.data_dir) == before


def test_configured_names_and_origins_are_let_in(services: Services) -> None:
    settings = Settings(
        data_dir=services.settings.data_dir,
        allowed_hosts="fastapi-backend",
        allowed_origins="http://localhost:3000",
        ui_port=9999,
    )
    app = create_app(services, settings)

    async def statuses() -> list[int]:
        return [
            (await call(app, "GET", "/health", [("host", "fastapi-backend:8000")])).status,
            (await call(app, "GET", "/health", [HOST, ("origin", "http://localhost:3000")])).status,
            (await call(app, "GET", "/health", [HOST, ("origin", "http://localhost:9999")])).status,
            (await call(app, "GET", "/health", [HOST, ("origin", "http://localhost:8501")])).status,
        ]

    assert run(statuses) == [200, 200, 200, 403]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_documentation_loads_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    page = client.get(path)

    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "//" not in page.text.replace("<!doctype", "")
    for asset in ("/docs/docs.js", "/docs/docs.css"):
        assert asset in page.text
        answer = client.get(asset, headers={"origin": BASE})
        assert answer.status_code == 200
        assert "http" not in answer.text
