"""/api/backtests: every figure of an answer is computed again here from the run's own tables."""

from __future__ import annotations

import hashlib
import io
import math
from datetime import datetime
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from api import strict
from core.domain.metrics import METRICS
from core.domain.run import SORTABLE, RunQuery, RunSpec
from core.services import Services

RUN = {"strategy": "momentum_strategy", "symbols": ["AAPL"], "timeframe": "1d"}


def post(client: TestClient, **changes: Any) -> Any:
    return client.post("/api/backtests/run", json={**RUN, **changes})


def download(client: TestClient, run: int, name: str) -> pl.DataFrame:
    answer = client.get(f"/api/backtests/{run}/artifacts/{name}")
    assert answer.status_code == 200
    return pl.read_parquet(io.BytesIO(answer.content))


def test_a_submission_is_answered_with_its_true_state(
    client: TestClient, services: Services
) -> None:
    answer = post(client, parameters={"window": 20, "threshold": 0.02}, initial_capital=25_000)

    body = answer.json()
    assert answer.status_code == 202
    assert body["status"] == "completed"
    assert body["job_id"].startswith("api_")
    assert answer.headers["location"] == body["links"]["self"] == f"/api/backtests/{body['id']}"
    run = services.backtests.get(body["job_id"])
    assert (run.id, run.uuid, run.source) == (body["id"], body["uuid"], "api")
    assert datetime.fromisoformat(body["created_at"]) == run.created_at
    assert run.spec.options.initial_cash == 25_000
    assert run.spec.params == {"window": 20, "threshold": 0.02, "short_too": True}


def test_a_submission_is_answered_with_the_metrics_of_its_run(client: TestClient) -> None:
    for _ in range(2):  # computed, then found
        body = post(client, parameters={"window": 27}, costs="zero").json()

        detail = client.get(body["links"]["self"]).json()
        assert body["metrics"]["total_return"] == detail["metrics"]["total_return"]
        assert body["metrics"] == {name: detail["metrics"][name] for name in body["metrics"]}
        assert [badge["code"] for badge in body["badges"]] == ["zero_cost"]


def test_an_equal_request_shares_the_stored_result(client: TestClient) -> None:
    first = post(client, parameters={"window": 33}).json()
    second = post(client, parameters={"window": 33}).json()

    assert second["id"] != first["id"]
    assert second["reused"] is True
    assert second["status"] == "completed"
    keys = [
        client.get(f"/api/backtests/{run['id']}").json()["provenance"]["run_key"]
        for run in (first, second)
    ]
    assert keys[0] == keys[1]


def test_a_run_may_be_measured_against_another_symbol(
    client: TestClient, services: Services
) -> None:
    own, named = (post(client, **changes).json() for changes in ({}, {"benchmark": "msft"}))
    shown = client.get(f"/api/backtests/{named['id']}").json()
    plain = client.get(f"/api/backtests/{own['id']}").json()

    assert (plain["benchmark"], shown["benchmark"]) == (None, "MSFT")
    assert "MSFT" in shown["provenance"]["data_hashes"]
    stored = services.backtests.get(named["id"]).metrics
    assert stored is not None
    assert stored["beta"] is not None
    assert shown["metrics"]["beta"] == stored["beta"] != plain["metrics"]["beta"]
    assert shown["metrics"]["alpha_fraction"] == stored["alpha"]
    assert shown["metrics"]["sharpe_ratio"] == plain["metrics"]["sharpe_ratio"]
    assert "holding MSFT" in shown["verdict"]
    rows = {row["id"]: row for row in client.get("/api/backtests").json()["backtests"]}
    assert rows[named["id"]]["benchmark"] == "MSFT"


def test_the_same_wish_through_the_core_gives_the_same_bits(
    client: TestClient, services: Services, completed: int
) -> None:
    through_api = client.get(f"/api/backtests/{completed}").json()
    spec = RunSpec.model_validate(
        {
            "strategy": "sma_crossover",
            "params": {"fast": 10, "slow": 40},
            "symbols": ("AAPL", "MSFT"),
            "start": "2014-03-03",
            "end": "2020-12-31",
            "costs": {"name": "bps_5", "bps": 5.0, "slippage_bps": 1.0},
        }
    )

    direct = services.backtests.submit(spec, reuse=False)

    assert direct.run_key == through_api["provenance"]["run_key"]
    assert {table["file"]: table["sha256"] for table in through_api["artifacts"]} == {
        name: digest for name, digest in direct.artifacts.items() if name.endswith(".parquet")
    }


def test_metrics_agree_with_the_runs_own_tables(client: TestClient, completed: int) -> None:
    detail = client.get(f"/api/backtests/{completed}").json()
    metrics = detail["metrics"]
    equity = download(client, completed, "equity")["equity"].to_list()
    trades = download(client, completed, "trades").filter(~pl.col("open"))

    peak = worst = 0.0
    for value in [100_000.0, *equity]:
        peak = max(peak, value)
        worst = min(worst, value / peak - 1)
    wins = [pnl for pnl in trades["pnl"] if pnl > 0]
    losses = [pnl for pnl in trades["pnl"] if pnl < 0]
    assert metrics["final_equity"] == equity[-1]
    assert math.isclose(metrics["total_return_fraction"], equity[-1] / 100_000 - 1, rel_tol=1e-12)
    assert math.isclose(metrics["total_return"], 100 * metrics["total_return_fraction"])
    # Two sleeves fall at different bars; the curve of their sum is what the fall is measured on.
    assert math.isclose(metrics["max_drawdown_fraction"], worst, rel_tol=1e-9)
    assert math.isclose(metrics["max_drawdown"], 100 * worst, rel_tol=1e-9)
    assert metrics["total_trades"] == metrics["trades"] == trades.height
    assert math.isclose(metrics["win_rate"], len(wins) / trades.height)
    assert metrics["win_rate_fraction"] == metrics["win_rate"]
    assert math.isclose(metrics["profit_factor"], sum(wins) / -sum(losses), rel_tol=1e-9)
    assert math.isclose(metrics["avg_win"], sum(wins) / len(wins), rel_tol=1e-9)
    assert math.isclose(metrics["avg_loss"], sum(losses) / len(losses), rel_tol=1e-9)


def test_every_metric_of_the_catalogue_is_answered(client: TestClient, completed: int) -> None:
    detail = client.get(f"/api/backtests/{completed}").json()

    for name, metric in METRICS.items():
        shown = f"{name}_fraction" if metric.unit == "fraction" else name
        assert shown in detail["metrics"]
    nulls = {name for name, value in detail["metrics"].items() if value is None}
    assert set(detail["metric_reasons"]) == nulls


def test_trades_are_the_stored_trades(client: TestClient, completed: int) -> None:
    shown = client.get(f"/api/backtests/{completed}").json()
    stored = download(client, completed, "trades")

    assert shown["trades_total"] == stored.height == len(shown["trades"])
    for row, kept in zip(shown["trades"], stored.iter_rows(named=True), strict=True):
        sign = -1 if kept["direction"] == "short" else 1
        assert row["symbol"] == kept["symbol"]
        assert row["direction"] == row["position"] == kept["direction"]
        assert datetime.fromisoformat(row["entry_time"]) == kept["entry_time"]
        assert row["entry_price"] == kept["entry_price"]
        assert row["pnl"] == kept["pnl"]
        assert row["commission"] == kept["fees"]
        assert row["quantity"] == abs(kept["quantity"])
        assert row["normal_pnl"] == (kept["exit_price"] - kept["entry_price"]) * sign
        assert row["open"] == kept["open"]


def test_each_symbol_has_its_own_metrics_that_add_up(client: TestClient, completed: int) -> None:
    detail = client.get(f"/api/backtests/{completed}").json()

    sleeves = detail["by_symbol"]
    assert list(sleeves) == detail["symbols"] == ["AAPL", "MSFT"]
    total = sum(each["metrics"]["net_profit"] for each in sleeves.values())
    assert math.isclose(total, detail["metrics"]["net_profit"], rel_tol=1e-9)


def test_a_detail_says_what_the_numbers_stand_on(
    client: TestClient, services: Services, completed: int
) -> None:
    detail = client.get(f"/api/backtests/{completed}").json()
    run = services.backtests.get(completed)

    assert detail["policy"] == services.backtests.policy(run)
    assert detail["verdict"] == services.backtests.verdict(run)
    assert detail["provenance"]["data_hashes"] == dict(run.data_hashes)
    assert detail["provenance"]["code_hash"] == run.code_hash
    assert detail["costs"]["bps"] == 5.0
    assert detail["engine_options"]["fill"] == "next_open"
    assert detail["start_date"] == "2014-03-03"
    assert detail["end_date"] == "2020-12-31"


def test_artifacts_are_what_their_hashes_say(client: TestClient, completed: int) -> None:
    detail = client.get(f"/api/backtests/{completed}").json()

    assert {table["name"] for table in detail["artifacts"]} == {
        "equity",
        "positions",
        "trades",
        "fills",
    }
    for table in detail["artifacts"]:
        answer = client.get(table["href"])
        assert hashlib.sha256(answer.content).hexdigest() == table["sha256"]
        assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        assert "attachment" in answer.headers["content-disposition"]


@pytest.mark.parametrize("attribute", ["id", "uuid", "job_id"])
def test_a_run_is_found_by_each_of_its_names(
    client: TestClient, completed: int, attribute: str
) -> None:
    known = client.get(f"/api/backtests/{completed}").json()

    assert client.get(f"/api/backtests/{known[attribute]}").json()["id"] == completed


@pytest.mark.parametrize(
    "ref", ["999999", "9" * 18, "9" * 19, "9" * 64, "0", "api_20200101000000_deadbeef"]
)
def test_an_unknown_run_is_not_found(client: TestClient, ref: str) -> None:
    answer = client.get(f"/api/backtests/{ref}")

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize("name", ["manifest", "equity.parquet", "../equity", "%2e%2e", ""])
def test_only_the_four_tables_can_be_downloaded(
    client: TestClient, completed: int, name: str
) -> None:
    answer = client.get(f"/api/backtests/{completed}/artifacts/{name}")

    assert answer.status_code in {404, 422}


def test_a_list_shows_what_the_store_holds(client: TestClient, services: Services) -> None:
    for window in (11, 12, 13):
        post(client, parameters={"window": window})
    stored = services.backtests.list(RunQuery(page_size=2, page=2))

    shown = client.get("/api/backtests", params={"page": 2, "page_size": 2}).json()

    assert [row["id"] for row in shown["backtests"]] == [run.id for run in stored.runs]
    assert (shown["total"], shown["page"], shown["page_size"]) == (stored.total, 2, 2)
    assert shown["total_pages"] == math.ceil(stored.total / 2)
    row, run = shown["backtests"][0], stored.runs[0]
    assert run.metrics is not None
    assert row["metrics"]["sharpe_ratio"] == run.metrics["sharpe"]
    assert row["metrics"]["total_return"] == pytest.approx(100 * run.metrics["total_return"])


def test_filters_select_and_only_select(client: TestClient, completed: int) -> None:
    def ids(**filters: str) -> set[int]:
        answer = client.get("/api/backtests", params={**filters, "page_size": 100})
        assert answer.status_code == 200, answer.text
        return {row["id"] for row in answer.json()["backtests"]}

    everything = ids()
    assert completed in ids(strategy="SMA_cross")
    assert completed not in ids(strategy="momentum")
    assert completed in ids(symbol="MSFT")
    assert ids(symbol="msft") == ids(symbol="MSFT")
    assert ids(symbol="ß" * 40) == set()
    assert completed not in ids(symbol="BTC")
    assert completed in ids(status="completed")
    assert ids(status="cancelled") == set()
    today = datetime.now().astimezone().date()
    assert ids(start_date="2000-01-01", end_date="2100-01-01") == everything
    assert ids(end_date=f"{today.year - 1}-01-01") == set()


@pytest.fixture(scope="module")
def said(client: TestClient, completed: int) -> dict[int, dict[str, Any]]:
    """Metrics of each run as its own answer says them, by number."""
    post(client, parameters={"window": 25})
    rows = client.get("/api/backtests?page_size=100").json()["backtests"]
    return {row["id"]: client.get(row["links"]["self"]).json()["metrics"] or {} for row in rows}


@pytest.mark.parametrize("key", SORTABLE)
def test_every_sort_key_orders_both_ways(
    client: TestClient, said: dict[int, dict[str, Any]], key: str
) -> None:
    names = {"cagr": "annualized_return", "sharpe": "sharpe_ratio", "trades": "total_trades"}

    def value(row: dict[str, Any]) -> Any:
        if key in row:
            return row[key]
        metrics = said[row["id"]]
        found = [name for name in (key, names.get(key), f"{key}_fraction") if name in metrics]
        assert found or not metrics
        return metrics[found[0]] if found else None

    for order in ("asc", "desc"):
        query = {"sort_by": key, "sort_order": order, "page_size": 100}
        rows = client.get("/api/backtests", params=query).json()["backtests"]
        values = [value(row) for row in rows if row["id"] in said]
        present = [each for each in values if each is not None]
        assert present == sorted(present, reverse=order == "desc")
        assert values[: len(present)] == present  # runs without the metric come last


@pytest.mark.parametrize(
    ("shown", "key"),
    [
        ("sharpe_ratio", "sharpe"),
        ("annualized_return", "cagr"),
        ("total_trades", "trades"),
        ("sortino_ratio", "sortino"),
        ("avg_loss", "average_loss"),
    ],
)
def test_rows_are_sorted_by_the_names_they_show(
    client: TestClient, completed: int, shown: str, key: str
) -> None:
    post(client, parameters={"window": 15})
    by_shown, by_key = (
        client.get("/api/backtests", params={"sort_by": name, "page_size": 100})
        for name in (shown, key)
    )

    assert by_shown.status_code == 200
    assert by_shown.json() == by_key.json()
    values = [(row["metrics"] or {}).get(shown) for row in by_shown.json()["backtests"]]
    present = [value for value in values if value is not None]
    assert present == sorted(present, reverse=True)


def test_losses_at_risk_have_one_sign_in_percent_and_as_fraction(
    client: TestClient, completed: int
) -> None:
    values = client.get(f"/api/backtests/{completed}").json()["metrics"]

    for name in ("var_95", "cvar_95"):
        assert values[name] < 0
        assert values[f"{name}_fraction"] == pytest.approx(values[name] / 100)
    described = client.get("/openapi.json").json()["components"]["schemas"]["MetricValues"]
    for name in ("var_95", "var_95_fraction", "cvar_95", "cvar_95_fraction"):
        text = described["properties"][name]["description"]
        assert "A loss is negative." in text
        assert "positive" not in text


def test_dates_are_inclusive_on_both_sides(client: TestClient) -> None:
    run = post(client, start_date="2015-02-02", end_date="2015-02-06").json()

    positions = download(client, run["id"], "positions")

    assert [str(day) for day in positions["session"]] == [
        "2015-02-02",
        "2015-02-03",
        "2015-02-04",
        "2015-02-05",
        "2015-02-06",
    ]


def test_a_period_may_be_longer_than_a_year(client: TestClient) -> None:
    answer = post(client, start_date="2014-01-02", end_date="2023-07-31")

    assert answer.json()["status"] == "completed"


def test_a_run_without_trades_answers_nulls_with_reasons(client: TestClient) -> None:
    """A3: undefined is null, never NaN and never zero."""
    run = post(client, symbols=["FLAT"]).json()

    detail = client.get(f"/api/backtests/{run['id']}").json()

    assert detail["status"] == "completed"
    assert detail["metrics"]["total_trades"] == 0
    assert detail["metrics"]["win_rate"] is None
    assert detail["metrics"]["sharpe_ratio"] is None
    assert detail["metrics"]["avg_trade_duration"] is None
    assert detail["metric_reasons"]["win_rate"] in {"no_trades", "no_closed_trades"}
    assert detail["metric_reasons"]["sharpe_ratio"] in {"no_trades", "zero_variance"}
    assert detail["trades"] == []
    row = client.get("/api/backtests", params={"symbol": "FLAT"}).json()["backtests"][0]
    assert row["metrics"]["profit_factor"] is None


@pytest.mark.parametrize(
    ("changes", "badge"),
    [
        ({"symbols": ["FLAT"]}, None),
        ({"strategy": "buy_and_hold"}, None),
        ({"strategy": "buy_and_hold", "symbols": ["FLAT"], "costs": "zero"}, "zero_cost"),
        ({"start_date": "2015-01-05", "end_date": "2015-01-05"}, "short_history"),
        ({"initial_capital": 10_000, "engine_options": {"lots": 100}}, "ruined"),
        ({"initial_capital": 1.0}, None),
        ({"initial_capital": 1e12}, None),
        ({"fill_rule": "close"}, "optimistic_fill"),
    ],
)
def test_extreme_runs_are_answered_in_strict_json(
    client: TestClient, changes: dict[str, Any], badge: str | None
) -> None:
    """A3: no trade, one trade, one bar, ruin: numbers are finite or null with a reason."""
    run = post(client, **changes).json()

    assert run["status"] == "completed", run
    for path in ("/api/backtests/{}", "/api/v1/backtests/{}", "/api/v1/backtests/{}/results"):
        shown = strict.parse(client.get(path.format(run["id"])).content)
        metrics = shown.get("result", shown)["metrics"]
        reasons = shown.get("result", shown)["metric_reasons"]
        assert set(reasons) == {name for name, value in metrics.items() if value is None}
    badges = {each["code"] for each in client.get(f"/api/backtests/{run['id']}").json()["badges"]}
    assert badge is None or badge in badges


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"strategy": "momentun_strategy"}, 404, "not_found", "strategy"),
        ({"symbols": ["NOSUCH"]}, 404, "not_found", "symbols"),
        ({"benchmark": "NOSUCH"}, 404, "not_found", "benchmark"),
        ({"benchmark": "NIFTY"}, 400, "invalid_input", "benchmark"),
        ({"benchmark": ""}, 422, "wrong_length", "benchmark"),
        ({"benchmark": ["MSFT"]}, 422, "wrong_type", "benchmark"),
        ({"parameters": {"window": 0}}, 400, "invalid_input", "parameters.window"),
        ({"parameters": {"windw": 5}}, 400, "invalid_input", "parameters.windw"),
        ({"timeframe": "1m"}, 400, "invalid_input", "timeframe"),
        ({"start_date": "2100-01-01"}, 404, "not_found", "start_date"),
        ({"timeframe": "2h"}, 422, "not_one_of", "timeframe"),
        ({"symbols": []}, 422, "wrong_length", "symbols"),
        ({"symbols": ["AAPL", "AAPL"]}, 422, "repeated", "symbols"),
        ({"start_date": "2020-02-30"}, 422, "wrong_format", "start_date"),
        ({"start_date": 20200101}, 422, "wrong_format", "start_date"),
        ({"start_date": "2020-01-02", "end_date": "2020-01-01"}, 422, "contradiction", "body"),
        ({"initial_capital": 0}, 422, "out_of_range", "initial_capital"),
        ({"colour": "red"}, 422, "unknown_field", "colour"),
        ({"costs": "free"}, 422, "not_one_of", "costs"),
        ({"costs": {"bps": -1}}, 422, "out_of_range", "costs.bps"),
        ({"fill_rule": "vwap"}, 422, "not_one_of", "fill_rule"),
        (
            {"engine_options": {"daily_target": -3}},
            422,
            "out_of_range",
            "engine_options.daily_target",
        ),
        ({"engine_options": {"slippage": -0.5}}, 422, "out_of_range", "engine_options.slippage"),
        ({"engine_options": {"trailing": 1}}, 422, "unknown_field", "engine_options.trailing"),
        (
            {"initial_capital": 1, "engine_options": {"initial_cash": 2}},
            422,
            "contradiction",
            "body",
        ),
        (
            {"costs": "zero", "engine_options": {"fee_per_trade": 1}},
            422,
            "contradiction",
            "body",
        ),
        ({"engine_options": {"square_off": "15:15"}}, 422, "invalid_input", "engine_options"),
    ],
)
def test_a_wrong_request_says_what_is_wrong_and_leaves_nothing(
    *,
    client: TestClient,
    services: Services,
    changes: dict[str, Any],
    status: int,
    code: str,
    field: str,
) -> None:
    before = services.backtests.change_token()

    answer = post(client, **changes)

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (status, code, field)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"]
    assert services.backtests.change_token() == before


def test_a_close_match_is_suggested(client: TestClient) -> None:
    problem = post(client, strategy="momentun_strategy").json()

    assert "momentum_strategy" in problem["hint"]
