"""One real workbench per session, on a temporary folder, with prices imported from CSV."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from core import bootstrap
from core.services import Services
from core.settings import PACKAGED_STRATEGIES, Settings
from tests.laboratory import a_worker

BASE = "http://127.0.0.1:8000"
IST = timezone(timedelta(hours=5, minutes=30))
NIFTY_FILE = "nifty_2024_1min_22Dec_14Jan.csv"

Row = tuple[str, float, float, float, float, float]


@dataclass(frozen=True)
class Prices:
    """A CSV file and the rows it was made of, to check answers against."""

    symbol: str
    path: Path
    rows: list[Row]


def walk(seed: int, stamps: list[str], start: float, step: float) -> list[Row]:
    """A random walk in cents; deterministic and unlike any market."""
    source = random.Random(seed)  # noqa: S311 - prices, not secrets
    price = start
    rows = []
    for stamp in stamps:
        opened = round(price * (1 + source.gauss(0, step / 3)), 2)
        price = round(opened * math.exp(source.gauss(0.0003, step)), 2)
        high = round(max(opened, price) * (1 + abs(source.gauss(0, step / 4))), 2)
        low = round(min(opened, price) * (1 - abs(source.gauss(0, step / 4))), 2)
        rows.append((stamp, opened, high, low, price, float(source.randrange(1_000, 9_999))))
    return rows


def weekdays(first: date, count: int) -> list[str]:
    days = (first + timedelta(days=offset) for offset in range(count * 2))
    return [day.isoformat() for day in days if day.weekday() < 5][:count]


def minutes(days: list[date], count: int = 375) -> list[str]:
    opens = [datetime(day.year, day.month, day.day, 9, 15, tzinfo=IST) for day in days]
    return [(at + timedelta(minutes=step)).isoformat() for at in opens for step in range(count)]


def write(folder: Path, symbol: str, rows: list[Row], file: str = "") -> Prices:
    path = folder / (file or f"{symbol}.csv")
    lines = ["timestamp,open,high,low,close,volume"]
    lines += [",".join(str(cell) for cell in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return Prices(symbol, path, rows)


@pytest.fixture(scope="session")
def prices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prices]:
    folder = tmp_path_factory.mktemp("prices")
    daily = weekdays(date(2014, 1, 2), 2_500)
    flat = [(day, 50.0, 50.0, 50.0, 50.0, 1_000.0) for day in daily[:300]]
    all_days = [(date(2022, 12, 1) + timedelta(days=n)).isoformat() for n in range(430)]
    sessions = [date(2024, 12, day) for day in (23, 24, 26)]
    made = [
        write(folder, "AAPL", walk(1, daily, 100, 0.015)),
        write(folder, "MSFT", walk(2, daily, 40, 0.013)),
        write(folder, "FLAT", flat),
        write(folder, "BTC", walk(3, all_days, 17_000, 0.03)),
        write(folder, "NIFTY", walk(4, minutes(sessions), 23_700, 0.0004), NIFTY_FILE),
    ]
    return {each.symbol: each for each in made}


@contextmanager
def workbench(data_dir: Path, prices: dict[str, Prices]) -> Iterator[Services]:
    settings = Settings(data_dir=data_dir, run_wait_seconds=60, max_upload_mb=1)
    with bootstrap.build(settings, executor="inline") as built:
        for symbol, market in (
            ("AAPL", "XNYS"),
            ("MSFT", "XNYS"),
            ("FLAT", "XNYS"),
            ("BTC", "24/7"),
            ("NIFTY", "XNSE"),
        ):
            path = prices[symbol].path
            built.market.import_csv(
                path, name=path.name, symbol=symbol, market=market, source_note=path.name
            )
        built.strategies.list()  # the first scan keeps the code it saw
        yield built


@pytest.fixture(scope="session")
def services(
    tmp_path_factory: pytest.TempPathFactory, prices: dict[str, Prices]
) -> Iterator[Services]:
    with workbench(tmp_path_factory.mktemp("data"), prices) as built:
        yield built


@pytest.fixture(scope="session")
def apart(
    tmp_path_factory: pytest.TempPathFactory, prices: dict[str, Prices]
) -> Iterator[Services]:
    """Another one, for tests that leave things in the queue: nobody empties it."""
    with workbench(tmp_path_factory.mktemp("apart"), prices) as built:
        yield built


@pytest.fixture(scope="session")
def apart_client(apart: Services) -> Iterator[TestClient]:
    with TestClient(create_app(apart), base_url=BASE) as opened:
        yield opened


@pytest.fixture(scope="session")
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), base_url=BASE) as opened:
        yield opened


def complete_a_run(client: TestClient) -> int:
    answer = client.post(
        "/api/backtests/run",
        json={
            "strategy": "sma_crossover",
            "symbols": ["AAPL", "MSFT"],
            "parameters": {"fast": 10, "slow": 40},
            "start_date": "2014-03-03",
            "end_date": "2020-12-31",
            "costs": "bps_5",
        },
    )
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "completed"
    return int(answer.json()["id"])


@pytest.fixture(scope="session")
def completed(client: TestClient) -> int:
    """Number of a completed run over two symbols."""
    return complete_a_run(client)


SLOW = '''
import time

from core.domain.strategy import MarketView, Signals, Strategy


class Slow(Strategy):
    """Thinks for a while."""

    def generate_signals(self, view: MarketView) -> Signals:
        time.sleep(600)
        return Signals.side(long=view.close > view.open)
'''


FAILING = '''
from core.domain.strategy import MarketView, Param, Signals, Strategy


class Failing(Strategy):
    """Raises."""

    depth: int = Param(1, ge=1, le=9)

    def generate_signals(self, view: MarketView) -> Signals:
        raise ValueError("no idea at all")
'''


@pytest.fixture(scope="session")
def queued(
    tmp_path_factory: pytest.TempPathFactory, prices: dict[str, Prices]
) -> Iterator[Services]:
    """A workbench of its own whose queue a real worker empties."""
    folder = tmp_path_factory.mktemp("guests")
    for name in ("buy_and_hold", "ema_crossover", "momentum_rank", "sma_crossover"):
        shutil.copy(PACKAGED_STRATEGIES / f"{name}.py", folder)
    (folder / "slow.py").write_text(SLOW)
    (folder / "failing.py").write_text(FAILING)
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("queued"), strategies_dir=folder, run_wait_seconds=60
    )
    with bootstrap.build(settings, executor="inline") as built:
        for symbol in ("AAPL", "MSFT", "FLAT"):
            path = prices[symbol].path
            built.market.import_csv(path, name=path.name, symbol=symbol, market="XNYS")
        with a_worker(settings):
            yield built


@pytest.fixture(scope="session")
def queue_client(queued: Services) -> Iterator[TestClient]:
    with TestClient(create_app(queued), base_url=BASE) as opened:
        yield opened
