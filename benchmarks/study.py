"""A study over REST beside the bare sweep of the same parameter sets."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.doors import call, environment_of, server
from benchmarks.engine import minutes
from benchmarks.timing import Row, row
from core.bootstrap import build
from core.catalog import Catalog
from core.domain.bars import Bars
from core.domain.costs import CostModel
from core.domain.options import EngineOptions
from core.domain.timeframe import Timeframe
from core.engine.sweep import sweep
from core.settings import Settings
from strategies.ema_crossover import EMACrossoverStrategy

PATIENCE = 600.0
LOOK_SECONDS = 0.03  # oftener, and asking takes the processor from the sweep
DOOR = "/api/v1/optimization"
TRACKING = {"MLflow off": "off", "MLflow on": ""}


def measure(*, quick: bool) -> Iterator[Row]:
    """Time a grid from its submission over REST until its ranking and its verdict are read.

    The study asks for all that is judged without being asked for: Deflated Sharpe, PBO, SPA,
    plateau and sensitivity; nothing is held back, and there are no worlds without edge. API and
    worker are processes as `make run` starts them, once with tracking and once without; a study is
    mirrored whole before the next one begins.
    """
    count, steps = (20_000, 10) if quick else (100_000, 50)
    fast = {"min": 3, "max": 3 + steps - 1, "step": 1}
    slow = {"min": 60, "max": 60 + 3 * (steps - 1), "step": 3}
    body = {
        "strategy": "ema_crossover",
        "symbols": ["MINUTE"],
        "timeframe": "1m",
        "space": {"fast": fast, "slow": slow},
        "validation_split": 0.0,
    }
    sets = [
        {"fast": one, "slow": other}
        for one in range(fast["min"], fast["max"] + 1)
        for other in range(slow["min"], slow["max"] + 1, slow["step"])
    ]
    size = f"{len(sets):,} x {count:,}"
    bare: list[float] = []
    ranked: dict[str, list[float]] = {name: [] for name in TRACKING}
    whole: dict[str, list[dict[str, float]]] = {name: [] for name in TRACKING}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        doors = {
            name: running.enter_context(_workbench(Path(folder) / str(place), uri, count))
            for place, (name, uri) in enumerate(TRACKING.items())
        }
        bars = Catalog(Path(folder) / "0" / "lake").bars("MINUTE", Timeframe.M1)
        for number in range(2 if quick else 5):
            began = time.perf_counter()
            sweep(EMACrossoverStrategy, bars, sets, EngineOptions(), CostModel())
            bare.append(time.perf_counter() - began)
            for name, address in doors.items():
                first, spans = _study(address, {**body, "seed": number}, len(sets))
                ranked[name].append(first)
                whole[name].append(spans)
    yield row("study: the bare sweep", size, bare)
    for name, spans in whole.items():
        judged = [sum(each.values()) for each in spans]
        for what, took in (("ranked", ranked[name]), ("judged", judged)):
            ratios = [one / alone for one, alone in zip(took, bare, strict=True)]
            note = f"{statistics.median(ratios):.2f} x the bare sweep"
            yield row(f"study: POST to {what} result read, {name}", size, took, note)
    for part in whole["MLflow off"][0]:
        yield row(f"study: of it {part}", size, [each[part] for each in whole["MLflow off"]])


def as_csv(bars: Bars) -> bytes:
    """Write bars as somebody's file."""
    moments = bars.ts.astype("datetime64[us]").astype("datetime64[s]").astype(str)
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    rows = zip(moments, *(column.tolist() for column in columns), strict=True)
    lines = (",".join(map(str, each)) for each in rows)
    return "\n".join(["timestamp,open,high,low,close,volume", *lines]).encode()


@contextmanager
def _workbench(folder: Path, tracking: str, count: int) -> Iterator[str]:
    """Start API and worker over a folder with one symbol of minutes; gives the address."""
    settings = Settings.load(data_dir=folder, mlflow_tracking_uri=tracking)
    with build(settings) as services:
        services.market.import_csv(as_csv(minutes(count)), name="minute.csv", symbol="MINUTE")
    words = [sys.executable, "-m", "core", "worker", "--slots", "1"]
    worker = subprocess.Popen(
        words,
        env=os.environ | environment_of(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert worker.stdout is not None
        assert worker.stdout.readline(), "the worker ended"
        with server(settings) as address:
            yield address
    finally:
        worker.terminate()
        worker.wait(30)


def _study(address: str, body: dict[str, Any], trials: int) -> tuple[float, dict[str, float]]:
    """Seconds of a study until its trials are ranked, and by part until its result is read."""
    began, at = time.perf_counter(), time.time()
    ranked: float | None = None
    taken = call(address + DOOR, body)
    while True:
        told = call(address + taken["links"]["status"])
        job, ranking = told["job"], told["ranking"]
        if ranked is None and ranking is not None and ranking["is_whole"]:
            ranked = time.perf_counter() - began
            assert ranking["trials"] == trials
        if job["status"] == "completed":
            break
        assert job["status"] in {"pending", "running"}, job
        assert time.perf_counter() < began + PATIENCE
        time.sleep(LOOK_SECONDS)
    found = call(address + taken["links"]["results"])["results"]
    whole = time.perf_counter() - began
    assert found["total_results"] == trials
    _await_mirror(address + taken["links"]["self"])
    spent = found["analysis"]["spent"]
    waited = datetime.fromisoformat(job["started_at"]).timestamp() - at
    return ranked or whole, {
        "waiting for a worker": waited,
        "process, loading, publishing, reading": whole - waited - found["analysis"]["seconds"],
        "sweeping": spent["search"],
        "judging": spent["judge"],
        "the rest": found["analysis"]["seconds"] - spent["search"] - spent["judge"],
    }


def _await_mirror(link: str) -> None:
    until = time.perf_counter() + PATIENCE
    while (mirror := call(link)["mlflow"])["state"] == "waiting":
        assert time.perf_counter() < until
        time.sleep(0.2)
    assert mirror["state"] in {"off", "written"}, mirror
