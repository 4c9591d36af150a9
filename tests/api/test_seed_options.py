"""Every engine option of the earlier systems, in both spellings, does what its document says.

The request is theirs: an index in minute bars, two lots of 75 units, a delta of one half. What each
option must do to the trades is computed from the trades without it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

INDIA = ZoneInfo("Asia/Kolkata")
EMA10 = "strategies.ema10_scalper.EMA10ScalperStrategy"
BASE: dict[str, Any] = {"preset": "nifty_scalper"}
Result = dict[str, Any]


@pytest.fixture(params=["/api/v1/backtests", "/api/backtests/run"])
def run(request: pytest.FixtureRequest, client: TestClient) -> Any:
    """Run by either shape of the request; give trades, final equity, options and costs."""

    def ask(**engine: Any) -> Result:
        if request.param == "/api/v1/backtests":
            body = {"strategy": EMA10, "dataset": "NIFTY"}
        else:
            body = {"strategy": EMA10, "symbols": ["NIFTY"], "timeframe": "1m"}
        taken = client.post(request.param, json={**body, "engine_options": {**BASE, **engine}})
        assert taken.status_code in {200, 202}, taken.text
        found = client.get(f"/api/backtests/{taken.json()['id']}").json()
        assert found["status"] == "completed", found["error"]
        return {
            "trades": found["trades"],
            "final": found["metrics"]["final_equity"],
            "options": found["engine_options"],
            "costs": found["costs"],
            "counters": found["counters"],
            "badges": {each["code"] for each in found["badges"]},
        }

    return ask


def gains(result: Result) -> list[float]:
    return [trade["pnl"] for trade in result["trades"]]


def moments(result: Result) -> list[tuple[str, str]]:
    return [(trade["entry_time"], trade["exit_time"]) for trade in result["trades"]]


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(INDIA)


def test_the_preset_is_the_earlier_engine(run: Any) -> None:
    found = run()

    assert len(found["trades"]) > 5
    assert "optimistic_fill" in found["badges"]
    assert found["counters"]["rejected"] == found["counters"]["scaled_cash"] == 0
    for trade in found["trades"]:
        assert trade["quantity"] == 150
        points = trade["normal_pnl"]
        assert trade["pnl"] == pytest.approx(points * 150 * 0.5, abs=1e-6)
        assert trade["commission"] == trade["slippage"] == 0
        assert local(trade["exit_time"]).strftime("%H:%M") <= "15:15"
    assert found["final"] == pytest.approx(100_000 + sum(gains(found)), abs=1e-6)
    assert found["costs"]["name"] == "zero"


@pytest.mark.parametrize("word", ["initial_cash", "initial_capital"])
def test_initial_cash_is_the_first_of_the_curve_only(run: Any, word: str) -> None:
    base, more = run(), run(**{word: 250_000})

    assert gains(more) == gains(base)
    assert more["final"] - 250_000 == pytest.approx(base["final"] - 100_000, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "factor"),
    [
        ({"lots": 4}, 2.0),
        ({"lot_size": 25}, 1 / 3),
        ({"option_delta": 0.25}, 0.5),
        ({"option_price_per_unit": 3}, 3.0),
        ({"sizing": "units", "size": 75}, 0.5),
        ({"multiplier": 1}, 2.0),
    ],
    ids=str,
)
def test_size_and_delta_scale_every_trade(run: Any, given: dict[str, Any], factor: float) -> None:
    base, scaled = run(), run(**given)

    assert moments(scaled) == moments(base)
    assert gains(scaled) == pytest.approx([factor * each for each in gains(base)], abs=1e-6)


def test_the_fee_is_paid_once_a_round_trip_whatever_the_lots(run: Any) -> None:
    base, paid, double = run(lots=4), run(lots=4, fee_per_trade=4), run(fee_per_trade=4)

    assert gains(paid) == pytest.approx([each - 4 for each in gains(base)], abs=1e-6)
    assert {trade["commission"] for trade in (*paid["trades"], *double["trades"])} == {4.0}


def test_slippage_is_points_against_each_side(run: Any) -> None:
    base, slipped = run(), run(slippage=0.5)

    first, worse = base["trades"][0], slipped["trades"][0]
    side = 1 if first["direction"] == "long" else -1
    assert worse["entry_price"] == pytest.approx(first["entry_price"] + side * 0.5)
    if worse["exit_time"] == first["exit_time"]:
        assert worse["pnl"] == pytest.approx(first["pnl"] - 2 * 0.5 * 150 * 0.5)
    assert slipped["final"] < base["final"]


def test_intraday_ends_every_position_with_its_session(run: Any) -> None:
    held = run(intraday=False, no_entry_after="23:59")
    flat = run(no_entry_after="23:59")

    assert all(
        local(trade["entry_time"]).date() == local(trade["exit_time"]).date()
        for trade in flat["trades"]
    )
    assert moments(held) != moments(flat)
    assert held["options"]["square_off"] is None


@pytest.mark.parametrize("word", ["session_close_time", "square_off"])
def test_the_session_closes_when_it_is_told_to(run: Any, word: str) -> None:
    found = run(**{word: "11:00"})

    assert found["trades"]
    for trade in found["trades"]:
        assert local(trade["exit_time"]).strftime("%H:%M") <= "11:00"
        assert local(trade["entry_time"]).strftime("%H:%M") < "11:00"


TARGET = 300.0


@pytest.mark.parametrize("unit", ["money", "points"])
@pytest.mark.parametrize("target", ["daily_target", "daily_profit_target"])
@pytest.mark.parametrize("name", ["daily_target_unit", "daily_unit"])
def test_a_day_takes_no_entry_once_it_has_made_its_target(
    run: Any, unit: str, target: str, name: str
) -> None:
    word = "currency" if (unit, name) == ("money", "daily_target_unit") else unit
    level = TARGET if unit == "money" else 4.0
    base, stopped = run(), run(**{target: level, name: word})

    made: dict[Any, float] = defaultdict(float)
    expected = []
    for trade in base["trades"]:  # exits are the same, so a day's trades are its first ones
        day = local(trade["entry_time"]).date()
        if made[day] < level:
            expected.append((trade["entry_time"], trade["exit_time"]))
            made[day] += trade["pnl"] if unit == "money" else trade["normal_pnl"]
    assert len(expected) < len(base["trades"])
    assert moments(stopped) == expected
    assert stopped["counters"]["limited"] > 0
    assert stopped["options"]["daily_unit"] == unit


@pytest.mark.parametrize(
    "given",
    [
        {"daily_target": 0},
        {"daily_target": None},
        {"daily_profit_target": TARGET, "use_daily_profit_target": False},
    ],
    ids=str,
)
def test_a_target_may_be_switched_off(run: Any, given: dict[str, Any]) -> None:
    assert moments(run(**given)) == moments(run())


def test_a_target_in_use_needs_a_number(client: TestClient) -> None:
    body = {
        "strategy": EMA10,
        "dataset": "NIFTY",
        "engine_options": {"use_daily_profit_target": True},
    }

    problem = client.post("/api/v1/backtests", json=body).json()

    assert "use_daily_profit_target" in json.dumps(problem)
    assert problem["status"] == 422


def test_fill_close_is_the_close_that_decided(run: Any) -> None:
    at_close, next_open = run(), run(fill="next_open")

    first, later = at_close["trades"][0], next_open["trades"][0]
    wait = datetime.fromisoformat(later["entry_time"]) - datetime.fromisoformat(first["entry_time"])
    assert wait.total_seconds() == 60
    assert "optimistic_fill" not in next_open["badges"]


def test_options_by_delta_pay_theta(run: Any) -> None:
    plain = run()
    by_option = run(option={"delta": 0.5})

    assert moments(by_option) == moments(plain)
    assert by_option["final"] == pytest.approx(plain["final"], abs=1e-6)
    assert "delta_approximation" in by_option["badges"]
    assert "delta_approximation" not in plain["badges"]
