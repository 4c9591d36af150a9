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


def test_a_run_that_does_not_exist_has_none(client: TestClient) -> None:
    answer = client.get("/api/v1/backtests/99999/assumptions")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
