"""Hostile values in every figure of options and costs, in both spellings, are refused (A2, A4).

The symbol is not in the catalog: what is well formed is answered with 404 and computes nothing, so
that 422 and 404 say whether a value was read as the schema says. A value that the schema of
the API refuses, and that is answered with 404, would have been ignored or taken for another.
"""

from __future__ import annotations

import copy
import json
from typing import Any, Final

import jsonschema
import pytest
from starlette.testclient import TestClient

from api.bodies import EngineOptionsBody, OptionProxyBody
from core.domain.cost_shapes import CostConfig, DerivedCosts
from core.domain.costs import CostChange, CostModel

JSON = {"content-type": "application/json"}
HELD: Final = "@@@"
# Written as JSON text, since several cannot be built from Python values.
VALUES = (
    "NaN",
    "Infinity",
    "1e999",
    "1e308",
    "-1",
    "5e-324",
    "0",
    '""',
    '"abc"',
    '"1"',
    "true",
    "null",
    "[1]",
    '{"a": 1}',
    '{"": 0.1}',
    '{"IBM": null}',
    '{"IBM": -1}',
    '{"IBM": "0.1"}',
    '"\\u0000"',
    '"25:00"',
    '"2020-13-01"',
)
UNREADABLE = ("NaN", "Infinity", "1e999")
RUN, V1 = "/api/backtests/run", "/api/v1/backtests"
CHANGED = {"changes": [{"since": "2020-01-01"}]}
PLACES: list[tuple[dict[str, Any], tuple[str | int, ...], tuple[str, ...]]] = [
    ({}, ("engine_options",), tuple(EngineOptionsBody.model_fields)),
    ({}, ("engine_options", "option"), tuple(OptionProxyBody.model_fields)),
    ({"costs": {"bps": 1}}, ("costs",), tuple(CostModel.model_fields)),
    ({"costs": CHANGED}, ("costs", "changes", 0), tuple(CostChange.model_fields)),
    ({"costs": {"base": "bps_5"}}, ("costs",), tuple(DerivedCosts.model_fields)),
    (
        {"cost_config": {"commission_per_share": 1}},
        ("cost_config",),
        tuple(CostConfig.model_fields),
    ),
    (
        {"cost_config": {"slippage": {}}},
        ("cost_config", "slippage"),
        ("market_order_bps", "limit_order_bps", "fill_probability"),
    ),
    (
        {"cost_config": {"spread": {"enabled": True}}},
        ("cost_config", "spread"),
        ("enabled", "typical_bps", "spread_factor", "use_midpoint"),
    ),
]
CASES = [
    pytest.param(path, rest, place, name, id=f"{path}:{'.'.join(map(str, place))}.{name}")
    for path in (RUN, V1)
    for rest, place, names in PLACES
    for name in names
]


@pytest.fixture(scope="module")
def schema(client: TestClient) -> jsonschema.Draft202012Validator:
    components = client.get("/openapi.json").json()["components"]
    return jsonschema.Draft202012Validator(
        {"$ref": "#/components/schemas/BacktestBody", "components": components}
    )


@pytest.mark.parametrize(("path", "rest", "place", "name"), CASES)
def test_a_figure_is_read_as_the_schema_says_or_refused_in_words(
    *,
    client: TestClient,
    schema: jsonschema.Draft202012Validator,
    path: str,
    rest: dict[str, Any],
    place: tuple[str | int, ...],
    name: str,
) -> None:
    for value in VALUES:
        body = {"strategy": "momentum_strategy", "symbols": ["NOSUCH"], **copy.deepcopy(rest)}
        node: Any = body
        for key in place:
            node = node[key] if isinstance(node, list) else node.setdefault(key, {})
        node[name] = HELD
        sent = json.dumps(body).replace(f'"{HELD}"', value)

        answer = client.post(path, content=sent, headers=JSON)

        told = (value, answer.status_code, answer.text[:500])
        assert answer.status_code in {400, 404, 422}, told
        assert answer.headers["content-type"] == "application/problem+json", told
        assert not any(
            word in answer.text for word in ("Traceback", "pydantic", "EngineOptions(")
        ), told
        problem = answer.json()
        assert problem["detail"], told
        for each in problem["problems"] or [problem]:
            assert each["field"], told
            assert "[key]" not in each["field"], told
        if value in UNREADABLE:
            assert answer.status_code == 422, told
        elif path == RUN and not schema.is_valid(json.loads(sent)):
            assert answer.status_code != 404, told


def test_what_does_not_go_together_is_not_answered_with_the_insides_of_the_core(
    client: TestClient,
) -> None:
    options = {"account": "shared", "maintenance_margin": 0.3, "intrabar_margin": True}
    body = {"strategy": "momentum_strategy", "symbols": ["AAPL", "MSFT"], "engine_options": options}

    answer = client.post(RUN, json=body)

    assert answer.status_code == 422
    assert answer.json()["found"] is None
    assert "expected one symbol, account=sleeves" in answer.json()["detail"]
    assert "initial_cash" not in answer.text


def test_a_key_at_fault_is_named_by_itself(client: TestClient) -> None:
    body = {"strategy": "momentum_strategy", "symbols": ["AAPL"]}

    answer = client.post(RUN, json={**body, "engine_options": {"fx": {"eur": "EURUSD"}}})

    problem = answer.json()
    assert (problem["field"], problem["found"]) == ("engine_options.fx.eur", "eur")
