"""/api/v1/ohlcv against the rows of the imported files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from core import bootstrap
from core.domain.timeframe import Timeframe
from core.errors import InvalidInput
from core.services import Services
from core.settings import Settings
from tests.api.conftest import BASE, Prices, Row

DATA = "/api/v1/ohlcv/data"


def get(client: TestClient, symbol: str, start: str, end: str, timeframe: str = "1d") -> Any:
    return client.get(
        DATA,
        params={"symbol": symbol, "start_date": start, "end_date": end, "timeframe": timeframe},
    )


def bars(answer: Any) -> list[tuple[float, ...]]:
    names = ("open", "high", "low", "close", "volume")
    return [tuple(row[name] for name in names) for row in answer.json()["data"]]


def joined(rows: list[Row]) -> tuple[float, ...]:
    return (
        rows[0][1],
        max(row[2] for row in rows),
        min(row[3] for row in rows),
        rows[-1][4],
        sum(row[5] for row in rows),
    )


def test_daily_bars_are_the_rows_of_the_file(client: TestClient, prices: dict[str, Prices]) -> None:
    answer = get(client, "AAPL", "2015-01-05", "2015-03-31")

    wanted = [row for row in prices["AAPL"].rows if "2015-01-05" <= row[0] <= "2015-03-31"]
    body = answer.json()
    assert bars(answer) == [row[1:] for row in wanted]
    assert body["count"] == len(wanted)
    assert (body["symbol"], body["timeframe"]) == ("AAPL", "1d")
    assert (body["start_date"], body["end_date"]) == ("2015-01-05", "2015-03-31")
    for shown, row in zip(body["data"], wanted, strict=True):
        at = datetime.fromisoformat(shown["timestamp"])
        assert at == datetime.fromisoformat(row[0]).replace(tzinfo=UTC)  # its date, not a moment
        assert shown["unix_time"] == int(at.timestamp())
        assert shown["symbol"] == "AAPL"


def test_both_ends_are_inclusive(client: TestClient) -> None:
    answer = get(client, "BTC", "2023-01-01", "2023-01-31")

    assert answer.json()["count"] == 31


def test_a_body_asks_the_same_as_a_query(client: TestClient) -> None:
    asked = {"symbol": "BTC", "start_date": "2023-01-01", "end_date": "2023-01-31"}

    by_query = client.get(DATA, params={**asked, "source_resolution": "1Y"})
    by_body = client.post(DATA, json={**asked, "timeframe": "1d"})

    assert by_query.json() == by_body.json()


@pytest.mark.parametrize("given", ["1Y", "1m"])
def test_the_source_resolution_is_echoed_and_changes_nothing(
    client: TestClient, given: str
) -> None:
    asked = {"symbol": "BTC", "start_date": "2023-01-01", "end_date": "2023-01-31"}
    plain = client.get(DATA, params=asked).json()

    by_query = client.get(DATA, params={**asked, "source_resolution": given})
    by_body = client.post(DATA, json={**asked, "source_resolution": given})

    assert by_query.status_code == by_body.status_code == 200
    assert by_query.json() == by_body.json() == {**plain, "source_resolution": given}


@pytest.mark.parametrize(("timeframe", "length"), [("5m", 5), ("15m", 15), ("30m", 30)])
def test_longer_bars_are_joined_from_the_session_open(
    client: TestClient, prices: dict[str, Prices], timeframe: str, length: int
) -> None:
    day = [row for row in prices["NIFTY"].rows if row[0].startswith("2024-12-23")]

    answer = get(client, "NIFTY", "2024-12-23", "2024-12-23", timeframe)

    wanted = [joined(day[at : at + length]) for at in range(0, len(day), length)]
    assert bars(answer) == wanted
    first = datetime.fromisoformat(answer.json()["data"][0]["timestamp"])
    assert first == datetime(2024, 12, 23, 3, 45, tzinfo=UTC)


def test_minutes_are_the_rows_of_the_file(client: TestClient, prices: dict[str, Prices]) -> None:
    day = [row for row in prices["NIFTY"].rows if row[0].startswith("2024-12-24")]

    answer = get(client, "NIFTY", "2024-12-24", "2024-12-24", "1m")

    assert bars(answer) == [row[1:] for row in day]


def test_symbols_and_timeframes_are_bare_lists(client: TestClient, services: Services) -> None:
    symbols = client.get("/api/v1/ohlcv/symbols").json()
    frames = client.get("/api/v1/ohlcv/timeframes").json()
    daily = client.get("/api/v1/ohlcv/timeframes", params={"symbol": "AAPL"}).json()

    assert symbols == sorted(services.market.symbols())
    assert {"AAPL", "BTC", "NIFTY"} <= set(symbols)
    assert frames == [each for each in Timeframe if each in frames]
    assert "1m" in frames
    assert "1d" in daily
    assert "1m" not in daily


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"symbol": "NOSUCH"}, 404, "not_found", None),
        ({"start_date": "yesterday"}, 400, "invalid_input", "start_date"),
        ({"end_date": "2023-02-30"}, 400, "invalid_input", "end_date"),
        ({"start_date": "2023-02-01"}, 400, "invalid_input", "start_date"),
        ({"timeframe": "7m"}, 422, "not_one_of", "timeframe"),
        ({"timeframe": "1m", "end_date": "2023-01-02"}, 400, "request_too_large", "start_date"),
        ({"end_date": "2099-01-01"}, 400, "request_too_large", "start_date"),
        ({"source_resolution": "1s"}, 422, "not_one_of", "source_resolution"),
        ({"symbol": ""}, 422, "wrong_length", "symbol"),
        ({"symbol": "../../etc"}, 400, "invalid_input", "symbol"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(
    *,
    client: TestClient,
    changes: dict[str, str],
    status: int,
    code: str,
    field: str | None,
) -> None:
    asked = {"symbol": "BTC", "start_date": "2023-01-01", "end_date": "2023-01-31", **changes}

    for answer in (client.get(DATA, params=asked), client.post(DATA, json=asked)):
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (status, code)
        assert field is None or problem["field"] == field


def test_days_without_prices_are_not_found(client: TestClient) -> None:
    assert get(client, "AAPL", "1999-01-01", "1999-02-01").status_code == 404


def test_all_there_is_of_the_demo_is_answered_at_once(tmp_path: Path) -> None:
    """A newcomer's first request: no setting was touched."""
    with bootstrap.build(Settings(data_dir=tmp_path), executor="inline") as services:
        services.market.import_demo()
        series = [each for each in services.market.series() if each.timeframe == Timeframe.D1]
        with TestClient(create_app(services), base_url=BASE) as client:
            for each in series:
                first, last = each.first.date(), each.last.date()
                daily = get(client, each.symbol, str(first), str(last))
                weekly = get(client, each.symbol, "1900-01-01", str(last), "1w")
                monthly = get(client, each.symbol, "1800-01-01", str(last), "1M")
                assert daily.json()["count"] == each.rows
                for longer in (weekly, monthly):
                    volumes = [bar["volume"] for bar in longer.json()["data"]]
                    assert sum(volumes) == sum(bar["volume"] for bar in daily.json()["data"])

    assert series


def test_limits_can_be_changed(services: Services) -> None:
    settings = Settings(
        data_dir=services.settings.data_dir,
        candles_max_rows=100,
        candles_max_days="1d=0, 1m=3",
    )
    with TestClient(create_app(services, settings), base_url=BASE) as client:
        rows = get(client, "AAPL", "2014-01-02", "2020-12-31")
        days = get(client, "NIFTY", "2024-12-20", "2024-12-23", "1m")
        fine = get(client, "AAPL", "2014-01-02", "2014-03-31")

    assert rows.json()["code"] == days.json()["code"] == "request_too_large"
    assert fine.status_code == 200


@pytest.mark.parametrize("entry", ["1m", "1m=", "1m=x", "7m=1", "=5"])
def test_a_limit_that_cannot_be_read_stops_the_start(services: Services, entry: str) -> None:
    settings = Settings(data_dir=services.settings.data_dir, candles_max_days=entry)

    with pytest.raises(InvalidInput):
        create_app(services, settings)


def test_minutes_of_a_week_are_too_many_at_once(client: TestClient) -> None:
    start = datetime(2024, 12, 23, tzinfo=UTC).date()

    answer = get(client, "NIFTY", str(start), str(start + timedelta(days=6)), "1m")

    assert answer.status_code == 400
    assert "at most 1 days" in answer.json()["expected"]
