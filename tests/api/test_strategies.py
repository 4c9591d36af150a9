"""/api/v1/strategies against the strategies' own declarations."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from core.domain.options import EngineOptions
from core.services import Services
from strategies.ema10_scalper import EMA10ScalperStrategy


def test_discovery_lists_every_file_of_the_folder(client: TestClient, services: Services) -> None:
    files = {path.stem for path in services.settings.strategies_dir.glob("[!_]*.py")}

    found = client.get("/api/v1/strategies/discover").json()

    assert found["success"] is True
    assert found["total"] == len(found["strategies"])
    assert {row["id"] for row in found["strategies"]} == files
    assert all(row["is_active"] and row["error"] is None for row in found["strategies"])


def test_the_list_has_two_shapes_and_a_limit(client: TestClient) -> None:
    whole = client.get("/api/v1/strategies/").json()
    short = client.get("/api/v1/strategies", params={"limit": 2, "active_only": True}).json()
    bare = client.get("/api/v1/strategies", params={"format": "list"}).json()

    assert short["total"] == whole["total"]
    assert short["strategies"] == whole["strategies"][:2]
    assert bare == whole["strategies"]
    assert {row["kind"] for row in bare} == {"registered"}


@pytest.mark.parametrize(
    "name",
    [
        "ema10_scalper",
        "strategies.ema10_scalper.EMA10ScalperStrategy",
        "ema10_scalper.EMA10ScalperStrategy",
        "EMA10ScalperStrategy",
    ],
)
def test_a_schema_is_what_the_strategy_declares(client: TestClient, name: str) -> None:
    schema = client.get(f"/api/v1/strategies/{name}/schema").json()
    detail = client.get(f"/api/v1/strategies/{name}").json()

    declared = {item["param_key"]: item for item in EMA10ScalperStrategy.get_params_config()}
    assert schema["strategy"] == detail["id"] == "ema10_scalper"
    assert set(schema["parameters_schema"]) == set(declared)
    for key, shown in schema["parameters_schema"].items():
        for part in ("default", "min", "max", "step", "label", "description"):
            assert shown[part] == declared[key][part], (key, part)
    assert schema["parameters_schema"]["ema_period"]["type"] == "int"
    assert schema["parameters_schema"]["stop_loss_pct"]["type"] == "float"
    assert schema["default_parameters"] == {key: one["default"] for key, one in declared.items()}
    assert detail["parameters_schema"] == schema["parameters_schema"]
    wanted = EngineOptions.model_validate(EMA10ScalperStrategy.engine)
    assert EngineOptions.model_validate(detail["engine_options"]) == wanted


def test_constraints_are_told(client: TestClient) -> None:
    schema = client.get("/api/v1/strategies/sma_crossover/schema").json()

    assert schema["constraints"] == ["fast < slow"]


@pytest.mark.parametrize("name", ["nosuch", "os.system", "__init__", "..", "strategies", "os"])
def test_what_is_no_strategy_is_not_found_and_not_imported(client: TestClient, name: str) -> None:
    answer = client.get(f"/api/v1/strategies/{name}")

    assert answer.status_code == 404


def test_a_schema_leads_to_a_valid_request(client: TestClient) -> None:
    """An agent that knows nothing but the schema can run every strategy."""
    for row in client.get("/api/v1/strategies", params={"format": "list"}).json():
        schema = client.get(f"/api/v1/strategies/{row['id']}/schema").json()
        answer = client.post(
            "/api/backtests/run",
            json={
                "strategy": row["id"],
                "symbols": ["AAPL", "MSFT"] if row["universe"] else ["AAPL"],
                "parameters": schema["default_parameters"],
                "start_date": "2014-01-02",
                "end_date": "2014-12-31",
            },
        )
        assert answer.json().get("status") == "completed", answer.text
