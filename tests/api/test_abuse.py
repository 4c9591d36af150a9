"""Hostile values in every field are refused with a sentence; nothing crashes (A2, A4, W7, W8)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from core.services import Services
from tests.api.state import state_hash

JSON = {"content-type": "application/json"}
RUN = {
    "strategy": "momentum_strategy",
    "symbols": ["AAPL"],
    "parameters": {"window": 20},
    "timeframe": "1d",
    "start_date": "2015-01-05",
    "end_date": "2015-02-05",
    "initial_capital": 1000.0,
    "costs": {"bps": 1.0},
    "fill_rule": "next_open",
    "engine_options": {"intraday": False},
}
RUN_V1 = {
    "strategy": "momentum_strategy",
    "strategy_params": {"window": 20},
    "dataset": "AAPL",
    "engine_options": {"initial_cash": 1000.0},
}
CANDLES = {"symbol": "AAPL", "start_date": "2015-01-05", "end_date": "2015-02-05"}
STUDY = {
    "strategy": "ema_crossover",
    "symbols": ["AAPL"],
    "param_ranges": {"fast": [5, 10]},
    "strategy_params": {"slow": 50},
    "method": "random",
    "optimization_metric": "sharpe",
    "requirements": ["trades >= 1"],
    "max_trials": 2,
    "seed": 1,
    "validation_split": 0.3,
    "embargo": 0,
    "walk_forward": {"train": 6},
    "null_worlds": 0,
    "start_date": "2015-01-05",
    "engine_options": {"intraday": False},
}
TARGETS = [
    ("/api/backtests/run", RUN),
    ("/api/v1/backtests", RUN_V1),
    ("/api/v1/ohlcv/data", CANDLES),
    ("/api/v1/jobs", RUN_V1),
    ("/api/v1/optimization", STUDY),
]
# Written as JSON text, since several cannot be built from Python values.
HOSTILE = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "1e999": "1e999",
    "5,000 digits": "9" * 5_000,
    "300 digits": "9" * 300,
    "depth 3,000": "[" * 3_000 + "]" * 3_000,
    "depth 30": "[" * 30 + "]" * 30,
    "object": '{"a": {"b": 1}}',
    "half a surrogate": '"\\ud800"',
    "NUL": '"\\u0000"',
    "traversal": '"../../../../etc/passwd"',
    "import": '"os.system"',
    "long": json.dumps("A" * 100_000),
    "negative": "-1",
    "null list": "[null]",
}
FIELDS = [(path, body, field) for path, body in TARGETS for field in [*body, "unknown"]]


@pytest.mark.parametrize(
    ("path", "body", "field"), FIELDS, ids=[f"{path}:{field}" for path, _, field in FIELDS]
)
def test_hostile_values_are_refused_in_every_field(
    *,
    client: TestClient,
    services: Services,
    path: str,
    body: dict[str, Any],
    field: str,
) -> None:
    before = state_hash(services.settings.data_dir)
    for name, text in HOSTILE.items():
        rest = {key: value for key, value in body.items() if key != field}
        sent = json.dumps(rest)[:-1] + f', "{field}": {text}}}'

        answer = client.post(path, content=sent, headers=JSON)

        assert 400 <= answer.status_code < 500, (name, answer.status_code, answer.text[:300])
        problem = answer.json()
        assert {"code", "detail", "request_id", "hint", "field"} <= set(problem), name
        assert len(answer.content) < 20_000, name
        for secret in ("Traceback", 'File "', str(services.settings.data_dir)):
            assert secret not in answer.text, name
    assert state_hash(services.settings.data_dir) == before


def test_a_repeated_key_is_refused(client: TestClient) -> None:
    sent = json.dumps(RUN)[:-1] + ', "strategy": "buy_and_hold"}'

    answer = client.post("/api/backtests/run", content=sent, headers=JSON)

    assert answer.status_code == 422
    assert "repeated" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", JSON, 422),
        (b"{", JSON, 422),
        (b"\xff\xfe", JSON, 422),
        (b"null", JSON, 422),
        (b"[]", JSON, 422),
        (json.dumps(RUN).encode(), {}, 422),
        (json.dumps(RUN).encode(), {"content-type": "text/plain"}, 422),
        (json.dumps(RUN).encode("utf-16"), JSON, 422),
        (b'"' + b"x" * (2 << 20) + b'"', JSON, 413),
    ],
)
def test_bodies_that_are_no_request_are_refused(
    client: TestClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/api/backtests/run", content=content, headers=headers)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


PATHS = [
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%252f..%252fetc%252fpasswd",
    "..\\..\\secret",
    "..;/secret",
    "/etc/passwd",
    "file:///etc/passwd",
    "\\\\host\\share",
    "C:\\secret",
    "secret\x00.csv",
    "A" * 5_000,
    "....//....//secret",
    "%c0%ae%c0%ae/secret",
    "strategies/../../secret",
    "__import__('os')",
    "os.system",
    "builtins.eval",
    "core.store.Store",
    "strategies.__init__",
    "sys",
    "𝐨𝐬.system",  # noqa: RUF001 - a look-alike is the point
    "-1",
    "1e3",
    "0x10",
    "NaN",
    "' OR 1=1 --",
    "%",
    "*",
    "[A-Z]",
]


@pytest.mark.parametrize("payload", PATHS)
def test_no_name_becomes_a_path_or_an_import(
    client: TestClient, services: Services, payload: str, tmp_path: Path
) -> None:
    """W7, W8: a canary outside the data folder is never named in an answer, nothing is imported."""
    canary = services.settings.data_dir.parent / "secret"
    canary.write_text("canary-5b1f")
    modules = set(sys.modules)
    before = state_hash(services.settings.data_dir)
    safe = quote(payload, safe="")

    answers = [
        client.get(f"/api/backtests/{safe}"),
        client.get(f"/api/backtests/1/artifacts/{safe}"),
        client.get(f"/api/v1/strategies/{safe}"),
        client.get(f"/api/v1/strategies/{safe}/schema"),
        client.get("/api/backtests", params={"strategy": payload, "symbol": payload[:40]}),
        client.get("/api/v1/ohlcv/data", params={**CANDLES, "symbol": payload}),
        client.get("/api/v1/ohlcv/timeframes", params={"symbol": payload}),
        client.post("/api/backtests/run", json={**RUN, "strategy": payload}),
        client.post("/api/backtests/run", json={**RUN, "symbols": [payload]}),
        client.post("/api/v1/backtests", json={**RUN_V1, "dataset": payload}),
    ]

    for answer in answers:
        assert answer.status_code < 500, answer.text
        assert "canary-5b1f" not in answer.text
        if answer.status_code == 200:  # a list in which nothing matches
            assert answer.json()["total"] == 0 or payload in {"%", "*"}
    assert state_hash(services.settings.data_dir) == before
    new = {name.split(".")[0] for name in set(sys.modules) - modules}
    assert not new & {"strategies", "os", "antigravity", "this"}
    assert canary.read_text() == "canary-5b1f"


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=1e3",
        "page=9999999999999999999999",
        "page_size=101",
        "page_size=1000000000",
        "sort_by=id;drop table runs",
        "sort_by=metrics",
        "sort_order=up",
        "status=done",
        "start_date=2020-1-1",
        "end_date=now",
        "strategy=" + "x" * 201,
    ],
)
def test_lists_are_bounded(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/backtests?{query}")

    assert answer.status_code == 422
    assert answer.json()["field"] == query.partition("=")[0]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/backtests", "sort_by"),
        ("/api/backtests/1", "no query keys"),
        ("/api/v1/backtests", "size"),
        ("/api/v1/backtests/1/results", "max_points"),
        ("/api/v1/strategies", "active_only"),
        ("/api/v1/strategies/discover", "no query keys"),
        ("/api/v1/ohlcv/timeframes", "symbol"),
    ],
)
def test_an_unknown_query_key_is_refused_and_named(
    client: TestClient, path: str, expected: str
) -> None:
    answer = client.get(path, params={"sort": "x"})

    problem = answer.json()
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["field"]) == ("unknown_field", "sort")
    assert problem["found"] == "sort"
    assert expected in problem["expected"]


def test_many_unknown_query_keys_are_answered_briefly(client: TestClient) -> None:
    answer = client.get("/api/backtests?" + "&".join(f"k{n}=1" for n in range(500)))

    assert answer.status_code == 422
    assert len(answer.json()["problems"]) == 20


def test_a_wildcard_in_a_filter_is_an_ordinary_character(
    client: TestClient, completed: int
) -> None:
    for text in ("%", "_____", "s%r", "sma?crossover"):
        assert client.get("/api/backtests", params={"strategy": text}).json()["total"] == 0


def test_unknown_paths_and_methods_are_problems(client: TestClient) -> None:
    missing, wrong = client.get("/api/nothing"), client.delete("/api/backtests")

    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_path")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in wrong.headers["allow"]
    assert client.request("PROPFIND", "/api/backtests").status_code == 405
