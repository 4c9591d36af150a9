"""A value of JSON has one type and is taken for no other; text of a query is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from core import bootstrap
from core.settings import Settings
from tests.api.conftest import BASE, Prices

TYPED = '''
from core.domain.strategy import MarketView, Param, Signals, Strategy


class TypedStrategy(Strategy):
    """One parameter of every kind."""

    whole: int = Param(5, ge=2.0, le=10.0)
    real: float = Param(1.5, ge=1, le=10)
    flag: bool = Param(True)
    word: str = Param("low", choices=["low", "high"])
    level: float = Param(0.5, choices=[0.5, 1.0])

    def generate_signals(self, view: MarketView) -> Signals:
        return Signals.side(long=view.close > 0)
'''
EXPECTED = {
    "whole": "a whole number from 2 to 10",
    "real": "a number from 1 to 10",
    "flag": "true or false",
    "word": "one of low, high",
    "level": "one of 0.5, 1.0",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed")
    (folder / "typed.py").write_text(TYPED)
    return folder


@pytest.fixture(scope="module")
def typed(
    tmp_path_factory: pytest.TempPathFactory, prices: dict[str, Prices], folder: Path
) -> Iterator[TestClient]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("typed_data"), strategies_dir=folder, run_wait_seconds=60
    )
    with bootstrap.build(settings, executor="inline") as built:
        path = prices["FLAT"].path
        built.market.import_csv(path, name=path.name, symbol="FLAT", market="XNYS")
        with TestClient(create_app(built, settings), base_url=BASE) as client:
            yield client


def asked(client: TestClient, parameters: dict[str, Any]) -> list[tuple[str, Any]]:
    """Ask for the same through each door that takes JSON: name of the field, and the answer."""
    record = {"symbol": "FLAT", "start_date": "2014-01-02", "end_date": "2014-06-30"}
    return [
        (
            "parameters",
            client.post(
                "/api/backtests/run",
                json={"strategy": "typed", "symbols": ["FLAT"], "parameters": parameters},
            ),
        ),
        (
            "strategy_params",
            client.post(
                "/api/v1/backtests",
                json={"strategy": "typed", "dataset": "FLAT", "strategy_params": parameters},
            ),
        ),
        (
            "strategy_params",
            client.post(
                "/api/v1/backtests",
                json={"strategy": "typed", **record, "strategy_params": parameters},
            ),
        ),
        (
            "strategy_params",
            client.post(
                "/api/v1/backtests/upload",
                files={"file": ("a.csv", b"x", "text/csv")},
                data={"strategy": "typed", "strategy_params": json.dumps(parameters)},
            ),
        ),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("whole", "5"),
        ("whole", 5.5),
        ("whole", 5.0),
        ("whole", True),
        ("real", "1.5"),
        ("real", "2"),
        ("real", True),
        ("flag", "true"),
        ("flag", 1),
        ("flag", 0.0),
        ("word", 1),
        ("word", True),
        ("level", "0.5"),
        ("level", True),
    ],
)
def test_a_parameter_of_another_type_is_refused(typed: TestClient, name: str, value: Any) -> None:
    total = typed.get("/api/backtests").json()["total"]

    for place, answer in asked(typed, {name: value}):
        problem = answer.json()
        assert answer.status_code == 422, answer.text
        assert (problem["code"], problem["field"]) == ("wrong_type", f"{place}.{name}")
        assert problem["found"] == value
        assert type(problem["found"]) is type(value)
        assert problem["expected"] == EXPECTED[name]
    assert typed.get("/api/backtests").json()["total"] == total


def test_every_parameter_of_another_type_is_listed(typed: TestClient) -> None:
    for place, answer in asked(typed, {"whole": "5", "real": 2, "flag": 1}):
        problem = answer.json()
        assert {fault["field"]: fault["found"] for fault in problem["problems"]} == {
            f"{place}.whole": "5",
            f"{place}.flag": 1,
        }
        assert {fault["code"] for fault in problem["problems"]} == {"wrong_type"}


def test_a_whole_number_may_stand_for_a_number(typed: TestClient) -> None:
    given = {"whole": 5, "real": 2, "flag": False, "word": "high", "level": 1}

    for place, answer in asked(typed, given)[:3]:
        assert answer.status_code < 300, (place, answer.text)
        shown = typed.get(f"/api/backtests/{answer.json()['id']}").json()["parameters"]
        assert shown == {"whole": 5, "real": 2.0, "flag": False, "word": "high", "level": 1.0}


def test_a_strategy_that_was_just_written_is_judged_by_its_own_types(
    typed: TestClient, folder: Path
) -> None:
    """Not by what the last scan saw."""
    file = folder / "typed_again.py"
    for declared, fitting, wrong in (
        ("whole: int = Param(5, ge=2, le=10)", 7, "7"),
        ('whole: str = Param("7", choices=["7", "8"])', "7", 7),
    ):
        file.write_text(
            TYPED.replace("Typed", "TypedAgain").replace(
                "whole: int = Param(5, ge=2.0, le=10.0)", declared
            )
        )
        body = {"strategy": "typed_again", "symbols": ["FLAT"]}
        fine = typed.post("/api/backtests/run", json={**body, "parameters": {"whole": fitting}})
        refused = typed.post("/api/backtests/run", json={**body, "parameters": {"whole": wrong}})
        assert fine.status_code == 202, fine.text
        assert refused.json()["code"] == "wrong_type"


@pytest.mark.parametrize(
    ("changes", "field", "found", "expected"),
    [
        ({"initial_capital": "1000"}, "initial_capital", "1000", "a number"),
        ({"initial_capital": True}, "initial_capital", True, "a number"),
        ({"costs": {"bps": "5"}}, "costs.bps", "5", "a number"),
        ({"costs": {"bps": True}}, "costs.bps", True, "a number"),
        ({"costs": {"name": 5}}, "costs.name", 5, "a text"),
        ({"engine_options": {"delay": "1"}}, "engine_options.delay", "1", "a whole number"),
        ({"engine_options": {"delay": 1.5}}, "engine_options.delay", 1.5, "a whole number"),
        ({"engine_options": {"delay": True}}, "engine_options.delay", True, "a whole number"),
        ({"engine_options": {"size": "1"}}, "engine_options.size", "1", "a number"),
        ({"engine_options": {"intraday": 1}}, "engine_options.intraday", 1, "true or false"),
        (
            {"engine_options": {"intraday": "true"}},
            "engine_options.intraday",
            "true",
            "true or false",
        ),
        ({"symbols": [1]}, "symbols.0", 1, "a text"),
        ({"strategy": 1}, "strategy", 1, "a text"),
    ],
)
def test_a_field_of_another_type_is_refused(
    *, client: TestClient, changes: dict[str, Any], field: str, found: Any, expected: str
) -> None:
    body = {"strategy": "buy_and_hold", "symbols": ["AAPL"], **changes}

    answer = client.post("/api/backtests/run", json=body)

    problem = answer.json()
    assert answer.status_code == 422
    assert (problem["code"], problem["field"]) == ("wrong_type", field)
    assert (problem["found"], type(problem["found"])) == (found, type(found))
    assert problem["expected"] == expected


def test_whole_numbers_stand_for_numbers_in_every_field(client: TestClient) -> None:
    body = {
        "strategy": "buy_and_hold",
        "symbols": ["AAPL"],
        "start_date": "2015-01-05",
        "end_date": "2015-02-05",
        "initial_capital": 1000,
        "costs": {"bps": 5, "slippage_bps": 1},
        "engine_options": {"size": 50, "delay": 1},
    }

    answer = client.post("/api/backtests/run", json=body)

    detail = client.get(f"/api/backtests/{answer.json()['id']}").json()
    assert (detail["costs"]["bps"], detail["engine_options"]["size"]) == (5.0, 50.0)


def test_text_of_a_query_is_read(client: TestClient, completed: int) -> None:
    page = client.get("/api/backtests?page=1&page_size=2").json()
    active = client.get("/api/v1/strategies?active_only=true&limit=1").json()
    curve = client.get(f"/api/v1/backtests/{completed}/results?max_points=50").json()

    assert (page["page"], page["page_size"]) == (1, 2)
    assert len(active["strategies"]) == 1
    assert len(curve["result"]["equity_curve"]) <= 50


def test_bounds_are_numbers_of_the_parameters_kind(typed: TestClient) -> None:
    """`2`, not `2.0`, for a whole number, however its range is declared."""
    shown = typed.get("/api/v1/strategies/typed/schema").json()["parameters_schema"]
    rows = typed.get("/api/v1/strategies").json()["strategies"]

    for name, kind, bounds in (
        ("whole", int, (2, 10, 1, 5)),
        ("real", float, (1.0, 10.0, None, 1.5)),
        ("level", float, (None, None, None, 0.5)),
    ):
        parts = [shown[name][part] for part in ("min", "max", "step", "default")]
        assert parts == list(bounds)
        assert {type(part) for part in parts} <= {kind, type(None)}
    assert next(row for row in rows if row["id"] == "typed")["parameters"] == shown


def test_every_whole_parameter_shows_whole_numbers(client: TestClient) -> None:
    for row in client.get("/api/v1/strategies?format=list").json():
        schema = client.get(f"/api/v1/strategies/{row['id']}/schema").json()
        for name, shown in schema["parameters_schema"].items():
            if shown["type"] == "int":
                parts = [shown[part] for part in ("min", "max", "step", "default")]
                parts.append(schema["default_parameters"][name])
                assert {type(part) for part in parts} == {int}, (row["id"], name)
