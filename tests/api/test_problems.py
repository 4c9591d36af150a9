"""Every problem has one shape and a code of a closed set; it shows what was found (A2, R-API)."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic_core.core_schema import ErrorType
from starlette.testclient import TestClient

from api.app import create_app
from api.errors import Problem
from api.faults import Fault
from api.reading import raise_failure
from api.strict import FAULTS_AT_MOST
from core.domain.run import RunError
from core.errors import CODES, StrategyFailed, WorkbenchError
from core.perimeter import Perimeter
from core.services import Services
from tests.api.asgi import Recorder, call, run
from tests.api.conftest import BASE
from tests.api.test_perimeter import GUARDS, POLICY

ROOT = Path(__file__).resolve().parents[2]
JSON = {"content-type": "application/json"}
RUN = {"strategy": "momentum_strategy", "symbols": ["AAPL"]}
LISTED = ["code", "field", "found", "expected", "hint", "message"]


def post(client: TestClient, **changes: Any) -> dict[str, Any]:
    return dict(client.post("/api/backtests/run", json={**RUN, **changes}).json())


def picked(problem: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(problem[name] for name in ("code", "field", "found", "expected"))


def require_shape(problem: dict[str, Any]) -> None:
    assert set(problem) == set(Problem.model_fields)
    assert problem["type"] == f"urn:workbench:problem:{problem['code']}"
    assert {problem["code"], *(fault["code"] for fault in problem["problems"])} <= set(CODES)
    assert all(sorted(fault) == sorted(LISTED) for fault in problem["problems"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"initial_capital": 0}, ("out_of_range", "initial_capital", 0, "more than 0")),
        (
            {"initial_capital": 1e13},
            ("out_of_range", "initial_capital", 1e13, "at most 1000000000000"),
        ),
        ({"initial_capital": "10"}, ("wrong_type", "initial_capital", "10", "a number")),
        ({"initial_capital": None, "strategy": None}, ("wrong_type", "strategy", None, "a text")),
        ({"symbols": "AAPL"}, ("wrong_type", "symbols", "AAPL", "a list")),
        ({"symbols": []}, ("wrong_length", "symbols", [], "1 or more items")),
        ({"symbols": ["A", "A"]}, ("repeated", "symbols", ["A", "A"], "each symbol once")),
        (
            {"symbols": ["a b"]},
            ("wrong_format", "symbols.0", "a b", r"a text that matches ^[\x21-\x7e]+$"),
        ),
        ({"symbols": [""]}, ("wrong_length", "symbols.0", "", "1 or more characters")),
        ({"costs": {"bps": -1}}, ("out_of_range", "costs.bps", -1, "at least 0")),
        ({"costs": [1]}, ("wrong_type", "costs", [1], "an object")),
        ({"engine_options": 5}, ("wrong_type", "engine_options", 5, "an object")),
        ({"fill_rule": "vwap"}, ("not_one_of", "fill_rule", "vwap", "one of next_open or close")),
        (
            {"start_date": "1.2.2020"},
            ("wrong_format", "start_date", "1.2.2020", "a date as YYYY-MM-DD"),
        ),
        ({"colour": "red"}, ("unknown_field", "colour", "colour", None)),
        ({"parameters": {"window": [1]}}, ("wrong_type", "parameters.window", [1], None)),
        (
            {"parameters": {"window": 0}},
            ("invalid_input", "parameters.window", 0, "a whole number from 2 to 260"),
        ),
        (
            {"parameters": {"windw": 5}},
            ("invalid_input", "parameters.windw", 5, "one of window, threshold, short_too"),
        ),
        ({"symbols": ["NOSUCH"]}, ("not_found", "symbols", ["NOSUCH"], None)),
        ({"timeframe": "1m"}, ("invalid_input", "timeframe", "1m", None)),
        ({"start_date": "2100-01-01"}, ("not_found", "start_date", "2100-01-01", None)),
        ({"strategy": "nosuch"}, ("not_found", "strategy", "nosuch", None)),
        (
            {"start_date": "2020-01-02", "end_date": "2020-01-01"},
            (
                "contradiction",
                "body",
                {"start_date": "2020-01-02", "end_date": "2020-01-01"},
                "start_date <= end_date",
            ),
        ),
    ],
)
def test_a_problem_shows_what_was_found_and_what_was_expected(
    client: TestClient, changes: dict[str, Any], told: tuple[Any, ...]
) -> None:
    problem = post(client, **changes)

    require_shape(problem)
    assert problem["hint"] or problem["expected"]
    code, field, found, expected = picked(problem)
    assert (code, field, found) == told[:3]
    assert told[3] is None or expected == told[3]


def test_a_missing_value_is_named(client: TestClient) -> None:
    answer = client.post("/api/backtests/run", json={"strategy": "buy_and_hold"})

    require_shape(answer.json())
    assert picked(answer.json()) == ("missing", "symbols", None, "a value")


@pytest.mark.parametrize(
    ("content", "headers", "code", "words"),
    [
        (b"{", JSON, "not_json", "JSON"),
        (b'{"a": 1, "a": 2}', JSON, "not_json", "'a' is repeated"),
        (b'{"a": NaN}', JSON, "not_json", "NaN"),
        (b"", JSON, "missing", "required"),
        (b"[]", JSON, "wrong_type", "not an object"),
        (b"{}", {"content-type": "text/plain"}, "wrong_type", "not an object"),
    ],
)
def test_a_body_that_is_no_object_is_told_so(
    client: TestClient, content: bytes, headers: dict[str, str], code: str, words: str
) -> None:
    problem = client.post("/api/backtests/run", content=content, headers=headers).json()

    require_shape(problem)
    assert (problem["code"], problem["field"]) == (code, "body")
    assert words in problem["detail"]
    assert problem["expected"]
    if headers != JSON:
        assert "application/json" in problem["hint"]


def test_several_faults_are_listed_together(client: TestClient) -> None:
    problem = post(client, symbols="AAPL", timeframe="2h", extra=1)

    require_shape(problem)
    assert picked(problem) == ("invalid_input", None, None, None)
    listed = {fault["field"]: (fault["code"], fault["found"]) for fault in problem["problems"]}
    assert listed == {
        "symbols": ("wrong_type", "AAPL"),
        "timeframe": ("not_one_of", "2h"),
        "extra": ("unknown_field", "extra"),
    }
    expected = {fault["field"]: fault["expected"] for fault in problem["problems"]}
    assert expected["symbols"] == "a list"
    assert "1h" in expected["timeframe"]


def test_several_wrong_parameters_are_listed_in_the_words_of_the_request(
    client: TestClient,
) -> None:
    asked = {"window": 0, "threshold": 9, "nosuch": True}
    v1 = {"strategy": "momentum_strategy", "dataset": "AAPL", "strategy_params": asked}

    for place, problem in (
        ("parameters", post(client, parameters=asked)),
        ("strategy_params", client.post("/api/v1/backtests", json=v1).json()),
    ):
        require_shape(problem)
        assert picked(problem)[:3] == ("invalid_input", place, asked)
        listed = {fault["field"]: fault["found"] for fault in problem["problems"]}
        assert listed == {f"{place}.{name}": value for name, value in asked.items()}
        assert all(fault["expected"] for fault in problem["problems"])


def test_a_broken_constraint_shows_the_parameters_that_break_it(client: TestClient) -> None:
    given = {"fast": 50, "slow": 10}

    problem = post(client, strategy="sma_crossover", parameters=given)

    assert picked(problem) == ("invalid_input", "parameters", given, "fast < slow")


def test_one_fault_is_not_listed_twice(client: TestClient) -> None:
    assert post(client, initial_capital=0)["problems"] == []
    assert post(client, parameters={"window": 0})["problems"] == []


def test_a_record_is_refused_in_its_own_words(client: TestClient) -> None:
    record = {
        "strategy": "buy_and_hold",
        "symbol": "NOSUCH",
        "start_date": "2015-01-01",
        "end_date": "2015-12-31",
    }

    problem = client.post("/api/v1/backtests", json=record).json()

    assert picked(problem)[:3] == ("not_found", "symbol", "NOSUCH")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("page=0", ("out_of_range", "page", "0", "at least 1")),
        ("page=x", ("wrong_type", "page", "x", "a whole number")),
        ("page=1.5", ("wrong_type", "page", "1.5", "a whole number")),
        ("status=done", ("not_one_of", "status", "done", None)),
        ("sort_by=metrics", ("not_one_of", "sort_by", "metrics", None)),
        ("start_date=now", ("wrong_format", "start_date", "now", "a date as YYYY-MM-DD")),
        ("sort=x", ("unknown_field", "sort", "sort", None)),
        (
            "strategy=" + "x" * 201,
            ("wrong_length", "strategy", "x" * 200 + "…", "at most 200 characters"),
        ),
    ],
)
def test_a_query_is_refused_like_a_body(
    client: TestClient, query: str, told: tuple[Any, ...]
) -> None:
    problem = client.get(f"/api/backtests?{query}").json()

    require_shape(problem)
    assert picked(problem)[:3] == told[:3]
    assert told[3] in {None, problem["expected"]}
    assert problem["expected"]


def test_days_of_prices_are_refused_with_what_was_found(client: TestClient) -> None:
    asked = {"symbol": "AAPL", "start_date": "2020-1-1", "end_date": "2020-02-01"}

    for answer in (
        client.get("/api/v1/ohlcv/data", params=asked),
        client.post("/api/v1/ohlcv/data", json=asked),
    ):
        require_shape(answer.json())
        assert picked(answer.json()) == (
            "invalid_input",
            "start_date",
            "2020-1-1",
            "a date as YYYY-MM-DD",
        )


def test_a_path_or_method_that_is_not_there_is_a_problem_of_the_same_shape(
    client: TestClient,
) -> None:
    missing, wrong = client.get("/api/nothing").json(), client.delete("/api/backtests").json()

    require_shape(missing)
    require_shape(wrong)
    assert picked(missing)[:3] == ("no_such_path", "path", "/api/nothing")
    assert picked(wrong) == ("method_not_allowed", "method", "DELETE", "one of GET")


class Broken:
    """Services none of whose parts is there."""


def test_what_nobody_foresaw_is_a_problem_of_the_same_shape(services: Services) -> None:
    app = create_app(Broken(), services.settings)  # type: ignore[arg-type]
    with TestClient(app, base_url=BASE) as client:
        answer = client.get("/api/backtests")

    require_shape(answer.json())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "Broken" not in answer.text


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (json.dumps("x" * 5_000), "x" * 200 + "…"),
        (json.dumps(["xx"] * 5_000), json.dumps(["xx"] * 50)[:200] + "…"),
        ("9" * 300, "9" * 200 + "…"),
        (str(2**53), 2**53),
        (str(2**53 + 1), str(2**53 + 1)),
        ('"\\u0000"', "\x00"),
        ("[]", []),
        ('{"a": [1.5, null]}', {"a": [1.5, None]}),
    ],
)
def test_what_is_shown_is_short_and_safe(client: TestClient, written: str, found: Any) -> None:
    body = json.dumps(RUN)[:-1] + f', "fill_rule": {written}}}'

    answer = client.post("/api/backtests/run", content=body, headers=JSON)

    assert answer.json()["found"] == found


def test_many_faults_are_counted_and_some_are_shown(client: TestClient) -> None:
    answer = client.post("/api/backtests/run", json={f"k{n}": n for n in range(5_000)})

    problem = answer.json()
    assert "5002 values are malformed" in problem["detail"]
    assert len(problem["problems"]) == FAULTS_AT_MOST
    assert len(answer.content) < 10_000


@pytest.mark.parametrize(("guard", "method", "path", "headers"), GUARDS)
def test_the_guard_refuses_in_the_same_shape(
    *, guard: str, method: str, path: str, headers: list[tuple[str, str]]
) -> None:
    answer = run(lambda: call(Perimeter(Recorder(), POLICY), method, path, headers))

    require_shape(answer.json)
    assert Problem.model_validate(answer.json).model_dump() == answer.json
    for name in ("field", "found", "expected", "hint", "detail", "title"):
        assert answer.json[name], name


def test_the_guard_says_what_it_found() -> None:
    async def told(*headers: tuple[str, str], method: str = "GET", body: bytes = b"") -> Any:
        guard = Perimeter(Recorder(), POLICY)
        return picked((await call(guard, method, "/x", headers, chunks=[body])).json)

    async def everything() -> list[Any]:
        host = ("host", "127.0.0.1:8000")
        return [
            await told(),
            await told(("host", "evil.test:80")),
            await told(host, ("origin", "http://evil.test")),
            await told(host, ("content-length", "ten")),
            await told(host, ("content-length", "9" * 500), method="POST"),
            await told(host, method="POST", body=b"x" * 2_000),
            await told(host, ("origin", "x" * 5_000)),
        ]

    bare, foreign, origin, length, declared, sent, long = run(everything)

    assert bare[:3] == ("bad_host", "host", None)
    assert foreign[:3] == ("foreign_host", "host", "evil.test")
    assert origin[:3] == ("foreign_origin", "origin", "http://evil.test")
    assert length[:3] == ("bad_length", "content-length", "ten")
    assert declared == ("body_too_large", "body", f"{'9' * 40} bytes", "at most 1000 bytes")
    assert sent[2] == "at least 2000 bytes"
    assert len(long[2]) == 200


def test_the_codes_are_in_the_schema_with_their_meanings(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]

    for name in ("Problem", "Fault"):
        code = schemas[name]["properties"]["code"]
        assert code["enum"] == list(CODES)
        for each, meaning in CODES.items():
            assert f"`{each}`: {meaning}" in code["description"]
    shared = set(LISTED) - {"message"}
    assert shared <= set(schemas["Problem"]["properties"])
    assert set(schemas["Fault"]["properties"]) == set(LISTED)


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_whatever_validation_finds_has_a_code_of_ours(kind: str) -> None:
    facts = dict.fromkeys(["gt", "ge", "lt", "le", "min_length", "max_length"], 1)
    words = dict.fromkeys(["expected", "pattern", "error"], "something")

    fault = Fault.read(
        {"type": kind, "loc": ("body", "x"), "msg": "wrong", "input": 1, "ctx": facts | words}
    )

    assert fault.code in CODES


def codes_in(tree: ast.Module) -> Iterator[str]:
    """What is written as a code: `code="x"`, `code = "x"`, and the first of a custom error."""
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="code", value=ast.Constant(value=str(text))):
                yield text
            case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(text))):
                yield text
            case ast.Call(func=ast.Name(id="PydanticCustomError"), args=[first, *_]):
                yield from (
                    each.value
                    for each in ast.walk(first)
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                )


def test_every_code_that_is_written_anywhere_is_in_the_table() -> None:
    sources = [*(ROOT / "api").rglob("*.py"), ROOT / "core/errors.py", ROOT / "core/perimeter.py"]
    written = {code for path in sources for code in codes_in(ast.parse(path.read_text("utf-8")))}

    assert written <= set(CODES)
    assert {"contradiction", "foreign_host", "internal_error", "request_too_large"} <= written


def test_a_code_that_an_older_version_recorded_is_not_passed_on(
    services: Services, completed: int
) -> None:
    kept = services.backtests.get(completed)

    for recorded, told in (("time_limit", "time_limit"), ("odd", "strategy_failed")):
        with pytest.raises(StrategyFailed, match="too long") as failure:
            raise_failure(replace(kept, error=RunError(recorded, "took too long")))
        assert failure.value.code == told


def test_every_way_a_run_can_fail_is_in_the_table() -> None:
    from core.services.backtests import _DEATH_CODES
    from core.store.repositories import LOST

    def kinds(kind: type[WorkbenchError]) -> Iterator[str]:
        yield kind.code
        for child in kind.__subclasses__():
            yield from kinds(child)

    assert {*kinds(WorkbenchError), *_DEATH_CODES.values(), LOST} <= set(CODES)
