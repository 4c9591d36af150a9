"""/api/v1/backtests: the same runs, answered with their results."""

from __future__ import annotations

import json
import math
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.routers.backtests_v1 import sweep_uploads
from core.domain.options import EngineOptions
from core.domain.run import RunQuery, RunSpec
from core.services import Services
from tests.api.conftest import NIFTY_FILE, Prices

EMA10 = "strategies.ema10_scalper.EMA10ScalperStrategy"
# What is fed, and no more.
RESULT = {
    "equity_curve",
    "trade_log",
    "trades_total",
    "metrics",
    "metric_reasons",
    "counters",
    "badges",
    "benchmark",
    "engine_config",
}
RECORD = {
    "name": "My First Backtest",
    "strategy": "momentum_strategy",
    "symbol": "BTC",
    "start_date": "2023-01-01",
    "end_date": "2023-12-31",
    "initial_capital": 10000,
}


def test_a_run_is_answered_with_its_result(client: TestClient, services: Services) -> None:
    answer = client.post(
        "/api/v1/backtests",
        json={
            "strategy": "sma_crossover",
            "strategy_params": {"fast": 5, "slow": 20},
            "symbols": ["AAPL"],
            "start_date": "2016-01-04",
            "end_date": "2017-12-29",
            "engine_options": {"initial_cash": 50000},
        },
    )

    body = answer.json()
    assert answer.status_code == 200
    assert body["success"] is True
    stored = services.backtests.get(body["job_id"])
    equity = services.backtests.equity(stored.id, max_points=None)
    curve = body["result"]["equity_curve"]
    assert [point["equity"] for point in curve] == equity["equity"].to_list()
    assert datetime.fromisoformat(curve[0]["timestamp"]) == equity["timestamp"][0]
    assert len(body["result"]["trade_log"]) == services.backtests.trades(stored.id).height
    assert body["result"]["engine_config"]["initial_cash"] == 50_000
    final = curve[-1]["equity"]
    assert math.isclose(
        body["result"]["metrics"]["total_return"], (final / 50_000 - 1) * 100, rel_tol=1e-9
    )
    assert answer.headers["location"] == f"/api/v1/backtests/{body['id']}"


def test_each_shape_of_request_may_name_a_benchmark(client: TestClient) -> None:
    period = {"start_date": "2016-01-04", "end_date": "2017-12-29"}
    asked = {"strategy": "sma_crossover", "symbols": ["AAPL"], **period}
    record = {"strategy": "sma_crossover", "symbol": "AAPL", **period}

    run = client.post("/api/v1/backtests", json={**asked, "benchmark": "MSFT"}).json()
    kept = client.post("/api/v1/backtests", json={**record, "benchmark": "MSFT"}).json()
    plain = client.post("/api/v1/backtests", json=asked).json()

    assert run["result"]["benchmark"] == kept["benchmark"] == "MSFT"
    assert plain["result"]["benchmark"] is None
    again = client.get(f"/api/v1/backtests/{kept['id']}").json()
    for name in ("alpha_fraction", "beta", "info_ratio"):
        assert run["result"]["metrics"][name] == again["metrics"][name] is not None
        assert run["result"]["metrics"][name] != plain["result"]["metrics"][name]


def test_an_upload_is_measured_against_a_symbol_of_the_catalog(
    client: TestClient, prices: dict[str, Prices]
) -> None:
    content = prices["AAPL"].path.read_bytes()

    answer = upload(client, content, strategy="sma_crossover", market="XNYS", benchmark="MSFT")

    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["benchmark"] == "MSFT"
    assert answer.json()["result"]["metrics"]["beta"] is not None


def test_the_metrics_have_the_documented_names_and_units(
    client: TestClient, completed: int
) -> None:
    metrics = client.get(f"/api/v1/backtests/{completed}/results").json()["result"]["metrics"]

    assert {
        "total_return",
        "annualized_return",
        "sharpe_ratio",
        "max_drawdown",
        "win_rate",
        "profit_factor",
        "total_trades",
        "avg_trade_duration",
    } <= set(metrics)
    assert -100 <= metrics["max_drawdown"] <= 0
    assert 0 <= metrics["win_rate"] <= 1
    assert re.fullmatch(r"\d+\.\d (days|hours|minutes|seconds)", metrics["avg_trade_duration"])


def test_results_are_read_again_by_id(client: TestClient, completed: int) -> None:
    first = client.get(f"/api/v1/backtests/{completed}/results").json()
    job = client.get(f"/api/v1/backtests/{first['job_id']}/results").json()

    assert first == job
    assert first["result"]["engine_config"]["costs"]["name"] == "bps_5"
    assert set(first["result"]) == RESULT


def test_a_curve_is_thinned_on_request_and_keeps_its_ends(
    client: TestClient, completed: int
) -> None:
    def curve(points: int) -> list[dict[str, Any]]:
        query = {"max_points": points}
        answer = client.get(f"/api/v1/backtests/{completed}/results", params=query)
        return list(answer.json()["result"]["equity_curve"])

    whole, thin = curve(50_000), curve(50)

    assert len(thin) <= 50 < len(whole)
    assert thin[0] == whole[0]
    assert thin[-1] == whole[-1]
    values = [point["equity"] for point in whole]
    assert {min(values), max(values)} <= {point["equity"] for point in thin}


def test_lots_and_delta_are_effective(client: TestClient) -> None:
    def profit(**options: Any) -> float:
        answer = client.post(
            "/api/v1/backtests",
            json={
                "strategy": EMA10,
                "dataset": "NIFTY",
                "costs": "zero",
                "engine_options": {"initial_cash": 1e7, "lots": 2, **options},
            },
        )
        assert answer.status_code == 200, answer.text
        return float(answer.json()["result"]["metrics"]["net_profit"])

    whole = profit()

    assert whole != 0
    assert math.isclose(profit(option_delta=0.5), whole / 2, rel_tol=1e-9)
    assert math.isclose(profit(lots=4), whole * 2, rel_tol=1e-9)
    assert math.isclose(profit(lot_size=25), whole / 3, rel_tol=1e-9)


def test_a_fee_per_trade_is_paid_once_per_round_trip(client: TestClient) -> None:
    answer = client.post(
        "/api/v1/backtests",
        json={
            "strategy": EMA10,
            "dataset": "NIFTY",
            "engine_options": {"initial_cash": 1e7, "lots": 1, "fee_per_trade": 4},
        },
    )

    result = answer.json()["result"]
    closed = [trade for trade in result["trade_log"] if not trade["open"]]
    assert closed
    assert {trade["commission"] for trade in closed} == {4.0}


@pytest.mark.parametrize(
    "named",
    [
        {"dataset": "NIFTY"},
        {"dataset_id": "nifty"},
        {"dataset_path": f"data/{NIFTY_FILE}"},
        {"dataset_path": f"C:\\data\\{NIFTY_FILE}"},
        {"dataset": NIFTY_FILE},
    ],
)
def test_a_data_set_is_found_by_symbol_or_by_its_file(
    client: TestClient, named: dict[str, Any]
) -> None:
    answer = client.post("/api/v1/backtests", json={"strategy": EMA10, **named})

    assert answer.status_code == 200, answer.text
    run = client.get(f"/api/v1/backtests/{answer.json()['id']}").json()
    assert (run["symbols"], run["timeframe"]) == (["NIFTY"], "1m")


@pytest.mark.parametrize(
    "named",
    [
        {"dataset_path": "/etc/passwd"},
        {"dataset_path": "../../secret.csv"},
        {"dataset_path": "file:///etc/passwd"},
        {"dataset_path": "\u0000"},
        {"dataset_id": 1},
        {"dataset": "NOSUCH"},
        {"dataset": ".."},
        {"dataset": "/"},
    ],
)
def test_a_path_is_a_name_to_look_up_and_nothing_else(
    client: TestClient, named: dict[str, Any]
) -> None:
    answer = client.post("/api/v1/backtests", json={"strategy": EMA10, **named})

    assert answer.status_code == 404
    assert answer.json()["field"] == "dataset"


def test_a_record_is_created_and_read_back(client: TestClient, services: Services) -> None:
    answer = client.post("/api/v1/backtests", json=RECORD)

    record = answer.json()
    assert answer.status_code == 201
    assert record["name"] == RECORD["name"]
    assert (record["symbol"], record["start_date"], record["end_date"]) == (
        "BTC",
        "2023-01-01",
        "2023-12-31",
    )
    assert record["initial_capital"] == 10_000
    run = services.backtests.get(record["uuid"])
    equity = services.backtests.equity(run.id, max_points=None)["equity"]
    assert record["final_value"] == equity[-1]
    assert math.isclose(record["total_return"], equity[-1] / 10_000 - 1, rel_tol=1e-9)
    assert 0 <= record["max_drawdown"] <= 1
    again = client.get(f"/api/v1/backtests/{record['uuid']}").json()
    same = {"final_value", "total_return", "max_drawdown", "sharpe_ratio", "total_trades"}
    assert {key: again[key] for key in same} == {key: record[key] for key in same}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"end_date": "2022-12-31"}, 422),
        ({"initial_capital": -1}, 422),
        ({"symbol": "NOSUCH"}, 404),
        ({"strategy": "no such idea"}, 404),
        ({"total_return": 1.0}, 422),
    ],
)
def test_a_wrong_record_is_refused(
    client: TestClient, changes: dict[str, Any], status: int
) -> None:
    assert client.post("/api/v1/backtests", json={**RECORD, **changes}).status_code == status


def test_the_list_has_two_shapes(client: TestClient, services: Services, completed: int) -> None:
    page = services.backtests.list(RunQuery(page=1, page_size=3))

    shown = client.get("/api/v1/backtests", params={"page": 1, "size": 3}).json()
    bare = client.get("/api/v1/backtests/", params={"size": 3, "format": "list"}).json()

    assert (shown["total"], shown["page"], shown["size"]) == (page.total, 1, 3)
    assert [row["id"] for row in shown["results"]] == [run.id for run in page.runs]
    assert [row["id"] for row in bare] == [run.id for run in page.runs]
    assert {"final_value", "total_trades", "updated_at"} <= set(bare[0])


def test_a_detail_is_a_superset_of_both_worlds(client: TestClient, completed: int) -> None:
    shared = client.get(f"/api/backtests/{completed}").json()
    detail = client.get(f"/api/v1/backtests/{completed}").json()

    assert {key: detail[key] for key in shared} == shared
    assert detail["total_return"] == shared["metrics"]["total_return_fraction"]


def upload(client: TestClient, content: bytes, name: str = NIFTY_FILE, **form: str) -> Any:
    return client.post(
        "/api/v1/backtests/upload",
        files={"file": (name, content, "text/csv")},
        data={"strategy": EMA10, **form},
    )


def test_an_upload_gives_the_same_numbers_as_an_import(
    client: TestClient, services: Services, prices: dict[str, Prices]
) -> None:
    options = {"initial_cash": 1e7, "lots": 2}
    content = prices["NIFTY"].path.read_bytes()

    answer = upload(client, content, market="XNSE", engine_options=json.dumps(options))

    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert body["dataset"]["file"] == NIFTY_FILE
    assert body["dataset"]["rows_read"] == len(prices["NIFTY"].rows)
    direct = services.backtests.submit(
        RunSpec.model_validate(
            {
                "strategy": "ema10_scalper",
                "symbols": ("NIFTY",),
                "timeframe": "1m",
                "options": EngineOptions(
                    initial_cash=1e7,
                    sizing="lots",
                    size=2,
                    lot_size=75,
                    initial_margin=1e-6,
                ),
            }
        )
    )
    equity = services.backtests.equity(direct.id, max_points=None)["equity"].to_list()
    curve = [point["equity"] for point in body["result"]["equity_curve"]]
    assert curve == equity
    assert direct.metrics is not None
    assert body["result"]["metrics"]["final_equity"] == direct.metrics["final_equity"]
    assert body["result"]["metrics"]["total_trades"] == direct.metrics["trades"] > 0


def test_the_same_file_is_one_data_set(client: TestClient, prices: dict[str, Prices]) -> None:
    content = prices["NIFTY"].path.read_bytes()

    first = upload(client, content).json()
    renamed = upload(client, content, name="other.csv").json()
    changed = upload(client, content + b"2024-12-27T09:15:00+05:30,1,2,0.5,1,1\n").json()

    assert first["dataset"]["dataset_id"] == renamed["dataset"]["dataset_id"]
    assert renamed["dataset"]["outcome"] == "unchanged"
    assert renamed["result"]["metrics"] == first["result"]["metrics"]
    assert changed["dataset"]["dataset_id"] != first["dataset"]["dataset_id"]


def test_an_upload_says_its_currency_and_is_refused_without_rates(
    client: TestClient, prices: dict[str, Prices]
) -> None:
    content = prices["BTC"].path.read_bytes()
    before = client.get("/api/v1/ohlcv/symbols").json()

    for account, currency, words in (
        ("USD", "EUR", "no rates of EUR in USD"),
        ("USD", "", "the currency of the file is not known"),
    ):
        form = {"currency": currency} if currency else {}
        told = json.dumps({"account_currency": account})
        refused = upload(
            client, content, strategy="sma_crossover", market="24/7", engine_options=told, **form
        )
        assert refused.status_code in {400, 404}
        assert words in refused.json()["detail"]
        assert "engine_options." in json.dumps(refused.json())
    assert client.get("/api/v1/ohlcv/symbols").json() == before

    told = json.dumps({"account_currency": "EUR"})
    taken = upload(
        client, content, strategy="sma_crossover", market="24/7", engine_options=told,
        currency="EUR",
    )  # fmt: skip
    assert taken.status_code == 200


def test_symbols_of_several_currencies_are_refused_in_the_words_of_the_request(
    client: TestClient,
) -> None:
    body = {"strategy": "sma_crossover", "symbols": ["AAPL", "NIFTY"]}

    answer = client.post("/api/backtests/run", json=body)

    assert answer.status_code == 400
    assert "several currencies" in answer.json()["detail"]
    assert "engine_options.account_currency" in json.dumps(answer.json())


def test_an_uploaded_data_set_can_be_used_again(
    client: TestClient, prices: dict[str, Prices]
) -> None:
    sent = upload(client, prices["NIFTY"].path.read_bytes()).json()

    again = client.post(
        "/api/v1/backtests", json={"strategy": EMA10, "dataset_id": sent["dataset"]["dataset_id"]}
    ).json()

    assert again["result"]["metrics"] == sent["result"]["metrics"]


@pytest.mark.parametrize(
    ("content", "form", "status", "field"),
    [
        (b"", {}, 400, "file"),
        (b"not,a,price\n1,2,3\n", {}, 400, None),
        (b"\x1f\x8b" + b"\x00" * 100, {}, 400, None),
        (b"PK\x03\x04" + b"\x00" * 100, {}, 400, None),
        (None, {"strategy_params": "{"}, 400, "strategy_params"),
        (None, {"strategy_params": "[]"}, 400, "strategy_params"),
        (None, {"engine_options": '{"lots": NaN}'}, 400, "engine_options"),
        (None, {"engine_options": '{"daily_target": -5}'}, 422, "engine_options.daily_target"),
        (None, {"strategy": "no_such"}, 404, "strategy"),
        (None, {"market": "MARS"}, 422, "market"),
        (None, {"timeframe": "7m"}, 422, "timeframe"),
    ],
)
def test_a_wrong_upload_says_what_is_wrong(
    *,
    client: TestClient,
    prices: dict[str, Prices],
    content: bytes | None,
    form: dict[str, str],
    status: int,
    field: str | None,
) -> None:
    answer = upload(
        client, prices["NIFTY"].path.read_bytes() if content is None else content, **form
    )

    assert answer.status_code == status, answer.text
    if field:
        assert answer.json()["field"] == field


@pytest.mark.parametrize(
    ("form", "status", "field"),
    [
        ({"benchmark": "NOSUCH"}, 404, "benchmark"),
        ({"strategy": "no_such"}, 404, "strategy"),
        ({"strategy_params": '{"no_such": 1}'}, 400, "strategy_params.no_such"),
        ({"engine_options": '{"lots": -1}'}, 422, "engine_options.lots"),
        ({"engine_options": '{"no_such": 1}'}, 422, "engine_options.no_such"),
        ({"strategy_parameters": "{}"}, 422, "strategy_parameters"),
    ],
)
def test_a_refused_upload_stores_nothing(
    *,
    client: TestClient,
    services: Services,
    form: dict[str, str],
    status: int,
    field: str,
) -> None:
    rows = "".join(f"2024-03-{day:02},1,2,0.5,{field.count('o') + 1}\n" for day in range(1, 29))
    symbols = services.market.symbols()
    total = client.get("/api/backtests").json()["total"]

    answer = upload(client, f"timestamp,open,high,low,close\n{rows}".encode(), **form)

    assert answer.status_code == status, answer.text
    assert answer.json()["field"] == field
    assert services.market.symbols() == symbols
    assert client.get("/api/backtests").json()["total"] == total


def test_an_unknown_form_key_is_answered_with_the_known_ones(client: TestClient) -> None:
    problem = upload(client, b"x", params="{}").json()

    assert (problem["code"], problem["found"]) == ("unknown_field", "params")
    assert "strategy_params" in problem["expected"]


def test_an_upload_lists_rejected_rows_and_how_the_file_was_read(client: TestClient) -> None:
    good = "".join(f"2024-{month:02}-{day:02},5,6,4,5\n" for month in (1, 3) for day in (1, 2, 3))
    bad = "2024-05-01,5,6,4,x\n" * 120
    # Enough good rows that the file as a whole is taken.
    many = "".join(
        f"{year}-{month:02}-{day:02},5,6,4,5\n"
        for year in range(2010, 2020)
        for month in range(1, 13)
        for day in range(1, 29)
    )

    answer = upload(
        client,
        f"timestamp,open,high,low,close\n{many}{good}{bad}".encode(),
        strategy="buy_and_hold",
    )

    assert answer.status_code == 200, answer.text
    found = answer.json()["dataset"]
    assert found["rejections_total"] == sum(found["rejected"].values()) == 120
    assert found["rows_read"] == found["rows_stored"] + found["rejections_total"]
    assert len(found["rejections"]) == 100
    first = found["rejections"][0]
    assert set(first) == {"line", "reason", "detail"}
    assert (first["line"], first["reason"]) == (1 + 3360 + 6 + 1, "not_a_number")
    assert found["layout"]


def test_a_file_beyond_the_limit_is_refused_and_leaves_nothing(
    client: TestClient, services: Services
) -> None:
    symbols = services.market.symbols()

    answer = upload(client, b"x" * (2 << 20))

    assert answer.status_code == 413
    assert services.market.symbols() == symbols
    assert list(services.settings.scratch_dir.rglob("upload*")) == []


@pytest.mark.parametrize(
    "name", ["../../etc/x.csv", "..\\..\\x.csv", "a\r\nb.csv", "=cmd.csv", "", "x" * 300]
)
def test_a_file_name_is_shown_and_never_opened(
    client: TestClient, prices: dict[str, Prices], name: str
) -> None:
    answer = upload(client, prices["NIFTY"].path.read_bytes(), name=name or "?")

    shown = answer.json()["dataset"]["file"]
    assert answer.status_code == 200
    assert re.fullmatch(r"[\w. -]{1,100}", shown)
    assert ".." not in shown


def test_times_are_utc(client: TestClient, prices: dict[str, Prices]) -> None:
    run = client.post("/api/v1/backtests", json={"strategy": EMA10, "dataset": "NIFTY"}).json()

    first = datetime.fromisoformat(run["result"]["equity_curve"][0]["timestamp"])

    assert first == datetime.fromisoformat(prices["NIFTY"].rows[0][0])
    assert first.tzinfo == UTC or first.utcoffset() == UTC.utcoffset(None)


def test_what_a_killed_server_left_of_uploads_is_swept(tmp_path: Path) -> None:
    for name in ("upload-old", "upload-new", "run-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "upload.csv").write_text("x")
    for name in ("upload-old", "run-old"):
        os.utime(tmp_path / name, (0, 0))

    sweep_uploads(tmp_path, now=time.time())

    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-old", "upload-new"]
