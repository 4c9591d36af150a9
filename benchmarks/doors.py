"""What users wait for: a run's page, an answer of the API, the help of the command line."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.timing import Row, percentile, readable, row, seconds
from core.bootstrap import build
from core.domain.run import RunSpec
from core.services import Services
from core.settings import PREFIX, Settings

BARS = 2_500
READY = {"api": "/api/v1/health/ready", "ui": "/_stcore/health"}
"""Where a server says that it is ready."""


def daily_csv() -> bytes:
    """Write ten years of daily prices."""
    rng = np.random.default_rng(5)
    days = np.busday_offset("2010-01-04", np.arange(BARS), roll="forward")
    close = 100.0 * np.exp(np.cumsum(rng.normal(3e-4, 0.012, BARS)))
    opened = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(opened, close) * 1.003, np.minimum(opened, close) * 0.997
    rows = zip(days, opened, high, low, close, strict=True)
    return "\n".join(
        [
            "date,open,high,low,close",
            *(
                f"{day},{first:.4f},{top:.4f},{low:.4f},{last:.4f}"
                for day, first, top, low, last in rows
            ),
        ]
    ).encode()


@contextmanager
def workbench() -> Iterator[Settings]:
    """Make a data folder with one symbol of daily bars."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(data_dir=folder)
        with build(settings) as services:
            services.market.import_csv(daily_csv(), name="daily.csv", symbol="DAILY")
        yield settings


def open_page(services: Services, run_id: int) -> object:
    """Make the calls that drawing a run's page makes."""
    run = services.backtests.get(run_id)
    return (
        services.backtests.policy(run),
        services.backtests.verdict(run),
        services.backtests.equity(run),
        services.backtests.equity(run, max_points=None),
        services.backtests.trades(run),
        services.backtests.positions(run, "DAILY"),
        services.backtests.prices(run, "DAILY"),
        services.backtests.change_token(),
    )


def measure(*, quick: bool) -> Iterator[Row]:
    """Time the three doors."""
    size = f"{BARS:,} days"
    with workbench() as settings:
        with build(settings) as services:
            spec = RunSpec(strategy="ema_crossover", symbols=("DAILY",))
            run = services.backtests.submit(spec)
            assert run.metrics is not None
            equity = services.backtests.equity(run.id, max_points=None)["equity"]
            assert equity[-1] == run.metrics["final_equity"]
            (opened,) = seconds(lambda: open_page(services, run.id), rounds=10 if quick else 50)
            yield row("UI: services calls of a run's page", size, opened)
            (polled,) = seconds(services.backtests.change_token, rounds=50 if quick else 500)
            yield row("UI: look whether anything changed", "", polled)
        yield from _rest(settings, 20 if quick else 100, size)
    yield from _help(5 if quick else 20)


def _rest(settings: Settings, rounds: int, size: str) -> Iterator[Row]:
    with server(settings) as address:
        pairs = [(fast, slow) for slow in range(30, 230, 2) for fast in (8, 13)]
        bodies = [
            {
                "strategy": "ema_crossover",
                "symbols": ["DAILY"],
                "parameters": {"fast": f, "slow": s},
            }
            for f, s in pairs[: rounds + 1]
        ]
        _ask(address, bodies[0])
        answered, times = [], []
        for body in bodies[1:]:
            begun = time.perf_counter()
            taken = call(f"{address}/api/backtests/run", body)
            answered.append(time.perf_counter() - begun)
            detail = call(address + taken["links"]["self"])
            times.append(time.perf_counter() - begun)
            assert taken["metrics"]["sharpe_ratio"] == detail["metrics"]["sharpe_ratio"]
        with build(settings) as services:
            again = services.backtests.submit(
                RunSpec(
                    strategy="ema_crossover", symbols=("DAILY",), params=bodies[-1]["parameters"]
                )
            )
            assert again.reused
            assert again.metrics is not None
            assert detail["metrics"]["sharpe_ratio"] == again.metrics["sharpe"]
        tail = f"p95 {readable(percentile(answered, 0.95))}"
        yield row("REST: submit, answered with the key metrics", size, answered, tail)
        tail = f"p95 {readable(percentile(times, 0.95))}"
        yield row("REST: the same, and read every detail", size, times, tail)
        kept = []
        for body in bodies[1:]:
            begun = time.perf_counter()
            _ask(address, body)
            kept.append(time.perf_counter() - begun)
        tail = f"p95 {readable(percentile(kept, 0.95))}"
        yield row("REST: the same again, already kept", size, kept, tail)


def _ask(address: str, body: dict[str, Any]) -> dict[str, Any]:
    taken = call(f"{address}/api/backtests/run", body)
    return call(address + taken["links"]["self"])


def call(address: str, body: dict[str, Any] | None = None) -> Any:
    """Ask the API, by POST where there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - our own server
        address, data, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.load(answer)


def environment_of(settings: Settings) -> dict[str, str]:
    """Say where a process finds the data folder, and whether it tracks."""
    uri = settings.mlflow_tracking_uri
    return {f"{PREFIX}DATA_DIR": str(settings.data_dir), f"{PREFIX}MLFLOW_TRACKING_URI": uri}


@contextmanager
def server(settings: Settings, module: str = "api") -> Iterator[str]:
    """Start the API, or the UI, over a data folder; gives its address once it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = environment_of(settings) | {f"{PREFIX}{module.upper()}_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            assert process.poll() is None, f"{module} ended"
            try:
                with urllib.request.urlopen(address + READY[module], timeout=60):  # noqa: S310
                    break
            except OSError:
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _help(rounds: int) -> Iterator[Row]:
    command = [sys.executable, "-m", "core", "--help"]
    expected = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "commands" in expected
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - begun)
    yield row("command line: --help", "", times, f"spread {statistics.pstdev(times) * 1e3:.0f} ms")
