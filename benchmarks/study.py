"""A study over REST beside the bare sweep of the same parameter sets."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

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
SYMBOL = "MINUTE"
DOOR = "/api/v1/optimization"
TRACKING = {"MLflow off": "off", "MLflow on": ""}


class Range(NamedTuple):
    """Values of a parameter, ends included."""

    min: int
    max: int
    step: int


@dataclass(frozen=True, slots=True)
class Grid:
    """What is searched: the ranges of an EMA crossover, over so many bars of a minute."""

    bars: int
    ranges: dict[str, Range]

    @classmethod
    def of(cls, *, quick: bool) -> Grid:
        """2,500 sets over 100,000 bars, or fewer of both."""
        bars, steps = (20_000, 10) if quick else (100_000, 50)
        fast, slow = Range(3, 2 + steps, 1), Range(60, 60 + 3 * (steps - 1), 3)
        return cls(bars, {"fast": fast, "slow": slow})

    @property
    def sets(self) -> list[dict[str, int]]:
        """Each set of parameters."""
        values = [range(low, high + 1, step) for low, high, step in self.ranges.values()]
        return [dict(zip(self.ranges, each, strict=True)) for each in product(*values)]

    @property
    def size(self) -> str:
        """Sets by bars."""
        return f"{len(self.sets):,} x {self.bars:,}"

    def swept(self, bars: Bars) -> float:
        """Seconds that the sweep takes by itself."""
        sets = self.sets
        began = time.perf_counter()
        sweep(EMACrossoverStrategy, bars, sets, EngineOptions(), CostModel())
        return time.perf_counter() - began


def beside(bare: Sequence[float], took: Sequence[float]) -> str:
    """Say how often the bare sweep of the same round fits into what was timed."""
    ratios = [one / alone for one, alone in zip(took, bare, strict=True)]
    return f"{statistics.median(ratios):.2f} x the bare sweep"


def measure(*, quick: bool) -> Iterator[Row]:
    """Time a grid from its submission over REST until its ranking and its verdict are read.

    The study asks for all that is judged without being asked for: Deflated Sharpe, PBO, SPA,
    plateau and sensitivity; nothing is held back, and there are no worlds without edge. API and
    worker are processes as `make run` starts them, once with tracking and once without; a study is
    mirrored whole before the next one begins.
    """
    grid = Grid.of(quick=quick)
    body = {
        "strategy": "ema_crossover",
        "symbols": [SYMBOL],
        "timeframe": "1m",
        "space": {name: each._asdict() for name, each in grid.ranges.items()},
        "validation_split": 0.0,
    }
    bare: list[float] = []
    ranked: dict[str, list[float]] = {name: [] for name in TRACKING}
    whole: dict[str, list[dict[str, float]]] = {name: [] for name in TRACKING}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        doors = {
            name: running.enter_context(workbench(Path(folder) / str(place), uri, grid.bars))
            for place, (name, uri) in enumerate(TRACKING.items())
        }
        bars = Catalog(Path(folder) / "0" / "lake").bars(SYMBOL, Timeframe.M1)
        for number in range(2 if quick else 5):
            bare.append(grid.swept(bars))
            for name, address in doors.items():
                first, spans = _study(address, {**body, "seed": number}, len(grid.sets))
                ranked[name].append(first)
                whole[name].append(spans)
    yield row("study: the bare sweep", grid.size, bare)
    for name, spans in whole.items():
        judged = [sum(each.values()) for each in spans]
        for what, took in (("ranked", ranked[name]), ("judged", judged)):
            yield row(
                f"study: POST to {what} result read, {name}", grid.size, took, beside(bare, took)
            )
    for part in whole["MLflow off"][0]:
        yield row(f"study: of it {part}", grid.size, [each[part] for each in whole["MLflow off"]])


def as_csv(bars: Bars) -> bytes:
    """Write bars as somebody's file."""
    moments = bars.ts.astype("datetime64[us]").astype("datetime64[s]").astype(str)
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    rows = zip(moments, *(column.tolist() for column in columns), strict=True)
    lines = (",".join(map(str, each)) for each in rows)
    return "\n".join(["timestamp,open,high,low,close,volume", *lines]).encode()


@contextmanager
def workbench(folder: Path, tracking: str, count: int, server_of: str = "api") -> Iterator[str]:
    """Start a server and a worker over a folder with one symbol of minutes; gives the address."""
    settings = Settings.load(data_dir=folder, mlflow_tracking_uri=tracking)
    with build(settings) as services:
        services.market.import_csv(as_csv(minutes(count)), name="minute.csv", symbol=SYMBOL)
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
        with server(settings, server_of) as address:
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
