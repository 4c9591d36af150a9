"""GET /api/v1/backtests/{id}/assumptions, judged by runs that asked for the other rules."""

from __future__ import annotations

from starlette.testclient import TestClient

RULES = {"next_open": {}, "bar_later": {"delay": 1}, "same_close": {"fill": "close"}}


def submitted(client: TestClient, **options: object) -> dict:
    body = {"strategy": "sma_crossover", "symbols": ["AAPL"], "engine_options": options}
    return client.post("/api/backtests/run", json=body).json()


def test_every_rule_gives_the_metrics_of_a_run_of_that_rule(client: TestClient) -> None:
    runs = {rule: submitted(client, **options)["id"] for rule, options in RULES.items()}
    expected = {
        rule: client.get(f"/api/backtests/{number}").json()["metrics"]
        for rule, number in runs.items()
    }

    answer = client.get(f"/api/v1/backtests/{runs['bar_later']}/assumptions")

    body = answer.json()
    assert answer.status_code == 200
    assert body["id"] == runs["bar_later"]
    assert {row["rule"]: row["metrics"] for row in body["rules"]} == expected
    assert [row["rule"] for row in body["rules"] if row["is_own"]] == ["bar_later"]
    returns = [row["metrics"]["total_return_fraction"] for row in body["rules"]]
    assert body["intervals"]["total_return"] == {"low": min(returns), "high": max(returns)}
    assert [(row["fill"], row["delay"]) for row in body["rules"]] == [
        ("next_open", 0),
        ("next_open", 1),
        ("close", 0),
    ]


SCALPS = {"strategy": "ema10_scalper", "symbols": ["NIFTY"], "timeframe": "15m"}


def test_each_rule_says_how_far_finer_bars_decided(client: TestClient) -> None:
    body = {**SCALPS, "engine_options": {"detail": "1m"}}
    number = client.post("/api/backtests/run", json=body).json()["id"]
    run = client.get(f"/api/backtests/{number}").json()

    answer = client.get(f"/api/v1/backtests/{number}/assumptions").json()

    assert run["engine_options"]["detail"] == "1m"
    assert set(run["provenance"]["data_hashes"]) == {"NIFTY", "NIFTY 1m"}
    own = next(row for row in answer["rules"] if row["is_own"])
    assert own["detail"] == "1m"
    for name in ("ambiguous_bars", "detail_missing", "detail_conflicts"):
        assert own[name] == run["counters"][name]
    assert answer["notes"] == []


def test_finer_bars_that_are_not_there_are_refused(client: TestClient) -> None:
    options = {"engine_options": {"detail": "1m"}}

    daily = client.post(
        "/api/backtests/run", json={"strategy": "sma_crossover", "symbols": ["AAPL"], **options}
    )
    closes = {"engine_options": {"detail": "1m", "protection": "close"}}
    said = client.post("/api/backtests/run", json={**SCALPS, **closes})

    assert (daily.status_code, daily.json()["code"]) == (400, "invalid_input")
    assert "AAPL has no 1m bars" in daily.text
    assert "says nothing where protection=close" in said.text


def test_a_run_that_does_not_exist_has_none(client: TestClient) -> None:
    answer = client.get("/api/v1/backtests/99999/assumptions")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
